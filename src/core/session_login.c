/* SPDX-License-Identifier: ISC */
/*
 * session_login.c - control records on stream 0: login, result, logout, ended
 *
 * client                                   server
 *   propose (mechanism) -> LOGIN       ->    judge (mechanism)
 *                                            SJ_EV_LOGIN, accept or refuse
 *                                            record durable in the store
 *   STARTED             <- RESULT      <-    STARTED
 *
 * A refusal is the same record whatever was wrong, and the mechanism judges
 * the proof before anybody looks at the user [SJ-LG-6].
 */
#include "core/services.h"
#include "core/session.h"
#include "core/text.h"

#define HEAD_MAX 16                     /* type and length before the list */
#define LIST_MAX (CONTROL_RECORD_MAX - HEAD_MAX)

/* --- Writing ----------------------------------------------------------- */

struct control_writer {
	uint8_t bytes[CONTROL_RECORD_MAX];
	struct writer list;
};

static void
control_start(struct control_writer *control)
{
	control->list = writer_of(control->bytes + HEAD_MAX, LIST_MAX);
}

static void
put_text(struct control_writer *control, enum control_field field,
    const char *text)
{
	sj__parameter_write(&control->list, field, text, strlen(text));
}

static void
put_number(struct control_writer *control, enum control_field field,
    uint64_t number)
{
	sj__parameter_write_number(&control->list, field, number);
}

static int
control_send(struct sj_session *session, struct control_writer *control,
    enum control_type type)
{
	struct sj_stream *root = session->tree.root;
	uint8_t head[HEAD_MAX], *start = control->bytes + HEAD_MAX;
	size_t length = (size_t)(control->list.at - start);
	struct writer writer = writer_of(head, sizeof head);
	ptrdiff_t taken;

	if (control->list.failed)
		return SJ_ERR_TOO_BIG;
	write_varint(&writer, type);
	write_varint(&writer, length);
	/* At once, or not at all. */
	start -= writer.at - head;
	memcpy(start, head, (size_t)(writer.at - head));
	taken = sj__send_write(&root->send, session->memory, start,
	    (size_t)(control->list.at - start), UINT64_MAX);
	sj__tree_update(&session->tree, root);
	sj__session_wake(session);
	return taken < 0 ? (int)taken : 0;
}

/* --- Reading ----------------------------------------------------------- */

/* Text of a field into a buffer of NAME_MAX_BYTES + 1: a name [SJ-LG-2], or
 * words for a person. */
static void
get_text(struct span list, enum control_field field, char *out, size_t size,
    bool *failed)
{
	struct span value = sj__parameter_find(list, field, failed);

	out[0] = '\0';
	if (value.data == NULL)
		return;
	if (value.length >= size ||
	    memchr(value.data, 0, value.length) != NULL ||
	    (field != FIELD_TEXT && !text_is_utf8(value.data, value.length))) {
		*failed = true;
		return;
	}
	memcpy(out, value.data, value.length);
	out[value.length] = '\0';
}

/* --- Facts ------------------------------------------------------------- */

static void
describe(struct sj_session *session, struct sj_login_facts *facts)
{
	memset(facts, 0, sizeof *facts);
	facts->server_name = session->server_name;
	facts->application = session->application;
	facts->user = session->user;
	facts->version = SJ__VERSION_1;
	facts->number = (uint32_t)session->login_number;
	facts->handshake_hash = session->channel->hash;
	facts->server_key = session->channel->server_key;
	facts->options = session->is_server ? NULL : &session->options;
	facts->context = session->context;
	facts->session = session;
}

static const struct sj_mech *
find_mech(const struct sj_session *session, const char *name)
{
	const struct sj_mech *const *mechs =
	    sj__endpoint_mechs(session->endpoint);

	for (; *mechs != NULL; mechs++)
		if (name == NULL || strcmp((*mechs)->name, name) == 0)
			return *mechs;
	return NULL;
}

/* --- Client ------------------------------------------------------------ */

void
sj__login_begin(struct sj_session *session, struct sj_time now)
{
	struct sj_login_facts facts;

	session->now = now;
	session->state = SESSION_PROVING;
	session->login_number++;
	session->mech = find_mech(session, NULL);
	if (session->mech == NULL || session->mech->propose == NULL) {
		sj__session_end(session, SJ_ERR_NO_CREDENTIAL, NULL);
		return;
	}
	describe(session, &facts);
	session->request = sj__endpoint_request(session->endpoint,
	    REQUEST_PROPOSE, session, NULL);
	if (session->request == 0) {
		sj__session_end(session, SJ_ERR_MEMORY, NULL);
		return;
	}
	session->mech->propose(session->mech, session->endpoint,
	    session->request, &facts);
}

