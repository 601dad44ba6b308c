/* SPDX-License-Identifier: ISC */
/*
 * channel.c - a channel's life: set up, deadlines, close
 *
 * channel_recv.c takes packets in, channel_send.c makes them, channel_path.c
 * knows where the peer is.
 */
#include "core/channel_internal.h"

#define HELLO_FIRST_NS (500 * NS_PER_MS)
#define HELLO_NEXT_PATH_NS (250 * NS_PER_MS) /* RFC 8305 section 8 */
#define HALF_OPEN_NS (60 * NS_PER_S)
#define HELLOS_ASKED_MAX 8              /* cookies and parts of an answer */
#define PROBES_UNTIL_AWAY 3             /* unanswered: the user is told */
#define PROBES_UNTIL_DEAD 10            /* [SJ-PA-8] about half a minute */
#define QUIET_FIRST_NS NS_PER_S         /* client: something is expected, nothing comes */
#define QUIET_MAX_NS (15 * NS_PER_S)    /* below the lifetime of most NAT bindings */

/* --- States ------------------------------------------------------------ */

static const char *
state_name(enum channel_state state)
{
	static const char *const names[] = {
		[CHANNEL_HELLO] = "hello",
		[CHANNEL_TRUST] = "trust",
		[CHANNEL_ASKED] = "asked",
		[CHANNEL_ANSWERED] = "answered",
		[CHANNEL_OPEN] = "open",
		[CHANNEL_CLOSED] = "closed",
	};

	return names[state];
}

void
sj__channel_set_state(struct sj__channel *channel, enum channel_state state)
{
	struct text text;
	char line[64];

	text = text_of(line, sizeof line);
	text_add(&text, "channel ");
	text_add(&text, state_name(channel->state));
	text_add(&text, " -> ");
	text_add(&text, state_name(state));
	sj__endpoint_trace(channel->endpoint, line);
	channel->state = state;
}

void
sj__channel_set_deadline(struct sj__channel *channel,
    enum channel_deadline which, uint64_t at_ns)
{
	channel->deadlines[which] = at_ns;
}

uint64_t
sj__channel_deadline(const struct sj__channel *channel)
{
	uint64_t first = NEVER_NS;

	for (int i = 0; i < DEADLINES; i++)
		first = min_u64(first, channel->deadlines[i]);
	return first;
}

/* --- Making and unmaking ----------------------------------------------- */

static int
channel_new(struct sj_endpoint *endpoint, const struct sj_path *key,
    bool is_server, struct sj__channel **out)
{
	struct sj__memory *memory = sj__endpoint_memory(endpoint);
	struct sj__channel *channel;

	channel = sj__memory_allocate(memory, sizeof *channel);
	if (channel == NULL)
		return SJ_ERR_MEMORY;
	memset(channel, 0, sizeof *channel);
	channel->endpoint = endpoint;
	channel->is_server = is_server;
	channel->state = is_server ? CHANNEL_ASKED : CHANNEL_HELLO;
	for (int i = 0; i < DEADLINES; i++)
		channel->deadlines[i] = NEVER_NS;
	list_init(&channel->all);
	list_init(&channel->sending);
	list_init(&channel->blocked);
	sj__recovery_init(&channel->recovery, memory);
	channel->current.path = sj__endpoint_private_path(endpoint, key);
	if (channel->current.path == NULL ||
	    sj__endpoint_adopt_channel(channel) < 0) {
		sj__channel_free(channel);
		return SJ_ERR_MEMORY;
	}
	channel->adopted = true;
	*out = channel;
	return 0;
}

static void
forget_keys(struct sj__channel *channel)
{
	sj__protection_fini(&channel->protection);
	sj__wipe(channel->master, sizeof channel->master);
	if (channel->handshake != NULL)
		sj__handshake_close(channel->handshake);
	channel->handshake = NULL;
}

static void
drop_candidates(struct sj__channel *channel)
{
	sj__memory_free(sj__endpoint_memory(channel->endpoint),
	    channel->candidates,
	    channel->candidate_count * sizeof *channel->candidates);
	channel->candidates = NULL;
	channel->candidate_count = 0;
}

