/* SPDX-License-Identifier: ISC */
/* session.c - one login: life and death, and the calls of sojourn.h on it */
#include "core/services.h"
#include "core/session.h"
#include "core/text.h"

/* --- Events ------------------------------------------------------------ */

void
sj__session_event(struct sj_session *session, uint8_t events)
{
	session->events |= events;
	sj__endpoint_queue_session(session->endpoint, session);
}

static void
set_text(struct sj_session *session, const char *text)
{
	size_t length = min_size(strlen(text), sizeof session->text - 1);

	memmove(session->text, text, length);
	session->text[length] = '\0';
}

/* Ends every stream without a frame: there is no channel to send it on. */
static void
end_streams(struct sj_session *session)
{
	struct sj__tree *tree = &session->tree;
	struct sj_stream *stream, *next;

	for (size_t i = 0; i < tree->bucket_count; i++)
		for (stream = tree->buckets[i]; stream != NULL; stream = next) {
			next = stream->hash_next;
			if (stream->error == 0)
				stream->error = SJ_ERR_ENDED;
		}
}

static void
forget_question(struct sj_session *session)
{
	struct sj__question *question = session->question;

	session->question = NULL;
	if (question != NULL)
		question->forgotten(question);
}

void
sj__session_end(struct sj_session *session, int error, const char *text)
{
	bool was_live = session->state == SESSION_LIVE ||
	    session->state == SESSION_ENDING;

	if (session->state == SESSION_OVER)
		return;
	forget_question(session);
	sj__endpoint_unproven_gone(session);
	session->state = SESSION_OVER;
	session->error = error;
	session->deadline_ns = NEVER_NS;
	set_text(session, text != NULL ? text : sj_strerror(error));
	end_streams(session);
	sj__endpoint_forget_requests(session->endpoint, session, NULL);
	sj__endpoint_count(session->endpoint, COUNT_SESSION_ENDED);
	if (session->channel != NULL &&
	    session->channel->state != CHANNEL_CLOSED) {
		session->linger = true;
		session->deadline_ns = session->now.boot_ns + (was_live ?
		    LOGOUT_WAIT_NS : REFUSED_WAIT_NS);
		sj__session_let_channel_go(session);
	}
	sj__session_event(session, SESSION_EV_ENDED);
}

void
sj__session_let_channel_go(struct sj_session *session)
{
	struct sj_stream *root = session->tree.root;

	if (!session->linger || (session->is_server &&
	    root->send.end > root->send.ring.base &&
	    session->now.boot_ns < session->deadline_ns))
		return;
	session->linger = false;
	session->deadline_ns = NEVER_NS;
	sj__channel_close(session->channel, session->now, 0, ""); /* [SJ-LG-10] */
}

/* --- The channel's user ------------------------------------------------ */

static int
on_frame(void *user, struct sj_time now, const struct frame *frame)
{
	return sj__streams_on_frame(user, now, frame);
}

static void
fill(void *user, struct sj_time now, struct writer *writer)
{
	sj__streams_fill(user, now, writer);
}

static bool
has_data(const void *user)
{
	const struct sj_session *session = user;

	if (session->state == SESSION_OVER)
		return sj__send_is_ready(&session->tree.root->send);
	return sj__tree_has_data(&session->tree);
}

static void
on_settled(void *user, const struct sj__sent_record *record, bool delivered)
{
	sj__streams_on_settled(user, record, delivered);
}

