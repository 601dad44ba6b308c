/* SPDX-License-Identifier: ISC */
/* test_link.c - the model of a link against what a person would work out, with
 * time as a number */
#include "../unit/unit.h"

#include <math.h>

#include "ip.h"
#include "link.h"

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)
#define PACKETS_MAX 200000

static struct link_config plain = { .queue = { .mtu = 1500 } };

/* When what was numbered so was due; 0: it never came. */
static uint64_t due[PACKETS_MAX];
static bool marked[PACKETS_MAX];
static uint32_t came[PACKETS_MAX];   /* numbers, in the order they came in */
static size_t came_count;

static struct link_packet *
numbered(uint32_t number, size_t length)
{
	struct link_packet *packet = link_packet(length < sizeof number ?
	    sizeof number : length);

	packet->length = length;
	memcpy(packet->bytes, &number, sizeof number);
	return packet;
}

static void
take_all(struct link *link, uint64_t now_ns)
{
	struct link_packet *packet;
	uint32_t number;

	while ((packet = link_take(link, now_ns)) != NULL) {
		memcpy(&number, packet->bytes, sizeof number);
		assert_true(packet->due_ns <= now_ns);
		due[number] = packet->due_ns;
		marked[number] = packet->is_marked;
		came[came_count++] = number;
		free(packet);
	}
}

/* At each time the link names and at no other; what it gives is due then, unless
 * it had been due before it was asked. */
static void
take_on_time(struct link *link, uint64_t until_ns)
{
	uint64_t at_ns;
	size_t before;

	while ((at_ns = link_next_ns(link)) <= until_ns) {
		before = came_count;
		if (at_ns < link->now_ns) {
			take_all(link, link->now_ns);
			continue;
		}
		take_all(link, at_ns);
		for (; before < came_count; before++)
			assert_int_equal(due[came[before]], at_ns);
	}
}

static void
begin(struct link *link, const struct link_config *config)
{
	memset(due, 0, sizeof due);
	memset(marked, 0, sizeof marked);
	came_count = 0;
	link_init(link, config, S);
}

static void
finish(struct link *link)
{
	take_on_time(link, UINT64_MAX - 1);
	assert_int_equal(link_next_ns(link), UINT64_MAX);
	assert_int_equal(link->stats.packets_in + link->stats.duplicated,
	    link->stats.packets_out + link->stats.lost +
	    link->stats.vanished + link->queue.stats.full +
	    link->queue.stats.aqm_dropped);
	assert_int_equal(link->stats.packets_out, came_count);
	link_fini(link);
}

/* --- Rate and queue -------------------------------------------------------- */

/* Each busy period from its beginning, in whole bits, as if nothing were known
 * of the packet before. */
static void
rate_is_exact(void **state)
{
	static uint64_t expected[3000];
	struct link_config config = plain;
	unsigned __int128 bits = 0;
	uint64_t at_ns = S, busy_ns = 0, free_ns = 0;
	struct link link;

	(void)state;
	config.rate_bits_s = 7777777;
	config.delay_ns = 3 * MS;
	begin(&link, &config);
	for (uint32_t i = 0; i < 3000; i++) {
		size_t length = 1 + draw(1500);

		at_ns += draw(2 * MS);
		if (at_ns > free_ns) {
			busy_ns = at_ns;
			bits = 0;
		}
		bits += length * 8;
		free_ns = busy_ns + (uint64_t)(bits * S / config.rate_bits_s);
		expected[i] = free_ns + config.delay_ns;
		/* Asked on time, or long after. */
		if (draw(2) == 0)
			take_on_time(&link, at_ns);
		link_arrive(&link, at_ns, numbered(i, length));
	}
	finish(&link);
	for (uint32_t i = 0; i < 3000; i++)
		assert_int_equal(due[i], expected[i]);
}

