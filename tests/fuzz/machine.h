/* SPDX-License-Identifier: ISC */
/*
 * machine.h - a client and a server in one process, for the fuzzers of state
 *
 * Real keys, a clock of its own, random bytes from a generator that begins
 * anew with each run; the surroundings are the simulator's. Nothing is
 * delivered but by machine_exchange() or by whoever hands datagrams on.
 *
 * Held true, whatever is done: no more bytes go to an address than came from
 * there before it was proven; an endpoint that has nothing to send says when
 * it will; nothing is left in the end.
 */
#ifndef FUZZ_MACHINE_H
#define FUZZ_MACHINE_H

#include "fuzz.h"
#include "../sim/world.h"

#define ADDRESSES 8
#define MEMORY_MAX ((size_t)64 << 20)

struct machine;

/* An address of the network, as the server sees it. */
struct address {
	uint64_t bytes_up, bytes_down;
	bool is_proven;
};

struct machine {
	struct world world;             /* now, server, clients, keys */
	struct sj_session *session;     /* the client's login; NULL: over */
	struct address addresses[ADDRESSES];
	unsigned place;                 /* of the client */
	uint32_t heard;                 /* bit per address: the client had news sent there */
	bool started, ended;            /* the client's login */
	unsigned logins, refusals;      /* asked of the server's application */
	bool refuses, stays_silent;     /* how it answers */
	struct sj_session *undecided;   /* the login that waits for it */
	struct sj_session *served;      /* the server's latest that started */
	/* Sees what a side (0: the server) sends; false: it is not delivered. */
	bool (*on_batch)(struct machine *machine, int side,
	    const struct sj_batch *batch);
	void *data;                     /* of the fuzzer */
};

extern struct machine machine;

/* A server and a client; what the options leave zero is the usual. */
struct machine_options {
	bool has_cookies;               /* asked for from the first hello on */
	size_t hello_least, answer_filler;
	struct sj_store *store;         /* taken over */
	const struct sj_mech *mech;     /* of the client; NULL: a valid signature */
};
void machine_open(const struct machine_options *options);
void machine_close(void);
/* The client logs in; server_key NULL: not known. False: it may not. */
bool machine_log_in(const uint8_t *server_key);
/* All that both want to say, back and forth, a millisecond a round. */
void machine_exchange(unsigned rounds);
/* One side (0: the server) takes its events and says what it has to say. */
void machine_speak(int side);
/* Bytes to a side; from and heard mean something for the server only: where
 * they seem to come from, and what the client knew that made them. */
void machine_deliver(int side, unsigned from, uint32_t heard,
    const uint8_t *bytes, size_t length, size_t segment);
void machine_pass(uint64_t ns);
struct sj_endpoint *machine_side(int side);
/* The oldest channel or session of a side; NULL: none. */
struct sj__channel *machine_channel(int side);
struct sj_session *machine_session(int side);
/* An honest login by somebody new, as if nothing had happened; a wait first. */
void machine_must_serve(void);
/* A side sends one packet with these bytes as its frames, under its keys. */
void machine_inject(int side, struct span frames);

#endif
