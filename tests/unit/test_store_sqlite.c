/* SPDX-License-Identifier: ISC */
/* test_store_sqlite.c - the store in a file: what was answered is there after
 * a kill, and what cannot be opened says why */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_cases.h"

#include <sojourn_sqlite.h>

/* Stand before the C library's: how often SQLite made sure, and a disk that
 * is full or broken from a certain call on. */
static unsigned syncs, writes, failing_write;
int fdatasync(int fd);
int fsync(int fd);
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset);

static bool
fails(unsigned *count)
{
	unsigned now = __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
	unsigned from = __atomic_load_n(&failing_write, __ATOMIC_SEQ_CST);

	return from != 0 && now >= from;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
	if (fails(&writes)) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

int
fdatasync(int fd)
{
	__atomic_fetch_add(&syncs, 1, __ATOMIC_SEQ_CST);
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	__atomic_fetch_add(&syncs, 1, __ATOMIC_SEQ_CST);
	return (int)syscall(SYS_fsync, fd);
}

static char folder[] = "/tmp/sojourn-test-XXXXXX";
static char file[64];

static struct sj_store *
open_store(void)
{
	return sj_store_sqlite(file);
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(file, sizeof file, "%s/sessions.db", folder);
	return 0;
}

static void
remove_files(void)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char name[80];

	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "%s%s", file, ends[i]);
		unlink(name);
	}
	rmdir(file);
}

static int
remove_folder(void **state)
{
	(void)state;
	remove_files();
	return rmdir(folder);
}

static int
set_up(void **state)
{
	remove_files();
	return set_up_store(state);
}

static void
reopen(void)
{
	store->operations->close(store);
	store = open_store();
}

static void
reopened(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(ask(SJ_STORE_PUT, "a", "one", 0), 0);
	assert_int_equal(ask(SJ_STORE_PUT, "a", "two", 0), 0);
	assert_int_equal(ask(SJ_STORE_PUT, "b", "three", 0), 0);
	assert_int_equal(ask(SJ_STORE_DELETE, "b", NULL, 0), 0);
	reopen();
	assert_holds("a", "two", 2);
	assert_holds("b", NULL, 0);
	assert_int_equal(ask(SJ_STORE_COMPARE_AND_SET, "a", "x", 2), 0);
	reopen();
	assert_holds("a", "x", 3);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

/* A kill loses nothing that the system has; a power cut might. */
static void
synced(void **state)
{
	unsigned before;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		before = __atomic_load_n(&syncs, __ATOMIC_SEQ_CST);
		assert_int_equal(ask(SJ_STORE_PUT, "k", "v", 0), 0);
		assert_true(__atomic_load_n(&syncs, __ATOMIC_SEQ_CST) >
		    before);
	}
}

/* The disk is full from each write on in turn: what was answered is there,
 * what was refused says so, and with room again all goes on. */
static void
disk_full(void **state)
{
	unsigned refused = 0, done;
	char key[8], value[2000];

	(void)state;
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (unsigned i = 1; i < 24; i++) {
		bool is_done[10];

		__atomic_store_n(&writes, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&failing_write, i, __ATOMIC_SEQ_CST);
		for (done = 0; done < 10; done++) {
			int error;

			snprintf(key, sizeof key, "%u.%u", i, done);
			error = ask(SJ_STORE_PUT, key, value, 0);
			assert_true(error == 0 || error == SJ_ERR_STORE);
			is_done[done] = error == 0;
			if (error == 0)
				continue;
			refused++;
			assert_non_null(strstr(got.text, file));
		}
		__atomic_store_n(&failing_write, 0, __ATOMIC_SEQ_CST);
		if (i % 2 == 0)
			reopen();
		for (done = 0; done < 10; done++) {
			snprintf(key, sizeof key, "%u.%u", i, done);
			if (is_done[done])
				assert_holds(key, value, 1);
			else
				assert_holds(key, NULL, 0);
		}
		assert_int_equal(ask(SJ_STORE_PUT, "again", "x", 0), 0);
		assert_int_equal(got.version, i);
	}
	assert_true(refused > 20);
}

