/* SPDX-License-Identifier: ISC */
/* endpoint.c - open and close, and the services for channels and sessions */
#include "core/endpoint_internal.h"

/* --- Small services ---------------------------------------------------- */

void
sj__endpoint_count(struct sj_endpoint *endpoint, enum counter counter)
{
	endpoint->counters[counter]++;
}

void
sj__endpoint_trace(struct sj_endpoint *endpoint, const char *line)
{
	if (endpoint->options.trace != NULL)
		endpoint->options.trace(endpoint->options.trace_data, line);
}

/* Drawn in blocks: a call of the hook costs more than what it yields. */
void
sj__endpoint_random(struct sj_endpoint *endpoint, void *out, size_t length)
{
	uint8_t *at = out, *block;
	size_t part;
	int error;

	while (length > 0) {
		if (endpoint->random_left == 0) {
			error = endpoint->io->random(endpoint->io->context,
			    endpoint->random, RANDOM_BLOCK);
			/* Without random bytes nothing here is safe. */
			assert(error >= 0);
			(void)error;
			endpoint->random_left = RANDOM_BLOCK;
		}
		part = min_size(length, endpoint->random_left);
		block = endpoint->random + RANDOM_BLOCK - endpoint->random_left;
		memcpy(at, block, part);
		sj__wipe(block, part);
		endpoint->random_left -= part;
		at += part;
		length -= part;
	}
}

/* [SJ-KEY-1] */
void
sj__endpoint_key_material(struct sj_endpoint *endpoint, uint8_t out[32])
{
	uint8_t random[32];
	uint64_t unique[3] = { endpoint->now.boot_ns, endpoint->now.unix_s,
	    endpoint->hedge_count++ };
	struct span key = { endpoint->hedge_key, sizeof endpoint->hedge_key };
	struct span parts[2] = { { random, sizeof random },
	    { (const uint8_t *)unique, sizeof unique } };
	int error;

	sj__endpoint_random(endpoint, random, sizeof random);
	error = sj__hmac_parts(endpoint->crypto, HASH_SHA256, key, parts, 2,
	    out);
	assert(error == 0);
	(void)error;
	sj__wipe(random, sizeof random);
}

struct sj__memory *
sj__endpoint_memory(struct sj_endpoint *endpoint)
{
	return &endpoint->memory;
}

struct sj__crypto *
sj__endpoint_crypto(struct sj_endpoint *endpoint)
{
	return endpoint->crypto;
}

const struct sj_host_key *
sj__endpoint_host_key(const struct sj_endpoint *endpoint)
{
	return &endpoint->host_key;
}

const uint8_t *
sj__endpoint_host_private(const struct sj_endpoint *endpoint)
{
	return endpoint->has_host_private ? endpoint->host_private : NULL;
}

uint32_t
sj__endpoint_datagram_max(const struct sj_endpoint *endpoint)
{
	return endpoint->options.datagram_max;
}

bool
sj__endpoint_has_hybrid(const struct sj_endpoint *endpoint)
{
	return sj__kem_is_there(endpoint->crypto) && !endpoint->options.no_hybrid;
}

static struct kept_token *
find_token(struct sj_endpoint *endpoint, const uint8_t server_key[32])
{
	for (size_t i = 0; i < TOKENS_KEPT_MAX; i++)
		if (endpoint->tokens[i].is_there && memcmp(server_key,
		    endpoint->tokens[i].server_key, 32) == 0)
			return &endpoint->tokens[i];
	return NULL;
}

bool
sj__endpoint_take_token(struct sj_endpoint *endpoint,
    const uint8_t server_key[32], uint8_t token[COOKIE_SIZE])
{
	struct kept_token *kept = find_token(endpoint, server_key);

	if (kept == NULL)
		return false;
	memcpy(token, kept->token, COOKIE_SIZE);
	kept->is_there = false;
	return true;
}

