/* SPDX-License-Identifier: ISC */
/*
 * cmd/host_config.c - see host_config.h
 *
 * Both files are ssh's in grammar. In ssh's own, keywords that mean nothing
 * here are ssh's affair and passed over, its Port among them, which is
 * sshd's; in ours whatever is not understood is an error. Match exec is never
 * run: a login to a server must not depend on what a program does today, nor
 * start one for `sojourn list`.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sojourn.h>

#include "cmd/host_config.h"
#include "tool/config.h"
#include "tool/die.h"
#include "tool/printable.h"

#define FILE_MAX ((size_t)1 << 20)
#define KEYS_MAX 6                   /* tries of a login, PROTOCOL.md 7 */

/* What one place says; the first to say it counts. */
struct found {
	char *host_name, *user, *server_key, *application;
	unsigned port;
	uint32_t timeout_s;
	int identities_only, accept_new; /* -1: not said */
};

struct loader {
	struct host_config *config;
	struct config_rules rules;
	struct found found;
	const char *local_user;
	char home[1024];
	char ours[PATH_MAX], sshs[PATH_MAX]; /* directories */
	int is_sshs;                 /* the file that is read is ssh's */
	int words;
};

/* --- where things are -------------------------------------------------- */

static int
find_directories(struct loader *loader)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
	const struct passwd *entry = getpwuid(geteuid());

	if (home == NULL || home[0] != '/')
		home = entry != NULL ? entry->pw_dir : "/";
	if (strlen(home) >= sizeof(loader->home) ||
	    (xdg != NULL && strlen(xdg) > PATH_MAX / 2))
		return SJ_ERR_FILE;
	strcpy(loader->home, home);
	snprintf(loader->sshs, sizeof(loader->sshs), "%s/.ssh", home);
	if (xdg != NULL && xdg[0] == '/')
		snprintf(loader->ours, sizeof(loader->ours), "%s/sojourn",
		    xdg);
	else
		snprintf(loader->ours, sizeof(loader->ours),
		    "%s/.config/sojourn", home);
	return 0;
}

/* "~", "~/x" and "~user/x". To be freed; NULL: there is no such user. */
static char *
expand_tilde(const struct loader *loader, const char *path)
{
	size_t length = strcspn(path, "/");
	const char *home = loader->home;
	char name[256], *out = NULL;

	if (path[0] != '~')
		return strdup(path);
	if (length > 1) {
		const struct passwd *entry = NULL;

		if (length <= sizeof(name)) {
			snprintf(name, length, "%s", path + 1);
			entry = getpwnam(name);
		}
		if (entry == NULL)
			return NULL;
		home = entry->pw_dir;
	}
	return asprintf(&out, "%s%s", home, path + length) < 0 ? NULL : out;
}

/* --- keywords ---------------------------------------------------------- */

static int
refuse(char *error, size_t capacity, const struct config_line *line,
    const char *cause)
{
	snprintf(error, capacity, "%.100s: %.200s: %s", line->keyword,
	    line->words[0], cause);
	return CONFIG_ERROR;
}

static int
set_text(const struct config_line *line, char **text, const char *word)
{
	if (line->active && *text == NULL)
		*text = strdup(word);
	return 0;
}

static int
add_identity(struct loader *loader, const struct config_line *line,
    const char *word, char *error, size_t capacity)
{
	struct host_config *config = loader->config;
	size_t i;

	if (!line->active)
		return 0;
	for (i = 0; i < config->identity_count; i++)
		if (strcmp(config->identity_files[i], word) == 0)
			return 0;
	if (i == IDENTITY_FILES_MAX)
		return refuse(error, capacity, line, "more than 100 of them");
	config->identity_files[i] = strdup(word);
	if (config->identity_files[i] != NULL)
		config->identity_count++;
	return 0;
}

static int
set_flag(const struct config_line *line, int *flag, const char *yes,
    const char *no, const char *word, char *error, size_t capacity)
{
	int value = strcasecmp(word, yes) == 0;

	if (!value && strcasecmp(word, no) != 0) {
		snprintf(error, capacity, "%.100s: %.100s: it is %s or %s",
		    line->keyword, word, yes, no);
		return CONFIG_ERROR;
	}
	if (line->active && *flag < 0)
		*flag = value;
	return 0;
}

static int
set_timeout(struct loader *loader, const struct config_line *line,
    const char *word, char *error, size_t capacity)
{
	char *end;
	unsigned long seconds = strtoul(word, &end, 10);

	if (*end != '\0' || word[0] < '0' || word[0] > '9' || seconds == 0 ||
	    seconds > 86400)
		return refuse(error, capacity, line,
		    "seconds are needed, 1 to 86400");
	if (line->active && loader->found.timeout_s == 0)
		loader->found.timeout_s = (uint32_t)seconds;
	return 0;
}

