/* SPDX-License-Identifier: ISC */
/*
 * world.h - endpoints, links and people under one virtual clock
 *
 * One seed decides everything: which faults are on, how the links behave, who
 * logs in and what they do. Two phases: first with faults, for a while; then
 * the links heal and everything must come to its end.
 *
 *   link.c     datagrams under way: rate, delay, loss, ... and amplification
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

#define CLIENTS_MAX 3
#define SESSIONS_MAX 3
#define STREAMS_MAX 24
#define PLACES_MAX 64
#define HEAL_NS (20 * NS_PER_S)
#define END_NS (900 * NS_PER_S)

enum ecn_fault { ECN_KEPT, ECN_BLEACHED, ECN_DROPPED, ECN_CONGESTED };

struct faults {
	unsigned loss, burst, duplicate, corrupt, reorder;      /* per 10,000 */
	bool cookies;                   /* asked for from the first hello on */
	bool server_hybrid, client_hybrid; /* where libcrypto has it */
	size_t hello_least, answer_filler; /* messages of several datagrams */
	unsigned repeat;                /* by somebody elsewhere, and sooner */
	uint64_t delay_ns, jitter_ns, rate_bytes_s;
	size_t queue_bytes, mtu;
	unsigned phase_packets;         /* a new key phase after so many; 0: late */
	unsigned answer_delay_ms;       /* of signer, host key, store: at most */
	enum ecn_fault ecn;             /* what the way does to the mark */
	uint64_t rebind_ns;             /* a client's address lasts so long at most; 0: for ever */
};

struct datagram {
	uint64_t at_ns, order;
	int to;                         /* 0 server, 1.. clients */
	unsigned place;                 /* of the client, when it was sent */
	bool proves;                    /* sent by a client that had heard something there */
	struct sj_path path;            /* as the receiver sees it */
	enum sj_ecn ecn;
	size_t length, segment;
	uint8_t *bytes;
};

struct link {                           /* one direction of one client */
	uint64_t free_ns;               /* the last byte is out */
	unsigned burst_left;
};

/* An address of a client, as its NAT gives it. It is proven once the client has
 * sent something from there after it had heard something there. */
struct place {
	uint64_t bytes_up, bytes_down;
	bool heard, proved;
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
	struct link up, down;
	struct place places[PLACES_MAX]; /* where it was; the last is where it is */
	struct place elsewhere;         /* of one who repeats its packets */
	unsigned place;
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
	uint64_t seed, random, key_random;
	struct sj_time now;
	struct faults faults, drawn;
	struct sj_endpoint *server;
	struct sj_io server_io;
	struct sj_host_key host_key;
	uint8_t host_private[32];
	struct sj__memory memory;
	struct sj__crypto *crypto;
	struct client clients[CLIENTS_MAX];
	unsigned client_count;
	struct datagram *flying;
	size_t flying_count, flying_capacity;
	uint64_t order;
	struct answer answers[256];
	unsigned answer_count;
	uint64_t hash;                  /* of the trace */
	uint64_t steps, datagrams, bytes;
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
void link_send(struct world *world, int from, const struct sj_batch *batch);
uint64_t link_next_ns(const struct world *world);
void link_deliver(struct world *world);
/* NATs forget: clients are elsewhere without knowing it. */
void link_rebind(struct world *world);
void link_free(struct world *world);
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
