/* SPDX-License-Identifier: ISC */
/*
 * test_config.c - ssh's grammar: words, patterns, blocks, and what is no
 * configuration
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#undef fail                          /* config.c has one of its own */
#include "tool/config.c"

/* What the lines of active blocks come to: "keyword(word)(word);" */
static char said[65536], left[1024], error[1024];
static const char *user;
static int includes;

static void
add(char *text, size_t size, const char *more)
{
	size_t length = strlen(text);

	snprintf(text + length, size - length, "%s", more);
}

static int
on_line(void *data, const struct config_line *line, char *cause,
    size_t capacity)
{
	size_t i;

	(void)data;
	if (strcasecmp(line->keyword, "Bad") == 0) {
		snprintf(cause, capacity, "bad");
		return CONFIG_ERROR;
	}
	if (!line->active)
		return 0;
	add(said, sizeof(said), line->keyword);
	for (i = 0; i < line->count; i++) {
		add(said, sizeof(said), "(");
		add(said, sizeof(said), line->words[i]);
		add(said, sizeof(said), ")");
	}
	assert_null(line->words[i]);
	add(said, sizeof(said), ";");
	return 0;
}

static int
on_criterion(void *data, const char *name, const char *value, char *cause,
    size_t capacity)
{
	(void)data;
	if (strcasecmp(name, "user") == 0)
		return config_match_list(user, value, 0) == 1;
	if (strcasecmp(name, "exec") == 0 || value == NULL)
		return CONFIG_UNDECIDED;
	snprintf(cause, capacity, "%s?", name);
	return CONFIG_ERROR;
}

static void
on_left_out(void *data, const struct config_line *line, const char *name)
{
	(void)data;
	(void)line;
	add(left, sizeof(left), name);
}

static int on_include(void *data, const struct config_line *line,
    const char *word, char *cause, size_t capacity);

static const struct config_rules rules = { .host = "web", .criterion =
	on_criterion, .left_out = on_left_out, .line = on_line,
	.include = on_include };

/* "loop" includes itself; any other word is the file's text, with ';' for the
 * ends of lines. */
static int
on_include(void *data, const struct config_line *line, const char *word,
    char *cause, size_t capacity)
{
	char *text = strdup(strcmp(word, "loop") == 0 ? "Include loop" : word);
	struct config_source source = { .file = "inner", .bytes = text,
		.length = strlen(text), .depth = line->depth + 1,
		.active = line->active };
	int result;
	char *at;

	(void)data;
	for (at = text; *at != '\0'; at++)
		if (*at == ';')
			*at = '\n';
	includes++;
	result = config_read(&rules, &source, cause, capacity);
	free(text);
	return result;
}

static int
read_bytes(const char *bytes, size_t length)
{
	char *copy = malloc(length + 1); /* one past the end is not ours */
	struct config_source source = { .file = "f", .length = length,
		.active = 1 };
	int result;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	copy = realloc(copy, length > 0 ? length : 1);
	source.bytes = copy;
	said[0] = left[0] = error[0] = '\0';
	includes = 0;
	result = config_read(&rules, &source, error, sizeof(error));
	free(copy);
	return result;
}

struct row {
	const char *text, *says;     /* what it comes to, or, with '!', the error */
};

static void
check(const struct row *rows, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		int is_error = rows[i].says[0] == '!';
		int result = read_bytes(rows[i].text, strlen(rows[i].text));
		const char *got = is_error ? error : said;

		if ((result != 0) != is_error ||
		    strcmp(got, rows[i].says + is_error) != 0) {
			print_error("%s\n-> %d %s %s\nnot %s\n", rows[i].text,
			    result, said, error, rows[i].says);
			assert_true(0);
		}
	}
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof(rows[0]))

static void
words(void **state)
{
	static const struct row rows[] = {
		{ "", "" }, { "\n\n \t\r\n", "" }, { "# a \"b", "" },
		{ "  #\"", "" }, { "A b", "A(b);" }, { "A b\r\n", "A(b);" },
		{ "A=b", "A(b);" }, { "A = b", "A(b);" }, { "A =b", "A(b);" },
		{ "A == b", "A(=)(b);" }, { "A = = b", "A(=)(b);" },
		{ "\tA\t b  c \f\nB d", "A(b)(c);B(d);" },
		{ "A \"b c\" d", "A(b c)(d);" }, { "A 'b \"c'", "A(b \"c);" },
		{ "A b\"c d\"e", "A(bc de);" }, { "A \"\"", "A();" },
		{ "A b#c #d", "A(b#c);" }, { "A \"#b\"", "A(#b);" },
		{ "A #b", "A;" }, { "A b\\ c", "A(b c);" },
		{ "A \"b\\ c\"", "A(b\\ c);" }, { "A \\\\ \\\" \\'", "A(\\)(\")(');" },
		{ "A \\n \\", "A(\\n)(\\);" }, { "\"A\" b", "A(b);" },
		{ "A b\rc", "A(b\rc);" },
		{ "A", "!f:1: A: a value is missing" },
		{ "B c\nA =", "!f:2: A: a value is missing" },
		{ "A \"b", "!f:1: a quote is not closed" },
		{ "A 'b\" c", "!f:1: a quote is not closed" },
		{ "\"A b", "!f:1: a quote is not closed" },
		{ "A b\n\nBad c", "!f:3: bad" },
		{ "Host x\nBad c", "!f:2: bad" },
	};

	(void)state;
	CHECK(rows);
}