void
sj__channel_free(struct sj__channel *channel)
{
	struct sj__memory *memory = sj__endpoint_memory(channel->endpoint);

	sj__endpoint_forget_requests(channel->endpoint, NULL, channel);
	if (channel->adopted)
		sj__endpoint_disown_channel(channel);
	sj__channel_forget_ids(channel);
	drop_candidates(channel);
	forget_keys(channel);
	sj__channel_drop_path(channel, &channel->probed);
	sj__channel_drop_path(channel, &channel->current);
	sj__recovery_fini(&channel->recovery);
	sj__wipe(channel, sizeof *channel);
	sj__memory_free(memory, channel, sizeof *channel);
}

/* --- Client ------------------------------------------------------------ */

/* What is offered: the key that is known, hybrid where we have it, and neither
 * once it was refused. */
static int
start_hello(struct sj__channel *channel, struct sj_time now,
    const struct offer *refused)
{
	struct sj_endpoint *endpoint = channel->endpoint;
	unsigned refusal = refused != NULL ? refused->refusal : REFUSAL_NONE;
	struct sj__handshake_client client = {
		.endpoint = endpoint,
		.is_hybrid = sj__endpoint_has_hybrid(endpoint) &&
		    !(refusal & REFUSAL_NO_HYBRID),
		.refused = refused,
	};

	if (channel->knows_server && !(refusal & REFUSAL_UNKNOWN_KEY))
		client.server_key = channel->server_key;
	client.has_token = channel->knows_server && sj__endpoint_take_token(
	    endpoint, channel->server_key, client.token);
	memcpy(client.id, channel->own_ids[0].bytes, ID_SIZE);
	client.body_least = sj__endpoint_hello_least(endpoint);
	SJ_TRY(sj__handshake_begin(&client, &channel->handshake));
	channel->hello_wanted = true;
	channel->hello_interval_ns = channel->candidate_count > 1 ?
	    HELLO_NEXT_PATH_NS : HELLO_FIRST_NS;
	sj__channel_set_deadline(channel, DEADLINE_HELLO,
	    now.boot_ns + channel->hello_interval_ns);
	return 0;
}

static int
keep_candidates(struct sj__channel *channel, const struct sj_path *paths,
    size_t count)
{
	channel->candidates = sj__memory_allocate(
	    sj__endpoint_memory(channel->endpoint), count * sizeof *paths);
	if (channel->candidates == NULL)
		return SJ_ERR_MEMORY;
	memcpy(channel->candidates, paths, count * sizeof *paths);
	channel->candidate_count = count;
	return 0;
}

/* [SJ-HS-10] An answer counts if it comes from where a hello went. */
static bool
is_candidate(const struct sj__channel *channel, const struct sj_path *path)
{
	for (size_t i = 0; i < channel->candidate_count; i++)
		if (memcmp(&channel->candidates[i], path, sizeof *path) == 0)
			return true;
	return false;
}

/* The id in a hello is seen by everybody: it serves the handshake only, and
 * others take its place when the channel opens. */
int
sj__channel_connect(struct sj_endpoint *endpoint, struct sj_time now,
    const struct channel_connect *connect, struct sj__channel **out)
{
	struct sj__channel *channel;
	struct channel_id *id;
	int error;

	*out = NULL;
	SJ_TRY(channel_new(endpoint, connect->paths, false, &channel));
	channel->user = connect->user;
	channel->user_data = connect->user_data;
	channel->must_be_hybrid = connect->must_be_hybrid;
	channel->knows_server = connect->server_key != NULL;
	if (channel->knows_server)
		memcpy(channel->server_key, connect->server_key, 32);
	id = &channel->own_ids[0];
	error = keep_candidates(channel, connect->paths, connect->path_count);
	if (error == 0)
		error = sj__endpoint_add_id(endpoint, channel, id->bytes);
	if (error == 0) {
		id->is_valid = true;
		error = start_hello(channel, now, NULL);
	}
	if (error < 0) {
		channel->user = NULL;
		sj__channel_free(channel);
		return error;
	}
	*out = channel;
	return 0;
}

/* [SJ-HS-3] [SJ-HS-30] The server does not have the key we asked for: ask who it
 * is, and the user compares what it shows with what is known. Or it has no
 * hybrid: where it once had, we do not believe that [SJ-HS-31]. */