void
sj__endpoint_keep_token(struct sj_endpoint *endpoint,
    const uint8_t server_key[32], const uint8_t token[COOKIE_SIZE])
{
	struct kept_token *kept = find_token(endpoint, server_key);

	if (kept == NULL)
		kept = &endpoint->tokens[endpoint->token_next++ %
		    TOKENS_KEPT_MAX];
	kept->is_there = true;
	memcpy(kept->server_key, server_key, 32);
	memcpy(kept->token, token, COOKIE_SIZE);
}

size_t
sj__endpoint_hello_least(const struct sj_endpoint *endpoint)
{
	return endpoint->hello_least;
}

size_t
sj__endpoint_answer_filler(const struct sj_endpoint *endpoint)
{
	return endpoint->answer_filler;
}

struct sj_time
sj__endpoint_now(const struct sj_endpoint *endpoint)
{
	return endpoint->now;
}

void
sj__fingerprint(struct sj_endpoint *endpoint, const uint8_t key[32],
    char out[SJ__FINGERPRINT_SIZE])
{
	struct span span = { key, 32 };

	sj__fingerprint_of(endpoint->crypto, span, out);
}

void
sj__fingerprint_of(struct sj__crypto *crypto, struct span bytes,
    char out[SJ__FINGERPRINT_SIZE])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t hash[33] = { 0 };
	size_t at = 7;

	sj__sha256(crypto, bytes.data, bytes.length, hash);
	memcpy(out, "SHA256:", 7);
	for (size_t i = 0; i < 33; i += 3) {
		uint32_t three = (uint32_t)(hash[i] << 16 | hash[i + 1] << 8 |
		    hash[i + 2]);

		for (unsigned shift = 24; shift > 0 && at < 50; shift -= 6)
			out[at++] = digits[three >> (shift - 6) & 63];
	}
	out[at] = '\0';
}

/* --- Policy ------------------------------------------------------------ */

bool
sj__endpoint_takes_application(const struct sj_endpoint *endpoint,
    const char *application)
{
	return endpoint->options.application == NULL ||
	    strcmp(endpoint->options.application, application) == 0;
}

/* [SJ-LG-5] */
bool
sj__endpoint_is_named(const struct sj_endpoint *endpoint,
    const char *server_name)
{
	const char *names = endpoint->options.server_name;
	size_t length = strlen(server_name), one;

	if (names == NULL)
		return true;
	for (;;) {
		one = strcspn(names, ",");
		if (one == length && memcmp(names, server_name, one) == 0)
			return true;
		if (names[one] == '\0')
			return false;
		names += one + 1;
	}
}

const struct sj_mech *const *
sj__endpoint_mechs(const struct sj_endpoint *endpoint)
{
	return endpoint->options.mechs != NULL ? endpoint->options.mechs :
	    endpoint->default_mechs;
}

static uint32_t
shorter(uint32_t wanted, uint32_t limit)
{
	return wanted != 0 && wanted < limit ? wanted : limit;
}

void
sj__endpoint_limits(const struct sj_endpoint *endpoint,
    const struct sj_grant *grant, uint32_t *idle_limit_s, uint32_t *lifetime_s)
{
	*idle_limit_s = shorter(grant->idle_limit_s,
	    endpoint->options.idle_limit_s);
	*lifetime_s = shorter(grant->lifetime_s, endpoint->options.lifetime_s);
}

uint64_t
sj__endpoint_session_budget(const struct sj_endpoint *endpoint)
{
	return min_u64(SESSION_BUDGET_MAX, endpoint->options.memory_max / 4);
}

void
sj__endpoint_unproven_gone(struct sj_session *session)
{
	if (list_is_empty(&session->newcomers))
		return;
	list_remove(&session->newcomers);
	session->endpoint->unproven--;
}

/* --- Connection ids ---------------------------------------------------- */

/* Open addressing: entries are found from their first bytes, which the cipher
 * has made random. */
static size_t
id_slot(const struct sj_endpoint *endpoint, const uint8_t id[ID_SIZE])
{
	uint64_t value;

	memcpy(&value, id, sizeof value);
	return (size_t)(value ^ value >> 32) & (endpoint->id_capacity - 1);
}

