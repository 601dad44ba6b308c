/* SPDX-License-Identifier: ISC */
/*
 * hostile.h - what the tests of hostile input share
 *
 * A case has a name; SECURITY.md says of each what it holds against, and
 * tests/lint/hostile.py matches the two.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "sim/pair.h"

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
		bool is_meant = argc < 2;

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

void expect(bool is_so, const char *text);
/* A pair after its login; and its end. */
struct pair *hostile_start(void);
void hostile_end(struct pair *pair);
/* Whose channel it is sends one packet made by a script, when it is next let. */
void hostile_script(struct sj__channel *channel,
    void (*write)(struct writer *));
/* The client does, now. */
void hostile_play(struct pair *pair, void (*write)(struct writer *));
/* A datagram as if a side (0: the server) had sent it. */
void hostile_inject(struct pair *pair, int side, const uint8_t *bytes,
    size_t length);

#endif