/* What a refusal will be told with: every key that was tried. */
static void
note_proof(struct sj_session *session, const char *proof)
{
	struct text text = { session->text +
	    (session->tries > 0 ? strlen(session->text) : 0),
	    session->text + sizeof session->text - 1 };

	if (session->tries > 0) {
		text_add(&text, ", ");
	} else {
		text_add(&text, session->server_name);
		text_add(&text, " refused ");
		text_add(&text, session->user);
		text_add(&text, " with ");
	}
	text_add(&text, proof != NULL ? proof : "its proof");
}

static void
on_proposed(struct sj_session *session, const struct sj_answer *answer)
{
	struct control_writer *control;
	int error;

	if (answer->error < 0) {
		sj__session_end(session, session->tries > 0 ? SJ_ERR_REFUSED :
		    answer->error, session->tries > 0 ? session->text :
		    answer->text);
		return;
	}
	note_proof(session, answer->text);
	control = sj__memory_allocate(session->memory, sizeof *control);
	if (control == NULL) {
		sj__session_end(session, SJ_ERR_MEMORY, NULL);
		return;
	}
	control_start(control);
	put_text(control, FIELD_APPLICATION, session->application);
	put_text(control, FIELD_SERVER_NAME, session->server_name);
	put_text(control, FIELD_USER, session->user);
	put_text(control, FIELD_MECHANISM, session->mech->name);
	put_number(control, FIELD_NUMBER, session->login_number);
	sj__parameter_write(&control->list, FIELD_MESSAGE, answer->bytes,
	    answer->length);
	error = control_send(session, control, CONTROL_LOGIN);
	sj__memory_free(session->memory, control, sizeof *control);
	if (error < 0)
		sj__session_end(session, error, NULL);
}

static void
copy_text(char *out, size_t size, const char *text)
{
	size_t length = min_size(strlen(text), size - 1);

	memcpy(out, text, length);
	out[length] = '\0';
}

static int
on_result(struct sj_session *session, struct span list)
{
	bool failed = false;
	uint64_t code = sj__parameter_number(list, FIELD_CODE, 0, &failed);
	struct span id = sj__parameter_find(list, FIELD_SESSION_ID, &failed);
	char user[NAME_MAX_BYTES + 1];

	if (session->is_server || session->state != SESSION_PROVING || failed)
		return SJ_ERR_PROTOCOL;
	if (code == (uint64_t)-SJ_ERR_REFUSED &&
	    ++session->tries < LOGIN_TRIES_MAX) {
		sj__login_begin(session, session->now);
		return 0;
	}
	if (code != 0) {
		if (code == (uint64_t)-SJ_ERR_APPLICATION)
			sj__session_end(session, SJ_ERR_APPLICATION, NULL);
		else if (code == (uint64_t)-SJ_ERR_STORE)
			sj__session_end(session, SJ_ERR_STORE,
			    "the server cannot store the login: its disk or "
			    "its store has failed");
		else
			sj__session_end(session, SJ_ERR_REFUSED,
			    session->text);
		return 0;
	}
	if (id.length != SESSION_ID_SIZE)
		return SJ_ERR_PROTOCOL;
	memcpy(session->identity.id, id.data, SESSION_ID_SIZE);
	get_text(list, FIELD_USER, user, sizeof user, &failed);
	get_text(list, FIELD_CREDENTIAL, session->credential_text,
	    sizeof session->credential_text, &failed);
	if (user[0] != '\0')
		copy_text(session->user, sizeof session->user, user);
	copy_text(session->mechanism, sizeof session->mechanism,
	    session->mech->name);
	session->identity.expires_unix_s = sj__parameter_number(list,
	    FIELD_EXPIRES, 0, &failed);
	session->identity.login_unix_s = session->identity.proof_unix_s =
	    sj__parameter_number(list, FIELD_TIME, 0, &failed);
	if (failed)
		return SJ_ERR_PROTOCOL;
	session->state = SESSION_LIVE;
	session->deadline_ns = NEVER_NS;
	sj__session_event(session, SESSION_EV_STARTED);
	sj__streams_release(session, session->now);
	return 0;
}

