/* SPDX-License-Identifier: ISC */
/* authorized_keys.c - who may log in, in ssh's format */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sojourn.h>

#include "io/authorized_keys.h"
#include "io/base64.h"
#include "io/file.h"

#define FILE_MAX ((size_t)4 << 20)
#define BLOB_MAX 2304               /* an RSA key of 16384 bits */

static const char *const types[] = { "ssh-ed25519", "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com" };

/* The end of a word; quotes may hold blanks, a backslash a quote. */
static char *
word_end(char *at)
{
	int quoted = 0;

	for (; *at != '\0'; at++) {
		if (*at == '\\' && at[1] == '"')
			at++;
		else if (*at == '"')
			quoted = !quoted;
		else if (!quoted && (*at == ' ' || *at == '\t'))
			break;
	}
	return at;
}

/* Does this word begin a key? */
static int
is_type(const char *word, size_t length)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (length == strlen(types[i]) &&
		    memcmp(word, types[i], length) == 0)
			return 1;
	return 0;
}

/* The key of a line, where there is one: its blob, and if options stand
 * before it. */
static ssize_t
line_key(char *line, uint8_t *blob, size_t capacity, int *has_options)
{
	char *at = line + strspn(line, " \t"), *end, *type;
	size_t type_length;
	ssize_t length;

	*has_options = 0;
	if (*at == '\0' || *at == '#')
		return -1;
	end = word_end(at);
	if (!is_type(at, (size_t)(end - at))) {
		*has_options = 1;
		at = end + strspn(end, " \t");
		end = word_end(at);
		if (!is_type(at, (size_t)(end - at)))
			return -1;
	}
	type = at;
	type_length = (size_t)(end - at);
	at = end + strspn(end, " \t");
	end = at + strcspn(at, " \t");
	length = base64_decode(at, (size_t)(end - at), blob, capacity);
	/* What the line says it is, is what it is. */
	if (length < 4 + (ssize_t)type_length ||
	    memcmp(blob + 4, type, type_length) != 0)
		return -1;
	return length;
}

static int
check_mode(const char *path, const struct stat *info, char *why,
    size_t capacity)
{
	char copy[4096];
	struct stat directory;

	if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
		return -1;
	if ((info->st_uid != 0 && info->st_uid != geteuid()) ||
	    (info->st_mode & 022) != 0) {
		snprintf(why, capacity, "%s: others may write it; chmod go-w it",
		    path);
		return -1;
	}
	if (stat(dirname(copy), &directory) == 0 &&
	    (directory.st_mode & 022) != 0 &&
	    !(directory.st_mode & S_ISVTX)) {
		snprintf(why, capacity, "%s: others may write its directory",
		    path);
		return -1;
	}
	return 0;
}

static int
search(const char *path, char *text, size_t length, const void *key_blob,
    size_t key_length, char *why, size_t capacity)
{
	uint8_t blob[BLOB_MAX];
	size_t number = 0;
	char *line, *next;
	int has_options;
	ssize_t got;

	for (line = text; line < text + length; line = next) {
		next = memchr(line, '\n', (size_t)(text + length - line));
		if (next != NULL)
			*next++ = '\0';
		else
			next = text + length;
		number++;
		line[strcspn(line, "\r")] = '\0';
		got = line_key(line, blob, sizeof blob, &has_options);
		if (got < 0 || (size_t)got != key_length ||
		    memcmp(blob, key_blob, key_length) != 0)
			continue;
		if (!has_options)
			return 1;
		snprintf(why, capacity, "%s:%zu: the line has options, which "
		    "are not honoured yet: refused", path, number);
	}
	return 0;
}

int
authorized_keys_check(const char *path, const void *key_blob, size_t length,
    char *why, size_t capacity)
{
	struct stat info;
	size_t size;
	char *text = file_read(path, FILE_MAX, &size, &info);
	int result;

	why[0] = '\0';
	if (text == NULL) {
		snprintf(why, capacity, "%s: %s", path, strerror(errno));
		return errno == ENOENT ? 0 : SJ_ERR_FILE;
	}
	result = check_mode(path, &info, why, capacity) < 0 ? SJ_ERR_FILE :
	    search(path, text, size, key_blob, length, why, capacity);
	free(text);
	return result;
}
