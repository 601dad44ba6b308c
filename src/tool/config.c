/* SPDX-License-Identifier: ISC */
/*
 * tool/config.c - see config.h
 *
 * Two rules of words, as ssh has two: a keyword, and the criteria of Match,
 * end at blanks, a quote or one '='; all else is words with quotes and
 * escapes, up to a '#' where a word would begin.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tool/config.h"

#define BLANKS " \t\r\n"

struct reader {
	const struct config_rules *rules;
	struct config_line line;
	int inherited;               /* of the file: 0, and nothing in it applies */
	char *error;
	size_t capacity;
};

int
config_error(const struct config_line *line, const char *cause, char *error,
    size_t capacity)
{
	snprintf(error, capacity, "%s:%u: %s", line->file, line->number,
	    cause);
	return CONFIG_ERROR;
}

static int
fail(struct reader *reader, const char *format, const char *what)
{
	char cause[512];

	snprintf(cause, sizeof(cause), format, what);
	return config_error(&reader->line, cause, reader->error,
	    reader->capacity);
}

/* --- words ------------------------------------------------------------- */

/* Cuts the next word off: up to blanks, or one '=' among them; a quote ends a
 * word, too, and what it encloses belongs to it. *rest is NULL at the end.
 * NULL: there is none, or a quote is not closed. */
static char *
cut_word(char **rest)
{
	char *word = *rest, *end;
	int equals;

	if (word == NULL)
		return NULL;
	end = strpbrk(word, BLANKS "\"=");
	*rest = end;
	if (end == NULL)
		return word;
	if (*end == '"') {
		memmove(end, end + 1, strlen(end));
		end = strchr(end, '"');
		*rest = end;
		if (end == NULL)
			return NULL;
		*end = '\0';
		*rest = end + 1 + strspn(end + 1, BLANKS);
		return word;
	}
	equals = *end == '=';
	*end = '\0';
	*rest = end + 1 + strspn(end + 1, BLANKS);
	if (!equals && **rest == '=')
		*rest += 1 + strspn(*rest + 1, BLANKS);
	return word;
}

/* The length of an escape at that place: 2, or 0. */
static size_t
escape(const char *at, char quote)
{
	return at[0] == '\\' && (at[1] == '\'' || at[1] == '"' ||
	    at[1] == '\\' || (quote == '\0' && at[1] == ' ')) ? 2 : 0;
}

/* One word without its quotes, to out. Returns what is behind it; NULL: a
 * quote is not closed. */
static const char *
take_word(const char *at, char *out)
{
	char quote = '\0';

	for (; *at != '\0'; at++) {
		if (escape(at, quote) != 0)
			*out++ = *++at;
		else if (quote == '\0' && (*at == ' ' || *at == '\t'))
			break;
		else if (quote == '\0' && (*at == '"' || *at == '\''))
			quote = *at;
		else if (quote != '\0' && *at == quote)
			quote = '\0';
		else
			*out++ = *at;
	}
	*out = '\0';
	return quote == '\0' ? at : NULL;
}

/* Splits text into line->words, which are in one block of memory. */
static int
split(struct reader *reader, const char *text)
{
	struct config_line *line = &reader->line;
	size_t length = strlen(text), words_max = length / 2 + 2;
	char *out;

	line->count = 0;
	line->words = malloc(words_max * sizeof(*line->words) + length + 1);
	if (line->words == NULL)
		return fail(reader, "%s", "out of memory");
	out = (char *)(line->words + words_max);
	for (;;) {
		text += strspn(text, " \t");
		if (*text == '\0' || *text == '#')
			break;
		line->words[line->count++] = out;
		text = take_word(text, out);
		if (text == NULL)
			return fail(reader, "%s", "a quote is not closed");
		out += strlen(out) + 1;
	}
	line->words[line->count] = NULL;
	return 0;
}

