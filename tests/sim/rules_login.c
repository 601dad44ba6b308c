/* SPDX-License-Identifier: ISC */
/* rules_login.c - rules of PROTOCOL.md: how a channel and a login begin */
#include "rules.h"

/* --- Handshake --------------------------------------------------------- */

/* [SJ-KEY-1] The same generator state twice is not the same key twice. */
static void
hedged_keys(void)
{
	struct pair *pair = pair_begin();
	struct sj_endpoint *endpoint = pair->world.server;
	uint8_t keys[2][32];

	for (int i = 0; i < 2; i++) {
		pair->world.key_random = 77;
		endpoint->random_left = 0;
		sj__endpoint_key_material(endpoint, keys[i]);
	}
	expect(memcmp(keys[0], keys[1], 32) != 0,
	    "a generator that repeats repeats a key");
	pair_end(pair);
}

static uint8_t hello[HELLO_SIZE];

static bool
keep_hello(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	if (side == 1 && batch->length == HELLO_SIZE)
		memcpy(hello, batch->bytes, HELLO_SIZE);
	return false;
}

/* [SJ-HS-5] A whole hello that lacks its padding only. */
static void
small_hello(void)
{
	struct pair *pair = pair_begin();
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };
	size_t length = HELLO_SIZE, body;
	uint8_t hash[32];

	pair->on_batch = keep_hello;
	(void)start_login(pair);
	pair_exchange(pair, 1);
	expect(hello[0] & FLAG_LONG, "no hello");
	while (hello[length - 1] == 0)
		length--;
	body = length - HELLO_HEADER_SIZE;
	expect(length > HELLO_HEADER_SIZE + OFFER_SIZE + 32 && length < 200,
	    "no padding");
	hello[length - 2] = 0x40;       /* of no bytes */
	hello[length - 1] = 0;
	hello[HELLO_HEADER_SIZE - 2] = (uint8_t)(body >> 8);
	hello[HELLO_HEADER_SIZE - 1] = (uint8_t)body;
	sj__sha256(pair->world.crypto, hello + HELLO_HEADER_SIZE, body, hash);
	memcpy(hello + LONG_HEADER_SIZE + 1 + COOKIE_SIZE, hash, DIGEST_SIZE);
	sj_core_receive(pair->world.server, pair->world.now, &path,
	    SJ_ECN_NONE, hello, length, length);
	expect(pair->world.server->half_open == 0, "a small hello is taken");
	expect(pair->world.server->counters[COUNT_DROPPED_HELLO_SMALL] == 1,
	    "a small hello is dropped for something else");
	pair_end(pair);
}

static void
fragment(struct pair *pair, uint16_t offset, uint16_t total, size_t length)
{
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };
	uint8_t copy[2 * HELLO_SIZE] = { 0 }, *at = copy + HELLO_HEADER_SIZE - 4;

	memcpy(copy, hello, HELLO_SIZE);
	at[0] = (uint8_t)(offset >> 8);
	at[1] = (uint8_t)offset;
	at[2] = (uint8_t)(total >> 8);
	at[3] = (uint8_t)total;
	sj_core_receive(pair->world.server, pair->world.now, &path,
	    SJ_ECN_NONE, copy, length, length);
}

/* [SJ-HS-12] Fragments that nobody cuts that way. */
static void
odd_fragments(void)
{
	struct pair *pair = pair_begin();
	uint64_t *dropped =
	    &pair->world.server->counters[COUNT_DROPPED_HELLO_FORM];

	pair->on_batch = keep_hello;
	(void)start_login(pair);
	pair_exchange(pair, 1);
	fragment(pair, 1, 2 * HELLO_FRAGMENT, HELLO_SIZE);
	fragment(pair, HELLO_FRAGMENT - 1, 3 * HELLO_FRAGMENT, HELLO_SIZE);
	fragment(pair, 0, HELLO_BODY_MAX + 1, HELLO_SIZE);
	fragment(pair, 0, 3 * HELLO_FRAGMENT, HELLO_SIZE + 1);
	expect(*dropped == 4, "fragments of any cut are taken");
	expect(pair->world.server->strangers.hellos == NULL,
	    "fragments of any cut are kept");
	fragment(pair, HELLO_FRAGMENT, 2 * HELLO_FRAGMENT, HELLO_SIZE);
	expect(*dropped == 4 && pair->world.server->strangers.hellos != NULL,
	    "a right fragment is dropped");
	pair_end(pair);
}

