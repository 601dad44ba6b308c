/* SPDX-License-Identifier: ISC */
/*
 * endpoint_strangers.c - hellos, and what is said to those who prove nothing
 *
 * Whoever sends a hello is a stranger until a cookie came back, or a packet
 * under the channel's keys. Nobody gets more bytes than came from there, and
 * what is kept of strangers has a fixed size: half-open channels, hellos of
 * which fragments are missing, answers that wait to be sent. In each the oldest
 * gives way, or the newest is not taken; under load nothing at all is kept, and
 * no public-key operation done, before a cookie came back.
 */
#include "core/endpoint_internal.h"

#define COOKIE_PERIOD_NS (60 * NS_PER_S)        /* two of them are good */
#define HELLO_REST_NS NS_PER_S                  /* a hello is whole by then */
#define TOKEN_PERIOD_NS (3600 * NS_PER_S)
#define TOKEN_PERIODS 24                        /* a day, and what is left of an hour */
#define TOKEN_TAG_SIZE 12
#define TOKENS_UNTIL (HALF_OPEN_MAX / 2)        /* half-open channels */

/* --- Answers ----------------------------------------------------------- */

/* Padded with bytes that mean nothing to the least size of a packet, which is
 * less than any hello. */
static void
answer_with(struct sj_endpoint *endpoint, const struct sj_path *path,
    const struct long_packet *hello, struct long_packet *packet,
    enum long_type type)
{
	struct strangers *strangers = &endpoint->strangers;
	struct stranger_answer *answer;

	if (strangers->answer_count == STRANGER_ANSWERS_MAX) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_STRANGERS);
		return;
	}
	answer = &strangers->answers[(strangers->answer_first +
	    strangers->answer_count++) % STRANGER_ANSWERS_MAX];
	packet->flags = sj__long_flags(endpoint, type);
	memcpy(packet->destination, hello->source, ID_SIZE);
	memcpy(packet->source, hello->destination, ID_SIZE);
	answer->path = *path;
	answer->length = sj__long_encode(packet, answer->bytes,
	    STRANGER_ANSWER_SIZE);
	assert(answer->length > 0);
	if (answer->length < PACKET_MIN) {
		sj__endpoint_random(endpoint, answer->bytes + answer->length,
		    PACKET_MIN - answer->length);
		answer->length = PACKET_MIN;
	}
}

bool
sj__strangers_answer(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj_batch *batch)
{
	struct strangers *strangers = &endpoint->strangers;
	struct stranger_answer *answer =
	    &strangers->answers[strangers->answer_first];

	if (strangers->answer_count == 0)
		return false;
	strangers->answer_first = (strangers->answer_first + 1) %
	    STRANGER_ANSWERS_MAX;
	strangers->answer_count--;
	if (answer->length > batch->capacity)
		return false;
	memcpy(batch->bytes, answer->bytes, answer->length);
	batch->length = batch->segment_size = answer->length;
	batch->path = answer->path;
	batch->ecn = SJ_ECN_NONE;
	batch->send_at_ns = now.boot_ns;
	return true;
}

/* [SJ-VN-1] A version that we do not have: those that we have, and one that
 * nobody has. */
void
sj__strangers_on_version(struct sj_endpoint *endpoint,
    const struct sj_path *path, struct span datagram,
    const struct long_packet *packet)
{
	struct long_packet answer = { .version = VERSION_NONE };
	uint8_t list[8], grease[4];
	struct writer writer = writer_of(list, sizeof list);

	sj__endpoint_count(endpoint, COUNT_DROPPED_VERSION);
	if (!endpoint->is_server || datagram.length < HELLO_SIZE)
		return;
	sj__endpoint_random(endpoint, grease, sizeof grease);
	write_uint(&writer, sj__version_grease(grease), 4);
	write_uint(&writer, SJ__VERSION_1, 4);
	answer.body = (struct span){ list, sizeof list };
	answer_with(endpoint, path, packet, &answer, LONG_VERSIONS);
}

/* --- Cookies ----------------------------------------------------------- */

/* MAC of the minute, the address and the hash of the hello. */
static void
make_cookie(struct sj_endpoint *endpoint, uint64_t period,
    const struct sj_path *path, const struct long_packet *hello,
    uint8_t cookie[COOKIE_SIZE])
{
	uint8_t bytes[8 + 16 + 2 + DIGEST_SIZE], mac[32];
	struct writer writer = writer_of(bytes, sizeof bytes);
	struct span key = { endpoint->strangers.cookie_key, 32 };
	struct span part = { bytes, sizeof bytes };

	write_uint(&writer, period, 8);
	write_bytes(&writer, path->remote.ip, 16);
	write_uint(&writer, path->remote.port, 2);
	write_bytes(&writer, hello->digest, DIGEST_SIZE);
	if (sj__hmac_parts(endpoint->crypto, HASH_SHA256, key, &part, 1, mac) < 0)
		sj__endpoint_random(endpoint, mac, sizeof mac);
	memcpy(cookie, mac, COOKIE_SIZE);
}

