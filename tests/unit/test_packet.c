/* SPDX-License-Identifier: ISC */
/* test_packet.c - short packets: batches, flips, key phases, limits */
#include "unit.h"

#include "core/packet.c"
#include "io/aead_ipsecmb.h"

#define SEGMENT_MAX 1500

static const enum packet_suite suites[] = { SUITE_AES_128_GCM,
    SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305 };

static struct sj__memory memory;
static struct sj__crypto *crypto;
static struct sj__protection us, them;

static void
join(struct sj__crypto *with, enum packet_suite suite)
{
	uint8_t one[32], two[32];

	memset(one, 0x11 + (int)suite, sizeof one);
	memset(two, 0x77 + (int)suite, sizeof two);
	assert_int_equal(sj__protection_init(&us, with, &memory, suite, one,
	    two), 0);
	assert_int_equal(sj__protection_init(&them, with, &memory, suite, two,
	    one), 0);
}

static void
part(void)
{
	sj__protection_fini(&us);
	sj__protection_fini(&them);
}

static int
set_up(void **state)
{
	(void)state;
	draw_state = 4711;
	sj__memory_init(&memory, 1 << 20);
	return sj__crypto_open(&crypto, &memory, NULL);
}

static int
tear_down(void **state)
{
	(void)state;
	sj__crypto_close(crypto, &memory);
	return memory.used == 0 ? 0 : -1;
}

/* Seals payload_length drawn bytes, masked if that is wanted. */
static void
seal(struct sj__protection *by, uint64_t number, uint8_t *packet,
    size_t payload_length, bool mask)
{
	memset(packet + 1, 0xa5, ID_SIZE);
	draw_bytes(packet + SHORT_HEADER_SIZE, payload_length);
	assert_int_equal(sj__packet_seal(by, number, packet, payload_length),
	    0);
	if (mask)
		sj__packet_mask(by, packet, 0, 1);
}

/* What is made of a masked packet; the packet itself is left alone. */
static int
open_copy(struct sj__protection *by, uint64_t expected, const uint8_t *packet,
    size_t length, uint64_t *number, bool *updated)
{
	uint8_t copy[SEGMENT_MAX];
	struct span payload;

	memcpy(copy, packet, length);
	sj__packet_unmask(by, copy, length, 1);
	return sj__packet_open(by, expected, copy, length, number, &payload,
	    updated);
}

/* us to them, one packet: 0 if it opens with its number. */
static int
pass_late(uint64_t number, uint64_t expected, bool *updated)
{
	uint8_t packet[64];
	uint64_t got;

	seal(&us, number, packet, 64 - SHORT_OVERHEAD, true);
	SJ_TRY(open_copy(&them, expected, packet, sizeof packet, &got,
	    updated));
	assert_int_equal(got, number);
	return 0;
}

static int
pass(uint64_t number, bool *updated)
{
	return pass_late(number, number, updated);
}

/* --- Batches ------------------------------------------------------------ */

static void
batch(size_t count, size_t segment, uint64_t first)
{
	static uint8_t packets[BURST_MAX * SEGMENT_MAX];
	static uint8_t plain[BURST_MAX * SEGMENT_MAX];
	size_t last = PACKET_MIN + draw(segment - PACKET_MIN + 1), length;
	unsigned changed = 0;

	for (size_t i = 0; i < count; i++) {
		uint8_t *packet = packets + i * segment;

		length = i + 1 < count ? segment : last;
		memset(packet + 1, (int)i, ID_SIZE);
		draw_bytes(packet + SHORT_HEADER_SIZE, length - SHORT_OVERHEAD);
		memcpy(plain + i * segment, packet, length);
		assert_int_equal(sj__packet_seal(&us, first + i, packet,
		    length - SHORT_OVERHEAD), 0);
		assert_int_equal(packet[0], 0);
		assert_int_equal(packet[SHORT_HEADER_SIZE - 1],
		    (first + i) & 0xff);
	}
	sj__packet_mask(&us, packets, segment, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(packets[i * segment] & FLAG_LONG, 0);
		assert_int_equal(packets[i * segment + 1], i);
		changed += packets[i * segment] != 0;
	}
	assert_true(count < 20 || changed > 0);
	sj__packet_unmask(&them, packets, segment, count);
	for (size_t i = 0; i < count; i++) {
		struct span payload;
		uint64_t number;
		bool updated = true;

		length = i + 1 < count ? segment : last;
		assert_int_equal(sj__packet_open(&them, first + i, packets +
		    i * segment, length, &number, &payload, &updated), 0);
		assert_int_equal(number, first + i);
		assert_false(updated);
		assert_int_equal(payload.length, length - SHORT_OVERHEAD);
		assert_memory_equal(payload.data, plain + i * segment +
		    SHORT_HEADER_SIZE, payload.length);
	}
}

