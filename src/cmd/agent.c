/* SPDX-License-Identifier: ISC */
/*
 * cmd/agent.c - the life of the agent, its commands and what they ask for
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/agent.h"
#include "cmd/agent_internal.h"
#include "cmd/agent_protocol.h"

#define OUT_MAX 65536                /* messages for a command that reads none */
#define IDLE_MS 200                  /* the next command may be on its way */
#define PATIENCE_MS 3000             /* for logouts of a private agent */
#define REQUESTS_AT_ONCE 64
#define CROWDED_MS 100               /* when no descriptor is left */

/* --- sending ----------------------------------------------------------- */

static void
flush(struct connection *connection)
{
	struct outgoing *first;

	while ((first = connection->out) != NULL && !connection->broken) {
		struct message *out = &connection->agent->out;
		int result;

		memcpy(out->bytes, first->bytes, first->length);
		out->length = first->length;
		out->fd_count = 0;
		out->overflow = 0;
		result = message_send(connection->watch.fd, out, 0);
		if (result == SJ_AGAIN)
			break;
		if (result < 0)
			connection->broken = 1;
		connection->out = first->next;
		if (connection->out == NULL)
			connection->out_end = &connection->out;
		connection->out_count--;
		free(first);
	}
	loop_watch(connection->agent->loop, &connection->watch,
	    connection->out != NULL ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void
agent_send(struct connection *connection)
{
	struct message *out = &connection->agent->out;
	struct outgoing *later;
	int result = SJ_AGAIN;

	if (connection->broken)
		return;
	if (connection->out == NULL)
		result = message_send(connection->watch.fd, out, 0);
	if (result == 0)
		return;
	if (result == SJ_AGAIN && connection->out_count < OUT_MAX &&
	    (later = malloc(sizeof(*later) + out->length)) != NULL) {
		later->next = NULL;
		later->length = out->length;
		memcpy(later->bytes, out->bytes, out->length);
		*connection->out_end = later;
		connection->out_end = &later->next;
		connection->out_count++;
		loop_watch(connection->agent->loop, &connection->watch,
		    EPOLLIN | EPOLLOUT);
		return;
	}
	/* epoll tells of the end; the connection is closed there */
	connection->broken = 1;
	shutdown(connection->watch.fd, SHUT_RDWR);
}

void
agent_fail(struct connection *connection, uint64_t number, int error,
    const char *text)
{
	struct message *out = &connection->agent->out;

	message_begin(out, AGENT_FAILED);
	message_put_number(out, FIELD_NUMBER, number);
	message_put_number(out, FIELD_ERROR, (uint64_t)-error);
	message_put_text(out, FIELD_TEXT,
	    text != NULL && text[0] != '\0' ? text : sj_strerror(error));
	agent_send(connection);
}

static void
send_ok(struct connection *connection, uint64_t number)
{
	message_begin(&connection->agent->out, AGENT_OK);
	message_put_number(&connection->agent->out, FIELD_NUMBER, number);
	agent_send(connection);
}

/* --- commands ---------------------------------------------------------- */

static void
connection_close(struct connection *connection)
{
	struct agent *agent = connection->agent;
	struct connection **link = &agent->connections;

	session_forget(connection);
	loop_watch(agent->loop, &connection->watch, 0);
	close(connection->watch.fd);
	while (connection->out != NULL) {
		struct outgoing *first = connection->out;

		connection->out = first->next;
		free(first);
	}
	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	free(connection);
	agent_check_idle(agent);
}

static void
greet(struct connection *connection)
{
	struct agent *agent = connection->agent;
	const char *ssh_agent = message_text(&agent->in, FIELD_SSH_AGENT);

	if (message_number(&agent->in, FIELD_VERSION, 0) != AGENT_PROTOCOL) {
		agent_fail(connection, 0, SJ_ERR_VERSION,
		    "the agent that runs is of another version than this "
		    "command: end it with `sojourn agent --stop`");
		return;
	}
	/* the keys of who asks: a login of another terminal has another one */
	if (ssh_agent != NULL)
		setenv("SSH_AUTH_SOCK", ssh_agent, 1);
	else
		unsetenv("SSH_AUTH_SOCK");
	connection->greeted = 1;
	message_begin(&agent->out, AGENT_HELLO);
	message_put_number(&agent->out, FIELD_VERSION, AGENT_PROTOCOL);
	message_put_number(&agent->out, FIELD_PID, (uint64_t)getpid());
	agent_send(connection);
}

static void
request(struct connection *connection)
{
	struct agent *agent = connection->agent;
	uint64_t number = message_number(&agent->in, FIELD_NUMBER, 0);
	uint8_t type = message_type(&agent->in);

	if (type == AGENT_STOP) { /* of any version */
		send_ok(connection, number);
		agent->over = 1;
		return;
	}
	if (!connection->greeted) {
		if (type == AGENT_HELLO)
			greet(connection);
		else
			connection->broken = 1;
		return;
	}
	switch (type) {
	case AGENT_LOGIN:
		session_login(connection, number);
		break;
	case AGENT_ANSWER:
		session_answer(connection);
		break;
	case AGENT_LIST:
		session_list(connection, number);
		send_ok(connection, number);
		break;
	case AGENT_WATCH:
		session_watch(connection, number);
		break;
	case AGENT_LOGOUT:
		session_logout(connection, number);
		break;
	case AGENT_OPEN:
		stream_open(connection);
		break;
	case AGENT_RESET:
		stream_reset(connection);
		break;
	default:
		connection->broken = 1;
		break;
	}
}

static void
on_connection(struct loop_watch *watch, uint32_t events)
{
	struct connection *connection = watch->data;
	struct agent *agent = connection->agent;
	int i;

	if (events & EPOLLOUT)
		flush(connection);
	for (i = 0; i < REQUESTS_AT_ONCE && !connection->broken; i++) {
		int result = message_receive(watch->fd, &agent->in, 0);

		if (result == SJ_AGAIN)
			return;
		if (result <= 0) {
			connection->broken = 1;
			break;
		}
		request(connection);
		message_drop_fds(&agent->in);
	}
	if (connection->broken)
		connection_close(connection);
}

static int
connection_open(struct agent *agent, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL || !message_peer_is_me(fd)) {
		free(connection);
		close(fd);
		return SJ_ERR_MEMORY;
	}
	connection->agent = agent;
	connection->out_end = &connection->out;
	connection->watch.fd = fd;
	connection->watch.call = on_connection;
	connection->watch.data = connection;
	connection->next = agent->connections;
	agent->connections = connection;
	if (loop_watch(agent->loop, &connection->watch, EPOLLIN) != 0) {
		connection_close(connection);
		return SJ_ERR_LIMIT;
	}
	return 0;
}

static void
on_listen(struct loop_watch *watch, uint32_t events)
{
	struct agent *agent = watch->data;
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0) {
		connection_open(agent, fd);
	} else if (errno != EAGAIN && errno != EINTR &&
	    errno != ECONNABORTED) {
		/* no descriptor is left: epoll would tell without end */
		loop_watch(agent->loop, watch, 0);
		loop_timer(agent->loop, &agent->crowded, CROWDED_MS);
	}
}