static bool
answer_elsewhere(struct pair *pair, int side, const struct sj_batch *batch)
{
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	if (side == 1)
		return true;
	path.remote.port = 9;
	sj_core_receive(pair->client->endpoint, pair->world.now, &path,
	    SJ_ECN_NONE, batch->bytes, batch->length, batch->segment_size);
	return false;
}

/* [SJ-HS-10] */
static void
answer_from_elsewhere(void)
{
	struct pair *pair = pair_begin();

	pair->on_batch = answer_elsewhere;
	pair->session = start_login(pair);
	pair_exchange(pair, 10);
	expect(pair_channel(pair->client->endpoint)->state == CHANNEL_HELLO,
	    "an answer counts from where no hello went");
	expect(pair->client->endpoint->counters[COUNT_DROPPED_ANSWER] > 0,
	    "no answer came");
	pair->on_batch = NULL;
	pair_exchange(pair, 1000);
	expect(pair->started, "the right answer counts no more");
	pair_end(pair);
}

/* [SJ-HS-13] A client that got a part asks for the rest at once. */
static void
long_answer(void)
{
	struct pair *pair = pair_begin();

	pair->world.server->answer_filler = 4000;
	pair_log_in(pair);
	pair_end(pair);
}

static unsigned hellos;

/* Each hello is answered by a cookie at once. */
static bool
answer_by_cookie(struct pair *pair, int side, const struct sj_batch *batch)
{
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };
	struct long_packet cookie = { .flags = FLAG_LONG | LONG_COOKIE << 4,
	    .version = SJ__VERSION_1 };
	uint8_t bytes[PACKET_MIN] = { 0 };

	if (side == 0)
		return false;
	expect(++hellos < 100, "a client is asked without end");
	path.remote.port = SJ_PORT;
	memcpy(cookie.destination, batch->bytes + 5 + ID_SIZE, ID_SIZE);
	memcpy(cookie.source, batch->bytes + 5, ID_SIZE);
	expect(sj__long_encode(&cookie, bytes, sizeof bytes) > 0, "no cookie");
	sj_core_receive(pair->client->endpoint, pair->world.now, &path,
	    SJ_ECN_NONE, bytes, sizeof bytes, sizeof bytes);
	return false;
}

/* [SJ-HS-13] Who answers nobody knows: eight hellos for that, and eight more
 * after each that the clock sends. */
static void
asked_without_end(void)
{
	struct pair *pair = pair_begin();

	pair->on_batch = answer_by_cookie;
	(void)start_login(pair);
	pair_exchange(pair, 100);
	expect(hellos == 1 + 8, "not eight hellos for what anybody says");
	pair_exchange(pair, 500);
	expect(hellos == 2 * (1 + 8), "no further hellos after the clock's");
	pair_end(pair);
}

static struct sj__channel_user silent;

static void
open_without_parameters(void *user, struct sj_time now)
{
	struct sj_session *session = user;

	session->channel->parameters_wanted = false;
	sj__session_channel_user.on_open(user, now);
}

/* [SJ-HS-9] */
static void
no_parameters(void)
{
	struct pair *pair = pair_begin();

	silent = sj__session_channel_user;
	silent.on_open = open_without_parameters;
	pair->session = start_login(pair);
	pair_channel(pair->client->endpoint)->user = &silent;
	pair_exchange(pair, 100);
	expect(!pair->started && is_cut_off(pair),
	    "a first packet without parameters is taken");
	pair_end(pair);
}

static void
write_parameters(struct writer *writer)
{
	uint8_t list[64];
	struct writer inner = writer_of(list, sizeof list);

	sj__parameter_write(&inner, PARAMETER_ID, "another!", ID_SIZE);
	sj__parameter_write_number(&inner, PARAMETER_CREDIT, 77);
	sj__frame_parameters(writer, (struct span){ list,
	    (size_t)(inner.at - list) });
}

