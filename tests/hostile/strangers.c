/* SPDX-License-Identifier: ISC */
/*
 * strangers.c - what those get who have proven nothing
 *
 * One server, and datagrams thrown at it: every case says what comes back, to
 * which address, and what the server keeps.
 */
#include "hostile.h"

#define MEMORY_OF_STRANGERS (4u << 20)

static struct world world;
static uint64_t seed = 1;
static uint16_t port = 4000;            /* of all addresses */

uint64_t
draw(struct world *unused, uint64_t below)
{
	(void)unused;
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return below == 0 ? 0 : (seed >> 33) % below;
}

bool
chance(struct world *unused, unsigned per_10000)
{
	(void)unused;
	(void)per_10000;
	return false;
}

void
fail(struct world *unused, const char *text)
{
	(void)unused;
	printf("%s\n", text);
	exit(1);
}

void
note(struct world *unused, const char *what, uint64_t a, uint64_t b)
{
	(void)unused;
	(void)what;
	(void)a;
	(void)b;
}

static void
check(bool holds, const char *text)
{
	if (!holds)
		fail(NULL, text);
}

/* --- A server, and clients to make hellos with ------------------------- */

static void
open_server(void)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

	memset(&world, 0, sizeof world);
	world.key_random = draw(NULL, UINT64_MAX); /* no two worlds alike */
	world.now.boot_ns = 1000 * NS_PER_S;
	world.now.unix_s = 1800000000;
	surround_init(&world);
	options.listen = "sim";
	options.host_key = &world.host_key;
	options.no_hybrid = 1;          /* hellos of one datagram, unless asked */
	check(sj__endpoint_create(&world.server, &options, &world.server_io,
	    NULL) == 0, "no server");
}

static void
log_in(const uint8_t *server_key)
{
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice", .server_key = server_key,
	    .options = SJ_LOGIN_OPTIONS };
	struct sj_session *session;

	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	check(sj_core_login(world.clients[0].endpoint, world.now, &login,
	    &session) == 0, "no login");
}

static void
open_client(size_t hello_least)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct client *client = &world.clients[0];

	client->world = &world;
	client->index = 1;
	client->io = world.server_io;
	client_signer(client);
	options.mechs = client->mechs;
	options.no_hybrid = 1;
	check(sj__endpoint_create(&client->endpoint, &options, &client->io,
	    NULL) == 0, "no client");
	client->endpoint->hello_least = hello_least;
	log_in(NULL);
}

static void
close_client(void)
{
	sj__endpoint_destroy(world.clients[0].endpoint);
	world.clients[0].endpoint = NULL;
}

static void
close_server(void)
{
	sj__endpoint_destroy(world.server);
	surround_fini(&world);
}

static struct sj_path
address(unsigned number)
{
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	path.remote.ip[12] = (uint8_t)(number >> 16);
	path.remote.ip[13] = (uint8_t)(number >> 8);
	path.remote.ip[14] = (uint8_t)number;
	path.remote.port = port;
	return path;
}

/* What the client says now: its hello, all datagrams. */
static size_t
take_hello(uint8_t *out, size_t capacity)
{
	struct sj_batch batch = { .bytes = out, .capacity = capacity };

	check(sj_core_transmit(world.clients[0].endpoint, world.now, &batch) ==
	    1, "the client says nothing");
	return batch.length;
}

/* One datagram to the server; how many bytes come back to that address. */
static size_t
throw_from(const uint8_t *bytes, size_t length, struct sj_path path,
    uint8_t *out)
{
	uint8_t copy[2048], buffer[65536];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	size_t back = 0;

	memcpy(copy, bytes, length);
	sj_core_receive(world.server, world.now, &path, SJ_ECN_NONE, copy,
	    length, length);
	while (sj_core_transmit(world.server, world.now, &batch)) {
		check(memcmp(&batch.path, &path, sizeof path) == 0,
		    "an answer to somebody else");
		if (out != NULL)
			memcpy(out, buffer, batch.length);
		back += batch.length;
	}
	return back;
}

