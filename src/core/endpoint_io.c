/* SPDX-License-Identifier: ISC */
/*
 * endpoint_io.c - datagrams in, bursts out, deadlines
 *
 * In: short packets go to the channel that has their connection id, a whole
 * train at once where the ids agree. Long packets are hellos of strangers
 * (endpoint_strangers.c), or answers to hellos of ours. What fits nowhere is counted and dropped without
 * a word.
 *
 * Out: channels that want to send take turns, one burst each.
 */
#include "core/endpoint_internal.h"
#include "core/text.h"

/* --- Timers and turns -------------------------------------------------- */

void
sj__endpoint_update_channel(struct sj__channel *channel)
{
	struct sj_endpoint *endpoint = channel->endpoint;
	bool waits = false;

	if (sj__channel_wants_to_send(channel, endpoint->now)) {
		if (list_is_empty(&channel->sending))
			list_append(&endpoint->sending, &channel->sending);
	} else {
		list_remove(&channel->sending);
		waits = sj__channel_wait(channel, endpoint->now);
	}
	if (!waits)
		list_remove(&channel->blocked);
	else if (list_is_empty(&channel->blocked))
		list_append(&channel->current.path->blocked, &channel->blocked);
	sj__timers_set(&endpoint->timers, &channel->timer,
	    sj__channel_deadline(channel));
}

/* The window of a path may have opened: whoever waits for it looks again. */
void
sj__endpoint_wake_blocked(struct sj__path *path)
{
	struct list waiting;
	struct sj__channel *channel;

	if (path == NULL || list_is_empty(&path->blocked))
		return;
	list_init(&waiting);
	while ((channel = list_first(&path->blocked, struct sj__channel,
	    blocked)) != NULL) {
		list_remove(&channel->blocked);
		list_append(&waiting, &channel->blocked);
	}
	while ((channel = list_first(&waiting, struct sj__channel,
	    blocked)) != NULL) {
		list_remove(&channel->blocked);
		sj__endpoint_update_channel(channel);
	}
}

void
sj__endpoint_update_session(struct sj_session *session)
{
	sj__timers_set(&session->endpoint->timers, &session->timer,
	    sj__session_deadline(session));
}

/* Every channel and session has one timer: room for all is made ahead. */
int
sj__endpoint_reserve_timers(struct sj_endpoint *endpoint)
{
	SJ_TRY(sj__timers_reserve(&endpoint->timers, &endpoint->memory,
	    endpoint->timer_owners + 2));
	endpoint->timer_owners++;
	return 0;
}

void
sj__endpoint_release_timer(struct sj_endpoint *endpoint,
    struct sj__timer *timer)
{
	sj__timers_set(&endpoint->timers, timer, NEVER_NS);
	endpoint->timer_owners--;
}

uint64_t
sj_core_deadline(const struct sj_endpoint *endpoint)
{
	const struct sj__timer *first = sj__timers_first(&endpoint->timers);

	if (!list_is_empty(&endpoint->sending) || endpoint->wake_pending ||
	    endpoint->strangers.answer_count > 0 ||
	    endpoint->farewells.wanted > 0 ||
	    endpoint->done_pending || !list_is_empty(&endpoint->session_events) ||
	    !list_is_empty(&endpoint->stream_events) ||
	    !list_is_empty(&endpoint->endings))
		return 0;
	return first != NULL ? first->deadline_ns : NEVER_NS;
}

int
sj__endpoint_adopt_channel(struct sj__channel *channel)
{
	struct sj_endpoint *endpoint = channel->endpoint;

	SJ_TRY(sj__endpoint_reserve_timers(endpoint));
	list_append(channel->is_server ? &endpoint->half_open_channels :
	    &endpoint->channels, &channel->all);
	if (channel->is_server)
		endpoint->half_open++;
	return 0;
}

void
sj__endpoint_disown_channel(struct sj__channel *channel)
{
	struct sj_endpoint *endpoint = channel->endpoint;

	sj__endpoint_release_timer(endpoint, &channel->timer);
	list_remove(&channel->all);
	list_remove(&channel->sending);
	if (channel->is_server && channel->user == NULL)
		endpoint->half_open--;
}

int
sj__endpoint_adopt_session(struct sj_session *session)
{
	SJ_TRY(sj__endpoint_reserve_timers(session->endpoint));
	session->timer.is_session = true;
	list_append(&session->endpoint->sessions, &session->all);
	return 0;
}

void
sj__endpoint_disown_session(struct sj_session *session)
{
	sj__endpoint_release_timer(session->endpoint, &session->timer);
	list_remove(&session->all);
	list_remove(&session->eventing);
}

