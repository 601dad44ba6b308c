/* SPDX-License-Identifier: ISC */
/* udp.c - one UDP socket that moves bursts */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define SEGMENTS_MAX 64
#define SEND_MAX 65507                  /* bytes, over IPv4 */
#define SOCKET_BUFFER (4 << 20)
#define MAY_BE_CUT 1200                 /* every path has to carry that */

/* --- Addresses --------------------------------------------------------- */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

void
address_from_sockaddr(const struct sockaddr_storage *from, struct sj_address *to)
{
	const struct sockaddr_in6 *six = (const void *)from;
	const struct sockaddr_in *four = (const void *)from;

	memset(to, 0, sizeof *to);
	if (from->ss_family == AF_INET) {
		memcpy(to->ip, mapped, sizeof mapped);
		memcpy(to->ip + 12, &four->sin_addr, 4);
		to->port = ntohs(four->sin_port);
		return;
	}
	memcpy(to->ip, &six->sin6_addr, 16);
	to->port = ntohs(six->sin6_port);
	if (IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr))
		to->scope = six->sin6_scope_id;
}

static bool
is_mapped(const struct sj_address *address)
{
	return memcmp(address->ip, mapped, sizeof mapped) == 0;
}

static socklen_t
to_sockaddr(const struct udp *udp, const struct sj_address *from,
    struct sockaddr_storage *to)
{
	struct sockaddr_in6 *six = (void *)to;
	struct sockaddr_in *four = (void *)to;

	memset(to, 0, sizeof *to);
	if (udp->family == AF_INET) {
		four->sin_family = AF_INET;
		memcpy(&four->sin_addr, from->ip + 12, 4);
		four->sin_port = htons(from->port);
		return sizeof *four;
	}
	six->sin6_family = AF_INET6;
	memcpy(&six->sin6_addr, from->ip, 16);
	six->sin6_port = htons(from->port);
	six->sin6_scope_id = from->scope;
	return sizeof *six;
}

/* Splits "[v6]:port", "v4:port", "host:port"; false if it is too long. */
static bool
split(const char *text, char *host, size_t size, const char **port)
{
	const char *end = *text == '[' ? strchr(text, ']') : strrchr(text, ':');
	size_t length;

	*port = NULL;
	if (*text == '[') {
		if (end == NULL)
			return false;
		text++;
		if (end[1] == ':')
			*port = end + 2;
		else if (end[1] != '\0')
			return false;
	} else if (end != NULL && strchr(text, ':') == end) {
		*port = end + 1;
	} else {
		end = text + strlen(text);
	}
	length = (size_t)(end - text);
	if (length >= size)
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	return true;
}

bool
address_parse(const char *text, uint16_t default_port, struct sj_address *to)
{
	char host[128], *rest;
	const char *port;
	long number = default_port;

	memset(to, 0, sizeof *to);
	if (!split(text, host, sizeof host, &port))
		return false;
	if (port != NULL) {
		number = strtol(port, &rest, 10);
		if (*port < '0' || *port > '9' || *rest != '\0' ||
		    number > 65535)
			return false;
	}
	to->port = (uint16_t)number;
	if (inet_pton(AF_INET6, host, to->ip) == 1)
		return true;
	memcpy(to->ip, mapped, sizeof mapped);
	return inet_pton(AF_INET, host, to->ip + 12) == 1;
}

/* --- Open and close ---------------------------------------------------- */

static bool
set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static bool
enable(int fd, int level, int option)
{
	return set(fd, level, option, 1);
}

/* Nobody on the way may cut a datagram, and what the kernel thinks to know of the
 * way is not asked: the core finds out. [SJ-PA-10] */
