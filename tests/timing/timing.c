/* SPDX-License-Identifier: ISC */
/*
 * timing.c - a login and a transfer with secrets that have no value
 *
 * To be run under valgrind (timing.sh), which reports each branch and each
 * address that depends on a secret. Here it is made sure that there is
 * something to report: that keys and the bytes of the stream are secret to the
 * end, that the phase of a packet is before it opened, and that nothing secret
 * is in a datagram but under the header's mask.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "../sim/pair.h"
#include "io/host_key.h"
#include "io/key_file.h"
#include "io/private_key.h"
#include "secrets.h"

#define BYTES 20000
#define CORRUPTED 24            /* datagrams of a run that come wrong first */

struct run {
	const char *name;
	bool knows_key;         /* NK */
	bool key_outside;       /* the host key's work is a request */
	enum packet_suite suite;
};

struct scene {
	struct pair pair;
	struct sj_session *server_session;
	uint8_t sent[BYTES], back[BYTES];
	size_t came;
	unsigned corrupted, cookies, tokens, hellos;
};

static volatile unsigned sink;

static void
need(bool good, const char *what)
{
	if (!good) {
		printf("FAILED: %s\n", what);
		exit(1);
	}
}

/* --- Made wrong on purpose ------------------------------------------------ */

__attribute__((noinline)) static void
leak_branch(const uint8_t *secret)
{
	if (secret[0] & 1)
		sink = sink + 1;
}

__attribute__((noinline)) static void
leak_index(const uint8_t *secret)
{
	static const uint8_t table[256] = { 1 };

	sink = table[secret[0]];
}

/* --- What is on the wire -------------------------------------------------- */

/* Everybody sees datagrams: nothing in them may depend on a secret but what
 * was made to be seen. The mask over flags and number does, and so do a cookie
 * and the token in its place. */
static void
check_datagram(struct scene *scene, const uint8_t *bytes, size_t length)
{
	size_t from = 0, to = 0;

	need(length >= PACKET_MIN, "a datagram that is too short");
	if (!(bytes[0] & FLAG_LONG)) {
		need(secret_bytes(bytes, 1) == 1 &&
		    secret_bytes(bytes + 1 + ID_SIZE, NUMBER_SIZE) ==
		    NUMBER_SIZE, "a header's mask is no secret");
		publish(bytes, 1);
		from = 1 + ID_SIZE;
		to = from + NUMBER_SIZE;
	} else if ((bytes[0] >> 4 & 7) == LONG_COOKIE) {
		from = LONG_HEADER_SIZE;
		to = from + COOKIE_SIZE;
		scene->cookies += secret_bytes(bytes + from, COOKIE_SIZE) ==
		    COOKIE_SIZE;
	} else if ((bytes[0] >> 4 & 7) == LONG_HELLO) {
		from = LONG_HEADER_SIZE + 1;
		to = from + COOKIE_SIZE;
		scene->tokens += secret_bytes(bytes + from, COOKIE_SIZE) ==
		    COOKIE_SIZE;
	}
	need(secret_bytes(bytes, from) == 0 &&
	    secret_bytes(bytes + to, length - to) == 0,
	    "a secret is on the wire");
	publish(bytes, length);
}

/* A copy that was changed on the way: what does not open tells nothing either.
 * A hello gets the digest that goes with it, so that it comes to the AEAD. */
static size_t
corrupt(struct scene *scene, const uint8_t *bytes, size_t length, uint8_t *out)
{
	static const uint8_t places[] = { 0, 1 + ID_SIZE, 40 };
	uint8_t hash[32];
	size_t place = places[scene->corrupted++ % sizeof places];

	memcpy(out, bytes, length);
	if (!(bytes[0] & FLAG_LONG)) {
		out[place == 40 ? length - 1 : place] ^= 1;
		return length;
	}
	out[length - 1] ^= 1;
	if ((bytes[0] >> 4 & 7) == LONG_HELLO) {
		sj__sha256(scene->pair.world.crypto, out + HELLO_HEADER_SIZE,
		    length - HELLO_HEADER_SIZE, hash);
		memcpy(out + LONG_HEADER_SIZE + 1 + COOKIE_SIZE, hash,
		    DIGEST_SIZE);
		scene->hellos++;
	}
	return length;
}

