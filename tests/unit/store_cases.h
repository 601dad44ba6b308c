/* SPDX-License-Identifier: ISC */
/* store_cases.h - what every store has to do, through the table in
 * sojourn_core.h alone. The test gives open_store(). */
#ifndef STORE_CASES_H
#define STORE_CASES_H

#include <poll.h>

#include "unit.h"

#include <sojourn_core.h>

static struct sj_store *open_store(void);

static struct sj_store *store;
static struct sj_store_answer got;

static int
set_up_store(void **state)
{
	(void)state;
	draw_state = 31337;
	store = open_store();
	return store == NULL ? -1 : 0;
}

static int
tear_down_store(void **state)
{
	(void)state;
	store->operations->close(store);
	return 0;
}

/* The next answer, waited for at most ten seconds. */
static void
answer(void)
{
	struct pollfd wait = { .fd = store->operations->fd(store),
	    .events = POLLIN };

	while (store->operations->next(store, &got) == 0) {
		assert_true(wait.fd >= 0);
		assert_int_equal(poll(&wait, 1, 10000), 1);
	}
}

static void
submit(const struct sj_store_request *request)
{
	assert_int_equal(store->operations->submit(store, request), 0);
}

/* One request and its answer. */
static int
ask(enum sj_store_operation operation, const char *key, const char *value,
    uint64_t version)
{
	static uint64_t number = 100;
	struct sj_store_request request = { .number = ++number,
	    .operation = operation, .key = key, .key_length = strlen(key),
	    .value = value, .value_length = value != NULL ? strlen(value) : 0,
	    .version = version };

	submit(&request);
	answer();
	assert_int_equal(got.number, number);
	return got.error;
}

static void
assert_holds(const char *key, const char *value, uint64_t version)
{
	assert_int_equal(ask(SJ_STORE_GET, key, NULL, 0), 0);
	assert_int_equal(got.version, version);
	if (value == NULL) {
		assert_int_equal(version, 0);
		return;
	}
	assert_int_equal(got.value_length, strlen(value));
	assert_memory_equal(got.value, value, got.value_length);
}

static void
put_and_get(void **state)
{
	(void)state;
	assert_holds("a", NULL, 0);
	assert_int_equal(ask(SJ_STORE_PUT, "a", "one", 0), 0);
	assert_int_equal(got.version, 1);
	assert_holds("a", "one", 1);
	assert_int_equal(ask(SJ_STORE_PUT, "a", "the second", 0), 0);
	assert_int_equal(got.version, 2);
	assert_holds("a", "the second", 2);
	assert_int_equal(ask(SJ_STORE_PUT, "a", "", 0), 0);
	assert_holds("a", "", 3);
	assert_holds("aa", NULL, 0);
	assert_holds("", NULL, 0);
	assert_int_equal(store->operations->next(store, &got), 0);
}

static void
compare_and_set(void **state)
{
	(void)state;
	assert_int_equal(ask(SJ_STORE_COMPARE_AND_SET, "k", "x", 1), SJ_AGAIN);
	assert_holds("k", NULL, 0);
	assert_int_equal(ask(SJ_STORE_COMPARE_AND_SET, "k", "x", 0), 0);
	assert_int_equal(got.version, 1);
	assert_int_equal(ask(SJ_STORE_COMPARE_AND_SET, "k", "y", 0), SJ_AGAIN);
	assert_int_equal(ask(SJ_STORE_COMPARE_AND_SET, "k", "y", 2), SJ_AGAIN);
	assert_holds("k", "x", 1);
	assert_int_equal(ask(SJ_STORE_COMPARE_AND_SET, "k", "y", 1), 0);
	assert_int_equal(got.version, 2);
	assert_int_equal(ask(SJ_STORE_COMPARE_AND_SET, "k", "z", 1), SJ_AGAIN);
	assert_holds("k", "y", 2);
}

