/* SPDX-License-Identifier: ISC */
/*
 * tool/pump.c - see pump.h
 *
 * The descriptors belong to someone else as well (they came from another
 * process), so their O_NONBLOCK is not ours to set: it is shared. Hence four
 * ways to use one without being held up:
 *
 *   DIRECT    files, /dev/null: never wait; a bounded amount at a time
 *   SOCKET    MSG_DONTWAIT
 *   REOPENED  pipes and terminals, opened anew through /proc: that description
 *             is ours alone
 *   CAREFUL   what cannot be reopened: one read when epoll says so, at most
 *             PIPE_BUF written
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool/loop.h"
#include "tool/pump.h"

#define AT_ONCE (1024 * 1024)

enum end_kind { END_NONE, END_DIRECT, END_SOCKET, END_REOPENED, END_CAREFUL };

struct end {
	struct loop_watch watch;
	enum end_kind kind;
	int is_local;                /* SOCKET: a Unix socket, not a connection */
	int over;
};

struct pump {
	struct loop *loop;
	struct sj_stream *stream;
	struct end source, sink;
	struct loop_turn source_turn, sink_turn, done_turn;
	uint8_t *prefix;
	size_t prefix_length, prefix_at;
	int finish, finished, delivered;
	int is_one;                  /* source and sink are one socket */
	int over;                    /* done is due, or was called */
	struct pump_result result;
	void (*done)(void *data, const struct pump_result *result);
	void *data;
	char text[160];
};

static void source_to_stream(struct pump *pump);
static void stream_to_sink(struct pump *pump);

/* --- descriptors ------------------------------------------------------- */

static void
end_close(struct pump *pump, struct end *end)
{
	end->over = 1;
	if (end->watch.fd < 0)
		return;
	loop_watch(pump->loop, &end->watch, 0);
	close(end->watch.fd);
	end->watch.fd = -1;
}

static void
end_open(struct end *end, int fd, int is_sink)
{
	struct stat status;
	char path[40];
	int own, domain = AF_UNIX;
	socklen_t length = sizeof(domain);

	end->watch.fd = fd;
	if (fd < 0) {
		end->kind = END_NONE;
		return;
	}
	if (fstat(fd, &status) != 0 || S_ISREG(status.st_mode) ||
	    S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode)) {
		end->kind = END_DIRECT;
		return;
	}
	if (S_ISSOCK(status.st_mode)) {
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
		end->kind = END_SOCKET;
		end->is_local = domain == AF_UNIX;
		return;
	}
	if (S_ISCHR(status.st_mode) && !isatty(fd)) {
		end->kind = END_DIRECT;
		return;
	}
	end->kind = END_CAREFUL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, (is_sink ? O_WRONLY : O_RDONLY) | O_NONBLOCK |
	    O_NOCTTY | O_CLOEXEC);
	if (own >= 0) {
		close(fd);
		end->watch.fd = own;
		end->kind = END_REOPENED;
	}
}

static ssize_t
end_read(const struct end *end, void *room, size_t capacity)
{
	if (end->kind == END_SOCKET)
		return recv(end->watch.fd, room, capacity, MSG_DONTWAIT);
	return read(end->watch.fd, room, capacity);
}

static ssize_t
end_write(const struct end *end, const void *bytes, size_t length)
{
	if (end->kind == END_SOCKET)
		return send(end->watch.fd, bytes, length,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (end->kind == END_CAREFUL && length > PIPE_BUF)
		length = PIPE_BUF;
	return write(end->watch.fd, bytes, length);
}

/* --- the end ----------------------------------------------------------- */

/* Whoever is at the other end of a connection is to see that it broke: closing
 * it sends a reset. Unix sockets do not know that and only end. */
static void
break_off(const struct end *end)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (end->kind == END_SOCKET && end->watch.fd >= 0)
		setsockopt(end->watch.fd, SOL_SOCKET, SO_LINGER, &at_once,
		    sizeof(at_once));
}

