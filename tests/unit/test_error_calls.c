/* SPDX-License-Identifier: ISC */
/*
 * test_error_calls.c - the errors that no command can be made to say, by the calls
 *
 * PROVOKES names each; tests/lint/errors.py looks for the name.
 */
#include <sojourn_sim.h>

#include "unit.h"

#define SECOND UINT64_C(1000000000)
#define PROVOKES(error, result) assert_int_equal(result, error)

struct pair {
	struct sj_sim *sim;
	struct sj_endpoint *client, *server;
	struct sj_session *session;
	int started, ended;
};

static void
open_pair(struct pair *pair, const struct sj_endpoint_options *given)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_endpoint_options server = *given;

	memset(pair, 0, sizeof *pair);
	server.listen = "here";
	assert_int_equal(sj_sim_open(&pair->sim, 1), 0);
	assert_int_equal(sj_sim_endpoint_open(pair->sim, &pair->server,
	    &server), 0);
	assert_int_equal(sj_sim_endpoint_open(pair->sim, &pair->client,
	    &options), 0);
	assert_int_equal(sj_sim_login(pair->sim, pair->client, pair->server,
	    "alice", NULL, &pair->session), 0);
}

/* Until then, or until the client's session is over: its error. */
static int
run(struct pair *pair, uint64_t until_ns)
{
	struct sj_endpoint *whose;
	struct sj_event event;

	while (pair->ended == 0 &&
	    sj_sim_poll(pair->sim, until_ns, &whose, &event) > 0)
		if (event.type == SJ_EV_LOGIN)
			assert_int_equal(sj_login_accept(event.session, NULL),
			    0);
		else if (event.type == SJ_EV_STARTED && whose == pair->client)
			pair->started = 1;
		else if (event.type == SJ_EV_ENDED && whose == pair->client)
			pair->ended = event.error;
	return pair->ended;
}

static void
of_a_program(void **state)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_endpoint *endpoint;
	struct sj_session *session;
	struct sj_stream *stream;
	struct sj_event event;
	struct pair pair;

	(void)state;
	PROVOKES(SJ_ERR_ARGUMENT, sj_endpoint_open(&endpoint, NULL));

	open_pair(&pair, &options);
	assert_int_equal(sj_stream_open(pair.session, &stream, NULL), 0);
	assert_int_equal(sj_stream_finish(stream), 0);
	PROVOKES(SJ_ERR_STATE, sj_stream_write(stream, "late", 4));
	options.memory_max = 1000;
	PROVOKES(SJ_ERR_MEMORY, sj_sim_endpoint_open(pair.sim, &endpoint,
	    &options));
	sj_sim_close(pair.sim);

	/* More logins at once than names are looked up for. */
	options.memory_max = 0;
	options.application = "none";
	assert_int_equal(sj_endpoint_open(&endpoint, &options), 0);
	for (int i = 0; i < 33; i++)
		assert_int_equal(sj_login(endpoint, "alice@none.invalid", NULL,
		    &session), 0);
	do
		assert_int_equal(sj_poll(endpoint, &event, 10000), 1);
	while (event.session != session);
	assert_int_equal(event.type, SJ_EV_ENDED);
	PROVOKES(SJ_ERR_LIMIT, event.error);
	sj_endpoint_close(endpoint);
}

static void
of_a_socket(void **state)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_host_key key = { .context = NULL };
	struct sj_endpoint *endpoint;
	char error[256] = "";

	(void)state;
	options.listen = "192.0.2.1:0";         /* nobody's */
	options.host_key = &key;
	options.error = error;
	options.error_size = sizeof error;
	PROVOKES(SJ_ERR_SOCKET, sj_endpoint_open(&endpoint, &options));
	assert_non_null(strstr(error, "192.0.2.1"));
	assert_null(endpoint);
}

/* A store with a disk that is full. */
struct full {
	struct sj_store store;
	uint64_t numbers[16];
	unsigned count, closed;
};

