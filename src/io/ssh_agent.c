/* SPDX-License-Identifier: ISC */
/* ssh_agent.c - asking an ssh-agent */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/driver.h"
#include "io/signer.h"
#include "io/ssh_agent.h"

#define ANSWER_MAX (256 * 1024)
#define REQUEST_MAX 8192

struct ssh_agent {
	struct driver *driver;
	ssh_agent_answer *answer;
	void *data;
	int fd, timer_fd;
	size_t used;                    /* of the buffer, while reading */
	uint8_t *buffer;
};

void
ssh_agent_cancel(struct ssh_agent *agent)
{
	if (agent == NULL)
		return;
	driver_unwatch(agent->driver, agent->fd);
	driver_unwatch(agent->driver, agent->timer_fd);
	if (agent->fd >= 0)
		close(agent->fd);
	if (agent->timer_fd >= 0)
		close(agent->timer_fd);
	free(agent->buffer);
	free(agent);
}

static void
finish(struct ssh_agent *agent, unsigned type, const uint8_t *body,
    size_t length)
{
	agent->answer(agent->data, type, body, length);
	ssh_agent_cancel(agent);
}

static size_t
answer_size(const struct ssh_agent *agent)
{
	const uint8_t *at = agent->buffer;

	return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 |
	    at[3];
}

static void
on_readable(void *data, uint32_t events)
{
	struct ssh_agent *agent = data;
	ssize_t got = recv(agent->fd, agent->buffer + agent->used,
	    ANSWER_MAX - agent->used, MSG_DONTWAIT);
	size_t size;

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		finish(agent, got < 0 ? (unsigned)errno : ECONNRESET, NULL, 0);
		return;
	}
	agent->used += (size_t)got;
	if (agent->used < 5)
		return;
	size = answer_size(agent);
	if (size < 1 || size > ANSWER_MAX - 4)
		finish(agent, EMSGSIZE, NULL, 0);
	else if (agent->used >= 4 + size)
		finish(agent, agent->buffer[4], agent->buffer + 5, size - 1);
}

static void
on_timeout(void *data, uint32_t events)
{
	(void)events;
	finish(data, ETIMEDOUT, NULL, 0);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof name.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(name.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
send_request(struct ssh_agent *agent, uint8_t type, const uint8_t *body,
    size_t length)
{
	uint8_t message[REQUEST_MAX];
	size_t size = length + 1;

	if (length + 5 > sizeof message) {
		errno = EMSGSIZE;
		return -1;
	}
	message[0] = (uint8_t)(size >> 24);
	message[1] = (uint8_t)(size >> 16);
	message[2] = (uint8_t)(size >> 8);
	message[3] = (uint8_t)size;
	message[4] = type;
	if (length > 0)
		memcpy(message + 5, body, length);
	/* A fresh socket has room for it. */
	return send(agent->fd, message, length + 5, MSG_NOSIGNAL) ==
	    (ssize_t)(length + 5) ? 0 : -1;
}

struct ssh_agent *
ssh_agent_ask(struct driver *driver, const char *socket_path, uint8_t type,
    const uint8_t *body, size_t length, ssh_agent_answer *answer, void *data)
{
	struct ssh_agent *agent = calloc(1, sizeof *agent);
	struct itimerspec limit = { .it_value = { SIGNER_TIMEOUT_S, 0 } };

	if (agent == NULL)
		return NULL;
	agent->driver = driver;
	agent->answer = answer;
	agent->data = data;
	agent->buffer = malloc(ANSWER_MAX);
	agent->fd = connect_to(socket_path);
	agent->timer_fd = timerfd_create(CLOCK_BOOTTIME,
	    TFD_NONBLOCK | TFD_CLOEXEC);
	if (agent->buffer == NULL || agent->fd < 0 || agent->timer_fd < 0 ||
	    timerfd_settime(agent->timer_fd, 0, &limit, NULL) < 0 ||
	    send_request(agent, type, body, length) < 0 ||
	    driver_watch(driver, agent->fd, EPOLLIN, on_readable, agent) < 0 ||
	    driver_watch(driver, agent->timer_fd, EPOLLIN, on_timeout,
	    agent) < 0) {
		int error = errno;

		ssh_agent_cancel(agent);
		errno = error;
		return NULL;
	}
	return agent;
}
