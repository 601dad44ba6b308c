/* SPDX-License-Identifier: ISC */
/* test_sim_library.c - each setting of a simulated link does what it says */
#include <sojourn_sim.h>

#include "unit.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)

struct pair {
	struct sj_sim *sim;
	struct sj_endpoint *client, *server, *whose;
	struct sj_session *session;
	struct sj_event event;
	uint64_t started_ns;            /* 0: not yet */
	int ended;                      /* with which error; 0: not yet */
	uint64_t read;                  /* by the server */
	bool intact;
};

static void
open_server(struct pair *pair)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

	options.listen = "here";
	options.application = "test";
	assert_int_equal(sj_sim_endpoint_open(pair->sim, &pair->server,
	    &options), 0);
}

static void
open_pair(struct pair *pair, uint64_t seed, const struct sj_sim_link *link)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

	memset(pair, 0, sizeof *pair);
	pair->intact = true;
	assert_int_equal(sj_sim_open(&pair->sim, seed), 0);
	open_server(pair);
	options.application = "test";
	assert_int_equal(sj_sim_endpoint_open(pair->sim, &pair->client,
	    &options), 0);
	if (link != NULL)
		assert_int_equal(sj_sim_link(pair->sim, NULL, NULL, link), 0);
}

static void
log_in(struct pair *pair)
{
	pair->started_ns = 0;
	pair->ended = 0;
	assert_int_equal(sj_sim_login(pair->sim, pair->client, pair->server,
	    "alice", NULL, &pair->session), 0);
}

static uint8_t
byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 31 + offset / 256);
}

static void
read_all(struct pair *pair)
{
	uint8_t bytes[4096];
	ptrdiff_t n;

	while ((n = sj_stream_read(pair->event.stream, bytes,
	    sizeof bytes)) > 0)
		for (ptrdiff_t i = 0; i < n; i++)
			pair->intact &= bytes[i] == byte_at(pair->read++);
	if (n != SJ_AGAIN)
		sj_stream_close(pair->event.stream);
}

/* Until boot_ns, or until the client has started, or until it is over. */
static void
run(struct pair *pair, uint64_t until_ns)
{
	int got = 1;

	while (got > 0) {
		got = sj_sim_poll(pair->sim, until_ns, &pair->whose,
		    &pair->event);
		assert_true(got >= 0);
		if (got == 0)
			break;
		if (pair->event.type == SJ_EV_LOGIN)
			assert_int_equal(sj_login_accept(pair->event.session,
			    NULL), 0);
		else if (pair->event.type == SJ_EV_READABLE)
			read_all(pair);
		else if (pair->event.type == SJ_EV_ENDED &&
		    pair->whose == pair->client)
			pair->ended = pair->event.error;
		else if (pair->event.type == SJ_EV_STARTED &&
		    pair->whose == pair->client)
			pair->started_ns = sj_sim_now(pair->sim).boot_ns;
		if (pair->event.type == SJ_EV_ENDED)
			sj_session_close(pair->event.session);
	}
}

/* So many bytes to the server; how long they took. */
static uint64_t
carry(struct pair *pair, uint64_t size)
{
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	uint64_t start_ns = sj_sim_now(pair->sim).boot_ns, sent = 0;
	uint64_t until_ns = start_ns;
	struct sj_stream *stream;
	uint8_t bytes[4096];

	pair->read = 0;
	options.service = "sink";
	assert_int_equal(sj_stream_open(pair->session, &stream, &options), 0);
	while (pair->read < size && pair->ended == 0 &&
	    until_ns < start_ns + 600 * SECOND) {
		for (ptrdiff_t n = 1; n > 0 && sent < size;) {
			size_t length = sizeof bytes;

			if (length > size - sent)
				length = (size_t)(size - sent);
			for (size_t i = 0; i < length; i++)
				bytes[i] = byte_at(sent + i);
			n = sj_stream_write(stream, bytes, length);
			sent += n > 0 ? (uint64_t)n : 0;
		}
		run(pair, until_ns += MS);
	}
	assert_int_equal(pair->read, size);
	assert_true(pair->intact);
	return sj_sim_now(pair->sim).boot_ns - start_ns;
}

