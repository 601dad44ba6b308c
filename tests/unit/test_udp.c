/* SPDX-License-Identifier: ISC */
/* test_udp.c - bursts over loopback: with and without what the kernel has to
 * offer, the same bytes arrive */
#include <poll.h>

#include <errno.h>
#include <sys/socket.h>

#include "unit.h"

/* The system, or what is said of it here: errors, one a call, 0 for none. */
static const int *errors;
static unsigned calls;

static bool
next_error(void)
{
	calls++;
	if (errors == NULL || *errors == 0)
		return false;
	errno = *errors++;
	return true;
}

static ssize_t
test_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return next_error() ? -1 : sendmsg(fd, message, flags);
}

static int
test_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
    struct timespec *timeout)
{
	return next_error() ? -1 : recvmmsg(fd, messages, count, flags,
	    timeout);
}

#define sendmsg test_sendmsg
#define recvmmsg test_recvmmsg
#include "io/udp.c"
#undef sendmsg
#undef recvmmsg

#define BURST 65536

static char why[256];

/* Both on loopback, with a port of the system's choice; false: there is no
 * such family here. */
static bool
open_two(struct udp *a, struct udp *b, const char *listen)
{
	if (udp_open(a, listen, why, sizeof why) < 0)
		return false;
	assert_int_equal(udp_open(b, NULL, why, sizeof why), 0);
	assert_true(a->port != 0 && b->port != 0);
	return true;
}

static struct sj_path
path_to(const struct udp *to, const char *host)
{
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	assert_true(address_parse(host, 1, &path.remote));
	path.remote.port = to->port;
	return path;
}

static bool
wait_for(const struct udp *udp)
{
	struct pollfd wait = { .fd = udp->fd, .events = POLLIN };

	return poll(&wait, 1, 2000) == 1;
}

/* One burst there: every datagram comes, in order, with its mark. */
static void
burst(struct udp *from, struct udp *to, const struct sj_path *path,
    size_t segment, size_t count, size_t last, enum sj_ecn ecn)
{
	static uint8_t bytes[BURST];
	struct udp_received received[UDP_MESSAGES];
	struct sj_batch batch = { .bytes = bytes, .capacity = sizeof bytes,
	    .length = (count - 1) * segment + last, .segment_size = segment,
	    .path = *path, .ecn = (uint8_t)ecn };
	size_t at = 0;

	assert_true(batch.length <= sizeof bytes);
	draw_bytes(bytes, batch.length);
	assert_int_equal(udp_send(from, &batch), 1);
	while (at < batch.length) {
		int got;

		assert_true(wait_for(to));
		got = udp_receive(to, received);
		assert_true(got > 0);
		for (int i = 0; i < got; i++) {
			const struct udp_received *one = &received[i];

			assert_true(at + one->length <= batch.length);
			assert_memory_equal(one->bytes, bytes + at,
			    one->length);
			assert_int_equal(one->ecn, ecn);
			assert_int_equal(one->path.remote.port, from->port);
			/* A train is cut where it was. */
			if (one->length > segment)
				assert_int_equal(one->segment_size, segment);
			else
				assert_int_equal(one->segment_size,
				    one->length);
			assert_int_equal(at % segment, 0);
			if (to->has_local)
				assert_int_equal(one->path.local.port,
				    to->port);
			at += one->length;
		}
	}
	assert_int_equal(udp_receive(to, received), 0);
}

static void
bursts_of(const char *listen, const char *host, bool segment, bool gro)
{
	static const struct { size_t segment, count, last; } table[] = {
		{ 1200, 1, 1200 }, { 1200, 1, 40 }, { 1200, 2, 1200 },
		{ 1200, 54, 1200 }, { 1200, 54, 1 }, { 1452, 45, 1452 },
		{ 40, 64, 40 }, { 40, 64, 3 }, { 1472, 10, 700 },
		/* Together more than one send can take. */
		{ 1285, 51, 1285 }, { 40, 200, 40 },
	};
	static const enum sj_ecn marks[] = { SJ_ECN_NONE, SJ_ECN_ECT0,
	    SJ_ECN_ECT1, SJ_ECN_CE };
	struct udp server, client;
	struct sj_path path;
	int off = 0;

	if (!open_two(&server, &client, listen))
		return;
	client.has_segment &= segment;
	if (!gro)
		setsockopt(server.fd, IPPROTO_UDP, UDP_GRO, &off, sizeof off);
	path = path_to(&server, host);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		burst(&client, &server, &path, table[i].segment,
		    table[i].count, table[i].last, marks[i % 4]);
	for (unsigned i = 0; i < 30; i++) {
		size_t size = 40 + draw(1400);
		size_t count = 1 + draw(BURST / size < 64 ? BURST / size : 64);

		burst(&client, &server, &path, size, count, 1 + draw(size),
		    marks[draw(4)]);
	}
	udp_close(&server);
	udp_close(&client);
}

