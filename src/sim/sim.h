/* SPDX-License-Identifier: ISC */
/*
 * sim.h - what sojourn_sim.h offers, in steps, for a loop of one's own
 *
 *   sim.c      the clock, the endpoints and the loop
 *   link.c     datagrams under way
 *   believe.c  a host key and a mechanism without ssh keys
 */
#ifndef SJ_SIM_SIM_H
#define SJ_SIM_SIM_H

#include <stdbool.h>

#include <sojourn_sim.h>

#define SIM_PLACES_MAX 64

/* An address of an endpoint, as its NAT gives it. It is proven once something was
 * sent from there after something had come there. */
struct sim_place {
	uint64_t bytes_up, bytes_down;
	bool heard, proved;
};

struct sim_host {
	struct sim_host *next;
	struct sj_endpoint *endpoint;
	struct sj_address address;      /* the first place's */
	bool is_server, is_owned;
	char application[256];          /* of its logins */
	unsigned place;                 /* where it is; the port of place n is n higher */
	struct sim_place places[SIM_PLACES_MAX];
	struct sim_place elsewhere;     /* of one who repeats its datagrams; a port lower */
};

struct sim_way {                        /* one direction between two hosts */
	struct sim_way *next;
	struct sim_host *from, *to;
	struct sj_sim_link link;
	uint64_t free_ns;               /* the last byte is out */
	unsigned burst_left;
};

struct sim_datagram {
	uint64_t at_ns, order;
	struct sj_address to;
	struct sj_path path;            /* as the receiver sees it */
	unsigned place;                 /* of the sender, when it was sent */
	bool proves;                    /* the sender had heard something there */
	enum sj_ecn ecn;
	size_t length;
	uint8_t *bytes;
};

struct sj_sim {
	uint64_t random, key_random;
	struct sj_time now;
	struct sj_io io;
	struct sj_host_key host_key;
	uint8_t host_private[32];
	struct sj_mech mech;
	const struct sj_mech *mechs[2];
	struct sj_sim_link link;        /* of hosts to come */
	struct sim_host *hosts;         /* in the order of their coming */
	struct sim_way *ways;
	struct sim_datagram *flying;
	size_t flying_count, flying_capacity;
	uint64_t order;
	struct sj_sim_stats stats;
	int error;                      /* SJ_ERR_MEMORY: no world any more */
};

/* --- sim.c */
bool sim_chance(struct sj_sim *sim, unsigned per_10000);
void sim_advance(struct sj_sim *sim, uint64_t boot_ns);
/* An endpoint made elsewhere; it stays its owner's. */
int sim_attach(struct sj_sim *sim, struct sj_endpoint *endpoint,
    const struct sj_address *address);
struct sim_host *sim_host(const struct sj_sim *sim,
    const struct sj_endpoint *endpoint);
/* --- link.c */
void sim_send(struct sj_sim *sim, const struct sj_endpoint *from,
    const struct sj_batch *batch);
/* When the next datagram arrives; UINT64_MAX: none is under way. */
uint64_t sim_arrival_ns(const struct sj_sim *sim);
/* Hands over what has arrived; true if there was any. */
bool sim_deliver(struct sj_sim *sim);
/* --- believe.c */
void sim_believe(struct sj_sim *sim);

#endif