static size_t
throw(const uint8_t *bytes, size_t length, unsigned from, uint8_t *out)
{
	return throw_from(bytes, length, address(from), out);
}

static uint64_t
memory(void)
{
	struct sj_endpoint_stats stats = { .size = sizeof stats };

	sj_endpoint_stats(world.server, &stats);
	return stats.memory;
}

/* What strangers send between two datagrams of the client: beginnings of hellos,
 * from many addresses. */
static unsigned crowd;
static uint8_t crowd_hello[8192];

static void
let_crowd_in(void)
{
	uint8_t copy[HELLO_SIZE];
	struct sj_path path;

	for (unsigned i = 0; i < crowd; i++) {
		uint64_t id = draw(NULL, UINT64_MAX);

		memcpy(copy, crowd_hello, sizeof copy);
		memcpy(copy + 5, &id, sizeof id);
		path = address(1000 + (unsigned)draw(NULL, 100000));
		sj_core_receive(world.server, world.now, &path, SJ_ECN_NONE,
		    copy, sizeof copy, sizeof copy);
	}
}

/* Client and server talk; whether the login is done in the end. */
static bool
converse(unsigned from)
{
	uint8_t buffer[65536];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	struct sj_path up = address(from), down = { .transport =
	    SJ_TRANSPORT_UDP, .remote.port = SJ_PORT };
	struct sj_endpoint *client = world.clients[0].endpoint;
	struct sj_event event;
	bool started = false;

	for (int i = 0; i < 200 && !started; i++) {
		while (sj_core_transmit(client, world.now, &batch))
			for (size_t at = 0; at < batch.length;
			    at += batch.segment_size) {
				size_t left = batch.length - at;

				sj_core_receive(world.server, world.now, &up,
				    SJ_ECN_NONE, buffer + at,
				    min_size(left, batch.segment_size),
				    batch.segment_size);
				let_crowd_in();
			}
		while (sj_core_event(world.server, world.now, &event))
			if (event.type == SJ_EV_LOGIN)
				check(sj_login_accept(event.session, NULL) == 0,
				    "not accepted");
		while (sj_core_transmit(world.server, world.now, &batch))
			if (memcmp(&batch.path, &up, sizeof up) == 0)
				sj_core_receive(client, world.now, &down,
				    SJ_ECN_NONE, buffer, batch.length,
				    batch.segment_size);
		while (sj_core_event(client, world.now, &event)) {
			started |= event.type == SJ_EV_STARTED;
			if (event.type == SJ_EV_ENDED)
				return false;
		}
		world.now.boot_ns += 10 * NS_PER_MS;
	}
	return started;
}

/* --- Cases ------------------------------------------------------------- */

static void
silence_to_junk(void)
{
	uint8_t junk[2000], hello[8192];

	open_server();
	for (int i = 0; i < 20000; i++) {
		size_t length = 1 + (size_t)draw(NULL, sizeof junk);

		for (size_t j = 0; j < length; j += 1 + length / 64)
			junk[j] = (uint8_t)draw(NULL, 256);
		junk[0] &= 0x7f;        /* long ones may be of other versions */
		check(throw(junk, length, 1, NULL) == 0, "junk is answered");
	}
	open_client(0);
	check(take_hello(hello, sizeof hello) == HELLO_SIZE, "not one datagram");
	for (size_t cut = 1; cut < HELLO_SIZE; cut += 7)
		check(throw(hello, cut, 1, NULL) == 0,
		    "a hello that was cut is answered");
	/* Every other kind of long packet, as large as a hello. */
	for (unsigned type = 1; type < 8; type++) {
		hello[0] = (uint8_t)(FLAG_LONG | type << 4);
		check(throw(hello, HELLO_SIZE, 1, NULL) == 0,
		    "a long packet that is no hello is answered");
	}
	check(world.server->half_open == 0, "half-open without a hello");
	close_client();
	close_server();
}