static int
set_port(struct loader *loader, const struct config_line *line,
    const char *word, char *error, size_t capacity)
{
	unsigned port = target_port(word);

	if (port == 0)
		return refuse(error, capacity, line, "not a port");
	if (line->active && loader->found.port == 0)
		loader->found.port = port;
	return 0;
}

/* What both files have: 1 if it is none of that. */
static int
shared_keyword(struct loader *loader, const struct config_line *line,
    char *error, size_t capacity)
{
	struct found *found = &loader->found;
	int is_host = strcasecmp(line->keyword, "HostName") == 0;
	int is_user = strcasecmp(line->keyword, "User") == 0;
	int is_file = strcasecmp(line->keyword, "IdentityFile") == 0;
	const char *word;

	if (!is_host && !is_user && !is_file &&
	    strcasecmp(line->keyword, "IdentitiesOnly") != 0)
		return 1;
	word = config_word(line, error, capacity);
	if (word == NULL)
		return CONFIG_ERROR;
	if (is_host)
		return set_text(line, &found->host_name, word);
	if (is_user)
		return set_text(line, &found->user, word);
	if (is_file)
		return add_identity(loader, line, word, error, capacity);
	/* ssh takes "true" and "false", too */
	if (strcasecmp(word, "true") == 0 || strcasecmp(word, "false") == 0)
		return set_flag(line, &found->identities_only, "true", "false",
		    word, error, capacity);
	return set_flag(line, &found->identities_only, "yes", "no", word,
	    error, capacity);
}

static int
on_line(void *data, const struct config_line *line, char *error,
    size_t capacity)
{
	struct loader *loader = data;
	struct found *found = &loader->found;
	int result = shared_keyword(loader, line, error, capacity);
	const char *word;

	if (result != 1)
		return result;
	if (loader->is_sshs)
		return 0;
	word = config_word(line, error, capacity);
	if (word == NULL)
		return CONFIG_ERROR;
	if (strcasecmp(line->keyword, "Port") == 0)
		return set_port(loader, line, word, error, capacity);
	if (strcasecmp(line->keyword, "Application") == 0)
		return set_text(line, &found->application, word);
	if (strcasecmp(line->keyword, "ServerKey") == 0)
		return set_text(line, &found->server_key, word);
	if (strcasecmp(line->keyword, "StrictHostKeyChecking") == 0)
		return set_flag(line, &found->accept_new, "accept-new", "ask",
		    word, error, capacity);
	if (strcasecmp(line->keyword, "ConnectTimeout") == 0)
		return set_timeout(loader, line, word, error, capacity);
	snprintf(error, capacity, "%.100s: unknown keyword", line->keyword);
	return CONFIG_ERROR;
}

/* --- Match ------------------------------------------------------------- */

