/* SPDX-License-Identifier: ISC */
/*
 * store_sqlite.c - a session store in an SQLite file
 *
 * WAL with synchronous=FULL: what was answered is on the disk. One thread owns
 * the database; requests wait in a bounded queue, and up to BATCH_MAX of them
 * share one transaction and so one sync. It touches no sj_ object: requests
 * and answers are copies, an eventfd says that answers are there.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sojourn_core.h>
#include <sojourn_sqlite.h>

#define QUEUE_MAX 1024
#define BATCH_MAX 50
#define SCHEMA_VERSION 1
#define TEXT_SIZE 512
#define BUSY_MS 5000                    /* how long another process is waited for */
#define BUSY_STEP_MS 10

struct item {
	struct item *next;
	struct sj_store_request request;
	struct sj_store_answer answer;
	uint8_t key[SJ_STORE_KEY_MAX];
	uint8_t *value;                 /* of the request, then of the answer */
	char text[TEXT_SIZE];
};

enum statement { GET, PUT, DELETE, ITERATE, STATEMENTS };

static const char *const statements[STATEMENTS] = {
	[GET] = "SELECT value, version FROM records WHERE key = ?1",
	[PUT] = "INSERT INTO records (key, value, version) VALUES (?1, ?2, 1) "
	    "ON CONFLICT (key) DO UPDATE SET value = ?2, version = version + 1",
	[DELETE] = "DELETE FROM records WHERE key = ?1",
	[ITERATE] = "SELECT value, version, key FROM records WHERE key > ?1 "
	    "ORDER BY key LIMIT 1",
};

struct sqlite_store {
	struct sj_store store;
	char path[4096];
	char broken[TEXT_SIZE];         /* why it could not be opened; or "" */
	sqlite3 *database;
	sqlite3_stmt *prepared[STATEMENTS];
	pthread_t thread;
	bool has_thread;
	int event_fd;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct item *waiting, **waiting_end;    /* under the mutex */
	struct item *done, **done_end;
	size_t count;
	unsigned ready;                 /* answers in done; read without the mutex */
	bool closing;
	struct item *lent;              /* the answer handed out last */
};

static struct sqlite_store *
own(const struct sj_store *store)
{
	return (struct sqlite_store *)(uintptr_t)store;
}

/* --- Statements -------------------------------------------------------- */

static int
failed(struct sqlite_store *store, struct item *item)
{
	snprintf(item->text, sizeof item->text, "%.300s: %.180s", store->path,
	    sqlite3_errmsg(store->database));
	item->answer.text = item->text;
	return item->answer.error = SJ_ERR_STORE;
}

static int
take_row(struct item *item, sqlite3_stmt *statement)
{
	int length = sqlite3_column_bytes(statement, 0);
	const void *value = sqlite3_column_blob(statement, 0);

	free(item->value);
	item->value = malloc((size_t)length + 1);
	if (item->value == NULL)
		return SJ_ERR_MEMORY;
	if (length > 0)
		memcpy(item->value, value, (size_t)length);
	item->answer.value_length = (size_t)length;
	item->answer.version = (uint64_t)sqlite3_column_int64(statement, 1);
	return 0;
}

/* Runs one; SQLITE_ROW, SQLITE_DONE, or an error. */
static int
run(struct sqlite_store *store, enum statement which, const struct item *item)
{
	sqlite3_stmt *statement = store->prepared[which];

	sqlite3_bind_blob(statement, 1, item->key,
	    (int)item->request.key_length, SQLITE_STATIC);
	if (which == PUT)
		sqlite3_bind_blob(statement, 2, item->value,
		    (int)item->request.value_length, SQLITE_STATIC);
	return sqlite3_step(statement);
}

static int
version_of(struct sqlite_store *store, struct item *item, uint64_t *version)
{
	int result = run(store, GET, item);

	*version = result == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(
	    store->prepared[GET], 1) : 0;
	sqlite3_reset(store->prepared[GET]);
	return result == SQLITE_ROW || result == SQLITE_DONE ? 0 :
	    failed(store, item);
}

