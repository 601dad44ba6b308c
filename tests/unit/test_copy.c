/* SPDX-License-Identifier: ISC */
/* Copies: the records, the walk through a source, and a target that holds
 * whole files or none, whatever names a peer thinks of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sojourn.h>

#include "tool/printable.c"
#include "tool/copy_wire.c"

/* What is asked of the disk, in order: f a file, d a directory, s all of it,
 * r a name; and D, that somebody was told. */
static char asked[64];
static int disk_fails;               /* with that letter; 0: never */

static int
ask_disk(char letter, int result)
{
	size_t length = strlen(asked);

	if (length + 1 < sizeof(asked))
		asked[length] = letter;
	if (letter != disk_fails)
		return result;
	errno = EIO;
	return -1;
}

static int
asked_fsync(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return ask_disk(S_ISDIR(status.st_mode) ? 'd' : 'f', fsync(fd));
}

static int
asked_syncfs(int fd)
{
	return ask_disk('s', syncfs(fd));
}

static int
asked_renameat(int from, const char *old, int to, const char *new)
{
	return ask_disk('r', renameat(from, old, to, new));
}

#undef fail /* of cmocka */
#define fail copy_receive_fail
#define fsync asked_fsync
#define syncfs asked_syncfs
#define renameat asked_renameat
#include "tool/copy_receive.c"
#undef fsync
#undef syncfs
#undef renameat
#undef fail
#define fail copy_walk_fail
#include "tool/copy_walk.c"
#undef fail

/* --- a place of its own ------------------------------------------------ */

static char place[64];

static int
go_in(void **state)
{
	(void)state;
	disk_fails = 0;
	strcpy(place, "/tmp/sojourn-copy-XXXXXX");
	return mkdtemp(place) == NULL || chdir(place) != 0 ||
	    mkdir("target", 0755) != 0;
}

static int
remove_one(const char *path, const struct stat *status, int kind,
    struct FTW *at)
{
	(void)status;
	(void)kind;
	(void)at;
	return remove(path);
}

