/* SPDX-License-Identifier: ISC */
/*
 * fuzz_authorized_keys.c - who may log in
 *
 * A key gets in only if a line of the file holds its base64 text; and a file
 * that lets it in still does with a comment before it.
 */
#include "file.h"
#include "io/authorized_keys.c"

#define TEXT \
	"AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
#define BEHIND 1024

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char longer[16384 + BEHIND] = "# a comment\n";
	static uint8_t blob[64];
	static ssize_t length;
	char why[512];
	int result;
	size_t before = strlen("# a comment\n");

	if (length == 0)
		length = base64_decode(TEXT, strlen(TEXT), blob, sizeof blob);
	MUST(length == 51);
	file = (struct span){ data, size };
	result = authorized_keys_check("/dev/null", blob, (size_t)length, why,
	    sizeof why);
	MUST(result == 0 || result == 1);
	MUST(strlen(why) < sizeof why);
	if (result == 0)
		return 0;
	MUST(memmem(data, size, TEXT, strlen(TEXT)) != NULL);
	if (size > sizeof longer - BEHIND)
		return 0;
	memcpy(longer + before, data, size);
	file = (struct span){ (const uint8_t *)longer, before + size };
	MUST(authorized_keys_check("/dev/null", blob, (size_t)length, why,
	    sizeof why) == 1);
	return 0;
}