static void
batches(void **state)
{
	static const uint64_t firsts[] = { 0, (1 << 24) - 7, (1 << 23) - 3,
	    (UINT64_C(1) << 40) - 30, (UINT64_C(1) << 62) - 100 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		join(crypto, suites[i]);
		for (size_t count = 1; count <= BURST_MAX; count++)
			batch(count, count % 7 == 0 ? PACKET_MIN :
			    PACKET_MIN + draw(SEGMENT_MAX - PACKET_MIN),
			    firsts[count % 5]);
		assert_int_equal(them.failed_opens, 0);
		part();
	}
}

/* Sections 2.2 and 3.3 of PROTOCOL.md, written a second time: labels, nonce,
 * associated data, sample and mask. */
static void
by_hand(struct sj__protection *by, const uint8_t secret[32], uint64_t number,
    uint8_t *packet, size_t length)
{
	const struct sj_aead *aead = by->aead;
	uint8_t key[32], iv[12], sample[1][16], mask[1][16];
	void *context = context_allocate(by);
	struct sj__header_key *header;

	assert_int_equal(sj__expand_label(crypto, secret, "key", no_context,
	    key, aead->key_size), 0);
	assert_int_equal(sj__expand_label(crypto, secret, "iv", no_context, iv,
	    12), 0);
	assert_int_equal(aead->init(aead, context, key), 0);
	packet[0] = 0;
	packet[9] = (uint8_t)(number >> 16);
	packet[10] = (uint8_t)(number >> 8);
	packet[11] = (uint8_t)number;
	for (unsigned i = 0; i < 8; i++)
		iv[11 - i] ^= (uint8_t)(number >> 8 * i);
	assert_int_equal(aead->seal(aead, context, iv, packet, 12, packet + 12,
	    length - 28, packet + length - 16), 0);
	assert_int_equal(sj__expand_label(crypto, secret, "hp", no_context,
	    key, aead->key_size), 0);
	assert_int_equal(sj__header_key_open(crypto, &memory, aead->name, key,
	    &header), 0);
	memcpy(sample[0], packet + 12, 16);
	sj__header_mask_batch(header, sample, mask, 1);
	packet[0] ^= mask[0][0] & 0x7f;
	for (unsigned i = 0; i < 3; i++)
		packet[9 + i] ^= mask[0][1 + i];
	sj__header_key_close(header, &memory);
	aead->fini(aead, context);
	context_free(by, context);
}

/* [SJ-PK-7] */
static void
like_by_hand(void **state)
{
	static uint8_t packets[BURST_MAX * 200], hand[BURST_MAX * 200];
	const uint64_t first = UINT64_C(0x123456789abcde);
	uint8_t secret[32];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		join(crypto, suites[i]);
		memset(secret, 0x11 + (int)suites[i], sizeof secret);
		draw_bytes(packets, sizeof packets);
		memcpy(hand, packets, sizeof hand);
		for (size_t j = 0; j < BURST_MAX; j++) {
			assert_int_equal(sj__packet_seal(&us, first + j,
			    packets + 200 * j, 200 - SHORT_OVERHEAD), 0);
			by_hand(&us, secret, first + j, hand + 200 * j, 200);
		}
		sj__packet_mask(&us, packets, 200, BURST_MAX);
		assert_memory_equal(packets, hand, sizeof hand);
		part();
	}
}

