/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_copy.c - sojourn copy: files and trees, in scp's words
 *
 * Sources that stand next to each other and lie on the same server are copied
 * in one conversation.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cmd/command.h"
#include "cmd/copy.h"
#include "cmd/interrupt.h"
#include "tool/copy_receive.h"
#include "tool/copy_walk.h"
#include "tool/die.h"
#include "tool/json.h"
#include "tool/target.h"

#define EXIT_SOME 1                  /* files that could not be copied */

const char copy_usage[] = "[-r] [-p] [-P PORT] SRC... DST "
    LOGIN_WORDS_USAGE;
const char copy_help[] =
    "  SRC and DST are files or directories here, or [user@]host:path there;\n"
    "  IPv6 addresses stand in brackets; a path there that is not absolute\n"
    "  begins in the home directory. A name here that has a colon in it is\n"
    "  written ./a:b. Modes (rwx) and times are kept. A file gets its name\n"
    "  when all of it is on the disk, and replaces an older one at once.\n"
    "  -r            directories and what is in them; links are followed\n"
    "  -p            as scp has it: modes and times are kept without it, too\n"
    "  -P PORT       of the server\n"
    LOGIN_WORDS_HELP
    "  --json        an object for every file, and one for all of them\n"
    "  The exit code is 1 if some files could not be copied.\n";

/* --- words ------------------------------------------------------------- */

/* scp's rule: the path of host:path; NULL: it lies here. */
static const char *
remote_path(const char *word)
{
	const char *at;
	int bracket = word[0] == '[';

	if (word[0] == ':')
		return NULL;
	for (at = word; *at != '\0' && *at != '/'; at++) {
		if (at[0] == '@' && at[1] == '[')
			bracket = 1;
		else if (at[0] == ']' && at[1] == ':' && bracket)
			return at + 2;
		else if (at[0] == ':' && !bracket)
			return at + 1;
	}
	return NULL;
}

/* [user@]host of host:path, and the port. */
static int
target_of(const char *word, const char *port, char *out, size_t capacity)
{
	int length = (int)(remote_path(word) - 1 - word);
	int n = port != NULL
	    ? snprintf(out, capacity, "%.*s:%s", length, word, port)
	    : snprintf(out, capacity, "%.*s", length, word);

	return n > 0 && (size_t)n < capacity ? 0 : SJ_ERR_ARGUMENT;
}

/* How many of the words lie on the server of the first one. */
static size_t
same_server(char **words, size_t count)
{
	size_t i, length = (size_t)(remote_path(words[0]) - words[0]);

	for (i = 1; i < count; i++)
		if (strncmp(words[i], words[0], length) != 0)
			break;
	return i;
}

static int
check_words(const struct command *command, char **words, size_t count)
{
	int there = remote_path(words[count - 1]) != NULL;
	size_t i;

	for (i = 0; i + 1 < count; i++) {
		if (words[i][0] == '\0')
			return command_misuse(command, "a source has no name");
		if (there && remote_path(words[i]) != NULL)
			return command_misuse(command, "from one server to "
			    "another is not possible; copy to here first");
		if (!there && remote_path(words[i]) == NULL)
			return command_misuse(command, "both ends lie here; "
			    "cp copies them. A server is written host:path");
	}
	return 0;
}

/* --- results ----------------------------------------------------------- */

void
copy_file_done(struct copy *copy, const char *path, uint64_t size)
{
	struct json json;

	copy->files++;
	copy->bytes += size;
	if (copy->common->json) {
		json_begin(&json, stdout);
		json_text(&json, "file", path);
		json_text(&json, "result", "ok");
		json_number(&json, "bytes", size);
		json_end(&json);
	} else if (copy->common->verbose) {
		char name[1024], text[32];

		progress_clear(&copy->progress);
		fprintf(stderr, "%s  %s\n", copy_printable(path, name,
		    sizeof(name)), progress_size((double)size, text,
		    sizeof(text)));
	}
}

void
copy_file_failed(struct copy *copy, const char *where, const char *path,
    const char *text)
{
	struct json json;
	char name[1024];

	copy->failed++;
	progress_clear(&copy->progress);
	copy_printable(path, name, sizeof(name));
	complain(where, NULL, "%s%s%s%s", name, name[0] != '\0' ? ": " : "",
	    strcmp(where, "stream") == 0 ? "at the server: " : "", text);
	if (!copy->common->json)
		return;
	json_begin(&json, stdout);
	json_text(&json, "file", path);
	json_text(&json, "result", "failed");
	json_text(&json, "class", where);
	json_text(&json, "error", text);
	json_end(&json);
}

static void
on_received(void *data, uint64_t id, uint64_t size, const char *path,
    const char *text)
{
	struct copy *copy = data;

	(void)id;
	if (text == NULL)
		copy_file_done(copy, path, size);
	else if (text[0] == '\0')
		copy->failed++; /* of the one cause that ended all */
	else
		copy_file_failed(copy, copy->where, path, text);
}

static void
summary(struct copy *copy, uint64_t begun_ns)
{
	uint64_t ns = progress_now_ns() - begun_ns + 1;
	double rate = (double)copy->bytes * 1e9 / (double)ns;
	struct json json;
	char bytes[32], speed[32];

	progress_clear(&copy->progress);
	if (copy->common->json) {
		json_begin(&json, stdout);
		json_number(&json, "files", copy->files);
		json_number(&json, "failed", copy->failed);
		json_number(&json, "bytes", copy->bytes);
		json_seconds(&json, "seconds", ns);
		json_number(&json, "bytes_per_second", (uint64_t)rate);
		json_end(&json);
	} else if (copy->common->verbose || copy->progress.on) {
		fprintf(stderr, "%" PRIu64 " file%s, %s in %.2f s, %s/s\n",
		    copy->files, copy->files == 1 ? "" : "s",
		    progress_size((double)copy->bytes, bytes, sizeof(bytes)),
		    (double)ns / 1e9, progress_size(rate, speed,
		    sizeof(speed)));
	}
}

