/* SPDX-License-Identifier: ISC */
/* test_known_hosts.c - the keys of servers, found again as they were written */
#include "folder.h"

#include "io/known_hosts.c"

static char state_dir[64];
static struct known_host known;

static int
set_up(void **state)
{
	if (make_folder(state) < 0)
		return -1;
	snprintf(state_dir, sizeof state_dir, "%s", folder);
	return 0;
}

static int
find(const char *host, unsigned port)
{
	memset(&known, 0x55, sizeof known);
	return known_hosts_find(state_dir, host, port, &known);
}

/* A key that says which it is. */
static const uint8_t *
key_of(unsigned which)
{
	static uint8_t made[32];

	for (size_t i = 0; i < 32; i++)
		made[i] = (uint8_t)(which * 31 + i);
	return made;
}

static void
added(void **state)
{
	static const struct { const char *host; unsigned port; } table[] = {
		{ "example.org", SJ_PORT }, { "example.org", 22 },
		{ "example.org", 65535 }, { "example.or", SJ_PORT },
		{ "xexample.org", SJ_PORT }, { "192.0.2.1", SJ_PORT },
		{ "2001:db8::1", SJ_PORT }, { "2001:db8::1", 4433 },
	};
	size_t count = sizeof table / sizeof *table;

	(void)state;
	empty_folder();
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(find(table[i].host, table[i].port), 0);
		assert_int_equal(known_hosts_add(state_dir, table[i].host,
		    table[i].port, key_of(i), 0), 0);
		for (unsigned j = 0; j < count; j++) {
			char line[64];

			assert_int_equal(find(table[j].host, table[j].port),
			    j <= i);
			if (j > i)
				continue;
			assert_memory_equal(known.key, key_of(j), 32);
			snprintf(line, sizeof line, "line %u of known_hosts",
			    j + 1);
			assert_string_equal(known.where, line);
		}
	}
}

/* One that was added again does not take the place of the first: a key that
 * changed is noticed for as long as the old line stands. */
static void
changed(void **state)
{
	(void)state;
	empty_folder();
	assert_int_equal(known_hosts_add(state_dir, "h", SJ_PORT, key_of(1), 0),
	    0);
	assert_int_equal(known_hosts_add(state_dir, "h", SJ_PORT, key_of(2), 0),
	    0);
	assert_int_equal(find("h", SJ_PORT), 1);
	assert_memory_equal(known.key, key_of(1), 32);
	assert_string_equal(known.where, "line 1 of known_hosts");
}

/* [SJ-HS-31] The word is remembered for the host and key it was said of. */
static void
hybrid(void **state)
{
	(void)state;
	empty_folder();
	assert_int_equal(known_hosts_add(state_dir, "a", SJ_PORT, key_of(1), 0),
	    0);
	assert_int_equal(known_hosts_add(state_dir, "b", SJ_PORT, key_of(2), 1),
	    0);
	assert_int_equal(known_hosts_add(state_dir, "a", SJ_PORT, key_of(2), 1),
	    0);
	assert_int_equal(find("b", SJ_PORT), 1);
	assert_true(known.is_hybrid);
	assert_int_equal(find("a", SJ_PORT), 1);
	assert_memory_equal(known.key, key_of(1), 32);
	assert_false(known.is_hybrid);          /* it was another key's */
	assert_int_equal(known_hosts_add(state_dir, "a", SJ_PORT, key_of(1), 1),
	    0);
	assert_int_equal(find("a", SJ_PORT), 1);
	assert_true(known.is_hybrid);
	assert_string_equal(known.where, "line 1 of known_hosts");
	assert_int_equal(find("a", 22), 0);
}

