/* SPDX-License-Identifier: ISC */
/*
 * sojourn_sim.h - a network and a clock that a seed decides (libsojourn-sim)
 *
 * For tests of programs over sojourn.h: endpoints in one process, links between
 * them that lose, delay, reorder, repeat, corrupt and cut, and a clock that jumps
 * to the next thing to do: an hour takes as long as what happens in it. The same
 * seed and the same calls give the same datagrams, byte for byte.
 *
 * The endpoints are whole: everything of sojourn.h works on them but sj_login(),
 * sj_poll() and sj_endpoint_fd(), in place of which stand sj_sim_login() and
 * sj_sim_poll(). Not simulated are ssh keys (a login is believed, unless the
 * options name a mechanism) and anything with a thread of its own, such as
 * the SQLite store: give a server none, and it keeps its logins in memory.
 *
 * A world and all in it belong to one thread at a time.
 */
#ifndef SOJOURN_SIM_H
#define SOJOURN_SIM_H

#include <sojourn_core.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sj_sim;

/* What a way does to the mark of a datagram that is marked (RFC 3168). */
enum sj_sim_ecn {
	SJ_SIM_ECN_KEPT = 0,
	SJ_SIM_ECN_BLEACHED,         /* taken off */
	SJ_SIM_ECN_DROPPED,          /* marked datagrams are lost */
	SJ_SIM_ECN_CONGESTED         /* one in twenty is marked as having met a queue */
};

/* One direction between two endpoints. Sizes are bytes of UDP payload; what
 * happens at random does so to so many of 10,000 datagrams. SJ_SIM_LINK as it
 * is: everything arrives, at once. */
struct sj_sim_link {
	size_t size;
	uint64_t delay_ns;
	uint64_t jitter_ns;          /* on top of it: up to so much */
	uint64_t rate_bytes_s;       /* 0: no limit */
	size_t queue_bytes;          /* what may wait for the rate; 0: 64 KiB */
	size_t datagram_max;         /* longer ones are lost; 0: any length passes */
	uint32_t loss;
	uint32_t burst;              /* up to ten in a row are lost */
	uint32_t duplicate;
	uint32_t corrupt;            /* one bit is flipped */
	uint32_t reorder;            /* up to three delays late */
	uint32_t repeat;             /* somebody sends a copy from elsewhere, which is there sooner */
	enum sj_sim_ecn ecn;
	int cut;                     /* nothing passes */
};
#define SJ_SIM_LINK { .size = sizeof(struct sj_sim_link) }

struct sj_sim_stats {
	size_t size;
	uint64_t datagrams, bytes;   /* sent */
	uint64_t lost;               /* of those, in the network */
	uint64_t nobody;             /* sent to an address that nobody has */
	uint64_t hash;               /* of every byte sent and every sj_sim_note() */
	const char *broken;          /* a promise of the library that it broke: report it; or NULL */
};

/* A world without endpoints, at boot_ns 1 s. Links are as SJ_SIM_LINK until
 * they are set. On failure (SJ_ERR_MEMORY) *sim is NULL. */
SJ_API SJ_MUST_CHECK int sj_sim_open(struct sj_sim **sim, uint64_t seed);
/* With all its endpoints. NULL is fine. */
SJ_API void sj_sim_close(struct sj_sim *sim);
SJ_API struct sj_time sj_sim_now(const struct sj_sim *sim);
/* From the seed: 0 to below - 1; 0 if below is 0. For what a test itself leaves to chance. */
SJ_API uint64_t sj_sim_random(struct sj_sim *sim, uint64_t below);

/* As sj_endpoint_open(), in this world, at the lowest address that is free: who
 * is closed and opened again is where he was. With `listen` (any text) it is a
 * server. Of the options io is the world's own, and so are host_key and mechs
 * where they are NULL: one key for all servers, and a mechanism that believes
 * everybody (a server still decides: SJ_EV_LOGIN). Files are not looked at. */
SJ_API SJ_MUST_CHECK int sj_sim_endpoint_open(struct sj_sim *sim,
    struct sj_endpoint **endpoint, const struct sj_endpoint_options *options);
/* As a crash: nobody is told. NULL is fine. */
SJ_API void sj_sim_endpoint_close(struct sj_sim *sim,
    struct sj_endpoint *endpoint);
/* As sj_login(), to an endpoint of this world. options NULL: the server's key is
 * trusted, else trust_first_use or server_key says so. */
SJ_API SJ_MUST_CHECK int sj_sim_login(struct sj_sim *sim,
    struct sj_endpoint *client, struct sj_endpoint *server, const char *user,
    const struct sj_login_options *options, struct sj_session **session);

/* Sets the ways from one endpoint to another, from now on; NULL: from all, to
 * all. NULL twice: also those of endpoints that are opened later. */
SJ_API int sj_sim_link(struct sj_sim *sim, const struct sj_endpoint *from,
    const struct sj_endpoint *to, const struct sj_sim_link *link);
/* The endpoint's NAT forgets: from now on it is seen at another port, and what is
 * sent to the old one is lost. SJ_ERR_LIMIT after 63 times. */
SJ_API int sj_sim_rebind(struct sj_sim *sim,
    const struct sj_endpoint *endpoint);

/* Lets time pass until there is an event, at most until boot_ns is until_ns.
 * 1: *event is filled, and *endpoint says whose; 0: it is until_ns and all that
 * is due has been done (UINT64_MAX: nothing will ever happen again); negative:
 * SJ_ERR_ARGUMENT, SJ_ERR_MEMORY. What a program has queued is sent from
 * within. */
SJ_API int sj_sim_poll(struct sj_sim *sim, uint64_t until_ns,
    struct sj_endpoint **endpoint, struct sj_event *event);

/* Takes a value into the hash: what the program did, for comparing two runs. */
SJ_API void sj_sim_note(struct sj_sim *sim, uint64_t value);
SJ_API int sj_sim_stats(const struct sj_sim *sim, struct sj_sim_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
