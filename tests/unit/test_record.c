/* SPDX-License-Identifier: ISC */
/* test_record.c - the record of a login: there and back, cut and changed */
#include "unit.h"

#include "core/record.c"

static const struct sj_login_record full = {
	.version = 1, .id = { 1, 2, 3, 4, 5, 6, 7, 0xff },
	.login_unix_s = 1700000000, .used_unix_s = UINT64_MAX,
	.expires_unix_s = 0x0102030405060708, .idle_limit_s = 0xfffffffe,
	.status = 200, .user = "ann", .application = "files",
	.mechanism = "publickey", .credential = "ssh-ed25519 SHA256:x",
	.server_name = "server.example", .peer_address = "[2001:db8::1]:7",
	.rest = "re\0st", .rest_length = 5,
};

static void
assert_same(const struct sj_login_record *one,
    const struct sj_login_record *two)
{
	assert_int_equal(one->version, two->version);
	assert_memory_equal(one->id, two->id, 8);
	assert_int_equal(one->login_unix_s, two->login_unix_s);
	assert_int_equal(one->used_unix_s, two->used_unix_s);
	assert_int_equal(one->expires_unix_s, two->expires_unix_s);
	assert_int_equal(one->idle_limit_s, two->idle_limit_s);
	assert_int_equal(one->status, two->status);
	assert_string_equal(one->user, two->user);
	assert_string_equal(one->application, two->application);
	assert_string_equal(one->mechanism, two->mechanism);
	assert_string_equal(one->credential, two->credential);
	assert_string_equal(one->server_name, two->server_name);
	assert_string_equal(one->peer_address, two->peer_address);
	assert_int_equal(one->rest_length, two->rest_length);
	if (one->rest_length > 0)
		assert_memory_equal(one->rest, two->rest, one->rest_length);
}

/* From the heap and with exactly the room that is promised to be enough, so
 * that a byte too far is seen. */
static int
decode(struct sj_login_record *record, const uint8_t *value, size_t length,
    char **scratch)
{
	static uint8_t *copy;

	free(copy);
	copy = malloc(length + 1);
	*scratch = malloc(length + 8);
	assert_true(copy != NULL && *scratch != NULL);
	memcpy(copy, value, length);
	return sj_login_record_decode(record, copy, length, *scratch);
}

static void
there_and_back(void **state)
{
	struct sj_login_record record, empty = { .version = 1 };
	uint8_t value[512];
	char *scratch;
	ptrdiff_t length = sj_login_record_encode(&full, value, sizeof value);

	(void)state;
	assert_true(length > 0);
	assert_int_equal(value[0], 1);
	assert_int_equal(decode(&record, value, (size_t)length, &scratch), 0);
	assert_same(&record, &full);
	free(scratch);
	for (ptrdiff_t i = 0; i < length; i++)
		assert_int_equal(sj_login_record_encode(&full, value,
		    (size_t)i), SJ_ERR_STORE);
	/* NULL is as good as nothing. */
	length = sj_login_record_encode(&empty, value, sizeof value);
	assert_int_equal(decode(&record, value, (size_t)length, &scratch), 0);
	empty.user = empty.application = empty.mechanism = empty.credential =
	    empty.server_name = empty.peer_address = "";
	assert_same(&record, &empty);
	free(scratch);
}

static void
too_long(void **state)
{
	struct sj_login_record record = full;
	char *name = malloc(65537);
	uint8_t *value = malloc(70000);

	(void)state;
	assert_true(name != NULL && value != NULL);
	memset(name, 'n', 65536);
	name[65536] = '\0';
	record.credential = name;
	assert_int_equal(sj_login_record_encode(&record, value, 70000),
	    SJ_ERR_STORE);
	name[65535] = '\0';
	assert_true(sj_login_record_encode(&record, value, 70000) > 65535);
	free(name);
	free(value);
}

static void
cut_and_changed(void **state)
{
	struct sj_login_record record;
	uint8_t value[512] = { 0 };
	char *scratch;
	size_t length = (size_t)sj_login_record_encode(&full, value,
	    sizeof value);

	(void)state;
	for (size_t i = 0; i < length; i++) {
		assert_int_equal(decode(&record, value, i, &scratch),
		    SJ_ERR_STORE);
		free(scratch);
	}
	assert_int_equal(decode(&record, value, length + 1, &scratch),
	    SJ_ERR_STORE);
	free(scratch);
	/* Any other version. */
	for (unsigned i = 0; i < 256; i++) {
		value[0] = (uint8_t)i;
		assert_int_equal(decode(&record, value, length, &scratch),
		    i == 1 ? 0 : SJ_ERR_STORE);
		free(scratch);
	}
	/* A NUL inside a name would hide the rest of it. */
	value[0] = 1;
	value[38 + 2 + 1] = 0;
	assert_int_equal(decode(&record, value, length, &scratch),
	    SJ_ERR_STORE);
	free(scratch);
}

/* Whatever it is given: an answer, and no byte out of bounds. */
static void
garbage(void **state)
{
	struct sj_login_record record;
	uint8_t value[512];
	char *scratch;
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		size_t length = (size_t)sj_login_record_encode(&full, value,
		    sizeof value);

		for (uint64_t n = 1 + draw(3); n > 0; n--)
			value[draw(length)] = (uint8_t)draw(256);
		if (decode(&record, value, length, &scratch) == 0) {
			taken++;
			assert_true(strlen(record.user) < length);
			assert_true(strlen(record.peer_address) < length);
			assert_true(record.rest_length < length);
		}
		free(scratch);
	}
	assert_true(taken > 0 && taken < 50000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(too_long),
		cmocka_unit_test(cut_and_changed),
		cmocka_unit_test(garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