static int
full_submit(struct sj_store *store, const struct sj_store_request *request)
{
	struct full *full = (struct full *)(void *)store;

	assert_true(full->count < 16);
	full->numbers[full->count++] = request->number;
	return 0;
}

static int
full_next(struct sj_store *store, struct sj_store_answer *answer)
{
	struct full *full = (struct full *)(void *)store;

	if (full->count == 0)
		return 0;
	*answer = (struct sj_store_answer){ .error = SJ_ERR_STORE,
	    .number = full->numbers[--full->count], .text = "no room" };
	return 1;
}

static int
full_fd(const struct sj_store *store)
{
	(void)store;
	return -1;
}

static void
full_close(struct sj_store *store)
{
	struct full *full = (struct full *)(void *)store;

	full->closed++;
}

static const struct sj_store_operations full_operations = { full_submit,
	full_next, full_fd, full_close };

/* An endpoint that does not open took the store over, and closes it. */
static void
of_a_store_and_no_endpoint(void **state)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct full full = { .store.operations = &full_operations };
	struct sj_endpoint *endpoint;

	(void)state;
	options.store = &full.store;
	options.listen = "127.0.0.1";
	assert_int_equal(sj_endpoint_open(&endpoint, &options),
	    SJ_ERR_ARGUMENT);            /* without a key */
	assert_int_equal(full.closed, 1);
	options.host_key_file = "/nowhere";
	options.listen = "192.0.2.1";
	assert_int_equal(sj_endpoint_open(&endpoint, &options), SJ_ERR_SOCKET);
	assert_int_equal(full.closed, 2);
	options.listen = "127.0.0.1";
	assert_true(sj_endpoint_open(&endpoint, &options) < 0);
	assert_int_equal(full.closed, 3);
}

static void
of_a_store(void **state)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct full full = { .store.operations = &full_operations };
	struct pair pair;

	(void)state;
	options.store = &full.store;
	open_pair(&pair, &options);
	PROVOKES(SJ_ERR_STORE, run(&pair, 10 * SECOND));
	assert_false(pair.started);
	sj_sim_close(pair.sim);
}

static void
of_a_login_that_was(void **state)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct pair pair;

	(void)state;
	options.lifetime_s = 600;
	open_pair(&pair, &options);
	assert_int_equal(run(&pair, 600 * SECOND), 0);
	assert_true(pair.started);
	PROVOKES(SJ_ERR_EXPIRED, run(&pair, 700 * SECOND));
	sj_sim_close(pair.sim);

	open_pair(&pair, &options);
	assert_int_equal(run(&pair, 2 * SECOND), 0);
	assert_int_equal(sj_sessions_revoke(pair.server, "alice", NULL), 0);
	PROVOKES(SJ_ERR_REVOKED, run(&pair, 3 * SECOND));
	sj_sim_close(pair.sim);
}

/* A server known with the hybrid exchange, and a client that is told to do
 * without. */
static void
of_a_downgrade(void **state)
{
	static const uint8_t server_key[32] = { 9 };
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_core_login login = { .server_name = "server",
	    .application = "none", .user = "alice", .server_key = server_key,
	    .server_key_is_hybrid = 1, .options = SJ_LOGIN_OPTIONS };
	struct sj_endpoint *endpoint;
	struct sj_session *session;
	struct sj_sim *sim;

	(void)state;
	options.no_hybrid = 1;
	assert_int_equal(sj_sim_open(&sim, 1), 0);
	assert_int_equal(sj_sim_endpoint_open(sim, &endpoint, &options), 0);
	login.path.transport = SJ_TRANSPORT_UDP;
	PROVOKES(SJ_ERR_DOWNGRADE, sj_core_login(endpoint, sj_sim_now(sim),
	    &login, &session));
	assert_null(session);
	sj_sim_close(sim);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_program),
		cmocka_unit_test(of_a_socket),
		cmocka_unit_test(of_a_store),
		cmocka_unit_test(of_a_store_and_no_endpoint),
		cmocka_unit_test(of_a_login_that_was),
		cmocka_unit_test(of_a_downgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