static void
on_crowded(struct loop_timer *timer)
{
	struct agent *agent = timer->data;

	if (loop_watch(agent->loop, &agent->listen, EPOLLIN) != 0)
		loop_timer(agent->loop, timer, CROWDED_MS);
}

/* --- life -------------------------------------------------------------- */

static void
on_idle(struct loop_timer *timer)
{
	struct agent *agent = timer->data;

	if (agent->connections == NULL && agent->sessions == NULL &&
	    !agent->stays)
		agent->over = 1;
}

static void
on_patience(struct loop_timer *timer)
{
	struct agent *agent = timer->data;

	agent->over = 1;
}

void
agent_check_idle(struct agent *agent)
{
	if (agent->connections != NULL)
		return;
	if (agent->is_private && agent->sessions == NULL) {
		agent->over = 1;
	} else if (agent->is_private) {
		if (agent->patience.at_ms == 0) {
			loop_timer(agent->loop, &agent->patience, PATIENCE_MS);
			session_logout_all(agent);
		}
	} else if (agent->sessions == NULL) {
		loop_timer(agent->loop, &agent->idle, IDLE_MS);
	}
}

static void
on_signal(struct loop_watch *watch, uint32_t events)
{
	struct agent *agent = watch->data;
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) == sizeof(info))
		agent->over = 1;
}

static void
watch_signals(struct agent *agent)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* one stream's affair */
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (agent->is_private)
		signal(SIGINT, SIG_IGN); /* its command decides */
	else
		sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	agent->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	agent->signals.call = on_signal;
	agent->signals.data = agent;
	if (agent->signals.fd >= 0)
		loop_watch(agent->loop, &agent->signals, EPOLLIN);
}

static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static struct agent *
agent_open(const struct agent_options *options)
{
	struct agent *agent = calloc(1, sizeof(*agent));

	if (agent == NULL)
		return NULL;
	agent->loop = loop_open();
	if (agent->loop == NULL) {
		free(agent);
		return NULL;
	}
	agent->is_private = options->command_fd >= 0;
	agent->stays = options->stays;
	agent->idle.call = on_idle;
	agent->patience.call = on_patience;
	agent->crowded.call = on_crowded;
	agent->idle.data = agent->patience.data = agent->crowded.data = agent;
	agent->listen.fd = options->listen_fd;
	agent->listen.call = on_listen;
	agent->listen.data = agent;
	return agent;
}

int
agent_run(const struct agent_options *options)
{
	struct agent *agent = agent_open(options);
	int result = 0;

	if (agent == NULL)
		return 1;
	raise_limits();
	watch_signals(agent);
	if (options->listen_fd >= 0) {
		result = loop_watch(agent->loop, &agent->listen, EPOLLIN);
		/* in case that the one who started it never comes */
		loop_timer(agent->loop, &agent->idle, 10000);
	}
	if (result == 0 && options->command_fd >= 0)
		result = connection_open(agent, options->command_fd);
	while (result == 0 && !agent->over)
		result = loop_once(agent->loop);
	if (options->directory_fd >= 0)
		unlinkat(options->directory_fd, "agent", 0);
	if (options->listen_fd >= 0)
		close(options->listen_fd);
	agent->stays = agent->is_private = 0;
	while (agent->connections != NULL)
		connection_close(agent->connections);
	sessions_close(agent);
	sj_endpoint_close(agent->endpoint);
	if (agent->signals.fd >= 0)
		close(agent->signals.fd);
	loop_close(agent->loop);
	free(agent);
	return result == 0 ? 0 : 1;
}