static struct sj_sim_stats
stats_of(const struct pair *pair)
{
	struct sj_sim_stats stats = { .size = sizeof stats };

	assert_int_equal(sj_sim_stats(pair->sim, &stats), 0);
	assert_null(stats.broken);
	return stats;
}

static void
perfect(void **state)
{
	struct pair pair;

	(void)state;
	open_pair(&pair, 1, NULL);
	assert_int_equal(sj_sim_now(pair.sim).boot_ns, SECOND);
	log_in(&pair);
	run(&pair, 2 * SECOND);
	/* At once, and the clock is where it was told to be. */
	assert_int_equal(pair.started_ns, SECOND);
	assert_int_equal(sj_sim_now(pair.sim).boot_ns, 2 * SECOND);
	assert_string_equal(sj_session_identity(pair.session)->user, "alice");
	carry(&pair, 1000000);
	assert_int_equal(stats_of(&pair).lost, 0);
	assert_int_equal(stats_of(&pair).nobody, 0);
	sj_sim_close(pair.sim);
}

static void
delay(void **state)
{
	struct sj_sim_link link = SJ_SIM_LINK;
	struct pair pair;

	(void)state;
	link.delay_ns = 50 * MS;
	open_pair(&pair, 1, &link);
	log_in(&pair);
	run(&pair, 2 * SECOND);
	assert_int_equal(pair.started_ns, SECOND + 4 * link.delay_ns);
	/* Only one way is slow. */
	link.delay_ns = 0;
	assert_int_equal(sj_sim_link(pair.sim, pair.server, pair.client, &link),
	    0);
	log_in(&pair);
	run(&pair, 4 * SECOND);
	assert_int_equal(pair.started_ns, 2 * SECOND + 100 * MS);
	sj_sim_close(pair.sim);
}

/* What nothing comes through of: no answer, after the time a login has. */
static void
nothing_passes(void **state)
{
	const struct sj_sim_link links[] = {
		{ .size = sizeof links[0], .loss = 10000 },
		{ .size = sizeof links[0], .cut = 1 },
		{ .size = sizeof links[0], .datagram_max = 500 },
	};
	struct pair pair;

	(void)state;
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		open_pair(&pair, 1, &links[i]);
		log_in(&pair);
		run(&pair, 10 * SECOND);
		assert_int_equal(pair.ended, 0);
		run(&pair, 12 * SECOND);
		assert_int_equal(pair.started_ns, 0);
		assert_int_equal(pair.ended, SJ_ERR_UNREACHABLE);
		assert_int_equal(stats_of(&pair).lost,
		    stats_of(&pair).datagrams);
		assert_true(stats_of(&pair).lost > 2);
		sj_sim_close(pair.sim);
	}
}

static void
rate(void **state)
{
	struct sj_sim_link link = { .size = sizeof link,
	    .rate_bytes_s = 100000 };
	struct pair pair;
	uint64_t took_ns;

	(void)state;
	open_pair(&pair, 1, &link);
	log_in(&pair);
	took_ns = carry(&pair, 1000000);
	assert_in_range(took_ns, 10 * SECOND, 13 * SECOND);
	assert_true(stats_of(&pair).lost > 0);  /* the queue is not endless */
	sj_sim_close(pair.sim);
}