/* --- Server ------------------------------------------------------------ */

static int
send_result(struct sj_session *session, int error)
{
	struct control_writer control;

	control_start(&control);
	put_number(&control, FIELD_CODE, (uint64_t)-error);
	if (error == 0) {
		sj__parameter_write(&control.list, FIELD_SESSION_ID,
		    session->identity.id, SESSION_ID_SIZE);
		put_text(&control, FIELD_USER, session->user);
		put_text(&control, FIELD_CREDENTIAL, session->credential_text);
		put_number(&control, FIELD_EXPIRES,
		    session->identity.expires_unix_s);
		put_number(&control, FIELD_IDLE_LIMIT, session->idle_limit_s);
		put_number(&control, FIELD_TIME, session->identity.login_unix_s);
	}
	return control_send(session, &control, CONTROL_RESULT);
}

/* Refused: the peer may try another key within the limits. */
static void
refuse(struct sj_session *session, int error)
{
	sj__endpoint_count(session->endpoint, COUNT_LOGIN_REFUSED);
	session->request = 0;
	session->state = SESSION_PROVING;
	session->login_number++;
	if (send_result(session, error) < 0 ||
	    ++session->tries >= LOGIN_TRIES_MAX)
		session->deadline_ns = session->now.boot_ns + NS_PER_S;
}

static int
on_login(struct sj_session *session, struct span list)
{
	bool failed = false;
	struct span message = sj__parameter_find(list, FIELD_MESSAGE, &failed);
	uint64_t number = sj__parameter_number(list, FIELD_NUMBER, 0, &failed);
	struct sj_login_facts facts;

	/* [SJ-LG-3] */
	if (!session->is_server || session->state != SESSION_PROVING ||
	    number != session->login_number || session->tries >= LOGIN_TRIES_MAX)
		return SJ_ERR_PROTOCOL;
	get_text(list, FIELD_APPLICATION, session->application,
	    sizeof session->application, &failed);
	get_text(list, FIELD_SERVER_NAME, session->server_name,
	    sizeof session->server_name, &failed);
	get_text(list, FIELD_USER, session->user, sizeof session->user, &failed);
	get_text(list, FIELD_MECHANISM, session->mechanism,
	    sizeof session->mechanism, &failed);
	if (failed)
		return SJ_ERR_PROTOCOL;
	session->state = SESSION_JUDGING;
	if (!sj__endpoint_takes_application(session->endpoint,
	    session->application)) {
		refuse(session, SJ_ERR_APPLICATION);
		return 0;
	}
	session->mech = find_mech(session, session->mechanism);
	if (session->mech == NULL || message.data == NULL ||
	    !sj__endpoint_is_named(session->endpoint, session->server_name)) {
		refuse(session, SJ_ERR_REFUSED);
		return 0;
	}
	describe(session, &facts);
	session->request = sj__endpoint_request(session->endpoint,
	    REQUEST_JUDGE, session, NULL);
	if (session->request == 0)
		refuse(session, SJ_ERR_REFUSED);
	else
		session->mech->judge(session->mech, session->endpoint,
		    session->request, &facts, message.data, message.length);
	return 0;
}

/* The proof is valid: who it is, the application decides. */
static void
on_judged(struct sj_session *session, const struct sj_answer *answer)
{
	const char *text = answer->bytes;
	const char *end = answer->error == 0 && answer->length > 0 ?
	    memchr(text, 0, answer->length) : NULL;
	size_t raw;

	if (end == NULL) {
		refuse(session, SJ_ERR_REFUSED);
		return;
	}
	copy_text(session->credential_text, sizeof session->credential_text,
	    text);
	raw = answer->length - (size_t)(end - text) - 1;
	if (session->credential != NULL)
		sj__memory_free(session->memory, session->credential,
		    session->credential_length);
	session->credential_length = raw;
	session->credential = sj__memory_allocate(session->memory, raw);
	if (session->credential == NULL) {
		session->credential_length = 0;
		refuse(session, SJ_ERR_REFUSED);
		return;
	}
	memcpy(session->credential, end + 1, raw);
	session->identity.proof_unix_s = session->now.unix_s;
	/* who decides, and logs it, already has a name for it */
	sj__endpoint_random(session->endpoint, session->identity.id,
	    SESSION_ID_SIZE);
	sj__session_event(session, SESSION_EV_LOGIN);
}

