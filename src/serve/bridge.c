/* SPDX-License-Identifier: ISC */
/*
 * serve/bridge.c - a stream and a descriptor, joined
 *
 *     stream --peek--> write(2) fd        fd read(2) --reserve/commit--> stream
 *
 * Bytes are read into the stream's own buffer and written from it. A side that
 * has no room stops the other one: that is all the flow control there is. The
 * end of either direction is handed on; when both have ended the stream is let
 * go. A process that stops reading makes us drop what comes, so that its own
 * last words still get through.
 *
 * "files" gets every child of its control stream as a descriptor of its own
 * over a second socket; children wait in line while that is full.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/log.h"
#include "serve/net_internal.h"

#define AT_ONCE (1024 * 1024)

/* --- life -------------------------------------------------------------- */

static struct bridge *
bridge_new(struct login *login, struct sj_stream *stream,
    enum bridge_kind kind)
{
	struct bridge *bridge = calloc(1, sizeof(*bridge));

	if (bridge == NULL)
		return NULL;
	bridge->watch.fd = -1;
	bridge->children.fd = -1;
	bridge->waiting_end = &bridge->waiting;
	bridge->login = login;
	bridge->stream = stream;
	bridge->kind = kind;
	bridge->next = login->bridges;
	login->bridges = bridge;
	login->bridge_count++;
	login->net->bridge_count++;
	sj_stream_set_data(stream, bridge);
	return bridge;
}

static void
watch_close(struct net *net, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	net_watch(net, watch, 0);
	close(watch->fd);
	watch->fd = -1;
}

/* No child points at it any more; those that wait are given up. */
static void
abandon_children(struct bridge *bridge)
{
	struct bridge *child, *next;

	for (child = bridge->login->bridges; child != NULL; child = next) {
		next = child->next;
		if (child->parent != bridge)
			continue;
		child->parent = NULL;
		if (child->watch.fd < 0 && !child->gone) {
			bridge_close(child, 1);
			/* the list has changed */
			next = bridge->login->bridges;
		}
	}
	bridge->waiting = NULL;
}

static void
unlink_waiting(struct bridge *child)
{
	struct bridge **link = &child->parent->waiting;

	while (*link != NULL && *link != child)
		link = &(*link)->waiting_next;
	if (*link == NULL)
		return;
	*link = child->waiting_next;
	if (*link == NULL)
		child->parent->waiting_end = link;
}

/* Closing it sends a reset. */
static void
break_off(int fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once,
		    sizeof(at_once));
}

void
bridge_close(struct bridge *bridge, int broken)
{
	struct login *login = bridge->login;
	struct net *net = login->net;
	struct bridge **link = &login->bridges;

	if (bridge->gone)
		return;
	bridge->gone = 1;
	if (bridge->kind == BRIDGE_SESSIONS)
		query_close(bridge);
	if (bridge->kind == BRIDGE_CHILD && bridge->parent != NULL)
		unlink_waiting(bridge);
	if (bridge->kind == BRIDGE_PROCESS) {
		struct request_release request = { .head = {
			.type = REQUEST_RELEASE }, .process = bridge->number,
			.broken = broken ? 1 : 0 };

		net_request(net, &request, sizeof(request));
	}
	if (broken && bridge->resets)
		break_off(bridge->watch.fd);
	watch_close(net, &bridge->watch);
	watch_close(net, &bridge->children);
	free(bridge->head);
	bridge->head = NULL;
	if (broken)
		sj_stream_reset(bridge->stream, SJ_RESET_CLOSED);
	sj_stream_close(bridge->stream);
	bridge->stream = NULL;
	while (*link != bridge)
		link = &(*link)->next;
	*link = bridge->next;
	login->bridge_count--;
	net->bridge_count--;
	if (bridge->kind == BRIDGE_PROCESS)
		abandon_children(bridge);
	bridge->next = net->dead;
	net->dead = bridge;
}

