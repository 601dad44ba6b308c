/* SPDX-License-Identifier: ISC */
/*
 * path_mtu.c - the largest datagram that a path carries, RFC 8899
 *
 * Every path carries DATAGRAM_BASE. Larger sizes are tried out one at a time, by
 * packets that hold nothing but padding, and only while full packets go: first
 * what was in use before a fall, then all that the endpoint allows, then sizes
 * that are common, then halves of what is left. One that was lost MTU_TRIES
 * times does not pass; what the own system refuses is known at once.
 *
 * In a black hole larger packets vanish and those of the base do not. It is held
 * to be one when MTU_LOST_MIN larger ones are lost, none sent since the first of
 * them came through, and a small one did. A burst of losses can look like that,
 * and costs little: the first probe after it is of the size that was in use.
 */
#include "core/path.h"

#define MTU_TRIES 3                     /* RFC 8899 section 5.1.2 */
#define MTU_LOST_MIN 3
#define MTU_EXACT 16                    /* no search for less than that */
#define MTU_RAISE_NS (600 * NS_PER_S)   /* RFC 8899 section 5.1.1 */

/* UDP payload over IPv4 and IPv6: loopback, jumbo frames, Ethernet, tunnels. */
static const uint32_t common_sizes[] = { 65507, 65488, 8972, 8952, 8868, 8848,
    1472, 1452, 1432, 1392, 1352, 1312, 1232 };

static void
begin_search(struct sj__path_mtu *search)
{
	search->too_big = search->limit + 1;
	search->tries = 0;
	search->raise_ns = NEVER_NS;
}

static void
forget_losses(struct sj__path_mtu *search)
{
	search->lost = 0;
	search->lost_from_ns = NEVER_NS;
}

void
sj__path_mtu_init(struct sj__path *path, uint32_t limit)
{
	struct sj__path_mtu *search = &path->search;

	memset(search, 0, sizeof *search);
	search->limit = (uint32_t)max_u64(limit, path->mtu);
	begin_search(search);
	forget_losses(search);
}

/* The window is counted in bytes, its least in packets; and as long as nothing
 * was lost it is not below the first one of RFC 9002 section 7.2. */
static void
set_mtu(struct sj__path *path, uint32_t size)
{
	uint64_t least = (uint64_t)WINDOW_MIN_PACKETS * size;

	path->mtu = size;
	if (path->threshold == UINT64_MAX)
		least = min_u64((uint64_t)WINDOW_INITIAL_PACKETS * size,
		    max_u64(WINDOW_INITIAL_BYTES, least));
	path->window = max_u64(path->window, least);
	path->cubic.epoch_ns = 0;       /* the curve is drawn in packets */
}

static void
fall(struct sj__path *path, uint32_t first_try)
{
	struct sj__path_mtu *search = &path->search;

	search->first_try = first_try;
	search->is_wanted = true;
	begin_search(search);
	forget_losses(search);
	set_mtu(path, DATAGRAM_BASE);
}

void
sj__path_mtu_filled(struct sj__path *path)
{
	path->search.is_wanted = path->mtu < path->search.limit;
}

uint32_t
sj__path_mtu_next(const struct sj__path *path, uint64_t now_ns, uint32_t most)
{
	const struct sj__path_mtu *search = &path->search;
	uint32_t too_big = now_ns >= search->raise_ns ? search->limit + 1 :
	    search->too_big;

	too_big = (uint32_t)min_u64(too_big, (uint64_t)most + 1);
	if (!search->is_wanted || search->is_probing || too_big <= path->mtu + 1)
		return 0;
	if (search->tries > 0 && search->size < too_big)
		return search->size;
	if (search->first_try > path->mtu && search->first_try < too_big)
		return search->first_try;
	if (too_big == search->limit + 1 || too_big == most + 1)
		return too_big - 1;
	for (size_t i = 0; i < sizeof common_sizes / sizeof *common_sizes; i++)
		if (common_sizes[i] > path->mtu && common_sizes[i] < too_big)
			return common_sizes[i];
	return too_big - path->mtu <= MTU_EXACT ? 0 :
	    path->mtu + (too_big - path->mtu) / 2;
}

void
sj__path_mtu_probing(struct sj__path *path, uint64_t now_ns, uint32_t size)
{
	struct sj__path_mtu *search = &path->search;

	if (now_ns >= search->raise_ns)
		begin_search(search);
	if (size != search->size)
		search->tries = 0;
	search->size = size;
	search->is_probing = true;
	search->is_wanted = false;
}

static void
does_not_pass(struct sj__path *path, uint64_t now_ns, uint32_t size)
{
	struct sj__path_mtu *search = &path->search;

	search->tries = 0;
	search->too_big = (uint32_t)min_u64(search->too_big, size);
	if (search->first_try >= size)
		search->first_try = 0;
	search->raise_ns = now_ns + MTU_RAISE_NS;
}

void
sj__path_mtu_probed(struct sj__path *path, uint64_t now_ns, uint32_t size,
    bool delivered)
{
	struct sj__path_mtu *search = &path->search;

	if (size != search->size)
		return;                 /* it never left: refused */
	search->is_probing = false;
	if (delivered) {
		search->tries = 0;
		search->first_try = 0;
		search->too_big = (uint32_t)max_u64(search->too_big, size + 1);
		forget_losses(search);
		if (size > path->mtu)
			set_mtu(path, size);
	} else if (++search->tries >= MTU_TRIES) {
		does_not_pass(path, now_ns, size);
	}
}

void
sj__path_mtu_forgotten(struct sj__path *path)
{
	path->search.is_probing = false;
}

void
sj__path_mtu_refused(struct sj__path *path, uint64_t now_ns, uint32_t size)
{
	if (size <= DATAGRAM_BASE)
		return;
	if (size <= path->mtu)
		fall(path, 0);
	if (path->search.size >= size) {
		path->search.size = 0;
		path->search.is_probing = false;
	}
	path->search.is_wanted = true;
	does_not_pass(path, now_ns, size);
}

void
sj__path_mtu_passed(struct sj__path *path, uint32_t size, uint64_t sent_ns)
{
	struct sj__path_mtu *search = &path->search;

	if (size <= DATAGRAM_BASE) {
		search->small_ns = max_u64(search->small_ns, sent_ns);
		return;
	}
	search->large_ns = max_u64(search->large_ns, sent_ns);
	if (sent_ns >= search->lost_from_ns)
		forget_losses(search);
}

void
sj__path_mtu_lost(struct sj__path *path, uint32_t size, uint64_t sent_ns)
{
	struct sj__path_mtu *search = &path->search;

	if (size <= DATAGRAM_BASE || path->mtu <= DATAGRAM_BASE ||
	    sent_ns <= search->large_ns)
		return;
	search->lost++;
	search->lost_from_ns = min_u64(search->lost_from_ns, sent_ns);
	if (search->lost >= MTU_LOST_MIN &&
	    search->small_ns >= search->lost_from_ns)
		fall(path, path->mtu);
}