/* The same keys and bytes under another provider are the same packets. */
static void
providers_agree(void **state)
{
	struct sj__ipsecmb *ipsecmb = sj__ipsecmb_open();
	const struct sj_aead *const *faster = sj__ipsecmb_aeads(ipsecmb);
	static uint8_t one[BURST_MAX * 1200], two[BURST_MAX * 1200];
	struct sj__crypto *both;

	(void)state;
	if (faster == NULL)
		skip();
	assert_int_equal(sj__crypto_open(&both, &memory, faster), 0);
	for (size_t i = 0; i < 3; i++)
		for (unsigned phase = 0; phase < 2; phase++) {
			for (unsigned provider = 0; provider < 2; provider++) {
				uint8_t *packets = provider == 0 ? one : two;

				draw_state = 99;
				join(provider == 0 ? crypto : both, suites[i]);
				if (phase > 0)
					assert_int_equal(sj__protection_update(
					    &us, 0), 0);
				for (size_t j = 0; j < BURST_MAX; j++)
					seal(&us, 1000 * j, packets + 1200 * j,
					    12 + draw(1160), false);
				sj__packet_mask(&us, packets, 1200, BURST_MAX);
				part();
			}
			assert_memory_equal(one, two, sizeof one);
		}
	sj__crypto_close(both, &memory);
	sj__ipsecmb_close(ipsecmb);
}

/* --- Refusals ----------------------------------------------------------- */

/* Everything but the count of failures is as it was. */
static void
assert_unchanged(const struct sj__protection *before)
{
	struct sj__protection after = them;

	after.failed_opens = before->failed_opens;
	assert_memory_equal(&after, before, sizeof after);
}

static void
flips(enum packet_suite suite, bool after_update)
{
	uint8_t packet[96];
	struct sj__protection before;
	uint64_t number;
	bool updated;

	join(crypto, suite);
	assert_int_equal(pass(300, &updated), 0);
	if (after_update)
		assert_int_equal(sj__protection_update(&us, 301), 0);
	seal(&us, 301, packet, sizeof packet - SHORT_OVERHEAD, true);
	before = them;
	for (size_t bit = 0; bit < 8 * sizeof packet; bit++) {
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(open_copy(&them, 301, packet, sizeof packet,
		    &number, &updated), SJ_ERR_PROTOCOL);
		assert_false(updated);
		assert_unchanged(&before);
		assert_int_equal(them.failed_opens, bit + 1);
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* Shorter, too. */
	for (size_t length = PACKET_MIN; length < sizeof packet; length++)
		assert_int_equal(open_copy(&them, 301, packet, length, &number,
		    &updated), SJ_ERR_PROTOCOL);
	assert_unchanged(&before);
	assert_int_equal(open_copy(&them, 301, packet, sizeof packet, &number,
	    &updated), 0);
	assert_int_equal(number, 301);
	assert_int_equal(updated, after_update);
	part();
}

static void
every_flip(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		flips(suites[i], false);
		flips(suites[i], true);
	}
}

/* [SJ-PK-4] An authentic packet with another flag set. */
static void
reserved_flags(void **state)
{
	uint8_t packet[64], nonce[12];
	struct sj__protection before;
	struct span payload;
	uint64_t number;
	bool updated;

	(void)state;
	join(crypto, SUITE_AES_128_GCM);
	for (uint8_t flag = 0x02; flag < 0x80; flag = (uint8_t)(flag << 1)) {
		memset(packet, 0, sizeof packet);
		packet[0] = flag;
		make_nonce(us.send.iv, 0, nonce);
		assert_int_equal(us.aead->seal(us.aead, us.send.context, nonce,
		    packet, SHORT_HEADER_SIZE, packet + SHORT_HEADER_SIZE,
		    sizeof packet - SHORT_OVERHEAD,
		    packet + sizeof packet - TAG_SIZE), 0);
		before = them;
		assert_int_equal(sj__packet_open(&them, 0, packet,
		    sizeof packet, &number, &payload, &updated),
		    SJ_ERR_PROTOCOL);
		assert_unchanged(&before);
	}
	part();
}

