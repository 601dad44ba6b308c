/* SPDX-License-Identifier: ISC */
/*
 * proofs.c - proofs that were made for something else
 *
 * The client has a key that the server would take; what it signs is not this
 * login. The server refuses, and keeps nothing of it.
 */
#include "hostile.h"

static struct sj_login_facts lie;
static void (*change)(void);
static void (*sign)(const struct sj_signer *signer,
    struct sj_endpoint *endpoint, uint64_t request,
    const struct sj_login_facts *facts);
static uint8_t kept_hash[32], kept_key[32];

static void
sign_lie(const struct sj_signer *signer, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	lie = *facts;
	if (change != NULL) {
		change();
	} else {
		memcpy(kept_hash, lie.handshake_hash, 32);
		memcpy(kept_key, lie.server_key, 32);
		kept_key[0] ^= 1;       /* of another server */
	}
	sign(signer, endpoint, request, &lie);
}

/* The channel of the login before: what somebody in between would have. */
static void
another_channel(void)
{
	lie.handshake_hash = kept_hash;
}

static void
another_key(void)
{
	lie.server_key = kept_key;
}

static void
another_name(void)
{
	lie.server_name = "elsewhere";
}

static void
another_application(void)
{
	lie.application = "other";
}

static void
another_user(void)
{
	lie.user = "bob";
}

static void
another_number(void)
{
	lie.number++;
}

static bool
log_in(struct pair *pair, const char *name)
{
	struct sj_core_login login = { .server_name = name,
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };

	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	pair->started = pair->ended = false;
	expect(sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &pair->session) == 0, "no login");
	pair_exchange(pair, 40);
	for (unsigned i = 0; i < 100 && !pair->started && !pair->ended; i++) {
		pair->world.now.boot_ns += 100 * NS_PER_MS;
		pair_exchange(pair, 2);
	}
	return pair->started;
}

static void
refused(void (*what)(void))
{
	struct pair *pair = calloc(1, sizeof *pair);
	struct sj_endpoint *server;

	pair_seed(5);
	pair_open(pair);
	server = pair->world.server;
	sign = pair->client->signer.sign;
	pair->client->signer.sign = sign_lie;
	change = NULL;
	expect(log_in(pair, "server"), "an honest login is refused");
	expect(sj_logout(pair->session) == 0, "no logout");
	pair_exchange(pair, 40);
	change = what;
	expect(!log_in(pair, "server"), "a proof for something else is taken");
	expect(pair->ended, "a refusal is not said");
	expect(server->counters[COUNT_LOGIN_ACCEPTED] == 1 &&
	    server->counters[COUNT_LOGIN_REFUSED] > 0, "and not counted");
	change = NULL;
	expect(log_in(pair, "server"), "an honest login after that is refused");
	pair_close(pair);
	free(pair);
}

static void
of_another_channel(void)
{
	refused(another_channel);
}

static void
of_another_server(void)
{
	refused(another_key);
	refused(another_name);
}

static void
of_another_login(void)
{
	refused(another_application);
	refused(another_user);
	refused(another_number);
}

/* The server answers to some names only. */
static void
to_another_name(void)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct pair *pair = calloc(1, sizeof *pair);

	pair_seed(6);
	pair_open(pair);
	sj__endpoint_destroy(pair->world.server);
	options.listen = "named";
	options.host_key = &pair->world.host_key;
	options.server_name = "here,server";
	expect(sj__endpoint_create(&pair->world.server, &options,
	    &pair->world.server_io, NULL) == 0, "no server");
	expect(!log_in(pair, "elsewhere") && pair->ended,
	    "a login to another server is taken");
	expect(!log_in(pair, "serve") && !log_in(pair, "here,server") &&
	    !log_in(pair, "server,"), "a part of a name is one");
	expect(log_in(pair, "server"), "its own name is none");
	pair_close(pair);
	free(pair);
}

static const struct hostile_case cases[] = {
	{ "of_another_channel", of_another_channel },
	{ "of_another_server", of_another_server },
	{ "of_another_login", of_another_login },
	{ "to_another_name", to_another_name },
};

int
main(int argc, char **argv)
{
	return hostile_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
