/* SPDX-License-Identifier: ISC */
/*
 * serve/options.c - the server's configuration
 *
 * A line is "Keyword value", as in sshd_config: keywords in any case, '#'
 * begins a comment. What is not understood is an error with file and line,
 * never ignored: a server that forgets a restriction is worse than one that
 * does not start.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sojourn.h>

#include "serve/options.h"

#define CONFIG_MAX (1 << 20)

static int
fail(char *error, size_t capacity, const char *cause, const char *what)
{
	snprintf(error, capacity, "%s: %s", cause, what);
	return SJ_ERR_ARGUMENT;
}

static int
set_path(char *out, size_t capacity, const char *directory, const char *name)
{
	int n = snprintf(out, capacity, "%s/%s", directory, name);

	return n > 0 && (size_t)n < capacity ? 0 : SJ_ERR_ARGUMENT;
}

int
serve_options_init(struct serve_options *options, char *error, size_t capacity)
{
	const struct passwd *entry = getpwuid(getuid());
	const char *home = getenv("HOME");
	const char *state = getenv("XDG_STATE_HOME");
	char directory[3000];
	ssize_t length;

	memset(options, 0, sizeof(*options));
	if (entry == NULL || entry->pw_name == NULL)
		return fail(error, capacity, "no account",
		    "this user has no name in the password file");
	snprintf(options->account, sizeof(options->account), "%s",
	    entry->pw_name);
	if (home == NULL || home[0] != '/')
		home = entry->pw_dir;
	if (home == NULL || home[0] != '/' || strlen(home) > 2000)
		return fail(error, capacity, "no home directory", "set HOME");
	snprintf(options->home, sizeof(options->home), "%s", home);
	if (state != NULL && state[0] == '/' && strlen(state) < 2000)
		snprintf(directory, sizeof(directory), "%s/sojourn", state);
	else
		snprintf(directory, sizeof(directory),
		    "%s/.local/state/sojourn", home);
	snprintf(options->listen, sizeof(options->listen), "[::]:%d", SJ_PORT);
	if (set_path(options->host_key, sizeof(options->host_key), directory,
	    "host.key") != 0 ||
	    set_path(options->store, sizeof(options->store), directory,
	    "logins.db") != 0 ||
	    set_path(options->authorized_keys,
	    sizeof(options->authorized_keys), home, ".ssh/authorized_keys")
	    != 0)
		return fail(error, capacity, "path too long", home);
	length = readlink("/proc/self/exe", options->program,
	    sizeof(options->program) - 1);
	if (length <= 0)
		return fail(error, capacity, "/proc/self/exe",
		    strerror(errno));
	options->program[length] = '\0';
	return 0;
}

const struct serve_service *
serve_options_find(const struct serve_options *options, const char *name)
{
	size_t i;

	for (i = 0; i < options->service_count; i++)
		if (strcmp(options->services[i].name, name) == 0)
			return &options->services[i];
	return NULL;
}

static int
set_program(struct serve_service *service, const char *command, char *error,
    size_t capacity)
{
	char *copy = strdup(command), *rest = copy, *word;
	char path[PATH_MAX];
	struct stat status;
	size_t count = 0;

	if (copy == NULL)
		return SJ_ERR_MEMORY;
	while ((word = strsep(&rest, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (count == SERVE_WORDS_MAX) {
			free(copy);
			return fail(error, capacity, "too many words",
			    command);
		}
		service->words[count++] = strdup(word);
	}
	free(copy);
	if (count == 0)
		return fail(error, capacity, "no program after exec:",
		    service->name);
	if (realpath(service->words[0], path) == NULL ||
	    stat(path, &status) != 0)
		return fail(error, capacity, service->words[0],
		    strerror(errno));
	if (!S_ISREG(status.st_mode) || access(path, X_OK) != 0)
		return fail(error, capacity, service->words[0],
		    "not an executable file");
	free(service->words[0]);
	service->words[0] = strdup(path);
	return 0;
}

int
serve_options_service(struct serve_options *options, const char *value,
    char *error, size_t capacity)
{
	const char *equals = strchr(value, '=');
	struct serve_service *service;
	size_t length, i;
	int result;

	if (equals == NULL || equals == value)
		return fail(error, capacity, value,
		    "a service is NAME=exec:PROGRAM");
	length = (size_t)(equals - value);
	if (options->service_count == SERVE_SERVICES_MAX)
		return fail(error, capacity, value, "too many services");
	service = &options->services[options->service_count];
	if (length >= sizeof(service->name))
		return fail(error, capacity, value, "the name is too long");
	memcpy(service->name, value, length);
	service->name[length] = '\0';
	for (i = 0; i < length; i++)
		if (!isalnum((unsigned char)service->name[i]) &&
		    strchr("-_.+", service->name[i]) == NULL)
			return fail(error, capacity, value,
			    "a name is made of letters, digits, - _ . +");
	if (strcmp(service->name, SERVE_SERVICE_FILES) == 0 ||
	    strcmp(service->name, FORWARD_SERVICE) == 0 ||
	    strncmp(service->name, "sojourn-", 8) == 0)
		return fail(error, capacity, service->name,
		    "this name is the server's own");
	if (serve_options_find(options, service->name) != NULL)
		return fail(error, capacity, service->name,
		    "given more than once");
	if (strncmp(equals + 1, "tcp:", 4) == 0 ||
	    strncmp(equals + 1, "unix:", 5) == 0)
		return fail(error, capacity, value,
		    "tcp: and unix: are not built yet; exec: is");
	if (strncmp(equals + 1, "exec:", 5) != 0)
		return fail(error, capacity, value,
		    "a service is NAME=exec:PROGRAM");
	result = set_program(service, equals + 6, error, capacity);
	if (result == 0)
		options->service_count++;
	return result;
}

int
serve_options_listen(struct serve_options *options, const char *value,
    char *error, size_t capacity)
{
	const char *port = strrchr(value, ':');
	char *end;
	unsigned long number;
	int n;

	port = port == NULL ? value : port + 1;
	number = strtoul(port, &end, 10);
	if (!isdigit((unsigned char)*port) || *end != '\0' || number > 65535)
		return fail(error, capacity, value,
		    "an address is PORT, HOST:PORT or [IPV6]:PORT");
	n = port == value
	    ? snprintf(options->listen, sizeof(options->listen), "[::]:%lu",
		number)
	    : snprintf(options->listen, sizeof(options->listen), "%s", value);
	if (n < 0 || (size_t)n >= sizeof(options->listen))
		return fail(error, capacity, value, "too long");
	return 0;
}

/* Clients write hosts in small letters (tool/target.c), and so do we. */
int
serve_options_name(struct serve_options *options, const char *value,
    char *error, size_t capacity)
{
	size_t used = strlen(options->names), length = strlen(value), i;
	char *out = options->names + used;

	if (length == 0 || length > 255)
		return fail(error, capacity, value,
		    "a name has 1 to 255 bytes");
	for (i = 0; i < length; i++)
		if ((unsigned char)value[i] <= ' ' || value[i] == 0x7f ||
		    strchr(",[]/@", value[i]) != NULL)
			return fail(error, capacity, value,
			    "a name is a host as clients write it, "
			    "without user, port and brackets");
	if (used + 1 + length >= sizeof(options->names))
		return fail(error, capacity, value, "too many names");
	if (used > 0)
		*out++ = ',';
	for (i = 0; i < length; i++)
		*out++ = (char)tolower((unsigned char)value[i]);
	*out = '\0';
	return 0;
}

