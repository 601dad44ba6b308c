/* SPDX-License-Identifier: ISC */
/*
 * handshake.h - from hello to traffic secrets
 *
 * Joins Noise (patterns NX and NK) with the offers and parameters around it.
 * Lives until the channel is open.
 *
 *   NX     -> e                 <- e, ee, s, es
 *   NK     -> e, es             <- e, ee
 *   NXhfs  -> e, e1             <- e, ee, ekem1, s, es
 *   NKhfs  -> e, es, e1         <- e, ee, ekem1
 *
 * The hybrid forms have ML-KEM-768 beside X25519, where libcrypto offers it.
 */
#ifndef SJ_CORE_HANDSHAKE_H
#define SJ_CORE_HANDSHAKE_H

#include "core/noise.h"
#include "core/packet.h"
#include "core/services.h"

#define SJ__HANDSHAKE_PENDING 1         /* more is awaited: a DH with the host key, a fragment */

struct sj__handshake;

struct sj__handshake_client {
	struct sj_endpoint *endpoint;
	const uint8_t *server_key;      /* NK; NULL: NX */
	bool is_hybrid;
	bool has_token;
	uint8_t token[COOKIE_SIZE];     /* in the place of a cookie [SJ-HS-32] */
	const struct offer *refused;    /* what was refused before; NULL: nothing */
	uint8_t id[ID_SIZE];            /* our id of the hello */
	size_t body_least;              /* fill so many bytes of hellos; 0: one */
};

/* client: makes message 1. */
int sj__handshake_begin(const struct sj__handshake_client *client,
    struct sj__handshake **handshake);
/* client: the hello, in as many datagrams of HELLO_SIZE as it takes; the length
 * of all. */
size_t sj__handshake_hello(struct sj__handshake *handshake, uint8_t attempt,
    uint8_t *out, size_t capacity);
/* client: a fragment of message 2. PENDING: more are missing. Negative: it does not
 * verify, nothing changed. */
int sj__handshake_read_answer(struct sj__handshake *handshake,
    const struct long_packet *answer);
const uint8_t *sj__handshake_server_key(const struct sj__handshake *handshake);
/* client: the refusal is to our hello, and one it can get; what the next offer
 * has to say of it is returned. */
bool sj__handshake_may_be_refused(const struct sj__handshake *handshake,
    const struct long_packet *refusal, struct offer *refused);

/* client: the packet carries our id of the server back. */
bool sj__handshake_is_answered_by(const struct sj__handshake *handshake,
    const struct long_packet *packet);
/* client: the next hellos carry this cookie; false: it is not for us. */
bool sj__handshake_take_cookie(struct sj__handshake *handshake,
    const struct long_packet *packet);

enum sj__verdict { VERDICT_DROP, VERDICT_REFUSE, VERDICT_TAKE };
/* server: what to do with a whole body; why it is dropped is counted, what it is
 * refused for is a set of enum refusal_code. */
enum sj__verdict sj__handshake_judge(struct sj_endpoint *endpoint,
    struct span body, uint8_t *refusal);
/* server: takes a whole hello that was judged so. Negative: SJ_ERR_MEMORY. id
 * goes into message 2. */
int sj__handshake_accept(struct sj_endpoint *endpoint,
    const struct long_packet *hello, const uint8_t id[ID_SIZE],
    const struct sj_path *path, struct sj_time now,
    struct sj__handshake **handshake);
/* server: goes on until message 2 is there (0), or a DH is awaited: PENDING,
 * with the peer's key for it. */
int sj__handshake_step(struct sj__handshake *handshake, uint8_t peer_key[32]);
int sj__handshake_resume(struct sj__handshake *handshake,
    const uint8_t shared[32]);
/* server: the next fragment of the answer as far as capacity goes, 0 if nothing
 * worth it fits. */
size_t sj__handshake_answer(struct sj__handshake *handshake, uint8_t attempt,
    uint8_t *out, size_t capacity);
/* server: a part of the answer has gone, another has not. */
bool sj__handshake_answer_is_begun(const struct sj__handshake *handshake);
/* server: this hello is a copy of the one it was made from. */
bool sj__handshake_is_of(const struct sj__handshake *handshake,
    const struct long_packet *hello);

uint8_t sj__long_flags(struct sj_endpoint *endpoint, enum long_type type);
uint32_t sj__version_grease(const uint8_t random[4]);

struct sj__handshake_result {
	uint8_t client_secret[32], server_secret[32], master[32], hash[32];
	uint8_t server_key[32];
	uint8_t peer_id[ID_SIZE];       /* client: the server's */
	enum packet_suite suite;
	bool is_hybrid, has_token;
	uint8_t token[COOKIE_SIZE];     /* client: for the next hello */
	uint64_t peer_credit, peer_datagram_max, peer_ack_delay_ms, time_unix_s;
};
/* After both messages. Wipe it after use. */
void sj__handshake_result(const struct sj__handshake *handshake,
    struct sj__handshake_result *result);
/* Wipes and frees; NULL is fine. */
void sj__handshake_close(struct sj__handshake *handshake);

#endif
