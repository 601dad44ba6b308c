/* SPDX-License-Identifier: ISC */
/*
 * endpoint_internal.h - the endpoint itself, for the files that make it up
 *
 *   endpoint.c         open and close, services, policy
 *   endpoint_io.c      datagrams in, bursts out, deadlines
 *   endpoint_strangers.c  hellos, and what is said to those who prove nothing
 *   endpoint_events.c  the event queue, requests and their answers
 *   endpoint_store.c   logins in the store: put, delete, list, revoke
 */
#ifndef SJ_CORE_ENDPOINT_INTERNAL_H
#define SJ_CORE_ENDPOINT_INTERNAL_H

#include "core/assembly.h"
#include "core/endpoint.h"
#include "core/farewell.h"
#include "core/services.h"
#include "core/session.h"
#include "core/timers.h"

#define HALF_OPEN_MAX 256               /* channels of unproven addresses */
#define COOKIE_FROM 64                  /* half-open channels: from here on, cookies */
#define HELLOS_FAILED_MAX 64            /* in a second; from here on, likewise */
#define UNPROVEN_LOGINS_MAX 1024        /* open channels without a login */
#define PATHS_MAX 65536
#define PATH_BUCKETS 1024
#define IDS_MIN 64
#define MEMORY_DEFAULT ((size_t)1 << 30)
#define SESSION_BUDGET_MAX (UINT64_C(64) << 20)
#define IDLE_LIMIT_DEFAULT_S (30u * 86400)
#define LIFETIME_DEFAULT_S (90u * 86400)
#define DATAGRAM_DEFAULT 1452
#define RANDOM_BLOCK 512

/* Something asked and not yet answered. Outlives what it is for: then both
 * pointers are NULL and the answer is dropped. */
struct request {
	struct list all;
	uint64_t number;
	enum request_kind kind;
	struct sj_session *session;
	struct sj__channel *channel;
};

struct id_entry {
	uint8_t bytes[ID_SIZE];
	struct sj__channel *channel;    /* NULL: free */
};

/* What is answered to strangers without keeping anything of them: cookies,
 * versions, refusals. What does not fit is not answered. */
#define STRANGER_ANSWERS_MAX 64
#define STRANGER_ANSWER_SIZE 48
struct stranger_answer {
	struct sj_path path;
	size_t length;
	uint8_t bytes[STRANGER_ANSWER_SIZE];
};

/* Hellos of which fragments are missing: the oldest gives way. */
#define HELLOS_ASSEMBLED_MAX 64
struct stranger_hello {
	bool is_used;
	uint64_t since;                 /* counts up */
	uint64_t since_ns;
	struct sj_path path;
	struct long_packet header;
	uint64_t bytes_in;
	struct assembly assembly;
};

struct strangers {
	struct stranger_answer answers[STRANGER_ANSWERS_MAX];
	size_t answer_first, answer_count;
	struct stranger_hello *hellos;  /* HELLOS_ASSEMBLED_MAX; NULL until needed */
	uint64_t hello_count;
	uint64_t second, failed_before; /* hellos that did not verify, up to it */
	uint8_t cookie_key[32], token_key[32];
};

/* Client: address tokens that servers gave; a new one takes the place of the
 * oldest. */
#define TOKENS_KEPT_MAX 16
struct kept_token {
	bool is_there;
	uint8_t server_key[32], token[COOKIE_SIZE];
};

/* The walk through the store for sj_sessions_list and sj_sessions_revoke. */
struct store_walk {
	uint8_t key[SJ_STORE_KEY_MAX];
	size_t key_length;
	uint64_t cursor;
	bool pending, has_answer, at_end;
	int error;
	char user[NAME_MAX_BYTES + 1];
	bool all_of_user;
	uint8_t value[SJ_STORE_VALUE_MAX];
	size_t value_length;
	char scratch[SJ_STORE_VALUE_MAX + 8];
};

struct sj_endpoint {
	struct sj_endpoint_options options;     /* strings are copies */
	char *strings[8];
	size_t string_sizes[8];
	const struct sj_io *io;
	struct sj__memory memory;
	struct sj__crypto *crypto;
	struct sj_host_key host_key;
	uint8_t host_private[32];
	bool is_server, has_host_private;
	char host_key_text[SJ__FINGERPRINT_SIZE];
	struct sj_store *store;
	struct sj_mech default_mech;
	const struct sj_mech *default_mechs[2];
	void *driver;
	struct sj_time now;                     /* of the last input */
	uint64_t counters[COUNTERS];
	struct list paths[PATH_BUCKETS];        /* shared ones */
	struct list channels, sending, sessions, requests;
	struct list half_open_channels;         /* the oldest first */
	struct list newcomers;                  /* sessions without a login yet, likewise */
	struct list session_events, stream_events, endings;
	size_t path_count, half_open, unproven;
	size_t secrets_asked;                   /* key operations not answered yet */
	struct strangers strangers;
	struct kept_token tokens[TOKENS_KEPT_MAX];
	size_t token_next;
	struct farewells farewells;
	/* Limits that tests set to other values. */
	size_t cookie_from;                     /* half-open channels, then cookies */
	size_t hello_least, answer_filler;      /* bytes more than it takes */
	struct id_entry *ids;
	size_t id_capacity, id_count;
	struct sj__timers timers;
	size_t timer_owners;
	uint64_t last_request;
	uint64_t id_nonce;                      /* of the next connection id */
	uint8_t id_key[16];
	uint8_t id_worker_mask;
	uint8_t hedge_key[32];
	uint64_t hedge_count;
	uint64_t path_seed;                     /* of the table of paths, for nothing else */
	uint8_t random[RANDOM_BLOCK];
	size_t random_left;
	struct store_walk walk;
	struct store_walk revocation;
	bool done_pending;                      /* SJ_EV_DONE is owed */
	int done_error;
	bool wake_pending;
	char error[512];
	char event_text[512];
};

/* Takes an open request out of the list; false: there is none of that number. */
bool sj__endpoint_take_request(struct sj_endpoint *endpoint, uint64_t number,
    struct request *out);
int sj__endpoint_reserve_timers(struct sj_endpoint *endpoint);
void sj__endpoint_release_timer(struct sj_endpoint *endpoint,
    struct sj__timer *timer);
void sj__endpoint_wake_blocked(struct sj__path *path);
bool sj__endpoint_retire_channel(struct sj__channel *channel);

/* --- endpoint_strangers.c */
void sj__strangers_on_hello(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, struct span datagram,
    const struct long_packet *hello);
void sj__strangers_on_version(struct sj_endpoint *endpoint,
    const struct sj_path *path, struct span datagram,
    const struct long_packet *packet);
/* The next answer that waits; false: none. */
bool sj__strangers_answer(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj_batch *batch);
void sj__strangers_fini(struct sj_endpoint *endpoint);

#endif