/* "30d", "12h", "10m", "45s", "45" */
static int
parse_seconds(const char *text, uint32_t *seconds)
{
	static const struct { char unit; unsigned long factor; } units[] = {
		{ '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 },
		{ 'd', 86400 }, { 'w', 604800 }
	};
	char *end;
	unsigned long number;
	size_t i;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno != 0 || number == 0 ||
	    (*end != '\0' && end[1] != '\0'))
		return SJ_ERR_ARGUMENT;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit != *end)
			continue;
		if (number > UINT32_MAX / units[i].factor)
			return SJ_ERR_ARGUMENT;
		*seconds = (uint32_t)(number * units[i].factor);
		return 0;
	}
	return SJ_ERR_ARGUMENT;
}

static int
set_file(char *out, size_t out_size, const struct serve_options *options,
    const char *value)
{
	if (value[0] == '/')
		return set_path(out, out_size, "", value + 1);
	if (strncmp(value, "~/", 2) == 0)
		value += 2;
	return set_path(out, out_size, options->home, value);
}

/* Of the keywords about the service "connect". */
static int
apply_permit(struct permit *permit, const char *keyword, const char *value,
    char *error, size_t capacity)
{
	const char *why = "unknown keyword";
	int result = SJ_ERR_ARGUMENT;

	if (strcasecmp(keyword, "PermitOpen") == 0)
		result = permit_open(permit, value, &why);
	else if (strcasecmp(keyword, "AllowTcpForwarding") == 0)
		result = permit_switch(&permit->no_tcp, value, &why);
	else if (strcasecmp(keyword, "AllowStreamLocalForwarding") == 0)
		result = permit_switch(&permit->no_paths, value, &why);
	else
		value = keyword;
	return result == 0 ? 0 : fail(error, capacity, value, why);
}