static void
delete(void **state)
{
	(void)state;
	assert_int_equal(ask(SJ_STORE_DELETE, "k", NULL, 0), 0);
	assert_int_equal(ask(SJ_STORE_PUT, "k", "x", 0), 0);
	assert_int_equal(ask(SJ_STORE_PUT, "l", "x", 0), 0);
	assert_int_equal(ask(SJ_STORE_DELETE, "k", NULL, 0), 0);
	assert_holds("k", NULL, 0);
	assert_holds("l", "x", 1);
	assert_int_equal(ask(SJ_STORE_DELETE, "k", NULL, 0), 0);
	assert_int_equal(ask(SJ_STORE_COMPARE_AND_SET, "k", "new", 0), 0);
	assert_holds("k", "new", 1);
}

/* Bytes are bytes: NUL in keys and values, and keys that begin alike. */
static void
any_bytes(void **state)
{
	static const uint8_t keys[][3] = { { 0, 0, 0 }, { 0, 0, 1 },
	    { 255, 0, 255 }, { 255, 255, 255 } };
	struct sj_store_request request = { .number = 1, .key_length = 3,
	    .value_length = 2 };
	uint8_t value[2] = { 0, 0 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		value[1] = (uint8_t)i;
		request.operation = SJ_STORE_PUT;
		request.key = keys[i];
		request.value = value;
		submit(&request);
		value[1] = 77;          /* copied, or not */
		answer();
	}
	request.value = NULL;
	request.value_length = 0;
	request.key_length = 2;
	request.key = keys[0];
	request.operation = SJ_STORE_GET;
	submit(&request);
	answer();
	assert_int_equal(got.version, 0);
	request.operation = SJ_STORE_ITERATE;
	for (size_t i = 0; i < 4; i++) {
		submit(&request);
		answer();
		assert_int_equal(got.version, 1);
		assert_int_equal(got.key_length, 3);
		assert_memory_equal(got.key, keys[i], 3);
		assert_int_equal(got.value_length, 2);
		assert_int_equal(((const uint8_t *)got.value)[1], i);
		request.key = keys[i];
		request.key_length = 3;
	}
	submit(&request);
	answer();
	assert_int_equal(got.version, 0);
}

static void
iterate(void **state)
{
	static const char *const keys[] = { "L", "L1", "L10", "L2", "Lz" };
	static const char *const others[] = { "K", "M", "KL1", "" };
	struct sj_store_request request = { .number = 5, .key = "L",
	    .operation = SJ_STORE_ITERATE, .key_length = 1,
	    .prefix_length = 1 };
	char cursor[SJ_STORE_KEY_MAX];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ask(SJ_STORE_PUT, others[i], "no", 0), 0);
		assert_int_equal(ask(SJ_STORE_PUT, keys[4 - i], keys[4 - i],
		    0), 0);
	}
	/* Deleting what it stands on does not stop it. */
	for (size_t i = 1; i < 5; i++) {
		submit(&request);
		answer();
		assert_int_equal(got.error, 0);
		assert_int_equal(got.version, 1);
		assert_int_equal(got.key_length, strlen(keys[i]));
		assert_memory_equal(got.key, keys[i], got.key_length);
		assert_int_equal(got.value_length, strlen(keys[i]));
		assert_memory_equal(got.value, keys[i], got.value_length);
		memcpy(cursor, got.key, got.key_length);
		request.key = cursor;
		request.key_length = got.key_length;
		if (i == 2)
			ask(SJ_STORE_DELETE, keys[i], NULL, 0);
	}
	submit(&request);
	answer();
	assert_int_equal(got.error, 0);
	assert_int_equal(got.version, 0);
}

