/* SPDX-License-Identifier: ISC */
/*
 * fuzz_record.c - the record of a login as a store has it
 *
 * First byte: a record by itself, which is encoded again to the same bytes; or
 * a store full of records, of which an endpoint makes its list, and from which
 * it takes a user out. Whatever the records hold, both come to an end.
 */
#include "fuzz.h"
#include "core/endpoint.h"

#define RECORDS_MAX 8
#define ANSWERS_MAX 4
#define VALUE_MAX 9000                  /* more than anybody may write */

/* --- A record ------------------------------------------------------------ */

static void
one_record(const uint8_t *data, size_t size)
{
	static uint8_t out[8192];
	static char scratch[8192 + 8];
	struct sj_login_record record;
	ptrdiff_t length;

	if (size > 8192 || sj_login_record_decode(&record, data, size,
	    scratch) < 0)
		return;
	MUST(strlen(record.user) <= size && strlen(record.peer_address) <= size);
	length = sj_login_record_encode(&record, out, sizeof out);
	MUST(length >= 0 && (size_t)length == size);
	MUST(memcmp(out, data, size) == 0);
}

/* --- A store of them ------------------------------------------------------ */

struct entry {
	uint8_t key[SJ_STORE_KEY_MAX];
	size_t key_length;
	struct span value;
	bool is_there;
};

struct hostile {
	struct sj_store store;
	struct entry entries[RECORDS_MAX];
	size_t count;
	struct sj_store_answer answers[ANSWERS_MAX]; /* that wait, in order */
	unsigned waiting;
	unsigned asked;
	int error;                      /* after so many requests */
	unsigned error_after;
};

static int
compare(const struct entry *entry, const uint8_t *key, size_t length)
{
	size_t shorter = min_size(entry->key_length, length);
	int order = memcmp(entry->key, key, shorter);

	return order != 0 ? order : (entry->key_length > length) -
	    (entry->key_length < length);
}

static const struct entry *
next_entry(const struct hostile *hostile, const struct sj_store_request *request)
{
	const struct entry *next = NULL, *at;

	for (size_t i = 0; i < hostile->count; i++) {
		at = &hostile->entries[i];
		if (at->is_there && at->key_length >= request->prefix_length &&
		    memcmp(at->key, request->key, request->prefix_length) ==
		    0 && compare(at, request->key, request->key_length) > 0 &&
		    (next == NULL || compare(at, next->key, next->key_length) <
		    0))
			next = at;
	}
	return next;
}

static int
hostile_submit(struct sj_store *store, const struct sj_store_request *request)
{
	struct hostile *hostile = (struct hostile *)(void *)store;
	struct sj_store_answer *answer = &hostile->answers[hostile->waiting];
	const struct entry *entry;

	MUST(hostile->waiting++ < ANSWERS_MAX);
	MUST(hostile->asked++ < 10 * RECORDS_MAX);
	MUST(request->key_length <= SJ_STORE_KEY_MAX);
	memset(answer, 0, sizeof *answer);
	answer->number = request->number;
	if (hostile->asked > hostile->error_after) {
		answer->error = hostile->error;
		return 0;
	}
	if (request->operation == SJ_STORE_DELETE) {
		for (size_t i = 0; i < hostile->count; i++)
			if (compare(&hostile->entries[i], request->key,
			    request->key_length) == 0)
				hostile->entries[i].is_there = false;
		return 0;
	}
	MUST(request->operation == SJ_STORE_ITERATE);
	entry = next_entry(hostile, request);
	if (entry != NULL) {
		answer->version = 1;
		answer->key = entry->key;
		answer->key_length = entry->key_length;
		answer->value = entry->value.data;
		answer->value_length = entry->value.length;
	}
	return 0;
}

static int
hostile_next(struct sj_store *store, struct sj_store_answer *answer)
{
	struct hostile *hostile = (struct hostile *)(void *)store;

	if (hostile->waiting == 0)
		return 0;
	*answer = hostile->answers[0];
	memmove(hostile->answers, hostile->answers + 1,
	    --hostile->waiting * sizeof hostile->answers[0]);
	return 1;
}

static int
hostile_fd(const struct sj_store *store)
{
	(void)store;
	return -1;
}

static void
hostile_close(struct sj_store *store)
{
	(void)store;
}

static const struct sj_store_operations operations = {
	hostile_submit, hostile_next, hostile_fd, hostile_close
};
static struct hostile hostile = { .store = { &operations } };
static struct sj_endpoint *endpoint;

static int
no_random(void *context, void *out, size_t length)
{
	(void)context;
	memset(out, 5, length);
	return 0;
}

/* One for all runs: between them it keeps nothing but counters. */
static void
open_endpoint(void)
{
	static const struct sj_io io = { .none = 1, .random = no_random };
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	static const uint8_t key[32] = { 1 };

	if (endpoint != NULL)
		return;
	options.listen = "fuzz";
	options.store = &hostile.store;
	MUST(sj__endpoint_create(&endpoint, &options, &io, key) == 0);
}

static void
fill(struct program *program)
{
	static uint8_t big[VALUE_MAX];
	struct entry *entry;
	struct span key;
	uint8_t how;

	memset(hostile.entries, 0, sizeof hostile.entries);
	hostile.count = 0;
	hostile.asked = 0;
	hostile.waiting = 0;
	how = take_byte(program);
	hostile.error = how & 1 ? SJ_ERR_STORE : SJ_ERR_MEMORY;
	hostile.error_after = how & 2 ? how >> 2 : 1000;
	while (hostile.count < RECORDS_MAX && !program_is_over(program)) {
		entry = &hostile.entries[hostile.count++];
		how = take_byte(program);
		key = take_span(program, how & 8 ? 8 : how & 7);
		entry->key[0] = 'L';
		if (key.length > 0)
			memcpy(entry->key + 1, key.data, key.length);
		entry->key_length = 1 + key.length;
		entry->value = how & 16 ? (struct span){ big, VALUE_MAX } :
		    take_span(program, take_byte(program));
		entry->is_there = true;
	}
}

static void
drain(struct sj_time now)
{
	uint8_t buffer[2048];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	struct sj_event event;

	while (sj_core_transmit(endpoint, now, &batch))
		MUST(false);
	while (sj_core_event(endpoint, now, &event))
		MUST(event.type == SJ_EV_DONE);
}

static void
a_store(struct program *program)
{
	const struct sj_time now = { NS_PER_S, 1800000000 };
	struct sj_identity identity;
	uint8_t how = take_byte(program);
	uint64_t cursor = 0;
	unsigned rounds = 0;
	int more;

	open_endpoint();
	fill(program);
	do {
		MUST(rounds++ < 10 * RECORDS_MAX);
		more = sj_sessions_list(endpoint, how & 1 ? "alice" : NULL,
		    &identity, &cursor);
		if (more == 1)
			MUST(strlen(identity.user) <= VALUE_MAX);
		drain(now);
	} while (more == 1 || more == SJ_AGAIN);
	hostile.asked = 0;
	if (sj_sessions_revoke(endpoint, how & 2 ? "alice" : "", how & 4 ?
	    (const uint8_t *)"\1\2\3\4\5\6\7" : NULL) == 0)
		drain(now);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program);

	if (first < 128)
		one_record(program.at, (size_t)(program.end - program.at));
	else
		a_store(&program);
	return 0;
}