static size_t
id_next(const struct sj_endpoint *endpoint, size_t slot)
{
	return (slot + 1) & (endpoint->id_capacity - 1);
}

struct sj__channel *
sj__endpoint_find_id(const struct sj_endpoint *endpoint,
    const uint8_t id[ID_SIZE])
{
	size_t slot;

	if (endpoint->id_capacity == 0)
		return NULL;
	for (slot = id_slot(endpoint, id); endpoint->ids[slot].channel != NULL;
	    slot = id_next(endpoint, slot))
		if (memcmp(endpoint->ids[slot].bytes, id, ID_SIZE) == 0)
			return endpoint->ids[slot].channel;
	return NULL;
}

static void
id_insert(struct sj_endpoint *endpoint, const uint8_t id[ID_SIZE],
    struct sj__channel *channel)
{
	size_t slot = id_slot(endpoint, id);

	while (endpoint->ids[slot].channel != NULL)
		slot = id_next(endpoint, slot);
	memcpy(endpoint->ids[slot].bytes, id, ID_SIZE);
	endpoint->ids[slot].channel = channel;
}

static int
id_grow(struct sj_endpoint *endpoint)
{
	struct id_entry *old = endpoint->ids;
	size_t old_capacity = endpoint->id_capacity;
	size_t capacity = old_capacity == 0 ? IDS_MIN : 2 * old_capacity;
	struct id_entry *ids = sj__memory_allocate(&endpoint->memory,
	    capacity * sizeof *ids);

	if (ids == NULL)
		return SJ_ERR_MEMORY;
	memset(ids, 0, capacity * sizeof *ids);
	endpoint->ids = ids;
	endpoint->id_capacity = capacity;
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].channel != NULL)
			id_insert(endpoint, old[i].bytes, old[i].channel);
	if (old != NULL)
		sj__memory_free(&endpoint->memory, old,
		    old_capacity * sizeof *old);
	return 0;
}

/*
 * A server's id: one byte for the worker, seven enciphered bytes of server
 * number, key number and a nonce that never repeats under the key: a Feistel
 * network of four passes over 28-bit halves, AES-128 as its round function.
 * [SJ-ID-2] A client's id is random: nobody has to route it.
 */
static void
make_server_id(struct sj_endpoint *endpoint, uint8_t id[ID_SIZE])
{
	uint64_t plain = endpoint->id_nonce++ & UINT32_MAX;
	uint32_t left = (uint32_t)(plain >> 28), right = plain & 0x0fffffff;
	uint8_t block[16], out[16];
	uint32_t mixed;

	for (uint8_t pass = 1; pass <= 4; pass++) {
		memset(block, 0, sizeof block);
		block[0] = pass;
		block[1] = 1;           /* of the scheme */
		for (unsigned i = 0; i < 4; i++)
			block[12 + i] = (uint8_t)(right >> (24 - 8 * i));
		sj__aes128_block(endpoint->crypto, endpoint->id_key, block, out);
		mixed = (uint32_t)out[0] << 24 | (uint32_t)out[1] << 16 |
		    (uint32_t)out[2] << 8 | out[3];
		mixed = left ^ (mixed & 0x0fffffff);
		left = right;
		right = mixed;
	}
	plain = (uint64_t)left << 28 | right;
	id[0] = endpoint->id_worker_mask;       /* worker 0 */
	for (unsigned i = 0; i < 7; i++)
		id[1 + i] = (uint8_t)(plain >> (48 - 8 * i));
}

int
sj__endpoint_add_id(struct sj_endpoint *endpoint, struct sj__channel *channel,
    uint8_t id[ID_SIZE])
{
	if (2 * endpoint->id_count >= endpoint->id_capacity)
		SJ_TRY(id_grow(endpoint));
	do {
		if (endpoint->is_server)
			make_server_id(endpoint, id);
		else
			sj__endpoint_random(endpoint, id, ID_SIZE);
	} while (sj__endpoint_find_id(endpoint, id) != NULL);
	id_insert(endpoint, id, channel);
	endpoint->id_count++;
	return 0;
}