static void
largest(void **state)
{
	static uint8_t key[SJ_STORE_KEY_MAX + 1];
	static uint8_t value[SJ_STORE_VALUE_MAX + 1];
	struct sj_store_request request = { .number = 1, .key = key,
	    .operation = SJ_STORE_PUT, .key_length = SJ_STORE_KEY_MAX,
	    .value = value, .value_length = SJ_STORE_VALUE_MAX };

	(void)state;
	draw_bytes(key, sizeof key);
	draw_bytes(value, sizeof value);
	submit(&request);
	answer();
	assert_int_equal(got.error, 0);
	request.operation = SJ_STORE_GET;
	submit(&request);
	answer();
	assert_int_equal(got.value_length, SJ_STORE_VALUE_MAX);
	assert_memory_equal(got.value, value, SJ_STORE_VALUE_MAX);
	request.operation = SJ_STORE_ITERATE;
	request.key_length = 0;
	submit(&request);
	answer();
	assert_int_equal(got.key_length, SJ_STORE_KEY_MAX);
	assert_memory_equal(got.key, key, SJ_STORE_KEY_MAX);
	/* One more is refused, and nobody waits for an answer. */
	request.operation = SJ_STORE_PUT;
	request.key_length = SJ_STORE_KEY_MAX + 1;
	assert_int_equal(store->operations->submit(store, &request),
	    SJ_ERR_ARGUMENT);
	request.key_length = 1;
	request.value_length = SJ_STORE_VALUE_MAX + 1;
	assert_int_equal(store->operations->submit(store, &request),
	    SJ_ERR_ARGUMENT);
	request.operation = SJ_STORE_ITERATE;
	request.value_length = 0;
	request.prefix_length = 2;
	assert_int_equal(store->operations->submit(store, &request),
	    SJ_ERR_ARGUMENT);
	request.prefix_length = 0;
	request.operation = (enum sj_store_operation)99;
	submit(&request);
	answer();
	assert_int_equal(got.error, SJ_ERR_ARGUMENT);
}

/* Ten thousand, in a drawn order, 40 asked at once; answers in order. */
#define MANY 10000

static void
many(void **state)
{
	static uint32_t order[MANY];
	uint8_t key[5] = { 'L' };
	struct sj_store_request request = { .operation = SJ_STORE_PUT,
	    .key = key, .key_length = 5, .value_length = 4 };
	uint64_t asked = 0, answered = 0;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		order[i] = i;
	for (size_t i = MANY; i-- > 1;) {
		size_t j = draw(i + 1);
		uint32_t kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
	while (answered < MANY) {
		while (asked < MANY && asked < answered + 40) {
			uint32_t i = order[asked];

			for (unsigned b = 0; b < 4; b++)
				key[1 + b] = (uint8_t)(i >> (24 - 8 * b));
			request.number = ++asked;
			request.value = key + 1;
			submit(&request);
		}
		answer();
		assert_int_equal(got.number, ++answered);
		assert_int_equal(got.error, 0);
	}
	request.operation = SJ_STORE_ITERATE;
	request.prefix_length = 1;
	request.key_length = 1;
	for (uint32_t i = 0; i <= MANY; i++) {
		submit(&request);
		answer();
		assert_int_equal(got.version, i < MANY);
		if (i == MANY)
			break;
		memcpy(key, got.key, 5);
		assert_int_equal(key[1] << 24 | key[2] << 16 | key[3] << 8 |
		    key[4], i);
		assert_memory_equal(got.value, key + 1, 4);
		request.key_length = 5;
	}
}

/* Nobody takes the answers: in the end it says so, and forgets nothing. */
static void
busy(void **state)
{
	struct sj_store_request request = { .operation = SJ_STORE_PUT,
	    .key = "k", .key_length = 1 };
	uint64_t number = 0;
	int error;

	(void)state;
	do {
		request.number = ++number;
		error = store->operations->submit(store, &request);
	} while (error == 0 && number < 100000);
	assert_int_equal(error, SJ_ERR_BUSY);
	for (uint64_t i = 1; i < number; i++) {
		answer();
		assert_int_equal(got.number, i);
		assert_int_equal(got.version, i);
	}
	assert_int_equal(store->operations->next(store, &got), 0);
	assert_int_equal(store->operations->submit(store, &request), 0);
	answer();
}

/* Closed with answers that nobody took. */
static void
closed_early(void **state)
{
	struct sj_store_request request = { .operation = SJ_STORE_PUT,
	    .key = "k", .key_length = 1, .value = "v", .value_length = 1 };

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		submit(&request);
	request.operation = SJ_STORE_GET;
	for (unsigned i = 0; i < 100; i++)
		submit(&request);
	answer();
}

#define STORE_CASE(name) \
	cmocka_unit_test_setup_teardown(name, set_up_store, tear_down_store)
#define STORE_CASES \
	STORE_CASE(put_and_get), STORE_CASE(compare_and_set), \
	STORE_CASE(delete), STORE_CASE(any_bytes), STORE_CASE(iterate), \
	STORE_CASE(largest), STORE_CASE(many), STORE_CASE(busy), \
	STORE_CASE(closed_early)

#endif