/* Stores the login; the answer comes to sj__session_on_stored(). */
static int
store_login(struct sj_session *session)
{
	struct sj_login_record record = {
		.version = 1,
		.login_unix_s = session->now.unix_s,
		.used_unix_s = session->now.unix_s,
		.idle_limit_s = session->idle_limit_s,
		.status = 1,
		.user = session->user,
		.application = session->application,
		.mechanism = session->mechanism,
		.credential = session->credential_text,
		.server_name = session->server_name,
		.peer_address = session->peer_address,
	};
	uint8_t value[SJ_STORE_VALUE_MAX];
	ptrdiff_t length;

	record.expires_unix_s = session->identity.expires_unix_s;
	memcpy(record.id, session->identity.id, SESSION_ID_SIZE);
	length = sj_login_record_encode(&record, value, sizeof value);
	if (length < 0)
		return (int)length;
	return sj__endpoint_store_put(session->endpoint, session,
	    session->identity.id, value, (size_t)length);
}

int
sj__login_decide(struct sj_session *session, struct sj_time now,
    const struct sj_grant *grant)
{
	int error;

	session->now = now;
	if (session->state != SESSION_JUDGING || session->credential == NULL ||
	    session->request != 0)
		return SJ_ERR_STATE;
	if (grant == NULL) {
		refuse(session, SJ_ERR_REFUSED);
		return 0;
	}
	if (grant->user != NULL && (strlen(grant->user) > NAME_MAX_BYTES ||
	    !text_is_utf8(grant->user, strlen(grant->user))))
		return SJ_ERR_ARGUMENT;         /* [SJ-LG-2] */
	if (grant->user != NULL)
		copy_text(session->user, sizeof session->user, grant->user);
	session->data = grant->data;
	sj__endpoint_limits(session->endpoint, grant, &session->idle_limit_s,
	    &session->lifetime_s);
	session->identity.login_unix_s = now.unix_s;
	session->identity.expires_unix_s = now.unix_s + session->lifetime_s;
	error = store_login(session);
	if (error < 0)
		refuse(session, SJ_ERR_STORE);
	return error;
}

/* [SJ-LG-8] A login is acknowledged once its record is durable. */
void
sj__session_on_stored(struct sj_session *session, struct sj_time now,
    const struct sj_store_answer *answer)
{
	session->now = now;
	session->request = 0;
	if (session->state == SESSION_ENDING) {
		if (answer->error < 0) {
			session->state = SESSION_LIVE;
			sj__control_ended(session, SJ_ERR_STORE, answer->text);
			return;
		}
		(void)sj__control_ended(session, session->error, NULL);
		sj__session_end(session, session->error, NULL);
		return;
	}
	if (session->state != SESSION_JUDGING)
		return;
	if (answer->error < 0) {
		refuse(session, SJ_ERR_STORE);
		return;
	}
	session->record_version = answer->version;
	session->state = SESSION_LIVE;
	sj__endpoint_unproven_gone(session);
	session->last_activity_ns = now.boot_ns;
	sj__session_arm_expiry(session, now);
	sj__endpoint_count(session->endpoint, COUNT_LOGIN_ACCEPTED);
	if (send_result(session, 0) < 0)
		sj__session_end(session, SJ_ERR_MEMORY, NULL);
	sj__session_event(session, SESSION_EV_STARTED);
	sj__streams_release(session, now);
}

/* --- Logout ------------------------------------------------------------ */

int
sj__control_ended(struct sj_session *session, int error, const char *text)
{
	struct control_writer control;

	control_start(&control);
	put_number(&control, FIELD_CODE, (uint64_t)-error);
	if (text != NULL)
		put_text(&control, FIELD_TEXT, text);
	return control_send(session, &control, CONTROL_ENDED);
}

/* The server forgets the login durably, then says so. */
int
sj__logout_begin(struct sj_session *session, struct sj_time now, int error)
{
	struct control_writer control;

	session->now = now;
	if (session->state != SESSION_LIVE) {
		sj__session_end(session, error, NULL);
		return 0;
	}
	session->state = SESSION_ENDING;
	session->error = error;
	session->deadline_ns = now.boot_ns + LOGOUT_WAIT_NS;
	if (session->is_server)
		return sj__endpoint_store_delete(session->endpoint, session,
		    session->identity.id);
	control_start(&control);
	return control_send(session, &control, CONTROL_LOGOUT);
}

