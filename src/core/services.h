/* SPDX-License-Identifier: ISC */
/*
 * services.h - what an endpoint does for the channels and sessions on it
 *
 * The endpoint owns everything; whoever is below asks it for memory, random
 * bytes, ids, paths and pending answers, and hands it events. Declared here,
 * below channel and session, and kept by endpoint.c above them.
 */
#ifndef SJ_CORE_SERVICES_H
#define SJ_CORE_SERVICES_H

#include "core/crypto.h"
#include "core/memory.h"
#include "core/path.h"
#include "core/wire.h"

struct sj__channel;

/* Why something was dropped or refused, and what was done. */
#define SJ_COUNTERS(X) \
	X(COUNT_DROPPED_SHORT, "datagram too short") \
	X(COUNT_DROPPED_LONG_FORM, "malformed long packet") \
	X(COUNT_DROPPED_VERSION, "unknown version") \
	X(COUNT_DROPPED_NOT_SERVER, "hello to a client") \
	X(COUNT_DROPPED_HELLO_SMALL, "hello in a datagram below 1200 bytes") \
	X(COUNT_DROPPED_HELLO_FORM, "hello that does not make sense") \
	X(COUNT_DROPPED_HELLO_FRAGMENT, "fragment of a hello that was given up") \
	X(COUNT_DROPPED_STRANGERS, "hello that too many others came before") \
	X(COUNT_DROPPED_HELLO_REFUSAL, "hello naming a refusal that was not given") \
	X(COUNT_DROPPED_HALF_OPEN, "no room for another half-open channel") \
	X(COUNT_DROPPED_ANSWER, "answer to no hello of ours") \
	X(COUNT_DROPPED_HANDSHAKE, "handshake message that does not verify") \
	X(COUNT_DROPPED_UNKNOWN_ID, "unknown connection id") \
	X(COUNT_DROPPED_SEALED, "packet that does not open") \
	X(COUNT_DROPPED_DUPLICATE, "packet number seen before or too old") \
	X(COUNT_DROPPED_CLOSED, "packet to a closed channel") \
	X(COUNT_DROPPED_PATH, "packet on one path too many") \
	X(COUNT_DROPPED_MEMORY, "no memory") \
	X(COUNT_COOKIES, "cookies given") \
	X(COUNT_HALF_OPEN_EVICTED, "half-open channel that gave way to a newer one") \
	X(COUNT_HALF_OPEN_EXPIRED, "half-open channel that never proved its address") \
	X(COUNT_CHANNEL_MOVED, "channels that followed their client to another address") \
	X(COUNT_CLOSED_PROTOCOL, "channel closed: the peer broke the protocol") \
	X(COUNT_CLOSED_BY_PEER, "channel closed by the peer") \
	X(COUNT_CLOSED_KEY_LIMIT, "channel closed: limit of a key") \
	X(COUNT_LOGIN_ACCEPTED, "logins accepted") \
	X(COUNT_LOGIN_REFUSED, "logins refused") \
	X(COUNT_LOGIN_EXPIRED, "channels without a login in time") \
	X(COUNT_SESSION_ENDED, "sessions ended") \
	X(COUNT_PACKETS_IN, "packets in") \
	X(COUNT_PACKETS_OUT, "packets out") \
	X(COUNT_BYTES_IN, "bytes in") \
	X(COUNT_BYTES_OUT, "bytes out")

enum counter {
#define SJ_COUNTER_ENUM(name, text) name,
	SJ_COUNTERS(SJ_COUNTER_ENUM)
#undef SJ_COUNTER_ENUM
	COUNTERS
};

enum request_kind {
	REQUEST_PROPOSE = 1,
	REQUEST_JUDGE,
	REQUEST_SHARED_SECRET,          /* of the host key, for a channel */
	REQUEST_STORE_PUT,
	REQUEST_STORE_DELETE,
	REQUEST_STORE_LIST,
	REQUEST_STORE_SCAN,             /* revocation: look for the user's logins */
	REQUEST_STORE_REVOKE
};

void sj__endpoint_count(struct sj_endpoint *endpoint, enum counter counter);
void sj__endpoint_random(struct sj_endpoint *endpoint, void *out,
    size_t length);
void sj__endpoint_trace(struct sj_endpoint *endpoint, const char *line);

/* 32 bytes for a key: random ones, hedged with a secret, the time and a
 * counter (RFC 8937), so that a generator that repeats does not repeat a key. */
void sj__endpoint_key_material(struct sj_endpoint *endpoint,
    uint8_t out[32]);
struct sj__memory *sj__endpoint_memory(struct sj_endpoint *endpoint);
struct sj__crypto *sj__endpoint_crypto(struct sj_endpoint *endpoint);
/* Server: the static key. dh is asked if the private half is elsewhere. */
const struct sj_host_key *sj__endpoint_host_key(
    const struct sj_endpoint *endpoint);
/* The private half, or NULL if it is held elsewhere. */
const uint8_t *sj__endpoint_host_private(const struct sj_endpoint *endpoint);
uint32_t sj__endpoint_datagram_max(const struct sj_endpoint *endpoint);
/* ML-KEM-768 is there, and wanted. */
bool sj__endpoint_has_hybrid(const struct sj_endpoint *endpoint);
/* Client: what a server gave for its next hello from this address; each is taken
 * once. false: there is none. */