/* Each of these happens, and no byte is lost, doubled or changed by it. */
static void
disorder(void **state)
{
	const struct sj_sim_link links[] = {
		{ .size = sizeof links[0] },
		{ .size = sizeof links[0], .loss = 2000 },
		{ .size = sizeof links[0], .burst = 300 },
		{ .size = sizeof links[0], .duplicate = 10000 },
		{ .size = sizeof links[0], .corrupt = 2000 },
		{ .size = sizeof links[0], .reorder = 5000 },
		{ .size = sizeof links[0], .jitter_ns = 30 * MS },
		{ .size = sizeof links[0], .ecn = SJ_SIM_ECN_DROPPED },
		{ .size = sizeof links[0], .ecn = SJ_SIM_ECN_BLEACHED },
		{ .size = sizeof links[0], .ecn = SJ_SIM_ECN_CONGESTED },
		{ .size = sizeof links[0], .repeat = 2000 },
	};
	struct pair pair;
	uint64_t plain = 0;

	(void)state;
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		struct sj_sim_link link = links[i];
		struct sj_endpoint_stats theirs = { .size = sizeof theirs };

		link.delay_ns = 10 * MS;
		open_pair(&pair, 3, &link);
		log_in(&pair);
		carry(&pair, 200000);
		sj_endpoint_stats(pair.server, &theirs);
		if (link.loss > 0 || link.burst > 0 ||
		    link.ecn == SJ_SIM_ECN_DROPPED)
			assert_true(stats_of(&pair).lost > 0);
		else
			assert_int_equal(stats_of(&pair).lost, 0);
		if (link.duplicate > 0 || link.corrupt > 0 || link.repeat > 0)
			assert_true(theirs.dropped > 0);
		/* The first is the one in which nothing of it happens; a copy
		 * changes nothing that is sent. */
		if (i == 0)
			plain = stats_of(&pair).hash;
		else if (link.duplicate == 0)
			assert_true(stats_of(&pair).hash != plain);
		sj_sim_close(pair.sim);
	}
}

static void
rebinding(void **state)
{
	struct sj_sim_link link = { .size = sizeof link, .delay_ns = 5 * MS };
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	struct sj_stream *stream;
	struct pair pair;

	(void)state;
	open_pair(&pair, 1, &link);
	log_in(&pair);
	run(&pair, 2 * SECOND);
	assert_int_equal(stats_of(&pair).lost, 0);
	/* The answer goes to where the question came from. */
	assert_int_equal(sj_stream_open(pair.session, &stream, &options), 0);
	assert_int_equal(sj_stream_write(stream, "", 1), 1);
	run(&pair, sj_sim_now(pair.sim).boot_ns + MS);
	assert_int_equal(sj_sim_rebind(pair.sim, pair.client), 0);
	run(&pair, 3 * SECOND);
	assert_true(stats_of(&pair).lost > 0);
	for (int i = 0; i < 62; i++) {
		assert_int_equal(sj_sim_rebind(pair.sim, pair.client), 0);
		if (i % 16 == 0)
			carry(&pair, 10000);
	}
	assert_int_equal(sj_sim_rebind(pair.sim, pair.client), SJ_ERR_LIMIT);
	carry(&pair, 10000);
	assert_int_equal(pair.ended, 0);
	sj_sim_close(pair.sim);
}

/* Closed is gone without a word; opened again is at the same address. */
static void
crash(void **state)
{
	struct pair pair;
	struct sj_endpoint *old;

	(void)state;
	open_pair(&pair, 1, NULL);
	log_in(&pair);
	run(&pair, 2 * SECOND);
	assert_true(pair.started_ns > 0);
	old = pair.server;
	sj_sim_endpoint_close(pair.sim, pair.server);
	assert_int_equal(sj_sim_link(pair.sim, old, NULL,
	    &(struct sj_sim_link)SJ_SIM_LINK), SJ_ERR_ARGUMENT);
	assert_int_equal(pair.ended, 0);
	open_server(&pair);
	log_in(&pair);
	run(&pair, 3 * SECOND);
	assert_true(pair.started_ns >= 2 * SECOND);
	carry(&pair, 10000);
	sj_sim_endpoint_close(pair.sim, pair.server);
	assert_int_equal(sj_sim_login(pair.sim, pair.client, pair.server,
	    "alice", NULL, &pair.session), SJ_ERR_ARGUMENT);
	assert_null(pair.session);
	sj_sim_close(pair.sim);
}

