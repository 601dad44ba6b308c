/* SPDX-License-Identifier: ISC */
/* host_key.c - the server's static X25519 key in a file */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crypto.h"
#include "io/base64.h"
#include "io/file.h"
#include "io/host_key.h"

#define WORD "sojourn-x25519-private-key-v1 "

static int
parse(const char *path, char *text, const struct stat *info,
    uint8_t key_private[32], char *error, size_t capacity)
{
	size_t word = strlen(WORD);

	if ((info->st_mode & 077) != 0) {
		snprintf(error, capacity, "%s: others may read it (mode %03o); "
		    "chmod 600 it", path, info->st_mode & 0777);
		return SJ_ERR_FILE;
	}
	text[strcspn(text, "\r\n")] = '\0';
	if (strncmp(text, WORD, word) != 0 || base64_decode(text + word,
	    strlen(text + word), key_private, 32) != 32) {
		snprintf(error, capacity, "%s: not a host key", path);
		return SJ_ERR_FILE;
	}
	return 0;
}

static int
make(const char *path, const struct sj_io *io, char *error, size_t capacity)
{
	uint8_t key[32];
	char text[128] = WORD;
	int result = 0;

	if (io->random(io->context, key, sizeof key) < 0) {
		snprintf(error, capacity, "no random bytes");
		return SJ_ERR_FILE;
	}
	base64_encode(key, sizeof key, text + strlen(WORD), 64);
	strcat(text, "\n");
	/* Another process may have been faster: then its key counts. */
	if (file_create(path, text, strlen(text)) < 0 && errno != EEXIST) {
		snprintf(error, capacity, "%s: %s", path, strerror(errno));
		result = SJ_ERR_FILE;
	}
	sj__wipe(key, sizeof key);
	sj__wipe(text, sizeof text);
	return result;
}

int
host_key_load(const char *path, const struct sj_io *io,
    uint8_t key_private[32], char *error, size_t capacity)
{
	struct stat info;
	size_t length;
	char *text = file_read(path, 4096, &length, &info);
	int result;

	if (text == NULL && errno == ENOENT) {
		result = make(path, io, error, capacity);
		if (result < 0)
			return result;
		text = file_read(path, 4096, &length, &info);
	}
	if (text == NULL) {
		snprintf(error, capacity, "%s: %s", path, strerror(errno));
		return SJ_ERR_FILE;
	}
	result = parse(path, text, &info, key_private, error, capacity);
	sj__wipe(text, length);
	free(text);
	return result;
}
