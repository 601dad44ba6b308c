/* SPDX-License-Identifier: ISC */
/* packet.c - short packets: seal, open, mask, key phases */
#include "core/packet.h"

/* --- Keys -------------------------------------------------------------- */

/* Contexts of an AEAD must be aligned: the memory before one remembers where
 * it began. */
static void *
context_allocate(struct sj__protection *protection)
{
	size_t size = protection->aead->context_size + 64 + sizeof(void *);
	uint8_t *raw = sj__memory_allocate(protection->memory, size), *context;

	if (raw == NULL)
		return NULL;
	context = raw + sizeof(void *);
	context += (64 - (uintptr_t)context % 64) % 64;
	memcpy(context - sizeof(void *), &raw, sizeof raw);
	return context;
}

static void
context_free(struct sj__protection *protection, void *context)
{
	size_t size = protection->aead->context_size + 64 + sizeof(void *);
	uint8_t *raw;

	memcpy(&raw, (uint8_t *)context - sizeof(void *), sizeof raw);
	sj__wipe(raw, size);
	sj__memory_free(protection->memory, raw, size);
}

static void
keys_fini(struct sj__protection *protection, struct sj__packet_keys *keys)
{
	if (keys->context != NULL) {
		if (keys->is_valid && protection->aead->fini != NULL)
			protection->aead->fini(protection->aead, keys->context);
		context_free(protection, keys->context);
	}
	sj__wipe(keys, sizeof *keys);
}

static const struct span no_context = { NULL, 0 };

/* Key and iv from the secret, as RFC 9001 section 5.1 with labels of ours. */
static int
keys_init(struct sj__protection *protection, struct sj__packet_keys *keys,
    const uint8_t secret[32])
{
	uint8_t key[KEY_SIZE_MAX];
	int error;

	keys_fini(protection, keys);
	keys->context = context_allocate(protection);
	if (keys->context == NULL)
		return SJ_ERR_MEMORY;
	memcpy(keys->secret, secret, sizeof keys->secret);
	error = sj__expand_label(protection->crypto, secret, "key", no_context,
	    key, protection->aead->key_size);
	if (error == 0)
		error = sj__expand_label(protection->crypto, secret, "iv",
		    no_context, keys->iv, sizeof keys->iv);
	if (error == 0)
		error = protection->aead->init(protection->aead, keys->context,
		    key);
	sj__wipe(key, sizeof key);
	keys->is_valid = error == 0;
	if (error < 0)
		keys_fini(protection, keys);
	return error;
}

/* The keys of the phase after that of current. */
static int
keys_next(struct sj__protection *protection, struct sj__packet_keys *next,
    const struct sj__packet_keys *current)
{
	uint8_t secret[32];
	int error;

	error = sj__expand_label(protection->crypto, current->secret, "ku",
	    no_context, secret, sizeof secret);
	if (error == 0)
		error = keys_init(protection, next, secret);
	sj__wipe(secret, sizeof secret);
	return error;
}

static int
header_key(struct sj__protection *protection, const uint8_t secret[32],
    struct sj__header_key **out)
{
	uint8_t key[KEY_SIZE_MAX];
	int error;

	error = sj__expand_label(protection->crypto, secret, "hp", no_context,
	    key, protection->aead->key_size);
	if (error == 0)
		error = sj__header_key_open(protection->crypto,
		    protection->memory, protection->aead->name, key, out);
	sj__wipe(key, sizeof key);
	return error;
}