/* What has begun to leave does not wait any more; the rest is added up. */
static void
full_queue(size_t bytes_max, size_t packets_max)
{
	static uint64_t starts[5000], lengths[5000];
	static bool passes[5000];
	struct link_config config = plain;
	uint64_t at_ns = S, free_ns = 0, full = 0;
	struct link link;

	config.rate_bits_s = 8000000; /* a byte a microsecond */
	config.queue.bytes_max = bytes_max;
	config.queue.packets_max = packets_max;
	begin(&link, &config);
	for (uint32_t i = 0; i < 5000; i++) {
		uint64_t bytes = 0, packets = 0;

		lengths[i] = 40 + draw(1461);
		at_ns += draw(1400000);
		for (uint32_t j = 0; j < i; j++)
			if (passes[j] && starts[j] > at_ns) {
				bytes += lengths[j];
				packets++;
			}
		passes[i] = (bytes_max == 0 ||
		    bytes + lengths[i] <= bytes_max) &&
		    (packets_max == 0 || packets < packets_max);
		if (passes[i]) {
			starts[i] = at_ns > free_ns ? at_ns : free_ns;
			free_ns = starts[i] + lengths[i] * 1000;
		} else {
			full++;
		}
		link_arrive(&link, at_ns, numbered(i, lengths[i]));
	}
	finish(&link);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(due[i], passes[i] ?
		    starts[i] + lengths[i] * 1000 : 0);
	assert_int_equal(link.queue.stats.full, full);
	assert_true(full > 50 && full < 2500);
}

static void
droptail_drops_what_finds_no_room(void **state)
{
	(void)state;
	full_queue(10000, 0);
	full_queue(0, 8);
	full_queue(9000, 10);
}

static void
queue_delay_is_counted(void **state)
{
	struct link_config config = plain;
	struct link link;

	(void)state;
	config.rate_bits_s = 12000000; /* 1,500 bytes: 1 ms */
	begin(&link, &config);
	for (uint32_t i = 0; i < 4; i++)
		link_arrive(&link, S, numbered(i, 1500));
	finish(&link);
	assert_int_equal(link.queue.stats.delay_max_ns, 3 * MS);
	assert_int_equal(link.queue.stats.delay_sum_ns, 6 * MS);
	assert_int_equal(link.queue.stats.taken, 4);
	assert_int_equal(link.queue.stats.bytes_max, 4500);
}

/* --- Traces ---------------------------------------------------------------- */

/* A pipe of 1,500 bytes an opportunity, filled byte by byte. */
static void
trace_carries_its_opportunities(void **state)
{
	static uint64_t arrivals[2000], lengths[2000], expected[2000];
	uint64_t times[] = { 0, 1 * MS, 1 * MS, 1 * MS, 4 * MS, 9 * MS,
		9 * MS };
	struct link_config config = plain;
	struct link link;
	uint64_t at_ns = S, left = 0;
	uint32_t head = 0;

	(void)state;
	config.trace = (struct link_trace){ times, 7 };
	config.delay_ns = 2 * MS;
	begin(&link, &config);
	for (uint32_t i = 0; i < 2000; i++) {
		at_ns += draw(2 * MS) + 1;
		arrivals[i] = at_ns;
		lengths[i] = draw(3) == 0 ? 1500 : 1 + draw(draw(2) == 0 ?
		    100 : 4000);
	}
	for (uint64_t k = 0; head < 2000; k++) {
		uint64_t time_ns = S + k / 7 * 9 * MS + times[k % 7];

		for (unsigned room = 1500; room > 0 && head < 2000 &&
		    arrivals[head] <= time_ns; room--) {
			if (left == 0)
				left = lengths[head];
			if (--left == 0)
				expected[head++] = time_ns + 2 * MS;
		}
	}
	for (uint32_t i = 0; i < 2000; i++) {
		if (draw(2) == 0)
			take_on_time(&link, arrivals[i]);
		link_arrive(&link, arrivals[i], numbered(i, lengths[i]));
	}
	finish(&link);
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(due[i], expected[i]);
}

/* --- Chance ---------------------------------------------------------------- */

/* So many packets at such a distance; due[] says which came. */
static struct link_stats
send_many(const struct link_config *config, uint32_t count,
    uint64_t distance_ns)
{
	struct link link;

	begin(&link, config);
	for (uint32_t i = 0; i < count; i++)
		link_arrive(&link, S + i * distance_ns, numbered(i, 100));
	finish(&link);
	return link.stats;
}