static void
deliver(struct scene *scene, int side, struct sj_batch *batch)
{
	struct world *world = &scene->pair.world;
	struct sj_endpoint *to = side == 0 ? scene->pair.client->endpoint :
	    world->server;
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };
	size_t segment = min_size(batch->segment_size, batch->length), length;
	static uint8_t wrong[65536];

	if (side == 0) {
		path.remote.port = SJ_PORT;
	} else {
		path.remote.ip[15] = 1;
		path.remote.port = scene->pair.port;
	}
	if (leak == LEAK_WIRE && scene->pair.started)
		hide(batch->bytes + batch->length - 1, 1);
	for (size_t at = 0; at < batch->length; at += segment)
		check_datagram(scene, batch->bytes + at,
		    min_size(segment, batch->length - at));
	if (scene->corrupted < CORRUPTED) {
		length = corrupt(scene, batch->bytes, segment, wrong);
		sj_core_receive(to, world->now, &path, SJ_ECN_NONE, wrong,
		    length, length);
	}
	sj_core_receive(to, world->now, &path, SJ_ECN_NONE, batch->bytes,
	    batch->length, batch->segment_size);
}

/* --- Both applications ---------------------------------------------------- */

/* The server sends back what comes. */
static void
on_readable(struct scene *scene, int side, struct sj_stream *stream)
{
	const void *bytes;
	ptrdiff_t length;

	while ((length = sj_stream_peek(stream, &bytes)) > 0) {
		if (side == 0) {
			need(sj_stream_write(stream, bytes, (size_t)length) ==
			    length, "no room to send back");
		} else {
			need(scene->came + (size_t)length <= BYTES,
			    "more came back than was sent");
			memcpy(scene->back + scene->came, bytes,
			    (size_t)length);
			scene->came += (size_t)length;
		}
		sj_stream_consume(stream, (size_t)length);
	}
	if (length == SJ_AGAIN)
		return;
	if (side == 0)
		need(sj_stream_finish(stream) == 0, "no end to send back");
	sj_stream_close(stream);
}

static void
on_event(struct scene *scene, int side, const struct sj_event *event)
{
	switch (event->type) {
	case SJ_EV_LOGIN:
		scene->server_session = event->session;
		(void)sj_login_accept(event->session, NULL);
		break;
	case SJ_EV_STARTED:
		scene->pair.started = true;
		break;
	case SJ_EV_READABLE:
		on_readable(scene, side, event->stream);
		break;
	case SJ_EV_ENDED:
		scene->pair.ended = true;
		sj_session_close(event->session);
		break;
	default:
		break;
	}
}

static void
go_on(struct scene *scene, unsigned rounds)
{
	static uint8_t buffer[65536];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	struct world *world = &scene->pair.world;
	struct sj_endpoint *ends[2] = { world->server,
	    scene->pair.client->endpoint };
	struct sj_event event;

	for (unsigned i = 0; i < rounds; i++) {
		for (int side = 0; side < 2; side++) {
			while (sj_core_event(ends[side], world->now, &event))
				on_event(scene, side, &event);
			while (sj_core_transmit(ends[side], world->now, &batch))
				deliver(scene, side, &batch);
		}
		world->now.boot_ns += NS_PER_MS;
	}
}

/* --- One login, one transfer ---------------------------------------------- */

static void
hide_keys(struct scene *scene, const struct run *run)
{
	struct world *world = &scene->pair.world;
	struct sj_endpoint *ends[2] = { world->server,
	    scene->pair.client->endpoint };

	if (!run->key_outside) {
		memcpy(world->server->host_private, world->host_private, 32);
		world->server->has_host_private = true;
		hide(world->server->host_private, 32);
	}
	hide(world->host_private, 32);
	world->server->cookie_from = 0;
	for (int i = 0; i < 2; i++) {
		hide(ends[i]->hedge_key, sizeof ends[i]->hedge_key);
		hide(ends[i]->id_key, sizeof ends[i]->id_key);
		hide(ends[i]->strangers.cookie_key,
		    sizeof ends[i]->strangers.cookie_key);
		hide(ends[i]->strangers.token_key,
		    sizeof ends[i]->strangers.token_key);
	}
}

