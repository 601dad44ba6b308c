/* SPDX-License-Identifier: ISC */
/*
 * noise.h - the Noise handshake machine, revision 34
 *
 * Patterns are table data (noise_pattern.c); one machine runs them all: one-way
 * and interactive, deferred, with psk and hfs modifiers. A message is read or
 * written on a copy of the state that replaces it at the very end: what fails
 * changes nothing and leaves no secret behind.
 *
 * A static key may live elsewhere. A step that needs it returns
 * SJ__NOISE_PENDING and names the peer's key; give the shared secret with
 * sj__noise_answer() and repeat the step with the same arguments: finished
 * Diffie-Hellmans are remembered, so nothing is computed twice.
 */
#ifndef SJ_CORE_NOISE_H
#define SJ_CORE_NOISE_H

#include "core/crypto.h"

#define NOISE_MESSAGE_MAX 65535
#define NOISE_PSKS_MAX 4
#define NOISE_MESSAGES_MAX 4
#define NOISE_TOKENS_MAX 10
#define SJ__NOISE_PENDING (-1000)       /* below every enum sj_err */

enum noise_token {
	TOKEN_END, TOKEN_E, TOKEN_S, TOKEN_EE, TOKEN_ES, TOKEN_SE, TOKEN_SS,
	TOKEN_PSK, TOKEN_E1, TOKEN_EKEM1
};

/* What a protocol name means. */
struct sj__noise_protocol {
	enum sj__hash hash;
	enum sj__cipher cipher;
	bool has_kem;
	bool initiator_known, responder_known;  /* static keys in pre-messages */
	bool is_one_way;
	uint8_t message_count, psk_count;
	uint8_t tokens[NOISE_MESSAGES_MAX][NOISE_TOKENS_MAX];
};

/* SJ_ERR_ARGUMENT: not a name we know; SJ_ERR_STATE: libcrypto lacks the KEM. */
int sj__noise_parse(const struct sj__crypto *crypto, const char *name,
    struct sj__noise_protocol *protocol);

/* Keys of one side. NULL: it has none (or, for static_private, elsewhere). */
struct sj__noise_keys {
	const uint8_t *static_private, *static_public;
	const uint8_t *ephemeral_private;
	const uint8_t *remote_static;           /* known beforehand */
	const uint8_t *psks[NOISE_PSKS_MAX];
	const uint8_t *kem_seed;                /* initiator, 64 bytes */
	const uint8_t *kem_random;              /* responder, 32 bytes */
};

struct sj__noise;

int sj__noise_open(struct sj__noise **noise, struct sj__crypto *crypto,
    struct sj__memory *memory, const char *name, bool is_initiator,
    struct span prologue, const struct sj__noise_keys *keys);
/* Wipes and frees; NULL is fine. */
void sj__noise_close(struct sj__noise *noise);

/* Our turn to write? and: no message is left? */
bool sj__noise_is_writing(const struct sj__noise *noise);
bool sj__noise_is_done(const struct sj__noise *noise);
/* The next message with its payload; its length. */
ptrdiff_t sj__noise_write(struct sj__noise *noise, struct span payload,
    uint8_t *out, size_t capacity);
/* The payload's length; payload holds at least message.length bytes. */
ptrdiff_t sj__noise_read(struct sj__noise *noise, struct span message,
    uint8_t *payload);
/* After PENDING: whose key, and the answer. */
const uint8_t *sj__noise_pending_key(const struct sj__noise *noise);
void sj__noise_answer(struct sj__noise *noise, const uint8_t shared[32]);

/* The peer's static key once it is known; else NULL. */
const uint8_t *sj__noise_remote_static(const struct sj__noise *noise);
size_t sj__noise_hash_size(const struct sj__noise *noise);
/* h: of the handshake so far. */
const uint8_t *sj__noise_hash(const struct sj__noise *noise);
/* HKDF(ck, "", 3): outputs 1 and 2 are those of Split(), 3 is our own use of
 * ck. Of hash size each. After message 1 too, for early keys. */
int sj__noise_split(const struct sj__noise *noise, uint8_t *out1,
    uint8_t *out2, uint8_t *out3);

/* A CipherState after Split(), for test vectors only: packets have their own
 * protection. */
struct sj__noise_cipher {
	enum sj__cipher cipher;
	uint8_t key[32];
	uint64_t nonce;
};
int sj__noise_cipher_seal(struct sj__crypto *crypto,
    struct sj__noise_cipher *state, struct span aad, struct span plain,
    uint8_t *out);
int sj__noise_cipher_open(struct sj__crypto *crypto,
    struct sj__noise_cipher *state, struct span aad, struct span sealed,
    uint8_t *out);

#endif