void
bridges_break_off(const struct net *net)
{
	const struct login *login;
	const struct bridge *bridge;

	for (login = net->logins; login != NULL; login = login->next)
		for (bridge = login->bridges; bridge != NULL;
		    bridge = bridge->next)
			if (bridge->resets && !bridge->stream_ended)
				break_off(bridge->watch.fd);
}

void
bridge_refuse(struct bridge *bridge, uint64_t code)
{
	sj_stream_reset(bridge->stream, code);
	bridge_close(bridge, 0);
}

void
bridges_sweep(struct net *net)
{
	while (net->dead != NULL) {
		struct bridge *bridge = net->dead;

		net->dead = bridge->next;
		free(bridge);
	}
}

/* --- bytes ------------------------------------------------------------- */

static void
want(struct bridge *bridge, uint32_t set, uint32_t clear)
{
	uint32_t events = (bridge->watch.events | set) & ~clear;

	/* a connection that nothing more comes from can still break, or end */
	if (bridge->kind == BRIDGE_CONNECT && bridge->fd_ended &&
	    !bridge->stream_ended)
		events |= EPOLLERR;
	if (bridge->watch.fd >= 0)
		net_watch(bridge->login->net, &bridge->watch, events);
}

/* Our end of a connection is closed, and the other end has not said yet that it
 * has everything: whoever closed now and then heard from there would break it off,
 * and what is on its way would be lost. */
static int
is_on_its_way(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
	    info.tcpi_state == TCP_FIN_WAIT1;
}

/* Closes it if both directions are done. 1: it is gone. */
static int
settle(struct bridge *bridge)
{
	if (!bridge->fd_ended || !bridge->stream_ended)
		return 0;
	if (bridge->peer_left && is_on_its_way(bridge->watch.fd)) {
		want(bridge, EPOLLIN, 0);
		return 0;
	}
	bridge_close(bridge, 0);
	return 1;
}

/* The peer has left, but what it wrote is not all there yet: what comes now is
 * for nobody. */
