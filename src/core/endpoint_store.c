/* SPDX-License-Identifier: ISC */
/*
 * endpoint_store.c - logins in the store: put, delete, list, revoke
 *
 * Every request goes to the store with a number and is answered when it is
 * durable. A session that is gone by then does not matter: the record does.
 */
#include "core/endpoint_internal.h"

static void
login_key(const uint8_t id[8], uint8_t key[9])
{
	key[0] = 'L';
	memcpy(key + 1, id, 8);
}

static int
submit(struct sj_endpoint *endpoint, enum request_kind kind,
    struct sj_session *session, struct sj_store_request *request)
{
	struct request dropped;
	int error;

	request->number = sj__endpoint_request(endpoint, kind, session, NULL);
	if (request->number == 0)
		return SJ_ERR_MEMORY;
	error = endpoint->store->operations->submit(endpoint->store, request);
	if (error < 0) {
		(void)sj__endpoint_take_request(endpoint, request->number,
		    &dropped);
		return error;
	}
	if (session != NULL)
		session->request = request->number;
	return 0;
}

int
sj__endpoint_store_put(struct sj_endpoint *endpoint,
    struct sj_session *session, const uint8_t id[8], const void *value,
    size_t length)
{
	uint8_t key[9];
	struct sj_store_request request = {
		.operation = SJ_STORE_COMPARE_AND_SET,
		.key = key,
		.key_length = sizeof key,
		.value = value,
		.value_length = length,
	};

	login_key(id, key);
	return submit(endpoint, REQUEST_STORE_PUT, session, &request);
}

int
sj__endpoint_store_delete(struct sj_endpoint *endpoint,
    struct sj_session *session, const uint8_t id[8])
{
	uint8_t key[9];
	struct sj_store_request request = {
		.operation = SJ_STORE_DELETE,
		.key = key,
		.key_length = sizeof key,
	};

	login_key(id, key);
	return submit(endpoint, session != NULL ? REQUEST_STORE_DELETE :
	    REQUEST_STORE_REVOKE, session, &request);
}

static int
iterate(struct sj_endpoint *endpoint, enum request_kind kind,
    struct store_walk *walk)
{
	struct sj_store_request request = {
		.operation = SJ_STORE_ITERATE,
		.key = walk->key,
		.key_length = walk->key_length,
		.prefix_length = 1,
	};

	return submit(endpoint, kind, NULL, &request);
}

static void
walk_start(struct store_walk *walk, const char *user)
{
	memset(walk, 0, sizeof *walk);
	walk->key[0] = 'L';
	walk->key_length = 1;
	if (user != NULL)
		memcpy(walk->user, user, strlen(user) + 1);
}

static void
walk_answer(struct store_walk *walk, const struct sj_store_answer *answer)
{
	walk->pending = false;
	walk->has_answer = true;
	walk->error = answer->error;
	walk->at_end = answer->error < 0 || answer->version == 0;
	walk->value_length = 0;
	if (walk->at_end)
		return;
	if (answer->key_length > sizeof walk->key) {
		walk->error = SJ_ERR_STORE;
		return;
	}
	/* The walk goes on behind it, whatever it holds. */
	memcpy(walk->key, answer->key, answer->key_length);
	walk->key_length = answer->key_length;
	if (answer->value_length > sizeof walk->value)
		return;
	memcpy(walk->value, answer->value, answer->value_length);
	walk->value_length = answer->value_length;
}

/* --- Listing ----------------------------------------------------------- */

static bool
is_of(const char *user, const struct sj_login_record *record)
{
	return user == NULL || user[0] == '\0' ||
	    strcmp(user, record->user) == 0;
}

static void
fill_identity(const struct sj_login_record *record,
    struct sj_identity *identity)
{
	memset(identity, 0, sizeof *identity);
	identity->user = record->user;
	identity->mechanism = record->mechanism;
	identity->credential = record->credential;
	identity->application = record->application;
	identity->server_key = "";
	identity->peer_address = record->peer_address;
	identity->login_unix_s = identity->proof_unix_s = record->login_unix_s;
	identity->expires_unix_s = record->expires_unix_s;
	memcpy(identity->id, record->id, sizeof identity->id);
}

int
sj_sessions_list(struct sj_endpoint *endpoint, const char *user,
    struct sj_identity *identity, uint64_t *cursor)
{
	struct store_walk *walk = &endpoint->walk;
	struct sj_login_record record;