int
sj__protection_init(struct sj__protection *protection,
    struct sj__crypto *crypto, struct sj__memory *memory,
    enum packet_suite suite, const uint8_t send_secret[32],
    const uint8_t receive_secret[32])
{
	static const char *const names[] = { NULL, "AES-128-GCM", "AES-256-GCM",
	    "ChaCha20-Poly1305" };
	int error;

	memset(protection, 0, sizeof *protection);
	protection->memory = memory;
	protection->crypto = crypto;
	protection->suite = suite;
	protection->aead = sj__crypto_aead(crypto, names[suite]);
	protection->soft_limit = PHASE_PACKETS_SOFT;
	protection->hard_limit = PHASE_PACKETS_HARD;
	protection->phase_first_received = UINT64_MAX;
	if (protection->aead == NULL)
		return SJ_ERR_ARGUMENT;
	error = keys_init(protection, &protection->send, send_secret);
	if (error == 0)
		error = keys_init(protection, &protection->receive[0],
		    receive_secret);
	if (error == 0)
		error = keys_next(protection, &protection->receive[1],
		    &protection->receive[0]);
	if (error == 0)
		error = header_key(protection, send_secret,
		    &protection->send_header);
	if (error == 0)
		error = header_key(protection, receive_secret,
		    &protection->receive_header);
	if (error < 0)
		sj__protection_fini(protection);
	return error;
}

void
sj__protection_fini(struct sj__protection *protection)
{
	if (protection->aead == NULL)
		return;
	keys_fini(protection, &protection->send);
	keys_fini(protection, &protection->receive[0]);
	keys_fini(protection, &protection->receive[1]);
	sj__header_key_close(protection->send_header, protection->memory);
	sj__header_key_close(protection->receive_header, protection->memory);
	sj__wipe(protection, sizeof *protection);
}

/* --- Packets ----------------------------------------------------------- */

static void
make_nonce(const uint8_t iv[12], uint64_t number, uint8_t nonce[12])
{
	memcpy(nonce, iv, 12);
	for (unsigned i = 0; i < 8; i++)
		nonce[4 + i] ^= (uint8_t)(number >> (56 - 8 * i));
}

bool
sj__protection_is_used_up(const struct sj__protection *protection)
{
	return protection->sent_in_phase + PHASE_PACKETS_KEPT >=
	    protection->hard_limit;
}

int
sj__packet_seal(struct sj__protection *protection, uint64_t number,
    uint8_t *packet, size_t payload_length)
{
	uint8_t *payload = packet + SHORT_HEADER_SIZE;
	uint8_t nonce[12];

	if (protection->sent_in_phase >= protection->hard_limit)
		return SJ_ERR_LIMIT;    /* [SJ-KEY-5] */
	protection->sent_in_phase++;
	packet[0] = protection->send_phase ? FLAG_KEY_PHASE : 0;
	for (unsigned i = 0; i < NUMBER_SIZE; i++)
		packet[1 + ID_SIZE + i] =
		    (uint8_t)(number >> (8 * (NUMBER_SIZE - 1 - i)));
	make_nonce(protection->send.iv, number, nonce);
	return protection->aead->seal(protection->aead,
	    protection->send.context, nonce, packet, SHORT_HEADER_SIZE, payload,
	    payload_length, payload + payload_length);
}

static void
mask_headers(struct sj__header_key *key, uint8_t *packets, size_t segment,
    size_t count)
{
	uint8_t samples[BURST_MAX][16], masks[BURST_MAX][16];
	uint8_t *packet = packets;

	assert(count <= BURST_MAX);
	for (size_t i = 0; i < count; i++, packet += segment)
		memcpy(samples[i], packet + SHORT_HEADER_SIZE, 16);
	sj__header_mask_batch(key, samples, masks, count);
	packet = packets;
	for (size_t i = 0; i < count; i++, packet += segment) {
		packet[0] ^= masks[i][0] & FLAGS_MASKED;
		for (unsigned j = 0; j < NUMBER_SIZE; j++)
			packet[1 + ID_SIZE + j] ^= masks[i][1 + j];
	}
}

void
sj__packet_mask(struct sj__protection *protection, uint8_t *packets,
    size_t segment, size_t count)
{
	mask_headers(protection->send_header, packets, segment, count);
}

void
sj__packet_unmask(struct sj__protection *protection, uint8_t *packets,
    size_t segment, size_t count)
{
	mask_headers(protection->receive_header, packets, segment, count);
}

/* A packet opened under the other slot: the peer began the next phase, unless
 * that slot still holds the previous one. */