static int
on_logout(struct sj_session *session)
{
	if (!session->is_server)
		return SJ_ERR_PROTOCOL;
	if (session->state == SESSION_ENDING)
		return 0;
	if (session->state != SESSION_LIVE)
		return SJ_ERR_PROTOCOL;
	if (sj__logout_begin(session, session->now, SJ_ERR_LOGGED_OUT) < 0) {
		session->state = SESSION_LIVE;
		return sj__control_ended(session, SJ_ERR_STORE, NULL);
	}
	return 0;
}

static int
on_ended(struct sj_session *session, struct span list)
{
	bool failed = false;
	uint64_t code = sj__parameter_number(list, FIELD_CODE, 0, &failed);
	int error = SJ_ERR_ENDED;
	char text[NAME_MAX_BYTES + 1];

	get_text(list, FIELD_TEXT, text, sizeof text, &failed);
	if (session->is_server || failed)
		return SJ_ERR_PROTOCOL;
	if (code == (uint64_t)-SJ_ERR_STORE && session->state == SESSION_ENDING) {
		session->state = SESSION_LIVE;  /* the server could not forget */
		session->error = SJ_ERR_STORE;
		sj__session_end(session, SJ_ERR_STORE,
		    "logout: the session store of the server failed; the login lives on there");
		return 0;
	}
	if (sj_error_class(-(int)min_u64(code, 1000)) == SJ_CLASS_SESSION)
		error = -(int)code;
	sj__session_end(session, error, text[0] != '\0' ? text : NULL);
	return 0;
}

/* --- Control records --------------------------------------------------- */

static int
on_control(struct sj_session *session, uint64_t type, struct span list)
{
	if (frame_is_grease(type))
		return 0;
	switch (type) {
	case CONTROL_LOGIN:
		return on_login(session, list);
	case CONTROL_RESULT:
		return on_result(session, list);
	case CONTROL_LOGOUT:
		return on_logout(session);
	case CONTROL_ENDED:
		return on_ended(session, list);
	default:
		return SJ_ERR_PROTOCOL; /* [SJ-LG-1] */
	}
}

/* Takes whole records off the gathered bytes; how many bytes were used. */
static ptrdiff_t
take_records(struct sj_session *session)
{
	struct reader reader = reader_of(session->control,
	    session->control_length);
	const uint8_t *done = reader.at;
	uint64_t type, length;
	struct span list;

	while (reader.at != reader.end && session->state != SESSION_OVER) {
		type = read_varint(&reader);
		length = read_varint(&reader);
		if (reader.failed)
			break;
		if (length > LIST_MAX)
			return SJ_ERR_PROTOCOL;
		list = read_span(&reader, length);
		if (reader.failed)
			break;
		SJ_TRY(on_control(session, type, list));
		done = reader.at;
	}
	return done - session->control;
}

int
sj__control_receive(struct sj_session *session, struct sj_time now)
{
	struct sj_stream *root = session->tree.root;
	const uint8_t *bytes;
	bool at_end;
	size_t length;
	ptrdiff_t used;

	session->now = now;
	if (session->control == NULL) {
		session->control = sj__memory_allocate(session->memory,
		    2 * CONTROL_RECORD_MAX);
		if (session->control == NULL)
			return SJ_ERR_MEMORY;
		session->control_length = 0;
	}
	while ((length = sj__receive_peek(&root->receive, &bytes, &at_end)) > 0) {
		length = min_size(length,
		    2 * CONTROL_RECORD_MAX - session->control_length);
		memcpy(session->control + session->control_length, bytes, length);
		session->control_length += length;
		sj__receive_consume(&root->receive, length);
		used = take_records(session);
		if (used < 0)
			return (int)used;
		if (session->state == SESSION_OVER)
			return 0;
		session->control_length -= (size_t)used;
		memmove(session->control, session->control + used,
		    session->control_length);
	}
	if (session->control_length == 0) {
		sj__memory_free(session->memory, session->control,
		    2 * CONTROL_RECORD_MAX);
		session->control = NULL;
	}
	sj__streams_on_consumed(session, root, now);
	return at_end ? SJ_ERR_PROTOCOL : 0;
}

void
sj__session_on_answer(struct sj_session *session, struct sj_time now, int kind,
    const struct sj_answer *answer)
{
	session->now = now;
	session->request = 0;
	if (kind == REQUEST_PROPOSE && session->state == SESSION_PROVING)
		on_proposed(session, answer);
	else if (kind == REQUEST_JUDGE && session->state == SESSION_JUDGING)
		on_judged(session, answer);
}