/* [SJ-VN-1] [SJ-VN-2] [SJ-PK-3] */
static void
versions(void)
{
	uint8_t hello[8192], answer[65536] = { 0 }, again[65536] = { 0 };
	struct sj_path down = { .transport = SJ_TRANSPORT_UDP,
	    .remote.port = SJ_PORT };
	struct sj_event event;
	size_t length;

	open_server();
	open_client(0);
	take_hello(hello, sizeof hello);
	hello[1] ^= 0x40;
	check(throw(hello, HELLO_SIZE - 1, 1, NULL) == 0,
	    "an unknown version in a small datagram is answered");
	memset(hello + LONG_HEADER_SIZE, 0xff, HELLO_SIZE - LONG_HEADER_SIZE);
	length = throw(hello, HELLO_SIZE, 1, answer);
	check(length == LONG_HEADER_SIZE + 8 || length == PACKET_MIN,
	    "no list of versions");
	check((answer[0] & FLAG_LONG) && memcmp(answer + 1, "\0\0\0\0", 4) == 0,
	    "not a list of versions");
	check(memcmp(answer + 5, hello + 13, 8) == 0 &&
	    memcmp(answer + 13, hello + 5, 8) == 0, "ids are not swapped");
	check(memcmp(answer + 25, "\x53\x6a\0\1", 4) == 0 &&
	    (answer[21] & 15) == 10, "not ours and one that nobody has");
	check(throw(hello, HELLO_SIZE, 1, again) == length &&
	    memcmp(answer + 21, again + 21, 4) != 0,
	    "the version that nobody has is always the same");
	/* Ours is on the list: a forgery, nothing happens. */
	sj_core_receive(world.clients[0].endpoint, world.now, &down,
	    SJ_ECN_NONE, answer, length, length);
	check(!sj_core_event(world.clients[0].endpoint, world.now, &event),
	    "a client believes a forged list");
	answer[28] ^= 1;
	answer[13] ^= 1;        /* not our id: from who has not seen the hello */
	sj_core_receive(world.clients[0].endpoint, world.now, &down,
	    SJ_ECN_NONE, answer, length, length);
	check(!sj_core_event(world.clients[0].endpoint, world.now, &event),
	    "a client believes a blind guess");
	answer[13] ^= 1;
	sj_core_receive(world.clients[0].endpoint, world.now, &down,
	    SJ_ECN_NONE, answer, length, length);
	check(sj_core_event(world.clients[0].endpoint, world.now, &event) &&
	    event.type == SJ_EV_ENDED && event.error == SJ_ERR_VERSION,
	    "no version in common is not said");
	close_client();
	close_server();
}

/* [SJ-HS-11] */
static void
cookies(void)
{
	uint8_t hello[8192], answer[65536];
	struct sj_path other = address(1);
	const size_t at = LONG_HEADER_SIZE + 1;

	open_server();
	world.server->cookie_from = 0;
	open_client(0);
	take_hello(hello, sizeof hello);
	check(throw(hello, HELLO_SIZE, 1, answer) == PACKET_MIN,
	    "no cookie under load");
	check(world.server->half_open == 0, "state without a cookie");
	memcpy(hello + at, answer + LONG_HEADER_SIZE, COOKIE_SIZE);
	check(throw(hello, HELLO_SIZE, 2, NULL) == PACKET_MIN,
	    "a cookie is good elsewhere");
	other.remote.port++;
	check(throw_from(hello, HELLO_SIZE, other, NULL) == PACKET_MIN,
	    "a cookie is good for another port");
	hello[HELLO_SIZE - 1] ^= 1;
	check(throw(hello, HELLO_SIZE, 1, NULL) == 0,
	    "a cookie is good for a changed hello");
	hello[HELLO_SIZE - 1] ^= 1;
	hello[at + COOKIE_SIZE] ^= 1;
	check(throw(hello, HELLO_SIZE, 1, NULL) == PACKET_MIN,
	    "a cookie is good for another hello");
	hello[at + COOKIE_SIZE] ^= 1;
	world.now.boot_ns += 180 * NS_PER_S;
	check(throw(hello, HELLO_SIZE, 1, answer) == PACKET_MIN,
	    "an old cookie is good");
	memcpy(hello + at, answer + LONG_HEADER_SIZE, COOKIE_SIZE);
	world.now.boot_ns += 59 * NS_PER_S;
	check(throw(hello, HELLO_SIZE, 1, NULL) > PACKET_MIN &&
	    world.server->half_open == 1, "a good cookie is refused");
	close_client();
	close_server();
}