void
sj__channel_on_refusal(struct sj__channel *channel, struct sj_time now,
    const struct sj_path *path, const struct long_packet *refusal)
{
	struct offer refused;

	if (channel->state != CHANNEL_HELLO || !is_candidate(channel, path) ||
	    !sj__handshake_may_be_refused(channel->handshake, refusal,
	    &refused)) {
		sj__endpoint_count(channel->endpoint, COUNT_DROPPED_ANSWER);
		return;
	}
	if (channel->must_be_hybrid && (refused.refusal & REFUSAL_NO_HYBRID)) {
		sj__endpoint_count(channel->endpoint, COUNT_DROPPED_ANSWER);
		channel->hybrid_refused = true;
		return;
	}
	channel->hellos_asked = 0;
	sj__handshake_close(channel->handshake);
	channel->handshake = NULL;
	if (start_hello(channel, now, &refused) < 0)
		sj__channel_fail(channel, now, SJ_ERR_MEMORY, NULL);
}

/* [SJ-HS-13] The hello goes out at once, to the address that answered: not without
 * end, for nothing of that was authenticated; but after each one that the clock
 * sends, for the address may be another by then. */
static void
ask_again(struct sj__channel *channel, const struct sj_path *path)
{
	if (channel->hellos_asked >= HELLOS_ASKED_MAX)
		return;
	channel->hellos_asked++;
	for (size_t i = 0; i < channel->candidate_count; i++)
		if (memcmp(&channel->candidates[i], path, sizeof *path) == 0)
			channel->candidate = i;
	channel->hello_wanted = true;
}

/* [SJ-HS-11] The server is under load: it wants to see our address work. */
void
sj__channel_on_cookie(struct sj__channel *channel, const struct sj_path *path,
    const struct long_packet *packet)
{
	if (channel->state != CHANNEL_HELLO || !is_candidate(channel, path) ||
	    !sj__handshake_take_cookie(channel->handshake, packet)) {
		sj__endpoint_count(channel->endpoint, COUNT_DROPPED_ANSWER);
		return;
	}
	ask_again(channel, path);
}

/* [SJ-VN-2] */
void
sj__channel_on_versions(struct sj__channel *channel, struct sj_time now,
    const struct sj_path *path, const struct long_packet *packet)
{
	struct reader reader = reader_of(packet->body.data,
	    packet->body.length);
	bool is_for_us = channel->state == CHANNEL_HELLO &&
	    is_candidate(channel, path) &&
	    sj__handshake_is_answered_by(channel->handshake, packet);

	while (is_for_us && reader_left(&reader) >= 4)
		if (read_uint(&reader, 4) == SJ__VERSION_1)
			is_for_us = false;      /* it has what we offered */
	if (!is_for_us) {
		sj__endpoint_count(channel->endpoint, COUNT_DROPPED_ANSWER);
		return;
	}
	sj__channel_fail(channel, now, SJ_ERR_VERSION, NULL);
}

void
sj__channel_on_answer(struct sj__channel *channel, struct sj_time now,
    const struct sj_path *path, const struct long_packet *answer)
{
	int error;

	if (channel->state != CHANNEL_HELLO || !is_candidate(channel, path)) {
		sj__endpoint_count(channel->endpoint, COUNT_DROPPED_ANSWER);
		return;
	}
	error = sj__handshake_read_answer(channel->handshake, answer);
	if (error == SJ__HANDSHAKE_PENDING) {
		ask_again(channel, path);       /* room for the rest */
		return;
	}
	if (error < 0) {
		sj__endpoint_count(channel->endpoint, COUNT_DROPPED_HANDSHAKE);
		return;
	}
	memcpy(channel->server_key, sj__handshake_server_key(channel->handshake),
	    32);
	channel->current.path->key = *path;
	drop_candidates(channel);
	sj__channel_set_deadline(channel, DEADLINE_HELLO, NEVER_NS);
	channel->hello_wanted = false;
	channel->last_received_ns = now.boot_ns;
	/* Which of several hellos was answered, nobody knows. */
	if (channel->attempt == 1)
		sj__path_on_rtt(channel->current.path,
		    now.boot_ns - channel->hello_sent_ns, 0, now.boot_ns);
	channel->own_time_unix_s = now.unix_s;
	sj__channel_set_state(channel, CHANNEL_TRUST);
	channel->user->on_server_key(channel->user_data, now);
}

