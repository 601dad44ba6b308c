/* SPDX-License-Identifier: ISC */
/*
 * flip.c - a library that gets a byte wrong after it opened a packet
 *
 * Linked in front of packet.c (--wrap): of every EVERYth packet with bytes of
 * streams the last such byte is turned around. Whoever compares what came has to
 * notice; a bench that does not measures something else than a transport.
 */
#include "core/packet.h"
#include "core/wire.h"

#define EVERY 5

int __real_sj__packet_open(struct sj__protection *protection, uint64_t expected,
    uint8_t *packet, size_t length, uint64_t *number, struct span *payload,
    bool *updated);
int __wrap_sj__packet_open(struct sj__protection *protection, uint64_t expected,
    uint8_t *packet, size_t length, uint64_t *number, struct span *payload,
    bool *updated);

int
__wrap_sj__packet_open(struct sj__protection *protection, uint64_t expected,
    uint8_t *packet, size_t length, uint64_t *number, struct span *payload,
    bool *updated)
{
	static unsigned count;
	int error = __real_sj__packet_open(protection, expected, packet, length,
	    number, payload, updated);
	struct span data = { NULL, 0 };
	struct reader reader;
	struct frame frame;

	if (error < 0)
		return error;
	reader = reader_of(payload->data, payload->length);
	while (sj__frame_decode(&reader, &frame))
		if (frame_is_stream(frame.type) && frame.u.stream.data.length > 0)
			data = frame.u.stream.data;
	if (data.length > 0 && ++count % EVERY == 0)
		packet[data.data - packet + (ptrdiff_t)data.length - 1] ^= 1;
	return error;
}
