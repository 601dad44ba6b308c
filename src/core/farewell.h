/* SPDX-License-Identifier: ISC */
/*
 * farewell.h - the CLOSE of channels that are gone, for peers that did not hear it
 *
 * A closed channel has no keys and soon no memory; what stays of it is the
 * packet that said so, as it was sent. Whoever goes on writing to it from the
 * same address gets that packet again, a few times. The last FAREWELLS_MAX
 * are kept; the oldest gives way.
 */
#ifndef SJ_CORE_FAREWELL_H
#define SJ_CORE_FAREWELL_H

#include "core/channel.h"

#define FAREWELLS_MAX 64
#define FAREWELL_REPEATS_MAX 3
#define FAREWELL_SIZE (SHORT_OVERHEAD + 5 + CLOSE_TEXT_MAX)

struct farewell {
	uint8_t ids[CHANNEL_IDS][ID_SIZE]; /* of the channel that is gone */
	unsigned id_count;
	struct sj_path path;
	unsigned repeats_left;
	bool is_wanted;
	size_t length;
	uint8_t bytes[FAREWELL_SIZE];
};

struct farewells {
	struct farewell *list;          /* FAREWELLS_MAX; NULL until needed */
	size_t next;                    /* the oldest */
	size_t wanted;
};

/* packet: the CLOSE of this channel, which still has its ids and its path.
 * Without memory nothing is kept. */
void sj__farewells_add(struct farewells *farewells, struct sj__memory *memory,
    const struct sj__channel *channel, struct span packet);
/* A packet for an id that no channel has. False: nor did one of these. */
bool sj__farewells_on_packet(struct farewells *farewells,
    const struct sj_path *path, const uint8_t id[ID_SIZE]);
/* The next one that is to go again; false: none. */
bool sj__farewells_transmit(struct farewells *farewells, struct sj_time now,
    struct sj_batch *batch);
void sj__farewells_fini(struct farewells *farewells,
    struct sj__memory *memory);

#endif