void
sj__channel_trust(struct sj__channel *channel, struct sj_time now)
{
	if (channel->state != CHANNEL_TRUST)
		return;
	/* Answered by the peer: its address is as good as proven. */
	channel->current.is_validated = true;
	if (sj__channel_open_keys(channel) < 0) {
		sj__channel_fail(channel, now, SJ_ERR_MEMORY, NULL);
		return;
	}
	/* [SJ-KEY-3] The secrets of the first phase stand in it, too, and what
	 * they came from. */
	sj__handshake_close(channel->handshake);
	channel->handshake = NULL;
	sj__endpoint_remove_id(channel->endpoint, channel->own_ids[0].bytes);
	channel->own_ids[0].is_valid = false;
	channel->parameters_wanted = true;
	if (sj__channel_fill_ids(channel) < 0 ||
	    sj__channel_share_path(channel, &channel->current) < 0) {
		sj__channel_fail(channel, now, SJ_ERR_MEMORY, NULL);
		return;
	}
	memcpy(channel->first_id, channel->own_ids[0].bytes, ID_SIZE);
	channel->quiet_from_ns = now.boot_ns;
	sj__channel_set_state(channel, CHANNEL_OPEN);
	channel->user->on_open(channel->user_data, now);
	sj__endpoint_update_channel(channel);
}

/* --- Server ------------------------------------------------------------ */

int
sj__channel_accept(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, uint64_t bytes_in, bool is_proven,
    const struct long_packet *hello, struct sj__channel **out)
{
	struct sj__channel *channel;
	int error;

	*out = NULL;
	SJ_TRY(channel_new(endpoint, path, true, &channel));
	channel->current.bytes_in = bytes_in;
	sj__channel_set_deadline(channel, DEADLINE_HELLO,
	    now.boot_ns + HALF_OPEN_NS);
	channel->current.is_validated = is_proven;
	error = sj__channel_fill_ids(channel);
	if (error == 0)
		error = sj__handshake_accept(endpoint, hello,
		    channel->own_ids[0].bytes, path, now, &channel->handshake);
	if (error == 0)
		error = sj__channel_go_on(channel, now);
	if (error < 0) {
		sj__channel_free(channel);
		return error == SJ_ERR_MEMORY ? error : 0;
	}
	*out = channel;
	return 0;
}

/* Reads message 1 and writes message 2 as far as the host key lets it. */
int
sj__channel_go_on(struct sj__channel *channel, struct sj_time now)
{
	const struct sj_host_key *key = sj__endpoint_host_key(channel->endpoint);
	uint8_t peer_key[32];
	uint64_t request;
	int error = sj__handshake_step(channel->handshake, peer_key);

	if (error == SJ__HANDSHAKE_PENDING) {
		request = sj__endpoint_request(channel->endpoint,
		    REQUEST_SHARED_SECRET, NULL, channel);
		if (request == 0)
			return SJ_ERR_MEMORY;
		key->dh(key, channel->endpoint, request, peer_key);
		return 0;
	}
	if (error < 0) {
		sj__endpoint_count(channel->endpoint, COUNT_DROPPED_HANDSHAKE);
		return error;
	}
	SJ_TRY(sj__channel_open_keys(channel));
	channel->answer_wanted = true;
	sj__channel_set_state(channel, CHANNEL_ANSWERED);
	sj__endpoint_update_channel(channel);
	(void)now;
	return 0;
}

void
sj__channel_on_shared_secret(struct sj__channel *channel, struct sj_time now,
    int error, const uint8_t shared[32])
{
	if (channel->state != CHANNEL_ASKED)
		return;
	if (error == 0)
		error = sj__handshake_resume(channel->handshake, shared);
	if (error == 0)
		error = sj__channel_go_on(channel, now);
	if (error < 0) {
		/* Not freed here: the asker may be up the call stack. */
		sj__channel_close(channel, now, 0, "");
		sj__channel_set_deadline(channel, DEADLINE_HELLO, now.boot_ns);
		sj__endpoint_update_channel(channel);
	}
}

void
sj__channel_on_repeated_hello(struct sj__channel *channel, struct sj_time now,
    size_t datagram_length)
{
	channel->current.bytes_in += datagram_length;
	channel->answer_wanted = channel->state == CHANNEL_ANSWERED;
	/* Somebody is still there. */
	sj__channel_set_deadline(channel, DEADLINE_HELLO,
	    now.boot_ns + HALF_OPEN_NS);
}

/* --- Both -------------------------------------------------------------- */

