/* SPDX-License-Identifier: ISC */
/*
 * fuzz_copy_wire.c - records of copy, and names as they are checked and shown
 *
 * A record that decodes is encoded to the same bytes; a name that is taken has
 * no way up, and what is shown of it cannot drive a terminal.
 */
#include "fuzz.h"
#include "tool/copy_wire.c"
#include "tool/printable.c"

static void
names(const char *name)
{
	char shown[512];
	const unsigned char *at;

	if (copy_path_ok(name)) {
		MUST(name[0] != '/' && name[0] != '\0');
		MUST(strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0);
		MUST(strstr(name, "/../") == NULL && strstr(name, "//") == NULL);
		MUST(name[strlen(name) - 1] != '/');
	}
	MUST(copy_printable(name, shown, sizeof shown) == shown);
	MUST(strlen(shown) < sizeof shown);
	for (at = (const unsigned char *)shown; *at != '\0'; at++) {
		MUST(*at >= 0x20 && *at != 0x7f);
		MUST(!(at[0] == 0xc2 && at[1] < 0xa0));
		MUST(!(at[0] == 0xe2 && at[1] == 0x80 && at[2] >= 0xa8 &&
		    at[2] <= 0xae));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[COPY_RECORD_MAX];
	struct copy_record record;
	ptrdiff_t used, length;

	while ((used = copy_record_decode(&record, data, size)) > 0) {
		MUST((size_t)used <= size);
		length = copy_record_encode(&record, out);
		MUST(length == used && memcmp(out, data, (size_t)used) == 0);
		names(record.path);
		names(record.text);
		data += used;
		size -= (size_t)used;
	}
	MUST(used == 0 || used == SJ_ERR_PROTOCOL);
	return 0;
}
