/* SPDX-License-Identifier: ISC */
/*
 * surround.c - what an endpoint asks of its surroundings, answered later
 *
 * The random source is a generator from the seed; signatures, the host key's
 * Diffie-Hellman and the store answer after a delay that the seed decides.
 */
#include "world.h"

static int
sim_random(void *context, void *out, size_t length)
{
	struct world *world = context;

	random_fill(&world->key_random, out, length);
	return 0;
}

/* --- Answers ----------------------------------------------------------- */

static void
answer_later(struct world *world, struct sj_endpoint *endpoint,
    uint64_t request, const void *bytes, size_t length)
{
	struct sj_answer now = { .bytes = bytes, .length = length };
	struct answer *later;

	if (world->faults.answer_delay_ms == 0 || chance(world, 3000)) {
		sj_core_answer(endpoint, request, &now);
		return;
	}
	if (world->answer_count == 256 || length > sizeof later->bytes) {
		fail(world, "too many answers wait");
		return;
	}
	later = &world->answers[world->answer_count++];
	later->at_ns = world->now.boot_ns + NS_PER_MS *
	    draw(world, world->faults.answer_delay_ms);
	later->endpoint = endpoint;
	later->request = request;
	later->length = length;
	memcpy(later->bytes, bytes, length);
}

uint64_t
answers_next_ns(const struct world *world)
{
	uint64_t next = NEVER_NS;

	for (unsigned i = 0; i < world->answer_count; i++)
		next = min_u64(next, world->answers[i].at_ns);
	return next;
}

void
answers_give(struct world *world)
{
	struct sj_answer answer = { .error = 0 };
	struct answer one;

	for (unsigned i = 0; i < world->answer_count;) {
		if (world->answers[i].at_ns > world->now.boot_ns) {
			i++;
			continue;
		}
		one = world->answers[i];
		world->answers[i] = world->answers[--world->answer_count];
		answer.bytes = one.bytes;
		answer.length = one.length;
		sj_core_answer(one.endpoint, one.request, &answer);
	}
}

/* --- Host key ---------------------------------------------------------- */

static void
host_dh(const struct sj_host_key *key, struct sj_endpoint *endpoint,
    uint64_t request, const uint8_t peer_key[32])
{
	struct world *world = key->context;
	uint8_t shared[32];

	if (sj__x25519(world->crypto, world->host_private, peer_key, shared) <
	    0)
		memset(shared, 0, sizeof shared);
	answer_later(world, endpoint, request, shared, sizeof shared);
}

/* --- Signer ------------------------------------------------------------ */

static void
put(struct writer *writer, const void *bytes, size_t length)
{
	write_uint(writer, length, 4);
	write_bytes(writer, bytes, length);
}

static size_t
signed_by(struct world *world, const uint8_t seed[32], const uint8_t *blob,
    size_t blob_length, struct span message, uint8_t *out, size_t capacity)
{
	uint8_t hash[64], wrapped[256], raw[64], inner[128];
	struct writer wrap = writer_of(wrapped, sizeof wrapped);
	struct writer signature = writer_of(inner, sizeof inner);
	struct writer writer = writer_of(out, capacity);

	sj__sha512(world->crypto, message.data, message.length, hash);
	write_bytes(&wrap, "SSHSIG", 6);
	put(&wrap, "sojourn-login-v1", 16);
	put(&wrap, "", 0);
	put(&wrap, "sha512", 6);
	put(&wrap, hash, sizeof hash);
	sj__ed25519_sign(world->crypto, seed, (struct span){ wrapped,
	    (size_t)(wrap.at - wrapped) }, raw);
	put(&signature, "ssh-ed25519", 11);
	put(&signature, raw, sizeof raw);
	write_bytes(&writer, "SSHSIG", 6);
	write_uint(&writer, 1, 4);
	put(&writer, blob, blob_length);
	put(&writer, "sojourn-login-v1", 16);
	put(&writer, "", 0);
	put(&writer, "sha512", 6);
	put(&writer, inner, (size_t)(signature.at - inner));
	return (size_t)(writer.at - out);
}