/* [SJ-HS-7] Hellos from a hundred thousand addresses, whole ones and first
 * fragments, with cookies asked for or not: an honest client still gets in. */
static void
flood(size_t hello_least, size_t cookie_from, unsigned count)
{
	uint8_t hello[8192];
	uint64_t before;

	open_server();
	world.server->cookie_from = cookie_from;
	before = memory();
	open_client(hello_least);
	take_hello(hello, sizeof hello);
	for (unsigned i = 0; i < count; i++) {
		uint64_t id = draw(NULL, UINT64_MAX);

		memcpy(hello + 5, &id, 8);
		check(throw(hello, HELLO_SIZE, 10 + i, NULL) <= HELLO_SIZE,
		    "more comes back than was sent");
		world.now.boot_ns += NS_PER_S / 100000;
	}
	close_client();
	check(world.server->half_open <= HALF_OPEN_MAX &&
	    memory() < before + MEMORY_OF_STRANGERS,
	    "strangers take too much memory");
	open_client(hello_least);
	check(converse(5), "an honest client does not get in");
	close_client();
	close_server();
}

/* [SJ-HS-11] More beginnings of hellos come between the client's two datagrams
 * than are kept: what makes room for it is a cookie. */
static void
crowded(void)
{
	uint8_t hello[8192];

	open_server();
	world.server->cookie_from = SIZE_MAX;
	open_client(1300);
	take_hello(crowd_hello, sizeof crowd_hello);
	close_client();
	open_client(1300);
	crowd = 3 * HELLOS_ASSEMBLED_MAX;
	let_crowd_in();
	check(converse(5), "a crowd keeps an honest client out");
	check(world.server->counters[COUNT_COOKIES] > 0, "no cookie was asked");
	crowd = 0;
	(void)converse(5);              /* what the server still has to say */
	/* A second later it is nobody's load any more. */
	close_client();
	world.now.boot_ns += NS_PER_S;
	world.server->counters[COUNT_COOKIES] = 0;
	open_client(1300);
	take_hello(hello, sizeof hello);
	check(throw(hello, HELLO_SIZE, 6, NULL) == 0 &&
	    world.server->counters[COUNT_COOKIES] == 0, "a crowd that left");
	close_client();
	close_server();
}

/* [SJ-HS-12] [SJ-HS-13] [SJ-HS-6] Hellos and answers as large as chains of
 * certificates make them, with cookies and without: the login is done, and at no
 * moment has more gone to the client than came from it, until its address is
 * proven. */