/* Five times the deviation of so many throws. */
static void
assert_share(uint64_t counted, double count, double chance)
{
	double deviation = sqrt(count * chance * (1 - chance));

	assert_true(fabs((double)counted - count * chance) < 5 * deviation);
}

static void
loss_follows_chance_and_seed_alone(void **state)
{
	static bool first[100000];
	struct link_config config = plain;
	unsigned differ = 0;

	(void)state;
	config.loss = 0.01;
	config.seed = 7;
	assert_share(send_many(&config, 100000, MS).lost, 100000, 0.01);
	for (uint32_t i = 0; i < 100000; i++)
		first[i] = due[i] != 0;
	/* The same packets, whenever they come and whatever else happens. */
	config.jitter_ns = 5 * MS;
	config.hold = 0.1;
	config.hold_ns = MS;
	config.rate_bits_s = 100000000;
	config.mark = 0.5;
	send_many(&config, 100000, 10000);
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(due[i] != 0, first[i]);
	config.seed = 8;
	send_many(&config, 100000, 10000);
	for (uint32_t i = 0; i < 100000; i++)
		differ += (due[i] != 0) != first[i];
	assert_true(differ > 1000);
}

static void
bursts_are_as_long_as_asked(void **state)
{
	struct link_config config = plain;
	struct link_stats stats;
	uint64_t bursts = 0;

	(void)state;
	config.burst_begin = 0.004;
	config.burst_end = 0.25;
	stats = send_many(&config, PACKETS_MAX, MS);
	for (uint32_t i = 1; i < PACKETS_MAX; i++)
		bursts += due[i] == 0 && due[i - 1] != 0;
	/* P/(P+R) of all is 1.57 %; mean length 4 */
	assert_true((double)stats.lost > PACKETS_MAX * 0.0157 * 0.85);
	assert_true((double)stats.lost < PACKETS_MAX * 0.0157 * 1.15);
	assert_true((double)stats.lost / (double)bursts > 3.6);
	assert_true((double)stats.lost / (double)bursts < 4.4);
}

static void
jitter_keeps_order_and_bounds(void **state)
{
	struct link_config config = plain;
	uint64_t least = UINT64_MAX, most = 0, sum = 0, extra;

	(void)state;
	config.delay_ns = 20 * MS;
	config.jitter_ns = 5 * MS;
	/* every 20 us for 4 s: 400 heights */
	assert_int_equal(send_many(&config, PACKETS_MAX, 20000).reordered, 0);
	for (uint32_t i = 0; i < PACKETS_MAX; i++) {
		assert_int_equal(came[i], i);
		assert_true(due[i] >= S + i * 20000u + 20 * MS);
		extra = due[i] - (S + i * 20000u) - 20 * MS;
		assert_true(extra <= 5 * MS);
		least = extra < least ? extra : least;
		most = extra > most ? extra : most;
		sum += extra;
	}
	assert_true(least < MS / 10 && most > 5 * MS - MS / 10);
	assert_true(sum / PACKETS_MAX > 2 * MS && sum / PACKETS_MAX < 3 * MS);
}

static void
held_back_is_overtaken(void **state)
{
	struct link_config config = plain;
	struct link_stats stats;
	uint64_t held = 0, late = 0;
	uint32_t highest = 0;

	(void)state;
	config.delay_ns = 10 * MS;
	config.hold = 0.02;
	config.hold_ns = 3 * MS + 5;
	stats = send_many(&config, 100000, MS);
	for (uint32_t i = 0; i < 100000; i++) {
		uint64_t usual_ns = S + i * MS + 10 * MS;

		assert_true(due[i] == usual_ns ||
		    due[i] == usual_ns + 3 * MS + 5);
		held += due[i] != usual_ns;
		late += came[i] < highest;
		highest = came[i] > highest ? came[i] : highest;
	}
	assert_share(held, 100000, 0.02);
	assert_int_equal(stats.reordered, late);
	assert_true(late > 1000);
}