static int
on_other_phase(struct sj__protection *protection, uint64_t number,
    bool *updated)
{
	if (protection->previous_kept)
		return number < protection->phase_first_received ? 0 :
		    SJ_ERR_STATE;       /* [SJ-KEY-6] */
	/* [SJ-KEY-9] The next but one has no keys until the previous has gone. */
	protection->receive_phase ^= 1;
	protection->previous_kept = true;
	protection->phase_first_received = number;
	*updated = true;
	return 0;
}

/* The phase and the whole number that a header names. */
static uint8_t
read_header(const uint8_t *packet, uint64_t expected, uint64_t *number)
{
	uint64_t truncated = 0;

	for (unsigned i = 0; i < NUMBER_SIZE; i++)
		truncated = truncated << 8 | packet[1 + ID_SIZE + i];
	*number = number_expand(truncated, expected);   /* [SJ-PK-7] */
	return packet[0] & FLAG_KEY_PHASE;
}

/* The keys of a phase without a branch or an index of ours that depends on it:
 * only the AEAD follows the pointer (RFC 9001 section 9.5). */
static void *
select_keys(const struct sj__protection *protection, uint8_t phase,
    uint8_t iv[12])
{
	const struct sj__packet_keys *keys = protection->receive;
	uintptr_t zero = (uintptr_t)keys[0].context;
	uintptr_t one = (uintptr_t)keys[1].context;
	uint8_t mask = (uint8_t)-phase;

	for (unsigned i = 0; i < 12; i++)
		iv[i] = keys[0].iv[i] ^ (mask & (keys[0].iv[i] ^ keys[1].iv[i]));
	return (void *)(zero ^ ((zero ^ one) & -(uintptr_t)phase));
}

int
sj__packet_open(struct sj__protection *protection, uint64_t expected,
    uint8_t *packet, size_t length, uint64_t *number, struct span *payload,
    bool *updated)
{
	uint8_t *bytes = packet + SHORT_HEADER_SIZE;
	size_t payload_length = length - SHORT_OVERHEAD;
	uint8_t phase = read_header(packet, expected, number);
	uint8_t iv[12], nonce[12];
	void *context = select_keys(protection, phase, iv);

	*updated = false;
	make_nonce(iv, *number, nonce);
	if (protection->aead->open(protection->aead, context, nonce, packet,
	    SHORT_HEADER_SIZE, bytes, payload_length,
	    bytes + payload_length) < 0) {
		protection->failed_opens++;
		return SJ_ERR_PROTOCOL;
	}
	/* Anew: from here on the header is authentic, and may decide. */
	phase = read_header(packet, expected, number);
	if (packet[0] & ~FLAG_KEY_PHASE)
		return SJ_ERR_PROTOCOL; /* [SJ-PK-4] */
	payload->data = bytes;
	payload->length = payload_length;
	if (phase != protection->receive_phase)
		return on_other_phase(protection, *number, updated);
	protection->phase_first_received =
	    min_u64(protection->phase_first_received, *number);
	return 0;
}

/* --- Phases ------------------------------------------------------------ */

bool
sj__protection_wants_update(const struct sj__protection *protection)
{
	return protection->sent_in_phase >= protection->soft_limit &&
	    protection->phase_confirmed && !protection->previous_kept &&
	    protection->send_phase == protection->receive_phase;
}

int
sj__protection_update(struct sj__protection *protection, uint64_t next_number)
{
	struct sj__packet_keys next = { .context = NULL };

	SJ_TRY(keys_next(protection, &next, &protection->send));
	keys_fini(protection, &protection->send);
	protection->send = next;
	sj__wipe(&next, sizeof next);
	protection->send_phase ^= 1;
	protection->sent_in_phase = 0;
	protection->phase_confirmed = false;
	protection->phase_first_sent = next_number;
	return 0;
}

void
sj__protection_on_acked(struct sj__protection *protection, uint64_t number)
{
	if (number >= protection->phase_first_sent)
		protection->phase_confirmed = true;
}

/* [SJ-KEY-3] */
int
sj__protection_drop_previous(struct sj__protection *protection)
{
	uint8_t current = protection->receive_phase;

	if (!protection->previous_kept)
		return 0;
	SJ_TRY(keys_next(protection, &protection->receive[current ^ 1],
	    &protection->receive[current]));
	protection->previous_kept = false;
	return 0;
}