/* [SJ-HS-14] */
static void
parameters_again(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *server = pair_channel(pair->world.server);

	pair_play(pair, write_parameters);
	expect(!is_cut_off(pair), "parameters that come again are an error");
	expect(server->peer_credit != 77 && memcmp("another!",
	    server->current.peer_id.bytes, ID_SIZE) != 0,
	    "parameters that come again count");
	pair_end(pair);
}

/* --- Login ------------------------------------------------------------- */

static const char *said_name, *said_user = "alice";
static uint64_t said_number, said_at;
static bool said_mechanism;

/* A LOGIN whose proof is none. */
static void
write_login(struct writer *writer)
{
	uint8_t record[256];
	struct writer list = writer_of(record + 3, sizeof record - 3);
	size_t length;

	sj__parameter_write(&list, FIELD_APPLICATION, "sim", 3);
	sj__parameter_write(&list, FIELD_SERVER_NAME, said_name,
	    strlen(said_name));
	sj__parameter_write(&list, FIELD_USER, said_user, 5);
	sj__parameter_write(&list, FIELD_MECHANISM, said_mechanism ?
	    "publickey" : "publicket", 9);
	sj__parameter_write(&list, FIELD_MESSAGE, "no proof", 8);
	sj__parameter_write_number(&list, FIELD_NUMBER, said_number);
	length = (size_t)(list.at - record - 3);
	record[0] = CONTROL_LOGIN;
	record[1] = (uint8_t)(0x40 | length >> 8);
	record[2] = (uint8_t)length;
	put_bytes(writer, 0, said_at, NULL, record, length + 3);
	said_at += length + 3;
}

static void
say_login(struct pair *pair, const char *name, uint64_t number,
    bool is_publickey)
{
	said_name = name;
	said_number = number;
	said_mechanism = is_publickey;
	pair_play(pair, write_login);
	pair_exchange(pair, 2);
}

/* [SJ-LG-3] */
static void
login_again(void)
{
	struct pair *pair;

	for (uint64_t wrong = 0; wrong < 4; wrong++) {
		pair = pair_unproven();
		said_at = 0;
		/* Not the first; then not the next one. */
		if (wrong > 1)
			say_login(pair, "server", 1, true);
		expect(!is_cut_off(pair), "one try is one too many");
		say_login(pair, "server", wrong == 0 ? 0 : wrong == 2 ? 1 :
		    wrong + 1 + (wrong == 3 ? 1 : 0), true);
		expect(is_cut_off(pair), "a login has any number");
		pair_end(pair);
	}
	pair = pair_unproven();
	said_at = 0;
	for (uint64_t number = 1; number <= LOGIN_TRIES_MAX; number++)
		say_login(pair, "server", number, true);
	expect(!is_cut_off(pair), "six tries are too many");
	say_login(pair, "server", LOGIN_TRIES_MAX + 1, true);
	expect(is_cut_off(pair), "there are more than six tries");
	pair_end(pair);
}

/* [SJ-LG-2] */
static void
name_with_nul(void)
{
	struct pair *pair = pair_unproven();

	said_at = 0;
	said_user = "al\0ce";
	say_login(pair, "server", 1, true);
	expect(is_cut_off(pair), "a name has a NUL");
	said_user = "alice";
	pair_end(pair);
}

/* [SJ-LG-2] */
static void
name_not_utf8(void)
{
	static const char *const names[] = { "\303\251ire", "\342\202\254ur",
	    "ali\377e", "ali\303e", "alic\303", "\x80lice", "ali\xc0\x80",
	    "al\xe0\x80\x80", "al\xed\xa0\x80", "a\xf4\x90\x80\x80" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct pair *pair = pair_unproven();

		said_at = 0;
		said_user = names[i];
		say_login(pair, "server", 1, true);
		expect(is_cut_off(pair) == (i > 1), i > 1 ?
		    "a name is no UTF-8" : "a name of UTF-8 is refused");
		pair_end(pair);
	}
	said_user = "alice";
}

/* [SJ-LG-2] A client does not even begin with one. */
static void
own_names(void)
{
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "ali\377e",
	    .options = SJ_LOGIN_OPTIONS };
	struct pair *pair = pair_begin();
	struct sj_session *session;

	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	expect(sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &session) == SJ_ERR_ARGUMENT, "a name of our own is no UTF-8");
	login.user = "al\303\251";
	expect(sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &session) == 0, "a name of UTF-8 is none");
	pair_end(pair);
}