static bool
has_cookie(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, const struct long_packet *hello)
{
	uint64_t period = now.boot_ns / COOKIE_PERIOD_NS;
	uint8_t cookie[COOKIE_SIZE];

	for (uint64_t back = 0; back <= min_u64(period, 1); back++) {
		make_cookie(endpoint, period - back, path, hello, cookie);
		if (sj__equal(cookie, hello->cookie, COOKIE_SIZE))
			return true;
	}
	return false;
}

static void
send_cookie(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, const struct long_packet *hello)
{
	struct long_packet answer = { .version = SJ__VERSION_1 };

	make_cookie(endpoint, now.boot_ns / COOKIE_PERIOD_NS, path, hello,
	    answer.cookie);
	sj__endpoint_count(endpoint, COUNT_COOKIES);
	answer_with(endpoint, path, hello, &answer, LONG_COOKIE);
}

/* --- Address tokens ---------------------------------------------------- */

/* [SJ-HS-32] It lets the next hello in as a cookie would: MAC of the hour and the
 * address, where the hour is hidden by a MAC of the MAC, so that all of it looks
 * random. Unlike a cookie it proves no address: whoever saw the hello on its way
 * can repeat it for a day, and shall not get more for it than was sent. */
static void
make_token(struct sj_endpoint *endpoint, uint32_t hour,
    const struct sj_path *path, uint8_t token[COOKIE_SIZE])
{
	uint8_t bytes[4 + 16], mac[32], mask[32];
	struct writer writer = writer_of(bytes, sizeof bytes);
	struct span key = { endpoint->strangers.token_key, 32 };
	struct span address = { bytes, sizeof bytes };
	struct span tag = { mac, TOKEN_TAG_SIZE };

	write_uint(&writer, hour, 4);
	write_bytes(&writer, path->remote.ip, 16);
	if (sj__hmac_parts(endpoint->crypto, HASH_SHA256, key, &address, 1,
	    mac) < 0 || sj__hmac_parts(endpoint->crypto, HASH_SHA256, key, &tag,
	    1, mask) < 0) {
		sj__endpoint_random(endpoint, token, COOKIE_SIZE);
		return;
	}
	memcpy(token, mac, TOKEN_TAG_SIZE);
	for (size_t i = 0; i < 4; i++)
		token[TOKEN_TAG_SIZE + i] = mask[i] ^ bytes[i];
}

void
sj__strangers_make_token(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, uint8_t token[COOKIE_SIZE])
{
	make_token(endpoint, (uint32_t)(now.boot_ns / TOKEN_PERIOD_NS), path,
	    token);
}

/* How old it says it is counts together with the rest: before it was found
 * good, nothing hangs on what the mask made of it. */
static bool
has_token(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, const struct long_packet *hello)
{
	uint32_t hour = (uint32_t)(now.boot_ns / TOKEN_PERIOD_NS), made = 0;
	struct span key = { endpoint->strangers.token_key, 32 };
	struct span tag = { hello->cookie, TOKEN_TAG_SIZE };
	uint8_t mask[32], good[COOKIE_SIZE + 1], shown[COOKIE_SIZE + 1];

	if (sj__hmac_parts(endpoint->crypto, HASH_SHA256, key, &tag, 1,
	    mask) < 0)
		return false;
	for (size_t i = 0; i < 4; i++)
		made = made << 8 | (uint32_t)(mask[i] ^
		    hello->cookie[TOKEN_TAG_SIZE + i]);
	make_token(endpoint, made, path, good);
	good[COOKIE_SIZE] = (uint8_t)(made <= hour) &
	    (uint8_t)(hour - made <= TOKEN_PERIODS);
	memcpy(shown, hello->cookie, COOKIE_SIZE);
	shown[COOKIE_SIZE] = 1;
	return sj__equal(good, shown, sizeof good);
}

/* --- Half-open channels ------------------------------------------------ */

