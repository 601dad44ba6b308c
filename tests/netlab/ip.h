/* SPDX-License-Identifier: ISC */
/* ip.h - the two bits of an IPv4 or IPv6 packet that a link may change (RFC 3168) */
#ifndef NETLAB_IP_H
#define NETLAB_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Its sender understands marks: ECT(0), ECT(1), or CE already. */
bool ip_is_ect(const uint8_t *packet, size_t length);
/* To be called on what is ECT only. IPv4's header checksum stays right. */
void ip_mark(uint8_t *packet, size_t length);
/* What kernels say to their neighbours by themselves (multicast of the link, as
 * router solicitations and group reports are): no program sent it, and when it
 * comes is chance. */
bool ip_is_housekeeping(const uint8_t *packet, size_t length);

#endif
