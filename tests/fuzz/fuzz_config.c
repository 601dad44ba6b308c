/* SPDX-License-Identifier: ISC */
/*
 * fuzz_config.c - configuration files in ssh's grammar
 *
 * The first byte chooses. Files, with a byte 0x1e between them, that include
 * each other: what comes of them for a target is within its bounds, and what is
 * no success has a cause. Words of a line, written in quotes, are the same
 * words. Patterns match as a matcher by the definition says, tokens are
 * replaced as one that goes byte by byte does it.
 */
#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define FILES_MAX 4
#define READS_MAX 40                    /* they may include each other again and again */

static struct span files[FILES_MAX];
static size_t file_count, reads, at_file;

/* --- The system, as it looks here ---------------------------------------------- */

/* "f0" to "f3", after any directories; all other names are the first two. */
static FILE *
open_file(const char *path)
{
	size_t length = strlen(path);

	at_file = length > 1 && path[length - 2] == 'f' ?
	    (size_t)(path[length - 1] - '0') : strstr(path, ".ssh") != NULL;
	if (at_file >= file_count || reads++ >= READS_MAX) {
		errno = ENOENT;
		return NULL;
	}
	return fmemopen((void *)(uintptr_t)files[at_file].data,
	    files[at_file].length, "r");
}

static int
file_status(struct stat *status)
{
	memset(status, 0, sizeof *status);
	status->st_mode = S_IFREG | 0600;
	status->st_uid = getuid();
	return 0;
}

static int
find_files(const char *pattern, glob_t *found)
{
	if (strchr(pattern, '?') != NULL)
		return GLOB_NOMATCH;
	found->gl_pathv = calloc(2, sizeof *found->gl_pathv);
	MUST(found->gl_pathv != NULL);
	found->gl_pathv[0] = strdup(pattern);
	found->gl_pathc = 1;
	return 0;
}

static void
forget_files(glob_t *found)
{
	free(found->gl_pathv[0]);
	free(found->gl_pathv);
}

static struct passwd *
some_user(void)
{
	static char name[] = "somebody", home[] = "/home/somebody";
	static struct passwd entry = { .pw_name = name, .pw_dir = home };

	return &entry;
}

static char *
variable(const char *name)
{
	static char home[] = "/home/somebody", a[] = "%h";

	return strcmp(name, "HOME") == 0 ? home : strcmp(name, "A") == 0 ? a :
	    NULL;
}

static int
look_for(const char *path)
{
	return strchr(path, 'k') != NULL ? 0 : -1;
}

static int
no_name(char *out)
{
	strcpy(out, "here.example");
	return 0;
}

#define reader config_reader            /* cursor.h has another */
#include "tool/config.c"
#undef reader
#include "tool/printable.c"
#define fail fail_target
#define getpwuid(uid) some_user()
#define getpwnam(name) (strcmp(name, "somebody") == 0 ? some_user() : NULL)
#include "tool/target.c"
#undef fail
#define fopen(path, mode) open_file(path)
#define fileno(file) 0
#define fstat(fd, status) file_status(status)
#define glob(pattern, flags, failed, found) find_files(pattern, found)
#define globfree forget_files
#define getenv variable
#define access(path, mode) look_for(path)
#define gethostname(out, size) no_name(out)
#include "cmd/host_config.c"

/* --- Files --------------------------------------------------------------------- */

static void
split_files(struct span bytes)
{
	const uint8_t *end;
	size_t length;

	file_count = reads = 0;
	do {
		end = bytes.length > 0 && file_count < FILES_MAX - 1 ?
		    memchr(bytes.data, 0x1e, bytes.length) : NULL;
		length = end != NULL ? (size_t)(end - bytes.data) :
		    bytes.length;
		files[file_count++] = (struct span){ bytes.data, length };
		length += end != NULL;
		bytes.data += length;
		bytes.length -= length;
	} while (end != NULL);
}