/* The server's key is proven to be its own; is it the one we want? */
static void
on_server_key(void *user, struct sj_time now)
{
	struct sj_session *session = user;
	const uint8_t *key = session->channel->server_key;
	char known[SJ__FINGERPRINT_SIZE];

	sj__fingerprint(session->endpoint, key, session->server_key_text);
	sj__session_describe_peer(session, &session->channel->current.path->key);
	/* [SJ-HS-4] */
	if (session->has_pinned_key && !sj__equal(key, session->pinned_key, 32)) {
		struct text text = text_of(session->text, sizeof session->text);

		sj__fingerprint(session->endpoint, session->pinned_key, known);
		text_add(&text, "the key of ");
		text_add(&text, session->server_name);
		text_add(&text, " CHANGED: known ");
		text_add(&text, known);
		if (session->key_where[0] != '\0') {
			text_add(&text, " (");
			text_add(&text, session->key_where);
			text_add(&text, ")");
		}
		text_add(&text, ", now ");
		text_add(&text, session->server_key_text);
		sj__session_end(session, SJ_ERR_KEY_CHANGED, session->text);
		return;
	}
	if (session->has_pin_fingerprint &&
	    strcmp(session->pin_fingerprint, session->server_key_text) != 0) {
		struct text text = text_of(session->text, sizeof session->text);

		text_add(&text, "the key of ");
		text_add(&text, session->server_name);
		text_add(&text, " is not the pinned one: pinned ");
		text_add(&text, session->pin_fingerprint);
		text_add(&text, ", offered ");
		text_add(&text, session->server_key_text);
		sj__session_end(session, SJ_ERR_KEY_CHANGED, session->text);
		return;
	}
	if (session->has_pinned_key || session->has_pin_fingerprint) {
		sj__channel_trust(session->channel, now);
		return;
	}
	session->unverified = true;
	if (session->options.trust_first_use) {
		session->newly_trusted = true;
		sj__channel_trust(session->channel, now);
		return;
	}
	session->awaiting_trust = true;
	session->deadline_ns = NEVER_NS;        /* a person may take their time */
	sj__session_event(session, SESSION_EV_PROMPT);
}

static void
on_open(void *user, struct sj_time now)
{
	struct sj_session *session = user;

	session->tree.root->send.credit = session->channel->peer_credit;
	sj__tree_update(&session->tree, session->tree.root);
	if (!session->is_server)
		sj__login_begin(session, now);
}

static bool
expects(const void *user)
{
	const struct sj_session *session = user;

	return session->state != SESSION_OVER &&
	    (session->tree.count > 0 || session->state != SESSION_LIVE);
}

static void
on_moved(void *user, struct sj_time now)
{
	struct sj_session *session = user;

	(void)now;
	sj__session_describe_peer(session, &session->channel->current.path->key);
}

static void
on_away(void *user, struct sj_time now, bool is_away)
{
	struct sj_session *session = user;

	(void)now;
	if (session->state != SESSION_LIVE)
		return;
	session->is_away = is_away;
	session->events &= (uint8_t)~(SESSION_EV_AWAY | SESSION_EV_BACK);
	sj__session_event(session, is_away ? SESSION_EV_AWAY : SESSION_EV_BACK);
}

static void
on_closed(void *user, struct sj_time now, int error, const char *text)
{
	struct sj_session *session = user;

	session->now = now;
	if (session->state == SESSION_OVER)
		return;
	if (session->state == SESSION_ENDING) {
		error = session->error;
		if (!session->is_server)
			text = "logged out here; the server did not answer";
	}
	sj__session_end(session, error, text);
}

const struct sj__channel_user sj__session_channel_user = {
	.on_frame = on_frame,
	.fill = fill,
	.has_data = has_data,
	.on_settled = on_settled,
	.on_server_key = on_server_key,
	.on_open = on_open,
	.expects = expects,
	.on_moved = on_moved,
	.on_away = on_away,
	.on_closed = on_closed,
};

/* --- Life -------------------------------------------------------------- */

