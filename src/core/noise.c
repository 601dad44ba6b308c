/* SPDX-License-Identifier: ISC */
/*
 * noise.c - the Noise handshake machine, revision 34
 *
 * The names are those of the specification, sections 5.1 to 5.3: a symmetric
 * state (ck, h, k, n) and around it the keys of the handshake.
 */
#include "core/noise.h"

#define DH_KINDS 4                      /* ee, es, se, ss */

/* Section 5.2. */
struct symmetric {
	uint8_t ck[HASH_SIZE_MAX], h[HASH_SIZE_MAX], k[32];
	uint64_t n;
	bool has_key;
};

/* All that a message changes. */
struct state {
	struct symmetric symmetric;
	uint8_t e_public[32], re[32], rs[32];
	bool has_e, has_re, has_rs;
	uint8_t kem_public[KEM_PUBLIC_SIZE];    /* responder: the peer's e1 */
	uint8_t message, psk;                   /* the next ones */
};

/* A Diffie-Hellman done: with whose key, and the result. */
struct shared {
	uint8_t peer[32], secret[32];
	bool is_valid;
};

struct sj__noise {
	struct sj__crypto *crypto;
	struct sj__memory *memory;
	struct sj__noise_protocol protocol;
	bool is_initiator;
	bool has_static, has_static_private, has_ephemeral, has_kem_seed,
	    has_kem_random;
	uint8_t s_private[32], s_public[32], e_private[32];
	uint8_t psks[NOISE_PSKS_MAX][32];
	uint8_t kem_seed[KEM_SEED_SIZE], kem_random[32];
	struct shared shared[DH_KINDS];
	uint8_t pending_kind;
	struct state state, work;
};

/* --- Symmetric state, section 5.2 -------------------------------------- */

static size_t
size_of(const struct sj__noise *noise)
{
	return sj__hash_size(noise->protocol.hash);
}

static int
mix_hash(struct sj__noise *noise, struct symmetric *on, const void *data,
    size_t length)
{
	struct span parts[2] = { { on->h, size_of(noise) }, { data, length } };

	return sj__hash_parts(noise->crypto, noise->protocol.hash, parts, 2,
	    on->h);
}

static void
set_key(struct symmetric *on, const uint8_t key[32])
{
	memcpy(on->k, key, 32);
	on->n = 0;
	on->has_key = true;
}

static int
mix_key(struct sj__noise *noise, struct symmetric *on, const uint8_t *input,
    size_t length)
{
	uint8_t ck[HASH_SIZE_MAX], key[HASH_SIZE_MAX];
	struct span span = { input, length };
	int error = sj__hkdf(noise->crypto, noise->protocol.hash, on->ck, span,
	    ck, key, NULL);

	if (error == 0) {
		memcpy(on->ck, ck, size_of(noise));
		set_key(on, key);
	}
	sj__wipe(ck, sizeof ck);
	sj__wipe(key, sizeof key);
	return error;
}

/* MixKeyAndHash(psk) */
static int
mix_psk(struct sj__noise *noise, struct symmetric *on, const uint8_t psk[32])
{
	uint8_t ck[HASH_SIZE_MAX], hash[HASH_SIZE_MAX], key[HASH_SIZE_MAX];
	struct span span = { psk, 32 };
	int error = sj__hkdf(noise->crypto, noise->protocol.hash, on->ck, span,
	    ck, hash, key);

	if (error == 0) {
		memcpy(on->ck, ck, size_of(noise));
		error = mix_hash(noise, on, hash, size_of(noise));
		set_key(on, key);
	}
	sj__wipe(ck, sizeof ck);
	sj__wipe(hash, sizeof hash);
	sj__wipe(key, sizeof key);
	return error;
}

/* Sections 12.3, 12.4: 32 bits of zeros, then n little-endian for ChaChaPoly,
 * big-endian for AESGCM. */