static void
bursts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bursts_of("127.0.0.1:0", "127.0.0.1", i & 1, i & 2);
		bursts_of("[::1]:0", "[::1]", i & 1, i & 2);
		bursts_of("[::]:0", "127.0.0.1", i & 1, i & 2);
		bursts_of("[::]:0", "[::1]", i & 1, i & 2);
	}
}

/* The answer leaves from the address that was asked. */
static void
local_address(void **state)
{
	struct udp server, client;
	struct udp_received received[UDP_MESSAGES];
	uint8_t bytes[100] = { 1 };
	struct sj_batch batch = { .bytes = bytes, .length = sizeof bytes,
	    .segment_size = sizeof bytes };

	(void)state;
	if (!open_two(&server, &client, "[::]:0"))
		skip();
	batch.path = path_to(&server, "127.0.0.77");
	assert_int_equal(udp_send(&client, &batch), 1);
	assert_true(wait_for(&server));
	assert_int_equal(udp_receive(&server, received), 1);
	assert_int_equal(received[0].path.local.ip[15], 77);
	batch.path = received[0].path;
	assert_int_equal(udp_send(&server, &batch), 1);
	assert_true(wait_for(&client));
	assert_int_equal(udp_receive(&client, received), 1);
	assert_int_equal(received[0].path.remote.ip[15], 77);
	assert_int_equal(received[0].path.remote.port, server.port);
	/* The same over IPv6. */
	batch.path = path_to(&server, "[::1]");
	assert_int_equal(udp_send(&client, &batch), 1);
	assert_true(wait_for(&server));
	assert_int_equal(udp_receive(&server, received), 1);
	assert_int_equal(received[0].path.local.ip[0], 0);
	assert_int_equal(received[0].path.local.ip[15], 1);
	batch.path = received[0].path;
	assert_int_equal(udp_send(&server, &batch), 1);
	assert_true(wait_for(&client));
	assert_int_equal(udp_receive(&client, received), 1);
	udp_close(&server);
	udp_close(&client);
}

/* --- Errors of the system ----------------------------------------------- */

static void
send_errors(void **state)
{
	static const struct {
		int errors[4];          /* of the first sends */
		int result;
		unsigned calls;
		bool has_segment;       /* afterwards */
		size_t arrives;         /* of ten packets */
		size_t refused;         /* bytes: too large for the interface */
	} table[] = {
		{ { 0 }, 1, 1, true, 10, 0 },
		{ { EAGAIN }, 0, 1, true, 0, 0 },
		{ { ENOBUFS }, 0, 1, true, 0, 0 },
		/* No segments after all: one by one, and none is lost. */
		{ { EIO }, 1, 11, false, 10, 0 },
		{ { EIO, EAGAIN }, 0, 2, false, 0, 0 },
		/* Segments that do not fit the mtu, before and since Linux
		 * 6.13: this burst one by one. */
		{ { EINVAL }, 1, 11, true, 10, 0 },
		{ { EMSGSIZE }, 1, 11, true, 10, 0 },
		{ { EMSGSIZE, EAGAIN }, 0, 2, true, 0, 0 },
		/* Anything else is loss. */
		{ { EPERM }, 1, 1, true, 0, 0 },
		{ { ENETUNREACH }, 1, 1, true, 0, 0 },
		/* One of the small ones goes in fragments, if it may. */
		{ { EIO, EMSGSIZE }, 1, 12, false, 10, 0 },
		{ { EIO, EMSGSIZE, EAGAIN }, 0, 3, false, 0, 0 },
		{ { EMSGSIZE, EMSGSIZE, EMSGSIZE }, 1, 12, true, 9, 100 },
	};
	struct udp server, client;
	uint8_t bytes[1000] = { 0 };
	struct sj_batch batch = { .bytes = bytes, .length = sizeof bytes,
	    .segment_size = 100 };

	(void)state;
	assert_true(open_two(&server, &client, "127.0.0.1:0"));
	if (!client.has_segment)
		skip();
	batch.path = path_to(&server, "127.0.0.1");
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct udp_received received[UDP_MESSAGES];
		size_t arrived = 0;
		int got;

		client.has_segment = true;
		errors = table[i].errors;
		calls = 0;
		assert_int_equal(udp_send(&client, &batch), table[i].result);
		errors = NULL;
		assert_int_equal(calls, table[i].calls);
		assert_int_equal(client.has_segment, table[i].has_segment);
		assert_int_equal(client.refused, table[i].refused);
		while (arrived < 100 * table[i].arrives) {
			assert_true(wait_for(&server));
			got = udp_receive(&server, received);
			for (int j = 0; j < got; j++)
				arrived += received[j].length;
		}
		assert_int_equal(arrived, 100 * table[i].arrives);
		assert_int_equal(udp_receive(&server, received), 0);
	}
	udp_close(&server);
	udp_close(&client);
}

