/* SPDX-License-Identifier: ISC */
/*
 * timers.h - who is due next: a 4-ary heap of deadlines
 */
#ifndef SJ_CORE_TIMERS_H
#define SJ_CORE_TIMERS_H

#include "core/memory.h"

struct sj__timer {
	uint64_t deadline_ns;           /* NEVER_NS: not in the heap */
	size_t index;                   /* in the heap, from 1; 0: not in it */
	bool is_session;                /* whose it is: a session's or a channel's */
};

struct sj__timers {
	struct sj__timer **heap;
	size_t count, capacity;
};

/* Makes room for one more timer than there are; call it when a timer's owner
 * is made, so that setting a timer cannot fail. */
int sj__timers_reserve(struct sj__timers *timers, struct sj__memory *memory,
    size_t owners);
void sj__timers_fini(struct sj__timers *timers, struct sj__memory *memory);
void sj__timers_set(struct sj__timers *timers, struct sj__timer *timer,
    uint64_t deadline_ns);
struct sj__timer *sj__timers_first(const struct sj__timers *timers);

#endif
