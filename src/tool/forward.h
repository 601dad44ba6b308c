/* SPDX-License-Identifier: ISC */
/*
 * tool/forward.h - the words of -L and -W, and what the service "connect" says
 *
 * A stream to the service begins with a length (two bytes, big endian) and a
 * place: "tcp:HOST:PORT" (IPv6 in brackets) or "unix:PATH". Everything after
 * it goes to that place as it comes: nobody waits for an answer. What cannot
 * be connected is a reset with one of the codes below; there is no other
 * answer, so that bytes that are through need no look at them.
 */
#ifndef SOJOURN_TOOL_FORWARD_H
#define SOJOURN_TOOL_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include <sojourn.h>

#define FORWARD_SERVICE "connect"
#define FORWARD_HOST_MAX 256         /* with its NUL */
#define FORWARD_PATH_MAX 108         /* of struct sockaddr_un */
#define FORWARD_TEXT_MAX 272
#define FORWARD_HEAD_MAX (2 + FORWARD_TEXT_MAX)

enum forward_code {
	FORWARD_FORBIDDEN = SJ_RESET_APPLICATION, /* by the server's options */
	FORWARD_REFUSED,             /* nobody listens there */
	FORWARD_UNREACHABLE,
	FORWARD_NO_NAME,             /* the name has no address */
	FORWARD_TIMED_OUT,
	FORWARD_NO_SOCKET,           /* no such path, or not a socket */
	FORWARD_FAILED,              /* at the server, for another reason */
	FORWARD_NOT_A_PLACE          /* not understood */
};

struct forward_place {
	int is_path;
	unsigned port;               /* in host order */
	char host[FORWARD_HOST_MAX]; /* of a listener "": loopback, "*": all */
	char path[FORWARD_PATH_MAX];
};

struct forward {
	struct forward_place from, to;
};

/* [BIND:]PORT:HOST:PORT, [BIND:]PORT:PATH, PATH:HOST:PORT or PATH:PATH, as
 * ssh -L has them: what holds a '/' is a path, brackets keep colons together,
 * a backslash takes the next character as it is. 0, or SJ_ERR_ARGUMENT with
 * error filled. */
int forward_parse(struct forward *forward, const char *word, char *error,
    size_t capacity);
/* HOST:PORT or PATH: of -W. */
int forward_parse_place(struct forward_place *place, const char *word,
    char *error, size_t capacity);
/* A number or, in /etc/services, a name. 0: not a port. zero: 0 is one, and
 * *port is set. 1: it is a port. */
int forward_parse_port(const char *text, int zero, unsigned *port);

/* As it goes over the wire. */
void forward_format(const struct forward_place *place,
    char out[FORWARD_TEXT_MAX]);
/* The reverse, of what a peer sent. 0, or SJ_ERR_ARGUMENT. */
int forward_read(struct forward_place *place, const char *text);
/* The first bytes of a stream. Their number. */
size_t forward_head(const struct forward_place *place,
    uint8_t out[FORWARD_HEAD_MAX]);
/* "host:80", "[::1]:80" or the path. */
const char *forward_show(const struct forward_place *place, char *out,
    size_t capacity);

/* What a code means, and what to do; NULL: not one of these. */
const char *forward_cause(uint64_t code);
const char *forward_next(uint64_t code);

#endif