static int
go_out(void **state)
{
	(void)state;
	return chdir("/") != 0 ||
	    nftw(place, remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0;
}

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void
assert_holds(const char *path, const char *text)
{
	char bytes[256] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	bytes[fread(bytes, 1, sizeof(bytes) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(bytes, text);
}

static size_t
count_names(const char *path)
{
	DIR *directory = opendir(path);
	size_t count = 0;

	assert_non_null(directory);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count - 2;
}

/* --- records ----------------------------------------------------------- */

static const struct copy_record example = { .type = COPY_ENTRY, .flags = 6,
	.failed = 1, .mode = 0640, .time_ns = 999999999, .time_s = -5,
	.id = 1, .size = UINT64_MAX, .source = 3, .path = "a/b",
	.text = "why" };

static void
records_come_back(void **state)
{
	uint8_t bytes[COPY_RECORD_MAX];
	struct copy_record record;
	ptrdiff_t length = copy_record_encode(&example, bytes), i;

	(void)state;
	assert_true(length > 0);
	for (i = 0; i < length; i++)
		assert_int_equal(copy_record_decode(&record, bytes,
		    (size_t)i), 0);
	assert_int_equal(copy_record_decode(&record, bytes, (size_t)length),
	    length);
	assert_int_equal(record.type, COPY_ENTRY);
	assert_int_equal(record.flags, 6);
	assert_int_equal(record.failed, 1);
	assert_int_equal(record.mode, 0640);
	assert_int_equal(record.time_ns, 999999999);
	assert_true(record.time_s == -5);
	assert_true(record.size == UINT64_MAX && record.source == 3);
	assert_string_equal(record.path, "a/b");
	assert_string_equal(record.text, "why");
}

/* Any one byte is another one: either it is still a record whose strings end
 * inside it, or it is refused, or it would be longer. */
static void
records_that_are_not(void **state)
{
	uint8_t bytes[COPY_RECORD_MAX];
	struct copy_record record;
	ptrdiff_t length = copy_record_encode(&example, bytes), i, n;
	int value;

	(void)state;
	for (i = 0; i < length; i++) {
		uint8_t before = bytes[i];

		for (value = 0; value < 256; value++) {
			bytes[i] = (uint8_t)value;
			n = copy_record_decode(&record, bytes,
			    (size_t)length);
			assert_true(n == length || n == 0 ||
			    n == SJ_ERR_PROTOCOL);
			if (n == length)
				assert_true(strlen(record.path) == 3 &&
				    strlen(record.text) == 3);
		}
		bytes[i] = before;
	}
}

static void
records_have_limits(void **state)
{
	static char path[COPY_PATH_MAX + 2], text[COPY_TEXT_MAX + 50];
	static uint8_t bytes[COPY_RECORD_MAX];
	struct copy_record record = { .path = path, .text = text }, back;

	(void)state;
	memset(path, 'p', COPY_PATH_MAX + 1);
	memset(text, 't', sizeof(text) - 1);
	assert_int_equal(copy_record_encode(&record, bytes), SJ_ERR_TOO_BIG);
	path[COPY_PATH_MAX] = '\0';
	assert_in_range(copy_record_encode(&record, bytes), 1,
	    COPY_RECORD_MAX);
	assert_true(copy_record_decode(&back, bytes, sizeof(bytes)) > 0);
	assert_int_equal(strlen(back.text), COPY_TEXT_MAX); /* is cut */
}

static void
names_are_judged(void **state)
{
	static const struct { const char *path; int ok; } table[] = {
		{ "a", 1 }, { "a/b", 1 }, { "...", 1 }, { "..a/.b", 1 },
		{ "a\nb", 1 }, { " ", 1 }, { "-r", 1 },
		{ "", 0 }, { "/", 0 }, { "/a", 0 }, { "a/", 0 },
		{ "a//b", 0 }, { ".", 0 }, { "..", 0 }, { "../a", 0 },
		{ "a/..", 0 }, { "a/../b", 0 }, { "a/./b", 0 },
	};
	static char long_name[300];
	char shown[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(copy_path_ok(table[i].path), table[i].ok);
	memset(long_name, 'n', 256);
	assert_int_equal(copy_path_ok(long_name), 0);
	long_name[255] = '\0';
	assert_int_equal(copy_path_ok(long_name), 1);
	assert_string_equal(copy_printable("a\033[2J\xff\\\xe2\x80\xae" "z",
	    shown, sizeof(shown)), "a\\x1b[2J\\xff\\x5c\\xe2\\x80\\xaez");
	assert_string_equal(copy_printable("\xc3\xa4", shown, sizeof(shown)),
	    "\xc3\xa4");
	assert_true(strlen(copy_printable("aaaaaaaaaaaa", shown, 8)) < 8);
}

/* --- the target -------------------------------------------------------- */

struct verdicts {
	size_t done, failed;
	char text[COPY_TEXT_MAX];
};

static void
on_done(void *data, uint64_t id, uint64_t size, const char *path,
    const char *text)
{
	struct verdicts *verdicts = data;

	(void)id;
	(void)size;
	assert_int_equal(copy_path_ok(path), 1);
	if (text == NULL)
		ask_disk('D', 0);
	if (text == NULL)
		verdicts->done++;
	else
		verdicts->failed++;
	if (text != NULL)
		snprintf(verdicts->text, sizeof(verdicts->text), "%s", text);
}

static char error[COPY_TEXT_MAX];

enum { MANY = 1, CONTENTS = 2 };

static struct copy_receive *
open_to(const char *path, int flags, struct verdicts *verdicts)
{
	struct copy_receive_options options = { .target = path,
		.must_be_directory = flags & MANY,
		.contents = flags & CONTENTS, .data = verdicts,
		.done = on_done };
	struct copy_receive *receive;
	int result = copy_receive_open(&receive, &options, error,
	    sizeof(error));

	memset(verdicts, 0, sizeof(*verdicts));
	assert_true(result == 0 ? receive != NULL : receive == NULL);
	return receive;
}

/* Begins a file and writes text to it. NULL: error has the cause. */
static struct copy_file *
begin(struct copy_receive *receive, const char *path, const char *text,
    size_t announced)
{
	struct copy_record record = { .path = path, .mode = 04755,
		.time_s = 1000000000, .time_ns = 5, .size = announced };
	struct copy_file *file;
	int fd;

	error[0] = '\0';
	if (copy_receive_begin(receive, &record, &file, &fd, error,
	    sizeof(error)) != 0) {
		assert_true(error[0] != '\0');
		return NULL;
	}
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return file;
}

static void
files_get_their_names_when_whole(void **state)
{
	struct verdicts verdicts;
	struct copy_receive *receive = open_to("target", 0, &verdicts);
	struct copy_file *file = begin(receive, "sub/a", "hello", 5);
	struct stat status;

	(void)state;
	assert_non_null(file);
	assert_int_equal(access("target/sub/a", F_OK), -1);
	copy_receive_complete(receive, file);
	assert_int_equal(access("target/sub/a", F_OK), -1);
	assert_int_equal(copy_receive_waiting(receive, NULL), 1);
	copy_receive_commit(receive);
	assert_int_equal(verdicts.done, 1);
	assert_holds("target/sub/a", "hello");
	assert_int_equal(stat("target/sub/a", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0755); /* no set-user-id */
	assert_true(status.st_mtim.tv_sec == 1000000000 &&
	    status.st_mtim.tv_nsec == 5);
	assert_int_equal(count_names("target/sub"), 1);
	copy_receive_close(receive);
}

static void
nothing_stays_of_what_is_not_whole(void **state)
{
	struct verdicts verdicts;
	struct copy_receive *receive = open_to("target", 0, &verdicts);
	struct copy_file *file;

	(void)state;
	write_file("target/old", "old");
	copy_receive_complete(receive, begin(receive, "old", "ne", 3));
	assert_int_equal(verdicts.failed, 1);
	assert_non_null(strstr(verdicts.text, "2 of 3 bytes"));
	copy_receive_abort(receive, begin(receive, "old", "new", 3), "no");
	assert_string_equal(verdicts.text, "no");
	/* complete, but never committed */
	copy_receive_complete(receive, begin(receive, "old", "new", 3));
	copy_receive_complete(receive, begin(receive, "b", "", 0));
	file = begin(receive, "c", "x", 2);
	assert_non_null(file);
	copy_receive_abort(receive, file, "broke off");
	copy_receive_close(receive);
	assert_int_equal(verdicts.done, 0);
	assert_int_equal(verdicts.failed, 5);
	assert_holds("target/old", "old");
	assert_int_equal(count_names("target"), 1);
}

static void
put_files(struct copy_receive *receive, size_t count)
{
	char name[64];
	size_t i;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "sub/f%zu", i);
		copy_receive_complete(receive, begin(receive, name, "x", 1));
	}
	memset(asked, 0, sizeof(asked));
	copy_receive_commit(receive);
}

/* Bytes on the disk, then the name, then that on the disk, then a word: nothing
 * is called durable before it is. */
static void
durable_in_this_order(void **state)
{
	struct verdicts verdicts;
	struct copy_receive *receive;

	(void)state;
	assert_int_equal(mkdir("target/sub", 0755), 0);
	receive = open_to("target", 0, &verdicts);
	put_files(receive, 1);
	assert_string_equal(asked, "frdD");
	put_files(receive, 2);
	assert_string_equal(asked, "ffrrdDD");
	put_files(receive, 5);
	assert_string_equal(asked, "srrrrrsDDDDD");
	disk_fails = 'f';
	put_files(receive, 1);
	assert_string_equal(asked, "f");
	assert_string_equal(verdicts.text, strerror(EIO));
	disk_fails = 'd';
	put_files(receive, 1);
	assert_string_equal(asked, "frd");
	disk_fails = 's';
	put_files(receive, 5);
	assert_null(strpbrk(asked, "rD"));
	assert_int_equal(verdicts.done, 8);
	assert_int_equal(verdicts.failed, 7);
	disk_fails = 0;
	copy_receive_close(receive);
}

static void
many_files_at_once(void **state)
{
	struct verdicts verdicts;
	struct copy_receive *receive = open_to("target", MANY, &verdicts);
	size_t i;
	char name[64];

	(void)state;
	for (i = 0; i < 400; i++) {
		/* more directories than may be open */
		snprintf(name, sizeof(name), "d%zu/sub/f", i);
		copy_receive_complete(receive, begin(receive, name, "x", 1));
	}
	assert_int_equal(copy_receive_finish(receive, error, sizeof(error)),
	    0);
	assert_int_equal(verdicts.done, 400);
	for (i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "target/d%zu/sub/f", i);
		assert_holds(name, "x");
		*strrchr(name, '/') = '\0';
		assert_int_equal(count_names(name), 1);
	}
	copy_receive_close(receive);
}

static void
hostile_names(void **state)
{
	static const char *const names[] = { "", "/etc/x", "../x", "a/../../x",
		".", "a//b", "link/x", "link", "to-nothing/x", "file/x",
		"directory", "pipe", "device" };
	struct verdicts verdicts;
	struct copy_receive *receive = open_to("target", 0, &verdicts);
	struct copy_record record = { .mode = 0755 };
	size_t i;

	(void)state;
	assert_int_equal(mkdir("outside", 0755), 0);
	assert_int_equal(symlink("../outside", "target/link"), 0);
	assert_int_equal(symlink("nothing", "target/to-nothing"), 0);
	assert_int_equal(symlink("/dev/null", "target/device"), 0);
	assert_int_equal(mkfifo("target/pipe", 0600), 0);
	assert_int_equal(mkdir("target/directory", 0755), 0);
	write_file("target/file", "file");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_null(begin(receive, names[i], "", 0));
		record.path = names[i];
		if (strcmp(names[i], "directory") != 0)
			assert_int_not_equal(copy_receive_directory(receive,
			    &record, error, sizeof(error)), 0);
	}
	copy_receive_finish(receive, error, sizeof(error));
	copy_receive_close(receive);
	assert_int_equal(count_names("outside"), 0);
	assert_int_equal(count_names("target"), 6);
	assert_int_equal(count_names("."), 2);
	assert_holds("target/file", "file");
}

/* A link put in the place of a directory after that has been opened: what
 * comes goes into the directory, wherever that is now, not through the link. */
static void
a_link_in_the_middle(void **state)
{
	struct verdicts verdicts;
	struct copy_receive *receive = open_to("target", 0, &verdicts);
	struct copy_file *first, *second;

	(void)state;
	assert_int_equal(mkdir("outside", 0755), 0);
	first = begin(receive, "sub/a", "a", 1);
	assert_int_equal(rename("target/sub", "target/moved"), 0);
	assert_int_equal(symlink("../outside", "target/sub"), 0);
	second = begin(receive, "sub/b", "b", 1);
	copy_receive_complete(receive, first);
	if (second != NULL)
		copy_receive_complete(receive, second);
	copy_receive_commit(receive);
	copy_receive_close(receive);
	assert_int_equal(count_names("outside"), 0);
	assert_holds("target/moved/a", "a");
}

static void
targets(void **state)
{
	struct verdicts verdicts;
	struct copy_receive *receive;

	(void)state;
	write_file("file", "old");
	/* several sources need a directory; so does one in none */
	assert_null(open_to("file", MANY, &verdicts));
	assert_null(open_to("new", MANY, &verdicts));
	assert_null(open_to("file", CONTENTS, &verdicts));
	assert_null(open_to("no/new", 0, &verdicts));
	assert_null(open_to("new/", 0, &verdicts));
	/* a new name for the one that comes, and for no second one */
	receive = open_to("new", 0, &verdicts);
	assert_non_null(receive);
	copy_receive_complete(receive, begin(receive, "tree/a", "a", 1));
	assert_null(begin(receive, "other/a", "a", 1));
	assert_null(begin(receive, "tre", "a", 1));
	copy_receive_commit(receive);
	assert_holds("new/a", "a");
	copy_receive_close(receive);
	receive = open_to("file", 0, &verdicts);
	assert_non_null(receive);
	copy_receive_complete(receive, begin(receive, "x", "new", 3));
	copy_receive_commit(receive);
	assert_holds("file", "new");
	copy_receive_close(receive);
	receive = open_to("made", CONTENTS, &verdicts);
	assert_non_null(receive);
	copy_receive_close(receive);
	assert_int_equal(count_names("made"), 0);
}

static void
directories_keep_mode_and_time(void **state)
{
	struct verdicts verdicts;
	struct copy_receive *receive = open_to("target", 0, &verdicts);
	struct copy_record outer = { .path = "d", .mode = 0555,
		.time_s = 77, .flags = COPY_DIRECTORY };
	struct copy_record inner = { .path = "d/e", .mode = 0711,
		.time_s = 99, .flags = COPY_DIRECTORY };
	struct stat status;

	(void)state;
	assert_int_equal(copy_receive_directory(receive, &outer, error,
	    sizeof(error)), 0);
	assert_int_equal(stat("target/d", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700); /* until all is in it */
	assert_int_equal(copy_receive_directory(receive, &inner, error,
	    sizeof(error)), 0);
	copy_receive_complete(receive, begin(receive, "d/e/f", "f", 1));
	assert_int_equal(copy_receive_finish(receive, error, sizeof(error)),
	    0);
	assert_int_equal(verdicts.done, 1);
	assert_int_equal(stat("target/d", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0555);
	assert_int_equal(status.st_mtim.tv_sec, 77);
	assert_int_equal(stat("target/d/e", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0711);
	assert_int_equal(status.st_mtim.tv_sec, 99);
	copy_receive_close(receive);
	assert_int_equal(chmod("target/d", 0755), 0); /* to be removed */
}

/* --- the source -------------------------------------------------------- */

static void
the_walk(void **state)
{
	static const char *const names[] = { "tree", "tree/d", "tree/d/e",
		"tree/f" };
	struct copy_walk *walk;
	struct copy_entry entry;
	size_t found = 0, failed = 0, i;
	int result;

	(void)state;
	assert_int_equal(mkdir("tree", 0755), 0);
	assert_int_equal(mkdir("tree/d", 0755), 0);
	write_file("tree/d/e", "e");
	write_file("tree/f", "ff");
	assert_int_equal(symlink("..", "tree/d/loop"), 0);
	assert_int_equal(symlink("nowhere", "tree/dangling"), 0);
	assert_int_equal(mkfifo("tree/pipe", 0600), 0);
	walk = copy_walk_open("tree//", 1);
	while ((result = copy_walk_next(walk, &entry)) != 0) {
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			found += result == 1 &&
			    strcmp(names[i], entry.path) == 0;
		failed += result < 0;
		if (result < 0)
			assert_non_null(entry.text);
	}
	copy_walk_close(walk);
	assert_int_equal(found, 4);
	assert_int_equal(failed, 3);
	/* not asked to go in; without a name */
	walk = copy_walk_open("tree", 0);
	assert_true(copy_walk_next(walk, &entry) < 0);
	assert_int_equal(copy_walk_next(walk, &entry), 0);
	copy_walk_close(walk);
	walk = copy_walk_open("tree/d/.", 1);
	assert_true(copy_walk_next(walk, &entry) != 0);
	assert_null(strchr(entry.path, '/'));
	copy_walk_close(walk);
}

static void
names_of_sources(void **state)
{
	static const struct { const char *path, *name; } table[] = {
		{ "a", "a" }, { "a/", "a" }, { "/x/y//", "y" }, { "", "" },
		{ "/", "" }, { ".", "" }, { "..", "" }, { "a/..", "" },
		{ "a/.", "" }, { "...", "..." }, { ".a", ".a" },
	};
	char name[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		copy_walk_name(table[i].path, name, sizeof(name));
		assert_string_equal(name, table[i].name);
	}
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, go_in, go_out)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back),
		cmocka_unit_test(records_that_are_not),
		cmocka_unit_test(records_have_limits),
		cmocka_unit_test(names_are_judged),
		cmocka_unit_test(names_of_sources),
		IN_PLACE(files_get_their_names_when_whole),
		IN_PLACE(nothing_stays_of_what_is_not_whole),
		IN_PLACE(durable_in_this_order),
		IN_PLACE(many_files_at_once),
		IN_PLACE(hostile_names),
		IN_PLACE(a_link_in_the_middle),
		IN_PLACE(targets),
		IN_PLACE(directories_keep_mode_and_time),
		IN_PLACE(the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