static void
large_messages(void)
{
	static const size_t sizes[] = { 0, 1300, 4000 };
	static uint8_t buffer[65536];
	struct sj_path up = address(5), down = { .transport =
	    SJ_TRANSPORT_UDP, .remote.port = SJ_PORT };
	struct sj_endpoint *client;

	for (unsigned i = 0; i < 18; i++) {
		size_t sent = 0, back = 0;
		bool is_proven = false;

		open_server();
		world.server->cookie_from = i / 9 > 0 ? 0 : SIZE_MAX;
		world.server->answer_filler = sizes[i / 3 % 3];
		open_client(sizes[i % 3]);
		client = world.clients[0].endpoint;
		for (int turn = 0; turn < 30 && !is_proven; turn++) {
			struct sj_batch batch = { .bytes = buffer,
			    .capacity = sizeof buffer };

			while (sj_core_transmit(client, world.now, &batch)) {
				sent += batch.length;
				is_proven |= !(buffer[0] & FLAG_LONG);
				sj_core_receive(world.server, world.now, &up,
				    SJ_ECN_NONE, buffer, batch.length,
				    batch.segment_size);
			}
			while (!is_proven && sj_core_transmit(world.server,
			    world.now, &batch)) {
				back += batch.length;
				/* a cookie that came back is a proof */
				check(back <= sent || (i / 9 > 0 && turn > 0),
				    "more than came");
				sj_core_receive(client, world.now, &down,
				    SJ_ECN_NONE, buffer, batch.length,
				    batch.segment_size);
			}
			world.now.boot_ns += 10 * NS_PER_MS;
		}
		check(is_proven && back > world.server->answer_filler,
		    "a large handshake is not done");
		check(converse(5), "no login after a large handshake");
		close_client();
		close_server();
	}
}

/* How many cookies a login from there takes, and whether the server's key is
 * known to the client. */
static uint64_t
cookies_of_login(unsigned from, bool key_is_known)
{
	uint64_t before = world.server->counters[COUNT_COOKIES];

	log_in(key_is_known ? world.host_key.public_key : NULL);
	check(converse(from), "no login");
	return world.server->counters[COUNT_COOKIES] - before;
}

/* [SJ-HS-32] What the server gave in one channel spares the cookie of the next,
 * once, from the same address, for a day. */
static void
tokens(void)
{
	unsigned count = 0;

	open_server();
	world.server->cookie_from = 0;
	open_client(0);
	check(converse(5), "no first login");
	check(world.server->counters[COUNT_COOKIES] == 1, "without a cookie");
	check(cookies_of_login(5, true) == 0, "a token is worth nothing");
	check(cookies_of_login(5, true) == 0, "a login by token gives no token");
	check(cookies_of_login(6, true) == 1, "a token is good elsewhere");
	world.now.boot_ns += 23 * 3600 * NS_PER_S;
	check(cookies_of_login(6, true) == 0, "a token lasts less than a day");
	world.now.boot_ns += 26 * 3600 * NS_PER_S;
	check(cookies_of_login(6, true) == 1, "a token lasts more than a day");
	/* Who does not know the server has none of it, or asks another. */
	check(cookies_of_login(6, false) == 1, "a token for anybody");
	for (int i = 0; i < TOKENS_KEPT_MAX; i++) {
		struct kept_token *kept =
		    &world.clients[0].endpoint->tokens[i];

		kept->token[3] ^= 1;
		count += kept->is_there;
	}
	check(count == 1, "more than one token of a server");
	check(cookies_of_login(6, true) == 1, "a changed token is good");
	close_client();
	close_server();
}

/* [SJ-HS-32] It is the address that counts: a NAT gives another port. */
static void
token_from_another_port(void)
{
	open_server();
	world.server->cookie_from = 0;
	open_client(0);
	check(converse(5), "no first login");
	port++;
	check(cookies_of_login(5, true) == 0, "a token is good for a port");
	port--;
	close_client();
	close_server();
}

/* The hello that the client says now, behind what else it has to say. */
static void
next_hello(const uint8_t *server_key, uint8_t hello[8192])
{
	log_in(server_key);
	do
		take_hello(hello, 8192);
	while (!(hello[0] & FLAG_LONG));
}

