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
match(char *line, const char *name, uint8_t key[32])
{
	char *rest = NULL, *host = strtok_r(line, " \t\r", &rest);
	char *type = strtok_r(NULL, " \t\r", &rest);
	char *text = strtok_r(NULL, " \t\r", &rest);

	return host != NULL && host[0] != '#' && strcmp(host, name) == 0 &&
	    type != NULL && strcmp(type, TYPE) == 0 && text != NULL &&
	    base64_decode(text, strlen(text), key, 32) == 32;
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

int
known_hosts_find(const char *state_dir, const char *host, unsigned port,
    uint8_t key[32], char *where, size_t capacity)
{
	char path[4096], name[300], *text, *line, *next;
	size_t length, number = 0;
	int found = 0;

	if (file_name(state_dir, path, sizeof path) < 0 ||
	    host_name(host, port, name, sizeof name) < 0)
		return -1;
	text = file_read(path, FILE_MAX, &length, NULL);
	if (text == NULL)
		return errno == ENOENT ? 0 : -1;
	for (line = text; line < text + length && !found; line = next) {
		next = memchr(line, '\n', (size_t)(text + length - line));
		if (next != NULL)
			*next++ = '\0';
		else
			next = text + length;
		number++;
		found = match(line, name, key);
	}
	if (found)
		snprintf(where, capacity, "line %zu of known_hosts", number);
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

int
known_hosts_add(const char *state_dir, const char *host, unsigned port,
    const uint8_t key[32])
{
	char path[4096], name[300], line[512], text[64];
	int fd, length, result = -1, error;

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
	flock(fd, LOCK_EX);
	length = snprintf(line, sizeof line, "%s%s " TYPE " %s\n",
	    lacks_newline(fd) ? "\n" : "", name, text);
	if (write(fd, line, (size_t)length) == length)
		result = fsync(fd);
	error = errno;
	close(fd);
	errno = error;
	return result;
}