/* The half-open channel that this hello is a copy of. */
static struct sj__channel *
find_half_open(struct sj_endpoint *endpoint, const struct sj_path *path,
    const struct long_packet *hello)
{
	struct sj__channel *channel;

	for (struct list *at = endpoint->half_open_channels.next;
	    at != &endpoint->half_open_channels; at = at->next) {
		channel = container_of(at, struct sj__channel, all);
		if (channel->handshake != NULL &&
		    sj__handshake_is_of(channel->handshake, hello) &&
		    memcmp(&channel->current.path->key, path, sizeof *path) == 0)
			return channel;
	}
	return NULL;
}

/* [SJ-HS-7] Makes room among the half-open channels: the oldest gives way. */
static void
evict_half_open(struct sj_endpoint *endpoint)
{
	struct sj__channel *oldest = list_first(&endpoint->half_open_channels,
	    struct sj__channel, all);

	sj__endpoint_count(endpoint, COUNT_HALF_OPEN_EVICTED);
	sj__channel_free(oldest);
}

/* A whole hello: the cheap checks first. */
static void
take_hello(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, uint64_t bytes_in, bool is_proven,
    const struct long_packet *hello)
{
	struct long_packet refusal = { .version = SJ__VERSION_1 };
	struct sj__channel *channel;
	uint8_t hash[32];

	sj__sha256(endpoint->crypto, hello->body.data, hello->body.length, hash);
	if (memcmp(hash, hello->digest, DIGEST_SIZE) != 0) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_FORM);
		return;
	}
	switch (sj__handshake_judge(endpoint, hello->body, &refusal.code)) {
	case VERDICT_DROP:
		return;
	case VERDICT_REFUSE:
		answer_with(endpoint, path, hello, &refusal, LONG_REFUSAL);
		return;
	case VERDICT_TAKE:
		break;
	}
	if (endpoint->half_open >= HALF_OPEN_MAX)
		evict_half_open(endpoint);
	if (sj__channel_accept(endpoint, now, path, bytes_in, is_proven, hello,
	    &channel) < 0)
		sj__endpoint_count(endpoint, COUNT_DROPPED_MEMORY);
	else if (channel != NULL)
		sj__endpoint_update_channel(channel);
}

/* --- Fragments --------------------------------------------------------- */

static void
forget_hello(struct sj_endpoint *endpoint, struct stranger_hello *one)
{
	sj__assembly_fini(&one->assembly, &endpoint->memory);
	memset(one, 0, sizeof *one);
}

void
sj__strangers_fini(struct sj_endpoint *endpoint)
{
	struct strangers *strangers = &endpoint->strangers;

	if (strangers->hellos == NULL)
		return;
	for (size_t i = 0; i < HELLOS_ASSEMBLED_MAX; i++)
		forget_hello(endpoint, &strangers->hellos[i]);
	sj__memory_free(&endpoint->memory, strangers->hellos,
	    HELLOS_ASSEMBLED_MAX * sizeof *strangers->hellos);
	strangers->hellos = NULL;
}

/* So many begin that the oldest has to give way before its rest can
 * come: that is load, too. */
static bool
is_crowded(const struct sj_endpoint *endpoint, struct sj_time now)
{
	const struct strangers *strangers = &endpoint->strangers;

	if (strangers->hellos == NULL)
		return false;
	for (size_t i = 0; i < HELLOS_ASSEMBLED_MAX; i++)
		if (!strangers->hellos[i].is_used ||
		    now.boot_ns - strangers->hellos[i].since_ns >=
		    HELLO_REST_NS)
			return false;
	return true;
}

/* Hellos of this second that did not verify: they are never half-open, yet each
 * cost an operation of the host key. */
static uint64_t
failed_hellos(struct sj_endpoint *endpoint, struct sj_time now)
{
	struct strangers *strangers = &endpoint->strangers;
	uint64_t failed = endpoint->counters[COUNT_DROPPED_HANDSHAKE];

	if (now.boot_ns / NS_PER_S != strangers->second) {
		strangers->second = now.boot_ns / NS_PER_S;
		strangers->failed_before = failed;
	}
	return failed - strangers->failed_before;
}

/* [SJ-HS-11] Time to look at cookies before anything is kept or computed. Who
 * has a token is spared that [SJ-HS-32], as long as it is not this what makes
 * the load: one that was seen can be repeated, from any address. */
static bool
is_let_in(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, const struct long_packet *hello)
{
	uint64_t failed = failed_hellos(endpoint, now);

	if (hello->body.length != hello->total && is_crowded(endpoint, now))
		return false;
	if (endpoint->half_open < endpoint->cookie_from &&
	    failed < HELLOS_FAILED_MAX)
		return true;
	return endpoint->half_open < TOKENS_UNTIL &&
	    failed < 2 * HELLOS_FAILED_MAX &&
	    has_token(endpoint, now, path, hello);
}