static void
discard(struct bridge *bridge)
{
	static char bytes[65536];
	size_t moved = 0;
	ssize_t n;

	do {
		n = recv(bridge->watch.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		moved += n > 0 ? (size_t)n : 0;
	} while (n > 0 && moved < AT_ONCE);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		bridge_close(bridge, n != 0);
	else
		settle(bridge);
}

/* A Unix socket's other end has been closed: whoever writes to it is told, but
 * nothing broke, and what came from there still arrives. */
static void
far_left(struct bridge *bridge)
{
	sj_stream_stop(bridge->stream, SJ_RESET_NONE);
	bridge->stream_ended = 1;
	want(bridge, 0, EPOLLOUT);
	settle(bridge);
}

static void
stream_to_fd(struct bridge *bridge)
{
	size_t moved = 0;

	while (!bridge->stream_ended) {
		const void *bytes;
		ptrdiff_t length = sj_stream_peek(bridge->stream, &bytes);
		ssize_t n;

		if (length == SJ_AGAIN) {
			want(bridge, 0, EPOLLOUT);
			return;
		}
		if (length < 0) {
			bridge_close(bridge, 1);
			return;
		}
		if (length == 0) {
			bridge->stream_ended = 1;
			want(bridge, 0, EPOLLOUT);
			shutdown(bridge->watch.fd, SHUT_WR);
			settle(bridge);
			return;
		}
		if (!bridge->deaf && moved >= AT_ONCE) {
			want(bridge, EPOLLOUT, 0); /* the others' turn */
			return;
		}
		n = bridge->deaf ? length : send(bridge->watch.fd, bytes,
		    (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			want(bridge, EPOLLOUT, 0);
			return;
		}
		if (n < 0 && bridge->resets) {
			bridge_close(bridge, 1);
			return;
		}
		if (n < 0 && bridge->kind == BRIDGE_CONNECT) {
			far_left(bridge);
			return;
		}
		if (n < 0) {
			bridge->deaf = 1;
			continue;
		}
		moved += (size_t)n;
		sj_stream_consume(bridge->stream, (size_t)n);
	}
}

/* The peer of a connection has left and takes no more, but nothing broke: what
 * it wrote before is to arrive, as it would without us. */
static void
peer_left(struct bridge *bridge)
{
	bridge->fd_ended = 1;
	bridge->peer_left = bridge->resets;
	want(bridge, 0, EPOLLIN);
	if (!settle(bridge) && bridge->watch.fd >= 0)
		stream_to_fd(bridge);
}

static void
fd_to_stream(struct bridge *bridge)
{
	size_t moved = 0;

	while (!bridge->fd_ended && moved < AT_ONCE) {
		void *room;
		ptrdiff_t capacity = sj_stream_reserve(bridge->stream, &room);
		ssize_t n;

		if (capacity == SJ_AGAIN || capacity == 0) {
			want(bridge, 0, EPOLLIN); /* WRITABLE follows */
			return;
		}
		if (capacity < 0 && bridge->kind == BRIDGE_CONNECT) {
			want(bridge, 0, EPOLLIN); /* RESET follows, and says why */
			return;
		}
		if (capacity < 0) {
			bridge_close(bridge, 1);
			return;
		}
		n = recv(bridge->watch.fd, room, (size_t)capacity,
		    MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			want(bridge, EPOLLIN, 0);
			return;
		}
		if (n < 0 && (bridge->resets || errno != ECONNRESET)) {
			bridge_close(bridge, 1);
			return;
		}
		if (n <= 0) {
			/* a process that ends with input unread: ECONNRESET */
			bridge->fd_ended = 1;
			sj_stream_finish(bridge->stream);
			want(bridge, 0, EPOLLIN);
			settle(bridge);
			return;
		}
		sj_stream_commit(bridge->stream, (size_t)n);
		moved += (size_t)n;
	}
	if (!bridge->fd_ended)
		want(bridge, EPOLLIN, 0);
}

/* Both ends of the socket are closed, and all that was written there has been
 * read: nothing keeps epoll from reporting that for ever but leaving it. */
static void
hung_up(struct bridge *bridge)
{
	if (!bridge->fd_ended)
		return;
	if (bridge->resets) {
		bridge_close(bridge, 1);
		return;
	}
	if (bridge->kind == BRIDGE_CONNECT) {
		far_left(bridge);
		return;
	}
	bridge->deaf = 1;
	net_watch(bridge->login->net, &bridge->watch, 0);
	stream_to_fd(bridge);
}

static void
on_fd(struct watch *watch, uint32_t events)
{
	struct bridge *bridge = (struct bridge *)(void *)watch;

	if (bridge->gone)
		return;
	if (bridge->fd_ended && bridge->stream_ended && bridge->peer_left) {
		discard(bridge);
		return;
	}
	if (events & EPOLLOUT)
		stream_to_fd(bridge);
	if (!bridge->gone && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) &&
	    (bridge->watch.events & EPOLLIN))
		fd_to_stream(bridge);
	if (!bridge->gone && (events & (EPOLLHUP | EPOLLERR))) {
		if (bridge->fd_ended)
			hung_up(bridge);
		else if (!(bridge->watch.events & EPOLLIN))
			/* the stream is full: come back when it is not */
			net_watch(bridge->login->net, &bridge->watch, 0);
	}
}

void
bridge_attach(struct bridge *bridge, int fd)
{
	bridge->watch.fd = fd;
	bridge->watch.call = on_fd;
	fd_to_stream(bridge);
	if (!bridge->gone)
		stream_to_fd(bridge);
}

/* --- children ---------------------------------------------------------- */

/* 1: handed over, 0: no room now, negative: never. */
static int
hand_over(struct bridge *parent, struct bridge *child)
{
	struct sj_stream_info info = { .size = sizeof(info) };
	int pair[2], result;

	sj_stream_info(child->stream, &info);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) != 0)
		return SJ_ERR_LIMIT;
	result = request_send(parent->children.fd, &info.id, sizeof(info.id),
	    &pair[1], 1, 0);
	close(pair[1]);
	if (result != 0) {
		close(pair[0]);
		return result == SJ_AGAIN ? 0 : result;
	}
	bridge_attach(child, pair[0]);
	return 1;
}