/* [SJ-PA-10] What nobody on the way may cut: as large as the loopback takes, and
 * no system that knows better than the core. */
static void
whole_datagrams(void **state)
{
	static uint8_t bytes[65507];
	struct udp server, client;
	struct udp_received received[UDP_MESSAGES];
	struct sj_batch batch = { .bytes = bytes, .length = sizeof bytes,
	    .segment_size = sizeof bytes };
	int how = 0;
	socklen_t size = sizeof how;

	(void)state;
	assert_true(open_two(&server, &client, "127.0.0.1:0"));
	assert_int_equal(getsockopt(client.fd, IPPROTO_IP, IP_MTU_DISCOVER,
	    &how, &size), 0);
	assert_int_equal(how, IP_PMTUDISC_PROBE);
	batch.path = path_to(&server, "127.0.0.1");
	assert_int_equal(udp_send(&client, &batch), 1);
	assert_int_equal(client.refused, 0);
	assert_true(wait_for(&server));
	assert_int_equal(udp_receive(&server, received), 1);
	assert_int_equal(received[0].length, sizeof bytes);
	udp_close(&server);
	udp_close(&client);
}

static void
receive_errors(void **state)
{
	static const int harmless[] = { EAGAIN, EINTR, ECONNREFUSED,
	    EHOSTUNREACH, ENETUNREACH, 0 };
	static const int grave[] = { EBADF, ENOMEM, 0 };
	struct udp_received received[UDP_MESSAGES];
	struct udp udp;

	(void)state;
	assert_int_equal(udp_open(&udp, "127.0.0.1:0", why, sizeof why), 0);
	errors = harmless;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(udp_receive(&udp, received), 0);
	errors = grave;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(udp_receive(&udp, received), -1);
	errors = NULL;
	udp_close(&udp);
}

/* Nobody there: an error of an earlier send is no error of the socket. */
static void
nobody_there(void **state)
{
	struct udp server, client;
	struct udp_received received[UDP_MESSAGES];
	uint8_t bytes[100] = { 1 };
	struct sj_batch batch = { .bytes = bytes, .length = sizeof bytes,
	    .segment_size = sizeof bytes };

	(void)state;
	assert_true(open_two(&server, &client, "127.0.0.1:0"));
	batch.path = path_to(&server, "127.0.0.1");
	udp_close(&server);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(udp_send(&client, &batch), 1);
		assert_int_equal(udp_receive(&client, received), 0);
	}
	udp_close(&client);
	udp_close(&client);
}

static void
opens(void **state)
{
	static const char *const table[] = { "nonsense", "localhost:1", "",
	    "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "[::1", "1.2.3",
	    "127.0.0.1:" };
	struct udp one, two;
	char listen[64];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		assert_int_equal(udp_open(&one, table[i], why, sizeof why),
		    -1);
		assert_non_null(strstr(why, "not an address to listen on"));
		assert_int_equal(one.fd, -1);
	}
	/* Taken, or not ours: the system's words, with the address. */
	assert_int_equal(udp_open(&one, "127.0.0.1:0", why, sizeof why), 0);
	snprintf(listen, sizeof listen, "127.0.0.1:%u", one.port);
	assert_int_equal(udp_open(&two, listen, why, sizeof why), -1);
	assert_non_null(strstr(why, listen));
	assert_non_null(strstr(why, "in use"));
	udp_close(&one);
	assert_int_equal(udp_open(&two, "192.0.2.1:0", why, sizeof why), -1);
	assert_non_null(strstr(why, "192.0.2.1"));
}

