/* SPDX-License-Identifier: ISC */
/* known_hosts.c - the servers' keys a client has seen */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sojourn.h>

#include "io/base64.h"
#include "io/file.h"
#include "io/known_hosts.h"

#define TYPE "sojourn-x25519"
#define HYBRID "hybrid"
#define FILE_MAX ((size_t)16 << 20)

static int
host_name(const char *host, unsigned port, char *out, size_t size)
{
	int length = port == SJ_PORT ? snprintf(out, size, "%s", host) :
	    snprintf(out, size, "[%s]:%u", host, port);

	return length < 0 || (size_t)length >= size ? -1 : 0;
}

/* Is this line about that host? Then its key is taken. */
static int
match(char *line, const char *name, struct known_host *known)
{
	char *rest = NULL, *host = strtok_r(line, " \t\r", &rest);
	char *type = strtok_r(NULL, " \t\r", &rest);
	char *text = strtok_r(NULL, " \t\r", &rest);
	char *word = strtok_r(NULL, " \t\r", &rest);

	known->is_hybrid = word != NULL && strcmp(word, HYBRID) == 0;
	return host != NULL && host[0] != '#' && strcmp(host, name) == 0 &&
	    type != NULL && strcmp(type, TYPE) == 0 && text != NULL &&
	    base64_decode(text, strlen(text), known->key, 32) == 32;
}

static int
file_name(const char *state_dir, char *out, size_t size)
{
	if (snprintf(out, size, "%s/known_hosts", state_dir) >= (int)size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/* The first line about that host decides; further ones with its key can only add
 * the word. */
static int
search(char *text, size_t length, const char *name, struct known_host *known)
{
	struct known_host one;
	char *line, *next;
	size_t number = 0;
	int found = 0;

	for (line = text; line < text + length; line = next) {
		next = memchr(line, '\n', (size_t)(text + length - line));
		if (next != NULL)
			*next++ = '\0';
		else
			next = text + length;
		number++;
		if (!match(line, name, &one))
			continue;
		if (!found) {
			*known = one;
			snprintf(known->where, sizeof known->where,
			    "line %zu of known_hosts", number);
			found = 1;
		} else if (memcmp(one.key, known->key, 32) == 0) {
			known->is_hybrid |= one.is_hybrid;
		}
	}
	return found;
}

int
known_hosts_find(const char *state_dir, const char *host, unsigned port,
    struct known_host *known)
{
	char path[4096], name[300], *text;
	size_t length;
	int found;

	memset(known, 0, sizeof *known);
	if (file_name(state_dir, path, sizeof path) < 0 ||
	    host_name(host, port, name, sizeof name) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	text = file_read(path, FILE_MAX, &length, NULL);
	if (text == NULL)
		return errno == ENOENT ? 0 : -1;
	found = search(text, length, name, known);
	free(text);
	return found;
}

/* Every directory on the way, the last ones private. */
static int
make_directory(const char *path)
{
	char copy[4096];

	if (strlen(path) >= sizeof copy) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(copy, path);
	for (char *at = copy + 1; *at != '\0'; at++)
		if (*at == '/') {
			*at = '\0';
			if (mkdir(copy, 0700) < 0 && errno != EEXIST)
				return -1;
			*at = '/';
		}
	return mkdir(copy, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

/* Does the file end in the middle of a line? */
static int
lacks_newline(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char last = '\n';

	return end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

/* The whole line, on the disk, or nothing of it. */
static int
append(int fd, const char *line, size_t length)
{
	off_t end = lseek(fd, 0, SEEK_END);
	ssize_t written = write(fd, line, length);
	int error;

	if (written == (ssize_t)length && fsync(fd) == 0)
		return 0;
	error = written >= 0 && written < (ssize_t)length ? ENOSPC : errno;
	if (end < 0 || ftruncate(fd, end) < 0)
		error = EIO;
	errno = error;
	return -1;
}

int
known_hosts_add(const char *state_dir, const char *host, unsigned port,
    const uint8_t key[32], int is_hybrid)
{
	char path[4096], name[300], line[512], text[64];
	int fd, length, result, error;

	if (host[0] == '\0' || strpbrk(host, " \t\r\n#") != NULL) {
		errno = EINVAL;
		return -1;
	}
	if (file_name(state_dir, path, sizeof path) < 0 ||
	    host_name(host, port, name, sizeof name) < 0 ||
	    make_directory(state_dir) < 0)
		return -1;
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	base64_encode(key, 32, text, sizeof text);
	while ((result = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
		;
	if (result == 0) {
		length = snprintf(line, sizeof line, "%s%s " TYPE " %s%s\n",
		    lacks_newline(fd) ? "\n" : "", name, text,
		    is_hybrid ? " " HYBRID : "");
		result = append(fd, line, (size_t)length);
	}
	error = errno;
	close(fd);
	errno = error;
	return result;
}