	if (endpoint == NULL || identity == NULL || cursor == NULL)
		return SJ_ERR_ARGUMENT;
	if (!endpoint->is_server)
		return SJ_ERR_STATE;
	if (*cursor == 0 || *cursor != walk->cursor) {
		if (walk->pending)
			return SJ_ERR_BUSY;
		walk_start(walk, NULL);
		*cursor = walk->cursor = ++endpoint->last_request;
	}
	for (;;) {
		if (!walk->pending && !walk->has_answer) {
			SJ_TRY(iterate(endpoint, REQUEST_STORE_LIST, walk));
			walk->pending = true;
			sj__endpoint_store_pump(endpoint, endpoint->now);
		}
		if (walk->pending)
			return SJ_AGAIN;
		walk->has_answer = false;
		if (walk->error < 0)
			return walk->error;
		if (walk->at_end)
			return 0;
		if (sj_login_record_decode(&record, walk->value,
		    walk->value_length, walk->scratch) < 0)
			continue;
		if (record.status != 1 || !is_of(user, &record) ||
		    record.expires_unix_s <= endpoint->now.unix_s)
			continue;
		fill_identity(&record, identity);
		return 1;
	}
}

/* --- Revocation -------------------------------------------------------- */

static void
end_living(struct sj_endpoint *endpoint, const char *user, const uint8_t *id)
{
	struct sj_session *session;
	struct list *at, *next;

	for (at = endpoint->sessions.next; at != &endpoint->sessions; at = next) {
		next = at->next;
		session = container_of(at, struct sj_session, all);
		if (session->state != SESSION_LIVE ||
		    (id != NULL && memcmp(session->identity.id, id, 8) != 0) ||
		    (user != NULL && strcmp(session->user, user) != 0))
			continue;
		(void)sj__control_ended(session, SJ_ERR_REVOKED, NULL);
		sj__session_end(session, SJ_ERR_REVOKED, NULL);
	}
}

static void
revocation_done(struct sj_endpoint *endpoint, int error)
{
	endpoint->done_pending = true;
	endpoint->done_error = error;
	endpoint->revocation.pending = false;
}

/* One record of the store was looked at: delete it if it is the user's, and
 * go on to the next. */
static void
revocation_step(struct sj_endpoint *endpoint)
{
	struct store_walk *walk = &endpoint->revocation;
	struct sj_login_record record;
	int error = walk->error;

	if (error == 0 && walk->at_end) {
		revocation_done(endpoint, 0);
		return;
	}
	if (error == 0 && sj_login_record_decode(&record, walk->value,
	    walk->value_length, walk->scratch) >= 0 &&
	    is_of(walk->user, &record))
		error = sj__endpoint_store_delete(endpoint, NULL, record.id);
	if (error == 0)
		error = iterate(endpoint, REQUEST_STORE_SCAN, walk);
	if (error < 0)
		revocation_done(endpoint, error);
}

int
sj_sessions_revoke(struct sj_endpoint *endpoint, const char *user,
    const uint8_t *id)
{
	struct store_walk *walk;

	if (endpoint == NULL || (user == NULL && id == NULL) ||
	    (user != NULL && strlen(user) > NAME_MAX_BYTES))
		return SJ_ERR_ARGUMENT;
	if (!endpoint->is_server)
		return SJ_ERR_STATE;
	walk = &endpoint->revocation;
	if (walk->pending)
		return SJ_ERR_BUSY;
	walk_start(walk, id == NULL ? user : NULL);
	walk->all_of_user = id == NULL;
	SJ_TRY(id == NULL ? iterate(endpoint, REQUEST_STORE_SCAN, walk) :
	    sj__endpoint_store_delete(endpoint, NULL, id));
	walk->pending = true;
	end_living(endpoint, user, id);
	return 0;
}

/* --- Answers ----------------------------------------------------------- */

static void
take_answer(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_store_answer *answer)
{
	struct request request;

	if (!sj__endpoint_take_request(endpoint, answer->number, &request))
		return;
	switch (request.kind) {
	case REQUEST_STORE_PUT:
	case REQUEST_STORE_DELETE:
		if (request.session == NULL)
			break;
		sj__session_on_stored(request.session, now, answer);
		sj__endpoint_update_session(request.session);
		break;
	case REQUEST_STORE_LIST:
		walk_answer(&endpoint->walk, answer);
		endpoint->done_pending = true;
		endpoint->done_error = answer->error;
		break;
	case REQUEST_STORE_SCAN:
		walk_answer(&endpoint->revocation, answer);
		endpoint->revocation.pending = true;
		revocation_step(endpoint);
		break;
	case REQUEST_STORE_REVOKE:
		if (!endpoint->revocation.all_of_user)
			revocation_done(endpoint, answer->error);
		else if (answer->error < 0)
			revocation_done(endpoint, answer->error);
		break;
	case REQUEST_PROPOSE:
	case REQUEST_JUDGE:
	case REQUEST_SHARED_SECRET:
		break;
	}
}

void
sj__endpoint_store_pump(struct sj_endpoint *endpoint, struct sj_time now)
{
	struct sj_store_answer answer;

	if (endpoint->store == NULL)
		return;
	memset(&answer, 0, sizeof answer);
	while (endpoint->store->operations->next(endpoint->store, &answer) == 1) {
		take_answer(endpoint, now, &answer);
		memset(&answer, 0, sizeof answer);
	}
}