/* HostName as far as it is known by now, as ssh has it. */
static char *
current_host(const struct loader *loader)
{
	const char *typed = loader->config->target.typed_host;
	const char *values[] = { "h", typed, NULL };
	char *host, *at, unknown;

	host = loader->found.host_name != NULL ?
	    config_expand(loader->found.host_name, values, &unknown) :
	    strdup(typed);
	for (at = host; at != NULL && *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	return host;
}

static const char *
current_user(const struct loader *loader)
{
	if (loader->config->target.names_user || loader->found.user == NULL)
		return loader->config->target.user;
	return loader->found.user;
}

static int
on_criterion(void *data, const char *name, const char *value, char *error,
    size_t capacity)
{
	struct loader *loader = data;

	if (strcasecmp(name, "host") == 0) {
		char *host = current_host(loader);
		int found = host != NULL &&
		    config_match_list(host, value, 1) == 1;

		free(host);
		return found;
	}
	if (strcasecmp(name, "originalhost") == 0) {
		struct target lower;

		if (target_set_host(&lower, loader->config->target.typed_host)
		    != 0)
			return 0;
		return config_match_list(lower.host, value, 1) == 1;
	}
	if (strcasecmp(name, "user") == 0)
		return config_match_list(current_user(loader), value, 0) == 1;
	if (strcasecmp(name, "localuser") == 0)
		return config_match_list(loader->local_user, value, 0) == 1;
	if (loader->is_sshs || strcasecmp(name, "exec") == 0 ||
	    strcasecmp(name, "canonical") == 0 ||
	    strcasecmp(name, "final") == 0)
		return CONFIG_UNDECIDED;
	snprintf(error, capacity, "Match %.100s: unknown criterion", name);
	return CONFIG_ERROR;
}

static void
on_left_out(void *data, const struct config_line *line, const char *name)
{
	const struct loader *loader = data;
	char file[2048], criterion[400];

	if (loader->words)
		fprintf(stderr, "%s:%u: Match %s is not evaluated: the block "
		    "is left out\n", printable(line->file, file, sizeof(file)),
		    line->number,
		    printable(name, criterion, sizeof(criterion)));
}

/* --- files ------------------------------------------------------------- */

/* The whole file, to be freed; NULL with errno. check: whether others could
 * write to it is looked at, as ssh does: EPERM. */
static char *
read_file(const char *path, int check, size_t *length)
{
	FILE *file = fopen(path, "re");
	char *bytes = malloc(FILE_MAX + 1);
	struct stat info;

	if (file == NULL || bytes == NULL || fstat(fileno(file), &info) != 0)
		goto failed;
	if (check && ((info.st_mode & 022) != 0 ||
	    (info.st_uid != 0 && info.st_uid != getuid()))) {
		errno = EPERM;
		goto failed;
	}
	*length = fread(bytes, 1, FILE_MAX + 1, file);
	if (*length > FILE_MAX) {
		errno = EFBIG;
		goto failed;
	}
	if (ferror(file))
		goto failed;
	fclose(file);
	return bytes;
failed:
	free(bytes);
	if (file != NULL) {
		int cause = errno;

		fclose(file);
		errno = cause;
	}
	return NULL;
}

static const char *
file_cause(void)
{
	return errno == EPERM ? "others can write to it, or own it; chmod go-w"
	    : strerror(errno);
}

/* One file that is included. A directory among them is none, as for ssh. */
static int
include_file(struct loader *loader, const struct config_line *line,
    const char *path, char *error, size_t capacity)
{
	struct config_source source = { .file = path,
		.depth = line->depth + 1, .active = line->active };
	char cause[PATH_MAX + 200];
	char *bytes = read_file(path, 1, &source.length);
	int result;

	if (bytes == NULL && (errno == ENOENT || errno == EISDIR))
		return 0;
	if (bytes == NULL) {
		snprintf(cause, sizeof(cause), "%s: %s", path, file_cause());
		return config_error(line, cause, error, capacity);
	}
	source.bytes = bytes;
	result = config_read(&loader->rules, &source, error, capacity);
	free(bytes);
	return result;
}

static int
on_include(void *data, const struct config_line *line, const char *word,
    char *error, size_t capacity)
{
	struct loader *loader = data;
	char *path = NULL;
	glob_t found;
	int result;
	size_t i;

	if (word[0] == '/' || word[0] == '~')
		path = expand_tilde(loader, word);
	else if (asprintf(&path, "%s/%s", loader->is_sshs ? loader->sshs :
	    loader->ours, word) < 0)
		path = NULL;
	if (path == NULL)
		return 0; /* of a user that is not there */
	result = glob(path, 0, NULL, &found);
	free(path);
	if (result == GLOB_NOMATCH)
		return 0;
	if (result != 0)
		return config_error(line, "the files to include cannot be "
		    "looked for", error, capacity);
	for (i = 0; i < found.gl_pathc && result == 0; i++)
		result = include_file(loader, line, found.gl_pathv[i], error,
		    capacity);
	globfree(&found);
	return result;
}

/* must_be: a file that is not there is an error. */
static int
load_file(struct loader *loader, const char *path, int check, int must_be,
    char *error, size_t capacity)
{
	struct config_source source = { .file = path, .active = 1 };
	char *bytes = read_file(path, check, &source.length);
	int result;

	if (bytes == NULL && !must_be && (errno == ENOENT ||
	    errno == ENOTDIR))
		return 0;
	/* ssh does without it, too */
	if (bytes == NULL && loader->is_sshs && errno == EACCES) {
		if (loader->words)
			fprintf(stderr, "%s: %s: it is passed over\n", path,
			    strerror(errno));
		return 0;
	}
	if (bytes == NULL) {
		snprintf(error, capacity, "%s: %s", path, file_cause());
		return SJ_ERR_FILE;
	}
	source.bytes = bytes;
	result = config_read(&loader->rules, &source, error, capacity);
	free(bytes);
	return result == 0 ? 0 : ERROR_CONFIGURED;
}

static int
load_files(struct loader *loader, const char *file, char *error,
    size_t capacity)
{
	char path[PATH_MAX + 16];
	int result;

	if (file != NULL)
		return strcmp(file, "none") == 0 ? 0 :
		    load_file(loader, file, 0, 1, error, capacity);
	snprintf(path, sizeof(path), "%s/config", loader->ours);
	result = load_file(loader, path, 1, 0, error, capacity);
	if (result != 0)
		return result;
	loader->is_sshs = 1;
	snprintf(path, sizeof(path), "%s/config", loader->sshs);
	return load_file(loader, path, 1, 0, error, capacity);
}

/* --- what comes of it -------------------------------------------------- */

static int
complete_host(struct loader *loader, char *error, size_t capacity)
{
	struct target *target = &loader->config->target;
	const char *values[] = { "h", target->typed_host, NULL };
	char unknown, *host;
	int result;

	if (loader->found.host_name == NULL)
		return 0;
	host = config_expand(loader->found.host_name, values, &unknown);
	result = host != NULL ? target_set_host(target, host) :
	    SJ_ERR_ARGUMENT;
	free(host);
	loader->config->names_host = 1;
	if (result == 0)
		return 0;
	snprintf(error, capacity, "HostName %.200s of %.200s is not a host; "
	    "of tokens it may have %%h and %%%%", loader->found.host_name,
	    target->typed_host);
	return ERROR_CONFIGURED;
}

static int
complete(struct loader *loader, char *error, size_t capacity)
{
	struct host_config *config = loader->config;
	struct target *target = &config->target;
	struct found *found = &loader->found;
	int result = complete_host(loader, error, capacity);

	if (result != 0)
		return result;
	if (!target->names_user && found->user != NULL &&
	    target_set_user(target, found->user) != 0) {
		snprintf(error, capacity, "User %.200s of %.200s cannot be "
		    "the name of a user", found->user, target->typed_host);
		return ERROR_CONFIGURED;
	}
	if (!target->names_port && found->port != 0)
		target->port = found->port;
	if (target->application[0] == '\0' && found->application != NULL &&
	    target_set_application(target, found->application) != 0) {
		snprintf(error, capacity, "Application %.200s cannot be the "
		    "name of an application", found->application);
		return ERROR_CONFIGURED;
	}
	config->identities_only = found->identities_only == 1;
	config->accept_new = found->accept_new == 1;
	config->timeout_s = found->timeout_s;
	config->server_key = found->server_key;
	found->server_key = NULL;
	return 0;
}

int
host_config_load(struct host_config *config, const char *text,
    const char *file, int words, char *error, size_t capacity)
{
	const struct passwd *entry = getpwuid(geteuid());
	struct loader loader = { .config = config, .words = words,
		.found = { .identities_only = -1, .accept_new = -1 } };
	char local_user[256];
	int result;

	memset(config, 0, sizeof(*config));
	snprintf(local_user, sizeof(local_user), "%s",
	    entry != NULL ? entry->pw_name : "");
	loader.local_user = local_user;
	result = target_parse(&config->target, text, error, capacity);
	if (result != 0)
		return result;
	if (find_directories(&loader) != 0) {
		snprintf(error, capacity, "HOME or XDG_CONFIG_HOME is too "
		    "long");
		return SJ_ERR_FILE;
	}
	loader.rules = (struct config_rules){ .data = &loader,
		.host = config->target.typed_host, .criterion = on_criterion,
		.left_out = on_left_out, .line = on_line,
		.include = on_include };
	result = load_files(&loader, file, error, capacity);
	if (result == 0)
		result = complete(&loader, error, capacity);
	free(loader.found.host_name);
	free(loader.found.user);
	free(loader.found.application);
	free(loader.found.server_key);
	return result;
}

void
host_config_free(struct host_config *config)
{
	size_t i;

	for (i = 0; i < config->identity_count; i++)
		free(config->identity_files[i]);
	free(config->server_key);
	memset(config, 0, sizeof(*config));
}

/* --- keys -------------------------------------------------------------- */

/* ${NAME}, as ssh has it for files of keys. To be freed; NULL: there is no such
 * variable. */
static char *
expand_variables(const char *text)
{
	size_t capacity = 0;
	char *out = NULL;
	FILE *file = open_memstream(&out, &capacity);
	int failed = file == NULL;

	while (!failed && *text != '\0') {
		const char *end = strncmp(text, "${", 2) == 0 ?
		    strchr(text, '}') : NULL, *value;
		char name[256];

		if (strncmp(text, "${", 2) != 0) {
			fputc(*text++, file);
			continue;
		}
		failed = end == NULL ||
		    (size_t)(end - text - 2) >= sizeof(name);
		if (failed)
			break;
		snprintf(name, sizeof(name), "%.*s", (int)(end - text - 2),
		    text + 2);
		value = getenv(name);
		failed = value == NULL;
		if (!failed)
			fputs(value, file);
		text = end + 1;
	}
	if (file != NULL && fclose(file) != 0)
		failed = 1;
	if (failed) {
		free(out);
		return NULL;
	}
	return out;
}

/* A relative one is one of the directory that the command stands in; the agent
 * stands elsewhere. To be freed, as path is in here. */
static char *
make_absolute(char *path)
{
	char here[PATH_MAX], *out = NULL;

	if (path == NULL || path[0] == '/')
		return path;
	if (getcwd(here, sizeof(here)) == NULL ||
	    asprintf(&out, "%s/%s", here, path) < 0)
		out = NULL;
	free(path);
	return out;
}

/* As ssh: "~", then %-tokens, then variables. To be freed; NULL: something in
 * it is not known here. */
static char *
expand_file(const struct loader *loader, const char *text)
{
	const struct target *target = &loader->config->target;
	char host[256] = "", first[256], uid[24], unknown;
	const char *values[] = { "d", loader->home, "h", target->host,
		"i", uid, "l", host, "L", first, "n", target->typed_host,
		"r", target->user, "u", loader->local_user, NULL };
	char *path = expand_tilde(loader, text), *tokens = NULL, *out = NULL;

	gethostname(host, sizeof(host) - 1);
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(host, "."), host);
	snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
	if (path != NULL)
		tokens = config_expand(path, values, &unknown);
	if (tokens != NULL)
		out = make_absolute(expand_variables(tokens));
	free(path);
	free(tokens);
	return out;
}