/* A number further away than half of what three bytes tell apart. */
static void
numbers_far_away(void **state)
{
	const uint64_t half = 1 << 23;
	bool updated;

	(void)state;
	join(crypto, SUITE_CHACHA20_POLY1305);
	/* Below 0 there is nothing. */
	assert_int_equal(pass_late(half + 1, 0, &updated), 0);
	assert_int_equal(pass_late(11 * half, 10 * half, &updated), 0);
	assert_int_equal(pass_late(11 * half + 1, 10 * half, &updated),
	    SJ_ERR_PROTOCOL);
	assert_int_equal(pass_late(9 * half + 1, 10 * half, &updated), 0);
	assert_int_equal(pass_late(9 * half, 10 * half, &updated),
	    SJ_ERR_PROTOCOL);
	part();
}

/* --- Phases ------------------------------------------------------------- */

static void
both_ways(void **state)
{
	uint64_t number = 0;
	bool updated;

	(void)state;
	join(crypto, SUITE_AES_128_GCM);
	for (unsigned phase = 0; phase < 6; phase++) {
		uint8_t reply[64];
		uint64_t got;

		assert_int_equal(pass(number++, &updated), 0);
		assert_int_equal(updated, phase > 0);
		assert_int_equal(pass(number++, &updated), 0);
		assert_false(updated);
		if (phase > 0)
			assert_int_equal(sj__protection_update(&them, number),
			    0);
		seal(&them, number, reply, 30, true);
		assert_int_equal(open_copy(&us, number, reply,
		    30 + SHORT_OVERHEAD, &got, &updated), 0);
		assert_int_equal(updated, phase > 0);
		assert_int_equal(us.receive_phase, us.send_phase);
		assert_int_equal(them.receive_phase, us.send_phase);
		assert_int_equal(them.send_phase, us.send_phase);
		assert_int_equal(sj__protection_drop_previous(&us), 0);
		assert_int_equal(sj__protection_drop_previous(&them), 0);
		assert_int_equal(sj__protection_update(&us, number), 0);
	}
	part();
}

static void
previous_phase(void **state)
{
	uint8_t late[64], later[64], old[32];
	uint64_t number;
	bool updated;

	(void)state;
	join(crypto, SUITE_AES_256_GCM);
	assert_int_equal(pass(10, &updated), 0);
	seal(&us, 11, late, 64 - SHORT_OVERHEAD, true);
	seal(&us, 14, later, 64 - SHORT_OVERHEAD, true);
	assert_int_equal(sj__protection_update(&us, 12), 0);
	assert_int_equal(pass(13, &updated), 0);
	assert_true(updated);
	/* The previous phase, from before the change: fine, and no change. */
	assert_int_equal(open_copy(&them, 14, late, 64, &number, &updated), 0);
	assert_false(updated);
	assert_int_equal(number, 11);
	/* [SJ-KEY-6] Of the previous phase, but after the change. */
	assert_int_equal(open_copy(&them, 14, later, 64, &number, &updated),
	    SJ_ERR_STATE);
	assert_int_equal(them.failed_opens, 0);
	/* A lower number of the new phase moves the border down. */
	assert_int_equal(pass_late(12, 14, &updated), 0);
	assert_false(updated);
	assert_int_equal(them.phase_first_received, 12);
	/* [SJ-KEY-3] */
	memcpy(old, them.receive[0].secret, sizeof old);
	assert_int_equal(sj__protection_drop_previous(&them), 0);
	assert_memory_not_equal(old, them.receive[0].secret, sizeof old);
	assert_int_equal(open_copy(&them, 14, late, 64, &number, &updated),
	    SJ_ERR_PROTOCOL);
	assert_int_equal(them.failed_opens, 1);
	part();
}