/* A session that is over keeps its channel until the last words are out. */
static void
reap(struct sj_session *session)
{
	if (session->state != SESSION_OVER || session->app_holds ||
	    session->events != 0)
		return;
	if (session->channel != NULL &&
	    (session->channel->state != CHANNEL_CLOSED ||
	    session->channel->close_wanted))
		return;
	sj__session_free(session);
}

void
sj__endpoint_session_closed(struct sj_session *session)
{
	/* A client that lets go of a session leaves the login to the server;
	 * without resume there is nobody left here to speak for it. */
	if (session->state != SESSION_OVER && session->channel == NULL)
		sj__session_end(session, SJ_ERR_ENDED, NULL);
	reap(session);
}

/* After something happened to a channel. */
static void
settle(struct sj__channel *channel)
{
	struct sj__path *path = channel->current.path;
	bool is_shared = channel->current.is_shared && path->references > 1;

	if (!sj__endpoint_retire_channel(channel))
		sj__endpoint_update_channel(channel);
	if (is_shared)
		sj__endpoint_wake_blocked(path);
}

static void
run_timers(struct sj_endpoint *endpoint, struct sj_time now)
{
	struct sj__timer *timer;
	struct sj__channel *channel;
	struct sj_session *session;

	while ((timer = sj__timers_first(&endpoint->timers)) != NULL &&
	    timer->deadline_ns <= now.boot_ns) {
		if (timer->is_session) {
			session = container_of(timer, struct sj_session, timer);
			sj__session_on_deadline(session, now);
			sj__endpoint_update_session(session);
		} else {
			channel = container_of(timer, struct sj__channel, timer);
			sj__channel_on_deadline(channel, now);
			settle(channel);
		}
	}
}

void
sj__endpoint_keep_close(struct sj__channel *channel, struct span packet)
{
	struct sj_endpoint *endpoint = channel->endpoint;

	sj__farewells_add(&endpoint->farewells, &endpoint->memory, channel,
	    packet);
}

/* Frees a closed channel that nobody holds; true if it did. */
bool
sj__endpoint_retire_channel(struct sj__channel *channel)
{
	struct sj_session *session;

	if (channel->state != CHANNEL_CLOSED || channel->close_wanted)
		return false;
	if (channel->user == NULL) {
		sj__channel_free(channel);
		return true;
	}
	session = channel->user_data;
	if (session->state != SESSION_OVER || session->app_holds ||
	    session->events != 0)
		return false;
	sj__session_free(session);
	return true;
}

/* --- In ---------------------------------------------------------------- */

/* How many bytes of the train, in whole segments, carry the first one's id. */
static size_t
same_id_run(const uint8_t *bytes, size_t length, size_t segment)
{
	size_t run = segment;

	while (run < length && length - run >= PACKET_MIN &&
	    !(bytes[run] & FLAG_LONG) &&
	    memcmp(bytes + run + 1, bytes + 1, ID_SIZE) == 0)
		run += segment;
	return min_size(run, length);
}

static size_t
receive_short(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, enum sj_ecn ecn, uint8_t *bytes, size_t length,
    size_t segment)
{
	struct sj__channel *channel;
	size_t run;

	if (min_size(segment, length) < PACKET_MIN) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_SHORT);
		return segment;
	}
	channel = sj__endpoint_find_id(endpoint, bytes + 1);
	if (channel == NULL) {
		sj__endpoint_count(endpoint, sj__farewells_on_packet(
		    &endpoint->farewells, path, bytes + 1) ?
		    COUNT_DROPPED_CLOSED : COUNT_DROPPED_UNKNOWN_ID);
		return segment;
	}
	run = same_id_run(bytes, length, segment);
	sj__channel_receive(channel, now, path, ecn, bytes, run, segment);
	settle(channel);
	return run;
}

/* Long packets but hellos: answers to one of ours. */
static void
receive_answer(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, const struct long_packet *packet)
{
	struct sj__channel *channel = sj__endpoint_find_id(endpoint,
	    packet->destination);

	if (channel == NULL || channel->is_server) {    /* [SJ-PK-2] */
		sj__endpoint_count(endpoint, COUNT_DROPPED_ANSWER);
		return;
	}
	if (packet->version == VERSION_NONE)
		sj__channel_on_versions(channel, now, path, packet);
	else if (long_type_of(packet->flags) == LONG_ANSWER)
		sj__channel_on_answer(channel, now, path, packet);
	else if (long_type_of(packet->flags) == LONG_COOKIE)
		sj__channel_on_cookie(channel, path, packet);
	else
		sj__channel_on_refusal(channel, now, path, packet);
	if (!sj__endpoint_retire_channel(channel))
		sj__endpoint_update_channel(channel);
}

