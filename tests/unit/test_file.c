/* SPDX-License-Identifier: ISC */
/* test_file.c - small files, whole or not at all */
#include "folder.h"

/* The system, with an error for a certain call, and never all at once. */
static unsigned call, failing_call;
static int failing_errno;

static bool
fails(void)
{
	if (++call != failing_call)
		return false;
	errno = failing_errno;
	return true;
}

static ssize_t
test_read(int fd, void *out, size_t length)
{
	return fails() ? -1 : read(fd, out, length > 7 ? 7 : length);
}

static ssize_t
test_write(int fd, const void *bytes, size_t length)
{
	return fails() ? -1 : write(fd, bytes, length > 7 ? 7 : length);
}

static int
test_fsync(int fd)
{
	return fails() ? -1 : fsync(fd);
}

#define read test_read
#define write test_write
#define fsync test_fsync
#include "io/file.c"
#undef read
#undef write
#undef fsync

static void
reads(void **state)
{
	char big[5000], *text;
	struct stat info;
	size_t length;

	(void)state;
	memset(big, 'x', sizeof big);
	put_bytes("big", 0640, big, sizeof big);
	text = file_read(in_folder("big"), sizeof big, &length, &info);
	assert_non_null(text);
	assert_int_equal(length, sizeof big);
	assert_memory_equal(text, big, sizeof big);
	assert_int_equal(text[length], '\0');
	assert_int_equal(info.st_mode & 0777, 0640);
	free(text);
	assert_null(file_read(in_folder("big"), sizeof big - 1, &length, NULL));
	assert_int_equal(errno, EFBIG);
	put_file("empty", 0600, "");
	text = file_read(in_folder("empty"), 10, &length, NULL);
	assert_non_null(text);
	assert_int_equal(length, 0);
	assert_string_equal(text, "");
	free(text);
	put_bytes("nul", 0600, "a\0b", 3);
	text = file_read(in_folder("nul"), 10, &length, NULL);
	assert_int_equal(length, 3);
	assert_memory_equal(text, "a\0b\0", 4);
	free(text);
}

/* Nothing that would block, or that is no file. */
static void
refuses(void **state)
{
	size_t length;

	(void)state;
	assert_null(file_read(in_folder("none"), 10, &length, NULL));
	assert_int_equal(errno, ENOENT);
	assert_null(file_read(folder, 10, &length, NULL));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	assert_null(file_read(in_folder("pipe"), 10, &length, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(file_read("/dev/zero", 10, &length, NULL));
	assert_int_equal(errno, EINVAL);
}

static void
creates(void **state)
{
	struct stat info;
	char *text, name[4200];
	size_t length;

	(void)state;
	empty_folder();
	umask(0);
	assert_int_equal(file_create(in_folder("new"), "text", 4), 0);
	umask(022);
	text = file_read(in_folder("new"), 10, &length, &info);
	assert_string_equal(text, "text");
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(info.st_nlink, 1);
	free(text);
	/* Who comes second changes nothing, and leaves nothing behind. */
	assert_int_equal(file_create(in_folder("new"), "other", 5), -1);
	assert_int_equal(errno, EEXIST);
	text = file_read(in_folder("new"), 10, &length, NULL);
	assert_string_equal(text, "text");
	free(text);
	assert_int_equal(shell("test \"$(ls | grep -v '^out$')\" = new"), 0);
	assert_int_equal(file_create(in_folder("no/new"), "text", 4), -1);
	assert_int_equal(errno, ENOENT);
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_int_equal(file_create(name, "text", 4), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

/* An error at each call in turn: nothing is left behind, or nothing is said;
 * an interruption is none. */
static void
every_error(void **state)
{
	static const char text[] = "a text of several pieces of seven bytes";
	size_t length;
	char *got;

	(void)state;
	for (failing_errno = ENOSPC;; failing_errno = EINTR) {
		for (unsigned i = 1; i < 20; i++) {
			int result;

			empty_folder();
			call = 0;
			failing_call = i;
			result = file_create(in_folder("new"), text,
			    sizeof text - 1);
			/* Six writes, one sync. */
			assert_int_equal(result, i > 7 || (i < 7 &&
			    failing_errno == EINTR) ? 0 : -1);
			assert_int_equal(access(in_folder("new"), F_OK),
			    result);
			put_file("old", 0600, text);
			call = 0;
			got = file_read(in_folder("old"), 100, &length, NULL);
			/* Six reads, and one at the end. */
			assert_int_equal(got != NULL, i > 7 ||
			    failing_errno == EINTR);
			if (got != NULL)
				assert_string_equal(got, text);
			else
				assert_int_equal(errno, ENOSPC);
			free(got);
		}
		if (failing_errno == EINTR)
			break;
	}
	failing_call = 0;
}

/* Of many at once one wins, and its text is whole. */
static void
races(void **state)
{
	char text[200000], *got;
	unsigned won = 0;
	size_t length;
	int status;

	(void)state;
	empty_folder();
	for (int i = 0; i < 8; i++)
		if (fork() == 0) {
			memset(text, 'a' + i, sizeof text);
			_exit(file_create(in_folder("race"), text,
			    sizeof text) == 0 ? 0 : errno == EEXIST ? 1 : 2);
		}
	for (int i = 0; i < 8; i++) {
		wait(&status);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		won += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(won, 1);
	got = file_read(in_folder("race"), sizeof text, &length, NULL);
	assert_int_equal(length, sizeof text);
	memset(text, got[0], sizeof text);
	assert_memory_equal(got, text, sizeof text);
	free(got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(refuses),
		cmocka_unit_test(creates),
		cmocka_unit_test(every_error),
		cmocka_unit_test(races),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