static void
end_all(struct pump *pump, int error, uint64_t code, const char *text)
{
	if (pump->over)
		return;
	pump->over = 1;
	if (error != 0) {
		break_off(&pump->source);
		break_off(&pump->sink);
	}
	pump->result.error = error;
	pump->result.code = code;
	snprintf(pump->text, sizeof(pump->text), "%s", text);
	pump->result.text = pump->text;
	end_close(pump, &pump->source);
	end_close(pump, &pump->sink);
	loop_turn_cancel(pump->loop, &pump->source_turn);
	loop_turn_cancel(pump->loop, &pump->sink_turn);
	loop_turn(pump->loop, &pump->done_turn);
}

static void
end_local(struct pump *pump, const char *verb)
{
	char text[120];

	snprintf(text, sizeof(text), "cannot %s: %s", verb, strerror(errno));
	sj_stream_reset(pump->stream, SJ_RESET_CLOSED);
	end_all(pump, SJ_ERR_FILE, 0, text);
}

/* The sink's connection is no more. */
static void
end_broken(struct pump *pump)
{
	int error = 0;
	socklen_t length = sizeof(error);

	getsockopt(pump->sink.watch.fd, SOL_SOCKET, SO_ERROR, &error, &length);
	errno = error != 0 ? error : EPIPE;
	end_local(pump, "write");
}

static void
settle(struct pump *pump)
{
	if (!pump->over && pump->sink.over &&
	    (!pump->finish || (pump->finished && pump->delivered)))
		end_all(pump, 0, 0, "");
}

/* The peer of a Unix socket has closed it: nobody reads any more, but what was
 * written before is to arrive, as it would without us. 0: not such a case. */
static int
only_left(struct pump *pump)
{
	if (!pump->is_one || !pump->sink.is_local)
		return 0;
	/* no code: nothing broke */
	sj_stream_stop(pump->stream, SJ_RESET_NONE);
	end_close(pump, &pump->sink);
	settle(pump);
	return 1;
}

/* --- source to stream -------------------------------------------------- */

/* 1: all of it is on its way. */
static int
write_prefix(struct pump *pump)
{
	while (pump->prefix_at < pump->prefix_length) {
		ptrdiff_t n = sj_stream_write(pump->stream,
		    pump->prefix + pump->prefix_at,
		    pump->prefix_length - pump->prefix_at);

		if (n == SJ_AGAIN)
			return 0;
		if (n < 0) {
			end_all(pump, (int)n, 0, sj_strerror((int)n));
			return 0;
		}
		pump->prefix_at += (size_t)n;
	}
	return 1;
}

static void
source_over(struct pump *pump)
{
	end_close(pump, &pump->source);
	if (pump->finish && !pump->finished) {
		pump->finished = 1;
		sj_stream_finish(pump->stream);
	}
	settle(pump);
	/* nobody else looks any more whether a socket breaks */
	if (pump->is_one)
		stream_to_sink(pump);
}

static void
watch_source(struct pump *pump, int wanted)
{
	if (pump->source.kind == END_DIRECT) {
		if (wanted)
			loop_turn(pump->loop, &pump->source_turn);
		return;
	}
	if (pump->source.watch.fd >= 0 && loop_watch(pump->loop,
	    &pump->source.watch, wanted ? EPOLLIN : 0) != 0)
		loop_turn(pump->loop, &pump->source_turn);
}