/* Turns the finished handshake into packet keys. */
int
sj__channel_open_keys(struct sj__channel *channel)
{
	struct sj__handshake_result result;
	int error;

	sj__handshake_result(channel->handshake, &result);
	memcpy(channel->hash, result.hash, sizeof channel->hash);
	memcpy(channel->master, result.master, sizeof channel->master);
	memcpy(channel->server_key, result.server_key, 32);
	channel->peer_credit = result.peer_credit;
	channel->peer_datagram_max = result.peer_datagram_max;
	channel->peer_time_unix_s = result.time_unix_s;
	channel->is_hybrid = result.is_hybrid;
	error = sj__protection_init(&channel->protection,
	    sj__endpoint_crypto(channel->endpoint),
	    sj__endpoint_memory(channel->endpoint), result.suite,
	    channel->is_server ? result.server_secret : result.client_secret,
	    channel->is_server ? result.client_secret : result.server_secret);
	if (!channel->is_server) {
		memcpy(channel->current.peer_id.bytes, result.peer_id, ID_SIZE);
		channel->current.peer_id.is_valid = true;
		if (result.has_token)
			sj__endpoint_keep_token(channel->endpoint,
			    result.server_key, result.token);
	}
	channel->grease_wanted = true;
	channel->skip_in = sj__channel_next_skip(channel);
	sj__wipe(&result, sizeof result);
	return error;
}

/* [SJ-PK-6] */
uint64_t
sj__channel_next_skip(struct sj__channel *channel)
{
	uint16_t random;

	sj__endpoint_random(channel->endpoint, &random, sizeof random);
	return 64 + random % 4096;
}

void
sj__channel_close(struct sj__channel *channel, struct sj_time now,
    uint64_t code, const char *text)
{
	struct text words;

	if (channel->state == CHANNEL_CLOSED)
		return;
	words = text_of(channel->close_text, sizeof channel->close_text);
	text_add(&words, text);
	channel->close_code = code;
	channel->close_wanted = channel->state == CHANNEL_OPEN &&
	    !channel->peer_closed && channel->current.peer_id.is_valid;
	for (int i = 0; i < DEADLINES; i++)
		channel->deadlines[i] = NEVER_NS;
	if (!channel->close_wanted)
		forget_keys(channel);
	sj__channel_set_state(channel, CHANNEL_CLOSED);
	sj__endpoint_update_channel(channel);
	(void)now;
}

void
sj__channel_closed_for_good(struct sj__channel *channel)
{
	channel->close_wanted = false;
	forget_keys(channel);
	sj__channel_forget_ids(channel);
}

void
sj__channel_fail(struct sj__channel *channel, struct sj_time now, int error,
    const char *text)
{
	const struct sj__channel_user *user = channel->user;
	/* [SJ-CL-3] */
	uint64_t code = error == SJ_ERR_PROTOCOL ? 1 :
	    error == SJ_ERR_LIMIT ? 2 : 3;

	if (channel->state == CHANNEL_CLOSED)
		return;
	if (error == SJ_ERR_PROTOCOL)
		sj__endpoint_count(channel->endpoint, COUNT_CLOSED_PROTOCOL);
	sj__channel_close(channel, now, code, text != NULL ? text : "");
	if (user != NULL)
		user->on_closed(channel->user_data, now, error, text);
}

void
sj__channel_wake(struct sj__channel *channel)
{
	sj__endpoint_update_channel(channel);
}

void
sj__channel_export(const struct sj__channel *channel, const char *label,
    struct span context, uint8_t *out, size_t length)
{
	struct sj__crypto *crypto = sj__endpoint_crypto(channel->endpoint);
	uint8_t hash[32];
	struct span parts[2] = { { channel->hash, 32 }, context };
	struct span hashed = { hash, sizeof hash };
	char full[80];
	struct text text = text_of(full, sizeof full);

	text_add(&text, "exporter ");
	text_add(&text, label);
	sj__sha256_parts(crypto, parts, 2, hash);
	(void)sj__expand_label(crypto, channel->master, full, hashed, out,
	    length);
}

void
sj__channel_stats(const struct sj__channel *channel,
    struct sj_session_stats *stats)
{
	const struct sj__path *path = channel->current.path;

	if (path == NULL)
		return;
	stats->rtt_ns = sj__path_rtt_ns(path);
	stats->rate_bytes_s = sj__path_rate_bytes_s(path);
	stats->cwnd_bytes = sj__path_window_bytes(path);
	stats->mtu = path->mtu;
	stats->moves = channel->moves;
	stats->lost = sj__recovery_lost(&channel->recovery);
	if (!channel->is_server && channel->peer_time_unix_s != 0) {
		stats->peer_unix_s = channel->peer_time_unix_s;
		stats->own_unix_s = channel->own_time_unix_s;
	}
}