static void
receive_long(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, struct span datagram)
{
	struct long_packet packet;

	if (datagram.length < PACKET_MIN) {     /* [SJ-PK-1] */
		sj__endpoint_count(endpoint, COUNT_DROPPED_SHORT);
		return;
	}
	if (!sj__long_decode(datagram, &packet)) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_LONG_FORM);
		return;
	}
	/* [SJ-PK-3] */
	if (packet.version != VERSION_NONE && packet.version != SJ__VERSION_1)
		sj__strangers_on_version(endpoint, path, datagram, &packet);
	else if (packet.version == SJ__VERSION_1 &&
	    long_type_of(packet.flags) == LONG_HELLO)
		sj__strangers_on_hello(endpoint, now, path, datagram, &packet);
	else
		receive_answer(endpoint, now, path, &packet);
}

void
sj_core_receive(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, enum sj_ecn ecn, uint8_t *bytes, size_t length,
    size_t segment_size)
{
	size_t step, one;

	endpoint->now = now;
	if (segment_size == 0)
		segment_size = length;
	while (length > 0) {
		one = min_size(length, segment_size);
		endpoint->counters[COUNT_PACKETS_IN] +=
		    (one + segment_size - 1) / segment_size;
		if (*bytes & FLAG_LONG) {
			receive_long(endpoint, now, path,
			    (struct span){ bytes, one });
			step = one;
		} else {
			step = min_size(length, receive_short(endpoint, now,
			    path, ecn, bytes, length, segment_size));
			endpoint->counters[COUNT_PACKETS_IN] +=
			    (step - 1) / segment_size;
		}
		endpoint->counters[COUNT_BYTES_IN] += step;
		bytes += step;
		length -= step;
	}
}

/* --- Out --------------------------------------------------------------- */

/* Nothing came of its turn, though it wanted one: again in a moment. */
static void
postpone(struct sj__channel *channel, struct sj_time now)
{
	if (list_is_empty(&channel->sending))
		return;
	list_remove(&channel->sending);
	channel->deadlines[DEADLINE_PACE] = now.boot_ns + NS_PER_MS;
	sj__timers_set(&channel->endpoint->timers, &channel->timer,
	    sj__channel_deadline(channel));
}

static int
count_out(struct sj_endpoint *endpoint, const struct sj_batch *batch)
{
	endpoint->counters[COUNT_BYTES_OUT] += batch->length;
	endpoint->counters[COUNT_PACKETS_OUT] +=
	    (batch->length + batch->segment_size - 1) / batch->segment_size;
	return 1;
}

int
sj_core_transmit(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj_batch *batch)
{
	struct sj__channel *channel;
	int filled;

	endpoint->now = now;
	sj__endpoint_store_pump(endpoint, now);
	run_timers(endpoint, now);
	if (sj__strangers_answer(endpoint, now, batch) ||
	    sj__farewells_transmit(&endpoint->farewells, now, batch))
		return count_out(endpoint, batch);
	while ((channel = list_first(&endpoint->sending, struct sj__channel,
	    sending)) != NULL) {
		list_remove(&channel->sending);
		filled = sj__channel_transmit(channel, now, batch);
		if (!sj__endpoint_retire_channel(channel)) {
			sj__endpoint_update_channel(channel);
			if (filled == 0)
				postpone(channel, now);
		}
		if (filled == 1)
			return count_out(endpoint, batch);
	}
	return 0;
}

/* --- Logins ------------------------------------------------------------ */

int
sj__endpoint_on_channel_open(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj__channel *channel)
{
	struct sj_session *session, *oldest;

	SJ_TRY(sj__session_create(endpoint, now, channel, &session));
	/* [SJ-LG-9] Not before the address is proven: or else strangers could
	 * put out others from anywhere. */
	if (endpoint->unproven >= UNPROVEN_LOGINS_MAX) {
		sj__endpoint_count(endpoint, COUNT_LOGIN_EXPIRED);
		oldest = list_first(&endpoint->newcomers, struct sj_session,
		    newcomers);
		/* At once: its last words would cost memory for a while. */
		sj__channel_fail(oldest->channel, now, SJ_ERR_LIMIT, NULL);
	}
	list_append(&endpoint->newcomers, &session->newcomers);
	endpoint->unproven++;
	endpoint->half_open--;
	list_remove(&channel->all);
	list_append(&endpoint->channels, &channel->all);
	channel->user = &sj__session_channel_user;
	channel->user_data = session;
	sj__session_describe_peer(session, &channel->current.path->key);
	sj__endpoint_update_session(session);
	return 0;
}

