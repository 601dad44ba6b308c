/* SPDX-License-Identifier: ISC */
/*
 * serve/net.c - the process that talks to the network, and to nothing else
 *
 * One thread, one epoll: the endpoint, the socket to the monitor, and the
 * descriptors of the bridges. What the endpoint cannot do itself - a
 * Diffie-Hellman with the host key, the right to log in, a service's process -
 * is asked of the monitor, and goes on when its answer comes.
 *
 * Callbacks may close bridges that later events of the same round point at;
 * they stay in memory, marked gone, until the round is over.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "serve/log.h"
#include "serve/net.h"
#include "serve/net_internal.h"
#include "serve/sandbox.h"
#include "serve/store_relay.h"
#include "tool/die.h"

#define WAITING_MAX 4096             /* requests to the monitor */
#define EVENTS_AT_ONCE 64

void
net_watch(struct net *net, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };
	int operation = watch->events == 0 ? EPOLL_CTL_ADD
	    : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

	if (events == watch->events)
		return;
	if (epoll_ctl(net->epoll, operation, watch->fd, &event) != 0) {
		log_event(LOG_NORMAL, "net-failed call=epoll_ctl cause=\"%s\"",
		    strerror(errno));
		net->over = 1;
	}
	watch->events = events;
}

uint64_t
net_number(struct net *net)
{
	return ++net->last_number;
}

/* --- the monitor ------------------------------------------------------- */

static void
send_requests(struct net *net)
{
	while (net->out != NULL) {
		struct outgoing *first = net->out;
		int result = request_send(net->requests.fd, &first->request,
		    first->length, NULL, 0, 0);

		if (result == SJ_AGAIN)
			break;
		if (result != 0)
			net->over = 1;
		net->out = first->next;
		if (net->out == NULL)
			net->out_end = &net->out;
		net->out_count--;
		explicit_bzero(first, sizeof(*first));
		free(first);
	}
	net_watch(net, &net->requests, EPOLLIN |
	    (net->out != NULL ? (uint32_t)EPOLLOUT : 0));
}

int
net_request(struct net *net, const void *request, size_t length)
{
	const struct request_head *head = request;
	struct outgoing *outgoing;

	if (net->out_count >= WAITING_MAX && head->type != REQUEST_RELEASE &&
	    head->type != REQUEST_GONE)
		return SJ_ERR_LIMIT;
	outgoing = calloc(1, sizeof(*outgoing));
	if (outgoing == NULL)
		return SJ_ERR_LIMIT;
	memcpy(&outgoing->request, request, length);
	outgoing->length = length;
	*net->out_end = outgoing;
	net->out_end = &outgoing->next;
	net->out_count++;
	if (net->out == outgoing)
		send_requests(net);
	return 0;
}

/* struct sj_host_key's dh: the monitor has the key. */
static void
ask_dh(const struct sj_host_key *key, struct sj_endpoint *endpoint,
    uint64_t number, const uint8_t peer_key[32])
{
	struct request_dh request = { .head = { .type = REQUEST_DH,
		.number = number } };
	int error;

	memcpy(request.peer_key, peer_key, sizeof(request.peer_key));
	error = net_request(key->context, &request, sizeof(request));
	if (error != 0) {
		struct sj_answer answer = { .error = error };

		sj_core_answer(endpoint, number, &answer);
	}
}

static void
on_answer(struct net *net, struct answer *answer, const int *descriptors,
    size_t count)
{
	struct sj_answer dh = { .error = answer->error,
		.bytes = answer->bytes, .length = sizeof(answer->bytes) };

	switch (answer->head.type) {
	case ANSWER_DH:
		sj_core_answer(net->endpoint, answer->head.number, &dh);
		explicit_bzero(answer->bytes, sizeof(answer->bytes));
		break;
	case ANSWER_LOGIN:
		net_on_login_answer(net, answer);
		break;
	case ANSWER_SPAWN:
		bridge_on_spawned(net, answer, descriptors, count);
		break;
	case ANSWER_CONNECT:
		connect_on_answer(net, answer, descriptors, count);
		break;
	default:
		log_event(LOG_NORMAL, "net-failed cause=\"answer %u\"",
		    answer->head.type);
		net->over = 1;
		break;
	}
}

static void
on_requests(struct watch *watch, uint32_t events)
{
	struct net *net = (struct net *)(void *)((char *)watch -
	    offsetof(struct net, requests));
	int round;

	if (events & EPOLLOUT)
		send_requests(net);
	for (round = 0; round < EVENTS_AT_ONCE && !net->over; round++) {
		struct answer answer;
		int descriptors[2];
		size_t count;
		ptrdiff_t length = request_receive(watch->fd, &answer,
		    sizeof(answer), descriptors, &count);

		if (length == SJ_AGAIN)
			return;
		/* 0: the monitor lets go of us; anything else is no answer */
		if (length != (ptrdiff_t)sizeof(answer)) {
			net->over = 1;
			return;
		}
		on_answer(net, &answer, descriptors, count);
	}
}

/* --- the endpoint ------------------------------------------------------ */