static void
copies_follow_and_take_their_turn(void **state)
{
	struct link_config config = plain;
	struct link_packet *one, *two;
	struct link link;

	(void)state;
	config.duplicate = 1;
	config.rate_bits_s = 12000000;
	begin(&link, &config);
	one = numbered(1, 1500);
	memset(one->bytes + 4, 0x5a, 1496);
	link_arrive(&link, S, one);
	one = link_take(&link, S + MS);
	two = link_take(&link, S + 2 * MS);
	assert_non_null(one);
	assert_non_null(two);
	assert_int_equal(one->due_ns, S + MS);
	assert_int_equal(two->due_ns, S + 2 * MS);
	assert_int_equal(two->length, 1500);
	assert_memory_equal(one->bytes, two->bytes, 1500);
	assert_int_equal(link.stats.duplicated, 1);
	assert_int_equal(link.stats.reordered, 0);
	free(one);
	free(two);
	link_fini(&link);
	config.duplicate = 0.03;
	config.rate_bits_s = 0;
	assert_share(send_many(&config, 50000, MS).duplicated, 50000, 0.03);
}

static void
marks_only_who_understands(void **state)
{
	struct link_config config = plain;
	struct link_packet *packet;
	struct link link;
	uint64_t count = 0;

	(void)state;
	config.mark = 0.2;
	begin(&link, &config);
	for (uint32_t i = 0; i < 40000; i++) {
		packet = numbered(i, 100);
		packet->is_ect = i % 2 == 0;
		link_arrive(&link, S + i, packet);
	}
	finish(&link);
	for (uint32_t i = 0; i < 40000; i++) {
		assert_int_not_equal(due[i], 0);
		assert_false(marked[i] && i % 2 != 0);
		count += marked[i];
	}
	assert_share(count, 20000, 0.2);
	assert_int_equal(link.stats.marked, count);
}

static void
black_hole_takes_the_longer(void **state)
{
	struct link_config config = plain;
	struct link link;

	(void)state;
	config.length_max = 1300;
	begin(&link, &config);
	link_arrive(&link, S, numbered(1, 1300));
	link_arrive(&link, S, numbered(2, 1301));
	link_arrive(&link, S, numbered(3, 1));
	finish(&link);
	assert_int_equal(due[1], S);
	assert_int_equal(due[2], 0);
	assert_int_equal(due[3], S);
	assert_int_equal(link.stats.vanished, 1);
}

/* --- CoDel ----------------------------------------------------------------- */

struct codel {
	struct queue queue;
	uint64_t now_ns;             /* whole milliseconds */
	uint64_t acted_ms[1000];     /* when it dropped or marked */
	size_t acted;
	bool ect;
};

/* Milliseconds: each a packet is added that has waited for so long already, and
 * one taken out; `behind` more stay. */
static void
codel_stands(struct codel *codel, unsigned ms, uint64_t waited_ms,
    unsigned behind)
{
	struct queue *queue = &codel->queue;
	struct link_packet *packet;
	uint64_t before;

	for (; ms > 0; ms--, codel->now_ns += MS) {
		while (queue->packets < behind + 1) {
			packet = numbered(0, 1500);
			packet->is_ect = codel->ect;
			queue_put(queue, codel->now_ns - waited_ms * MS,
			    packet);
		}
		/* all have waited for as long */
		for (packet = queue->first; packet != NULL;
		    packet = packet->next)
			packet->arrived_ns = codel->now_ns - waited_ms * MS;
		before = queue->stats.aqm_dropped + queue->stats.aqm_marked;
		packet = queue_take(queue, codel->now_ns);
		for (uint64_t i = queue->stats.aqm_dropped +
		    queue->stats.aqm_marked - before; i > 0; i--)
			codel->acted_ms[codel->acted++] = codel->now_ns / MS;
		assert_int_equal(packet != NULL && packet->is_marked,
		    codel->ect && queue->config.ecn &&
		    codel->acted > 0 &&
		    codel->acted_ms[codel->acted - 1] == codel->now_ns / MS);
		free(packet);
	}
}