static uint8_t results[4][64];
static size_t result_lengths[4];
static unsigned result_count;

static void
keep_result(struct pair *pair, const struct frame *frame)
{
	(void)pair;
	if (!frame_is_stream(frame->type) || frame->u.stream.stream != 0)
		return;
	expect(result_count < 4 && frame->u.stream.data.length <= 64,
	    "a refusal is long");
	memcpy(results[result_count], frame->u.stream.data.data,
	    frame->u.stream.data.length);
	result_lengths[result_count++] = frame->u.stream.data.length;
}

/* [SJ-LG-6] What was wrong nobody is told. */
static void
refusals_alike(void)
{
	struct pair *pair = pair_unproven();

	result_count = 0;
	said_at = 0;
	pair->world.server->options.server_name = "server";
	pair->on_frame = keep_result;
	say_login(pair, "server", 1, true);
	say_login(pair, "another", 2, true);
	say_login(pair, "server", 3, false);
	expect(result_count == 3, "not three refusals");
	for (unsigned i = 1; i < 3; i++)
		expect(result_lengths[i] == result_lengths[0] &&
		    memcmp(results[i], results[0], result_lengths[0]) == 0,
		    "a refusal tells what was wrong");
	pair->world.server->options.server_name = NULL;
	pair_end(pair);
}

/* [SJ-LG-5] */
static void
other_name(void)
{
	struct pair *pair = pair_begin();

	pair->world.server->options.server_name = "example,serve";
	pair->session = start_login(pair);
	pair_exchange(pair, 100);
	expect(!pair->started, "a login for another server is taken");
	pair->world.server->options.server_name = "example,server";
	pair_log_in(pair);
	pair->world.server->options.server_name = NULL;
	pair_end(pair);
}

/* Another application is another login. */
static void
other_application(void)
{
	struct pair *pair = pair_begin();

	pair->world.server->options.application = "mail";
	pair->session = start_login(pair);
	pair_exchange(pair, 100);
	expect(!pair->started, "a login for another application is taken");
	pair->world.server->options.application = "sim";
	pair_log_in(pair);
	pair->world.server->options.application = NULL;
	pair_end(pair);
}

static uint64_t next_id, lent;

static void
write_paid_opening(struct writer *writer)
{
	struct stream_opening opening = small;

	opening.borrow = 1000;
	put_bytes(writer, next_id += 2, 0, &opening, "", 0);
	lent += opening.borrow + STREAM_COST;
}

static void
write_early(struct writer *writer)
{
	struct stream_opening opening = small;

	opening.borrow = 4;
	put_bytes(writer, 2, 0, &opening, "word", 4);
}

/* [SJ-LG-4] */
static void
before_login(void)
{
	struct pair *pair = pair_unproven();
	struct sj_session *session = server_session(pair);
	struct sj_event event;

	pair_play(pair, write_early);
	expect(session->tree.count == 1, "no stream came");
	expect(!sj_core_event(pair->world.server, pair->world.now, &event),
	    "what came before the login is shown");
	pair_end(pair);
	/* As many streams as that pays for, and one more. */
	pair = pair_unproven();
	next_id = lent = 0;
	while (lent + 1000 + STREAM_COST <= CREDIT_BEFORE_LOGIN) {
		pair_play(pair, write_paid_opening);
		expect(!is_cut_off(pair), "less than 16 KiB before a login");
	}
	pair_play(pair, write_paid_opening);
	expect(is_cut_off(pair), "more than 16 KiB before a login");
	pair_end(pair);
}

static void
write_unknown_record(struct writer *writer)
{
	put_bytes(writer, 0, said_at, NULL, "\x1f\0", 2);
}

static void
write_grease_record(struct writer *writer)
{
	put_bytes(writer, 0, said_at, NULL, "\x1b\0", 2);
	said_at += 2;
}

/* [SJ-LG-1] */
static void
unknown_record(void)
{
	struct pair *pair = pair_unproven();

	said_at = 0;
	pair_play(pair, write_grease_record);
	expect(!is_cut_off(pair), "a record of grease is not ignored");
	pair_play(pair, write_unknown_record);
	expect(is_cut_off(pair), "an unknown record is ignored");
	pair_end(pair);
}

