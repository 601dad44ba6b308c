/* SPDX-License-Identifier: ISC */
/* test_host_key.c - the server's key: made once, private, or refused */
#include "folder.h"

#include "io/host_key.c"

static char why[256];
static uint8_t key[32];
static unsigned random_calls;

static int
random_bytes(void *context, void *out, size_t length)
{
	(void)context;
	memset(out, 0x40 + (int)random_calls++, length);
	return 0;
}

static int
no_random(void *context, void *out, size_t length)
{
	(void)context;
	(void)out;
	(void)length;
	return -1;
}

static const struct sj_io io = { .none = 1, .random = random_bytes };

static int
load(const char *name)
{
	memset(why, 0, sizeof why);
	memset(key, 0, sizeof key);
	return host_key_load(in_folder(name), &io, key, why, sizeof why);
}

static void
made(void **state)
{
	uint8_t first[32];
	struct stat info;

	(void)state;
	umask(0);
	random_calls = 0;
	assert_int_equal(load("key"), 0);
	umask(022);
	memset(first, 0x40, sizeof first);
	assert_memory_equal(key, first, 32);
	assert_int_equal(stat(in_folder("key"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	/* Read again, not made again. */
	assert_int_equal(load("key"), 0);
	assert_memory_equal(key, first, 32);
	assert_int_equal(random_calls, 1);
	assert_int_equal(shell("grep -qx "
	    "'sojourn-x25519-private-key-v1 QEBA[A-Za-z0-9+/]*=' key"), 0);
}

static void
modes(void **state)
{
	static const struct { mode_t mode; int result; } table[] = {
		{ 0600, 0 }, { 0400, 0 }, { 0700, 0 },
		{ 0640, SJ_ERR_FILE }, { 0604, SJ_ERR_FILE },
		{ 0620, SJ_ERR_FILE }, { 0602, SJ_ERR_FILE },
		{ 0610, SJ_ERR_FILE }, { 0666, SJ_ERR_FILE },
	};

	(void)state;
	assert_int_equal(load("key"), 0);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char mode[16];

		assert_int_equal(chmod(in_folder("key"), table[i].mode), 0);
		assert_int_equal(load("key"), table[i].result);
		if (table[i].result == 0)
			continue;
		snprintf(mode, sizeof mode, "mode %03o", table[i].mode);
		assert_non_null(strstr(why, mode));
		assert_non_null(strstr(why, in_folder("key")));
		assert_int_equal(key[0], 0);
	}
}

static void
not_a_key(void **state)
{
#define START "sojourn-x25519-private-key-v1 "
	static const char *const table[] = { "", "\n", START, START "\n",
	    "sojourn-x25519-private-key-v2 "
	    "QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEA=\n",
	    START "QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEA=QEBA\n",
	    START "QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBA\n",
	    START "\nQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEA=\n",
	    START " QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEA=\n",
	    " " START "QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEA=\n",
	    "-----BEGIN OPENSSH PRIVATE KEY-----\n" };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		put_file("bad", 0600, table[i]);
		assert_int_equal(load("bad"), SJ_ERR_FILE);
		assert_non_null(strstr(why, "not a host key"));
		assert_int_equal(shell("test -e bad"), 0);
	}
}

/* Cut anywhere it is refused, and never made anew. */
static void
every_cut(void **state)
{
	char text[] = START "QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEA=\n";

	(void)state;
	random_calls = 0;
	/* Without its padding it still is the key. */
	for (size_t i = 0; i < strlen(text); i++) {
		put_bytes("cut", 0600, text, i);
		assert_int_equal(load("cut"), i >= strlen(text) - 2 ? 0 :
		    SJ_ERR_FILE);
	}
	assert_int_equal(random_calls, 0);
}

static void
no_file(void **state)
{
	struct sj_io broken = { .none = 1, .random = no_random };

	(void)state;
	assert_int_equal(load("no/key"), SJ_ERR_FILE);
	assert_non_null(strstr(why, "No such file"));
	assert_int_equal(mkdir(in_folder("folder"), 0700), 0);
	assert_int_equal(load("folder"), SJ_ERR_FILE);
	assert_int_equal(rmdir(in_folder("folder")), 0);
	assert_int_equal(host_key_load(in_folder("none"), &broken, key, why,
	    sizeof why), SJ_ERR_FILE);
	assert_string_equal(why, "no random bytes");
	assert_int_equal(shell("test ! -e none"), 0);
}

/* Two that start at once end with the same key. */
static void
races(void **state)
{
	int ends[2], status;
	uint8_t first[32], next[32];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	for (unsigned i = 0; i < 6; i++)
		if (fork() == 0) {
			random_calls = i;
			_exit(load("race") == 0 && write(ends[1], key, 32) ==
			    32 ? 0 : 1);
		}
	for (unsigned i = 0; i < 6; i++) {
		wait(&status);
		assert_int_equal(status, 0);
		assert_int_equal(read(ends[0], i == 0 ? first : next, 32), 32);
		if (i > 0)
			assert_memory_equal(first, next, 32);
	}
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made),
		cmocka_unit_test(modes),
		cmocka_unit_test(not_a_key),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(no_file),
		cmocka_unit_test(races),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