static void
blocks(void **state)
{
	static const struct row rows[] = {
		{ "Host web\nA b\nHost x\nA c", "A(b);" },
		{ "HOST=x w*\nA b", "A(b);" }, { "Host WEB\nA b", "" },
		{ "Host * !web\nA b", "" }, { "Host !web *\nA b", "" },
		{ "Host !x\nA b", "" }, { "Host !x *\nA b", "A(b);" },
		{ "Host # web\nA b", "" }, { "Host \"web\"\nA b", "A(b);" },
		{ "Host \"\"", "!f:1: Host: an empty pattern" },
		{ "Match all\nA b", "A(b);" }, { "Match !all\nA b", "" },
		{ "Match all # x\nA b", "A(b);" },
		{ "match user bob\nA b\nMatch user x,b*\nA c", "A(b);A(c);" },
		{ "Match !user bob\nA b", "" }, { "Match user=bob\nA b", "A(b);" },
		{ "Match user \"bob\"\nA b", "A(b);" },
		{ "Match user *,!bob\nA b", "" },
		{ "Match user bob !user x\nA b", "A(b);" },
		{ "Match user bob user x\nA b", "" },
		{ "Match user bob all\nA b", "A(b);" },
		{ "Match", "!f:1: Match: a value is missing" },
		{ "Match # x", "!f:1: Match: a criterion is missing" },
		{ "Match \"\" user bob", "!f:1: Match: a criterion is missing" },
		{ "Match user bob \"\" user x",
		    "!f:1: Match: a criterion is missing" },
		{ "Match all user x", "!f:1: Match all: all stands alone" },
		{ "Match user", "!f:1: Match user: a value is missing" },
		{ "Match user # x", "!f:1: Match user: a value is missing" },
		{ "Match frob x", "!f:1: frob?" },
		{ "Host x\nMatch frob x", "!f:2: frob?" },
	};

	static const char undecided[] = "Match exec x\nA b\n"
	    "Match !exec y\nA c\nMatch user bob exec z\nA d\n"
	    "Match !final\nA e\nMatch user x exec q\nA f\n";

	(void)state;
	user = "bob";
	CHECK(rows);
	/* what is not evaluated does not apply, however it is put */
	assert_int_equal(read_bytes(undecided, strlen(undecided)), 0);
	assert_string_equal(said, "");
	assert_string_equal(left, "execexecexecfinal");
}

static void
included(void **state)
{
	static const struct row rows[] = {
		{ "Include 'A b' 'A c'\nA d", "A(b);A(c);A(d);" },
		/* a block of the inner file ends with it, none begins it */
		{ "Include 'Host x'\nA d", "A(d);" },
		{ "Host x\nInclude 'A b'\nInclude 'Host *' 'Match all'\nA c",
		    "" },
		{ "Host x\nInclude 'Host *;A b' 'Match all;A c'\nA d", "" },
		{ "Include 'Host x;A b;Host web;A c'\nA d", "A(c);A(d);" },
		{ "Match all\nInclude 'Match !all;A b;Bad x'",
		    "!inner:3: bad" },
		{ "Host x\nInclude \"A 'b\"\n",
		    "!inner:1: a quote is not closed" },
		{ "Include \"\"", "!f:1: Include: an empty name" },
		{ "A b\nInclude 'Bad b'", "!inner:1: bad" },
		{ "Include loop",
		    "!inner:1: too many files include each other" },
	};

	(void)state;
	CHECK(rows);
	assert_int_equal(includes, CONFIG_DEPTH_MAX);
	/* in the inner file, too, only its own block counts */
	assert_int_equal(read_bytes("Include a", 9), CONFIG_ERROR);
	assert_string_equal(error, "inner:1: a: a value is missing");
}