int
sj__session_create(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj__channel *channel, struct sj_session **out)
{
	struct sj__memory *memory = sj__endpoint_memory(endpoint);
	struct sj_session *session;

	session = sj__memory_allocate(memory, sizeof *session);
	if (session == NULL)
		return SJ_ERR_MEMORY;
	memset(session, 0, sizeof *session);
	session->endpoint = endpoint;
	session->memory = memory;
	session->now = now;
	session->is_server = channel != NULL;
	session->login_number = session->is_server ? 1 : 0;
	session->state = session->is_server ? SESSION_PROVING :
	    SESSION_CONNECTING;
	session->deadline_ns = session->is_server ?
	    now.boot_ns + LOGIN_GRACE_NS : NEVER_NS;
	session->last_activity_ns = now.boot_ns;
	list_init(&session->all);
	list_init(&session->eventing);
	list_init(&session->newcomers);
	if (sj__tree_init(&session->tree, memory, session,
	    session->is_server ? 1 : 0) < 0) {
		sj__memory_free(memory, session, sizeof *session);
		return SJ_ERR_MEMORY;
	}
	sj__streams_grant_root(session, session->is_server ?
	    CREDIT_BEFORE_LOGIN : CREDIT_ROOT);
	session->tree.root->opening_sent = true;
	session->tree.root->opening_acked = true;
	if (sj__endpoint_adopt_session(session) < 0) {
		sj__tree_fini(&session->tree);
		sj__memory_free(memory, session, sizeof *session);
		return SJ_ERR_MEMORY;
	}
	session->channel = channel;
	*out = session;
	return 0;
}

void
sj__session_free(struct sj_session *session)
{
	struct sj__memory *memory = session->memory;

	forget_question(session);
	sj__endpoint_forget_requests(session->endpoint, session, NULL);
	if (session->channel != NULL)
		sj__channel_free(session->channel);
	sj__tree_fini(&session->tree);
	if (session->credential != NULL)
		sj__memory_free(memory, session->credential,
		    session->credential_length);
	if (session->control != NULL)
		sj__memory_free(memory, session->control,
		    2 * CONTROL_RECORD_MAX);
	sj__endpoint_unproven_gone(session);
	sj__endpoint_disown_session(session);
	sj__wipe(session, sizeof *session);
	sj__memory_free(memory, session, sizeof *session);
}

static void
add_hex(struct text *text, unsigned value)
{
	char digits[5];
	size_t at = 4;

	digits[4] = '\0';
	do
		digits[--at] = "0123456789abcdef"[value & 15];
	while ((value >>= 4) > 0);
	text_add(text, digits + at);
}

/* IPv4 as usual; IPv6 with its longest run of zeros left out (RFC 5952). */
static void
add_address(struct text *text, const uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned best = 8, best_length = 1, length;

	if (memcmp(ip, mapped, sizeof mapped) == 0) {
		for (unsigned i = 12; i < 16; i++) {
			text_add_number(text, ip[i]);
			text_add(text, i < 15 ? "." : "");
		}
		return;
	}
	for (unsigned i = 0; i < 8; i++) {
		for (length = 0; i + length < 8 && ip[2 * (i + length)] == 0 &&
		    ip[2 * (i + length) + 1] == 0; length++)
			;
		if (length > best_length) {
			best = i;
			best_length = length;
		}
	}
	text_add(text, "[");
	for (unsigned i = 0; i < 8; i++) {
		if (i == best) {
			text_add(text, "::");
			i += best_length - 1;
			continue;
		}
		add_hex(text, (unsigned)(ip[2 * i] << 8 | ip[2 * i + 1]));
		text_add(text, i < 7 && i + 1 != best ? ":" : "");
	}
	text_add(text, "]");
}

void
sj__session_describe_peer(struct sj_session *session,
    const struct sj_path *path)
{
	struct text text = text_of(session->peer_address,
	    sizeof session->peer_address);

	add_address(&text, path->remote.ip);
	text_add(&text, ":");
	text_add_number(&text, path->remote.port);
}

/* server: when idle limit or lifetime ends it, by the clock of the timers. */
void
sj__session_arm_expiry(struct sj_session *session, struct sj_time now)
{
	uint64_t idle_ns = session->last_activity_ns +
	    session->idle_limit_s * NS_PER_S;
	uint64_t left_s = session->identity.expires_unix_s > now.unix_s ?
	    session->identity.expires_unix_s - now.unix_s : 0;

	session->deadline_ns = min_u64(idle_ns, now.boot_ns + left_s * NS_PER_S);
}