static void
log_in(struct scene *scene, const struct run *run)
{
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };

	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	if (run->knows_key)
		login.server_key = scene->pair.world.host_key.public_key;
	need(sj_core_login(scene->pair.client->endpoint, scene->pair.world.now,
	    &login, &scene->pair.session) == 0, "no login");
	go_on(scene, 20);
	need(scene->pair.started, "the login failed");
}

static void
need_secret_keys(struct sj_endpoint *endpoint)
{
	struct sj__channel *channel = pair_channel(endpoint);
	const struct sj__protection *protection = &channel->protection;

	need(secret_bytes(channel->master, 32) == 32, "the master is known");
	need(secret_bytes(protection->send.secret, 32) == 32 &&
	    secret_bytes(protection->send.iv, 12) == 12, "a key is known");
	for (int i = 0; i < 2; i++)
		need(secret_bytes(protection->receive[i].secret, 32) == 32 &&
		    secret_bytes(protection->receive[i].iv, 12) == 12,
		    "a key is known");
	if (leak == LEAK_BRANCH)
		leak_branch(channel->master);
	if (leak == LEAK_INDEX)
		leak_index(protection->send.secret);
}

static void
transfer(struct scene *scene)
{
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	struct sj_stream *stream;

	for (size_t i = 0; i < BYTES; i++)
		scene->sent[i] = (uint8_t)(7 * i + i / 256);
	hide(scene->sent, BYTES);
	options.service = "echo";
	need(sj_stream_open(scene->pair.session, &stream, &options) == 0,
	    "no stream");
	need(sj_stream_write(stream, scene->sent, BYTES) == BYTES &&
	    sj_stream_finish(stream) == 0, "not all was taken");
	go_on(scene, 200);
	need(scene->came == BYTES, "not all came back");
	need(secret_bytes(scene->back, BYTES) == BYTES,
	    "what came back is known");
	publish(scene->sent, BYTES);
	publish(scene->back, BYTES);
	need(memcmp(scene->sent, scene->back, BYTES) == 0,
	    "something else came back");
}

static void
compare_exports(struct scene *scene)
{
	uint8_t ours[32], theirs[32];

	need(sj_session_export(scene->pair.session, "timing", "", 0, ours,
	    32) == 0 && sj_session_export(scene->server_session, "timing", "",
	    0, theirs, 32) == 0, "no exporter");
	need(secret_bytes(ours, 32) == 32, "what was exported is known");
	publish(ours, 32);
	publish(theirs, 32);
	need(memcmp(ours, theirs, 32) == 0, "the exporters differ");
}

static void
log_out(struct scene *scene)
{
	sj_logout(scene->pair.session);
	go_on(scene, 20);
	need(scene->pair.ended, "no logout");
	scene->pair.started = scene->pair.ended = false;
}

/* With the token that the first login was given, and so without a cookie. */
static void
come_again(struct scene *scene, const struct run *run)
{
	unsigned cookies = scene->cookies;

	log_in(scene, run);
	need(scene->tokens > 0 && scene->cookies == cookies,
	    "the token was not taken");
	log_out(scene);
}

static void
run_one(const struct run *run)
{
	struct scene *scene = calloc(1, sizeof *scene);
	struct sj__channel *client, *server;

	assert(scene != NULL);
	printf("%s\n", run->name);
	suite_to_use = run->suite;
	hidden_phases = refused_packets = refused_messages = 0;
	pair_seed(run->suite);
	pair_open(&scene->pair);
	hide_keys(scene, run);
	log_in(scene, run);
	need_secret_keys(scene->pair.world.server);
	need_secret_keys(scene->pair.client->endpoint);
	go_on(scene, 2000);             /* a new phase has to wait */
	client = pair_channel(scene->pair.client->endpoint);
	server = pair_channel(scene->pair.world.server);
	client->protection.soft_limit = server->protection.soft_limit = 3;
	transfer(scene);
	need_secret_keys(scene->pair.world.server);
	compare_exports(scene);
	need(client->protection.phase_first_sent > 0 &&
	    server->protection.phase_first_sent > 0, "no new phase");
	need(scene->cookies > 0 && scene->hellos > 0, "no cookie or hello");
	need(hidden_phases > 20, "the phase of packets was known");
	need(refused_packets > 2 && refused_messages > 0, "all opened");
	log_out(scene);
	if (run->knows_key)
		come_again(scene, run);
	pair_close(&scene->pair);
	free(scene);
}

