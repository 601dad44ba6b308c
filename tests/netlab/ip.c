/* SPDX-License-Identifier: ISC */
/* ip.c - see ip.h */
#include "ip.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define CE 3

static unsigned
version(const uint8_t *packet, size_t length)
{
	if (length >= IPV4_HEADER && packet[0] >> 4 == 4)
		return 4;
	return length >= IPV6_HEADER && packet[0] >> 4 == 6 ? 6 : 0;
}

bool
ip_is_ect(const uint8_t *packet, size_t length)
{
	switch (version(packet, length)) {
	case 4:
		return (packet[1] & CE) != 0;
	case 6:
		return (packet[1] >> 4 & CE) != 0;
	default:
		return false;
	}
}

/* RFC 1624, equation 3, for the first word: HC' = ~(~HC + ~m + m'). */
static void
set_tos(uint8_t *packet, uint8_t tos)
{
	uint32_t before = (uint32_t)packet[0] << 8 | packet[1];
	uint32_t after = (uint32_t)packet[0] << 8 | tos;
	uint32_t sum = (uint32_t)packet[10] << 8 | packet[11];

	sum = (~sum & 0xffff) + (~before & 0xffff) + after;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	packet[1] = tos;
	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
}

void
ip_mark(uint8_t *packet, size_t length)
{
	if (version(packet, length) == 4)
		set_tos(packet, packet[1] | CE);
	else if (version(packet, length) == 6)
		packet[1] |= CE << 4;
}

bool
ip_is_housekeeping(const uint8_t *packet, size_t length)
{
	switch (version(packet, length)) {
	case 4: /* 224.0.0.0/24 */
		return packet[16] == 224 && packet[17] == 0 && packet[18] == 0;
	case 6: /* ff02::/16 */
		return packet[24] == 0xff && packet[25] == 0x02;
	default:
		return false;
	}
}