static void
hostile(void **state)
{
	static char bytes[40000], want[40000];
	size_t i;

	(void)state;
	assert_int_equal(read_bytes("A b\nA \0c\n", 9), CONFIG_ERROR);
	assert_string_equal(error, "f:2: a NUL: this is no text file");
	/* long: a word, a keyword, many words, many blanks, many quotes */
	memset(bytes, 'x', 10000);
	memcpy(bytes, "A ", 2);
	assert_int_equal(read_bytes(bytes, 10000), 0);
	snprintf(want, sizeof(want), "A(%.9998s);", bytes + 2);
	assert_string_equal(said, want);
	memset(bytes, 'x', 10000);
	assert_int_equal(read_bytes(bytes, 10000), CONFIG_ERROR);
	assert_true(strlen(error) < 200);
	for (i = 0; i < 10000; i += 2)
		memcpy(bytes + i, "y ", 2);
	assert_int_equal(read_bytes(bytes, 10000), 0);
	assert_int_equal(strlen(said), 1 + 4999 * 3 + 1);
	memset(bytes, ' ', 10000);
	assert_int_equal(read_bytes(bytes, 10000), 0);
	memset(bytes, '"', 10000);
	bytes[0] = 'A';
	bytes[1] = ' ';
	assert_int_equal(read_bytes(bytes, 10000), 0);
	assert_string_equal(said, "A();");
	memset(bytes, '\\', 10000);
	memcpy(bytes, "A ", 2);
	assert_int_equal(read_bytes(bytes, 10000), 0);
	assert_int_equal(strlen(said), 1 + 4999 + 3);
	/* many stars take no time worth telling */
	memset(bytes, '*', 20000);
	bytes[0] = 'H';
	memcpy(bytes, "Host ", 5);
	for (i = 5; i + 1 < 20000; i += 2)
		memcpy(bytes + i, "*e", 2);
	assert_int_equal(read_bytes(bytes, 20000), 0);
}

/* Any bytes: an error or none, and no byte beyond the end. */
static void
random_bytes(void **state)
{
	static const char *const parts[] = { "Host ", "Match ", "Include ",
		"user ", "all", "exec ", "!", "\"", "'", "\\", "#", "=", " ",
		"\t", "\r", "\n", "\n", "x", "web", "*", ",", "\f", "loop",
		"\xff", "Bad " };
	char text[512];
	unsigned seed = 1;
	int i, taken = 0;

	(void)state;
	user = "bob";
	for (i = 0; i < 100000; i++) {
		int k, count = i % 24;

		text[0] = '\0';
		for (k = 0; k < count; k++) {
			seed = seed * 1103515245 + 12345;
			add(text, sizeof(text), parts[(seed >> 16) %
			    (sizeof(parts) / sizeof(parts[0]))]);
		}
		taken += read_bytes(text, strlen(text)) == 0;
	}
	assert_true(taken > 1000 && taken < 99000);
}

static void
patterns(void **state)
{
	static const struct { const char *text, *pattern; int match; } rows[] = {
		{ "", "", 1 }, { "", "*", 1 }, { "a", "", 0 }, { "a", "?", 1 },
		{ "", "?", 0 }, { "abc", "a*c", 1 }, { "abcbc", "a*bc", 1 },
		{ "abc", "a*d", 0 }, { "abc", "*b*", 1 }, { "abc", "**", 1 },
		{ "a", "?*?", 0 }, { "ab", "?*?", 1 }, { "a*", "a\\*", 0 },
		{ "ABC", "abc", 0 }, { "a[b]", "a[b]", 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(config_match(rows[i].text, rows[i].pattern),
		    rows[i].match);
	assert_int_equal(config_match_list("b", "a,b", 0), 1);
	assert_int_equal(config_match_list("b", "!b,*", 0), -1);
	assert_int_equal(config_match_list("b", "*,!b", 0), -1);
	assert_int_equal(config_match_list("b", "!c", 0), 0);
	assert_int_equal(config_match_list("b", "", 0), 0);
	assert_int_equal(config_match_list("b", ",,b", 0), 1);
	assert_int_equal(config_match_list("b", "B", 0), 0);
	assert_int_equal(config_match_list("b", "B", 1), 1);
}

static void
tokens(void **state)
{
	static const char *const values[] = { "h", "web", "u", "%h", NULL };
	static const struct { const char *text, *out; char unknown; } rows[] = {
		{ "", "", 0 }, { "a", "a", 0 }, { "%h.x%%%u", "web.x%%h", 0 },
		{ "%", NULL, 0 }, { "%x", NULL, 'x' }, { "%h%", NULL, 0 },
		{ "%%h", "%h", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char unknown, *out = config_expand(rows[i].text, values,
		    &unknown);

		assert_int_equal(unknown, rows[i].unknown);
		if (rows[i].out == NULL)
			assert_null(out);
		else
			assert_string_equal(out, rows[i].out);
		free(out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(blocks),
		cmocka_unit_test(included),
		cmocka_unit_test(hostile),
		cmocka_unit_test(random_bytes),
		cmocka_unit_test(patterns),
		cmocka_unit_test(tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
