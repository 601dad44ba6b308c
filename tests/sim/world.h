/* SPDX-License-Identifier: ISC */
/*
 * world.h - endpoints, links and people under one virtual clock
 *
 * One seed decides everything: which faults are on, how the links behave, who
 * logs in and what they do. Two phases: first with faults, for a while; then
 * the links heal and everything must come to its end.
 *
 *   link.c     the faults of a seed, as settings of the links of src/sim
 *   actor.c    clients and the server, what they open, write, read, reset
 *   check.c    the oracle: nonces, bytes, principals, memory
 *   surround.c random source, signer, host key and store that answer later
 *   sim.c      the clock and the main loop
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/endpoint_internal.h"
#include "sim/random.h"
#include "sim/sim.h"

#define CLIENTS_MAX 3
#define SESSIONS_MAX 3
#define STREAMS_MAX 24
#define HEAL_NS (20 * NS_PER_S)
#define END_NS (900 * NS_PER_S)

struct faults {
	unsigned loss, burst, duplicate, corrupt, reorder;      /* per 10,000 */
	bool cookies;                   /* asked for from the first hello on */
	bool server_hybrid, client_hybrid; /* where libcrypto has it */
	size_t hello_least, answer_filler; /* messages of several datagrams */
	unsigned repeat;                /* by somebody elsewhere, and sooner */
	uint64_t delay_ns, jitter_ns, rate_bytes_s;
	size_t queue_bytes, mtu;
	size_t mtu_later;               /* from then on; 0: never */
	uint64_t mtu_later_ns;
	uint32_t datagram_max;          /* of the endpoints */
	unsigned phase_packets;         /* a new key phase after so many; 0: late */
	unsigned answer_delay_ms;       /* of signer, host key, store: at most */
	enum sj_sim_ecn ecn;            /* what the way does to the mark */
	uint64_t rebind_ns;             /* a client's address lasts so long at most; 0: for ever */
};

struct stream_actor {
	struct session_actor *owner;
	struct sj_stream *stream;
	struct stream_actor *parent;
	unsigned index;
	uint64_t size;                  /* to send, and to come back */
	uint64_t sent, received;
	uint64_t reset_at;              /* bytes received; 0: never */
	unsigned slowness;              /* reads one time in so many */
	bool is_unknown, finished, done, is_reset;
};

struct session_actor {
	struct client *client;
	struct sj_session *session;
	unsigned index;
	char user[32];
	struct stream_actor streams[STREAMS_MAX];
	unsigned count, opened;
	bool started, ended, logged_out;
};

struct client {
	struct world *world;
	struct sj_endpoint *endpoint;
	unsigned index;                 /* from 1 */
	struct sj_io io;
	struct sj_mech mech;
	const struct sj_mech *mechs[2];
	struct sj_signer signer;
	struct session_actor sessions[SESSIONS_MAX];
	unsigned count;
	unsigned place;                 /* how often it has moved */
	uint64_t rebind_at_ns;
};

struct answer {                         /* one that comes later */
	uint64_t at_ns;
	struct sj_endpoint *endpoint;
	uint64_t request;
	size_t length;
	uint8_t bytes[1024];
};

struct world {
	uint64_t seed, key_random;
	struct sj_sim *sim;             /* links and clock; NULL where a test has neither */
	struct sj_time now;             /* the clock's */
	struct faults faults, drawn;
	struct sj_endpoint *server;
	struct sj_io server_io;
	struct sj_host_key host_key;
	uint8_t host_private[32];
	struct sj__memory memory;
	struct sj__crypto *crypto;
	struct client clients[CLIENTS_MAX];
	unsigned client_count;
	struct answer answers[256];
	unsigned answer_count;
	uint64_t steps;
	uint64_t phases;                /* seen by anybody */
	uint64_t rebindings, moves;     /* new addresses; channels that followed */
	bool verbose;
	const char *failure;
	char failure_text[256];
};

/* --- sim.c */
uint64_t draw(struct world *world, uint64_t below);
bool chance(struct world *world, unsigned per_10000);
void fail(struct world *world, const char *text);
void note(struct world *world, const char *what, uint64_t a, uint64_t b);
/* --- link.c */
/* Server and clients are there: sets the links as the faults are now. */
void link_open(struct world *world);
void link_set(struct world *world);
void link_send(struct world *world, int from, const struct sj_batch *batch);
/* NATs forget: clients are elsewhere without knowing it. */
void link_rebind(struct world *world);
/* --- surround.c */
void surround_init(struct world *world);
void surround_fini(struct world *world);
uint64_t answers_next_ns(const struct world *world);
void answers_give(struct world *world);
struct sj_store *slow_store(struct world *world);
void client_signer(struct client *client);
/* --- check.c */
const struct sj_aead *const *checking_aeads(struct world *world);
void checking_reset(void);
uint8_t expected_byte(const struct stream_actor *stream, uint64_t offset);
/* --- actor.c */
void actors_open(struct world *world);
bool actors_run(struct world *world);
bool actors_are_done(const struct world *world);
void actors_close(struct world *world);

#endif
