/* SPDX-License-Identifier: ISC */
/*
 * cmd/listen.c - see listen.h
 *
 * A port that is in use is an error even if another address of the same
 * forwarding is free: whoever connects would not know which one answers.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/listen.h"

#define PORT_TRIES 16                /* for one that is free in both families */

static int
fail(struct listen_error *error, const struct forward_place *place,
    const char *cause, const char *next)
{
	char text[FORWARD_TEXT_MAX];

	snprintf(error->cause, sizeof(error->cause), "cannot listen on %s: %s",
	    forward_show(place, text, sizeof(text)), cause);
	error->next = next;
	return SJ_ERR_SOCKET;
}

static struct listener *
add(struct listeners *listeners, int fd, const struct forward *forward)
{
	struct listener *listener;

	if (listeners->count == LISTENERS_MAX) {
		close(fd);
		errno = EMFILE;
		return NULL;
	}
	listener = &listeners->list[listeners->count++];
	memset(listener, 0, sizeof(*listener));
	listener->fd = fd;
	listener->forward = forward;
	return listener;
}

/* --- paths ------------------------------------------------------------- */

/* What exists is never removed, as ssh does not: whether somebody still needs
 * it can be seen by whoever looks, not from here. */
static int
fail_path(struct listen_error *error, const struct forward_place *place,
    int cause)
{
	return cause == EADDRINUSE ? fail(error, place, "the path exists",
	    "remove it if nobody listens there any more, or choose another "
	    "path") :
	    fail(error, place, strerror(cause), "check the directory that it "
	    "is to be in, or choose another path");
}

static int
open_path(struct listeners *listeners, const struct forward *forward,
    struct listen_error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0), failed;
	struct listener *listener;
	struct stat status;
	mode_t mask;

	strcpy(address.sun_path, forward->from.path);
	if (fd < 0)
		return fail_path(error, &forward->from, errno);
	mask = umask(0177);
	failed = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (failed) {
		failed = errno;
		close(fd);
		return fail_path(error, &forward->from, failed);
	}
	listener = add(listeners, fd, forward);
	if (listener == NULL || lstat(forward->from.path, &status) != 0)
		return fail_path(error, &forward->from, errno);
	listener->at = forward->from;
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	return listen(fd, SOMAXCONN) == 0 ? 0 :
	    fail_path(error, &forward->from, errno);
}

/* --- addresses --------------------------------------------------------- */

static unsigned
port_of(const struct sockaddr *address)
{
	return ntohs(address->sa_family == AF_INET6 ?
	    ((const struct sockaddr_in6 *)(const void *)address)->sin6_port :
	    ((const struct sockaddr_in *)(const void *)address)->sin_port);
}

