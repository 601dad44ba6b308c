/* SPDX-License-Identifier: ISC */
/*
 * fuzz_range.c - sets of intervals, and messages out of fragments
 *
 * Each against a model so plain that it is right: a flag for every number.
 */
#include "fuzz.h"
#include "core/assembly.h"

#define NUMBERS 512
#define STEPS_MAX 100

static struct sj__memory memory;
static uint8_t model[NUMBERS];

static size_t
model_count(void)
{
	size_t count = 0;

	for (size_t i = 0; i < NUMBERS; i++)
		count += model[i] && (i == 0 || !model[i - 1]);
	return count;
}

/* In order, apart, and what the model says. */
static void
compare(const struct sj__range_set *set, uint64_t base)
{
	size_t at = 0;

	MUST(set->count == model_count() && set->count <= set->capacity);
	for (size_t i = 0; i < set->count; i++) {
		MUST(set->ranges[i].from < set->ranges[i].to);
		for (; at < set->ranges[i].from - base; at++)
			MUST(!model[at]);
		for (; at < set->ranges[i].to - base; at++)
			MUST(model[at]);
	}
	for (; at < NUMBERS; at++)
		MUST(!model[at]);
}

static void
change(struct program *program, struct sj__range_set *set, uint64_t base,
    size_t limit)
{
	uint8_t before[NUMBERS], how = take_byte(program);
	size_t from = take_below(program, NUMBERS);
	size_t to = min_size(NUMBERS, from + 1 + take_below(program, 64));
	bool is_news = false;
	int result;

	memcpy(before, model, NUMBERS);
	if (how % 8 == 0) {
		sj__range_remove_below(set, base + from);
		memset(model, 0, from);
		return;
	}
	for (size_t i = from; i < to; i++) {
		is_news |= model[i] == (how & 1);
		model[i] = !(how & 1);
	}
	result = how & 1 ?
	    sj__range_remove(set, &memory, base + from, base + to, limit) :
	    sj__range_add(set, &memory, base + from, base + to, limit);
	if (result == SJ_ERR_LIMIT) {
		MUST(model_count() > limit);
		memcpy(model, before, NUMBERS);
	} else {
		MUST(result == (is_news && !(how & 1) ? 1 : 0));
		MUST(model_count() <= limit);
	}
}

static void
a_set(struct program *program)
{
	struct sj__range_set set = { .ranges = NULL };
	uint8_t how = take_byte(program);
	uint64_t base = how & 1 ? VARINT_MAX - NUMBERS : 0;
	size_t limit = 1 + (how >> 1) % 32, number;

	memset(model, 0, NUMBERS);
	for (int i = 0; i < STEPS_MAX && !program_is_over(program); i++) {
		change(program, &set, base, limit);
		compare(&set, base);
		number = take_below(program, NUMBERS);
		MUST(sj__range_contains(&set, base + number) == model[number]);
	}
	sj__range_set_fini(&set, &memory);
}

/* --- Fragments ----------------------------------------------------------- */

static uint8_t
byte_at(size_t total, size_t offset)
{
	return (uint8_t)(total * 31 + offset * 7);
}

static bool
model_is_whole(size_t total)
{
	for (size_t i = 0; i < total; i++)
		if (!model[i])
			return false;
	return true;
}

static void
check_whole(const struct assembly *assembly, size_t total)
{
	MUST(assembly->total == total);
	for (size_t i = 0; i < total; i++)
		MUST(assembly->bytes[i] == byte_at(total, i));
}

static void
a_message(struct program *program)
{
	static const size_t totals[4] = { 1, 100, 300, NUMBERS };
	struct assembly assembly = { .bytes = NULL };
	size_t last = 0;

	for (int i = 0; i < STEPS_MAX && !program_is_over(program); i++) {
		size_t total = totals[take_below(program, 4)];
		size_t offset = take_below(program, NUMBERS);
		size_t length = take_below(program, 100);
		uint8_t bytes[100];
		int result;

		for (size_t j = 0; j < length; j++)
			bytes[j] = byte_at(total, offset + j);
		result = sj__assembly_add(&assembly, &memory, total, offset,
		    (struct span){ bytes, length });
		if (length == 0 || offset + length > total) {
			MUST(result == SJ_ERR_PROTOCOL);
			continue;
		}
		if (total != last)
			memset(model, 0, NUMBERS);
		last = total;
		if (result == SJ_ERR_LIMIT)
			continue;
		memset(model + offset, 1, length);
		MUST(result == model_is_whole(total));
		if (result == 1)
			check_whole(&assembly, total);
	}
	sj__assembly_fini(&assembly, &memory);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = program_of(data, size);

	sj__memory_init(&memory, 1 << 20);
	memset(model, 0, NUMBERS);
	if (take_byte(&program) & 1)
		a_message(&program);
	else
		a_set(&program);
	MUST(memory.used == 0);
	return 0;
}