/* [SJ-LG-2] */
static bool
is_name(const char *name)
{
	return name != NULL && strlen(name) <= NAME_MAX_BYTES &&
	    text_is_utf8(name, strlen(name));
}

static int
take_login(struct sj_session *session, const struct sj_core_login *login)
{
	const char *pin = login->options.server_key;

	if (!is_name(login->server_name) || !is_name(login->user) ||
	    !is_name(login->application))
		return SJ_ERR_ARGUMENT;
	if (login->options.ca_file != NULL || login->options.ticket != NULL)
		return SJ_ERR_ARGUMENT;         /* not in this version */
	memcpy(session->server_name, login->server_name,
	    strlen(login->server_name) + 1);
	memcpy(session->user, login->user, strlen(login->user) + 1);
	memcpy(session->application, login->application,
	    strlen(login->application) + 1);
	session->options = login->options;
	if (login->options.key_file != NULL) {
		if (strlen(login->options.key_file) >= sizeof session->key_file)
			return SJ_ERR_TOO_BIG;
		memcpy(session->key_file, login->options.key_file,
		    strlen(login->options.key_file) + 1);
		session->options.key_file = session->key_file;
	}
	session->options.server_key = NULL;
	session->context = login->context;
	session->data = login->options.data;
	if (login->server_key != NULL) {
		memcpy(session->pinned_key, login->server_key, 32);
		session->has_pinned_key = true;
		session->must_be_hybrid = login->server_key_is_hybrid;
	}
	if (session->must_be_hybrid &&
	    !sj__endpoint_has_hybrid(session->endpoint)) {
		sj__endpoint_set_error(session->endpoint, "the key of the server "
		    "is known with the hybrid key exchange, which this machine "
		    "cannot do (libcrypto below 3.5, or told not to)");
		return SJ_ERR_DOWNGRADE;
	}
	if (login->server_key_where != NULL && strlen(login->server_key_where) <
	    sizeof session->key_where)
		memcpy(session->key_where, login->server_key_where,
		    strlen(login->server_key_where) + 1);
	if (pin != NULL && strncmp(pin, "SHA256:", 7) == 0) {
		if (strlen(pin) >= sizeof session->pin_fingerprint)
			return SJ_ERR_ARGUMENT;
		memcpy(session->pin_fingerprint, pin, strlen(pin) + 1);
		session->has_pin_fingerprint = true;
	}
	return 0;
}

static int
connect_session(struct sj_session *session, struct sj_time now,
    const struct sj_path *paths, size_t count)
{
	struct channel_connect connect = {
		.paths = paths,
		.path_count = min_size(count, SJ_LOGIN_PATHS_MAX),
		.server_key = session->has_pinned_key ? session->pinned_key : NULL,
		.must_be_hybrid = session->must_be_hybrid,
		.user = &sj__session_channel_user,
		.user_data = session,
	};

	sj__session_describe_peer(session, paths);
	SJ_TRY(sj__channel_connect(session->endpoint, now, &connect,
	    &session->channel));
	sj__endpoint_update_channel(session->channel);
	return 0;
}

int
sj_core_login(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_core_login *login, struct sj_session **out)
{
	uint32_t timeout_ms = login->options.timeout_ms;
	struct sj_session *session;
	int error;

	*out = NULL;
	endpoint->now = now;
	if (endpoint->is_server)
		return SJ_ERR_STATE;
	SJ_TRY(sj__session_create(endpoint, now, NULL, &session));
	session->app_holds = true;
	error = take_login(session, login);
	session->deadline_ns = now.boot_ns +
	    (timeout_ms == 0 ? 10000 : timeout_ms) * NS_PER_MS;
	if (error == 0 && login->path.transport != 0)
		error = connect_session(session, now, &login->path, 1);
	if (error < 0) {
		sj__session_free(session);
		return error;
	}
	sj__endpoint_update_session(session);
	*out = session;
	return 0;
}

int
sj_core_login_paths(struct sj_session *session, struct sj_time now,
    const struct sj_path *paths, size_t count)
{
	if (count == 0)
		return SJ_ERR_ARGUMENT;
	if (session->state != SESSION_CONNECTING || session->channel != NULL)
		return SJ_ERR_STATE;
	session->endpoint->now = now;
	return connect_session(session, now, paths, count);
}

void
sj_core_login_fail(struct sj_session *session, int error, const char *text)
{
	sj__session_end(session, error, text);
	sj__endpoint_update_session(session);
}