/* [SJ-HS-32] For one hello to the server that gave it, and for no other. */
static void
token_is_used_once(void)
{
	uint8_t hello[8192], token[COOKIE_SIZE], other[32];
	const uint8_t *cookie = hello + LONG_HEADER_SIZE + 1;
	struct kept_token *kept = NULL;

	open_server();
	open_client(0);
	check(converse(5), "no first login");
	for (int i = 0; i < TOKENS_KEPT_MAX; i++)
		if (world.clients[0].endpoint->tokens[i].is_there)
			kept = &world.clients[0].endpoint->tokens[i];
	check(kept != NULL, "no token");
	memcpy(token, kept->token, COOKIE_SIZE);
	memcpy(other, world.host_key.public_key, 32);
	other[7] ^= 1;
	next_hello(other, hello);
	check(memcmp(cookie, token, COOKIE_SIZE) != 0,
	    "another server gets the token");
	next_hello(world.host_key.public_key, hello);
	check(memcmp(cookie, token, COOKIE_SIZE) == 0, "no use for the token");
	next_hello(world.host_key.public_key, hello);
	check(memcmp(cookie, token, COOKIE_SIZE) != 0,
	    "two hellos with one token");
	close_client();
	close_server();
}

/* [SJ-HS-32] [SJ-HS-6] Whoever saw it pass repeats it from where it was used:
 * no more comes back than was sent. A cookie is another matter. */
static void
token_proves_nothing(void)
{
	uint8_t hello[8192], answer[65536];

	open_server();
	world.server->cookie_from = 0;
	open_client(0);
	check(converse(5), "no first login");
	(void)converse(5);              /* what both still have to say */
	world.server->answer_filler = 4000;
	next_hello(world.host_key.public_key, hello);
	check(throw(hello, HELLO_SIZE, 5, NULL) > PACKET_MIN,
	    "the token is not taken");
	next_hello(world.host_key.public_key, hello);
	check(throw(hello, HELLO_SIZE, 5, answer) == PACKET_MIN,
	    "no cookie under load");
	memcpy(hello + LONG_HEADER_SIZE + 1, answer + LONG_HEADER_SIZE,
	    COOKIE_SIZE);
	check(throw(hello, HELLO_SIZE, 5, NULL) > 4000,
	    "a cookie proves nothing");
	world.server->answer_filler = 0;
	check(cookies_of_login(5, true) == 1, "no further login");
	(void)converse(5);
	world.server->answer_filler = 4000;
	next_hello(world.host_key.public_key, hello);
	check(throw(hello, HELLO_SIZE, 5, NULL) <= HELLO_SIZE,
	    "a token proves the address");
	close_client();
	close_server();
}

/* A hello again and again, always with another id: none of them verifies if it is
 * to a key that is known. */
static void
throw_changed(uint8_t *hello, unsigned count, bool from_one)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t id = draw(NULL, UINT64_MAX);

		memcpy(hello + 5, &id, sizeof id);
		(void)throw(hello, HELLO_SIZE, from_one ? 5 : 1000 + i, NULL);
	}
}

/* [SJ-HS-11] What does not verify is never half-open, but it has cost an operation
 * of the host key. */
static void
hellos_that_fail(void)
{
	const uint64_t *counters;
	uint8_t hello[8192];

	open_server();
	counters = world.server->counters;
	open_client(0);
	check(converse(5), "no first login");
	next_hello(world.host_key.public_key, hello);
	memset(hello + LONG_HEADER_SIZE + 1, 7, COOKIE_SIZE);
	throw_changed(hello, 2000, false);
	check(counters[COUNT_DROPPED_HANDSHAKE] >= 2 &&
	    counters[COUNT_DROPPED_HANDSHAKE] <= HELLOS_FAILED_MAX,
	    "an operation of the key for everybody");
	check(cookies_of_login(6, false) == 1, "no cookie under load");
	world.now.boot_ns += NS_PER_S;
	check(cookies_of_login(7, false) == 0, "a load that is over");
	close_client();
	close_server();
}

