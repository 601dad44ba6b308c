/* SPDX-License-Identifier: ISC */
/* test_remember.c - what a client writes down of a server, login by login */
#include "folder.h"

#include <sojourn.h>

#include "core/crypto.h"
#include "core/services.h"
#include "io/key_file.h"

static struct sj_endpoint *server;

static void
open_server(void)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

	options.listen = "127.0.0.1:0";
	options.host_key_file = in_folder("host");
	assert_int_equal(sj_endpoint_open(&server, &options), 0);
}

static void
write_key(void)
{
	uint8_t seed[32] = { 1 }, public_key[32];
	struct sj__memory memory;
	struct sj__crypto *crypto;
	char text[2048];
	FILE *file = fopen(in_folder("key"), "w");
	ptrdiff_t length;

	sj__memory_init(&memory, (size_t)1 << 20);
	assert_int_equal(sj__crypto_open(&crypto, &memory, NULL), 0);
	assert_int_equal(sj__ed25519_public(crypto, seed, public_key), 0);
	sj__crypto_close(crypto, &memory);
	length = key_file_format(seed, public_key, "", text, sizeof text);
	assert_true(length > 0 && file != NULL);
	assert_int_equal(fwrite(text, 1, (size_t)length, file), length);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(in_folder("key"), 0600), 0);
}

static int
set_up(void **state)
{
	if (make_folder(state) < 0)
		return -1;
	write_key();
	open_server();
	return 0;
}

static int
tear_down(void **state)
{
	sj_endpoint_close(server);
	return remove_folder(state);
}

/* How a login there ends: 0, it started. */
static int
wait_for(struct sj_endpoint *client)
{
	struct sj_event event;

	for (int i = 0; i < 20000; i++) {
		while (sj_poll(server, &event, 0) > 0)
			if (event.type == SJ_EV_LOGIN)
				assert_int_equal(sj_login_accept(event.session,
				    NULL), 0);
		if (sj_poll(client, &event, 1) <= 0)
			continue;
		if (event.type == SJ_EV_STARTED)
			return 0;
		if (event.type == SJ_EV_ENDED)
			return event.error;
	}
	fail_msg("a login without end");
	return 0;
}

static int
log_in_with(int without_hybrid, const char *pin)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_login_options login = SJ_LOGIN_OPTIONS;
	struct sj_endpoint *client;
	struct sj_session *session;
	char target[64];
	int error;

	options.state_dir = folder;
	options.no_hybrid = without_hybrid;
	login.key_file = in_folder("key");
	login.trust_first_use = 1;
	login.server_key = pin;
	snprintf(target, sizeof target, "alice@127.0.0.1:%d/test",
	    sj_endpoint_port(server));
	assert_int_equal(sj_endpoint_open(&client, &options), 0);
	error = sj_login(client, target, &login, &session);
	if (error == 0)
		error = wait_for(client);
	if (error == 0)
		assert_int_equal(sj_session_identity(session)->hybrid,
		    !without_hybrid);
	sj_endpoint_close(client);
	return error;
}

static int
log_in(int without_hybrid)
{
	return log_in_with(without_hybrid, NULL);
}

/* Lines of known_hosts, and how many of them have the word. */
static void
assert_known(int lines, int words)
{
	char text[200];

	snprintf(text, sizeof text, "test $(wc -l <known_hosts) = %d && "
	    "test $(grep -c ' hybrid$' known_hosts) = %d", lines, words);
	assert_int_equal(shell(text), 0);
}

/* [SJ-HS-31] The word is written once, and with the first handshake that was
 * hybrid; from then on there is no login without. */
static void
hybrid_later(void **state)
{
	(void)state;
	assert_int_equal(log_in(1), 0);
	assert_known(1, 0);
	assert_int_equal(log_in(1), 0);
	assert_known(1, 0);
	assert_int_equal(log_in(0), 0);
	assert_known(2, 1);
	assert_int_equal(log_in(0), 0);
	assert_known(2, 1);
	assert_int_equal(log_in(1), SJ_ERR_DOWNGRADE);
	assert_known(2, 1);
}

static void
hybrid_at_first(void **state)
{
	(void)state;
	assert_int_equal(log_in(0), 0);
	assert_known(1, 1);
	assert_int_equal(log_in(0), 0);
	assert_known(1, 1);
	assert_int_equal(log_in(1), SJ_ERR_DOWNGRADE);
}

/* A key that is pinned by an option is the same key. */
static void
hybrid_of_a_pinned_key(void **state)
{
	char fingerprint[SJ__FINGERPRINT_SIZE], key[64], line[200];
	char *name = line, *text;
	FILE *file;

	(void)state;
	assert_int_equal(log_in(0), 0);
	file = fopen(in_folder("known_hosts"), "r");
	assert_true(file != NULL && fgets(line, sizeof line, file) != NULL);
	fclose(file);
	assert_non_null(strsep(&name, " "));
	assert_non_null(strsep(&name, " "));
	text = strsep(&name, " ");
	snprintf(key, sizeof key, "%s", text);
	sj__fingerprint(server, sj__endpoint_host_key(server)->public_key,
	    fingerprint);
	assert_int_equal(log_in_with(0, key), 0);
	assert_int_equal(log_in_with(0, fingerprint), 0);
	assert_known(1, 1);
	assert_int_equal(log_in_with(1, key), SJ_ERR_DOWNGRADE);
	assert_int_equal(log_in_with(1, fingerprint), SJ_ERR_DOWNGRADE);
	/* Another one is not what is known. */
	key[3] = key[3] == 'A' ? 'B' : 'A';
	assert_int_equal(log_in_with(1, key), SJ_ERR_KEY_CHANGED);
	fingerprint[9] ^= 1;
	assert_int_equal(log_in_with(1, fingerprint), SJ_ERR_KEY_CHANGED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hybrid_later, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(hybrid_at_first, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(hybrid_of_a_pinned_key, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