/* Two changes at once: the second is of no use before the first is settled. */
static void
too_fast(void **state)
{
	bool updated;

	(void)state;
	join(crypto, SUITE_AES_128_GCM);
	assert_int_equal(sj__protection_update(&us, 0), 0);
	assert_int_equal(pass(0, &updated), 0);
	assert_true(updated);
	assert_int_equal(sj__protection_update(&us, 1), 0);
	assert_int_equal(pass(1, &updated), SJ_ERR_PROTOCOL);
	assert_int_equal(sj__protection_drop_previous(&them), 0);
	assert_int_equal(pass(2, &updated), 0);
	assert_true(updated);
	/* With nothing kept there is nothing to drop. */
	assert_int_equal(sj__protection_drop_previous(&them), 0);
	assert_int_equal(sj__protection_drop_previous(&them), 0);
	assert_int_equal(pass(3, &updated), 0);
	part();
}

/* [SJ-KEY-4], [SJ-KEY-5] */
static void
limits(void **state)
{
	uint8_t packet[64], copy[64];
	bool updated;

	(void)state;
	join(crypto, SUITE_AES_128_GCM);
	assert_int_equal(us.soft_limit, 1 << 22);
	assert_int_equal(us.hard_limit, 1 << 23);
	us.soft_limit = 4;
	us.hard_limit = 8;
	for (uint64_t i = 0; i < 8; i++) {
		assert_false(sj__protection_wants_update(&us));
		if (i == 5) {
			sj__protection_on_acked(&us, 3);
			assert_true(sj__protection_wants_update(&us));
			us.phase_confirmed = false;
		}
		assert_int_equal(pass(i, &updated), 0);
	}
	memset(packet, 7, sizeof packet);
	memcpy(copy, packet, sizeof copy);
	assert_int_equal(sj__packet_seal(&us, 8, packet, 20), SJ_ERR_LIMIT);
	assert_memory_equal(packet, copy, sizeof copy);
	sj__protection_on_acked(&us, 0);
	assert_true(sj__protection_wants_update(&us));
	us.previous_kept = true;
	assert_false(sj__protection_wants_update(&us));
	us.previous_kept = false;
	assert_int_equal(sj__protection_update(&us, 8), 0);
	/* An acknowledgement of the old phase confirms nothing. */
	sj__protection_on_acked(&us, 7);
	assert_false(us.phase_confirmed);
	for (uint64_t i = 8; i < 12; i++)
		assert_int_equal(pass(i, &updated), 0);
	sj__protection_on_acked(&us, 8);
	/* Not before the peer followed. */
	assert_false(sj__protection_wants_update(&us));
	us.receive_phase ^= 1;
	assert_true(sj__protection_wants_update(&us));
	part();
}

/* --- Phases under loss, delay and reordering ---------------------------- */

#define DELAY_MAX 20                    /* ticks on the way, at most */
#define TIMEOUT (2 * DELAY_MAX + 2)     /* the probe timeout of both */
#define FLYING_MAX 64

struct side {
	struct sj__protection *protection;
	uint64_t next, expected, acked;
	uint64_t drop_at, confirmed_at, updates;
	bool was_confirmed;
};
static struct flying {
	uint64_t at, number;
	int to;
	uint8_t packet[SHORT_OVERHEAD + 20];
} flying[FLYING_MAX];
static size_t in_flight;

static void
update(struct side *side)
{
	assert_int_equal(sj__protection_update(side->protection, side->next),
	    0);
	side->was_confirmed = false;
	side->updates++;
}

/* As the channel does, but that a new phase waits for three timeouts after the
 * last one was confirmed (RFC 9001 section 6.1). */
static void
side_sends(struct side *side, int to, uint64_t now)
{
	struct flying *packet = &flying[in_flight];

	if (in_flight == FLYING_MAX)
		return;
	if (sj__protection_wants_update(side->protection) &&
	    now >= side->confirmed_at + 3 * TIMEOUT)
		update(side);
	memset(packet->packet, 0, sizeof packet->packet);
	packet->number = side->next++;
	memcpy(packet->packet + SHORT_HEADER_SIZE, &side->expected, 8);
	assert_int_equal(sj__packet_seal(side->protection, packet->number,
	    packet->packet, 20), 0);
	sj__packet_mask(side->protection, packet->packet, 0, 1);
	packet->to = to;
	packet->at = now + 1 + draw(DELAY_MAX);
	in_flight += draw(10) > 0;      /* or it is lost */
}

