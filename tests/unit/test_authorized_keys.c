/* SPDX-License-Identifier: ISC */
/* test_authorized_keys.c - which lines of ssh's file let a key in */
#include "folder.h"

#include "io/authorized_keys.c"
#include "io/key_file.h"

/* The key of the test, and one that differs in its last bit. */
static uint8_t blob[ED25519_BLOB_SIZE], other[ED25519_BLOB_SIZE];
static char ours[100], theirs[100], why[256];

static int
set_up(void **state)
{
	uint8_t key[32];

	draw_bytes(key, sizeof key);
	key_blob_of(key, blob);
	key[31] ^= 1;
	key_blob_of(key, other);
	if (base64_encode(blob, sizeof blob, ours, sizeof ours) < 0 ||
	    base64_encode(other, sizeof other, theirs, sizeof theirs) < 0)
		return -1;
	return make_folder(state);
}

static int
check(void)
{
	memset(why, '#', sizeof why);
	return authorized_keys_check(in_folder("keys"), blob, sizeof blob, why,
	    sizeof why);
}

/* In the patterns %s is our key, %t another one. */
static void
write_keys(const char *pattern)
{
	char text[8192];
	size_t used = 0;

	for (const char *at = pattern; *at != '\0'; at++) {
		const char *key = at[1] == 's' ? ours : theirs;

		if (*at == '%') {
			used += (size_t)snprintf(text + used,
			    sizeof text - used, "%s", key);
			at++;
		} else {
			text[used++] = *at;
		}
		assert_true(used < sizeof text);
	}
	put_bytes("keys", 0600, text, used);
}

static void
lines(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *why;
	} table[] = {
		{ "", 0, "" },
		{ "ssh-ed25519 %s", 1, "" },
		{ "ssh-ed25519 %s\n", 1, "" },
		{ "ssh-ed25519 %s user@host\n", 1, "" },
		{ "ssh-ed25519 %s a comment of words\n", 1, "" },
		{ "ssh-ed25519 %s\r\n", 1, "" },
		{ "ssh-ed25519 %t\r\nssh-ed25519 %s me\r\n", 1, "" },
		{ "  \t ssh-ed25519 \t %s\t#\n", 1, "" },
		{ "# a comment\n\n   \n\t# another\nssh-ed25519 %s\n", 1, "" },
		{ "ssh-ed25519 %t\n", 0, "" },
		{ "# ssh-ed25519 %s\n", 0, "" },
		{ "#ssh-ed25519 %s\n", 0, "" },
		{ "ssh-rsa %s\n", 0, "" },
		{ "ssh-ed2551 %s\n", 0, "" },
		{ "ssh-ed255190 %s\n", 0, "" },
		{ "SSH-ED25519 %s\n", 0, "" },
		{ "sk-ssh-ed25519@openssh.com %s\n", 0, "" },
		{ "ssh-ed25519\n%s\n", 0, "" },
		{ "ssh-ed25519\n", 0, "" },
		{ "ssh-ed25519 \n", 0, "" },
		{ "%s\n", 0, "" },
		/* Not base64, or only nearly. */
		{ "ssh-ed25519 !%s\n", 0, "" },
		{ "ssh-ed25519 %s%s\n", 0, "" },
		{ "ssh-ed25519 A%s\n", 0, "" },
		{ "ssh-ed25519 %s-\n", 0, "" },
		{ "ssh-ed25519 AAAA\nssh-ed25519 %s\n", 1, "" },
		/* Options: refused, and named by line. */
		{ "restrict ssh-ed25519 %s\n", 0, "keys:1: " },
		{ "no-pty,command=\"/bin/sh -c x\" ssh-ed25519 %s\n", 0,
		    "keys:1: " },
		{ "\n\nfrom=\"10.0.0.0/8\" ssh-ed25519 %s me\n", 0, "keys:3: " },
		{ "command=\"a \\\" b\" ssh-ed25519 %s\n", 0, "keys:1: " },
		{ "cert-authority ssh-ed25519 %s\n", 0, "keys:1: " },
		{ "restrict ssh-ed25519 %t\n", 0, "" },
		/* The key of a quoted option is no key. */
		{ "command=\"ssh-ed25519 %s\" ssh-ed25519 %t\n", 0, "" },
		{ "command=\"ssh-ed25519 %s\n", 0, "" },
		{ "x \" ssh-ed25519 %s\n", 0, "" },
		{ "one two ssh-ed25519 %s\n", 0, "" },
		{ "ssh-rsa %t ssh-ed25519 %s\n", 0, "" },
		/* A plain line counts, before it or after. */
		{ "restrict ssh-ed25519 %s\nssh-ed25519 %s\n", 1, NULL },
		{ "ssh-ed25519 %s\nrestrict ssh-ed25519 %s\n", 1, "" },
		/* A carriage return ends what is looked at. */
		{ "# x\rssh-ed25519 %s\n", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		write_keys(table[i].text);
		if (check() != table[i].result)
			fail_msg("line %zu: %s", i, table[i].text);
		if (table[i].why == NULL)
			continue;
		if (table[i].why[0] == '\0')
			assert_string_equal(why, "");
		else
			assert_non_null(strstr(why, table[i].why));
	}
}