/* Each user's key is a hash of the name. */
static void
sign(const struct sj_signer *signer, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	struct client *client = signer->context;
	struct world *world = client->world;
	uint8_t seed[32], public_key[32], blob[64], message[2048], sshsig[512];
	uint8_t whole[1024];
	struct writer key = writer_of(blob, sizeof blob);
	struct writer writer = writer_of(whole, sizeof whole);
	size_t length;
	ptrdiff_t got;

	sj__sha256(world->crypto, facts->user, strlen(facts->user), seed);
	sj__ed25519_public(world->crypto, seed, public_key);
	put(&key, "ssh-ed25519", 11);
	put(&key, public_key, 32);
	got = sj_mech_publickey_message(facts, blob, (size_t)(key.at - blob),
	    message, sizeof message);
	if (got < 0) {
		fail(world, "message of a login");
		return;
	}
	length = signed_by(world, seed, blob, (size_t)(key.at - blob),
	    (struct span){ message, (size_t)got }, sshsig, sizeof sshsig);
	put(&writer, blob, (size_t)(key.at - blob));
	put(&writer, sshsig, length);
	answer_later(world, endpoint, request, whole,
	    (size_t)(writer.at - whole));
}

void
client_signer(struct client *client)
{
	client->signer.context = client;
	client->signer.sign = sign;
	client->mech = sj_mech_publickey(&client->signer);
	client->mechs[0] = &client->mech;
	client->mechs[1] = NULL;
}

/* --- Store ------------------------------------------------------------- */

/* The store in memory, with answers that are held back. */
struct slow {
	struct sj_store store;
	struct sj_store *inner;
	struct world *world;
	uint64_t ready_ns;
};

static int
slow_submit(struct sj_store *store, const struct sj_store_request *request)
{
	struct slow *slow = (struct slow *)(void *)store;
	uint64_t ready_ns = slow->world->now.boot_ns + NS_PER_MS *
	    draw(slow->world, slow->world->faults.answer_delay_ms + 1);

	slow->ready_ns = max_u64(slow->ready_ns, ready_ns);
	return slow->inner->operations->submit(slow->inner, request);
}

static int
slow_next(struct sj_store *store, struct sj_store_answer *answer)
{
	struct slow *slow = (struct slow *)(void *)store;

	if (slow->world->now.boot_ns < slow->ready_ns)
		return 0;
	return slow->inner->operations->next(slow->inner, answer);
}

static int
slow_fd(const struct sj_store *store)
{
	(void)store;
	return -1;
}

static void
slow_close(struct sj_store *store)
{
	struct slow *slow = (struct slow *)(void *)store;

	slow->inner->operations->close(slow->inner);
	free(slow);
}

static const struct sj_store_operations slow_operations = {
	slow_submit, slow_next, slow_fd, slow_close
};

struct sj_store *
slow_store(struct world *world)
{
	struct slow *slow = calloc(1, sizeof *slow);

	slow->store.operations = &slow_operations;
	slow->inner = sj_store_memory();
	slow->world = world;
	return &slow->store;
}

void
surround_init(struct world *world)
{
	int error;

	sj__memory_init(&world->memory, (size_t)1 << 30);
	error = sj__crypto_open(&world->crypto, &world->memory, NULL);
	assert(error == 0);
	(void)error;
	world->server_io = (struct sj_io){ .none = 1, .random = sim_random,
	    .context = world, .aeads = checking_aeads(world) };
	sim_random(world, world->host_private, 32);
	sj__x25519_public(world->crypto, world->host_private,
	    world->host_key.public_key);
	world->host_key.context = world;
	world->host_key.dh = host_dh;
}

void
surround_fini(struct world *world)
{
	sj__crypto_close(world->crypto, &world->memory);
}