static const struct sj_store_operations *store_within;
static bool store_is_held;

static int
held_next(struct sj_store *store, struct sj_store_answer *answer)
{
	return store_is_held ? 0 : store_within->next(store, answer);
}

/* [SJ-LG-8] Nobody is told before the store has answered. */
static void
durable(void)
{
	struct pair *pair = pair_begin();
	struct sj_store *store = pair->world.server->store;
	struct sj_store_operations held = *store->operations;

	store_within = store->operations;
	held.next = held_next;
	store->operations = &held;
	store_is_held = true;
	pair->session = start_login(pair);
	pair_exchange(pair, 100);
	expect(server_session(pair)->state == SESSION_JUDGING,
	    "no login waits for the store");
	expect(!pair->started, "a login counts before it is durable");
	store_is_held = false;
	pair_exchange(pair, 100);
	expect(pair->started && !pair->ended, "a durable login does not count");
	store_is_held = true;
	expect(sj_logout(pair->session) == 0, "no logout");
	pair_exchange(pair, 100);
	expect(server_session(pair)->state == SESSION_ENDING,
	    "no logout waits for the store");
	expect(pair->session != NULL, "a logout counts before it is durable");
	store_is_held = false;
	pair_exchange(pair, 100);
	expect(pair->session == NULL, "a durable logout does not count");
	store->operations = store_within;
	pair_end(pair);
}

/* Both limits of a login: idle, and in all. */
static void
lifetime(void)
{
	struct pair *pair;

	for (int i = 0; i < 2; i++) {
		pair = pair_begin();
		pair->world.server->options.lifetime_s = i == 0 ? 100 : 10000;
		pair->world.server->options.idle_limit_s = i == 0 ? 10000 : 100;
		pair_log_in(pair);
		pair->world.now.boot_ns += 99 * NS_PER_S;
		pair->world.now.unix_s += 99;
		pair_exchange(pair, 10);
		expect(pair->session != NULL, "a login ends too soon");
		pair->world.now.boot_ns += 2 * NS_PER_S;
		pair->world.now.unix_s += 2;
		pair_exchange(pair, 10);
		expect(pair->session == NULL, "a login outlives its limit");
		pair_end(pair);
	}
}

static bool has_ended;

static bool
read_last_words(struct pair *pair, int side, const struct sj_batch *batch)
{
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP,
	    .remote.port = SJ_PORT };
	struct sj_event event;

	if (side == 1)
		return true;
	sj_core_receive(pair->client->endpoint, pair->world.now, &path,
	    SJ_ECN_NONE, batch->bytes, batch->length, batch->segment_size);
	while (sj_core_event(pair->client->endpoint, pair->world.now, &event))
		if (event.type == SJ_EV_ENDED) {
			expect(strcmp(event.text, "one?[2Jtwo??") == 0,
			    "a peer's last words are shown as they are");
			has_ended = true;
			sj_session_close(event.session);
		}
	return false;
}

/* They end up on a terminal. */
static void
last_words(void)
{
	struct pair *pair = pair_logged_in();

	pair->on_batch = read_last_words;
	sj__channel_close(pair_channel(pair->world.server), pair->world.now, 1,
	    "one\033[2Jtwo\x9b\x7f");
	pair_exchange(pair, 10);
	expect(has_ended, "a client does not hear that it is over");
	pair_end(pair);
}

const struct rule rules_login[] = {
	{ "hedged_keys", hedged_keys },
	{ "small_hello", small_hello },
	{ "odd_fragments", odd_fragments },
	{ "answer_from_elsewhere", answer_from_elsewhere },
	{ "long_answer", long_answer },
	{ "asked_without_end", asked_without_end },
	{ "no_parameters", no_parameters },
	{ "parameters_again", parameters_again },
	{ "login_again", login_again },
	{ "name_with_nul", name_with_nul },
	{ "name_not_utf8", name_not_utf8 },
	{ "own_names", own_names },
	{ "refusals_alike", refusals_alike },
	{ "other_name", other_name },
	{ "other_application", other_application },
	{ "before_login", before_login },
	{ "unknown_record", unknown_record },
	{ "durable", durable },
	{ "lifetime", lifetime },
	{ "last_words", last_words },
	{ NULL, NULL }
};
