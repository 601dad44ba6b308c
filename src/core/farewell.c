/* SPDX-License-Identifier: ISC */
/* farewell.c - the CLOSE of channels that are gone, for peers that did not hear it */
#include "core/farewell.h"

static void
forget(struct farewells *farewells, struct farewell *one)
{
	if (one->is_wanted)
		farewells->wanted--;
	memset(one, 0, sizeof *one);
}

void
sj__farewells_add(struct farewells *farewells, struct sj__memory *memory,
    const struct sj__channel *channel, struct span packet)
{
	size_t size = FAREWELLS_MAX * sizeof *farewells->list;
	struct farewell *one;

	assert(packet.length <= FAREWELL_SIZE);
	if (farewells->list == NULL) {
		farewells->list = sj__memory_allocate(memory, size);
		if (farewells->list == NULL)
			return;
		memset(farewells->list, 0, size);
	}
	one = &farewells->list[farewells->next];
	farewells->next = (farewells->next + 1) % FAREWELLS_MAX;
	forget(farewells, one);
	for (int i = 0; i < CHANNEL_IDS; i++)
		if (channel->own_ids[i].is_valid)
			memcpy(one->ids[one->id_count++],
			    channel->own_ids[i].bytes, ID_SIZE);
	one->path = channel->current.path->key;
	one->repeats_left = FAREWELL_REPEATS_MAX;
	one->length = packet.length;
	memcpy(one->bytes, packet.data, packet.length);
}

static bool
has_id(const struct farewell *one, const uint8_t id[ID_SIZE])
{
	for (unsigned i = 0; i < one->id_count; i++)
		if (memcmp(one->ids[i], id, ID_SIZE) == 0)
			return true;
	return false;
}

/* [SJ-CL-2] Only to where the CLOSE went: that address was proven. */
bool
sj__farewells_on_packet(struct farewells *farewells,
    const struct sj_path *path, const uint8_t id[ID_SIZE])
{
	for (size_t i = 0; farewells->list != NULL && i < FAREWELLS_MAX; i++) {
		struct farewell *one = &farewells->list[i];

		if (!has_id(one, id))
			continue;
		if (one->repeats_left > 0 && !one->is_wanted &&
		    memcmp(&one->path, path, sizeof *path) == 0) {
			one->repeats_left--;
			one->is_wanted = true;
			farewells->wanted++;
		}
		return true;
	}
	return false;
}

bool
sj__farewells_transmit(struct farewells *farewells, struct sj_time now,
    struct sj_batch *batch)
{
	struct farewell *one = farewells->list;

	if (farewells->wanted == 0)
		return false;
	while (!one->is_wanted)
		one++;
	one->is_wanted = false;
	farewells->wanted--;
	if (one->length > batch->capacity)
		return false;
	memcpy(batch->bytes, one->bytes, one->length);
	batch->length = batch->segment_size = one->length;
	batch->path = one->path;
	batch->ecn = SJ_ECN_NONE;
	batch->send_at_ns = now.boot_ns;
	return true;
}

void
sj__farewells_fini(struct farewells *farewells, struct sj__memory *memory)
{
	if (farewells->list != NULL)
		sj__memory_free(memory, farewells->list,
		    FAREWELLS_MAX * sizeof *farewells->list);
	memset(farewells, 0, sizeof *farewells);
}