static int
apply_keyword(struct serve_options *options, const char *keyword, char *value,
    char *error, size_t capacity)
{
	if (strcasecmp(keyword, "Listen") == 0)
		return serve_options_listen(options, value, error, capacity);
	if (strcasecmp(keyword, "Service") == 0) {
		size_t name = strcspn(value, " \t");

		/* "Service web exec:..." as well as "Service web=exec:..." */
		if (value[name] != '\0' &&
		    memchr(value, '=', name) == NULL)
			value[name] = '=';
		return serve_options_service(options, value, error, capacity);
	}
	if (strcasecmp(keyword, "Name") == 0)
		return serve_options_name(options, value, error, capacity);
	if (strcasecmp(keyword, "HostKey") == 0)
		return set_file(options->host_key, sizeof(options->host_key),
		    options, value);
	if (strcasecmp(keyword, "AuthorizedKeysFile") == 0)
		return set_file(options->authorized_keys,
		    sizeof(options->authorized_keys), options, value);
	if (strcasecmp(keyword, "Store") == 0)
		return set_file(options->store, sizeof(options->store),
		    options, value);
	if (strcasecmp(keyword, "SessionIdleLimit") == 0)
		return parse_seconds(value, &options->idle_limit_s) == 0 ? 0
		    : fail(error, capacity, value, "not a time such as 30d");
	if (strcasecmp(keyword, "SessionLifetime") == 0)
		return parse_seconds(value, &options->lifetime_s) == 0 ? 0
		    : fail(error, capacity, value, "not a time such as 90d");
	return apply_permit(&options->permit, keyword, value, error,
	    capacity);
}

/* What one place may say once only: of two, one would be forgotten. */
static int
mark_given(uint32_t *given, const char *keyword, char *error, size_t capacity)
{
	static const char *const single[] = { "Listen", "HostKey",
		"AuthorizedKeysFile", "Store", "SessionIdleLimit",
		"SessionLifetime", "PermitOpen", "AllowTcpForwarding",
		"AllowStreamLocalForwarding" };
	size_t i;

	for (i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		if (strcasecmp(keyword, single[i]) != 0)
			continue;
		if (*given & 1U << i)
			return fail(error, capacity, single[i],
			    "given more than once");
		*given |= 1U << i;
	}
	return 0;
}