static int
change(struct sqlite_store *store, struct item *item, enum statement which)
{
	int result = run(store, which, item);

	sqlite3_reset(store->prepared[which]);
	return result == SQLITE_DONE ? 0 : failed(store, item);
}

static int
put(struct sqlite_store *store, struct item *item)
{
	uint64_t version;

	if (version_of(store, item, &version) < 0)
		return item->answer.error;
	if (item->request.operation == SJ_STORE_COMPARE_AND_SET &&
	    version != item->request.version)
		return SJ_AGAIN;
	if (change(store, item, PUT) < 0)
		return item->answer.error;
	item->answer.version = version + 1;
	return 0;
}

static int
get(struct sqlite_store *store, struct item *item, enum statement which)
{
	sqlite3_stmt *statement = store->prepared[which];
	int result = run(store, which, item), error = 0;
	const uint8_t *key;
	size_t prefix = item->request.prefix_length;

	if (result == SQLITE_ROW) {
		key = sqlite3_column_blob(statement, 2);
		item->answer.key_length = which == ITERATE ?
		    (size_t)sqlite3_column_bytes(statement, 2) : 0;
		if (which == ITERATE && (item->answer.key_length < prefix ||
		    item->answer.key_length > SJ_STORE_KEY_MAX ||
		    memcmp(key, item->key, prefix) != 0)) {
			item->answer.key_length = 0;
		} else {
			error = take_row(item, statement);
			if (which == ITERATE)
				memcpy(item->key, key, item->answer.key_length);
		}
	} else if (result != SQLITE_DONE) {
		error = failed(store, item);
	}
	sqlite3_reset(statement);
	return error;
}

static void
carry_out(struct sqlite_store *store, struct item *item)
{
	int error = SJ_ERR_ARGUMENT;

	switch (item->request.operation) {
	case SJ_STORE_GET:
		error = get(store, item, GET);
		break;
	case SJ_STORE_PUT:
	case SJ_STORE_COMPARE_AND_SET:
		error = put(store, item);
		break;
	case SJ_STORE_DELETE:
		error = change(store, item, DELETE);
		break;
	case SJ_STORE_ITERATE:
		error = get(store, item, ITERATE);
		break;
	}
	item->answer.error = error;
}

/* --- The thread -------------------------------------------------------- */

static bool
command(struct sqlite_store *store, const char *text)
{
	return sqlite3_exec(store->database, text, NULL, NULL, NULL) ==
	    SQLITE_OK;
}

/* Everything of the batch failed for one reason. */
static void
fail_all(struct sqlite_store *store, struct item *items)
{
	for (; items != NULL; items = items->next)
		failed(store, items);
}

static void
run_batch(struct sqlite_store *store, struct item *items)
{
	if (store->broken[0] != '\0') {
		for (; items != NULL; items = items->next) {
			memcpy(items->text, store->broken, TEXT_SIZE);
			items->answer.text = items->text;
			items->answer.error = SJ_ERR_STORE;
		}
		return;
	}
	if (!command(store, "BEGIN IMMEDIATE")) {
		fail_all(store, items);
		return;
	}
	for (struct item *item = items; item != NULL; item = item->next) {
		carry_out(store, item);
		/* One that failed leaves nothing: all are tried again by
		 * whoever asked. */
		if (item->answer.error == SJ_ERR_STORE) {
			fail_all(store, items);
			command(store, "ROLLBACK");
			return;
		}
	}
	if (!command(store, "COMMIT")) {
		fail_all(store, items);
		command(store, "ROLLBACK");
	}
}

/* Up to BATCH_MAX of those waiting; NULL: closing and nothing left. */
static struct item *
take_batch(struct sqlite_store *store)
{
	struct item *first, *last;

	while (store->waiting == NULL && !store->closing)
		pthread_cond_wait(&store->wake, &store->mutex);
	first = last = store->waiting;
	if (first == NULL)
		return NULL;
	for (int i = 1; i < BATCH_MAX && last->next != NULL; i++)
		last = last->next;
	store->waiting = last->next;
	if (store->waiting == NULL)
		store->waiting_end = &store->waiting;
	last->next = NULL;
	return first;
}

