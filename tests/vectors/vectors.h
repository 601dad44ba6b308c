/* SPDX-License-Identifier: ISC */
/*
 * vectors.h - what the files of sojourn-vectors share
 *
 * A check takes one vector as JSON and answers NULL (it came out), a reason
 * why not, or a skip reason: one that begins with "skip: ". Bytes that a check
 * asks for live until its vector is done.
 */
#ifndef SJ_TESTS_VECTORS_H
#define SJ_TESTS_VECTORS_H

#include <jansson.h>

#include "core/crypto.h"

#define SKIP_KEM "skip: libcrypto has no ML-KEM-768"
#define SKIP_XWING "skip: no X-Wing"
#define SKIP_XCHACHA "skip: no XChaCha20"
#define SKIP_NONCE "skip: no nonces of other than 96 bits"

struct block;

struct run {
	struct sj__crypto *crypto;
	struct sj__memory memory;
	const struct sj_aead *const *faster;    /* NULL: none */
	struct block *blocks;                   /* of this vector */
	char why[256];
};

typedef const char *(check)(struct run *run, json_t *vector);

/* --- Fields ------------------------------------------------------------ */

void *run_allocate(struct run *run, size_t size);
void run_free(struct run *run);
struct span unhex(struct run *run, const char *text);
/* data is NULL if there is no such field. */
struct span field(struct run *run, json_t *object, const char *name);
/* The same of size bytes; data is NULL if it is not that long. */
const uint8_t *field_of(struct run *run, json_t *object, const char *name,
    size_t size);
const char *text_of(json_t *object, const char *name);
bool is_valid(json_t *vector);          /* "result" is "valid" */
bool has_flag(json_t *vector, const char *flag);
bool same(struct span a, struct span b);
/* A reason with a number in it. */
const char *why(struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- Checks ------------------------------------------------------------ */

check check_noise, check_hybrid;
check check_eddsa, check_hkdf, check_mac, check_x25519, check_cctv_ed25519,
    check_rfc8032, check_blake2, check_x25519_iterated;
/* algorithm: "AES-GCM" and so on, of the file. */
const char *check_aead(struct run *run, json_t *vector, const char *algorithm);
check check_mlkem, check_mlkem_encaps, check_mlkem_decaps, check_acvp,
    check_mlkem_accumulated;
const char *check_mlkem_text(struct run *run, struct span text);
check check_varint_range, check_varint_sample, check_number_encode,
    check_number_decode, check_quic_labels, check_quic_keys,
    check_quic_long, check_quic_retry, check_quic_short, check_quic_limits;
check check_scram;
check check_login;

#endif