static void
whole_files(uint8_t how, struct span bytes)
{
	static const char *const targets[] = { "host", "me@Host.Example",
	    "host:22/app", "[::1]" };
	struct host_config config;
	char error[600] = "", keys[KEY_FILES_SIZE], again[TARGET_MAX];
	struct target target;
	int result;

	split_files(bytes);
	result = host_config_load(&config, targets[how % 4],
	    how & 4 ? "f0" : NULL, 0, error, sizeof error);
	MUST(strlen(error) < sizeof error);
	MUST((result == 0) == (error[0] == '\0'));
	MUST(config.identity_count <= IDENTITY_FILES_MAX);
	host_config_keys(&config, 0, keys, sizeof keys);
	MUST(strlen(keys) < sizeof keys);
	if (result == 0) {
		MUST(config.target.port > 0 && config.target.port < 65536);
		MUST(config.target.user[0] != '\0');
		MUST(config.target.host[0] != '\0');
		MUST(config.timeout_s <= 86400);
		target_format(&config.target, again, sizeof again);
		if (strlen(again) < sizeof again - 1) {
			MUST(target_parse(&target, again, error,
			    sizeof error) == 0);
			MUST(strcmp(target.host, config.target.host) == 0);
			MUST(strcmp(target.user, config.target.user) == 0);
			MUST(target.port == config.target.port);
		}
	}
	host_config_free(&config);
}

/* --- Words --------------------------------------------------------------------- */

static unsigned lines_seen;
static bool is_second;
static size_t word_count;
static char *words[1024];

/* The same words, each in quotes. */
static void
write_quoted(char *out)
{
	strcpy(out, "Key");
	out += 3;
	for (size_t i = 0; i < word_count; i++) {
		*out++ = ' ';
		*out++ = '"';
		for (const char *at = words[i]; *at != '\0'; at++) {
			if (*at == '"' || *at == '\\')
				*out++ = '\\';
			*out++ = *at;
		}
		*out++ = '"';
	}
	*out = '\0';
}

static int
see_line(void *data, const struct config_line *line, char *error,
    size_t capacity)
{
	unsigned lines = *(unsigned *)data;

	MUST(line->keyword[0] != '\0' && line->number <= lines);
	MUST(line->words[line->count] == NULL && line->count < 1024);
	MUST(line->depth == 3 && (line->active == 0 || line->active == 1));
	for (size_t i = 0; i < line->count; i++)
		MUST(line->words[i] != NULL &&
		    strchr(line->words[i], '\n') == NULL);
	if (config_word(line, error, capacity) == NULL)
		MUST(strlen(error) > 0 && strlen(error) < capacity);
	lines_seen++;
	if (is_second) {
		MUST(line->count == word_count &&
		    strcmp(line->keyword, "Key") == 0);
		for (size_t i = 0; i < line->count; i++)
			MUST(strcmp(line->words[i], words[i]) == 0);
		return 0;
	}
	for (size_t i = 0; i < word_count; i++)
		free(words[i]);
	word_count = line->count;
	for (size_t i = 0; i < line->count; i++)
		MUST((words[i] = strdup(line->words[i])) != NULL);
	return 0;
}

static int
see_criterion(void *data, const char *name, const char *value, char *error,
    size_t capacity)
{
	(void)data;
	MUST(name != NULL && (value == NULL || value[0] != '\0'));
	if (name[0] == 'e') {
		snprintf(error, capacity, "no");
		return CONFIG_ERROR;
	}
	return name[0] == 'u' ? CONFIG_UNDECIDED : name[0] != 'n';
}

static int
see_include(void *data, const struct config_line *line, const char *word,
    char *error, size_t capacity)
{
	(void)data;
	MUST(word[0] != '\0' && line->depth == 3);
	return word[0] == 'e' ? config_error(line, "no", error, capacity) : 0;
}