/* --- the run ----------------------------------------------------------- */

struct plan {
	char **words;
	size_t count;                /* of sources */
	const char *target;
	const char *port;
	struct client_login login;
};

static int
log_in(struct copy *copy, struct plan *plan, const char *word,
    uint64_t *session)
{
	char target[TARGET_MAX];
	int error = target_of(word, plan->port, target, sizeof(target));

	plan->login.target = target;
	if (error == 0)
		error = client_login(copy->client, &plan->login, session, NULL);
	else
		return copy_fail(copy, error, "%.200s: its host", word);
	return error == 0 ? 0 : copy_fail(copy, error, "%s",
	    client_error(copy->client));
}

static int
put(struct copy *copy, struct plan *plan)
{
	uint64_t session;
	int error = log_in(copy, plan, plan->target, &session);

	interrupt_catch();
	return error != 0 ? error : copy_put(copy, session,
	    (const char *const *)plan->words, plan->count,
	    remote_path(plan->target));
}

static int
get_all(struct copy *copy, struct plan *plan, struct copy_receive *receive)
{
	const char **paths = calloc(plan->count, sizeof(*paths));
	uint64_t *sessions = calloc(plan->count, sizeof(*sessions));
	size_t at, n, i;
	int error = paths != NULL && sessions != NULL ? 0 :
	    copy_fail(copy, SJ_ERR_MEMORY, "%s", sj_strerror(SJ_ERR_MEMORY));

	/* everywhere first: a question can be interrupted, and what follows
	 * has none */
	for (at = 0; error == 0 && at < plan->count; at += n) {
		n = same_server(plan->words + at, plan->count - at);
		error = log_in(copy, plan, plan->words[at], &sessions[at]);
	}
	interrupt_catch();
	for (at = 0; error == 0 && at < plan->count; at += n) {
		n = same_server(plan->words + at, plan->count - at);
		for (i = 0; i < n; i++)
			paths[i] = remote_path(plan->words[at + i]);
		error = copy_get(copy, sessions[at], paths, n, receive);
	}
	free(paths);
	free(sessions);
	return error;
}

static int
get(struct copy *copy, struct plan *plan)
{
	struct copy_receive_options options = { .target = plan->target,
		.must_be_directory = plan->count > 1, .data = copy,
		.done = on_received };
	struct copy_receive *receive;
	const char *path = remote_path(plan->words[0]);
	char name[COPY_PATH_MAX + 1], error[COPY_TEXT_MAX];
	int result;

	copy_walk_name(path, name, sizeof(name));
	options.contents = plan->count == 1 && copy->recursive &&
	    (name[0] == '\0' || strcmp(path, "~") == 0 ||
	    strcmp(path, "~/") == 0);
	if (copy_receive_open(&receive, &options, error, sizeof(error)) != 0)
		return copy_fail(copy, SJ_ERR_FILE, "%s", error);
	result = get_all(copy, plan, receive);
	if (result == 0 && copy_receive_finish(receive, error,
	    sizeof(error)) != 0)
		copy_file_failed(copy, "local", "", error);
	copy_receive_close(receive);
	return result;
}

static int
run(struct copy *copy, struct plan *plan)
{
	uint64_t begun_ns = progress_now_ns();
	int error = client_connect(&copy->client, copy->common);

	progress_begin(&copy->progress, !copy->common->quiet &&
	    !copy->common->json);
	if (error != 0)
		copy_fail(copy, error, "%s", copy->client == NULL ?
		    sj_strerror(error) : client_error(copy->client));
	else if (remote_path(plan->target) != NULL)
		error = put(copy, plan);
	else
		error = get(copy, plan);
	summary(copy, begun_ns);
	client_close(copy->client);
	interrupt_end();
	if (error != 0)
		return complain_error(error, copy->error);
	if (copy->failed > 0) {
		fputs("  next: see the causes above, then copy again; what "
		    "has its name is whole\n", stderr);
		return EXIT_SOME;
	}
	return 0;
}

static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
cmd_copy(const struct command *command, int argc, char **argv)
{
	struct common common;
	struct login_words words = { NULL, NULL, NULL, NULL };
	struct copy copy = { .common = &common, .where = "local" };
	struct plan plan = { .port = NULL };
	int kept = 0, left;
	const struct command_option options[] = {
		{ .name = "", .letter = 'r', .flag = &copy.recursive },
		{ .name = "", .letter = 'p', .flag = &kept },
		{ .name = "", .letter = 'P', .takes_value = 1,
		    .value = &plan.port },
		LOGIN_WORDS(&words),
		{ .name = NULL } };

	left = command_options(command, &common, options, argc, argv);
	if (left < 2)
		return command_misuse(command, "needs a SRC and a DST");
	if (check_words(command, argv + 1, (size_t)left) != 0 ||
	    login_words_fill(command, &words, "", &plan.login) != 0)
		return EXIT_SOJOURN;
	plan.words = argv + 1;
	plan.count = (size_t)left - 1;
	plan.target = argv[left];
	raise_limits();
	return run(&copy, &plan);
}