static void
lines(void **state)
{
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	static const struct { const char *text; int line; } table[] = {
		{ "", 0 },
		{ "h sojourn-x25519 " KEY, 1 },
		{ "h sojourn-x25519 " KEY "\n", 1 },
		{ "h sojourn-x25519 " KEY "\r\n", 1 },
		{ "h\tsojourn-x25519\t" KEY " a comment\n", 1 },
		{ "\n\n# h\n  h   sojourn-x25519  " KEY "\n", 4 },
		{ "g sojourn-x25519 " KEY "\nh sojourn-x25519 " KEY "\n", 2 },
		{ "#h sojourn-x25519 " KEY "\n", 0 },
		{ "# h sojourn-x25519 " KEY "\n", 0 },
		{ "[h]:7532 sojourn-x25519 " KEY "\n", 0 },
		{ "h,g sojourn-x25519 " KEY "\n", 0 },
		{ "* sojourn-x25519 " KEY "\n", 0 },
		{ "H sojourn-x25519 " KEY "\n", 0 },
		{ "h ssh-ed25519 " KEY "\n", 0 },
		{ "h sojourn-x25519\n" KEY "\n", 0 },
		{ "h sojourn-x25519 AAAA\nh sojourn-x25519 " KEY "\n", 2 },
		{ "h sojourn-x25519 A" KEY "\n", 0 },
		{ "h sojourn-x25519 " KEY KEY "\n", 0 },
		{ "h sojourn-x25519 !" KEY "\n", 0 },
		{ "h\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char line[64];

		put_file("known_hosts", 0600, table[i].text);
		assert_int_equal(find("h", SJ_PORT), table[i].line > 0);
		if (table[i].line == 0)
			continue;
		assert_memory_equal(known.key, key_of(0), 32);
		snprintf(line, sizeof line, "line %d of known_hosts",
		    table[i].line);
		assert_string_equal(known.where, line);
	}
	/* A comment is about nobody, whatever it is asked for. */
	put_file("known_hosts", 0600, "#h sojourn-x25519 " KEY "\n");
	assert_int_equal(find("#h", SJ_PORT), 0);
}

/* Names that would make a line of their own. */
static void
odd_names(void **state)
{
	static const char *const table[] = { "a b", "a\tb", "a\nb", "a\rb",
	    "#a", "a#", "" };
	char name[600];

	(void)state;
	empty_folder();
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		assert_int_equal(known_hosts_add(state_dir, table[i], SJ_PORT,
		    key_of(0), 0), -1);
		assert_int_equal(errno, EINVAL);
	}
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_int_equal(known_hosts_add(state_dir, name, SJ_PORT, key_of(0), 0),
	    -1);
	assert_int_equal(find(name, SJ_PORT), -1);
	assert_int_equal(access(in_folder("known_hosts"), F_OK), -1);
	/* The longest that fits. */
	name[253] = '\0';
	assert_int_equal(known_hosts_add(state_dir, name, 65535, key_of(0), 0),
	    0);
	assert_int_equal(find(name, 65535), 1);
}

/* A file that ends in the middle of a line does not spoil the next. */
static void
no_newline(void **state)
{
	(void)state;
	put_file("known_hosts", 0600, "h sojourn-x25519 AAECAwQ");
	assert_int_equal(known_hosts_add(state_dir, "h", SJ_PORT, key_of(3), 0),
	    0);
	assert_int_equal(find("h", SJ_PORT), 1);
	assert_memory_equal(known.key, key_of(3), 32);
	assert_string_equal(known.where, "line 2 of known_hosts");
}

static void
makes_folders(void **state)
{
	struct stat info;

	(void)state;
	empty_folder();
	umask(0);
	snprintf(state_dir, sizeof state_dir, "%s/one/two", folder);
	assert_int_equal(find("h", SJ_PORT), 0);
	assert_int_equal(known_hosts_add(state_dir, "h", SJ_PORT, key_of(0), 0),
	    0);
	umask(022);
	assert_int_equal(stat(in_folder("one"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	assert_int_equal(stat(in_folder("one/two"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	assert_int_equal(stat(in_folder("one/two/known_hosts"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(find("h", SJ_PORT), 1);
	assert_int_equal(shell("rm -r one"), 0);
	snprintf(state_dir, sizeof state_dir, "%s", folder);
}

static void
unreadable(void **state)
{
	(void)state;
	empty_folder();
	assert_int_equal(mkdir(in_folder("known_hosts"), 0700), 0);
	assert_int_equal(find("h", SJ_PORT), -1);
	assert_int_equal(known_hosts_add(state_dir, "h", SJ_PORT, key_of(0), 0),
	    -1);
	assert_int_equal(rmdir(in_folder("known_hosts")), 0);
	put_file("file", 0600, "");
	snprintf(state_dir, sizeof state_dir, "%s/file", folder);
	assert_int_equal(known_hosts_add(state_dir, "h", SJ_PORT, key_of(0), 0),
	    -1);
	snprintf(state_dir, sizeof state_dir, "%s", folder);
}

/* Many at once: every line is there, and whole. */
static void
many_writers(void **state)
{
	char host[16];
	int status;

	(void)state;
	empty_folder();
	for (unsigned i = 0; i < 8; i++)
		if (fork() == 0) {
			int failed = 0;

			for (unsigned j = 0; j < 10; j++) {
				snprintf(host, sizeof host, "h%u", 10 * i + j);
				failed |= known_hosts_add(state_dir, host,
				    SJ_PORT, key_of(10 * i + j), 0);
			}
			_exit(failed != 0);
		}
	for (unsigned i = 0; i < 8; i++) {
		wait(&status);
		assert_int_equal(status, 0);
	}
	for (unsigned i = 0; i < 80; i++) {
		snprintf(host, sizeof host, "h%u", i);
		assert_int_equal(find(host, SJ_PORT), 1);
		assert_memory_equal(known.key, key_of(i), 32);
	}
	assert_int_equal(shell("test $(wc -l < known_hosts) = 80"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added),
		cmocka_unit_test(changed),
		cmocka_unit_test(hybrid),
		cmocka_unit_test(lines),
		cmocka_unit_test(odd_names),
		cmocka_unit_test(no_newline),
		cmocka_unit_test(makes_folders),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(many_writers),
	};

	return cmocka_run_group_tests(tests, set_up, remove_folder);
}
