/* SPDX-License-Identifier: ISC */
/*
 * fuzz_long_packet.c - hello, answer, cookie, versions, refusal; the offer
 *
 * What decodes is encoded again: padding aside, the same bytes.
 */
#include "fuzz.h"
#include "core/wire.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[65536], offered[OFFER_SIZE];
	struct span datagram = { data, size };
	struct long_packet packet;
	struct offer offer;
	size_t length;

	if (sj__long_decode(datagram, &packet)) {
		MUST(packet.body.length <= size);
		if (packet.body.length > 0)
			MUST(packet.body.data >= data &&
			    packet.body.data + packet.body.length <=
			    data + size);
		datagram = packet.body;
	}
	if (datagram.data != data && packet.version == SJ__VERSION_1) {
		MUST(packet.offset + packet.body.length <= packet.total);
		length = sj__long_encode(&packet, out, sizeof out);
		MUST(length > 0 && length <= size);
		MUST(memcmp(out, data, length) == 0);
		MUST(sj__long_encode(&packet, out, length - 1) == 0);
	}
	if (sj__offer_decode(datagram, &offer)) {
		sj__offer_encode(&offer, offered);
		MUST(memcmp(offered, datagram.data, OFFER_SIZE) == 0);
	}
	return 0;
}
