/* SPDX-License-Identifier: ISC */
/*
 * tool/loop.c - see loop.h
 *
 * A round: what epoll reports, timers that are due, the turns that were asked
 * for before the round, and the endpoint until it has no more events. The
 * endpoint comes last: it sends what the others have queued.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "tool/loop.h"

#define BATCH 64
#define EVENTS_PER_ROUND 256

struct loop {
	int epoll;
	struct epoll_event batch[BATCH];
	int batch_at, batch_count;
	struct loop_timer *timers;   /* soonest first */
	struct loop_turn *turns, **turns_end;
	struct loop_watch endpoint_watch;
	struct sj_endpoint *endpoint;
	void (*on_event)(void *data, const struct sj_event *event);
	void *on_event_data;
	int more;                    /* the endpoint may have more events */
};

uint64_t
loop_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct loop *
loop_open(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->turns_end = &loop->turns;
	loop->endpoint_watch.fd = -1;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

void
loop_close(struct loop *loop)
{
	if (loop == NULL)
		return;
	close(loop->epoll);
	free(loop);
}

int
loop_watch(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };
	int operation, i;

	if (events == watch->events)
		return 0;
	if (events == 0)
		operation = EPOLL_CTL_DEL;
	else
		operation = watch->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (epoll_ctl(loop->epoll, operation, watch->fd, &event) != 0 &&
	    operation != EPOLL_CTL_DEL)
		return SJ_ERR_ARGUMENT;
	watch->events = events;
	if (events == 0)
		for (i = loop->batch_at; i < loop->batch_count; i++)
			if (loop->batch[i].data.ptr == watch)
				loop->batch[i].data.ptr = NULL;
	return 0;
}

void
loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **link = &loop->timers;

	while (*link != NULL && *link != timer)
		link = &(*link)->next;
	if (*link != NULL)
		*link = timer->next;
	timer->at_ms = 0;
}

void
loop_timer(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
	struct loop_timer **link = &loop->timers;

	loop_timer_stop(loop, timer);
	timer->at_ms = loop_now_ms() + delay_ms;
	while (*link != NULL && (*link)->at_ms <= timer->at_ms)
		link = &(*link)->next;
	timer->next = *link;
	*link = timer;
}

void
loop_turn(struct loop *loop, struct loop_turn *turn)
{
	if (turn->wanted)
		return;
	turn->wanted = 1;
	turn->next = NULL;
	*loop->turns_end = turn;
	loop->turns_end = &turn->next;
}

void
loop_turn_cancel(struct loop *loop, struct loop_turn *turn)
{
	struct loop_turn **link = &loop->turns;

	if (!turn->wanted)
		return;
	while (*link != NULL && *link != turn)
		link = &(*link)->next;
	if (*link != NULL) {
		*link = turn->next;
		if (*link == NULL)
			loop->turns_end = link;
	}
	turn->wanted = 0;
}

static void
on_endpoint(struct loop_watch *watch, uint32_t events)
{
	struct loop *loop = watch->data;

	(void)events;
	loop->more = 1;
}

int
loop_endpoint(struct loop *loop, struct sj_endpoint *endpoint,
    void (*on_event)(void *data, const struct sj_event *event), void *data)
{
	loop->endpoint = endpoint;
	loop->on_event = on_event;
	loop->on_event_data = data;
	loop->endpoint_watch.fd = sj_endpoint_fd(endpoint);
	loop->endpoint_watch.call = on_endpoint;
	loop->endpoint_watch.data = loop;
	return loop_watch(loop, &loop->endpoint_watch, EPOLLIN);
}

static int
wait_ms(const struct loop *loop)
{
	uint64_t now_ms;

	if (loop->turns != NULL || loop->more)
		return 0;
	if (loop->timers == NULL)
		return -1;
	now_ms = loop_now_ms();
	if (loop->timers->at_ms <= now_ms)
		return 0;
	if (loop->timers->at_ms - now_ms > 3600 * 1000)
		return 3600 * 1000;
	return (int)(loop->timers->at_ms - now_ms);
}

static void
run_timers(struct loop *loop)
{
	uint64_t now_ms;

	if (loop->timers == NULL)
		return;
	now_ms = loop_now_ms();
	while (loop->timers != NULL && loop->timers->at_ms <= now_ms) {
		struct loop_timer *timer = loop->timers;

		loop->timers = timer->next;
		timer->at_ms = 0;
		timer->call(timer);
	}
}

/* Those that are asked for meanwhile wait for the next round. */
static void
run_turns(struct loop *loop)
{
	struct loop_turn *turn;
	size_t count = 0;

	for (turn = loop->turns; turn != NULL; turn = turn->next)
		count++;
	while (count-- > 0 && loop->turns != NULL) {
		turn = loop->turns;
		loop->turns = turn->next;
		if (loop->turns == NULL)
			loop->turns_end = &loop->turns;
		turn->wanted = 0;
		turn->call(turn);
	}
}

static int
run_endpoint(struct loop *loop)
{
	int i;

	if (loop->endpoint == NULL)
		return 0;
	for (i = 0; i < EVENTS_PER_ROUND; i++) {
		struct sj_event event;
		int result = sj_poll(loop->endpoint, &event, 0);

		if (result < 0)
			return result;
		loop->more = result;
		if (result == 0)
			return 0;
		loop->on_event(loop->on_event_data, &event);
	}
	return 0;
}

int
loop_once(struct loop *loop)
{
	int count = epoll_wait(loop->epoll, loop->batch, BATCH, wait_ms(loop));

	if (count < 0 && errno != EINTR)
		return SJ_ERR_SOCKET;
	loop->batch_count = count < 0 ? 0 : count;
	for (loop->batch_at = 0; loop->batch_at < loop->batch_count;) {
		struct epoll_event *event = &loop->batch[loop->batch_at++];
		struct loop_watch *watch = event->data.ptr;

		if (watch != NULL)
			watch->call(watch, event->events);
	}
	loop->batch_count = 0;
	run_timers(loop);
	run_turns(loop);
	return run_endpoint(loop);
}