static void
hand_over_waiting(struct bridge *parent)
{
	struct net *net = parent->login->net;

	while (parent->waiting != NULL && !parent->gone) {
		struct bridge *child = parent->waiting;
		int result = hand_over(parent, child);

		if (result == 0) {
			net_watch(net, &parent->children, EPOLLOUT);
			return;
		}
		if (result < 0)
			bridge_close(child, 1);
		else if (parent->waiting == child)
			unlink_waiting(child);
	}
	if (!parent->gone)
		net_watch(net, &parent->children, 0);
}

static void
on_children(struct watch *watch, uint32_t events)
{
	struct bridge *bridge = (struct bridge *)(void *)((char *)watch -
	    offsetof(struct bridge, children));

	if (bridge->gone)
		return;
	if (events & (EPOLLHUP | EPOLLERR)) {
		watch_close(bridge->login->net, &bridge->children);
		abandon_children(bridge);
		return;
	}
	hand_over_waiting(bridge);
}

static void
open_child(struct bridge *parent, struct sj_stream *stream)
{
	struct bridge *child = bridge_new(parent->login, stream,
	    BRIDGE_CHILD);

	if (child == NULL) {
		sj_stream_reset(stream, SJ_RESET_LIMIT);
		sj_stream_close(stream);
		return;
	}
	child->parent = parent;
	*parent->waiting_end = child;
	parent->waiting_end = &child->waiting_next;
	if (!parent->pending && parent->children.events == 0)
		hand_over_waiting(parent);
}

/* --- events ------------------------------------------------------------ */

static void
refuse(struct sj_stream *stream, uint64_t code)
{
	sj_stream_reset(stream, code);
	sj_stream_close(stream);
}

static void
open_process(struct net *net, struct login *login, struct sj_stream *stream,
    const char *service)
{
	struct request_spawn request = { .head = { .type = REQUEST_SPAWN },
		.session = login->number };
	struct bridge *bridge = bridge_new(login, stream, BRIDGE_PROCESS);

	if (bridge == NULL) {
		refuse(stream, SJ_RESET_LIMIT);
		return;
	}
	bridge->number = request.head.number = net_number(net);
	bridge->pending = 1;
	snprintf(request.service, sizeof(request.service), "%s", service);
	if (net_request(net, &request, sizeof(request)) != 0)
		bridge_close(bridge, 1);
}

/* A service that net itself has a part in. */
static void
open_own(struct login *login, struct sj_stream *stream,
    enum bridge_kind kind, int (*open)(struct bridge *bridge))
{
	struct bridge *bridge = bridge_new(login, stream, kind);

	if (bridge == NULL)
		refuse(stream, SJ_RESET_LIMIT);
	else if (open(bridge) != 0)
		bridge_close(bridge, 1);
}