/* A '#' at the beginning of a word begins a comment. */
static void
cut_comment(char *line)
{
	char *at;

	for (at = strchr(line, '#'); at != NULL; at = strchr(at + 1, '#'))
		if (at == line || isspace((unsigned char)at[-1])) {
			*at = '\0';
			return;
		}
}

static int
apply_line(struct serve_options *options, uint32_t *given, char *line,
    char *error, size_t capacity)
{
	char *value, *end;

	cut_comment(line);
	end = line + strlen(line);
	while (end > line && isspace((unsigned char)end[-1]))
		*--end = '\0';
	while (isspace((unsigned char)*line))
		line++;
	if (*line == '\0')
		return 0;
	value = line + strcspn(line, " \t");
	if (*value == '\0')
		return fail(error, capacity, line, "a value is missing");
	*value++ = '\0';
	while (isspace((unsigned char)*value))
		value++;
	if (mark_given(given, line, error, capacity) != 0)
		return SJ_ERR_ARGUMENT;
	return apply_keyword(options, line, value, error, capacity);
}

/* A file of a size that a person writes: nobody waits for the other end of a
 * FIFO, nor for the end of a device. NULL with errno. */
static FILE *
open_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	FILE *file = NULL;

	if (fd < 0 || fstat(fd, &status) != 0)
		;
	else if (!S_ISREG(status.st_mode))
		errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
	else if (status.st_size > CONFIG_MAX)
		errno = EFBIG;
	else
		file = fdopen(fd, "r");
	if (file == NULL && fd >= 0) {
		int cause = errno;

		close(fd);
		errno = cause;
	}
	return file;
}

int
serve_options_file(struct serve_options *options, const char *path,
    char *error, size_t capacity)
{
	FILE *file = open_text(path);
	char *line = NULL, cause[512] = "";
	size_t size = 0;
	unsigned number = 0;
	uint32_t given = 0;
	int result = 0;
	ssize_t length;

	if (file == NULL) {
		snprintf(error, capacity, "%s: %s", path, strerror(errno));
		return SJ_ERR_FILE;
	}
	while (result == 0 && (length = getline(&line, &size, file)) >= 0) {
		number++;
		if (strlen(line) != (size_t)length)
			result = fail(cause, sizeof(cause), "NUL",
			    "not a text file");
		else
			result = apply_line(options, &given, line, cause,
			    sizeof(cause));
	}
	/* half a file is not a configuration */
	if (result == 0 && ferror(file))
		result = fail(cause, sizeof(cause), "cannot be read",
		    strerror(errno));
	free(line);
	fclose(file);
	if (result != 0)
		snprintf(error, capacity, "%s:%u: %s", path, number,
		    cause[0] != '\0' ? cause : sj_strerror(result));
	return result;
}

static int
make_directories(char *path)
{
	char *slash;

	for (slash = strchr(path + 1, '/'); slash != NULL;
	    slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST) {
			*slash = '/';
			return SJ_ERR_FILE;
		}
		*slash = '/';
	}
	return 0;
}

int
serve_options_prepare(struct serve_options *options, char *error,
    size_t capacity)
{
	char *files[] = { options->host_key, options->store };
	struct stat status;
	size_t i;

	for (i = 0; i < 2; i++) {
		char *slash = strrchr(files[i], '/');
		int result;

		if (slash == NULL || slash == files[i])
			continue;
		if (make_directories(files[i]) != 0)
			return fail(error, capacity, files[i],
			    strerror(errno));
		*slash = '\0';
		result = stat(files[i], &status);
		if (result == 0 && ((status.st_mode & 022) != 0 ||
		    (status.st_uid != getuid() && status.st_uid != 0)))
			result = fail(error, capacity, files[i],
			    "others can write to this directory; chmod go-w");
		else if (result != 0)
			result = fail(error, capacity, files[i],
			    strerror(errno));
		*slash = '/';
		if (result != 0)
			return result;
	}
	return 0;
}
