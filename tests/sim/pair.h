/* SPDX-License-Identifier: ISC */
/*
 * pair.h - one client and one server without a network between them
 *
 * For tests that turn one of the two into a rogue, or look into both.
 */
#ifndef SIM_PAIR_H
#define SIM_PAIR_H

#include "world.h"

#define MEMORY_MAX ((size_t)48 << 20)

struct pair {
	struct world world;
	struct client *client;
	struct sj_session *session;     /* the client's; NULL: over */
	bool started, ended;
	uint16_t port;                  /* of the client */
	/* Sees what a side (0: the server) sends; false: it gets lost. */
	bool (*on_batch)(struct pair *pair, int side,
	    const struct sj_batch *batch);
	/* Sees the frames that come to a client that plays; NULL: nobody does. */
	void (*on_frame)(struct pair *pair, const struct frame *frame);
};

void pair_seed(uint64_t seed);
void pair_open(struct pair *pair);
void pair_close(struct pair *pair);
void pair_exchange(struct pair *pair, unsigned rounds);
void pair_log_in(struct pair *pair);
/* Without a word to the server, and at the same address. */
void pair_restart_client(struct pair *pair);
/* The client's next packet carries what this writes, and from here on it says
 * no other frame of a session until pair_play_fair(). */
void pair_play(struct pair *pair, void (*write)(struct writer *writer));
void pair_play_fair(struct pair *pair);
/* The oldest channel of an endpoint. */
struct sj__channel *pair_channel(struct sj_endpoint *endpoint);

#endif
