/* SPDX-License-Identifier: ISC */
/*
 * fuzz_words.c - targets, lines of JSON, and words as they are shown
 *
 * The first byte chooses. A target is the target of its own text; what is
 * shown holds no control character; what JSON gives fits.
 */
#include <pwd.h>
#include <unistd.h>

#include "fuzz.h"

/* Not the system's: no run reads a file. */
static struct passwd *
some_user(uid_t uid)
{
	static char name[] = "somebody";
	static struct passwd entry = { .pw_name = name };

	(void)uid;
	return &entry;
}
#define getpwuid some_user
#include "tool/target.c"
#undef getpwuid
#define encode encode_utf8
#include "tool/json.c"
#undef encode
#include "tool/printable.c"

static void
a_target(const char *text)
{
	struct target target, again;
	char error[256], formatted[TARGET_MAX], twice[TARGET_MAX];

	if (target_parse(&target, text, error, sizeof error) < 0) {
		MUST(strlen(error) < sizeof error);
		return;
	}
	MUST(target.port > 0 && target.port < 65536);
	MUST(target.user[0] != '\0' && target.host[0] != '\0');
	target_format(&target, formatted, sizeof formatted);
	if (strlen(formatted) == sizeof formatted - 1)
		return;
	MUST(target_parse(&again, formatted, error, sizeof error) == 0);
	/* What was typed is remembered beside it, and differs. */
	MUST(strcmp(target.user, again.user) == 0);
	MUST(strcmp(target.host, again.host) == 0);
	MUST(strcmp(target.application, again.application) == 0);
	MUST(target.port == again.port);
	target_format(&again, twice, sizeof twice);
	MUST(strcmp(formatted, twice) == 0);
}

static void
a_line(const char *text)
{
	static const char *const names[] = { "a", "event", "port", "", "key" };
	char out[32];
	uint64_t number;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		memset(out, 'x', sizeof out);
		if (json_find_text(text, names[i], out, sizeof out) == 1)
			MUST(memchr(out, 0, sizeof out) != NULL);
		MUST(json_find_text(text, names[i], out, 1) == 0 ||
		    out[0] == '\0');
		(void)json_find_number(text, names[i], &number);
	}
}

static void
shown(const char *text, size_t capacity)
{
	char out[64];
	const char *result = printable(text, out, capacity);

	MUST(result == out && strlen(out) < capacity);
	for (const char *at = out; *at != '\0'; at++)
		MUST((unsigned char)*at >= 0x20 && *at != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[1024];
	uint8_t first = size > 0 ? data[0] : 0;
	size_t length = size > 0 ? min_size(size - 1, sizeof text - 1) : 0;

	if (length > 0)
		memcpy(text, data + 1, length);
	text[length] = '\0';
	if (first < 96)
		a_target(text);
	else if (first < 224)
		a_line(text);
	else
		shown(text, first & 1 ? 64 : 9);
	return 0;
}