const char *
config_word(const struct config_line *line, char *error, size_t capacity)
{
	if (line->count == 0 || line->words[0][0] == '\0') {
		snprintf(error, capacity, "%.100s: a value is missing",
		    line->keyword);
		return NULL;
	}
	if (line->count > 1) {
		snprintf(error, capacity, "%.100s: more than one value",
		    line->keyword);
		return NULL;
	}
	return line->words[0];
}

/* --- patterns ---------------------------------------------------------- */

static int
match_length(const char *text, const char *pattern, size_t length, int lower)
{
	const char *end = pattern + length, *star = NULL, *retry = NULL;

	while (*text != '\0') {
		char want = pattern < end ? *pattern : '\0';

		if (lower)
			want = (char)tolower((unsigned char)want);
		if (pattern < end && want == '*') {
			star = ++pattern;
			retry = text;
		} else if (pattern < end && (want == '?' || want == *text)) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star;
			text = ++retry;
		} else {
			return 0;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

int
config_match(const char *text, const char *pattern)
{
	return match_length(text, pattern, strlen(pattern), 0);
}

int
config_match_list(const char *text, const char *list, int lower)
{
	int found = 0;

	while (*list != '\0') {
		int negated = *list == '!';
		size_t length = strcspn(list + negated, ",");

		if (match_length(text, list + negated, length, lower)) {
			if (negated)
				return -1;
			found = 1;
		}
		list += length + (size_t)negated;
		if (*list == ',')
			list++;
	}
	return found;
}

/* --- blocks ------------------------------------------------------------ */

static int
begin_host(struct reader *reader)
{
	struct config_line *line = &reader->line;
	size_t i;

	line->active = 0;
	for (i = 0; i < line->count; i++) {
		const char *pattern = line->words[i];
		int negated = *pattern == '!';

		if (*pattern == '\0')
			return fail(reader, "%s", "Host: an empty pattern");
		if (!config_match(reader->rules->host, pattern + negated))
			continue;
		line->active = !negated && reader->inherited;
		if (negated)
			break;
	}
	return 0;
}

/* One criterion and its value; *result becomes 0 if it does not hold. */
static int
judge(struct reader *reader, char *name, char **rest, int *result)
{
	const struct config_rules *rules = reader->rules;
	int negated = *name == '!', found;
	char cause[400], *value = NULL;

	name += negated;
	if (strcasecmp(name, "canonical") != 0 &&
	    strcasecmp(name, "final") != 0) {
		value = cut_word(rest);
		if (value == NULL || *value == '\0' || *value == '#')
			return fail(reader, "Match %.100s: a value is missing",
			    name);
	}
	found = rules->criterion(rules->data, name, value, cause,
	    sizeof(cause));
	if (found == CONFIG_ERROR)
		return fail(reader, "%s", cause);
	if (found == CONFIG_UNDECIDED) {
		if (rules->left_out != NULL && *result)
			rules->left_out(rules->data, &reader->line, name);
		*result = 0;
	} else if ((found != 0) == negated) {
		*result = 0;
	}
	return 0;
}

static int
begin_match(struct reader *reader, char *rest)
{
	int result = 1, count = 0;
	char *name;

	for (name = cut_word(&rest); name != NULL && *name != '\0' &&
	    *name != '#'; name = cut_word(&rest)) {
		if (strcasecmp(name + (*name == '!'), "all") == 0) {
			char *more = cut_word(&rest);

			if (count > 1 || (more != NULL && *more != '\0' &&
			    *more != '#'))
				return fail(reader, "%s", "Match all: all "
				    "stands alone");
			count = 1;
			if (*name == '!')
				result = 0;
			break;
		}
		count++;
		if (judge(reader, name, &rest, &result) != 0)
			return CONFIG_ERROR;
	}
	if (count == 0 || (name != NULL && *name == '\0' && rest != NULL))
		return fail(reader, "%s", "Match: a criterion is missing");
	reader->line.active = result && reader->inherited;
	return 0;
}

static int
include(struct reader *reader)
{
	const struct config_rules *rules = reader->rules;
	struct config_line *line = &reader->line;
	size_t i;

	if (line->depth + 1 > CONFIG_DEPTH_MAX)
		return fail(reader, "%s", "too many files include each other");
	for (i = 0; i < line->count; i++) {
		if (line->words[i][0] == '\0')
			return fail(reader, "%s", "Include: an empty name");
		if (rules->include(rules->data, line, line->words[i],
		    reader->error, reader->capacity) != 0)
			return CONFIG_ERROR;
	}
	return 0;
}

/* --- lines ------------------------------------------------------------- */

static int
apply(struct reader *reader, char *rest)
{
	const struct config_rules *rules = reader->rules;
	struct config_line *line = &reader->line;
	char cause[400];

	if (rules->host != NULL && strcasecmp(line->keyword, "Host") == 0)
		return begin_host(reader);
	if (strcasecmp(line->keyword, "Match") == 0)
		return begin_match(reader, rest);
	if (strcasecmp(line->keyword, "Include") == 0)
		return include(reader);
	if (rules->line(rules->data, line, cause, sizeof(cause)) != 0)
		return fail(reader, "%s", cause);
	return 0;
}

/* text: the line, which is cut up. */
static int
read_line(struct reader *reader, char *text)
{
	size_t length = strlen(text);
	char *rest = text, *keyword;
	int result;

	while (length > 0 && strchr(BLANKS "\f", text[length - 1]) != NULL)
		text[--length] = '\0';
	if (text[strspn(text, BLANKS)] == '#' ||
	    text[strspn(text, BLANKS)] == '\0')
		return 0;
	keyword = cut_word(&rest);
	if (keyword != NULL && *keyword == '\0')
		keyword = cut_word(&rest);
	if (keyword == NULL)
		return fail(reader, "%s", "a quote is not closed");
	if (*keyword == '\0' || *keyword == '#')
		return 0;
	reader->line.keyword = keyword;
	if (rest != NULL)
		rest += strspn(rest, BLANKS);
	if (rest == NULL || *rest == '\0')
		return fail(reader, "%.100s: a value is missing", keyword);
	result = split(reader, rest);
	if (result == 0)
		result = apply(reader, rest);
	free(reader->line.words);
	reader->line.words = NULL;
	return result;
}

int
config_read(const struct config_rules *rules,
    const struct config_source *source, char *error, size_t capacity)
{
	struct reader reader = { .rules = rules, .error = error,
		.capacity = capacity, .inherited = source->active,
		.line = { .file = source->file, .depth = source->depth,
		.active = source->active } };
	const char *at = source->bytes, *end = at + source->length;
	int result = 0;

	while (result == 0 && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((newline != NULL ? newline : end) -
		    at);
		char *line = malloc(length + 1);

		reader.line.number++;
		if (line == NULL)
			return fail(&reader, "%s", "out of memory");
		memcpy(line, at, length);
		line[length] = '\0';
		result = memchr(line, '\0', length) != NULL ?
		    fail(&reader, "%s", "a NUL: this is no text file") :
		    read_line(&reader, line);
		free(line);
		at += length + 1;
	}
	return result;
}

/* --- tokens ------------------------------------------------------------ */

static const char *
find_token(const char *const *values, char name)
{
	for (; values[0] != NULL; values += 2)
		if (values[0][0] == name)
			return values[1];
	return NULL;
}

char *
config_expand(const char *text, const char *const *values, char *unknown)
{
	size_t capacity = 0;
	char *out = NULL;
	FILE *file = open_memstream(&out, &capacity);
	int failed = file == NULL;

	*unknown = '\0';
	for (; !failed && *text != '\0'; text++) {
		const char *value;

		if (*text != '%') {
			fputc(*text, file);
		} else if (*++text == '%') {
			fputc('%', file);
		} else if ((value = find_token(values, *text)) != NULL) {
			fputs(value, file);
		} else {
			*unknown = *text;
			failed = 1;
		}
	}
	if (file != NULL && fclose(file) != 0)
		failed = 1;
	if (failed) {
		free(out);
		return NULL;
	}
	return out;
}
