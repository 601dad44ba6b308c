/* SPDX-License-Identifier: ISC */
/*
 * serve/connector.c - see connector.h
 *
 * A thread for each connection on its way: getaddrinfo() can do no other. The
 * main thread takes orders and gives up on those whose time is over, also while
 * their thread is still held by a name service. All is under one lock but what
 * waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "serve/connector.h"
#include "serve/processes.h"
#include "serve/request.h"

#define ORDERS 3                     /* the descriptor */
#define STACK_BYTES (256 * 1024)
#define SEND_PATIENCE_MS 5000        /* for the monitor, which reads all the time */

struct job {
	struct job *next;
	uint64_t number, session;
	uint64_t deadline_ms;
	int running, answered;
	struct forward_place place;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *jobs, **jobs_end = &jobs;
static size_t threads;

/* --- connecting -------------------------------------------------------- */

static uint64_t
code_of(int cause)
{
	switch (cause) {
	case ECONNREFUSED:
		return FORWARD_REFUSED;
	case ETIMEDOUT:
		return FORWARD_TIMED_OUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		return FORWARD_UNREACHABLE;
	case ENOENT:
	case ENOTDIR:
	case ENOTSOCK:
	case EPROTOTYPE:
		return FORWARD_NO_SOCKET;
	default:
		return FORWARD_FAILED;
	}
}

/* 0, or errno's value. */
static int
wait_connected(int fd, uint64_t deadline_ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int cause = 0;
	socklen_t length = sizeof(cause);

	for (;;) {
		uint64_t now_ms = processes_now_ms();
		int n = now_ms >= deadline_ms ? 0 :
		    poll(&wait, 1, (int)(deadline_ms - now_ms));

		if (n > 0)
			break;
		if (n == 0)
			return ETIMEDOUT;
		if (errno != EINTR)
			return errno;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &length) != 0)
		return errno;
	return cause;
}

