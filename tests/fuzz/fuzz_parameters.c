/* SPDX-License-Identifier: ISC */
/*
 * fuzz_parameters.c - parameter lists, and what is said in control records
 *
 * A list is well formed or not, whatever is looked for; what is found lies in
 * it, and a list written from it gives the same.
 */
#include "fuzz.h"
#include "core/wire.h"

#define TYPES 14

/* The same again, from a list that is written with what was found. */
static void
write_again(const struct span found[TYPES])
{
	static uint8_t out[8192];
	struct writer writer = writer_of(out, sizeof out);
	struct span list, again;
	bool failed = false;

	for (uint64_t type = 0; type < TYPES; type++)
		if (found[type].data != NULL)
			sj__parameter_write(&writer, type, found[type].data,
			    found[type].length);
	if (writer.failed)
		return;
	list = (struct span){ out, (size_t)(writer.at - out) };
	for (uint64_t type = 0; type < TYPES; type++) {
		again = sj__parameter_find(list, type, &failed);
		MUST(!failed && again.length == found[type].length);
		MUST((again.data == NULL) == (found[type].data == NULL));
		if (again.length > 0)
			MUST(memcmp(again.data, found[type].data,
			    again.length) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span list = { data, size }, found[TYPES];
	bool is_bad = false, failed;
	uint64_t number;

	(void)sj__parameter_find(list, 1000, &is_bad);
	for (uint64_t type = 0; type < TYPES; type++) {
		failed = false;
		found[type] = sj__parameter_find(list, type, &failed);
		MUST(failed == is_bad);
		if (found[type].data == NULL)
			continue;
		MUST(!is_bad && found[type].data >= data &&
		    found[type].data + found[type].length <= data + size);
	}
	if (is_bad)
		return 0;
	failed = false;
	number = sj__parameter_number(list, 4, 7, &failed);
	MUST(failed || number <= VARINT_MAX);
	write_again(found);
	return 0;
}