/* What was submitted before the close is done before it. */
static void
closes_last(void **state)
{
	struct sj_store_request request = { .operation = SJ_STORE_PUT,
	    .key = "k", .key_length = 1 };

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		submit(&request);
	reopen();
	assert_holds("k", "", 300);
}

/* --- Killed ------------------------------------------------------------- */

struct told { uint32_t slot, value; };

/* Writes counters into eight slots until it is killed; tells what was
 * acknowledged. */
static void
write_for_ever(int pipe_fd)
{
	struct told told[64];
	uint32_t counter = 0, waiting = 0;

	store = open_store();
	for (;;) {
		while (waiting < 20) {
			struct told *next = &told[counter % 64];
			uint8_t key = (uint8_t)('a' + counter % 8);
			struct sj_store_request request = { .number = counter,
			    .operation = SJ_STORE_PUT, .key = &key,
			    .key_length = 1, .value = &next->value,
			    .value_length = sizeof next->value };

			*next = (struct told){ counter % 8, counter };
			submit(&request);
			counter++;
			waiting++;
		}
		answer();
		waiting--;
		if (got.error != 0 || write(pipe_fd, &told[got.number % 64],
		    sizeof *told) != sizeof *told)
			_exit(1);
	}
}

static void
kill_once(unsigned acknowledged)
{
	struct told told;
	uint32_t newest[8] = { 0 };
	bool is_there[8] = { false };
	int ends[2];
	unsigned count = 0;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		alarm(20);
		write_for_ever(ends[1]);
	}
	close(ends[1]);
	while (read(ends[0], &told, sizeof told) == sizeof told) {
		newest[told.slot] = told.value;
		is_there[told.slot] = true;
		if (++count == acknowledged)
			kill(child, SIGKILL);
	}
	close(ends[0]);
	waitpid(child, NULL, 0);
	assert_true(count >= acknowledged);
	store = open_store();
	for (uint32_t i = 0; i < 8; i++) {
		char key[2] = { (char)('a' + i), 0 };
		uint32_t value;

		assert_int_equal(ask(SJ_STORE_GET, key, NULL, 0), 0);
		if (got.version == 0) {
			assert_false(is_there[i]);
			continue;
		}
		assert_int_equal(got.value_length, sizeof value);
		memcpy(&value, got.value, sizeof value);
		/* That one, or a later one that was on its way. */
		assert_true(value % 8 == i && value >= newest[i]);
		assert_true(value <= newest[i] + 64);
	}
	store->operations->close(store);
}

static void
killed(void **state)
{
	(void)state;
	remove_files();
	for (unsigned i = 0; i < 20; i++) {
		if (i % 5 == 0)
			remove_files();
		kill_once(1 + 7 * i);
	}
}

/* --- Two processes ------------------------------------------------------ */

#define ROUNDS 100

/* Counts by compare and set, as the other one does. */
static void
count_up(void)
{
	uint32_t value, done = 0;
	struct sj_store_request request = { .key = "n", .key_length = 1,
	    .value = &value, .value_length = sizeof value };

	while (done < ROUNDS) {
		assert_int_equal(ask(SJ_STORE_GET, "n", NULL, 0), 0);
		value = 0;
		if (got.version > 0)
			memcpy(&value, got.value, sizeof value);
		value++;
		request.operation = SJ_STORE_COMPARE_AND_SET;
		request.version = got.version;
		submit(&request);
		answer();
		assert_true(got.error == 0 || got.error == SJ_AGAIN);
		done += got.error == 0;
	}
}

static void
two_processes(void **state)
{
	uint32_t value;
	int status;
	pid_t child;

	(void)state;
	remove_files();
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		alarm(30);
		store = open_store();
		count_up();
		store->operations->close(store);
		_exit(0);
	}
	store = open_store();
	count_up();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(ask(SJ_STORE_GET, "n", NULL, 0), 0);
	memcpy(&value, got.value, sizeof value);
	assert_int_equal(value, 2 * ROUNDS);
	assert_int_equal(got.version, 2 * ROUNDS);
	store->operations->close(store);
}

/* Whoever opens a new file while another one does the same waits for that: SQLite
 * lets nobody wait who changes the journal of a file that is being written. */