/* The connection, or minus errno's value. */
static int
connect_to(const struct sockaddr *address, socklen_t length,
    uint64_t deadline_ms)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0), cause, one = 1;

	if (fd < 0)
		return -errno;
	cause = connect(fd, address, length) == 0 ? 0 : errno;
	if (cause == EINPROGRESS)
		cause = wait_connected(fd, deadline_ms);
	if (cause != 0) {
		close(fd);
		return -cause;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int
connect_path(const char *path)
{
	/* blocking: who does not would be refused where the queue is full */
	const struct timeval patience = {
		.tv_sec = CONNECTOR_ADDRESS_MS / 1000 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), cause = 0;

	if (fd < 0)
		return -errno;
	strcpy(address.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	cause = errno == EAGAIN ? ETIMEDOUT : errno;
	close(fd);
	return -cause;
}

/* Each address in turn; what the first one said counts. The connection, or a
 * negative result as above; *no_name is what getaddrinfo() said. */
static int
connect_host(const struct job *job, int *no_name)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	const struct addrinfo *each;
	char port[8];
	int result = -ETIMEDOUT, first = 1;

	snprintf(port, sizeof(port), "%u", job->place.port);
	*no_name = getaddrinfo(job->place.host, port, &hints, &list);
	if (*no_name != 0)
		return -EHOSTUNREACH;
	for (each = list; each != NULL; each = each->ai_next) {
		uint64_t until_ms = processes_now_ms() + CONNECTOR_ADDRESS_MS;
		int one;

		if (until_ms > job->deadline_ms)
			until_ms = job->deadline_ms;
		one = connect_to(each->ai_addr, each->ai_addrlen, until_ms);
		if (one >= 0 || first)
			result = one;
		first = 0;
		if (one >= 0 || processes_now_ms() >= job->deadline_ms)
			break;
	}
	freeaddrinfo(list);
	return result;
}

static int
work(const struct job *job, struct connector_result *result)
{
	int no_name = 0, fd;

	fd = job->place.is_path ? connect_path(job->place.path) :
	    connect_host(job, &no_name);
	if (fd >= 0)
		return fd;
	result->code = no_name != 0 ? FORWARD_NO_NAME : code_of(-fd);
	snprintf(result->text, sizeof(result->text), "%s", no_name != 0 ?
	    gai_strerror(no_name) : strerror(-fd));
	return -1;
}

/* --- jobs -------------------------------------------------------------- */

static size_t
running_of(uint64_t session)
{
	const struct job *job;
	size_t count = 0;

	for (job = jobs; job != NULL; job = job->next)
		count += job->running && job->session == session;
	return count;
}

/* The oldest that waits, and whose login has not its share; NULL: none. */
static struct job *
next_job(void)
{
	uint64_t full = 0;
	struct job *job;

	for (job = jobs; job != NULL; job = job->next) {
		if (job->running || job->answered || job->session == full)
			continue;
		if (running_of(job->session) < CONNECTOR_PER_LOGIN)
			return job;
		full = job->session;
	}
	return NULL;
}

static void
remove_job(struct job *job)
{
	struct job **link = &jobs;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	if (*link == NULL)
		jobs_end = link;
	free(job);
}

static void
say(const struct connector_result *result, int fd)
{
	int sent = request_send(ORDERS, result, sizeof(*result), &fd,
	    fd >= 0 ? 1 : 0, SEND_PATIENCE_MS);

	if (sent == SJ_ERR_LIMIT) /* the monitor sees that it is missing */
		sent = request_send(ORDERS, result, sizeof(*result), NULL, 0,
		    SEND_PATIENCE_MS);
	if (sent != 0)
		_exit(1); /* the monitor notices */
}

static void *
run(void *data)
{
	struct job *job;

	pthread_mutex_lock(&lock);
	while ((job = next_job()) != NULL) {
		struct connector_result result = { .number = job->number,
			.session = job->session };
		int fd, late;

		forward_format(&job->place, result.place);
		job->running = 1;
		pthread_mutex_unlock(&lock);
		fd = work(job, &result);
		pthread_mutex_lock(&lock);
		late = job->answered;
		remove_job(job);
		if (!late) {
			pthread_mutex_unlock(&lock);
			say(&result, fd);
			pthread_mutex_lock(&lock);
		}
		if (fd >= 0)
			close(fd);
	}
	threads--;
	pthread_mutex_unlock(&lock);
	return data;
}

/* One more thread if there is something for it to do. */
static void
add_thread(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (threads == CONNECTOR_AT_ONCE || next_job() == NULL)
		return;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	if (pthread_create(&thread, &attributes, run, NULL) == 0)
		threads++;
	pthread_attr_destroy(&attributes);
	if (threads == 0)
		_exit(1); /* nobody would ever work */
}

/* Gives up on what has waited too long. Milliseconds until the next one; -1:
 * none. */
static int
give_up(void)
{
	uint64_t now_ms = processes_now_ms(), next_ms = UINT64_MAX;
	struct job *job, *after;

	for (job = jobs; job != NULL; job = after) {
		struct connector_result result = { .number = job->number,
			.session = job->session, .code = FORWARD_TIMED_OUT };

		after = job->next;
		if (job->answered)
			continue;
		if (job->deadline_ms > now_ms) {
			if (job->deadline_ms < next_ms)
				next_ms = job->deadline_ms;
			continue;
		}
		job->answered = 1;
		forward_format(&job->place, result.place);
		snprintf(result.text, sizeof(result.text), "%s",
		    strerror(ETIMEDOUT));
		say(&result, -1);
		if (!job->running)
			remove_job(job);
	}
	return next_ms == UINT64_MAX ? -1 : (int)(next_ms - now_ms);
}

static void
take_order(const struct connector_order *order)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL || !request_string_ok(order->place,
	    sizeof(order->place)) ||
	    forward_read(&job->place, order->place) != 0)
		_exit(1);
	job->number = order->number;
	job->session = order->session;
	job->deadline_ms = processes_now_ms() + CONNECTOR_PATIENCE_MS;
	*jobs_end = job;
	jobs_end = &job->next;
	add_thread();
}

int
connector_main(void)
{
	struct pollfd wait = { .fd = ORDERS, .events = POLLIN };
	struct connector_order order;
	int wait_ms = -1;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	for (;;) {
		ptrdiff_t length;

		if (poll(&wait, 1, wait_ms) < 0 && errno != EINTR)
			return 1;
		length = request_receive(ORDERS, &order, sizeof(order), NULL,
		    NULL);
		if (length == 0)
			_exit(0); /* threads may still wait for something */
		if (length != SJ_AGAIN && length != (ptrdiff_t)sizeof(order))
			_exit(1);
		pthread_mutex_lock(&lock);
		if (length != SJ_AGAIN)
			take_order(&order);
		wait_ms = give_up();
		pthread_mutex_unlock(&lock);
	}
}
