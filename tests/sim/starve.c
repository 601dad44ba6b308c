/* SPDX-License-Identifier: ISC */
/*
 * starve.c - the n-th allocation fails, for every n
 *
 * A login with streams both ways and a logout. Whatever fails, nobody crashes,
 * nothing is left behind (sj__endpoint_destroy() asserts it), and whoever comes
 * next, with memory again, is served.
 */
#include "pair.h"

static uint64_t countdown, failed;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *
__wrap_malloc(size_t size)
{
	if (countdown > 0 && --countdown == 0) {
		failed++;
		return NULL;
	}
	return __real_malloc(size);
}

/* True if the n-th allocation was never asked for. */
static bool
starve(uint64_t n, bool is_key_known)
{
	struct pair *pair = __real_malloc(sizeof *pair);
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };
	struct sj_stream *stream[3] = { NULL };
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	static uint8_t bytes[20000];
	bool is_over;

	memset(pair, 0, sizeof *pair);
	pair_seed(n);
	pair_open(pair);
	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	if (is_key_known)
		login.server_key = pair->world.host_key.public_key;
	countdown = n;
	if (sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &pair->session) == 0) {
		for (int i = 0; i < 3 && pair->session != NULL; i++) {
			options.parent = i > 0 ? stream[i - 1] : NULL;
			if (sj_stream_open(pair->session, &stream[i],
			    &options) < 0)
				break;
			(void)sj_stream_write(stream[i], bytes, sizeof bytes);
		}
		pair_exchange(pair, 60);
		if (pair->session != NULL)
			(void)sj_logout(pair->session);
		pair_exchange(pair, 60);
	}
	is_over = countdown > 0;
	countdown = 0;
	/* What is left ends by its deadlines. */
	for (int i = 0; i < 20; i++) {
		pair_exchange(pair, 20);
		pair->world.now.boot_ns += 10 * NS_PER_S;
	}
	if (!pair->ended)
		pair->session = NULL;
	pair_log_in(pair);
	pair_close(pair);
	free(pair);
	return is_over;
}

int
main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;

	for (int is_key_known = 0; is_key_known < 2; is_key_known++)
		for (n = argc > 1 ? n : 1; !starve(n, is_key_known != 0) &&
		    argc < 2; n++)
			;
	printf("%llu allocations failed\n", (unsigned long long)failed);
	return failed == 0;
}