static void
words_of_lines(uint8_t how, struct span bytes)
{
	static char quoted[8192];
	unsigned lines = 1;
	struct config_rules rules = { .data = &lines,
	    .host = how & 4 ? "host" : NULL, .criterion = see_criterion,
	    .line = see_line, .include = see_include };
	struct config_source source = { .file = "f",
	    .bytes = (const char *)bytes.data, .length = bytes.length,
	    .depth = 3, .active = how >> 3 & 1 };
	char error[600] = "";
	int result;

	for (size_t i = 0; i < bytes.length; i++)
		lines += bytes.data[i] == '\n';
	lines_seen = 0;
	is_second = false;
	word_count = 0;
	result = config_read(&rules, &source, error, sizeof error);
	MUST((result == 0) == (error[0] == '\0') && lines_seen <= lines);
	if (result < 0)
		MUST(strncmp(error, "f:", 2) == 0);
	if (word_count > 0) {
		write_quoted(quoted);
		source.bytes = quoted;
		source.length = strlen(quoted);
		lines_seen = 0;
		is_second = true;
		MUST(config_read(&rules, &source, error, sizeof error) == 0 &&
		    lines_seen == 1);
	}
	for (size_t i = 0; i < word_count; i++)
		free(words[i]);
}

/* --- Patterns and tokens --------------------------------------------------------- */

/* By the definition, without a thought of time. */
static bool
matches(const char *text, const char *pattern, size_t length)
{
	if (length == 0)
		return *text == '\0';
	if (*pattern == '*')
		return matches(text, pattern + 1, length - 1) ||
		    (*text != '\0' && matches(text + 1, pattern, length));
	return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
	    matches(text + 1, pattern + 1, length - 1);
}

static int
matches_list(const char *text, const char *list)
{
	int found = 0;

	for (;;) {
		const char *end = strchrnul(list, ',');
		bool negated = *list == '!';

		/* What is empty between commas is a pattern, at the end none. */
		if (*list == '\0')
			return found;
		if (matches(text, list + negated, (size_t)(end - list) -
		    negated)) {
			if (negated)
				return -1;
			found = 1;
		}
		list = *end == ',' ? end + 1 : end;
	}
}

static void
patterns(struct span bytes)
{
	char text[9] = "", list[17] = "";
	size_t length = min_size(bytes.length, 8);

	if (length > 0)
		memcpy(text, bytes.data, length);
	if (bytes.length > 8)
		memcpy(list, bytes.data + 8, min_size(bytes.length - 8, 16));
	MUST(config_match(text, list) == matches(text, list, strlen(list)));
	MUST(config_match_list(text, list, 0) == matches_list(text, list));
	for (char *at = text; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	length = strlen(list);
	if (config_match_list(text, list, 0) == 1 && strchr(list, '!') == NULL)
		MUST(config_match_list(text, list, 1) == 1);
}

static void
tokens(const char *text)
{
	static const char *const values[] = { "h", "host", "u", "", "n", "%h",
	    NULL };
	char unknown, *out = config_expand(text, values, &unknown);
	char want[4096] = "";
	size_t length = 0;
	bool is_good = true;

	for (const char *at = text; *at != '\0' && is_good; at++) {
		const char *put = NULL;

		if (*at != '%') {
			want[length++] = *at;
			continue;
		}
		at++;
		put = *at == 'h' ? "host" : *at == 'u' ? "" : *at == 'n' ?
		    "%h" : *at == '%' ? "%" : NULL;
		if (put == NULL) {
			MUST(out == NULL && unknown == *at);
			is_good = false;
			break;
		}
		length += (size_t)sprintf(want + length, "%s", put);
	}
	want[length] = '\0';
	MUST((out != NULL) == is_good);
	if (is_good)
		MUST(unknown == '\0' && strcmp(out, want) == 0);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[1024];
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program);
	struct span span = take_span(&program, sizeof text - 1);

	memset(text, 0, sizeof text);
	if (span.length > 0)
		memcpy(text, span.data, span.length);
	if (first < 100)
		whole_files(first, span);
	else if (first < 192)
		words_of_lines(first, span);
	else if (first < 224)
		patterns(span);
	else
		tokens(text);
	return 0;
}