void
bridge_on_stream(struct net *net, const struct sj_event *event)
{
	struct sj_stream_info info = { .size = sizeof(info) };
	struct login *login = event->session_data;
	struct bridge *parent = NULL;
	char name[REQUEST_NAME_MAX * 4];

	if (login == NULL || login->bridge_count >= BRIDGES_PER_SESSION ||
	    net->bridge_count >= BRIDGES_MAX) {
		refuse(event->stream, SJ_RESET_LIMIT);
		return;
	}
	sj_stream_info(event->stream, &info);
	if (info.parent != NULL) {
		struct bridge *each;

		for (each = login->bridges; each != NULL; each = each->next)
			if (each->stream == info.parent)
				parent = each;
	}
	if (parent != NULL && parent->kind == BRIDGE_PROCESS &&
	    (parent->pending || parent->children.fd >= 0)) {
		open_child(parent, event->stream);
		return;
	}
	if (info.parent == NULL &&
	    strcmp(event->service, SERVE_SERVICE_SESSIONS) == 0) {
		open_own(login, event->stream, BRIDGE_SESSIONS, query_open);
		return;
	}
	if (info.parent == NULL &&
	    strcmp(event->service, FORWARD_SERVICE) == 0) {
		open_own(login, event->stream, BRIDGE_CONNECT, connect_open);
		return;
	}
	if (info.parent == NULL &&
	    (strcmp(event->service, SERVE_SERVICE_FILES) == 0 ||
	    serve_options_find(net->options, event->service) != NULL)) {
		open_process(net, login, event->stream, event->service);
		return;
	}
	log_event(LOG_NORMAL, "service-unknown session=%s service=\"%s\"",
	    login->id, log_escape(event->service, name, sizeof(name)));
	refuse(event->stream, SJ_RESET_SERVICE);
}

void
bridge_on_event(struct net *net, const struct sj_event *event)
{
	struct bridge *bridge = event->stream_data;

	(void)net;
	if (bridge == NULL || bridge->gone)
		return;
	if (event->type == SJ_EV_RESET) {
		if (bridge->kind == BRIDGE_CONNECT &&
		    event->code == SJ_RESET_NONE)
			peer_left(bridge);
		else
			bridge_close(bridge, 1);
		return;
	}
	if (bridge->kind == BRIDGE_SESSIONS) {
		query_on_event(bridge, event);
		return;
	}
	if (bridge->kind == BRIDGE_CONNECT && bridge->head != NULL) {
		connect_on_event(bridge);
		return;
	}
	if (bridge->watch.fd < 0)
		return; /* all is looked at when it is there */
	if (event->type == SJ_EV_READABLE)
		stream_to_fd(bridge);
	else if (event->type == SJ_EV_WRITABLE)
		fd_to_stream(bridge);
}

struct bridge *
bridge_pending(struct net *net, enum bridge_kind kind, uint64_t number)
{
	struct login *login;
	struct bridge *bridge;

	for (login = net->logins; login != NULL; login = login->next)
		for (bridge = login->bridges; bridge != NULL;
		    bridge = bridge->next)
			if (bridge->kind == kind && bridge->pending && bridge->number == number)
				return bridge;
	return NULL;
}

void
bridge_on_spawned(struct net *net, const struct answer *answer,
    const int *descriptors, size_t count)
{
	struct bridge *bridge = bridge_pending(net, BRIDGE_PROCESS,
	    answer->head.number);
	size_t i;

	if (bridge == NULL || answer->error != 0 || count == 0) {
		/* its stream went in the meantime: RELEASE is on its way */
		for (i = 0; i < count; i++)
			close(descriptors[i]);
		if (bridge == NULL)
			return;
		log_event(LOG_NORMAL, "service-failed session=%s cause=\"%s\"",
		    bridge->login->id, answer->error != 0 ?
		    sj_strerror(answer->error) : "no descriptor left");
		sj_stream_reset(bridge->stream,
		    answer->error == SJ_ERR_SERVICE ? SJ_RESET_SERVICE
		    : SJ_RESET_LIMIT);
		bridge_close(bridge, 0);
		return;
	}
	bridge->pending = 0;
	if (count > 1) {
		bridge->children.fd = descriptors[1];
		bridge->children.call = on_children;
	} else {
		abandon_children(bridge); /* it takes none */
	}
	bridge_attach(bridge, descriptors[0]);
	if (!bridge->gone && bridge->children.fd >= 0)
		hand_over_waiting(bridge);
}