static void
codel_open(struct codel *codel, bool ecn, bool ect)
{
	struct queue_config config = { .codel = true, .ecn = ecn,
	    .mtu = 1500 };

	*codel = (struct codel){ .now_ns = S, .ect = ect };
	queue_init(&codel->queue, &config);
}

/* After 100 ms above 5 ms once, then after 100 ms / sqrt(n) more, each at the
 * first packet from then on. */
static void
assert_schedule(const struct codel *codel, size_t from, uint64_t begin_ms,
    unsigned count)
{
	double next_ms = (double)begin_ms;

	for (size_t i = from; i < codel->acted; i++, count++) {
		assert_int_equal(codel->acted_ms[i], (uint64_t)ceil(next_ms));
		next_ms += 100 / sqrt(count);
	}
}

static void
codel_drops_by_its_law(void **state)
{
	struct codel codel;

	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		/* drops; marks; drops who does not understand marks */
		codel_open(&codel, way > 0, way == 1);
		codel_stands(&codel, 1000, 6, 20);
		assert_schedule(&codel, 0, 1100, 1);
		/* 100, 200, 270.7, 328.4 ... below 1,000 */
		assert_int_equal(codel.acted, 27);
		assert_int_equal(codel.queue.stats.aqm_marked,
		    way == 1 ? 27 : 0);
		assert_int_equal(codel.queue.stats.aqm_dropped,
		    way == 1 ? 0 : 27);
		queue_fini(&codel.queue);
	}
}

static void
codel_lets_good_queues_be(void **state)
{
	struct codel codel;

	(void)state;
	codel_open(&codel, false, false);
	/* short waits; long ones of the last packet; long ones for 99 ms */
	codel_stands(&codel, 500, 4, 20);
	queue_fini(&codel.queue);
	codel_stands(&codel, 500, 50, 0);
	codel_stands(&codel, 99, 50, 20);
	codel_stands(&codel, 1, 4, 20);
	codel_stands(&codel, 99, 50, 20);
	assert_int_equal(codel.acted, 0);
	queue_fini(&codel.queue);
}

/* It stops when the queue is good, and goes on soon after where it was. */
static void
codel_remembers(void **state)
{
	struct codel codel;
	size_t first, count;
	uint64_t begin_ms;

	(void)state;
	codel_open(&codel, false, false);
	codel_stands(&codel, 1000, 6, 20);
	first = codel.acted;
	count = codel.queue.count;
	codel_stands(&codel, 300, 4, 20);
	assert_int_equal(codel.acted, first);
	begin_ms = codel.now_ns / MS + 100;
	codel_stands(&codel, 400, 6, 20);
	assert_true(codel.acted > first);
	assert_schedule(&codel, first, begin_ms, (unsigned)count - 1);
	/* Long after, it begins anew. */
	codel_stands(&codel, 2000, 4, 20);
	first = codel.acted;
	begin_ms = codel.now_ns / MS + 100;
	codel_stands(&codel, 400, 6, 20);
	assert_true(codel.acted > first);
	assert_schedule(&codel, first, begin_ms, 1);
	queue_fini(&codel.queue);
}

/* --- All together ---------------------------------------------------------- */

static uint64_t
soak(uint64_t seed, bool trace, bool on_time)
{
	uint64_t times[] = { 1 * MS, 1 * MS, 2 * MS, 6 * MS };
	struct link_config config = { .rate_bits_s = 6000000,
		.delay_ns = 20 * MS, .jitter_ns = 4 * MS, .loss = 0.01,
		.burst_begin = 0.001, .burst_end = 0.2, .duplicate = 0.01,
		.mark = 0.01, .hold = 0.01, .hold_ns = 6 * MS,
		.length_max = 1490, .seed = seed,
		.queue = { .bytes_max = 200000, .mtu = 1500, .codel = true,
			.ecn = true } };
	uint64_t at_ns = S, hash = 0;
	struct link link;

	if (trace)
		config.trace = (struct link_trace){ times, 4 };
	draw_state = 88172645463325252u;
	begin(&link, &config);
	for (uint32_t i = 0; i < 20000; i++) {
		struct link_packet *packet = numbered(i, 40 + draw(1461));

		packet->is_ect = draw(2) == 0;
		at_ns += draw(i / 4000 % 2 == 0 ? MS : 4 * MS);
		if (on_time)
			take_on_time(&link, at_ns);
		link_arrive(&link, at_ns, packet);
	}
	finish(&link);
	assert_true(link.stats.lost > 0 && link.stats.vanished > 0 &&
	    link.stats.duplicated > 0 && link.stats.marked > 0 &&
	    link.stats.reordered > 0 && link.queue.stats.full > 0 &&
	    link.queue.stats.aqm_dropped > 0 &&
	    link.queue.stats.aqm_marked > 0);
	for (size_t i = 0; i < came_count; i++)
		hash = (hash ^ came[i]) * UINT64_C(0x100000001b3);
	for (uint32_t i = 0; i < 20000; i++)
		hash = (hash ^ due[i] ^ marked[i]) *
		    UINT64_C(0x100000001b3);
	return hash;
}