uint64_t
sj__session_deadline(const struct sj_session *session)
{
	return session->deadline_ns;
}

/* [SJ-HS-31] Nobody who is believed answered, and somebody said what the server
 * itself would not. */
static void
end_for_hybrid(struct sj_session *session)
{
	struct text text = text_of(session->text, sizeof session->text);

	text_add(&text, session->server_name);
	text_add(&text, " refuses the hybrid key exchange");
	if (session->key_where[0] != '\0') {
		text_add(&text, " that it did before (");
		text_add(&text, session->key_where);
		text_add(&text, ")");
	}
	sj__session_end(session, SJ_ERR_DOWNGRADE, session->text);
}

void
sj__session_on_deadline(struct sj_session *session, struct sj_time now)
{
	session->now = now;
	if (now.boot_ns < session->deadline_ns)
		return;
	if (session->state == SESSION_OVER) {
		sj__session_let_channel_go(session);
		session->deadline_ns = NEVER_NS;
		return;
	}
	session->deadline_ns = NEVER_NS;
	if (session->state == SESSION_LIVE && session->is_server) {
		sj__session_arm_expiry(session, now);
		if (session->deadline_ns <= now.boot_ns)
			(void)sj__logout_begin(session, now, SJ_ERR_EXPIRED);
		return;
	}
	if (session->state == SESSION_ENDING) {
		sj__session_end(session, session->error,
		    "logged out here; the server did not answer");
		return;
	}
	if (session->is_server) {
		sj__endpoint_count(session->endpoint, COUNT_LOGIN_EXPIRED);
		sj__session_end(session, SJ_ERR_REFUSED, NULL);
		return;
	}
	if (session->channel != NULL && session->channel->hybrid_refused)
		end_for_hybrid(session);
	else
		sj__session_end(session, SJ_ERR_UNREACHABLE, NULL);
}

/* --- Questions --------------------------------------------------------- */

void
sj__session_attach(struct sj_session *session, struct sj_time now,
    struct sj__question *question)
{
	session->question = question;
	if (question == NULL && session->patience_ns != 0) {
		session->deadline_ns = now.boot_ns + session->patience_ns;
		session->patience_ns = 0;
		sj__endpoint_update_session(session);
	}
}

void
sj__session_wait(struct sj_session *session, struct sj_time now)
{
	if (session->deadline_ns == NEVER_NS)
		return;
	session->patience_ns = session->deadline_ns > now.boot_ns ?
	    session->deadline_ns - now.boot_ns : 1;
	session->deadline_ns = NEVER_NS;
	sj__endpoint_update_session(session);
}

void
sj__session_ask(struct sj_session *session, struct sj_time now)
{
	sj__session_wait(session, now);
	sj__session_event(session, SESSION_EV_PROMPT);
}

/* --- The calls of sojourn.h -------------------------------------------- */

int
sj_login_answer(struct sj_session *session, const char *answer)
{
	struct sj__question *question;

	if (session == NULL)
		return SJ_ERR_STATE;
	question = session->question;
	if (question != NULL && question->text != NULL) {
		question->text = NULL;
		question->answered(question, answer);
		return 0;
	}
	if (!session->awaiting_trust)
		return SJ_ERR_STATE;
	session->awaiting_trust = false;
	if (answer != NULL && (strncmp(answer, "yes", 3) == 0 ||
	    strncmp(answer, session->server_key_text,
	    strlen(session->server_key_text)) == 0)) {
		session->unverified = answer[0] == 'y';
		session->newly_trusted = true;
		sj__channel_trust(session->channel, session->now);
		return 0;
	}
	sj__session_end(session, SJ_ERR_KEY_UNKNOWN, NULL);
	return 0;
}