static void
opened_while_written(void **state)
{
	int ends[2], status;
	char ready = 0;
	sqlite3 *database;
	pid_t child;

	(void)state;
	remove_files();
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (sqlite3_open(file, &database) != SQLITE_OK ||
		    sqlite3_exec(database, "CREATE TABLE other (a); "
		    "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
		    write(ends[1], &ready, 1) != 1)
			_exit(1);
		sqlite3_sleep(300);
		_exit(sqlite3_close(database) != SQLITE_OK);
	}
	assert_int_equal(read(ends[0], &ready, 1), 1);
	store = open_store();
	assert_int_equal(ask(SJ_STORE_GET, "n", NULL, 0), 0);
	store->operations->close(store);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
}

/* --- What cannot be opened ---------------------------------------------- */

static void
assert_broken(const char *why)
{
	store = open_store();
	for (enum sj_store_operation i = SJ_STORE_GET; i <= SJ_STORE_ITERATE;
	    i++) {
		assert_int_equal(ask(i, "k", "v", 0), SJ_ERR_STORE);
		assert_non_null(got.text);
		assert_non_null(strstr(got.text, file));
		assert_non_null(strstr(got.text, why));
	}
	store->operations->close(store);
	remove_files();
}

static void
no_database(void **state)
{
	FILE *out = fopen(file, "w");

	(void)state;
	assert_non_null(out);
	for (int i = 0; i < 200; i++)
		fputs("This is not what you are looking for.\n", out);
	fclose(out);
	assert_broken("not a database");
	assert_int_equal(mkdir(file, 0700), 0);
	assert_broken("Is a directory");
}

static void
sql(const char *text)
{
	sqlite3 *database;

	assert_int_equal(sqlite3_open(file, &database), SQLITE_OK);
	assert_int_equal(sqlite3_exec(database, text, NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void
newer_schema(void **state)
{
	(void)state;
	sql("PRAGMA user_version = 2");
	assert_broken("made by a newer version");
}

/* A database of somebody else, with a table of that name. */
static void
other_schema(void **state)
{
	(void)state;
	sql("CREATE TABLE records (id INTEGER PRIMARY KEY)");
	assert_broken("no such column");
}

/* Records that this program would not have made. */
static void
odd_records(void **state)
{
	(void)state;
	reopen();
	store->operations->close(store);
	sql("INSERT INTO records VALUES (zeroblob(200), 'x', 5)");
	store = open_store();
	assert_int_equal(ask(SJ_STORE_ITERATE, "", NULL, 0), 0);
	assert_true(got.key_length <= SJ_STORE_KEY_MAX);
	assert_int_equal(ask(SJ_STORE_PUT, "k", "v", 0), 0);
	assert_holds("k", "v", 1);
}

static void
missing_folder(void **state)
{
	char kept[sizeof file];

	(void)state;
	memcpy(kept, file, sizeof kept);
	snprintf(file, sizeof file, "%s/no/sessions.db", folder);
	assert_broken("No such file");
	memcpy(file, kept, sizeof file);
}

/* Somebody who may not write it; root may, and becomes somebody else. */
static void
not_writable(void **state)
{
	int status;
	pid_t child;

	(void)state;
	sql("PRAGMA user_version = 1");
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(chmod(file, 0444), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(2);
		store = open_store();
		_exit(ask(SJ_STORE_GET, "k", NULL, 0) == SJ_ERR_STORE &&
		    strstr(got.text, "Permission denied") != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	remove_files();
}

int
main(void)
{
#undef STORE_CASE
#define STORE_CASE(name) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down_store)
	const struct CMUnitTest tests[] = {
		STORE_CASES,
		STORE_CASE(reopened),
		STORE_CASE(synced),
		STORE_CASE(disk_full),
		STORE_CASE(closes_last),
		STORE_CASE(odd_records),
		cmocka_unit_test(killed),
		cmocka_unit_test(two_processes),
		cmocka_unit_test(opened_while_written),
		cmocka_unit_test(no_database),
		cmocka_unit_test(newer_schema),
		cmocka_unit_test(other_schema),
		cmocka_unit_test(missing_folder),
		cmocka_unit_test(not_writable),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