/* Takes the entry out and closes the gap, so that no search ends early. */
void
sj__endpoint_remove_id(struct sj_endpoint *endpoint, const uint8_t id[ID_SIZE])
{
	size_t gap = id_slot(endpoint, id), slot;

	while (memcmp(endpoint->ids[gap].bytes, id, ID_SIZE) != 0 ||
	    endpoint->ids[gap].channel == NULL) {
		if (endpoint->ids[gap].channel == NULL)
			return;
		gap = id_next(endpoint, gap);
	}
	endpoint->id_count--;
	endpoint->ids[gap].channel = NULL;
	for (slot = id_next(endpoint, gap); endpoint->ids[slot].channel != NULL;
	    slot = id_next(endpoint, slot)) {
		struct id_entry moved = endpoint->ids[slot];

		endpoint->ids[slot].channel = NULL;
		id_insert(endpoint, moved.bytes, moved.channel);
	}
}

/* --- Paths ------------------------------------------------------------- */

static struct sj__path *
new_path(struct sj_endpoint *endpoint, const struct sj_path *key)
{
	struct sj__path *path = sj__memory_allocate(&endpoint->memory,
	    sizeof *path);

	if (path != NULL)
		sj__path_init(path, key, DATAGRAM_BASE);
	return path;
}

/* By the address of the peer, mixed with what only we know: nobody can choose
 * addresses that fall into one bucket. */