static void
same_arrivals_same_fate(void **state)
{
	(void)state;
	for (unsigned trace = 0; trace < 2; trace++) {
		uint64_t hash = soak(5, trace, true);

		assert_int_equal(soak(5, trace, true), hash);
		assert_int_equal(soak(5, trace, false), hash);
		assert_int_not_equal(soak(6, trace, true), hash);
	}
}

/* --- Marks in headers ------------------------------------------------------ */

static uint16_t
checksum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		if (i != 10)
			sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
marks_change_two_bits_and_the_sum(void **state)
{
	uint8_t packet[60], before[60];

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		bool four = round % 2 == 0;
		unsigned ecn;

		draw_bytes(packet, sizeof packet);
		packet[0] = four ? 0x45 : (uint8_t)(0x60 | packet[0] % 16);
		packet[10] = (uint8_t)(checksum(packet) >> 8);
		packet[11] = (uint8_t)checksum(packet);
		ecn = (four ? packet[1] : packet[1] >> 4) % 4u;
		assert_int_equal(ip_is_ect(packet, sizeof packet), ecn != 0);
		memcpy(before, packet, sizeof packet);
		ip_mark(packet, sizeof packet);
		before[1] |= four ? 0x03 : 0x30;
		if (four) {
			before[10] = (uint8_t)(checksum(packet) >> 8);
			before[11] = (uint8_t)checksum(packet);
		}
		assert_memory_equal(packet, before, sizeof packet);
	}
}

static void
junk_is_no_packet(void **state)
{
	uint8_t packet[40];

	(void)state;
	memset(packet, 0xff, sizeof packet);
	assert_false(ip_is_ect(packet, sizeof packet));
	packet[0] = 0x45;
	assert_false(ip_is_ect(packet, 19));
	packet[0] = 0x60;
	assert_false(ip_is_ect(packet, 39));
	assert_false(ip_is_ect(packet, 0));
	assert_false(ip_is_housekeeping(packet, 39));
	packet[24] = 0xff;
	packet[25] = 0x02;
	assert_true(ip_is_housekeeping(packet, 40));
	packet[25] = 0x05;
	assert_false(ip_is_housekeeping(packet, 40));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_is_exact),
		cmocka_unit_test(droptail_drops_what_finds_no_room),
		cmocka_unit_test(queue_delay_is_counted),
		cmocka_unit_test(trace_carries_its_opportunities),
		cmocka_unit_test(loss_follows_chance_and_seed_alone),
		cmocka_unit_test(bursts_are_as_long_as_asked),
		cmocka_unit_test(jitter_keeps_order_and_bounds),
		cmocka_unit_test(held_back_is_overtaken),
		cmocka_unit_test(copies_follow_and_take_their_turn),
		cmocka_unit_test(marks_only_who_understands),
		cmocka_unit_test(black_hole_takes_the_longer),
		cmocka_unit_test(codel_drops_by_its_law),
		cmocka_unit_test(codel_lets_good_queues_be),
		cmocka_unit_test(codel_remembers),
		cmocka_unit_test(same_arrivals_same_fate),
		cmocka_unit_test(marks_change_two_bits_and_the_sum),
		cmocka_unit_test(junk_is_no_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