/* [SJ-HS-32] One token, seen by somebody who can send from its address. */
static void
token_flood(void)
{
	const size_t at = LONG_HEADER_SIZE + 1;
	uint8_t hello[8192], token[COOKIE_SIZE];
	uint64_t failed;

	open_server();
	world.server->cookie_from = 0;
	open_client(0);
	check(converse(5), "no first login");
	next_hello(world.host_key.public_key, hello);
	memcpy(token, hello + at, COOKIE_SIZE);
	throw_changed(hello, 2000, true);
	failed = world.server->counters[COUNT_DROPPED_HANDSHAKE];
	check(failed >= 2 && failed <= 2 * HELLOS_FAILED_MAX,
	    "a token is good for any number of operations of the key");
	world.now.boot_ns += NS_PER_S;
	next_hello(NULL, hello);
	memcpy(hello + at, token, COOKIE_SIZE);
	throw_changed(hello, 2000, true);
	check(world.server->half_open >= 2 &&
	    world.server->half_open <= HALF_OPEN_MAX / 2,
	    "a token is good for any number of half-open channels");
	check(cookies_of_login(6, false) > 0, "no login by cookie");
	close_client();
	close_server();
}

/* [SJ-HS-31] A machine that cannot do it does not try without. */
static void
hybrid_is_missing(void)
{
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .server_key_is_hybrid = 1, .options = SJ_LOGIN_OPTIONS };
	struct sj_session *session;

	open_server();
	open_client(0);
	login.path.transport = SJ_TRANSPORT_UDP;
	login.server_key = world.host_key.public_key;
	check(sj_core_login(world.clients[0].endpoint, world.now, &login,
	    &session) == SJ_ERR_DOWNGRADE && session == NULL,
	    "a client does with less than it had");
	close_client();
	close_server();
}

/* [SJ-HS-30] [SJ-HS-31] Server without, client with: refused, and told so by
 * both; unless the client knows better. */
static void
hybrid_is_refused(void)
{
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .server_key_is_hybrid = 1,
	    .server_key_where = "line 7 of known_hosts",
	    .options = SJ_LOGIN_OPTIONS };
	struct sj_event event = { .type = SJ_EV_NONE };
	static uint8_t buffer[65536];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	struct sj_session *session;
	struct sj_endpoint *client;

	open_server();
	open_client(0);
	client = world.clients[0].endpoint;
	check(converse(5), "no login");
	client->options.no_hybrid = 0;
	check(cookies_of_login(5, true) == 0 && cookies_of_login(5, false) == 0,
	    "no login without hybrid");
	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.server_key = world.host_key.public_key;
	check(sj_core_login(client, world.now, &login, &session) == 0,
	    "not begun");
	check(!converse(5), "a client believes that hybrid has gone");
	world.now.boot_ns += 11 * NS_PER_S;
	while (sj_core_transmit(client, world.now, &batch))
		continue;
	while (event.type != SJ_EV_ENDED)
		check(sj_core_event(client, world.now, &event), "no end");
	check(event.error == SJ_ERR_DOWNGRADE &&
	    strstr(event.text, "line 7 of known_hosts") != NULL,
	    "a downgrade is not told");
	world.server->options.no_hybrid = 0;
	check(sj_core_login(client, world.now, &login, &session) == 0 &&
	    converse(5), "no login with hybrid");
	check(sj_session_identity(session)->hybrid, "hybrid is not told");
	close_client();
	close_server();
}

static void
flood_of_hellos(void)
{
	flood(0, COOKIE_FROM, 100000);
	flood(0, SIZE_MAX, 1000);
}

static void
flood_of_fragments(void)
{
	flood(1300, COOKIE_FROM, 100000);
}

static const struct hostile_case cases[] = {
	{ "silence_to_junk", silence_to_junk },
	{ "versions", versions },
	{ "cookies", cookies },
	{ "flood_of_hellos", flood_of_hellos },
	{ "flood_of_fragments", flood_of_fragments },
	{ "crowded", crowded },
	{ "large_messages", large_messages },
	{ "tokens", tokens },
	{ "token_from_another_port", token_from_another_port },
	{ "token_is_used_once", token_is_used_once },
	{ "token_proves_nothing", token_proves_nothing },
	{ "token_flood", token_flood },
	{ "hellos_that_fail", hellos_that_fail },
	{ "hybrid_is_missing", hybrid_is_missing },
	{ "hybrid_is_refused", hybrid_is_refused },
};

int
main(int argc, char **argv)
{
	return hostile_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