static void *
work(void *data)
{
	struct sqlite_store *store = data;
	uint64_t one = 1;
	struct item *batch, *last;
	ssize_t written;

	pthread_mutex_lock(&store->mutex);
	while ((batch = take_batch(store)) != NULL) {
		pthread_mutex_unlock(&store->mutex);
		run_batch(store, batch);
		for (last = batch; last->next != NULL; last = last->next)
			;
		pthread_mutex_lock(&store->mutex);
		*store->done_end = batch;
		store->done_end = &last->next;
		__atomic_store_n(&store->ready, 1, __ATOMIC_RELEASE);
		written = write(store->event_fd, &one, sizeof one);
		(void)written;
	}
	pthread_mutex_unlock(&store->mutex);
	return NULL;
}

/* --- Open -------------------------------------------------------------- */

static void
break_store(struct sqlite_store *store, const char *why)
{
	snprintf(store->broken, sizeof store->broken, "%.300s: %.180s",
	    store->path, why);
}

/* SQLite lets nobody wait who changes the journal of a file that is being
 * written, as another process does that opens it just now. */
static bool
write_ahead(struct sqlite_store *store)
{
	for (int waited_ms = 0; waited_ms < BUSY_MS; waited_ms += BUSY_STEP_MS) {
		if (command(store, "PRAGMA journal_mode = WAL"))
			return true;
		if (sqlite3_errcode(store->database) != SQLITE_BUSY)
			return false;
		sqlite3_sleep(BUSY_STEP_MS);
	}
	return false;
}

static bool
set_up(struct sqlite_store *store)
{
	return write_ahead(store) &&
	    sqlite3_busy_timeout(store->database, BUSY_MS) == SQLITE_OK &&
	    command(store, "PRAGMA synchronous = FULL") &&
	    command(store, "CREATE TABLE IF NOT EXISTS records (key BLOB "
	    "PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL) "
	    "WITHOUT ROWID");
}