/* --- Deadlines --------------------------------------------------------- */

static void
on_hello_deadline(struct sj__channel *channel, struct sj_time now)
{
	if (channel->is_server) {
		sj__endpoint_count(channel->endpoint,
		    COUNT_HALF_OPEN_EXPIRED);
		sj__channel_close(channel, now, 0, "");
		return;
	}
	channel->hello_wanted = true;   /* [SJ-HS-16] */
	channel->hellos_asked = 0;
	channel->candidate = (channel->candidate + 1) %
	    channel->candidate_count;
	if (channel->attempt >= channel->candidate_count)
		channel->hello_interval_ns = min_u64(
		    2 * channel->hello_interval_ns, 8 * NS_PER_S);
	sj__channel_set_deadline(channel, DEADLINE_HELLO,
	    now.boot_ns + channel->hello_interval_ns);
}

static void
on_recovery_deadline(struct sj__channel *channel, struct sj_time now)
{
	unsigned unanswered;

	channel->probes_wanted += sj__recovery_on_timeout(&channel->recovery,
	    channel->current.path, now.boot_ns, sj__channel_on_settled, channel);
	unanswered = sj__recovery_probes(&channel->recovery);
	/* Counted in probes and not in time: sleep is not silence. */
	if (unanswered >= PROBES_UNTIL_DEAD) {
		sj__channel_fail(channel, now, SJ_ERR_UNREACHABLE, NULL);
		return;
	}
	if (unanswered >= PROBES_UNTIL_AWAY && !channel->is_away) {
		channel->is_away = true;
		channel->user->on_away(channel->user_data, now, true);
	}
	sj__channel_rearm(channel, now);
}

/* [SJ-PA-6] client: whoever expects something and hears nothing asks, so that a NAT that
 * forgot learns the way again. An answer alone is no news: less and less
 * often. */
static void
on_quiet_deadline(struct sj__channel *channel, struct sj_time now)
{
	channel->ping_wanted = true;
	channel->quiet_count++;
	channel->quiet_from_ns = now.boot_ns;
	sj__channel_rearm(channel, now);
}

static void
on_challenge_deadline(struct sj__channel *channel, struct sj_time now)
{
	(void)now;
	sj__channel_on_challenge_deadline(channel);
}

static void
arm_quiet(struct sj__channel *channel)
{
	uint64_t interval_ns = min_u64(QUIET_MAX_NS,
	    QUIET_FIRST_NS << min_u64(channel->quiet_count, 8));

	if (channel->is_server || channel->state != CHANNEL_OPEN ||
	    !channel->user->expects(channel->user_data))
		sj__channel_set_deadline(channel, DEADLINE_QUIET, NEVER_NS);
	else
		sj__channel_set_deadline(channel, DEADLINE_QUIET,
		    channel->quiet_from_ns + interval_ns);
}

/* Deadlines of recovery and acknowledgement as they stand. */
void
sj__channel_rearm(struct sj__channel *channel, struct sj_time now)
{
	(void)now;
	sj__channel_set_deadline(channel, DEADLINE_RECOVERY,
	    sj__recovery_deadline_ns(&channel->recovery, channel->current.path));
	sj__channel_set_deadline(channel, DEADLINE_ACK,
	    sj__recovery_ack_deadline_ns(&channel->recovery));
	arm_quiet(channel);
}

void
sj__channel_on_deadline(struct sj__channel *channel, struct sj_time now)
{
	static void (*const handlers[DEADLINES])(struct sj__channel *,
	    struct sj_time) = {
		[DEADLINE_HELLO] = on_hello_deadline,
		[DEADLINE_RECOVERY] = on_recovery_deadline,
		[DEADLINE_CHALLENGE] = on_challenge_deadline,
		[DEADLINE_QUIET] = on_quiet_deadline,
	};

	for (int i = 0; i < DEADLINES; i++) {
		if (channel->deadlines[i] > now.boot_ns)
			continue;
		channel->deadlines[i] = NEVER_NS;
		if (channel->state == CHANNEL_CLOSED)
			continue;
		if (handlers[i] != NULL)
			handlers[i](channel, now);
		else if (i == DEADLINE_KEYS &&
		    sj__protection_drop_previous(&channel->protection) < 0)
			sj__channel_fail(channel, now, SJ_ERR_MEMORY, NULL);
		else if (i == DEADLINE_ACK)
			channel->ack_now = true;
	}
}
