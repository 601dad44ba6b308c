/* SPDX-License-Identifier: ISC */
/*
 * believe.c - a host key and a mechanism without ssh keys
 *
 * The mechanism's message is the user's name, and whoever says it is believed.
 * The host key is drawn from the seed; its Diffie-Hellman is the real one.
 */
#include <stdio.h>
#include <string.h>

#include "sim/random.h"
#include "sim/sim.h"

static void
propose(const struct sj_mech *mech, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	struct sj_answer answer = { .bytes = facts->user,
	    .length = strlen(facts->user) };

	(void)mech;
	sj_core_answer(endpoint, request, &answer);
}

static void
judge(const struct sj_mech *mech, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts, const void *message,
    size_t length)
{
	static const char credential[] = "sim believed\0";
	struct sj_answer answer = { .bytes = credential,
	    .length = sizeof credential - 1 };

	(void)mech;
	if (length != strlen(facts->user) ||
	    memcmp(message, facts->user, length) != 0)
		answer = (struct sj_answer){ .error = SJ_ERR_REFUSED };
	sj_core_answer(endpoint, request, &answer);
}

static void
diffie_hellman(const struct sj_host_key *key, struct sj_endpoint *endpoint,
    uint64_t request, const uint8_t peer_key[32])
{
	const struct sj_sim *sim = key->context;
	uint8_t shared[32];
	struct sj_answer answer = { .bytes = shared, .length = sizeof shared };

	answer.error = sj_host_key_dh(sim->host_private, peer_key, shared);
	sj_core_answer(endpoint, request, &answer);
}

void
sim_believe(struct sj_sim *sim)
{
	static const uint8_t base_point[32] = { 9 };

	random_fill(&sim->key_random, sim->host_private,
	    sizeof sim->host_private);
	sim->host_key.context = sim;
	sim->host_key.dh = diffie_hellman;
	sim->error = sj_host_key_dh(sim->host_private, base_point,
	    sim->host_key.public_key);
	sim->mech = (struct sj_mech){ .name = "sim", .propose = propose,
	    .judge = judge };
	sim->mechs[0] = &sim->mech;
}