static bool
check_version(struct sqlite_store *store)
{
	sqlite3_stmt *statement = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(store->database, "PRAGMA user_version", -1,
	    &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	if (version == 0)
		return command(store, "PRAGMA user_version = 1");
	if (version == SCHEMA_VERSION)
		return true;
	break_store(store, "made by a newer version of this program");
	return false;
}

static void
open_database(struct sqlite_store *store)
{
	/* Made by us, so that nobody else can read it for a moment. */
	int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		break_store(store, strerror(errno));
		return;
	}
	close(fd);
	if (sqlite3_open_v2(store->path, &store->database,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
	    !set_up(store) || !check_version(store)) {
		if (store->broken[0] == '\0')
			break_store(store, sqlite3_errmsg(store->database));
		return;
	}
	for (int i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(store->database, statements[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &store->prepared[i], NULL) !=
		    SQLITE_OK) {
			break_store(store, sqlite3_errmsg(store->database));
			return;
		}
}

/* --- The table --------------------------------------------------------- */

static int
sqlite_submit(struct sj_store *base, const struct sj_store_request *request)
{
	struct sqlite_store *store = own(base);
	struct item *item;

	if (request->key_length > SJ_STORE_KEY_MAX ||
	    request->prefix_length > request->key_length ||
	    request->value_length > SJ_STORE_VALUE_MAX)
		return SJ_ERR_ARGUMENT;
	item = calloc(1, sizeof *item);
	if (item == NULL || (item->value = malloc(request->value_length + 1)) ==
	    NULL) {
		free(item);
		return SJ_ERR_MEMORY;
	}
	item->request = *request;
	item->answer.number = request->number;
	memcpy(item->key, request->key, request->key_length);
	if (request->value_length > 0)
		memcpy(item->value, request->value, request->value_length);
	pthread_mutex_lock(&store->mutex);
	if (store->count >= QUEUE_MAX) {
		pthread_mutex_unlock(&store->mutex);
		free(item->value);
		free(item);
		return SJ_ERR_BUSY;
	}
	store->count++;
	*store->waiting_end = item;
	store->waiting_end = &item->next;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->mutex);
	return 0;
}

static void
free_item(struct item *item)
{
	if (item == NULL)
		return;
	free(item->value);
	free(item);
}

static int
sqlite_next(struct sj_store *base, struct sj_store_answer *answer)
{
	struct sqlite_store *store = own(base);
	uint64_t count;
	struct item *item;
	ssize_t got;

	/* Asked at every turn of a loop: the usual answer costs nothing. */
	if (__atomic_load_n(&store->ready, __ATOMIC_ACQUIRE) == 0)
		return 0;
	pthread_mutex_lock(&store->mutex);
	item = store->done;
	if (item != NULL) {
		store->done = item->next;
		store->count--;
		if (store->done == NULL)
			store->done_end = &store->done;
	}
	if (store->done == NULL) {
		__atomic_store_n(&store->ready, 0, __ATOMIC_RELEASE);
		got = read(store->event_fd, &count, sizeof count);
		(void)got;
	}
	pthread_mutex_unlock(&store->mutex);
	if (item == NULL)
		return 0;
	free_item(store->lent);
	store->lent = item;
	*answer = item->answer;
	answer->key = item->key;
	answer->value = item->value;
	return 1;
}

static int
sqlite_fd(const struct sj_store *base)
{
	return own(base)->event_fd;
}

static void
sqlite_close(struct sj_store *base)
{
	struct sqlite_store *store = own(base);
	struct item *item;

	pthread_mutex_lock(&store->mutex);
	store->closing = true;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->mutex);
	if (store->has_thread)
		pthread_join(store->thread, NULL);
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(store->prepared[i]);
	sqlite3_close(store->database);
	while ((item = store->done) != NULL) {
		store->done = item->next;
		free_item(item);
	}
	while ((item = store->waiting) != NULL) {
		store->waiting = item->next;
		free_item(item);
	}
	free_item(store->lent);
	close(store->event_fd);
	pthread_cond_destroy(&store->wake);
	pthread_mutex_destroy(&store->mutex);
	free(store);
}

static const struct sj_store_operations operations = {
	.submit = sqlite_submit,
	.next = sqlite_next,
	.fd = sqlite_fd,
	.close = sqlite_close,
};

/* A store for when there is not even memory for one. */
static int
none_submit(struct sj_store *store, const struct sj_store_request *request)
{
	(void)store;
	(void)request;
	return SJ_ERR_MEMORY;
}

static int
none_next(struct sj_store *store, struct sj_store_answer *answer)
{
	(void)store;
	(void)answer;
	return 0;
}

static int
none_fd(const struct sj_store *store)
{
	(void)store;
	return -1;
}

static void
none_close(struct sj_store *store)
{
	(void)store;
}

static const struct sj_store_operations none_operations = {
	none_submit, none_next, none_fd, none_close
};

struct sj_store *
sj_store_sqlite(const char *path)
{
	static struct sj_store none = { &none_operations };
	struct sqlite_store *store = calloc(1, sizeof *store);
	sigset_t all, old;

	if (store == NULL)
		return &none;
	store->store.operations = &operations;
	store->waiting_end = &store->waiting;
	store->done_end = &store->done;
	pthread_mutex_init(&store->mutex, NULL);
	pthread_cond_init(&store->wake, NULL);
	store->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	snprintf(store->path, sizeof store->path, "%s", path);
	if (strlen(path) >= sizeof store->path)
		break_store(store, "the name is too long");
	else
		open_database(store);
	/* Signals belong to the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	store->has_thread = pthread_create(&store->thread, NULL, work, store) ==
	    0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!store->has_thread) {
		sqlite_close(&store->store);
		return &none;
	}
	return &store->store;
}