static void
on_event(struct net *net, const struct sj_event *event)
{
	switch (event->type) {
	case SJ_EV_LOGIN:
		net_on_login(net, event);
		break;
	case SJ_EV_STARTED:
		net_on_started(net, event);
		break;
	case SJ_EV_ENDED:
		net_on_ended(net, event);
		break;
	case SJ_EV_STREAM:
		bridge_on_stream(net, event);
		break;
	case SJ_EV_READABLE:
	case SJ_EV_WRITABLE:
	case SJ_EV_RESET:
		bridge_on_event(net, event);
		break;
	case SJ_EV_DONE:
		query_on_done(net, event->error);
		break;
	case SJ_EV_NONE:
	case SJ_EV_PROMPT:
	case SJ_EV_AWAY:
	case SJ_EV_BACK:
	case SJ_EV_TICKET:
	case SJ_EV_MESSAGE:
	case SJ_EV_DELIVERED:
	case SJ_EV_WAKE:
	default:
		break;
	}
}

/* Everything that is there now. Negative: the endpoint failed. */
static int
drain_endpoint(struct net *net)
{
	struct sj_event event;
	int result;

	while ((result = sj_poll(net->endpoint, &event, 0)) == 1)
		on_event(net, &event);
	return result;
}

/* sj_poll() comes after every round anyway. */
static void
on_driver(struct watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
}

static int
loop(struct net *net)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count, i, result;

	while (!net->over) {
		result = drain_endpoint(net);
		bridges_sweep(net);
		if (result < 0) {
			log_event(LOG_NORMAL, "net-failed cause=\"%s\"",
			    sj_endpoint_error(net->endpoint));
			return result;
		}
		if (net->over)
			break;
		count = epoll_wait(net->epoll, events, EVENTS_AT_ONCE, -1);
		if (count < 0 && errno != EINTR)
			return SJ_ERR_STATE;
		for (i = 0; i < count; i++) {
			struct watch *watch = events[i].data.ptr;

			watch->call(watch, events[i].events);
		}
	}
	return 0;
}

/* --- start and end ----------------------------------------------------- */

/* The monitor's first word: it has read the host key. */
static int
wait_for_start(struct net *net)
{
	struct pollfd wait = { .fd = net->requests.fd, .events = POLLIN };
	struct answer answer;

	while (poll(&wait, 1, -1) < 0)
		if (errno != EINTR)
			return SJ_ERR_STATE;
	if (request_receive(net->requests.fd, &answer, sizeof(answer), NULL,
	    NULL) != (ptrdiff_t)sizeof(answer) ||
	    answer.head.type != ANSWER_START)
		return SJ_ERR_ENDED; /* and has said why it could not */
	memcpy(net->host_key.public_key, answer.bytes,
	    sizeof(net->host_key.public_key));
	net->host_key.context = net;
	net->host_key.dh = ask_dh;
	return 0;
}

static int
open_endpoint(struct net *net, int store)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	char error[512] = "";
	int result;

	options.listen = net->options->listen;
	options.application = SERVE_APPLICATION;
	if (net->options->names[0] != '\0')
		options.server_name = net->options->names;
	options.host_key = &net->host_key;
	options.idle_limit_s = net->options->idle_limit_s;
	options.lifetime_s = net->options->lifetime_s;
	options.error = error;
	options.error_size = sizeof(error);
	options.store = store_remote(store);
	if (options.store == NULL)
		return SJ_ERR_MEMORY;
	result = sj_endpoint_open(&net->endpoint, &options);
	if (result < 0)
		complain(error_class_name(result), sj_error_next(result),
		    "serve: %s", error[0] != '\0' ? error :
		    sj_strerror(result));
	return result;
}

/* What the environment says is nobody's business who takes this process. */
static void
wipe_environment(void)
{
	char **each;

	for (each = environ; each != NULL && *each != NULL; each++)
		explicit_bzero(*each, strlen(*each));
	if (environ != NULL)
		*environ = NULL;
}

static int
enter_sandbox(void)
{
	char error[256];
	int landlock = 0, result;

	result = sandbox_enter(&landlock, error, sizeof(error));
	if (result < 0)
		complain("local", "use a kernel with seccomp",
		    "serve: the sandbox cannot be entered: %s", error);
	else
		log_event(LOG_VERBOSE, "sandbox seccomp=1 landlock=%d",
		    landlock);
	return result;
}

static int
start(struct net *net, int store)
{
	struct request_listening listening = { .head = {
		.type = REQUEST_LISTENING } };
	struct rlimit limit;
	int result;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	net->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (net->epoll < 0)
		return SJ_ERR_LIMIT;
	result = wait_for_start(net);
	if (result == 0)
		result = open_endpoint(net, store);
	if (result != 0)
		return result;
	net->driver.fd = sj_endpoint_fd(net->endpoint);
	net->driver.call = on_driver;
	net->requests.call = on_requests;
	net_watch(net, &net->driver, EPOLLIN);
	net_watch(net, &net->requests, EPOLLIN);
	wipe_environment();
	result = enter_sandbox();
	if (result != 0)
		return result;
	listening.port = (uint32_t)sj_endpoint_port(net->endpoint);
	snprintf(listening.key, sizeof(listening.key), "%s",
	    sj_endpoint_key(net->endpoint));
	return net_request(net, &listening, sizeof(listening));
}

int
net_run(const struct serve_options *options, int requests, int store)
{
	struct net net = { .options = options, .requests = { .fd = requests } };
	int result;

	net.out_end = &net.out;
	net.queries_end = &net.queries;
	result = start(&net, store);
	if (result == 0)
		result = loop(&net);
	bridges_break_off(&net);
	/* the last words of every session; logins live on in the store */
	sj_endpoint_close(net.endpoint);
	return result == 0 ? 0 : 255;
}
