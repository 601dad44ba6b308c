/* SPDX-License-Identifier: ISC */
/* resolve.c - names to addresses without blocking */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/resolve.h"
#include "io/udp.h"

struct job {
	int fd;
	uint16_t port;
	char host[256];
};

static void
look_up(const struct job *job, struct resolved *result)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL;
	char port[8];

	memset(result, 0, sizeof *result);
	snprintf(port, sizeof port, "%u", job->port);
	result->error = getaddrinfo(job->host, port, &hints, &list);
	if (result->error == EAI_NONAME || result->error == EAI_NODATA) {
		/* Without any configured address loopback still works. */
		hints.ai_flags = 0;
		result->error = getaddrinfo(job->host, port, &hints, &list);
	}
	if (result->error != 0)
		return;
	for (struct addrinfo *at = list; at != NULL &&
	    result->count < RESOLVE_ADDRESSES; at = at->ai_next) {
		struct sockaddr_storage name;

		memset(&name, 0, sizeof name);
		memcpy(&name, at->ai_addr, at->ai_addrlen);
		address_from_sockaddr(&name,
		    &result->addresses[result->count++]);
	}
	freeaddrinfo(list);
}

static void *
run(void *data)
{
	struct job *job = data;
	struct resolved result;
	ssize_t written;

	look_up(job, &result);
	/* Less than PIPE_BUF: whole, or nobody reads it any more. */
	written = write(job->fd, &result, sizeof result);
	(void)written;
	close(job->fd);
	free(job);
	return NULL;
}

int
resolve_start(const char *host, uint16_t port)
{
	struct job *job = calloc(1, sizeof *job);
	sigset_t all, old;
	pthread_attr_t attributes;
	pthread_t thread;
	int ends[2], error;

	if (job != NULL && strlen(host) >= sizeof job->host) {
		free(job);
		errno = ENAMETOOLONG;
		return -1;
	}
	if (job == NULL || pipe2(ends, O_CLOEXEC) < 0) {
		free(job);
		return -1;
	}
	strcpy(job->host, host);
	job->port = port;
	job->fd = ends[1];
	/* Signals belong to the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attributes, run, job);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		return ends[0];
	close(ends[0]);
	close(ends[1]);
	free(job);
	errno = error;
	return -1;
}
