/* SPDX-License-Identifier: ISC */
/*
 * store_memory.c - a session store that is gone with the process
 *
 * Records in a sorted array; answers wait in a queue and are there at once.
 */
#include <stdlib.h>
#include <string.h>

#include <sojourn_core.h>

#define ANSWERS_MAX 256

struct record {
	uint8_t key[SJ_STORE_KEY_MAX];
	size_t key_length;
	uint8_t *value;
	size_t value_length;
	uint64_t version;
};

struct waiting {
	struct sj_store_answer answer;
	uint8_t key[SJ_STORE_KEY_MAX];
	uint8_t *value;
};

struct memory_store {
	struct sj_store store;
	struct record *records;
	size_t count, capacity;
	struct waiting answers[ANSWERS_MAX];
	size_t first, waiting;
	uint8_t *lent;                  /* value of the answer handed out last */
	uint8_t lent_key[SJ_STORE_KEY_MAX];
};

static struct memory_store *
own(struct sj_store *store)
{
	return (struct memory_store *)(void *)store;
}

static int
compare(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	return order != 0 ? order : a_length < b_length ? -1 :
	    a_length > b_length;
}

/* The first record whose key is not below; *found: it is equal. */
static size_t
find(const struct memory_store *store, const void *key, size_t length,
    int *found)
{
	size_t low = 0, high = store->count;

	*found = 0;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare(store->records[middle].key,
		    store->records[middle].key_length, key, length);

		*found |= order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
insert(struct memory_store *store, size_t at)
{
	size_t capacity = store->capacity == 0 ? 64 : 2 * store->capacity;
	struct record *records;

	if (store->count == store->capacity) {
		records = realloc(store->records, capacity * sizeof *records);
		if (records == NULL)
			return SJ_ERR_MEMORY;
		store->records = records;
		store->capacity = capacity;
	}
	memmove(store->records + at + 1, store->records + at,
	    (store->count - at) * sizeof *store->records);
	memset(&store->records[at], 0, sizeof store->records[at]);
	store->count++;
	return 0;
}

static int
put(struct memory_store *store, const struct sj_store_request *request,
    uint64_t *version)
{
	uint8_t *value = malloc(request->value_length + 1);
	struct record *record;
	int found, error;
	size_t at = find(store, request->key, request->key_length, &found);

	if (value == NULL)
		return SJ_ERR_MEMORY;
	if (!found && (error = insert(store, at)) < 0) {
		free(value);
		return error;
	}
	record = &store->records[at];
	if (request->value_length > 0)
		memcpy(value, request->value, request->value_length);
	free(record->value);
	memcpy(record->key, request->key, request->key_length);
	record->key_length = request->key_length;
	record->value = value;
	record->value_length = request->value_length;
	*version = ++record->version;
	return 0;
}

static void
erase(struct memory_store *store, const struct sj_store_request *request)
{
	int found;
	size_t at = find(store, request->key, request->key_length, &found);

	if (!found)
		return;
	free(store->records[at].value);
	store->count--;
	memmove(store->records + at, store->records + at + 1,
	    (store->count - at) * sizeof *store->records);
}

static int
copy_out(struct waiting *waiting, const struct record *record)
{
	waiting->value = malloc(record->value_length + 1);
	if (waiting->value == NULL)
		return SJ_ERR_MEMORY;
	memcpy(waiting->value, record->value, record->value_length);
	memcpy(waiting->key, record->key, record->key_length);
	waiting->answer.key_length = record->key_length;
	waiting->answer.value_length = record->value_length;
	waiting->answer.version = record->version;
	return 0;
}

static int
carry_out(struct memory_store *store, const struct sj_store_request *request,
    struct waiting *waiting)
{
	int found;
	size_t at = find(store, request->key, request->key_length, &found);
	uint64_t version = found ? store->records[at].version : 0;

	switch (request->operation) {
	case SJ_STORE_GET:
		return found ? copy_out(waiting, &store->records[at]) : 0;
	case SJ_STORE_PUT:
		return put(store, request, &waiting->answer.version);
	case SJ_STORE_COMPARE_AND_SET:
		return version == request->version ?
		    put(store, request, &waiting->answer.version) : SJ_AGAIN;
	case SJ_STORE_DELETE:
		erase(store, request);
		return 0;
	case SJ_STORE_ITERATE:
		at += (size_t)(found != 0);
		if (at == store->count || store->records[at].key_length <
		    request->prefix_length || memcmp(store->records[at].key,
		    request->key, request->prefix_length) != 0)
			return 0;
		return copy_out(waiting, &store->records[at]);
	}
	return SJ_ERR_ARGUMENT;
}

static int
memory_submit(struct sj_store *base, const struct sj_store_request *request)
{
	struct memory_store *store = own(base);
	struct waiting *waiting;

	if (store->waiting == ANSWERS_MAX)
		return SJ_ERR_BUSY;
	if (request->key_length > SJ_STORE_KEY_MAX ||
	    request->prefix_length > request->key_length ||
	    request->value_length > SJ_STORE_VALUE_MAX)
		return SJ_ERR_ARGUMENT;
	waiting = &store->answers[(store->first + store->waiting) % ANSWERS_MAX];
	memset(waiting, 0, sizeof *waiting);
	waiting->answer.number = request->number;
	waiting->answer.error = carry_out(store, request, waiting);
	store->waiting++;
	return 0;
}

static int
memory_next(struct sj_store *base, struct sj_store_answer *answer)
{
	struct memory_store *store = own(base);
	struct waiting *waiting = &store->answers[store->first];

	if (store->waiting == 0)
		return 0;
	free(store->lent);
	store->lent = waiting->value;
	memcpy(store->lent_key, waiting->key, sizeof store->lent_key);
	*answer = waiting->answer;
	answer->value = store->lent;
	answer->key = store->lent_key;
	store->first = (store->first + 1) % ANSWERS_MAX;
	store->waiting--;
	return 1;
}

static int
memory_fd(const struct sj_store *store)
{
	(void)store;
	return -1;
}

static void
memory_close(struct sj_store *base)
{
	struct memory_store *store = own(base);

	for (; store->waiting > 0; store->waiting--) {
		free(store->answers[store->first].value);
		store->first = (store->first + 1) % ANSWERS_MAX;
	}
	for (size_t i = 0; i < store->count; i++)
		free(store->records[i].value);
	free(store->records);
	free(store->lent);
	free(store);
}

static const struct sj_store_operations operations = {
	.submit = memory_submit,
	.next = memory_next,
	.fd = memory_fd,
	.close = memory_close,
};

struct sj_store *
sj_store_memory(void)
{
	struct memory_store *store = calloc(1, sizeof *store);

	if (store == NULL)
		return NULL;
	store->store.operations = &operations;
	return &store->store;
}