static int
bind_one(const struct addrinfo *info, unsigned port,
    struct sockaddr_storage *bound)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(*bound);
	int fd, one = 1, saved;

	memcpy(&address, info->ai_addr, info->ai_addrlen);
	if (info->ai_family == AF_INET6)
		((struct sockaddr_in6 *)&address)->sin6_port =
		    htons((uint16_t)port);
	else
		((struct sockaddr_in *)&address)->sin_port =
		    htons((uint16_t)port);
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    (info->ai_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    bind(fd, (struct sockaddr *)&address, info->ai_addrlen) == 0 &&
	    listen(fd, SOMAXCONN) == 0 &&
	    getsockname(fd, (struct sockaddr *)bound, &length) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void
name_of(struct forward_place *place, const struct sockaddr_storage *address)
{
	const struct sockaddr *plain = (const struct sockaddr *)address;

	getnameinfo(plain, sizeof(*address), place->host, sizeof(place->host),
	    NULL, 0, NI_NUMERICHOST);
	place->port = port_of(plain);
}

/* A resolver may name an address twice; it is free once only. */
static int
is_double(const struct addrinfo *list, const struct addrinfo *each)
{
	for (; list != each; list = list->ai_next)
		if (list->ai_addrlen == each->ai_addrlen &&
		    memcmp(list->ai_addr, each->ai_addr, each->ai_addrlen)
		    == 0)
			return 1;
	return 0;
}

/* All addresses of the list with one port. 0; else errno's value, and *at is
 * where it failed; nothing is left open. */
static int
bind_all(struct listeners *listeners, const struct forward *forward,
    const struct addrinfo *list, struct forward_place *at)
{
	unsigned port = forward->from.port;
	size_t before = listeners->count;
	const struct addrinfo *each;
	int cause = EADDRNOTAVAIL;

	*at = forward->from;
	for (each = list; each != NULL; each = each->ai_next) {
		struct sockaddr_storage bound = { 0 };
		struct listener *listener;
		int fd;

		if (is_double(list, each))
			continue;
		fd = bind_one(each, port, &bound);
		if (fd >= 0 && (listener = add(listeners, fd, forward)) !=
		    NULL) {
			name_of(&listener->at, &bound);
			port = listener->at.port;
			continue;
		}
		cause = errno;
		/* one family that this machine lacks is none that is busy */
		if (cause == EAFNOSUPPORT || cause == EADDRNOTAVAIL)
			continue;
		memcpy(&bound, each->ai_addr, each->ai_addrlen);
		name_of(at, &bound);
		at->port = port;
		while (listeners->count > before)
			close(listeners->list[--listeners->count].fd);
		return cause;
	}
	return listeners->count > before ? 0 : cause;
}

static int
fail_host(struct listen_error *error, const struct forward_place *place,
    int cause)
{
	const char *next = "choose another port or address";

	if (cause == EADDRINUSE)
		next = "choose another port, or end what has this one";
	else if (cause == EACCES)
		next = "ports below 1024 are root's: choose another";
	else if (cause == EADDRNOTAVAIL)
		next = "choose an address that this machine has: `ip address`";
	return fail(error, place, strerror(cause), next);
}

static int
open_host(struct listeners *listeners, const struct forward *forward,
    struct listen_error *error)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	const char *host = forward->from.host;
	int is_all = strcmp(host, "*") == 0;
	struct forward_place at;
	struct addrinfo *list;
	int cause, tries;

	if (is_all)
		hints.ai_flags = AI_PASSIVE;
	else if (host[0] != '\0')
		hints.ai_flags = 0;
	/* no name and not passive is the loopback of both families */
	cause = getaddrinfo(host[0] == '\0' || is_all ? NULL : host,
	    "0", &hints, &list);
	if (cause != 0)
		return fail(error, &forward->from, gai_strerror(cause),
		    "check the name, or put an address of this machine there");
	for (tries = 0; tries < PORT_TRIES; tries++) {
		cause = bind_all(listeners, forward, list, &at);
		if (cause != EADDRINUSE || forward->from.port != 0)
			break;
	}
	freeaddrinfo(list);
	return cause == 0 ? 0 : fail_host(error, &at, cause);
}

/* --- all --------------------------------------------------------------- */

int
listen_open(struct listeners *listeners, const struct forward *forward,
    struct listen_error *error)
{
	if (forward->from.is_path)
		return open_path(listeners, forward, error);
	return open_host(listeners, forward, error);
}

void
listen_close(struct listeners *listeners)
{
	while (listeners->count > 0) {
		struct listener *listener =
		    &listeners->list[--listeners->count];
		struct stat status;

		close(listener->fd);
		if (listener->at.is_path &&
		    lstat(listener->at.path, &status) == 0 &&
		    status.st_dev == listener->device &&
		    status.st_ino == listener->inode)
			unlink(listener->at.path);
	}
}

int
listen_accept(const struct listener *listener)
{
	/* not O_NONBLOCK: it is the agent's to choose, and waits for none */
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC), one = 1;

	if (fd >= 0 && !listener->at.is_path)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}