static struct list *
bucket_of(struct sj_endpoint *endpoint, const struct sj_path *key)
{
	uint64_t hash, words[2];

	hash = endpoint->path_seed;
	memcpy(words, key->remote.ip, sizeof words);
	for (int i = 0; i < 2; i++) {
		hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	hash = (hash ^ key->remote.port) * UINT64_C(0xbf58476d1ce4e5b9);
	return &endpoint->paths[(hash >> 32) % PATH_BUCKETS];
}

static struct sj__path *
find_path(struct sj_endpoint *endpoint, const struct sj_path *key)
{
	struct list *bucket = bucket_of(endpoint, key);
	struct sj__path *path;

	for (struct list *at = bucket->next; at != bucket; at = at->next) {
		path = container_of(at, struct sj__path, all);
		if (memcmp(&path->key, key, sizeof *key) == 0)
			return path;
	}
	return NULL;
}

struct sj__path *
sj__endpoint_acquire_path(struct sj_endpoint *endpoint,
    const struct sj_path *key)
{
	struct sj__path *path = find_path(endpoint, key);

	if (path != NULL) {
		path->references++;
		return path;
	}
	if (endpoint->path_count >= PATHS_MAX)
		return NULL;
	path = new_path(endpoint, key);
	if (path == NULL)
		return NULL;
	path->references = 1;
	list_init(&path->all);
	sj__path_mtu_init(path, endpoint->options.datagram_max);
	list_append(bucket_of(endpoint, key), &path->all);
	endpoint->path_count++;
	return path;
}

void
sj_core_datagram_limit(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, uint32_t bytes)
{
	struct sj__path *known = find_path(endpoint, path);

	if (known != NULL && bytes < DATAGRAM_MAX)
		sj__path_mtu_refused(known, now.boot_ns, bytes + 1);
}

void
sj__endpoint_release_path(struct sj_endpoint *endpoint, struct sj__path *path)
{
	if (--path->references > 0) {
		/* What the one that left had in flight is free now. */
		sj__endpoint_wake_blocked(path);
		return;
	}
	list_remove(&path->all);
	endpoint->path_count--;
	sj__memory_free(&endpoint->memory, path, sizeof *path);
}

struct sj__path *
sj__endpoint_private_path(struct sj_endpoint *endpoint,
    const struct sj_path *key)
{
	return new_path(endpoint, key);
}

void
sj__endpoint_free_private_path(struct sj_endpoint *endpoint,
    struct sj__path *path)
{
	sj__memory_free(&endpoint->memory, path, sizeof *path);
}

/* --- Open and close ---------------------------------------------------- */

static char *
copy_string(struct sj_endpoint *endpoint, size_t slot, const char *text,
    bool *failed)
{
	size_t size;

	if (text == NULL)
		return NULL;
	size = strlen(text) + 1;
	endpoint->strings[slot] = sj__memory_allocate(&endpoint->memory, size);
	if (endpoint->strings[slot] == NULL) {
		*failed = true;
		return NULL;
	}
	endpoint->string_sizes[slot] = size;
	memcpy(endpoint->strings[slot], text, size);
	return endpoint->strings[slot];
}

static int
copy_options(struct sj_endpoint *endpoint,
    const struct sj_endpoint_options *options)
{
	struct sj_endpoint_options *own = &endpoint->options;
	bool failed = false;

	own->application = copy_string(endpoint, 0, own->application, &failed);
	own->listen = copy_string(endpoint, 1, own->listen, &failed);
	own->host_key_file = copy_string(endpoint, 2, own->host_key_file,
	    &failed);
	own->authorized_keys = copy_string(endpoint, 3, own->authorized_keys,
	    &failed);
	own->state_dir = copy_string(endpoint, 4, own->state_dir, &failed);
	own->server_name = copy_string(endpoint, 5, own->server_name, &failed);
	own->size = options->size;
	return failed ? SJ_ERR_MEMORY : 0;
}

static void
defaults(struct sj_endpoint_options *options, bool is_driven)
{
	if (options->memory_max == 0)
		options->memory_max = MEMORY_DEFAULT;
	if (options->idle_limit_s == 0)
		options->idle_limit_s = IDLE_LIMIT_DEFAULT_S;
	if (options->lifetime_s == 0)
		options->lifetime_s = LIFETIME_DEFAULT_S;
	if (options->datagram_max == 0)
		options->datagram_max = is_driven ? DATAGRAM_MAX :
		    DATAGRAM_DEFAULT;
}

static int
check_options(const struct sj_endpoint_options *options)
{
	if (options->datagram_max < DATAGRAM_BASE ||
	    options->datagram_max > DATAGRAM_MAX)
		return SJ_ERR_ARGUMENT;
	if (options->application != NULL &&
	    strlen(options->application) > NAME_MAX_BYTES)
		return SJ_ERR_TOO_BIG;
	return 0;
}

static int
set_up_server(struct sj_endpoint *endpoint, const uint8_t *host_key_private)
{
	if (endpoint->options.host_key != NULL) {
		endpoint->host_key = *endpoint->options.host_key;
	} else if (host_key_private != NULL) {
		memcpy(endpoint->host_private, host_key_private, 32);
		endpoint->has_host_private = true;
		SJ_TRY(sj__x25519_public(endpoint->crypto, host_key_private,
		    endpoint->host_key.public_key));
		/* A secret that no snapshot of the generator repeats. */
		for (int i = 0; i < 32; i++)
			endpoint->hedge_key[i] ^= host_key_private[i];
	} else {
		return SJ_ERR_ARGUMENT;
	}
	sj__fingerprint(endpoint, endpoint->host_key.public_key,
	    endpoint->host_key_text);
	endpoint->store = endpoint->options.store != NULL ?
	    endpoint->options.store : sj_store_memory();
	return endpoint->store == NULL ? SJ_ERR_MEMORY : 0;
}

static void
init_lists(struct sj_endpoint *endpoint)
{
	for (int i = 0; i < PATH_BUCKETS; i++)
		list_init(&endpoint->paths[i]);
	list_init(&endpoint->channels);
	list_init(&endpoint->half_open_channels);
	list_init(&endpoint->newcomers);
	list_init(&endpoint->sending);
	list_init(&endpoint->sessions);
	list_init(&endpoint->requests);
	list_init(&endpoint->session_events);
	list_init(&endpoint->stream_events);
	list_init(&endpoint->endings);
}

static int
set_up(struct sj_endpoint *endpoint, const struct sj_endpoint_options *options,
    const uint8_t *host_key_private)
{
	uint8_t worker;

	SJ_TRY(check_options(&endpoint->options));
	SJ_TRY(copy_options(endpoint, options));
	SJ_TRY(sj__crypto_open(&endpoint->crypto, &endpoint->memory,
	    endpoint->io->aeads));
	endpoint->cookie_from = COOKIE_FROM;
	sj__endpoint_random(endpoint, endpoint->strangers.cookie_key,
	    sizeof endpoint->strangers.cookie_key);
	sj__endpoint_random(endpoint, endpoint->strangers.token_key,
	    sizeof endpoint->strangers.token_key);
	sj__endpoint_random(endpoint, endpoint->id_key, sizeof endpoint->id_key);
	sj__endpoint_random(endpoint, endpoint->hedge_key,
	    sizeof endpoint->hedge_key);
	sj__endpoint_random(endpoint, &endpoint->path_seed,
	    sizeof endpoint->path_seed);
	sj__endpoint_random(endpoint, &worker, 1);
	endpoint->id_worker_mask = worker;
	endpoint->default_mech = sj_mech_publickey(NULL);
	endpoint->default_mechs[0] = &endpoint->default_mech;
	return endpoint->is_server ? set_up_server(endpoint, host_key_private) :
	    0;
}

int
sj__endpoint_create(struct sj_endpoint **out,
    const struct sj_endpoint_options *options, const struct sj_io *io,
    const uint8_t *host_key_private)
{
	struct sj__memory memory;
	struct sj_endpoint *endpoint;
	struct sj_endpoint_options full = SJ_ENDPOINT_OPTIONS;
	int error;

	*out = NULL;
	if (options == NULL || io == NULL || io->random == NULL ||
	    options->size < sizeof(size_t) || options->size > 4096)
		return SJ_ERR_ARGUMENT;
	memcpy(&full, options, min_size(options->size, sizeof full));
	defaults(&full, !io->none);
	sj__memory_init(&memory, full.memory_max);
	endpoint = sj__memory_allocate(&memory, sizeof *endpoint);
	if (endpoint == NULL)
		return SJ_ERR_MEMORY;
	memset(endpoint, 0, sizeof *endpoint);
	endpoint->memory = memory;
	endpoint->options = full;
	endpoint->io = io;
	endpoint->is_server = full.listen != NULL;
	init_lists(endpoint);
	error = set_up(endpoint, options, host_key_private);
	if (error < 0) {
		sj__endpoint_destroy(endpoint);
		return error;
	}
	*out = endpoint;
	return 0;
}

void
sj__endpoint_say_goodbye(struct sj_endpoint *endpoint, struct sj_time now)
{
	/* A client's logins live on at the server, which need not know. */
	if (!endpoint->is_server)
		return;
	for (struct list *at = endpoint->channels.next;
	    at != &endpoint->channels; at = at->next)
		sj__channel_close(container_of(at, struct sj__channel, all),
		    now, 0, "the server ends");
}

static void
free_channels(struct sj_endpoint *endpoint)
{
	struct sj_session *session;
	struct sj__channel *channel;
	struct request *request;

	while ((session = list_first(&endpoint->sessions, struct sj_session,
	    all)) != NULL)
		sj__session_free(session);
	while ((channel = list_first(&endpoint->channels, struct sj__channel,
	    all)) != NULL)
		sj__channel_free(channel);
	while ((channel = list_first(&endpoint->half_open_channels, struct sj__channel,
	    all)) != NULL)
		sj__channel_free(channel);
	while ((request = list_first(&endpoint->requests, struct request,
	    all)) != NULL) {
		list_remove(&request->all);
		sj__memory_free(&endpoint->memory, request, sizeof *request);
	}
}

void
sj__endpoint_destroy(struct sj_endpoint *endpoint)
{
	struct sj__memory memory;

	free_channels(endpoint);
	sj__strangers_fini(endpoint);
	sj__farewells_fini(&endpoint->farewells, &endpoint->memory);
	if (endpoint->store != NULL)
		endpoint->store->operations->close(endpoint->store);
	else if (endpoint->is_server && endpoint->options.store != NULL)
		endpoint->options.store->operations->close(
		    endpoint->options.store);
	if (endpoint->ids != NULL)
		sj__memory_free(&endpoint->memory, endpoint->ids,
		    endpoint->id_capacity * sizeof *endpoint->ids);
	sj__timers_fini(&endpoint->timers, &endpoint->memory);
	if (endpoint->crypto != NULL)
		sj__crypto_close(endpoint->crypto, &endpoint->memory);
	for (size_t i = 0; i < 8; i++)
		if (endpoint->strings[i] != NULL)
			sj__memory_free(&endpoint->memory, endpoint->strings[i],
			    endpoint->string_sizes[i]);
	memory = endpoint->memory;
	sj__wipe(endpoint, sizeof *endpoint);
	sj__memory_free(&memory, endpoint, sizeof *endpoint);
	assert(memory.used == 0);
}

void
sj__endpoint_set_driver(struct sj_endpoint *endpoint, void *driver)
{
	endpoint->driver = driver;
}

void *
sj__endpoint_driver(const struct sj_endpoint *endpoint)
{
	return endpoint->driver;
}

const struct sj_endpoint_options *
sj__endpoint_options(const struct sj_endpoint *endpoint)
{
	return &endpoint->options;
}

int
sj__endpoint_store_fd(const struct sj_endpoint *endpoint)
{
	return endpoint->store != NULL ?
	    endpoint->store->operations->fd(endpoint->store) : -1;
}

void
sj__endpoint_wake(struct sj_endpoint *endpoint, bool network_changed)
{
	/* Roaming looks at the network by itself; there is nothing else to do
	 * for a channel that lives: its packets say where it is. */
	(void)network_changed;
	endpoint->wake_pending = true;
}

void
sj__endpoint_set_error(struct sj_endpoint *endpoint, const char *text)
{
	size_t length = min_size(strlen(text), sizeof endpoint->error - 1);

	memmove(endpoint->error, text, length);
	endpoint->error[length] = '\0';
}

const char *
sj__endpoint_error(const struct sj_endpoint *endpoint)
{
	return endpoint->error;
}

const char *
sj_endpoint_key(const struct sj_endpoint *endpoint)
{
	return endpoint != NULL && endpoint->is_server ?
	    endpoint->host_key_text : NULL;
}

int
sj_endpoint_stats(const struct sj_endpoint *endpoint,
    struct sj_endpoint_stats *stats)
{
	struct sj_endpoint_stats full = { .size = sizeof full };
	const struct sj_session *session;

	if (endpoint == NULL || stats == NULL || stats->size < sizeof(size_t))
		return SJ_ERR_ARGUMENT;
	for (const struct list *at = endpoint->sessions.next;
	    at != &endpoint->sessions; at = at->next) {
		session = container_of(at, struct sj_session, all);
		full.sessions += session->state == SESSION_LIVE;
		full.away += session->is_away;
	}
	full.logins = endpoint->counters[COUNT_LOGIN_ACCEPTED];
	full.refused = endpoint->counters[COUNT_LOGIN_REFUSED];
	full.packets_in = endpoint->counters[COUNT_PACKETS_IN];
	full.packets_out = endpoint->counters[COUNT_PACKETS_OUT];
	for (int i = COUNT_DROPPED_SHORT; i <= COUNT_DROPPED_MEMORY; i++)
		full.dropped += endpoint->counters[i];
	full.memory = endpoint->memory.used;
	full.size = stats->size;
	memcpy(stats, &full, min_size(stats->size, sizeof full));
	return 0;
}