static void
make_nonce(enum sj__cipher cipher, uint64_t n, uint8_t nonce[12])
{
	memset(nonce, 0, 12);
	for (unsigned i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(n >> (8 *
		    (cipher == CIPHER_AES_256_GCM ? 7 - i : i)));
}

/* EncryptAndHash; what it wrote. */
static ptrdiff_t
encrypt_and_hash(struct sj__noise *noise, struct symmetric *on,
    struct span plain, uint8_t *out, size_t capacity)
{
	size_t length = plain.length + (on->has_key ? 16 : 0);
	struct span aad = { on->h, size_of(noise) };
	uint8_t nonce[12];

	if (length > capacity)
		return SJ_ERR_TOO_BIG;
	if (on->has_key) {
		make_nonce(noise->protocol.cipher, on->n++, nonce);
		SJ_TRY(sj__aead_seal(noise->crypto, noise->protocol.cipher,
		    on->k, nonce, aad, plain, out));
	} else if (length > 0) {
		memcpy(out, plain.data, length);
	}
	SJ_TRY(mix_hash(noise, on, out, length));
	return (ptrdiff_t)length;
}

static ptrdiff_t
decrypt_and_hash(struct sj__noise *noise, struct symmetric *on,
    struct span sealed, uint8_t *out)
{
	size_t length = sealed.length - (on->has_key ? 16 : 0);
	struct span aad = { on->h, size_of(noise) };
	uint8_t nonce[12];

	if (on->has_key && sealed.length < 16)
		return SJ_ERR_PROTOCOL;
	if (on->has_key) {
		make_nonce(noise->protocol.cipher, on->n++, nonce);
		SJ_TRY(sj__aead_open(noise->crypto, noise->protocol.cipher,
		    on->k, nonce, aad, sealed, out));
	} else if (length > 0) {
		memcpy(out, sealed.data, length);
	}
	SJ_TRY(mix_hash(noise, on, sealed.data, sealed.length));
	return (ptrdiff_t)length;
}

/* --- Open and close ---------------------------------------------------- */

static int
copy_keys(struct sj__noise *noise, const struct sj__noise_keys *keys)
{
	noise->has_static_private = keys->static_private != NULL;
	noise->has_static = keys->static_public != NULL;
	if (noise->has_static_private)
		memcpy(noise->s_private, keys->static_private, 32);
	if (noise->has_static)
		memcpy(noise->s_public, keys->static_public, 32);
	if (noise->has_static_private && !noise->has_static) {
		SJ_TRY(sj__x25519_public(noise->crypto, noise->s_private,
		    noise->s_public));
		noise->has_static = true;
	}
	noise->has_ephemeral = keys->ephemeral_private != NULL;
	if (noise->has_ephemeral)
		memcpy(noise->e_private, keys->ephemeral_private, 32);
	noise->state.has_rs = keys->remote_static != NULL;
	if (noise->state.has_rs)
		memcpy(noise->state.rs, keys->remote_static, 32);
	for (int i = 0; i < noise->protocol.psk_count; i++) {
		if (keys->psks[i] == NULL)
			return SJ_ERR_ARGUMENT;
		memcpy(noise->psks[i], keys->psks[i], 32);
	}
	noise->has_kem_seed = keys->kem_seed != NULL;
	if (noise->has_kem_seed)
		memcpy(noise->kem_seed, keys->kem_seed, KEM_SEED_SIZE);
	noise->has_kem_random = keys->kem_random != NULL;
	if (noise->has_kem_random)
		memcpy(noise->kem_random, keys->kem_random, 32);
	return 0;
}

/* Initialize(), section 5.3. */
static int
initialize(struct sj__noise *noise, const char *name, struct span prologue)
{
	struct symmetric *on = &noise->state.symmetric;
	size_t length = strlen(name), size = size_of(noise);
	struct span span = { (const uint8_t *)name, length };
	const uint8_t *initiator, *responder;

	if (length <= size)
		memcpy(on->h, name, length);
	else
		SJ_TRY(sj__hash_parts(noise->crypto, noise->protocol.hash,
		    &span, 1, on->h));
	memcpy(on->ck, on->h, size);
	SJ_TRY(mix_hash(noise, on, prologue.data, prologue.length));
	initiator = noise->is_initiator ? noise->s_public : noise->state.rs;
	responder = noise->is_initiator ? noise->state.rs : noise->s_public;
	if ((noise->protocol.initiator_known && !(noise->is_initiator ?
	    noise->has_static : noise->state.has_rs)) ||
	    (noise->protocol.responder_known && !(noise->is_initiator ?
	    noise->state.has_rs : noise->has_static)))
		return SJ_ERR_ARGUMENT;
	if (noise->protocol.initiator_known)
		SJ_TRY(mix_hash(noise, on, initiator, 32));
	if (noise->protocol.responder_known)
		SJ_TRY(mix_hash(noise, on, responder, 32));
	return 0;
}

int
sj__noise_open(struct sj__noise **out, struct sj__crypto *crypto,
    struct sj__memory *memory, const char *name, bool is_initiator,
    struct span prologue, const struct sj__noise_keys *keys)
{
	struct sj__noise *noise = sj__memory_allocate(memory, sizeof *noise);
	int error;

	*out = NULL;
	if (noise == NULL)
		return SJ_ERR_MEMORY;
	memset(noise, 0, sizeof *noise);
	noise->crypto = crypto;
	noise->memory = memory;
	noise->is_initiator = is_initiator;
	error = sj__noise_parse(crypto, name, &noise->protocol);
	if (error == 0)
		error = copy_keys(noise, keys);
	if (error == 0)
		error = initialize(noise, name, prologue);
	if (error < 0) {
		sj__noise_close(noise);
		return error;
	}
	*out = noise;
	return 0;
}

void
sj__noise_close(struct sj__noise *noise)
{
	struct sj__memory *memory;

	if (noise == NULL)
		return;
	memory = noise->memory;
	sj__wipe(noise, sizeof *noise);
	sj__memory_free(memory, noise, sizeof *noise);
}

/* --- Diffie-Hellman ---------------------------------------------------- */

/* Which keys a token joins, seen from our side. */
static void
dh_keys(const struct sj__noise *noise, enum noise_token token,
    bool *own_static, bool *peer_static)
{
	bool first_static = token == TOKEN_SE || token == TOKEN_SS;
	bool second_static = token == TOKEN_ES || token == TOKEN_SS;

	*own_static = noise->is_initiator ? first_static : second_static;
	*peer_static = noise->is_initiator ? second_static : first_static;
}

static int
mix_dh(struct sj__noise *noise, struct state *on, enum noise_token token)
{
	struct shared *shared = &noise->shared[token - TOKEN_EE];
	const uint8_t *own, *peer;
	bool own_static, peer_static;

	dh_keys(noise, token, &own_static, &peer_static);
	if (peer_static ? !on->has_rs : !on->has_re)
		return SJ_ERR_STATE;
	if (own_static ? !noise->has_static : !on->has_e)
		return SJ_ERR_STATE;
	peer = peer_static ? on->rs : on->re;
	own = own_static ? noise->s_private : noise->e_private;
	if (shared->is_valid && sj__equal(shared->peer, peer, 32))
		return mix_key(noise, &on->symmetric, shared->secret, 32);
	memcpy(shared->peer, peer, 32);
	shared->is_valid = false;
	if (own_static && !noise->has_static_private) {
		noise->pending_kind = (uint8_t)(token - TOKEN_EE);
		return SJ__NOISE_PENDING;
	}
	SJ_TRY(sj__x25519(noise->crypto, own, peer, shared->secret));
	shared->is_valid = true;
	return mix_key(noise, &on->symmetric, shared->secret, 32);
}

const uint8_t *
sj__noise_pending_key(const struct sj__noise *noise)
{
	return noise->shared[noise->pending_kind].peer;
}

void
sj__noise_answer(struct sj__noise *noise, const uint8_t secret[32])
{
	struct shared *shared = &noise->shared[noise->pending_kind];

	memcpy(shared->secret, secret, 32);
	shared->is_valid = true;
}

/* --- Tokens ------------------------------------------------------------ */

static int
mix_e(struct sj__noise *noise, struct state *on, const uint8_t key[32])
{
	SJ_TRY(mix_hash(noise, &on->symmetric, key, 32));
	/* Section 9.2: with psks, ephemeral keys go into the key too. */
	if (noise->protocol.psk_count > 0)
		SJ_TRY(mix_key(noise, &on->symmetric, key, 32));
	return 0;
}

static ptrdiff_t
write_e(struct sj__noise *noise, struct state *on, uint8_t *out,
    size_t capacity)
{
	if (!noise->has_ephemeral || capacity < 32)
		return capacity < 32 ? SJ_ERR_TOO_BIG : SJ_ERR_STATE;
	SJ_TRY(sj__x25519_public(noise->crypto, noise->e_private,
	    on->e_public));
	on->has_e = true;
	memcpy(out, on->e_public, 32);
	SJ_TRY(mix_e(noise, on, out));
	return 32;
}

static ptrdiff_t
write_e1(struct sj__noise *noise, struct state *on, uint8_t *out,
    size_t capacity)
{
	struct span span = { on->kem_public, KEM_PUBLIC_SIZE };

	if (!noise->has_kem_seed)
		return SJ_ERR_STATE;
	SJ_TRY(sj__kem_public(noise->crypto, noise->kem_seed, on->kem_public));
	return encrypt_and_hash(noise, &on->symmetric, span, out, capacity);
}

static ptrdiff_t
write_ekem1(struct sj__noise *noise, struct state *on, uint8_t *out,
    size_t capacity)
{
	uint8_t ciphertext[KEM_CIPHERTEXT_SIZE], secret[KEM_SECRET_SIZE];
	struct span span = { ciphertext, sizeof ciphertext };
	ptrdiff_t length;
	int error;

	if (!noise->has_kem_random)
		return SJ_ERR_STATE;
	SJ_TRY(sj__kem_encapsulate(noise->crypto, on->kem_public,
	    noise->kem_random, ciphertext, secret));
	length = encrypt_and_hash(noise, &on->symmetric, span, out, capacity);
	error = length < 0 ? 0 : mix_key(noise, &on->symmetric, secret,
	    sizeof secret);
	sj__wipe(secret, sizeof secret);
	return error < 0 ? error : length;
}

static ptrdiff_t
write_token(struct sj__noise *noise, struct state *on, enum noise_token token,
    uint8_t *out, size_t capacity)
{
	struct span s = { noise->s_public, 32 };

	switch (token) {
	case TOKEN_E:
		return write_e(noise, on, out, capacity);
	case TOKEN_S:
		return noise->has_static ? encrypt_and_hash(noise,
		    &on->symmetric, s, out, capacity) : SJ_ERR_STATE;
	case TOKEN_E1:
		return write_e1(noise, on, out, capacity);
	case TOKEN_EKEM1:
		return write_ekem1(noise, on, out, capacity);
	case TOKEN_PSK:
		return mix_psk(noise, &on->symmetric, noise->psks[on->psk++]);
	case TOKEN_EE:
	case TOKEN_ES:
	case TOKEN_SE:
	case TOKEN_SS:
		return mix_dh(noise, on, token);
	case TOKEN_END:
		break;
	}
	return 0;
}

static ptrdiff_t
read_e(struct sj__noise *noise, struct state *on, struct span message)
{
	if (message.length < 32)
		return SJ_ERR_PROTOCOL;
	memcpy(on->re, message.data, 32);
	on->has_re = true;
	SJ_TRY(mix_e(noise, on, on->re));
	return 32;
}

/* A field that EncryptAndHash wrote; what it took. */
static ptrdiff_t
read_field(struct sj__noise *noise, struct state *on, struct span message,
    uint8_t *out, size_t size)
{
	size_t length = size + (on->symmetric.has_key ? 16 : 0);

	if (message.length < length)
		return SJ_ERR_PROTOCOL;
	message.length = length;
	if (decrypt_and_hash(noise, &on->symmetric, message, out) < 0)
		return SJ_ERR_PROTOCOL;
	return (ptrdiff_t)length;
}

static ptrdiff_t
read_ekem1(struct sj__noise *noise, struct state *on, struct span message)
{
	uint8_t ciphertext[KEM_CIPHERTEXT_SIZE], secret[KEM_SECRET_SIZE];
	ptrdiff_t taken;
	int error;

	taken = read_field(noise, on, message, ciphertext, sizeof ciphertext);
	if (taken < 0)
		return taken;
	error = sj__kem_decapsulate(noise->crypto, noise->kem_seed, ciphertext,
	    secret);
	if (error == 0)
		error = mix_key(noise, &on->symmetric, secret, sizeof secret);
	sj__wipe(secret, sizeof secret);
	return error < 0 ? error : taken;
}

static ptrdiff_t
read_token(struct sj__noise *noise, struct state *on, enum noise_token token,
    struct span message)
{
	ptrdiff_t taken;

	switch (token) {
	case TOKEN_E:
		return read_e(noise, on, message);
	case TOKEN_S:
		taken = read_field(noise, on, message, on->rs, 32);
		on->has_rs = taken >= 0;
		return taken;
	case TOKEN_E1:
		return read_field(noise, on, message, on->kem_public,
		    KEM_PUBLIC_SIZE);
	case TOKEN_EKEM1:
		return read_ekem1(noise, on, message);
	case TOKEN_PSK:
		return mix_psk(noise, &on->symmetric, noise->psks[on->psk++]);
	case TOKEN_EE:
	case TOKEN_ES:
	case TOKEN_SE:
	case TOKEN_SS:
		return mix_dh(noise, on, token);
	case TOKEN_END:
		break;
	}
	return 0;
}

/* --- Messages ---------------------------------------------------------- */

bool
sj__noise_is_done(const struct sj__noise *noise)
{
	return noise->state.message >= noise->protocol.message_count;
}

bool
sj__noise_is_writing(const struct sj__noise *noise)
{
	return !sj__noise_is_done(noise) &&
	    (noise->state.message % 2 == 0) == noise->is_initiator;
}

static ptrdiff_t
write_work(struct sj__noise *noise, struct span payload, uint8_t *out,
    size_t capacity)
{
	struct state *on = &noise->work;
	const uint8_t *token = noise->protocol.tokens[on->message];
	ptrdiff_t length;
	size_t total = 0;

	for (; *token != TOKEN_END; token++) {
		length = write_token(noise, on, (enum noise_token)*token,
		    out + total, capacity - total);
		if (length < 0)
			return length;
		total += (size_t)length;
	}
	length = encrypt_and_hash(noise, &on->symmetric, payload, out + total,
	    capacity - total);
	return length < 0 ? length : (ptrdiff_t)total + length;
}

static ptrdiff_t
read_work(struct sj__noise *noise, struct span message, uint8_t *payload)
{
	struct state *on = &noise->work;
	const uint8_t *token = noise->protocol.tokens[on->message];
	ptrdiff_t taken;

	for (; *token != TOKEN_END; token++) {
		taken = read_token(noise, on, (enum noise_token)*token,
		    message);
		if (taken < 0)
			return taken;
		message.data += taken;
		message.length -= (size_t)taken;
	}
	return decrypt_and_hash(noise, &on->symmetric, message, payload);
}

/* The working copy becomes the state, or is wiped. */
static void
settle(struct sj__noise *noise, bool good)
{
	if (good) {
		noise->work.message++;
		noise->state = noise->work;
	}
	sj__wipe(&noise->work, sizeof noise->work);
}

ptrdiff_t
sj__noise_write(struct sj__noise *noise, struct span payload, uint8_t *out,
    size_t capacity)
{
	ptrdiff_t length;

	if (!sj__noise_is_writing(noise))
		return SJ_ERR_STATE;
	noise->work = noise->state;
	length = write_work(noise, payload, out,
	    min_size(capacity, NOISE_MESSAGE_MAX));
	settle(noise, length >= 0);
	return length;
}

ptrdiff_t
sj__noise_read(struct sj__noise *noise, struct span message, uint8_t *payload)
{
	ptrdiff_t length;

	if (sj__noise_is_done(noise) || sj__noise_is_writing(noise))
		return SJ_ERR_STATE;
	if (message.length > NOISE_MESSAGE_MAX)
		return SJ_ERR_PROTOCOL;
	noise->work = noise->state;
	length = read_work(noise, message, payload);
	settle(noise, length >= 0);
	return length;
}

/* --- Results ----------------------------------------------------------- */

const uint8_t *
sj__noise_remote_static(const struct sj__noise *noise)
{
	return noise->state.has_rs ? noise->state.rs : NULL;
}

size_t
sj__noise_hash_size(const struct sj__noise *noise)
{
	return size_of(noise);
}

const uint8_t *
sj__noise_hash(const struct sj__noise *noise)
{
	return noise->state.symmetric.h;
}

int
sj__noise_split(const struct sj__noise *noise, uint8_t *out1, uint8_t *out2,
    uint8_t *out3)
{
	struct span none = { NULL, 0 };

	return sj__hkdf(noise->crypto, noise->protocol.hash,
	    noise->state.symmetric.ck, none, out1, out2, out3);
}

int
sj__noise_cipher_seal(struct sj__crypto *crypto, struct sj__noise_cipher *state,
    struct span aad, struct span plain, uint8_t *out)
{
	uint8_t nonce[12];

	if (state->nonce == UINT64_MAX)
		return SJ_ERR_LIMIT;
	make_nonce(state->cipher, state->nonce++, nonce);
	return sj__aead_seal(crypto, state->cipher, state->key, nonce, aad,
	    plain, out);
}

int
sj__noise_cipher_open(struct sj__crypto *crypto, struct sj__noise_cipher *state,
    struct span aad, struct span sealed, uint8_t *out)
{
	uint8_t nonce[12];
	int error;

	if (state->nonce == UINT64_MAX)
		return SJ_ERR_LIMIT;
	make_nonce(state->cipher, state->nonce, nonce);
	error = sj__aead_open(crypto, state->cipher, state->key, nonce, aad,
	    sealed, out);
	state->nonce += error == 0;
	return error;
}