static void
forbid_cuts(struct udp *udp, bool is_so)
{
	set(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, is_so ?
	    IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
	if (udp->family == AF_INET6)
		set(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, is_so ?
		    IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
}

static void
set_options(struct udp *udp, bool is_listening)
{
	int off = 0, size = SOCKET_BUFFER, probe;
	socklen_t length = sizeof probe;

	if (udp->family == AF_INET6)
		setsockopt(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	/* Privileged processes may exceed the system's limit; others get what
	 * it gives. */
	if (setsockopt(udp->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
	    sizeof size) < 0)
		setsockopt(udp->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (setsockopt(udp->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size,
	    sizeof size) < 0)
		setsockopt(udp->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	udp->has_gro = enable(udp->fd, IPPROTO_UDP, UDP_GRO);
	udp->has_segment = getsockopt(udp->fd, IPPROTO_UDP, UDP_SEGMENT, &probe,
	    &length) == 0;
	forbid_cuts(udp, true);
	/* On a socket of both families IPv4 needs its own options. */
	enable(udp->fd, IPPROTO_IP, IP_RECVTOS);
	if (udp->family == AF_INET6)
		enable(udp->fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
	if (!is_listening)
		return;
	enable(udp->fd, IPPROTO_IP, IP_PKTINFO);
	udp->has_local = udp->family == AF_INET6 ?
	    enable(udp->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) : true;
}

static int
bind_to(struct udp *udp, const struct sj_address *address)
{
	struct sockaddr_storage name;
	socklen_t length = to_sockaddr(udp, address, &name);
	struct sj_address bound;

	if (bind(udp->fd, (struct sockaddr *)&name, length) < 0)
		return -1;
	length = sizeof name;
	if (getsockname(udp->fd, (struct sockaddr *)&name, &length) < 0)
		return -1;
	address_from_sockaddr(&name, &bound);
	udp->port = bound.port;
	return 0;
}

int
udp_open(struct udp *udp, const char *listen, char *error, size_t size)
{
	struct sj_address address = { .port = 0 };

	memset(udp, 0, sizeof *udp);
	udp->fd = -1;
	if (listen != NULL && !address_parse(listen, SJ_PORT, &address)) {
		snprintf(error, size, "%s: not an address to listen on "
		    "(\"[::]:7531\", \"192.0.2.1:7531\")", listen);
		return -1;
	}
	udp->family = AF_INET6;
	udp->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (udp->fd < 0) {
		udp->family = AF_INET;
		udp->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
	}
	udp->buffer = malloc(UDP_MESSAGES * UDP_MESSAGE_SIZE);
	if (udp->fd >= 0 && udp->buffer != NULL) {
		set_options(udp, listen != NULL);
		if (bind_to(udp, &address) == 0)
			return 0;
	}
	snprintf(error, size, "udp %s: %s", listen != NULL ? listen : "socket",
	    strerror(errno));
	udp_close(udp);
	return -1;
}

void
udp_close(struct udp *udp)
{
	if (udp->fd >= 0)
		close(udp->fd);
	free(udp->buffer);
	udp->fd = -1;
	udp->buffer = NULL;
}

/* --- Receive ----------------------------------------------------------- */

#define CONTROL_SIZE 256
#define LONG_TRAIN 16384                /* bytes */
#define LONG_TRAINS 2

static void
read_control(const struct udp *udp, struct msghdr *message,
    struct udp_received *received)
{
	struct cmsghdr *control;
	int number;

	for (control = CMSG_FIRSTHDR(message); control != NULL;
	    control = CMSG_NXTHDR(message, control)) {
		const void *data = CMSG_DATA(control);
		int level = control->cmsg_level, type = control->cmsg_type;

		if (level == IPPROTO_UDP && type == UDP_GRO) {
			memcpy(&number, data, sizeof number);
			received->segment_size = (size_t)number;
		} else if (level == IPPROTO_IP && type == IP_TOS) {
			received->ecn = (enum sj_ecn)(*(const uint8_t *)data & 3);
		} else if (level == IPPROTO_IPV6 && type == IPV6_TCLASS) {
			memcpy(&number, data, sizeof number);
			received->ecn = (enum sj_ecn)(number & 3);
		} else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
			const struct in6_pktinfo *info = data;

			memcpy(received->path.local.ip, &info->ipi6_addr, 16);
			received->path.local.port = udp->port;
		} else if (level == IPPROTO_IP && type == IP_PKTINFO) {
			const struct in_pktinfo *info = data;

			memcpy(received->path.local.ip, mapped, sizeof mapped);
			memcpy(received->path.local.ip + 12, &info->ipi_addr, 4);
			received->path.local.port = udp->port;
		}
	}
}

int
udp_receive(struct udp *udp, struct udp_received *received)
{
	struct mmsghdr messages[UDP_MESSAGES];
	struct iovec vectors[UDP_MESSAGES];
	struct sockaddr_storage names[UDP_MESSAGES];
	_Alignas(struct cmsghdr) uint8_t controls[UDP_MESSAGES][CONTROL_SIZE];
	size_t bytes = 0;
	int count;

	memset(messages, 0, sizeof messages);
	for (int i = 0; i < UDP_MESSAGES; i++) {
		vectors[i].iov_base = udp->buffer + i * UDP_MESSAGE_SIZE;
		vectors[i].iov_len = UDP_MESSAGE_SIZE;
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &names[i];
		messages[i].msg_hdr.msg_namelen = sizeof names[i];
		messages[i].msg_hdr.msg_control = controls[i];
		messages[i].msg_hdr.msg_controllen = CONTROL_SIZE;
	}
	if (udp->messages == 0)
		udp->messages = UDP_MESSAGES;
	count = recvmmsg(udp->fd, messages, (unsigned)udp->messages,
	    MSG_DONTWAIT, NULL);
	if (count < 0)
		/* Errors of earlier sends (ICMP) come up here: not ours. */
		return errno == EAGAIN || errno == EINTR ||
		    errno == ECONNREFUSED || errno == EHOSTUNREACH ||
		    errno == ENETUNREACH ? 0 : -1;
	for (int i = 0; i < count; i++) {
		struct udp_received *one = &received[i];

		memset(one, 0, sizeof *one);
		one->bytes = vectors[i].iov_base;
		one->length = messages[i].msg_len;
		one->segment_size = messages[i].msg_len;
		one->path.transport = SJ_TRANSPORT_UDP;
		address_from_sockaddr(&names[i], &one->path.remote);
		read_control(udp, &messages[i].msg_hdr, one);
		bytes += one->length;
	}
	/* Of long trains no more than stays in the cache until they are used;
	 * of single datagrams as many as there are. */
	if (count > 0)
		udp->messages = bytes / (size_t)count > LONG_TRAIN ?
		    LONG_TRAINS : UDP_MESSAGES;
	return count;
}

/* --- Send -------------------------------------------------------------- */

static void
put_control(struct msghdr *message, int level, int type, const void *data,
    size_t length)
{
	struct cmsghdr *control = (void *)((uint8_t *)message->msg_control +
	    message->msg_controllen);

	control->cmsg_level = level;
	control->cmsg_type = type;
	control->cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(control), data, length);
	message->msg_controllen += CMSG_SPACE(length);
}

static void
put_local(const struct udp *udp, struct msghdr *message,
    const struct sj_path *path)
{
	struct in6_pktinfo six;
	struct in_pktinfo four;

	if (!udp->has_local || path->local.port == 0)
		return;
	if (is_mapped(&path->remote)) {
		memset(&four, 0, sizeof four);
		memcpy(&four.ipi_spec_dst, path->local.ip + 12, 4);
		put_control(message, IPPROTO_IP, IP_PKTINFO, &four, sizeof four);
		return;
	}
	memset(&six, 0, sizeof six);
	memcpy(&six.ipi6_addr, path->local.ip, 16);
	six.ipi6_ifindex = path->remote.scope;
	put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof six);
}

static void
put_ecn(struct msghdr *message, const struct sj_batch *batch)
{
	int mark = batch->ecn;

	if (mark == SJ_ECN_NONE)
		return;
	/* A mapped peer takes the IPv4 option, even on an IPv6 socket. */
	if (is_mapped(&batch->path.remote))
		put_control(message, IPPROTO_IP, IP_TOS, &mark, sizeof mark);
	else
		put_control(message, IPPROTO_IPV6, IPV6_TCLASS, &mark,
		    sizeof mark);
}

static ssize_t
send_piece(struct udp *udp, const struct sj_batch *batch, uint8_t *bytes,
    size_t length)
{
	_Alignas(struct cmsghdr) uint8_t controls[CONTROL_SIZE];
	struct sockaddr_storage name;
	struct iovec vector = { bytes, length };
	struct msghdr message = { .msg_name = &name, .msg_iov = &vector,
	    .msg_iovlen = 1, .msg_control = controls };
	uint16_t segment = (uint16_t)batch->segment_size;

	memset(controls, 0, sizeof controls);
	message.msg_namelen = to_sockaddr(udp, &batch->path.remote, &name);
	put_local(udp, &message, &batch->path);
	put_ecn(&message, batch);
	if (length > batch->segment_size)
		put_control(&message, IPPROTO_UDP, UDP_SEGMENT, &segment,
		    sizeof segment);
	if (message.msg_controllen == 0)
		message.msg_control = NULL;
	return sendmsg(udp->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* How much of a burst goes at once. */
static size_t
send_step(const struct udp *udp, size_t segment_size)
{
	size_t count = SEND_MAX / segment_size;

	if (!udp->has_segment || count == 0)
		count = 1;
	return (count < SEGMENTS_MAX ? count : SEGMENTS_MAX) * segment_size;
}

/* Where the interface takes less than every path has to, fragments are better
 * than nothing. */
static ssize_t
send_or_cut(struct udp *udp, const struct sj_batch *batch, uint8_t *bytes,
    size_t length)
{
	ssize_t sent = send_piece(udp, batch, bytes, length);
	int error;

	if (sent >= 0 || errno != EMSGSIZE || length > MAY_BE_CUT ||
	    length > batch->segment_size)
		return sent;
	forbid_cuts(udp, false);
	sent = send_piece(udp, batch, bytes, length);
	error = errno;
	forbid_cuts(udp, true);
	errno = error;
	return sent;
}

int
udp_send(struct udp *udp, const struct sj_batch *batch)
{
	size_t at = 0, step, length;
	uint8_t *bytes = batch->bytes;
	bool is_whole = true;           /* else a datagram at a time */

	udp->refused = 0;
	while (at < batch->length) {
		step = is_whole ? send_step(udp, batch->segment_size) :
		    batch->segment_size;
		length = batch->length - at < step ? batch->length - at : step;
		if (send_or_cut(udp, batch, bytes + at, length) < 0) {
			if (errno == EAGAIN || errno == ENOBUFS)
				return at > 0;  /* the rest counts as lost */
			/* The interface cannot, or segments of this size do
			 * not fit its mtu: one by one, to know which. */
			if (length > batch->segment_size &&
			    (errno == EIO || errno == EINVAL ||
			    errno == EMSGSIZE)) {
				udp->has_segment &= errno != EIO;
				is_whole = false;
				continue;
			}
			if (errno == EMSGSIZE)
				udp->refused = length;
		}
		at += length;
	}
	return 1;
}