/* The private key, or the public one where ssh-agent has the private one. */
static int
is_there(char *path, size_t capacity, const char *name)
{
	int n = snprintf(path, capacity, "%s", name);

	if (n <= 0 || (size_t)n >= capacity || strchr(name, '\n') != NULL)
		return 0;
	if (access(path, R_OK) == 0)
		return 1;
	n = snprintf(path, capacity, "%s.pub", name);
	return (size_t)n < capacity && access(path, R_OK) == 0;
}

struct key_list {
	char *out;
	size_t capacity, length, count;
	int words;
	char missing[512];           /* the first that is not there */
};

static void
add_key(struct key_list *list, const char *word)
{
	size_t length = strlen(word);

	if (list->count == KEYS_MAX ||
	    list->length + length + 2 > list->capacity) {
		if (list->words)
			fprintf(stderr, "%s is left out: %s\n", word,
			    list->count == KEYS_MAX ? "a login has no more tries"
			    : "the names of all keys together are too long");
		return;
	}
	list->length += (size_t)snprintf(list->out + list->length,
	    list->capacity - list->length, "%s%s",
	    list->count > 0 ? "\n" : "", word);
	list->count++;
}

static void
add_file(const struct loader *loader, struct key_list *list, const char *text)
{
	char path[512], *file;

	if (strcasecmp(text, "none") == 0)
		return;
	file = expand_file(loader, text);
	if (file != NULL && is_there(path, sizeof(path), file))
		add_key(list, path);
	else if (list->words)
		fprintf(stderr, "IdentityFile %s is not there\n",
		    file != NULL ? file : text);
	if (list->missing[0] == '\0' && file != NULL &&
	    strchr(file, '\n') == NULL)
		snprintf(list->missing, sizeof(list->missing), "%s", file);
	free(file);
}

void
host_config_keys(const struct host_config *config, int words, char *out,
    size_t capacity)
{
	static const char *const usual[] = { "~/.ssh/id_ed25519",
		"~/.ssh/id_ecdsa", "~/.ssh/id_rsa" };
	const struct passwd *entry = getpwuid(geteuid());
	struct host_config copy = *config;
	struct loader loader = { .config = &copy };
	struct key_list list = { .out = out, .capacity = capacity,
		.words = words };
	char local_user[256];
	size_t i;

	out[0] = '\0';
	if (config->identity_count == 0 && !config->identities_only)
		return;
	snprintf(local_user, sizeof(local_user), "%s",
	    entry != NULL ? entry->pw_name : "");
	loader.local_user = local_user;
	if (find_directories(&loader) != 0)
		return;
	for (i = 0; i < config->identity_count; i++)
		add_file(&loader, &list, config->identity_files[i]);
	for (i = 0; i < 3 && config->identity_count == 0; i++)
		add_file(&loader, &list, usual[i]);
	if (!config->identities_only)
		add_key(&list, "agent:");
	if (list.count == 0)
		add_key(&list, list.missing[0] != '\0' ? list.missing :
		    "none");
}
