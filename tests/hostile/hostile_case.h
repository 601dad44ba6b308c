/* SPDX-License-Identifier: ISC */
/*
 * hostile_case.h - cases with names
 *
 * SECURITY.md says of each what it holds against, and tests/lint/hostile.py
 * matches the two.
 */
#ifndef HOSTILE_CASE_H
#define HOSTILE_CASE_H

#include <stdio.h>
#include <string.h>

struct hostile_case {
	const char *name;
	void (*run)(void);
};

/* All cases, or those that are named. The exit code: 0, or a case that failed
 * has ended the program. */
static inline int
hostile_main(int argc, char **argv, const struct hostile_case *cases,
    size_t count)
{
	unsigned run = 0;

	for (size_t i = 0; i < count; i++) {
		int is_meant = argc < 2;

		for (int j = 1; j < argc; j++)
			is_meant |= strcmp(argv[j], cases[i].name) == 0;
		if (!is_meant)
			continue;
		printf("%s\n", cases[i].name);
		fflush(stdout);
		cases[i].run();
		run++;
	}
	printf("%u held\n", run);
	return run == 0;
}

#endif