/* --- Keys in files --------------------------------------------------------- */

static void
write_key(const char *path, const uint8_t seed[32],
    const uint8_t public_key[32])
{
	char text[2048];
	ptrdiff_t length = key_file_format(seed, public_key, "", text,
	    sizeof text);
	FILE *file = fopen(path, "w");

	need(length > 0 && file != NULL &&
	    fwrite(text, 1, (size_t)length, file) == (size_t)length &&
	    fclose(file) == 0 && chmod(path, 0600) == 0, "no key file");
}

/* The signer's key: read from its file, and signed with. */
static void
sign_from_file(const char *path, struct sj__crypto *crypto)
{
	static const struct span message = { (const uint8_t *)"a login", 7 };
	uint8_t seed[32], public_key[32], signature[256];
	struct key_file key;
	char error[512];
	ptrdiff_t length;

	memset(seed, 0x5a, sizeof seed);
	sj__ed25519_public(crypto, seed, public_key);
	write_key(path, seed, public_key);
	seed_to_hide = seed;
	hidden_seeds = 0;
	need(key_file_read(path, NULL, &key, error, sizeof error) == 0 &&
	    key.private_key != NULL, "the key file is not read");
	need(hidden_seeds == 1, "the seed was not seen");
	length = private_key_sign(key.private_key, message, signature,
	    sizeof signature);
	need(length > 0, "no signature");
	publish(signature, sizeof signature);
	need(sj__ssh_verify(crypto, (struct span){ key.blob, key.blob_length },
	    message, (struct span){ signature, (size_t)length }) == 0,
	    "a signature that is none");
	key_file_clear(&key);
}

static void
load_host_key(const char *path)
{
	uint8_t first[32], again[32];
	char error[512];

	memset(first, 0, sizeof first);
	seed_to_hide = first;
	need(host_key_load(path, &sj_io_none, first, error, sizeof error) == 0,
	    "no host key");
	publish(first, sizeof first);
	hidden_seeds = 0;
	need(host_key_load(path, &sj_io_none, again, error, sizeof error) == 0,
	    "no host key again");
	need(hidden_seeds == 1 && secret_bytes(again, 32) == 32,
	    "the host key is known");
}

static void
run_keys(void)
{
	char directory[] = "/tmp/sojourn-timing-XXXXXX", path[64];
	struct sj__memory memory;
	struct sj__crypto *crypto;

	printf("key files\n");
	need(mkdtemp(directory) != NULL, "no directory");
	snprintf(path, sizeof path, "%s/key", directory);
	sj__memory_init(&memory, (size_t)1 << 20);
	need(sj__crypto_open(&crypto, &memory, NULL) == 0, "no libcrypto");
	sign_from_file(path, crypto);
	unlink(path);
	load_host_key(path);
	unlink(path);
	rmdir(directory);
	sj__crypto_close(crypto, &memory);
}

int
main(int argc, char **argv)
{
	static const char *const leaks[] = { "none", "branch", "index",
	    "equal", "wire" };
	static const struct run runs[] = {
		{ "NX, AES-128-GCM, host key elsewhere", false, true,
		    SUITE_AES_128_GCM },
		{ "NK, AES-256-GCM, host key here", true, false,
		    SUITE_AES_256_GCM },
		{ "NK, ChaCha20-Poly1305, host key elsewhere", true, true,
		    SUITE_CHACHA20_POLY1305 },
		{ "NX, AES-128-GCM, host key here", false, false,
		    SUITE_AES_128_GCM },
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; argc > 1 && i < 5; i++)
		if (strcmp(argv[1], leaks[i]) == 0)
			leak = (enum leak)i;
	need(argc < 2 || leak != LEAK_NONE, "usage: timing [LEAK]");
	for (size_t i = 0; i < sizeof runs / sizeof runs[0] &&
	    (leak == LEAK_NONE || i == 0); i++)
		run_one(&runs[i]);
	if (leak == LEAK_NONE)
		run_keys();
	return 0;
}
