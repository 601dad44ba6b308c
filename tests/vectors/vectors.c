/* SPDX-License-Identifier: ISC */
/*
 * vectors.c - sojourn-vectors FILE...: published test vectors, any of them
 *
 * A file is judged by its shape, never by its name: what fields it and its
 * vectors have says which check they get. A shape that nobody knows is a
 * failure. Ends with "N passed, N failed, N skipped" and why the skipped were.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/aead_ipsecmb.h"
#include "vectors.h"

#define REASONS_MAX 16

struct block {
	struct block *next;
	uint8_t bytes[];
};

struct tally {
	unsigned long passed, failed, skipped;
	struct { const char *text; unsigned long count; } reasons[REASONS_MAX];
};

/* --- Fields ------------------------------------------------------------ */

void *
run_allocate(struct run *run, size_t size)
{
	struct block *block = calloc(1, sizeof *block + size + 1);

	if (block == NULL) {
		fprintf(stderr, "sojourn-vectors: out of memory\n");
		exit(2);
	}
	block->next = run->blocks;
	run->blocks = block;
	return block->bytes;
}

void
run_free(struct run *run)
{
	struct block *next;

	for (; run->blocks != NULL; run->blocks = next) {
		next = run->blocks->next;
		free(run->blocks);
	}
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct span
unhex(struct run *run, const char *text)
{
	size_t length = strlen(text) / 2;
	uint8_t *bytes = run_allocate(run, length);

	if (strlen(text) % 2 != 0)
		return (struct span){ NULL, 0 };
	for (size_t i = 0; i < length; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return (struct span){ NULL, 0 };
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return (struct span){ bytes, length };
}

const char *
text_of(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

struct span
field(struct run *run, json_t *object, const char *name)
{
	const char *text = text_of(object, name);

	return text == NULL ? (struct span){ NULL, 0 } : unhex(run, text);
}

const uint8_t *
field_of(struct run *run, json_t *object, const char *name, size_t size)
{
	struct span span = field(run, object, name);

	return span.length == size ? span.data : NULL;
}

bool
is_valid(json_t *vector)
{
	const char *result = text_of(vector, "result");

	return result != NULL && strcmp(result, "valid") == 0;
}

bool
has_flag(json_t *vector, const char *flag)
{
	json_t *flags = json_object_get(vector, "flags"), *one;
	size_t i;

	json_array_foreach(flags, i, one)
		if (json_is_string(one) &&
		    strcmp(json_string_value(one), flag) == 0)
			return true;
	return false;
}

bool
same(struct span a, struct span b)
{
	return a.data != NULL && b.data != NULL && a.length == b.length &&
	    memcmp(a.data, b.data, a.length) == 0;
}

const char *
why(struct run *run, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(run->why, sizeof run->why, format, arguments);
	va_end(arguments);
	return run->why;
}

/* --- Counting ---------------------------------------------------------- */

static void
count_skip(struct tally *tally, const char *reason)
{
	int i = 0;

	tally->skipped++;
	while (i < REASONS_MAX - 1 && tally->reasons[i].text != NULL &&
	    strcmp(tally->reasons[i].text, reason) != 0)
		i++;
	tally->reasons[i].text = reason;
	tally->reasons[i].count++;
}

/* A vector's name for people: its number, or the place it has. */
static void
name_of(json_t *vector, size_t place, char *out, size_t size)
{
	static const char *const numbers[] = { "tcId", "number",
	    "vector_index" };
	const char *text = text_of(vector, "protocol_name");

	if (text == NULL)
		text = text_of(vector, "name");
	for (int i = 0; i < 3; i++) {
		json_t *number = json_object_get(vector, numbers[i]);

		if (json_is_integer(number))
			place = (size_t)json_integer_value(number);
	}
	snprintf(out, size, "%zu%s%s", place, text == NULL ? "" : " ",
	    text == NULL ? "" : text);
}

static void
count(struct run *run, struct tally *tally, const char *file, const char *what,
    const char *answer)
{
	if (answer == NULL) {
		tally->passed++;
	} else if (strncmp(answer, "skip: ", 6) == 0) {
		count_skip(tally, answer + 6);
	} else {
		tally->failed++;
		printf("FAIL %s: %s: %s\n", file, what, answer);
	}
	run_free(run);
}

/* --- Shapes ------------------------------------------------------------ */

static const char *
no_shape(struct run *run, json_t *vector)
{
	(void)run;
	(void)vector;
	return "nobody knows this shape";
}

/* A member of an array called "vectors". */
static const struct {
	const char *fields[3];
	check *check;
} vector_shapes[] = {
	{ { "protocol_name", "messages", NULL }, check_noise },
	{ { "msg_a", "msg_b", "cs1_k" }, check_hybrid },
	{ { "eseed", "pk", "ct" }, NULL },      /* X-Wing */
	{ { "key", "sig", "msg" }, check_cctv_ed25519 },
	{ { "secretKey", "publicKey", "signature" }, check_rfc8032 },
	{ { "in", "key", "out" }, check_blake2 },
	{ { "function", NULL, NULL }, check_acvp },
	{ { "noise", "packets", "other_suites" }, check_login },
};

static const char *
no_xwing(struct run *run, json_t *vector)
{
	(void)run;
	(void)vector;
	return SKIP_XWING;
}

static check *
vector_shape(json_t *vector)
{
	size_t count = sizeof vector_shapes / sizeof vector_shapes[0];

	for (size_t i = 0; i < count; i++) {
		int j = 0;

		while (j < 3 && vector_shapes[i].fields[j] != NULL &&
		    json_object_get(vector, vector_shapes[i].fields[j]) != NULL)
			j++;
		if (j == 3 || vector_shapes[i].fields[j] == NULL)
			return vector_shapes[i].check == NULL ? no_xwing :
			    vector_shapes[i].check;
	}
	return no_shape;
}

/* A group of Wycheproof's, by its type; NULL: of the file's algorithm. */
static check *
group_shape(const char *type)
{
	static const struct { const char *type; check *check; } types[] = {
		{ "EddsaVerify", check_eddsa }, { "HkdfTest", check_hkdf },
		{ "MacTest", check_mac }, { "XdhComp", check_x25519 },
		{ "MLKEMTest", check_mlkem },
		{ "MLKEMEncapsTest", check_mlkem_encaps },
		{ "MLKEMDecapsValidationTest", check_mlkem_decaps },
		{ "MLKEMDecapsTest", check_mlkem_decaps },
		{ "AeadTest", NULL },
	};

	for (size_t i = 0; type != NULL && i < sizeof types / sizeof types[0];
	    i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].check;
	return no_shape;
}

/* What a test needs of its group goes into the test. */
static void
inherit(json_t *group, json_t *test, json_t *root)
{
	static const char *const names[] = { "publicKey", "keySize", "tagSize",
	    "ivSize", "curve", "parameterSet", "key" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (json_object_get(test, names[i]) == NULL &&
		    json_object_get(group, names[i]) != NULL)
			json_object_set(test, names[i],
			    json_object_get(group, names[i]));
	if (json_object_get(root, "algorithm") != NULL)
		json_object_set(test, "algorithm",
		    json_object_get(root, "algorithm"));
}

static void
run_groups(struct run *run, struct tally *tally, const char *file,
    json_t *root)
{
	const char *algorithm = text_of(root, "algorithm");
	json_t *group, *test;
	char name[128];
	size_t i, j;

	json_array_foreach(json_object_get(root, "testGroups"), i, group) {
		check *one = group_shape(text_of(group, "type"));

		json_array_foreach(json_object_get(group, "tests"), j, test) {
			inherit(group, test, root);
			name_of(test, j + 1, name, sizeof name);
			count(run, tally, file, name, one != NULL ?
			    one(run, test) : check_aead(run, test, algorithm));
		}
	}
}

static void
run_array(struct run *run, struct tally *tally, const char *file,
    json_t *array, json_t *root, check *fixed)
{
	json_t *vector;
	char name[128];
	size_t i;

	json_array_foreach(array, i, vector) {
		check *one = fixed != NULL ? fixed : vector_shape(vector);

		if (json_is_object(vector) && text_of(root, "protocol") != NULL)
			json_object_set(vector, "protocol",
			    json_object_get(root, "protocol"));
		name_of(vector, i + 1, name, sizeof name);
		count(run, tally, file, name, one(run, vector));
	}
}

/* A file that is one object: which of its members get which check. */
static const struct {
	const char *name, *needs;       /* a member, and one beside it */
	check *check;
	bool is_whole, is_array;        /* the check sees the file; each member */
} member_shapes[] = {
	{ "after", "start", check_x25519_iterated, false, false },
	{ "rounds", "per_round_draws", check_mlkem_accumulated, false, false },
	{ "ranges", "samples", check_varint_range, false, true },
	{ "samples", "ranges", check_varint_sample, false, true },
	{ "encode", "decode", check_number_encode, false, true },
	{ "decode", "encode", check_number_decode, false, true },
	{ "labels", "keys", check_quic_labels, true, false },
	{ "keys", "labels", check_quic_keys, true, false },
	{ "client_initial", "keys", check_quic_long, true, false },
	{ "server_initial", "keys", check_quic_long, true, false },
	{ "retry", "keys", check_quic_retry, true, false },
	{ "chacha20_short_header", "keys", check_quic_short, true, false },
	{ "aead_limits", "aead_limits", check_quic_limits, true, false },
	{ "steps", "digest", check_scram, true, false },
};

/* Each entry of an object, alone, under its name. */
static void
run_entries(struct run *run, struct tally *tally, const char *file,
    json_t *object, check *one)
{
	const char *name;
	json_t *value, *single;

	json_object_foreach(object, name, value) {
		single = json_object();
		json_object_set(single, name, value);
		count(run, tally, file, name, one(run, single));
		json_decref(single);
	}
}

static void
run_members(struct run *run, struct tally *tally, const char *file,
    json_t *root)
{
	size_t known = 0, shapes = sizeof member_shapes /
	    sizeof member_shapes[0];

	for (size_t i = 0; i < shapes; i++) {
		const char *name = member_shapes[i].name;
		json_t *member = json_object_get(root, name);

		if (member == NULL ||
		    json_object_get(root, member_shapes[i].needs) == NULL)
			continue;
		known++;
		if (member_shapes[i].is_array) {
			run_array(run, tally, file, member, root,
			    member_shapes[i].check);
		} else if (!member_shapes[i].is_whole) {
			run_entries(run, tally, file, member,
			    member_shapes[i].check);
		} else {
			json_object_set_new(root, "this", json_string(name));
			count(run, tally, file, name,
			    member_shapes[i].check(run, root));
		}
	}
	if (known == 0)
		count(run, tally, file, "the file", no_shape(run, root));
}

static void
run_json(struct run *run, struct tally *tally, const char *file, json_t *root)
{
	unsigned long before = tally->passed + tally->failed + tally->skipped;

	if (json_is_array(root))
		run_array(run, tally, file, root, NULL, NULL);
	else if (json_is_array(json_object_get(root, "testGroups")))
		run_groups(run, tally, file, root);
	else if (json_is_array(json_object_get(root, "vectors")))
		run_array(run, tally, file, json_object_get(root, "vectors"),
		    root, NULL);
	else
		run_members(run, tally, file, root);
	if (tally->passed + tally->failed + tally->skipped == before)
		count(run, tally, file, "the file", "it has no vectors");
}

/* --- Files ------------------------------------------------------------- */

/* Plain or gzip; the length, or negative. */
static ptrdiff_t
read_file(struct run *run, const char *file, uint8_t **out)
{
	static const size_t size = 64 << 20;
	uint8_t *bytes = run_allocate(run, size);
	FILE *stream = fopen(file, "rb");
	size_t length;

	*out = bytes;
	if (stream == NULL)
		return -1;
	length = fread(bytes, 1, size, stream);
	fclose(stream);
	if (length < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b)
		return (ptrdiff_t)length;
	if (strchr(file, '\'') != NULL)
		return -1;
	snprintf((char *)bytes, size, "gzip -dc -- '%s'", file);
	stream = popen((char *)bytes, "r");
	if (stream == NULL)
		return -1;
	length = fread(bytes, 1, size, stream);
	return pclose(stream) == 0 ? (ptrdiff_t)length : -1;
}

static void
run_file(struct run *run, struct tally *tally, const char *file)
{
	json_error_t error;
	ptrdiff_t length;
	uint8_t *bytes;
	json_t *root;

	length = read_file(run, file, &bytes);
	if (length < 0) {
		count(run, tally, file, "the file", "it cannot be read");
		return;
	}
	bytes[length] = '\0';
	root = json_loadb((char *)bytes, (size_t)length, 0, &error);
	if (root == NULL) {
		struct span text = { bytes, (size_t)length };

		count(run, tally, file, "the file",
		    check_mlkem_text(run, text));
		return;
	}
	run_free(run);
	run_json(run, tally, file, root);
	json_decref(root);
}

int
main(int argc, char **argv)
{
	struct sj__ipsecmb *ipsecmb = sj__ipsecmb_open();
	struct run run = { .faster = sj__ipsecmb_aeads(ipsecmb) };
	struct tally tally = { 0 };

	if (argc < 2) {
		fprintf(stderr, "usage: sojourn-vectors FILE...\n");
		return 2;
	}
	sj__memory_init(&run.memory, 64 << 20);
	if (sj__crypto_open(&run.crypto, &run.memory, NULL) < 0) {
		fprintf(stderr, "sojourn-vectors: libcrypto is incomplete\n");
		return 2;
	}
	for (int i = 1; i < argc; i++)
		run_file(&run, &tally, argv[i]);
	sj__crypto_close(run.crypto, &run.memory);
	if (run.faster == NULL)
		printf("intel-ipsec-mb is not there: its table was not tried\n");
	sj__ipsecmb_close(ipsecmb);
	for (int i = 0; i < REASONS_MAX && tally.reasons[i].text != NULL; i++)
		printf("skipped %lu: %s\n", tally.reasons[i].count,
		    tally.reasons[i].text);
	printf("%lu passed, %lu failed, %lu skipped\n", tally.passed,
	    tally.failed, tally.skipped);
	return tally.failed > 0 ? 1 : 0;
}
