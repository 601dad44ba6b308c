/* SPDX-License-Identifier: ISC */
/*
 * fuzz.h - what the fuzzers share: an entry point, and bytes as decisions
 *
 * Each fuzz_NAME.c has one LLVMFuzzerTestOneInput. With clang's libFuzzer it
 * is searched (./dev fuzz); with replay.c it is run over the inputs that are
 * kept in corpus/NAME and crash/NAME (meson test --suite fuzz).
 *
 * A run must depend on its input only, and leave nothing behind.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "core/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold, whatever came in. */
#define MUST(holds) \
	do { \
		if (!(holds)) \
			fuzz_fail(__FILE__, __LINE__, #holds); \
	} while (0)

static inline _Noreturn void
fuzz_fail(const char *file, int line, const char *text)
{
	fprintf(stderr, "%s:%d: must hold: %s\n", file, line, text);
	abort();
}

/* An input that is a program: what is missing at its end is zero. */
struct program {
	const uint8_t *at, *end;
};

static inline struct program
program_of(const uint8_t *data, size_t size)
{
	struct program program = { data, size > 0 ? data + size : data };

	return program;
}

static inline bool
program_is_over(const struct program *program)
{
	return program->at == program->end;
}

static inline uint8_t
take_byte(struct program *program)
{
	return program->at < program->end ? *program->at++ : 0;
}

static inline uint64_t
take_number(struct program *program, size_t size)
{
	uint64_t number = 0;

	for (size_t i = 0; i < size; i++)
		number = number << 8 | take_byte(program);
	return number;
}

static inline size_t
take_below(struct program *program, size_t below)
{
	return below > 256 ? (size_t)take_number(program, 2) % below :
	    take_byte(program) % below;
}

/* At most length bytes of it, in place. */
static inline struct span
take_span(struct program *program, size_t length)
{
	struct span span = { program->at, min_size(length,
	    (size_t)(program->end - program->at)) };

	if (span.length > 0)
		program->at += span.length;
	return span;
}

/* A number near an edge as often as not. */
static inline uint64_t
take_edge(struct program *program)
{
	static const uint64_t edges[] = { 63, 64, 255, 256, 4096, 16383, 16384,
	    65535, 65536, 262144, 1048576, UINT64_C(1) << 30,
	    UINT64_C(1) << 32, VARINT_MAX - 1, VARINT_MAX };
	uint8_t choice = take_byte(program);

	if (choice < 128)
		return choice;
	if (choice < 160)
		return take_number(program, 2);
	if (choice < 176)
		return take_number(program, 8) & VARINT_MAX;
	return edges[choice % (sizeof edges / sizeof edges[0])];
}

#endif