static void
parse(void **state)
{
	static const struct {
		const char *text;
		bool good;
		const char *ip;
		uint16_t port;
	} table[] = {
		{ "192.0.2.1", true, "::ffff:192.0.2.1", 7531 },
		{ "192.0.2.1:80", true, "::ffff:192.0.2.1", 80 },
		{ "192.0.2.1:65535", true, "::ffff:192.0.2.1", 65535 },
		{ "192.0.2.1:0", true, "::ffff:192.0.2.1", 0 },
		{ "::1", true, "::1", 7531 },
		{ "[::1]", true, "::1", 7531 },
		{ "[::1]:80", true, "::1", 80 },
		{ "[2001:db8::1]:443", true, "2001:db8::1", 443 },
		{ "2001:db8::1", true, "2001:db8::1", 7531 },
		{ "::ffff:192.0.2.1", true, "::ffff:192.0.2.1", 7531 },
		{ "192.0.2.1:65536", false, NULL, 0 },
		{ "192.0.2.1:80x", false, NULL, 0 },
		{ "192.0.2.1:", false, NULL, 0 },
		{ "192.0.2.1:-80", false, NULL, 0 },
		{ "192.0.2.1: 80", false, NULL, 0 },
		{ "192.0.2.1:+80", false, NULL, 0 },
		{ "192.0.2", false, NULL, 0 }, { "192.0.2.256", false, NULL, 0 },
		{ "[::1", false, NULL, 0 }, { "[::1]x", false, NULL, 0 },
		{ "[::1]80", false, NULL, 0 }, { "[::1]:", false, NULL, 0 },
		{ "", false, NULL, 0 }, { ":80", false, NULL, 0 },
		{ "example.org", false, NULL, 0 },
		{ "example.org:80", false, NULL, 0 },
		{ "[192.0.2.1", false, NULL, 0 }, { ":", false, NULL, 0 },
	};
	struct sj_address address;
	char name[300];
	uint8_t ip[16];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (address_parse(table[i].text, 7531, &address) !=
		    table[i].good)
			fail_msg("%s", table[i].text);
		if (!table[i].good)
			continue;
		assert_int_equal(inet_pton(AF_INET6, table[i].ip, ip), 1);
		assert_memory_equal(address.ip, ip, 16);
		assert_int_equal(address.port, table[i].port);
		assert_int_equal(address.zero, 0);
		assert_int_equal(address.scope, 0);
	}
	memset(name, '1', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_false(address_parse(name, 1, &address));
}

static void
there_and_back(void **state)
{
	struct udp six = { .family = AF_INET6 }, four = { .family = AF_INET };
	struct sockaddr_storage name;
	struct sj_address address, back;

	(void)state;
	assert_true(address_parse("192.0.2.7:99", 1, &address));
	assert_int_equal(to_sockaddr(&six, &address, &name),
	    sizeof(struct sockaddr_in6));
	address_from_sockaddr(&name, &back);
	assert_memory_equal(&address, &back, sizeof back);
	assert_int_equal(to_sockaddr(&four, &address, &name),
	    sizeof(struct sockaddr_in));
	address_from_sockaddr(&name, &back);
	assert_memory_equal(&address, &back, sizeof back);
	/* The interface belongs to link-local addresses, and to no others. */
	assert_true(address_parse("[fe80::1]:99", 1, &address));
	address.scope = 3;
	to_sockaddr(&six, &address, &name);
	address_from_sockaddr(&name, &back);
	assert_memory_equal(&address, &back, sizeof back);
	assert_true(address_parse("[2001:db8::1]:99", 1, &address));
	to_sockaddr(&six, &address, &name);
	((struct sockaddr_in6 *)(void *)&name)->sin6_scope_id = 3;
	address_from_sockaddr(&name, &back);
	assert_int_equal(back.scope, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts),
		cmocka_unit_test(local_address),
		cmocka_unit_test(send_errors),
		cmocka_unit_test(whole_datagrams),
		cmocka_unit_test(receive_errors),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(opens),
		cmocka_unit_test(parse),
		cmocka_unit_test(there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