/* A key that is not trusted is asked for; a pin that is another's ends it. */
static void
keys(void **state)
{
	struct sj_login_options options = SJ_LOGIN_OPTIONS;
	struct pair pair;

	(void)state;
	open_pair(&pair, 1, NULL);
	assert_int_equal(sj_sim_login(pair.sim, pair.client, pair.server,
	    "alice", &options, &pair.session), 0);
	do
		assert_int_equal(sj_sim_poll(pair.sim, 2 * SECOND, &pair.whose,
		    &pair.event), 1);
	while (pair.event.type != SJ_EV_PROMPT);
	assert_int_equal(pair.event.code, SJ_PROMPT_HOST_KEY);
	assert_int_equal(sj_login_answer(pair.session, "yes"), 0);
	run(&pair, 3 * SECOND);
	assert_true(pair.started_ns > 0);
	options.server_key =
	    "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	assert_int_equal(sj_sim_login(pair.sim, pair.client, pair.server,
	    "alice", &options, &pair.session), 0);
	run(&pair, 4 * SECOND);
	assert_int_equal(pair.ended, SJ_ERR_KEY_CHANGED);
	sj_sim_close(pair.sim);
}

static uint64_t
hash_of(uint64_t seed, uint64_t note)
{
	struct sj_sim_link link = { .size = sizeof link, .loss = 1000,
	    .delay_ns = 20 * MS, .jitter_ns = 9 * MS };
	struct pair pair;
	uint64_t hash;

	open_pair(&pair, seed, &link);
	log_in(&pair);
	carry(&pair, 50000);
	sj_sim_note(pair.sim, note);
	hash = stats_of(&pair).hash;
	sj_sim_close(pair.sim);
	return hash;
}

static void
same_seed(void **state)
{
	(void)state;
	assert_true(hash_of(1, 0) == hash_of(1, 0));
	assert_true(hash_of(1, 0) != hash_of(2, 0));
	assert_true(hash_of(1, 0) != hash_of(1, 1));
}

static void
wrong_use(void **state)
{
	struct sj_sim_link link = SJ_SIM_LINK;
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_endpoint *endpoint;
	struct sj_sim_stats stats = { .size = 0 };
	struct sj_event event;
	struct sj_sim *sim;

	(void)state;
	assert_int_equal(sj_sim_open(NULL, 1), SJ_ERR_ARGUMENT);
	assert_int_equal(sj_sim_open(&sim, 1), 0);
	/* Nobody is there: nothing will ever happen. */
	assert_int_equal(sj_sim_poll(sim, UINT64_MAX, &endpoint, &event), 0);
	assert_int_equal(sj_sim_now(sim).boot_ns, SECOND);
	assert_int_equal(sj_sim_poll(sim, 0, NULL, &event), SJ_ERR_ARGUMENT);
	assert_int_equal(sj_sim_stats(sim, &stats), SJ_ERR_ARGUMENT);
	assert_int_equal(sj_sim_rebind(sim, NULL), SJ_ERR_ARGUMENT);
	link.size = 0;
	assert_int_equal(sj_sim_link(sim, NULL, NULL, &link), SJ_ERR_ARGUMENT);
	assert_int_equal(sj_sim_random(sim, 0), 0);
	assert_int_equal(sj_sim_random(sim, 1), 0);
	for (int i = 0; i < 255; i++)
		assert_int_equal(sj_sim_endpoint_open(sim, &endpoint, &options),
		    0);
	assert_int_equal(sj_sim_endpoint_open(sim, &endpoint, &options),
	    SJ_ERR_LIMIT);
	assert_null(endpoint);
	sj_sim_endpoint_close(sim, NULL);
	sj_sim_close(NULL);
	sj_sim_close(sim);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(perfect),
		cmocka_unit_test(delay),
		cmocka_unit_test(nothing_passes),
		cmocka_unit_test(rate),
		cmocka_unit_test(disorder),
		cmocka_unit_test(rebinding),
		cmocka_unit_test(crash),
		cmocka_unit_test(keys),
		cmocka_unit_test(same_seed),
		cmocka_unit_test(wrong_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
