/* SPDX-License-Identifier: ISC */
/*
 * net.h - two network namespaces, each with a TUN device that we hold
 *
 * They have no name: they are there as long as a process is in them or a
 * descriptor leads there, so that nothing is left to clean up.
 */
#ifndef NETLAB_NET_H
#define NETLAB_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENT, SERVER, ENDS };

struct net_end {
	int namespace;               /* for setns() */
	int tun;                     /* one packet per read() and write() */
};

struct net {
	struct net_end ends[ENDS];
	bool in_user_namespace;      /* made because we are not root */
};

/* The process is in the server's network namespace afterwards. Ends it with 125
 * and says why where that cannot be. */
void net_open(struct net *net, size_t mtu);
/* How many packets the devices did not take from the kernel, because we were
 * too slow in reading. The process may be in another namespace afterwards. */
uint64_t net_overrun(const struct net_end *end);
/* Something listens on this TCP or UDP port, in the namespace the process is in. */
bool net_listens(unsigned port);

#endif
