/* SPDX-License-Identifier: ISC */
/*
 * tool/loop.h - waits for descriptors, timers and one endpoint
 *
 * Level triggered. A watch may be removed, and its memory freed, in any
 * callback: no event reaches it afterwards. What cannot be waited for (regular
 * files) asks for a turn.
 */
#ifndef SOJOURN_TOOL_LOOP_H
#define SOJOURN_TOOL_LOOP_H

#include <stdint.h>

#include <sojourn.h>

struct loop;

struct loop_watch {
	int fd;
	uint32_t events;             /* EPOLL*; 0: not registered */
	void (*call)(struct loop_watch *watch, uint32_t events);
	void *data;
};

struct loop_timer {
	struct loop_timer *next;
	uint64_t at_ms;              /* 0: not armed */
	void (*call)(struct loop_timer *timer);
	void *data;
};

struct loop_turn {
	struct loop_turn *next;
	int wanted;
	void (*call)(struct loop_turn *turn);
	void *data;
};

/* NULL: errno says why. */
struct loop *loop_open(void);
/* Not what is watched, nor the endpoint. */
void loop_close(struct loop *loop);
/* Waits for other events than before; 0: for none. 0, or SJ_ERR_ARGUMENT:
 * this descriptor cannot be waited for. */
int loop_watch(struct loop *loop, struct loop_watch *watch, uint32_t events);
/* Once, after delay_ms; again replaces. */
void loop_timer(struct loop *loop, struct loop_timer *timer,
    uint64_t delay_ms);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);
/* Once, as soon as the others had their turn. */
void loop_turn(struct loop *loop, struct loop_turn *turn);
void loop_turn_cancel(struct loop *loop, struct loop_turn *turn);
/* Drives an endpoint from now on; every event goes to on_event. */
int loop_endpoint(struct loop *loop, struct sj_endpoint *endpoint,
    void (*on_event)(void *data, const struct sj_event *event), void *data);
/* One round. 0, or negative: the endpoint failed. */
int loop_once(struct loop *loop);
uint64_t loop_now_ms(void);

#endif