static bool
is_of_hello(const struct stranger_hello *one, const struct sj_path *path,
    const struct long_packet *hello)
{
	return one->is_used && one->header.flags == hello->flags &&
	    memcmp(&one->path, path, sizeof *path) == 0 &&
	    memcmp(one->header.source, hello->source, ID_SIZE) == 0 &&
	    memcmp(one->header.destination, hello->destination, ID_SIZE) == 0 &&
	    memcmp(one->header.digest, hello->digest, DIGEST_SIZE) == 0;
}

/* The place of the hello that this is a fragment of; a new one takes that of
 * the oldest. NULL: no memory. */
static struct stranger_hello *
find_hello(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, const struct long_packet *hello)
{
	struct strangers *strangers = &endpoint->strangers;
	size_t size = HELLOS_ASSEMBLED_MAX * sizeof *strangers->hellos;
	struct stranger_hello *oldest, *one;

	if (strangers->hellos == NULL) {
		strangers->hellos = sj__memory_allocate(&endpoint->memory, size);
		if (strangers->hellos == NULL)
			return NULL;
		memset(strangers->hellos, 0, size);
	}
	oldest = strangers->hellos;
	for (size_t i = 0; i < HELLOS_ASSEMBLED_MAX; i++) {
		one = &strangers->hellos[i];
		if (is_of_hello(one, path, hello))
			return one;
		if (one->since < oldest->since)
			oldest = one;
	}
	if (oldest->is_used)
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_FRAGMENT);
	forget_hello(endpoint, oldest);
	oldest->is_used = true;
	oldest->since = ++strangers->hello_count;
	oldest->since_ns = now.boot_ns;
	oldest->path = *path;
	oldest->header = *hello;
	return oldest;
}

static void
take_fragment(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, size_t datagram_length, bool is_proven,
    const struct long_packet *hello)
{
	struct stranger_hello *one = find_hello(endpoint, now, path, hello);
	struct long_packet whole = *hello;
	int error;

	if (one == NULL) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_MEMORY);
		return;
	}
	error = sj__assembly_add(&one->assembly, &endpoint->memory,
	    hello->total, hello->offset, hello->body);
	if (error < 0) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_FRAGMENT);
		forget_hello(endpoint, one);
		return;
	}
	one->bytes_in += datagram_length;
	if (error == 0)
		return;
	whole.offset = 0;
	whole.body = (struct span){ one->assembly.bytes, one->assembly.total };
	take_hello(endpoint, now, path, one->bytes_in, is_proven, &whole);
	forget_hello(endpoint, one);
}

/* --- Hellos ------------------------------------------------------------ */

/* [SJ-HS-5] [SJ-HS-12] Every datagram is full, every fragment but the last too. */
static bool
is_well_formed(struct sj_endpoint *endpoint, size_t datagram_length,
    const struct long_packet *hello)
{
	if (datagram_length < HELLO_SIZE) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_SMALL);
		return false;
	}
	if (hello->total > HELLO_BODY_MAX || hello->offset % HELLO_FRAGMENT != 0 ||
	    (hello->body.length != HELLO_FRAGMENT &&
	    hello->offset + hello->body.length != hello->total)) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_FORM);
		return false;
	}
	return true;
}

void
sj__strangers_on_hello(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, struct span datagram,
    const struct long_packet *hello)
{
	struct sj__channel *channel;
	bool is_proven;

	if (!endpoint->is_server) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_NOT_SERVER);
		return;
	}
	if (!is_well_formed(endpoint, datagram.length, hello))
		return;
	channel = find_half_open(endpoint, path, hello);
	if (channel != NULL) {
		sj__channel_on_repeated_hello(channel, now, datagram.length);
		sj__endpoint_update_channel(channel);
		return;
	}
	is_proven = has_cookie(endpoint, now, path, hello);
	if (!is_proven && !is_let_in(endpoint, now, path, hello)) {
		send_cookie(endpoint, now, path, hello);        /* [SJ-HS-11] */
		return;
	}
	/* A channel that gives way leaves its question to the host key behind. */
	if (endpoint->secrets_asked >= HALF_OPEN_MAX) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HALF_OPEN);
		return;
	}
	if (hello->body.length == hello->total)
		take_hello(endpoint, now, path, datagram.length, is_proven,
		    hello);
	else
		take_fragment(endpoint, now, path, datagram.length, is_proven,
		    hello);
}