bool sj__endpoint_take_token(struct sj_endpoint *endpoint,
    const uint8_t server_key[32], uint8_t token[COOKIE_SIZE]);
void sj__endpoint_keep_token(struct sj_endpoint *endpoint,
    const uint8_t server_key[32], const uint8_t token[COOKIE_SIZE]);
/* Server: one for that address. */
void sj__strangers_make_token(struct sj_endpoint *endpoint,
    struct sj_time now, const struct sj_path *path,
    uint8_t token[COOKIE_SIZE]);
/* Bytes that a hello has at least, and an answer more: for tests. */
size_t sj__endpoint_hello_least(const struct sj_endpoint *endpoint);
size_t sj__endpoint_answer_filler(const struct sj_endpoint *endpoint);

/* Events: who has something to tell waits in a queue. */
void sj__endpoint_queue_stream(struct sj_endpoint *endpoint,
    struct sj_stream *stream);
void sj__endpoint_queue_session(struct sj_endpoint *endpoint,
    struct sj_session *session);

/* "SHA256:..." of 32 bytes, as ssh writes it: 51 bytes with the NUL. */
#define SJ__FINGERPRINT_SIZE 51
void sj__fingerprint(struct sj_endpoint *endpoint, const uint8_t key[32],
    char out[SJ__FINGERPRINT_SIZE]);

/* The same of any bytes. */
void sj__fingerprint_of(struct sj__crypto *crypto, struct span bytes,
    char out[SJ__FINGERPRINT_SIZE]);

/* Requests. 0: no memory. */
uint64_t sj__endpoint_request(struct sj_endpoint *endpoint,
    enum request_kind kind, struct sj_session *session,
    struct sj__channel *channel);
void sj__endpoint_forget_requests(struct sj_endpoint *endpoint,
    const struct sj_session *session, const struct sj__channel *channel);

/* Policy of the endpoint. */
bool sj__endpoint_takes_application(const struct sj_endpoint *endpoint,
    const char *application);
bool sj__endpoint_is_named(const struct sj_endpoint *endpoint,
    const char *server_name);
const struct sj_mech *const *sj__endpoint_mechs(
    const struct sj_endpoint *endpoint);
void sj__endpoint_limits(const struct sj_endpoint *endpoint,
    const struct sj_grant *grant, uint32_t *idle_limit_s,
    uint32_t *lifetime_s);
uint64_t sj__endpoint_session_budget(const struct sj_endpoint *endpoint);

/* Store. Answers come to sj__session_on_stored(). */
int sj__endpoint_store_put(struct sj_endpoint *endpoint,
    struct sj_session *session, const uint8_t id[8], const void *value,
    size_t length);
int sj__endpoint_store_delete(struct sj_endpoint *endpoint,
    struct sj_session *session, const uint8_t id[8]);
/* Takes the answers that are there. */
void sj__endpoint_store_pump(struct sj_endpoint *endpoint,
    struct sj_time now);

struct sj_time sj__endpoint_now(const struct sj_endpoint *endpoint);
/* server: the session has its login, or is over; fine if that was so before. */
void sj__endpoint_unproven_gone(struct sj_session *session);
/* The application let go of the handle. */
void sj__endpoint_session_closed(struct sj_session *session);

/* Connection ids. new_id makes one that no channel of ours has. */
int sj__endpoint_add_id(struct sj_endpoint *endpoint,
    struct sj__channel *channel, uint8_t id[ID_SIZE]);
void sj__endpoint_remove_id(struct sj_endpoint *endpoint,
    const uint8_t id[ID_SIZE]);
struct sj__channel *sj__endpoint_find_id(const struct sj_endpoint *endpoint,
    const uint8_t id[ID_SIZE]);

/* The shared path of a 4-tuple, made if missing; NULL: no memory. Release it
 * as often as it was acquired. */
struct sj__path *sj__endpoint_acquire_path(struct sj_endpoint *endpoint,
    const struct sj_path *key);
void sj__endpoint_release_path(struct sj_endpoint *endpoint,
    struct sj__path *path);
/* One of the channel's own, not shared. */
struct sj__path *sj__endpoint_private_path(struct sj_endpoint *endpoint,
    const struct sj_path *key);
void sj__endpoint_free_private_path(struct sj_endpoint *endpoint,
    struct sj__path *path);

/* A channel of the endpoint's: in its list, with a timer. disown before it is
 * freed. */
int sj__endpoint_adopt_channel(struct sj__channel *channel);
void sj__endpoint_disown_channel(struct sj__channel *channel);
int sj__endpoint_adopt_session(struct sj_session *session);
void sj__endpoint_disown_session(struct sj_session *session);
/* A channel's or session's deadline or wish to send changed. */
void sj__endpoint_update_channel(struct sj__channel *channel);
void sj__endpoint_update_session(struct sj_session *session);
/* The channel said CLOSE with this packet, and is about to be gone. */
void sj__endpoint_keep_close(struct sj__channel *channel, struct span packet);
/* The server's channel opened: makes its session. */
int sj__endpoint_on_channel_open(struct sj_endpoint *endpoint,
    struct sj_time now, struct sj__channel *channel);

#endif