static void
source_to_stream(struct pump *pump)
{
	size_t moved = 0;

	if (pump->over || pump->source.over || !write_prefix(pump))
		return;
	if (pump->source.kind == END_NONE) {
		source_over(pump);
		return;
	}
	while (moved < AT_ONCE) {
		void *room;
		ptrdiff_t capacity = sj_stream_reserve(pump->stream, &room);
		ssize_t n;

		if (capacity == SJ_AGAIN || capacity == 0) {
			watch_source(pump, 0); /* WRITABLE follows */
			return;
		}
		if (capacity == SJ_ERR_RESET) {
			watch_source(pump, 0); /* RESET follows, and says why */
			return;
		}
		if (capacity < 0) {
			end_all(pump, (int)capacity, 0,
			    sj_strerror((int)capacity));
			return;
		}
		n = end_read(&pump->source, room, (size_t)capacity);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno == EIO && pump->source.kind != END_DIRECT)
			n = 0; /* a terminal that is gone */
		if (n < 0 && errno == ECONNRESET && pump->source.is_local)
			n = 0; /* closed before it read all of ours */
		if (n < 0) {
			end_local(pump, "read");
			return;
		}
		if (n == 0) {
			source_over(pump);
			return;
		}
		sj_stream_commit(pump->stream, (size_t)n);
		pump->result.bytes_out += (uint64_t)n;
		moved += (size_t)n;
		if (pump->source.kind == END_CAREFUL)
			break;
	}
	watch_source(pump, 1);
}

/* --- stream to sink ---------------------------------------------------- */

static void
sink_over(struct pump *pump)
{
	if (pump->sink.kind == END_SOCKET && pump->sink.watch.fd >= 0)
		shutdown(pump->sink.watch.fd, SHUT_WR);
	end_close(pump, &pump->sink);
	settle(pump);
}

static void
watch_sink(struct pump *pump, int wanted)
{
	uint32_t events = wanted ? EPOLLOUT : 0;

	if (pump->sink.kind == END_DIRECT || pump->sink.kind == END_NONE) {
		if (wanted)
			loop_turn(pump->loop, &pump->sink_turn);
		return;
	}
	/* a connection that nobody reads from any more can still break */
	if (!wanted && pump->sink.kind == END_SOCKET && pump->source.over)
		events = EPOLLERR;
	if (loop_watch(pump->loop, &pump->sink.watch, events) != 0)
		loop_turn(pump->loop, &pump->sink_turn);
}

static void
stream_to_sink(struct pump *pump)
{
	size_t moved = 0;

	if (pump->over || pump->sink.over)
		return;
	while (moved < AT_ONCE) {
		const void *bytes;
		ptrdiff_t length = sj_stream_peek(pump->stream, &bytes);
		ssize_t n;

		if (length == SJ_AGAIN) {
			watch_sink(pump, 0); /* READABLE follows */
			return;
		}
		if (length < 0) {
			end_all(pump, (int)length, 0, sj_strerror((int)length));
			return;
		}
		if (length == 0) {
			sink_over(pump);
			return;
		}
		n = pump->sink.kind == END_NONE ? length :
		    end_write(&pump->sink, bytes, (size_t)length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET) &&
		    only_left(pump))
			return;
		if (n < 0) {
			end_local(pump, "write");
			return;
		}
		sj_stream_consume(pump->stream, (size_t)n);
		pump->result.bytes_in += (uint64_t)n;
		moved += (size_t)n;
		if (pump->sink.kind == END_CAREFUL)
			break;
	}
	watch_sink(pump, 1);
}

/* The peer takes no more of ours, but nothing broke: what it wrote before
 * still comes. */
static void
peer_left(struct pump *pump)
{
	if (pump->is_one && !pump->source.over)
		shutdown(pump->source.watch.fd, SHUT_RD);
	end_close(pump, &pump->source);
	pump->finished = pump->delivered = 1;
	settle(pump);
	stream_to_sink(pump); /* or it broke in both directions */
}

/* --- from the loop ----------------------------------------------------- */

static void
on_source(struct loop_watch *watch, uint32_t events)
{
	(void)events;
	source_to_stream(watch->data);
}

