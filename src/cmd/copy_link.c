/* SPDX-License-Identifier: ISC */
/*
 * cmd/copy_link.c - the control stream, and waiting for it and the agent
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/copy.h"
#include "cmd/interrupt.h"

#define URGENCY 5                    /* whoever waits for an answer comes first */
#define LOOK_MS 100                  /* at files on their way */

int
copy_fail(struct copy *copy, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(copy->error, sizeof(copy->error), format, arguments);
	va_end(arguments);
	return error;
}

/* --- life -------------------------------------------------------------- */

int
copy_link_open(struct copy_link *link, struct copy *copy, uint64_t session)
{
	struct client_stream stream = { .session = session,
		.service = COPY_SERVICE, .finish = 1 };
	int pair[2], error;

	link->copy = copy;
	link->session = session;
	link->fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return copy_fail(copy, SJ_ERR_LIMIT, "%s", strerror(errno));
	stream.source = stream.sink = pair[1];
	error = client_open(copy->client, &stream, &link->control);
	close(pair[1]);
	link->fd = pair[0];
	if (error != 0)
		return copy_fail(copy, error, "%s",
		    client_error(copy->client));
	return 0;
}

void
copy_link_close(struct copy_link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	free(link->out);
	link->fd = -1;
	link->out = NULL;
}

/* --- saying ------------------------------------------------------------ */

int
copy_link_say(struct copy_link *link, const struct copy_record *record)
{
	ptrdiff_t length;

	if (link->out_start > 0 && link->out_capacity - link->out_start -
	    link->out_length < COPY_RECORD_MAX) {
		memmove(link->out, link->out + link->out_start,
		    link->out_length);
		link->out_start = 0;
	}
	if (link->out_capacity - link->out_length < COPY_RECORD_MAX) {
		size_t capacity = link->out_capacity * 2 + 4 * COPY_RECORD_MAX;
		uint8_t *grown = realloc(link->out, capacity);

		if (grown == NULL)
			return copy_fail(link->copy, SJ_ERR_MEMORY, "%s",
			    sj_strerror(SJ_ERR_MEMORY));
		link->out = grown;
		link->out_capacity = capacity;
	}
	length = copy_record_encode(record, link->out + link->out_start +
	    link->out_length);
	if (length < 0)
		return copy_fail(link->copy, (int)length, "%.200s...: %s",
		    record->path, strerror(ENAMETOOLONG));
	link->out_length += (size_t)length;
	return 0;
}

size_t
copy_link_unsaid(const struct copy_link *link)
{
	return link->out_length;
}

static void
flush(struct copy_link *link)
{
	while (link->out_length > 0) {
		ssize_t n = send(link->fd, link->out + link->out_start,
		    link->out_length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			link->out_length = 0; /* why comes from the agent */
			return;
		}
		link->out_start += (size_t)n;
		link->out_length -= (size_t)n;
	}
	link->out_start = 0;
}

int
copy_link_file(struct copy_link *link, const struct copy_record *record,
    int source, int sink, uint64_t *stream)
{
	struct client_stream file = { .session = link->session,
		.parent = link->control, .service = COPY_SERVICE, .finish = 1,
		.urgency = 1 + URGENCY,
		.source = source, .sink = sink };
	uint8_t prefix[COPY_RECORD_MAX];
	ptrdiff_t length = copy_record_encode(record, prefix);
	int error = length < 0 ? (int)length : 0;

	if (error == 0) {
		file.prefix = prefix;
		file.prefix_length = (size_t)length;
		error = client_open(link->copy->client, &file, stream);
	}
	return error == 0 ? 0 : copy_fail(link->copy, error, "%s",
	    client_error(link->copy->client));
}

/* --- hearing ----------------------------------------------------------- */

static int
hear_records(struct copy_link *link)
{
	size_t used = 0;
	ssize_t n = recv(link->fd, link->in + link->in_length,
	    sizeof(link->in) - link->in_length, MSG_DONTWAIT);
	int error = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		link->ended = 1;
		return 0;
	}
	link->in_length += (size_t)n;
	while (error == 0) {
		struct copy_record record;
		ptrdiff_t length = copy_record_decode(&record,
		    link->in + used, link->in_length - used);

		if (length < 0)
			return copy_fail(link->copy, SJ_ERR_PROTOCOL,
			    "the server does not speak copy");
		if (length == 0)
			break;
		used += (size_t)length;
		error = link->on_record(link->data, &record);
	}
	memmove(link->in, link->in + used, link->in_length - used);
	link->in_length -= used;
	return error;
}

static int
control_over(struct copy_link *link, const struct client_event *event)
{
	link->control = 0;
	link->ended = 1;
	if (event->error == 0)
		return 0;
	if (event->error == SJ_ERR_SERVICE)
		return copy_fail(link->copy, event->error,
		    "the server takes and gives no files");
	return copy_fail(link->copy, event->error, "%s",
	    event->text[0] != '\0' ? event->text : sj_strerror(event->error));
}

static int
hear_agent(struct copy_link *link)
{
	struct client_event event;
	int result;

	while ((result = client_next(link->copy->client, &event, 0)) == 1) {
		int error;

		if (event.stream == link->control)
			error = control_over(link, &event);
		else if (event.error != 0 &&
		    sj_error_class(event.error) != SJ_CLASS_STREAM &&
		    sj_error_class(event.error) != SJ_CLASS_LOCAL)
			/* not of this file alone */
			error = copy_fail(link->copy, event.error, "%s",
			    event.text[0] != '\0' ? event.text
			    : sj_strerror(event.error));
		else
			error = link->on_over(link->data, &event);
		if (error != 0)
			return error;
	}
	return result == 0 ? 0 : copy_fail(link->copy, result, "%s",
	    client_error(link->copy->client));
}

int
copy_link_wait(struct copy_link *link, int hear, int timeout_ms)
{
	struct copy *copy = link->copy;
	struct pollfd polls[2] = {
		{ .fd = client_fd(copy->client), .events = POLLIN } };
	int limit_ms = copy->progress.on ? PROGRESS_EVERY_MS : LOOK_MS;
	struct timespec limit;
	sigset_t none;

	flush(link);
	polls[1].fd = link->ended ? -1 : link->fd;
	polls[1].events = (short)((hear ? POLLIN : 0) |
	    (link->out_length > 0 ? POLLOUT : 0));
	if (polls[1].events == 0)
		polls[1].fd = -1;
	if (timeout_ms >= 0 && timeout_ms < limit_ms)
		limit_ms = timeout_ms;
	limit.tv_sec = limit_ms / 1000;
	limit.tv_nsec = limit_ms % 1000 * 1000000L;
	sigemptyset(&none);
	if (ppoll(polls, 2, &limit, &none) < 0 && errno != EINTR)
		return copy_fail(copy, SJ_ERR_LIMIT, "%s", strerror(errno));
	if (interrupt_came())
		return copy_fail(copy, SJ_ERR_ENDED, "interrupted");
	if (polls[1].revents & (POLLIN | POLLHUP | POLLERR)) {
		int error = hear_records(link);

		if (error != 0)
			return error;
	}
	if (copy->progress.on)
		progress_show(&copy->progress, copy->files, copy->bytes +
		    link->moving(link->data));
	return hear_agent(link);
}

int
copy_link_finish(struct copy_link *link)
{
	int error = 0, shut = 0;

	while (error == 0 && link->control != 0) {
		flush(link);
		if (!shut && link->out_length == 0)
			shut = shutdown(link->fd, SHUT_WR) == 0;
		error = copy_link_wait(link, 1, -1);
	}
	return error;
}