static void
side_receives(struct side *side, struct flying *packet, uint64_t now)
{
	struct span payload;
	uint64_t number, acked;
	bool updated;

	sj__packet_unmask(side->protection, packet->packet, 0, 1);
	assert_int_equal(sj__packet_open(side->protection, side->expected,
	    packet->packet, sizeof packet->packet, &number, &payload,
	    &updated), 0);
	assert_int_equal(number, packet->number);
	side->expected = max_u64(side->expected, number + 1);
	if (updated) {
		side->drop_at = now + 3 * TIMEOUT;
		if (side->protection->send_phase !=
		    side->protection->receive_phase)
			update(side);
	}
	memcpy(&acked, payload.data, 8);
	if (acked > 0)
		sj__protection_on_acked(side->protection, acked - 1);
	if (side->protection->phase_confirmed && !side->was_confirmed) {
		side->was_confirmed = true;
		side->confirmed_at = now;
	}
}

/* Not one honest packet fails to open, however late or out of order; and both
 * ends are in step. */
static void
phases_for_long(uint64_t soft_limit, uint64_t updates)
{
	struct side sides[2] = { { .protection = &us },
	    { .protection = &them } };
	uint64_t now = 1;

	join(crypto, SUITE_AES_128_GCM);
	us.soft_limit = soft_limit;
	them.soft_limit = soft_limit * 2;
	in_flight = 0;
	for (; sides[0].updates < updates; now++) {
		for (int i = 0; i < 2; i++) {
			if (draw(2) == 0)
				side_sends(&sides[i], 1 - i, now);
			if (sides[i].drop_at == now)
				assert_int_equal(sj__protection_drop_previous(
				    sides[i].protection), 0);
		}
		for (size_t i = 0; i < in_flight; i++) {
			struct flying packet = flying[i];

			if (packet.at > now)
				continue;
			flying[i--] = flying[--in_flight];
			side_receives(&sides[packet.to], &packet, now);
		}
		assert_true(now < 500 * updates * (soft_limit + 1));
	}
	assert_int_equal(us.failed_opens + them.failed_opens, 0);
	assert_true(sides[1].updates + 1 >= updates);
	part();
}

static void
phases_all_the_time(void **state)
{
	static const uint64_t counts[] = { 1, 2, 3, 100 };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		phases_for_long(counts[i], 1500);
}

/* --- Keys --------------------------------------------------------------- */

static void
each_key_differs(void **state)
{
	(void)state;
	join(crypto, SUITE_AES_128_GCM);
	assert_memory_equal(us.send.iv, them.receive[0].iv, 12);
	assert_memory_not_equal(us.send.iv, us.receive[0].iv, 12);
	assert_memory_not_equal(us.receive[0].iv, us.receive[1].iv, 12);
	assert_memory_not_equal(us.receive[0].secret, us.receive[1].secret, 32);
	part();
	for (size_t i = 0; i < sizeof us; i++)
		assert_int_equal(((const uint8_t *)&us)[i], 0);
	sj__protection_fini(&us);
}

static void
no_memory(void **state)
{
	uint8_t secret[32] = { 1 };
	size_t used = memory.used;
	unsigned refused = 0;
	int error;

	(void)state;
	for (size_t limit = used;; limit += 64) {
		memory.limit = limit;
		error = sj__protection_init(&us, crypto, &memory,
		    SUITE_AES_128_GCM, secret, secret);
		if (error == 0)
			break;
		assert_int_equal(error, SJ_ERR_MEMORY);
		assert_int_equal(memory.used, used);
		refused++;
	}
	assert_true(refused > 4);
	/* A change that fails leaves the phase as it was. */
	memory.limit = memory.used;
	assert_int_equal(sj__protection_update(&us, 1), SJ_ERR_MEMORY);
	assert_int_equal(us.send_phase, 0);
	memory.limit = 1 << 20;
	sj__protection_fini(&us);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(batches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(like_by_hand, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(providers_agree, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(every_flip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reserved_flags, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(numbers_far_away, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(both_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(previous_phase, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(too_fast, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(phases_all_the_time, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(each_key_differs, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
