/* SPDX-License-Identifier: ISC */
/*
 * wiped.c - no secret is left in memory that was given back
 *
 * Every block that is freed is searched for what must not be in it: the secrets
 * of the handshake, those of each phase, packet keys, what the endpoints keep
 * for themselves. What libcrypto has it wipes itself, so the packet keys are
 * those of an AEAD that keeps them where it is told to.
 */
#include <malloc.h>

#include "core/crypto_internal.h"
/* What is static there is what has to go. */
#include "core/noise.c"
#include "core/handshake.c"
#include "pair.h"

#define SECRETS_MAX 64

static struct {
	const char *name;
	uint8_t bytes[32];
	size_t length;
} secrets[SECRETS_MAX];
static unsigned secret_count, frees;
static const char *found;

void __real_free(void *block);
void __wrap_free(void *block);

void
__wrap_free(void *block)
{
	size_t size = block != NULL ? malloc_usable_size(block) : 0;

	frees += secret_count > 0 && size > 0;
	for (unsigned i = 0; i < secret_count; i++)
		if (size >= secrets[i].length && memmem(block, size,
		    secrets[i].bytes, secrets[i].length) != NULL)
			found = secrets[i].name;
	__real_free(block);
}

static void
watch(const char *name, const uint8_t *bytes, size_t length)
{
	if (secret_count == SECRETS_MAX)
		fail(NULL, "too many secrets");
	secrets[secret_count].name = name;
	memcpy(secrets[secret_count].bytes, bytes, length);
	secrets[secret_count++].length = length;
}

static void
check(const char *when)
{
	if (found == NULL)
		return;
	printf("%s is left in memory, %s\n", found, when);
	exit(1);
}

/* --- An AEAD with its key in the open ---------------------------------- */

struct context {
	uint8_t key[16];
	_Alignas(64) uint8_t inner[192];
};

static int
open_init(const struct sj_aead *aead, void *storage, const uint8_t *key)
{
	const struct sj_aead *inner = aead->provider_data;
	struct context *context = storage;

	memcpy(context->key, key, sizeof context->key);
	return inner->init(inner, context->inner, key);
}

static void
open_fini(const struct sj_aead *aead, void *storage)
{
	const struct sj_aead *inner = aead->provider_data;

	inner->fini(inner, ((struct context *)storage)->inner);
}

static int
open_seal(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    uint8_t tag[16])
{
	const struct sj_aead *inner = aead->provider_data;

	return inner->seal(inner, ((struct context *)storage)->inner, nonce, aad,
	    aad_length, bytes, length, tag);
}

static int
open_open(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    const uint8_t tag[16])
{
	const struct sj_aead *inner = aead->provider_data;

	return inner->open(inner, ((struct context *)storage)->inner, nonce, aad,
	    aad_length, bytes, length, tag);
}

static void
take_open_aead(struct sj_endpoint *endpoint)
{
	static struct sj_aead table;
	static const struct sj_aead *tables[2] = { &table, NULL };
	const struct sj_aead *inner = sj__crypto_plain_aead(endpoint->crypto,
	    "AES-128-GCM");

	table = (struct sj_aead){ .name = inner->name, .provider = "open",
	    .key_size = inner->key_size,
	    .context_size = sizeof(struct context), .init = open_init,
	    .fini = open_fini, .seal = open_seal, .open = open_open,
	    .provider_data = (void *)(uintptr_t)inner };
	assert(inner->context_size <= 192 && inner->key_size == 16);
	endpoint->crypto->faster = tables;
}

/* --- A login, and all that it forgets ---------------------------------- */

static void
watch_keys(struct sj__channel *channel)
{
	struct sj__packet_keys *all[3] = { &channel->protection.send,
	    &channel->protection.receive[0], &channel->protection.receive[1] };
	uint8_t key[16];

	watch("the master secret", channel->master, 32);
	for (int i = 0; i < 3; i++) {
		watch("a traffic secret", all[i]->secret, 32);
		watch("an iv", all[i]->iv, 12);
		if (sj__expand_label(channel->protection.crypto,
		    all[i]->secret, "key", (struct span){ NULL, 0 }, key,
		    sizeof key) < 0)
			fail(NULL, "no key");
		watch("a packet key", key, sizeof key);
	}
}

static bool
watch_handshake(struct pair *pair, int side, const struct sj_batch *batch)
{
	struct sj__channel *channel = list_first(
	    &pair->world.server->half_open_channels, struct sj__channel, all);
	struct sj__handshake_result result;

	(void)batch;
	/* The answer is on its way: the server has all there is. */
	if (side == 0 && secret_count == 0 && channel != NULL) {
		sj__handshake_result(channel->handshake, &result);
		watch("a secret of the handshake", result.client_secret, 32);
		watch("a secret of the handshake", result.server_secret, 32);
		watch("the master secret", result.master, 32);
		watch("an ephemeral key",
		    channel->handshake->noise->e_private, 32);
		watch("the chaining key",
		    channel->handshake->noise->state.symmetric.ck, 32);
		watch_keys(channel);
	}
	return true;
}

int
main(void)
{
	struct pair *pair = calloc(1, sizeof *pair);
	struct sj__channel *server;
	struct sj_stream *stream;
	uint8_t bytes[20000] = { 0 };

	pair_seed(1);
	pair_open(pair);
	take_open_aead(pair->world.server);
	pair->on_batch = watch_handshake;
	pair_log_in(pair);
	if (secret_count == 0)
		fail(NULL, "there are no secrets");
	check("after a handshake");
	server = pair_channel(pair->world.server);
	if (server->handshake != NULL ||
	    pair_channel(pair->client->endpoint)->handshake != NULL)
		fail(NULL, "what the keys came from is kept beside them");
	/* Another phase. */
	pair_exchange(pair, 2000);
	server->protection.soft_limit = 1;
	if (sj_stream_open(pair->session, &stream, NULL) < 0 ||
	    sj_stream_write(stream, bytes, sizeof bytes) < 0)
		fail(NULL, "no stream");
	pair_exchange(pair, 30);
	server->protection.soft_limit = PHASE_PACKETS_SOFT;
	pair_exchange(pair, 3000);
	if (server->protection.send_phase == 0)
		fail(NULL, "no phase was begun");
	check("after a phase");
	watch_keys(server);
	watch_keys(pair_channel(pair->client->endpoint));
	if (sj_logout(pair->session) < 0)
		fail(NULL, "no logout");
	pair_exchange(pair, 100);
	if (pair->session != NULL)
		fail(NULL, "it is not over");
	check("after a logout");
	watch("the hedge", pair->world.server->hedge_key, 32);
	watch("the key of cookies", pair->world.server->strangers.cookie_key,
	    32);
	watch("the key of ids", pair->world.server->id_key, 16);
	pair_close(pair);
	check("after the endpoints");
	if (frees < 50)
		fail(NULL, "nothing was given back");
	secret_count = 0;
	free(pair);
	printf("%u blocks without a secret\n", frees);
	return 0;
}
