/* SPDX-License-Identifier: ISC */
/*
 * udp.h - one UDP socket that moves bursts
 *
 * UDP_SEGMENT, UDP_GRO, ECN and the local address are used where the kernel
 * has them, each found out at run time.
 */
#ifndef SJ_IO_UDP_H
#define SJ_IO_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <sojourn_core.h>

#define UDP_MESSAGES 8                  /* in one recvmmsg */
#define UDP_MESSAGE_SIZE 65536

struct udp {
	int fd;
	int family;                     /* AF_INET6 as a rule */
	bool has_segment, has_gro, has_local;
	uint16_t port;
	uint8_t *buffer;                /* UDP_MESSAGES * UDP_MESSAGE_SIZE */
	int messages;                   /* to ask for next */
	size_t refused;                 /* datagrams of the last burst: too large for
	                                 * the interface; 0: none was */
};

/* What recvmmsg brought. */
struct udp_received {
	uint8_t *bytes;
	size_t length, segment_size;
	enum sj_ecn ecn;
	struct sj_path path;
};

/* Binds to "host:port", "[v6]:port", or to anything with NULL. A listening
 * socket takes note of local addresses. On failure -1, and why in error. */
int udp_open(struct udp *udp, const char *listen, char *error, size_t size);
void udp_close(struct udp *udp);
/* Up to UDP_MESSAGES; 0: nothing there; negative: the socket failed (errno). */
int udp_receive(struct udp *udp, struct udp_received *received);
/* 1: sent, or gone for a reason that loss recovery deals with; 0: the socket
 * is full, try again later. */
int udp_send(struct udp *udp, const struct sj_batch *batch);

/* "::ffff:a.b.c.d" and so on: both ways. */
void address_from_sockaddr(const struct sockaddr_storage *from,
    struct sj_address *to);
/* Reads "host:port" with numbers only; the default port if there is none.
 * false: it is a name, or nonsense. */
bool address_parse(const char *text, uint16_t default_port,
    struct sj_address *to);

#endif
