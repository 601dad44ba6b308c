/* SPDX-License-Identifier: ISC */
/*
 * test_monitor.c - what the monitor makes of a net that was taken over
 *
 * Requests are served one by one, as the monitor's loop does it: SJ_ERR_PROTOCOL
 * from serve_request() is what ends the server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include "serve/connector.h"
#include "serve/monitor.c"

static int net_end = -1;
static struct monitor monitor;
static struct serve_options options;
static uint8_t key[51];

/* --- A monitor, and the net process that it believes nothing ------------ */

static int
set_up(void **state)
{
	static const char line[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"
	    "AEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n";
	int pair[2];
	FILE *file;

	if (make_folder(state) != 0 || socketpair(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	memcpy(key, "\0\0\0\13ssh-ed25519\0\0\0\40", 19);
	memset(key + 19, 1, 32);
	memset(&options, 0, sizeof(options));
	options.quiet = 1;
	strcpy(options.account, "alice");
	strcpy(options.authorized_keys, in_folder("keys"));
	strcpy(options.services[0].name, "cat");
	options.services[0].words[0] = (char *)(uintptr_t)"/bin/cat";
	options.service_count = 1;
	file = fopen(options.authorized_keys, "w");
	if (file == NULL || fputs(line, file) < 0 || fclose(file) != 0)
		return -1;
	memset(&monitor, 0, sizeof(monitor));
	monitor.options = &options;
	monitor.state = SERVING;
	monitor.requests = pair[0];
	net_end = pair[1];
	processes_init(&monitor.processes);
	log_set_level(LOG_QUIET);
	return 0;
}

static int
tear_down(void **state)
{
	/* what a test that failed has left running, too */
	close(monitor.requests);
	close(net_end);
	processes_end(&monitor.processes, 0, 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	free(monitor.logins);
	return remove_folder(state);
}

/* What the monitor makes of this packet. */
static int
ask(const void *request, size_t length)
{
	assert_int_equal(request_send(net_end, request, length, NULL, 0, 0), 0);
	return serve_request(&monitor);
}

/* Its answer: the error in it. */
static int
answered(void)
{
	struct answer answer;
	int descriptors[2];
	size_t count, i;

	assert_int_equal(request_receive(net_end, &answer, sizeof(answer),
	    descriptors, &count), sizeof(answer));
	for (i = 0; i < count; i++)
		close(descriptors[i]);
	return answer.error;
}

static void
assert_silent(void)
{
	struct answer answer;

	assert_int_equal(request_receive(net_end, &answer, sizeof(answer),
	    NULL, NULL), SJ_AGAIN);
}

static struct request_login
login_of(uint64_t session)
{
	struct request_login login = { .head = { .type = REQUEST_LOGIN },
		.session = session, .credential_length = sizeof(key) };

	memcpy(login.credential, key, sizeof(key));
	strcpy(login.user, "alice");
	strcpy(login.application, SERVE_APPLICATION);
	strcpy(login.mechanism, "publickey");
	strcpy(login.credential_name, "a key");
	strcpy(login.peer, "192.0.2.1:7");
	return login;
}

static struct request_spawn
spawn_of(uint64_t session, const char *service)
{
	struct request_spawn spawn = { .head = { .type = REQUEST_SPAWN,
		.number = 9 }, .session = session };

	strcpy(spawn.service, service);
	return spawn;
}

/* --- Tests -------------------------------------------------------------- */

/* Each kind, a byte short and a byte long; kinds that there are not. */
static void
sizes(void **state)
{
	static uint8_t bytes[sizeof(union request) + 1];
	struct request_head *head = (struct request_head *)(void *)bytes;
	uint32_t type;

	(void)state;
	for (type = REQUEST_LISTENING; type < REQUEST_TYPES; type++) {
		monitor.state = type == REQUEST_LISTENING ? STARTING : SERVING;
		head->type = type;
		assert_int_equal(ask(bytes, rows[type].size - 1),
		    SJ_ERR_PROTOCOL);
		if (rows[type].size < sizeof(union request))
			assert_int_equal(ask(bytes, rows[type].size + 1),
			    SJ_ERR_PROTOCOL);
	}
	monitor.state = SERVING;
	assert_int_equal(ask(bytes, sizeof(bytes)), SJ_ERR_PROTOCOL);
	assert_int_equal(ask(bytes, sizeof(*head) - 1), SJ_ERR_PROTOCOL);
	for (type = 0; type < 300; type += type == 0 ? REQUEST_TYPES : 1) {
		head->type = type;
		assert_int_equal(ask(bytes, sizeof(*head)), SJ_ERR_PROTOCOL);
		assert_int_equal(ask(bytes, sizeof(struct request_dh)),
		    SJ_ERR_PROTOCOL);
	}
	assert_silent();
}

/* Each kind in each state: what is not in its turn is not served. */
static void
turns(void **state)
{
	static const unsigned states[] = { STARTING, SERVING, ENDING };
	struct request_listening listening = { .head = {
		.type = REQUEST_LISTENING } };
	struct request_dh dh = { .head = { .type = REQUEST_DH } };
	struct request_login login = login_of(1);
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		/* on their way when the end began: let be, not served */
		int want = states[i] == ENDING ? 1 : SJ_ERR_PROTOCOL;

		monitor.state = states[i];
		if (states[i] != STARTING)
			assert_int_equal(ask(&listening, sizeof(listening)),
			    want);
		assert_int_equal(monitor.state, states[i]);
		if (states[i] == SERVING)
			continue;
		assert_int_equal(ask(&dh, sizeof(dh)), want);
		assert_int_equal(ask(&login, sizeof(login)), want);
		assert_silent();
		assert_int_equal(monitor.login_count, 0);
	}
	monitor.state = STARTING;
	assert_int_equal(ask(&listening, sizeof(listening)), 1);
	assert_int_equal(monitor.state, SERVING);
	/* once is once, whatever the state */
	monitor.state = STARTING;
	assert_int_equal(ask(&listening, sizeof(listening)), SJ_ERR_PROTOCOL);
}

/* A string without its end, in every place for one. */
static void
strings(void **state)
{
	struct request_listening listening = { .head = {
		.type = REQUEST_LISTENING } };
	struct request_spawn spawn = spawn_of(1, "cat");
	struct request_login login = login_of(1);
	const struct { char *at; size_t size; } places[] = {
		{ login.user, sizeof(login.user) },
		{ login.application, sizeof(login.application) },
		{ login.mechanism, sizeof(login.mechanism) },
		{ login.credential_name, sizeof(login.credential_name) },
		{ login.peer, sizeof(login.peer) },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		memset(places[i].at, 'x', places[i].size);
		assert_int_equal(ask(&login, sizeof(login)), SJ_ERR_PROTOCOL);
		login = login_of(1);
	}
	strcpy(login.peer, "192.0.2.1 A=B");
	assert_int_equal(ask(&login, sizeof(login)), SJ_ERR_PROTOCOL);
	login = login_of(1);
	strcpy(login.application, "mail");
	assert_int_equal(ask(&login, sizeof(login)), SJ_ERR_PROTOCOL);
	login = login_of(1);
	login.credential_length = sizeof(login.credential) + 1;
	assert_int_equal(ask(&login, sizeof(login)), SJ_ERR_PROTOCOL);
	login = login_of(1);
	assert_int_equal(ask(&login, sizeof(login)), 1);
	assert_int_equal(answered(), 0);
	memset(spawn.service, 'x', sizeof(spawn.service));
	assert_int_equal(ask(&spawn, sizeof(spawn)), SJ_ERR_PROTOCOL);
	monitor.state = STARTING;
	memset(listening.key, 'x', sizeof(listening.key));
	assert_int_equal(ask(&listening, sizeof(listening)), SJ_ERR_PROTOCOL);
	assert_silent();
}

/* Who may log in the monitor finds out by itself. */
static void
logins(void **state)
{
	struct request_login login = login_of(1);

	(void)state;
	login.credential[50] ^= 1;
	assert_int_equal(ask(&login, sizeof(login)), 1);
	assert_int_equal(answered(), SJ_ERR_REFUSED);
	login = login_of(1);
	login.credential_length--;
	assert_int_equal(ask(&login, sizeof(login)), 1);
	assert_int_equal(answered(), SJ_ERR_REFUSED);
	login = login_of(1);
	strcpy(login.user, "root");
	assert_int_equal(ask(&login, sizeof(login)), 1);
	assert_int_equal(answered(), SJ_ERR_REFUSED);
	login = login_of(1);
	strcpy(login.mechanism, "none");
	assert_int_equal(ask(&login, sizeof(login)), 1);
	assert_int_equal(answered(), SJ_ERR_REFUSED);
	assert_int_equal(monitor.login_count, 0);
	login = login_of(1);
	assert_int_equal(ask(&login, sizeof(login)), 1);
	assert_int_equal(answered(), 0);
	/* the same number for another */
	assert_int_equal(ask(&login, sizeof(login)), SJ_ERR_PROTOCOL);
	assert_int_equal(monitor.login_count, 1);
}

/* A service runs for a login, for as long as that is there, and only one that
 * the configuration has. */
static void
services(void **state)
{
	struct request_login first = login_of(7), second = login_of(8);
	struct request_spawn cat = spawn_of(8, "cat"), ls = spawn_of(8, "ls");
	struct request_gone gone = { .head = { .type = REQUEST_GONE },
		.session = 8 };

	(void)state;
	assert_int_equal(ask(&cat, sizeof(cat)), SJ_ERR_PROTOCOL);
	second.id[0] = 0xab;
	assert_int_equal(ask(&first, sizeof(first)), 1);
	assert_int_equal(answered(), 0);
	assert_int_equal(ask(&second, sizeof(second)), 1);
	assert_int_equal(answered(), 0);
	assert_string_equal(find_login(&monitor, 7)->id, "0000000000000000");
	assert_string_equal(find_login(&monitor, 8)->id, "ab00000000000000");
	assert_int_equal(ask(&ls, sizeof(ls)), 1);
	assert_int_equal(answered(), SJ_ERR_SERVICE);
	assert_int_equal(monitor.processes.slots[0].pid, 0);
	assert_int_equal(ask(&cat, sizeof(cat)), 1);
	assert_int_equal(answered(), 0);
	assert_true(monitor.processes.slots[0].pid > 0);
	assert_int_equal(monitor.processes.slots[0].session, 8);
	assert_int_equal(ask(&gone, sizeof(gone)), 1);
	assert_true(monitor.processes.slots[0].kill_at_ms != 0);
	close(monitor.processes.slots[0].errors);
	assert_null(find_login(&monitor, 8));
	assert_int_equal(ask(&cat, sizeof(cat)), SJ_ERR_PROTOCOL);
	/* what was never accepted may be gone */
	assert_int_equal(ask(&gone, sizeof(gone)), 1);
	assert_silent();
}

/* Only what PermitOpen lists comes to the process that connects, and only for a
 * login. */
static void
connections(void **state)
{
	struct request_login login = login_of(7);
	struct request_connect connect = { .head = { .type = REQUEST_CONNECT,
		.number = 9 }, .session = 7, .place = "tcp:h:1" };
	struct connector_order order;
	const char *why;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    pair), 0);
	monitor.connector = pair[0];
	assert_int_equal(permit_open(&options.permit, "h:1", &why), 0);
	options.permit.no_paths = 1;
	assert_int_equal(ask(&connect, sizeof(connect)), SJ_ERR_PROTOCOL);
	assert_int_equal(ask(&login, sizeof(login)), 1);
	assert_int_equal(answered(), 0);
	assert_int_equal(ask(&connect, sizeof(connect)), 1);
	assert_int_equal(request_receive(pair[1], &order, sizeof(order), NULL,
	    NULL), sizeof(order));
	assert_string_equal(order.place, "tcp:h:1");
	assert_silent();
	strcpy(connect.place, "tcp:h:2");
	assert_int_equal(ask(&connect, sizeof(connect)), 1);
	assert_int_equal(answered(), SJ_ERR_RESET);
	strcpy(connect.place, "unix:/s");
	assert_int_equal(ask(&connect, sizeof(connect)), 1);
	assert_int_equal(answered(), SJ_ERR_RESET);
	assert_int_equal(request_receive(pair[1], &order, sizeof(order), NULL,
	    NULL), SJ_AGAIN);
	close(pair[0]);
	close(pair[1]);
}

/* Whoever watches the server starts it again by its exit code. */
static void
what_the_end_of_net_means(void **state)
{
	struct serve_options asked = { .once = 0 };
	struct monitor ended = { .state = SERVING, .options = &asked };

	(void)state;
	assert_int_equal(verdict(&ended), 255); /* of itself, in good order */
	ended.state = ENDING;
	assert_int_equal(verdict(&ended), 0);
	asked.once = 1;
	ended.state = SERVING;
	assert_int_equal(verdict(&ended), 0);
	ended.net_status = 255 << 8;
	assert_int_equal(verdict(&ended), 255);
	ended.net_status = 9;
	assert_int_equal(verdict(&ended), 255);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_end_of_net_means),
		cmocka_unit_test_setup_teardown(sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(logins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(services, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