static void
odd_files(void **state)
{
	size_t used = 3 << 20;
	char *text = malloc(used + 200);

	(void)state;
	assert_non_null(text);
	/* A line of three megabytes, then ours. */
	memset(text, 'x', used);
	used += (size_t)sprintf(text + used, "\nssh-ed25519 %s", ours);
	put_bytes("keys", 0600, text, used);
	assert_int_equal(check(), 1);
	/* A key longer than any buffer. */
	memcpy(text, "ssh-ed25519 ", 12);
	memset(text + 12, 'A', (3 << 20) - 12);
	put_bytes("keys", 0600, text, used);
	assert_int_equal(check(), 1);
	/* NUL bytes end a line for us, not the file. */
	used = (size_t)sprintf(text, "x#ssh-ed25519 %s\nssh-ed25519 %s", ours,
	    ours);
	text[1] = '\0';
	put_bytes("keys", 0600, text, used);
	assert_int_equal(check(), 1);
	put_bytes("keys", 0600, text, strlen(ours) + 16);
	assert_int_equal(check(), 0);
	free(text);
	/* Larger than anybody's file. */
	assert_int_equal(truncate(in_folder("keys"), (4 << 20) + 1), 0);
	assert_int_equal(check(), SJ_ERR_FILE);
	assert_non_null(strstr(why, "File too large"));
}

static void
every_cut(void **state)
{
	char text[200];
	size_t length = (size_t)snprintf(text, sizeof text, "ssh-ed25519 %s",
	    ours);

	(void)state;
	for (size_t i = 0; i <= length; i++) {
		put_bytes("keys", 0600, text, i);
		assert_int_equal(check(), i == length);
	}
	for (size_t i = 12; i < length; i++) {
		text[i] = text[i] == 'A' ? 'B' : 'A';
		put_file("keys", 0600, text);
		assert_int_equal(check(), 0);
		snprintf(text, sizeof text, "ssh-ed25519 %s", ours);
	}
}

static void
modes(void **state)
{
	static const struct { mode_t file, folder; int result; } table[] = {
		{ 0600, 0700, 1 }, { 0644, 0755, 1 }, { 0444, 0555, 1 },
		{ 0620, 0700, SJ_ERR_FILE }, { 0602, 0700, SJ_ERR_FILE },
		{ 0600, 0720, SJ_ERR_FILE }, { 0600, 0702, SJ_ERR_FILE },
		{ 0600, 01777, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		write_keys("ssh-ed25519 %s\n");
		assert_int_equal(chmod(in_folder("keys"), table[i].file), 0);
		assert_int_equal(chmod(folder, table[i].folder), 0);
		assert_int_equal(check(), table[i].result);
		if (table[i].result < 0)
			assert_non_null(strstr(why, "others may write"));
		assert_int_equal(chmod(folder, 0700), 0);
	}
}

static void
not_there(void **state)
{
	(void)state;
	empty_folder();
	assert_int_equal(check(), 0);
	assert_non_null(strstr(why, "No such file"));
	assert_int_equal(mkdir(in_folder("keys"), 0700), 0);
	assert_int_equal(check(), SJ_ERR_FILE);
	assert_non_null(strstr(why, in_folder("keys")));
	assert_int_equal(rmdir(in_folder("keys")), 0);
}

/* A file of somebody else's is not for us; only root can try. */
static void
owner(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_keys("ssh-ed25519 %s\n");
	assert_int_equal(chown(in_folder("keys"), 12345, 0), 0);
	assert_int_equal(check(), SJ_ERR_FILE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(odd_files),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(modes),
		cmocka_unit_test(not_there),
		cmocka_unit_test(owner),
	};

	return cmocka_run_group_tests(tests, set_up, remove_folder);
}