int
sj_login_accept(struct sj_session *session, const struct sj_grant *grant)
{
	struct sj_grant none = SJ_GRANT;

	if (session == NULL || !session->is_server)
		return SJ_ERR_ARGUMENT;
	return sj__login_decide(session, session->now,
	    grant != NULL ? grant : &none);
}

int
sj_login_refuse(struct sj_session *session)
{
	if (session == NULL || !session->is_server)
		return SJ_ERR_ARGUMENT;
	return sj__login_decide(session, session->now, NULL);
}

int
sj_logout(struct sj_session *session)
{
	int error;

	if (session == NULL)
		return SJ_ERR_ARGUMENT;
	if (session->state == SESSION_OVER)
		return SJ_ERR_ENDED;
	if (session->state == SESSION_ENDING)
		return 0;
	error = sj__logout_begin(session, sj__endpoint_now(session->endpoint),
	    SJ_ERR_LOGGED_OUT);
	sj__endpoint_update_session(session);
	return error;
}

void
sj_session_close(struct sj_session *session)
{
	struct sj_stream *stream, *next;

	if (session == NULL)
		return;
	session->app_holds = false;
	session->data = NULL;
	for (size_t i = 0; i < session->tree.bucket_count; i++)
		for (stream = session->tree.buckets[i]; stream != NULL;
		    stream = next) {
			next = stream->hash_next;
			stream->data = NULL;
			stream->app_holds = false;
			stream->app_closed = true;
		}
	sj__endpoint_session_closed(session);
}

const struct sj_identity *
sj_session_identity(const struct sj_session *session)
{
	struct sj_session *own = (struct sj_session *)(uintptr_t)session;
	struct sj_identity *identity;

	if (session == NULL || session->state == SESSION_CONNECTING ||
	    session->state == SESSION_PROVING)
		return NULL;
	identity = &own->identity;
	identity->user = session->user;
	identity->mechanism = session->mechanism;
	identity->credential = session->credential_text;
	identity->application = session->application;
	identity->server_key = session->server_key_text;
	identity->peer_address = session->peer_address;
	if (session->channel != NULL)
		identity->hybrid = session->channel->is_hybrid;
	return identity;
}

void
sj_session_set_data(struct sj_session *session, void *data)
{
	if (session != NULL)
		session->data = data;
}

int
sj_session_export(struct sj_session *session, const char *label,
    const void *context, size_t len, void *out, size_t out_len)
{
	struct span span = { context, len };

	if (session == NULL || label == NULL || out_len > 255 * 32 ||
	    strlen(label) > 64)
		return SJ_ERR_ARGUMENT;
	if (session->state == SESSION_OVER)
		return SJ_ERR_ENDED;
	if (session->state != SESSION_LIVE)
		return SJ_ERR_STATE;
	sj__channel_export(session->channel, label, span, out, out_len);
	return 0;
}

int
sj_session_stats(const struct sj_session *session,
    struct sj_session_stats *stats)
{
	struct sj_session_stats full = { .size = sizeof full };
	size_t size;

	if (session == NULL || stats == NULL || stats->size < sizeof(size_t))
		return SJ_ERR_ARGUMENT;
	full.bytes_in = session->bytes_in;
	full.bytes_out = session->bytes_out;
	full.streams = (uint32_t)session->tree.count;
	full.idle_ns = session->now.boot_ns - session->last_activity_ns;
	if (session->channel != NULL)
		sj__channel_stats(session->channel, &full);
	size = min_size(stats->size, sizeof full);
	full.size = stats->size;
	memcpy(stats, &full, size);
	return 0;
}

void *
sj_core_session_context(const struct sj_session *session)
{
	return session->context;
}

const void *
sj_core_session_credential(const struct sj_session *session, size_t *length)
{
	*length = session->credential_length;
	return session->credential;
}

const uint8_t *
sj_core_session_server_key(const struct sj_session *session)
{
	return session->channel != NULL && session->server_key_text[0] != '\0' ?
	    session->channel->server_key : NULL;
}
