/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_key.c - sojourn key: fingerprints, and new keys
 *
 * A fingerprint is what ssh-keygen -l shows: SHA-256, in base64 without
 * padding. Of an ssh key it is taken over the key's blob, of a server's key
 * over its 32 bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sojourn_core.h>

#include "cmd/command.h"
#include "cmd/key_text.h"
#include "cmd/paths.h"
#include "tool/die.h"
#include "tool/json.h"
#include "tool/printable.h"

#define FILE_MAX 65536
#define PATH_ROOM 4096

static void
print_key(const struct common *common, const char *path, const char *type,
    const char *fingerprint)
{
	struct json json;
	char name[PATH_ROOM];

	if (common->json) {
		json_begin(&json, stdout);
		json_text(&json, "file", path);
		json_text(&json, "type", type);
		json_text(&json, "fingerprint", fingerprint);
		json_end(&json);
	} else {
		printf("%s  %s  %s\n", fingerprint, type,
		    printable(path, name, sizeof(name)));
	}
}

/* The whole file, ended with a NUL, or NULL with errno set. */
static char *
read_file(const char *path)
{
	char *text = calloc(1, FILE_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n = -1;
	size_t length = 0;

	while (text != NULL && fd >= 0 && length < FILE_MAX &&
	    (n = read(fd, text + length, FILE_MAX - length)) > 0)
		length += (size_t)n;
	if (fd >= 0)
		close(fd);
	if (n == 0)
		return text;
	free(text);
	if (n > 0)
		errno = EFBIG;
	return NULL;
}

static int
show_server_key(const struct common *common, const char *path)
{
	uint8_t private_key[32], public_key[32];
	char error[512], fingerprint[KEY_FINGERPRINT_MAX];
	int result = sj_host_key_load(path, private_key, public_key, error,
	    sizeof(error));

	explicit_bzero(private_key, sizeof(private_key));
	if (result < 0)
		return complain_error(result, error);
	key_fingerprint(public_key, sizeof(public_key), fingerprint);
	print_key(common, path, "sojourn-x25519", fingerprint);
	return 0;
}

/* Formats that are not ssh's own the library reads. */
static int
show_other_key(const struct common *common, const char *path)
{
	char fingerprint[KEY_FINGERPRINT_MAX], type[64], error[PATH_ROOM];
	uint8_t blob[4096];
	ptrdiff_t length = sj_key_file_blob(path, blob, sizeof(blob), error,
	    sizeof(error));

	if (length < 0 || key_blob_text(blob, (size_t)length, type,
	    sizeof(type), fingerprint) != 0)
		return complain("local", sj_error_next(SJ_ERR_FILE), "%s",
		    error);
	print_key(common, path, type, fingerprint);
	return 0;
}

static int
show(const struct common *common, const char *path)
{
	char own[PATH_ROOM], fingerprint[KEY_FINGERPRINT_MAX], type[64];
	char *text;
	int result;

	if (path == NULL) {
		if (state_path("host.key", own, sizeof(own)) != 0)
			return complain("local", NULL, "HOME is too long");
		path = own;
	}
	text = read_file(path);
	if (text == NULL)
		return complain("local", path == own ?
		    "`sojourn serve` makes it when it first starts" :
		    sj_error_next(SJ_ERR_FILE), "%s: %s", path,
		    strerror(errno));
	if (strncmp(text, "sojourn-x25519-private-key-v1", 29) == 0) {
		result = show_server_key(common, path);
	} else if (key_text_public(text, type, sizeof(type),
	    fingerprint) == 0) {
		print_key(common, path, type, fingerprint);
		result = 0;
	} else if (strstr(text, "PRIVATE KEY-----") != NULL) {
		result = show_other_key(common, path);
	} else {
		result = complain("local", sj_error_next(SJ_ERR_FILE),
		    "%s holds no key that is known here", path);
	}
	explicit_bzero(text, FILE_MAX);
	free(text);
	return result;
}

static int
known(const struct common *common)
{
	char path[PATH_ROOM], fingerprint[KEY_FINGERPRINT_MAX];
	char *text, *line, *rest;

	if (state_path("known_hosts", path, sizeof(path)) != 0)
		return complain("local", NULL, "HOME is too long");
	text = read_file(path);
	if (text == NULL && errno == ENOENT)
		return 0;
	if (text == NULL)
		return complain("local", sj_error_next(SJ_ERR_FILE), "%s: %s",
		    path, strerror(errno));
	for (line = strtok_r(text, "\n", &rest); line != NULL;
	    line = strtok_r(NULL, "\n", &rest)) {
		char host[512];

		if (key_text_known_host(line, host, sizeof(host),
		    fingerprint) == 0)
			print_key(common, host, "sojourn-x25519", fingerprint);
	}
	free(text);
	return 0;
}

/* Never over a file that is there. */
static int
write_file(const char *path, const char *text, mode_t mode)
{
	size_t length = strlen(text), at = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return -1;
	while (at < length) {
		ssize_t n = write(fd, text + at, length - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		at += (size_t)n;
	}
	if (at < length || fsync(fd) != 0 || close(fd) != 0) {
		unlink(path);
		return -1;
	}
	return 0;
}

static int
make(const struct common *common, const char *path)
{
	char own[PATH_ROOM], public_path[PATH_ROOM + 8];
	char secret[KEY_TEXT_MAX], public_text[KEY_TEXT_MAX];
	char fingerprint[KEY_FINGERPRINT_MAX], type[64];
	const char *home = getenv("HOME");
	int failed;

	if (path == NULL) {
		snprintf(own, sizeof(own), "%s/.ssh", home != NULL ? home : "");
		mkdir(own, 0700);
		snprintf(own, sizeof(own), "%s/.ssh/id_ed25519",
		    home != NULL ? home : "");
		path = own;
	}
	if (strlen(path) >= PATH_ROOM)
		return complain("local", NULL, "the path is too long");
	snprintf(public_path, sizeof(public_path), "%s.pub", path);
	if (access(public_path, F_OK) == 0)
		return complain("local", "name another FILE",
		    "%s: %s", public_path, strerror(EEXIST));
	if (key_text_new(secret, public_text) != 0)
		return complain("local", NULL, "no key could be made");
	failed = write_file(path, secret, 0600) != 0;
	explicit_bzero(secret, sizeof(secret));
	if (failed)
		return complain("local", errno == EEXIST ?
		    "name another FILE" : sj_error_next(SJ_ERR_FILE),
		    "%s: %s", path, strerror(errno));
	if (write_file(public_path, public_text, 0644) != 0)
		return complain("local", sj_error_next(SJ_ERR_FILE), "%s: %s",
		    public_path, strerror(errno));
	if (key_text_public(public_text, type, sizeof(type), fingerprint) != 0)
		return complain("program", NULL, "the new key is not one");
	print_key(common, path, type, fingerprint);
	return 0;
}

int
cmd_key(const struct command *command, int argc, char **argv)
{
	struct common common;
	int left = command_options(command, &common, NULL, argc, argv);
	const char *path = left > 1 ? argv[2] : NULL;

	if (left == 0)
		return command_misuse(command, "show, known or new?");
	if (left > 2)
		return command_misuse(command, "one FILE at a time");
	if (strcmp(argv[1], "show") == 0)
		return show(&common, path);
	if (strcmp(argv[1], "known") == 0 && path == NULL)
		return known(&common);
	if (strcmp(argv[1], "new") == 0)
		return make(&common, path);
	return command_misuse(command, "show, known or new?");
}