static void
on_sink(struct loop_watch *watch, uint32_t events)
{
	struct pump *pump = watch->data;

	if (pump->sink.kind != END_SOCKET || !pump->source.over ||
	    !(events & (EPOLLERR | EPOLLHUP)))
		stream_to_sink(pump);
	else if (!only_left(pump))
		end_broken(pump);
}

static void
on_source_turn(struct loop_turn *turn)
{
	source_to_stream(turn->data);
}

static void
on_sink_turn(struct loop_turn *turn)
{
	stream_to_sink(turn->data);
}

static void
on_done_turn(struct loop_turn *turn)
{
	struct pump *pump = turn->data;

	pump->done(pump->data, &pump->result);
}

struct pump *
pump_open(struct loop *loop, struct sj_stream *stream,
    const struct pump_options *options)
{
	struct pump *pump = calloc(1, sizeof(*pump));
	int sink = options->sink;
	int is_one = sink >= 0 && sink == options->source;

	if (is_one)
		sink = fcntl(sink, F_DUPFD_CLOEXEC, 3);
	if (pump != NULL && options->prefix_length > 0)
		pump->prefix = malloc(options->prefix_length);
	if (pump == NULL || (options->prefix_length > 0 &&
	    pump->prefix == NULL) || (options->sink >= 0 && sink < 0)) {
		if (options->source >= 0)
			close(options->source);
		if (sink >= 0)
			close(sink);
		sj_stream_close(stream);
		free(pump);
		return NULL;
	}
	pump->loop = loop;
	pump->stream = stream;
	if (options->prefix_length > 0)
		memcpy(pump->prefix, options->prefix, options->prefix_length);
	pump->prefix_length = options->prefix_length;
	pump->finish = options->finish;
	pump->is_one = is_one;
	pump->done = options->done;
	pump->data = options->data;
	end_open(&pump->source, options->source, 0);
	end_open(&pump->sink, sink, 1);
	pump->source.watch.call = on_source;
	pump->sink.watch.call = on_sink;
	pump->source.watch.data = pump->sink.watch.data = pump;
	pump->source_turn.call = on_source_turn;
	pump->sink_turn.call = on_sink_turn;
	pump->done_turn.call = on_done_turn;
	pump->source_turn.data = pump->sink_turn.data =
	    pump->done_turn.data = pump;
	source_to_stream(pump);
	stream_to_sink(pump);
	return pump;
}

void
pump_on_event(struct pump *pump, const struct sj_event *event)
{
	if (pump->over)
		return;
	if (event->type == SJ_EV_READABLE)
		stream_to_sink(pump);
	else if (event->type == SJ_EV_WRITABLE)
		source_to_stream(pump);
	else if (event->type == SJ_EV_DELIVERED) {
		pump->delivered = 1;
		settle(pump);
	} else if (event->type == SJ_EV_RESET &&
	    event->error == SJ_ERR_RESET && event->code == SJ_RESET_NONE)
		peer_left(pump);
	else if (event->type == SJ_EV_RESET)
		end_all(pump, event->error != 0 ? event->error : SJ_ERR_RESET,
		    event->code, event->text != NULL ? event->text : "");
}

void
pump_fail(struct pump *pump, int error, uint64_t code, const char *text)
{
	if (pump->over)
		return;
	sj_stream_reset(pump->stream, code);
	end_all(pump, error, 0, text);
}

void
pump_close(struct pump *pump)
{
	if (pump == NULL)
		return;
	if (!pump->over) {
		break_off(&pump->source);
		break_off(&pump->sink);
	}
	end_close(pump, &pump->source);
	end_close(pump, &pump->sink);
	loop_turn_cancel(pump->loop, &pump->source_turn);
	loop_turn_cancel(pump->loop, &pump->sink_turn);
	loop_turn_cancel(pump->loop, &pump->done_turn);
	sj_stream_close(pump->stream);
	free(pump->prefix);
	free(pump);
}

struct sj_stream *
pump_stream(const struct pump *pump)
{
	return pump->stream;
}
