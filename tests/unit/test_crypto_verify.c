/* SPDX-License-Identifier: ISC */
/* test_crypto_verify.c DIRECTORY - what ssh signs is taken, in one form only;
 * DIRECTORY is tests/vectors/ssh */
#include <stdio.h>

#include <openssl/rsa.h>

#include "unit.h"

#include "core/crypto_verify.c"
#include "io/base64.h"
#include "io/private_key.h"

#define ROOM 4096

static struct sj__memory memory;
static struct sj__crypto *crypto;
static const char *directory;

struct sample {
	uint8_t blob[ROOM], message[256], signature[ROOM];
	size_t blob_length, message_length, signature_length;
};
static struct sample sample;

static const char *const good_names[] = { "ed25519", "ecdsa-256", "ecdsa-384",
    "ecdsa-521", "rsa-2048", "rsa-3072", "rsa-4096", "sk-ed25519", "sk-ecdsa",
    "sk-other" };

static int
set_up(void **state)
{
	(void)state;
	sj__memory_init(&memory, 1 << 20);
	return sj__crypto_open(&crypto, &memory, NULL);
}

static int
tear_down(void **state)
{
	(void)state;
	sj__crypto_close(crypto, &memory);
	return 0;
}

/* On the heap and of the exact size, so that a byte too far is seen. */
static int
verify(const struct sample *from)
{
	uint8_t *blob = malloc(from->blob_length + 1);
	uint8_t *signature = malloc(from->signature_length + 1);
	int result;

	memcpy(blob + 1, from->blob, from->blob_length);
	memcpy(signature + 1, from->signature, from->signature_length);
	result = sj__ssh_verify(crypto,
	    (struct span){ blob + 1, from->blob_length },
	    (struct span){ from->message, from->message_length },
	    (struct span){ signature + 1, from->signature_length });
	free(blob);
	free(signature);
	assert_true(result == 0 || result == SJ_ERR_PROTOCOL);
	return result;
}

static void
put_string(struct writer *writer, const void *bytes, size_t length)
{
	write_uint(writer, length, 4);
	write_bytes(writer, bytes, length);
}

static void
put_text(struct writer *writer, const char *text)
{
	put_string(writer, text, strlen(text));
}

/* --- Files ---------------------------------------------------------------- */

static size_t
read_text(const char *name, const char *end, char *out)
{
	char path[1024];
	FILE *file;
	size_t length;

	snprintf(path, sizeof path, "%s/%s%s", directory, name, end);
	file = fopen(path, "r");
	assert_non_null(file);
	length = fread(out, 1, ROOM - 1, file);
	fclose(file);
	out[length] = '\0';
	return length;
}

/* The SSHSIG around it is not what is tested here. */
static void
load(const char *name)
{
	char text[ROOM], *at, *out;
	uint8_t bytes[ROOM], digest[64];
	struct reader reader;
	struct writer writer = writer_of(sample.message,
	    sizeof sample.message);
	struct span span;
	ssize_t length;

	read_text(name, ".pub", text);
	at = strchr(text, ' ') + 1;
	length = base64_decode(at, strcspn(at, " \n"), sample.blob, ROOM);
	assert_true(length > 0);
	sample.blob_length = (size_t)length;
	read_text(name, ".sig", text);
	out = at = strchr(text, '\n');
	for (; strncmp(at, "\n-----END", 9) != 0; at++)
		if (*at != '\n')
			*out++ = *at;
	at = strchr(text, '-') + strlen("-----BEGIN SSH SIGNATURE-----");
	length = base64_decode(at, (size_t)(out - at), bytes, ROOM);
	assert_true(length > 0);
	reader = reader_of(bytes, (size_t)length);
	read_bytes(&reader, 10);
	for (int i = 0; i < 5; i++)
		span = get_string(&reader);
	assert_false(reader.failed);
	memcpy(sample.signature, span.data, span.length);
	sample.signature_length = span.length;
	sj__sha512(crypto, "message", 7, digest);
	write_bytes(&writer, "SSHSIG", 6);
	put_text(&writer, "sojourn-login-v1");
	put_text(&writer, "");
	put_text(&writer, "sha512");
	put_string(&writer, digest, 64);
	sample.message_length = (size_t)(writer.at - sample.message);
}

/* --- Tests ---------------------------------------------------------------- */

/* [SJ-LG-20] */
static void
of_ssh(void **state)
{
	struct span blob;

	(void)state;
	for (size_t i = 0; i < sizeof good_names / sizeof *good_names; i++) {
		load(good_names[i]);
		blob = (struct span){ sample.blob, sample.blob_length };
		assert_int_equal(verify(&sample), 0);
		assert_non_null(sj__ssh_key_type(blob));
		assert_true((sj__ssh_rsa_size(blob) > 0) ==
		    (strncmp(good_names[i], "rsa", 3) == 0));
	}
}

static void
every_bit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good_names / sizeof *good_names; i++) {
		load(good_names[i]);
		for (size_t bit = 0; bit < 8 * sample.signature_length; bit++) {
			sample.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(verify(&sample), SJ_ERR_PROTOCOL);
			sample.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t bit = 0; bit < 8 * sample.blob_length; bit++) {
			sample.blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(verify(&sample), SJ_ERR_PROTOCOL);
			sample.blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t bit = 0; bit < 8 * sample.message_length; bit++) {
			sample.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(verify(&sample), SJ_ERR_PROTOCOL);
			sample.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(verify(&sample), 0);
	}
}

static void
every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good_names / sizeof *good_names; i++) {
		size_t whole;

		load(good_names[i]);
		whole = sample.signature_length;
		for (size_t n = 0; n <= whole + 1; n++) {
			sample.signature_length = n;
			assert_int_equal(verify(&sample),
			    n == whole ? 0 : SJ_ERR_PROTOCOL);
		}
		sample.signature_length = whole;
		whole = sample.blob_length;
		for (size_t n = 0; n <= whole + 1; n++) {
			sample.blob_length = n;
			assert_int_equal(verify(&sample),
			    n == whole ? 0 : SJ_ERR_PROTOCOL);
		}
	}
}

/* One key, the other's signature. */
static void
exchanged(void **state)
{
	static struct sample first;
	size_t count = sizeof good_names / sizeof *good_names;

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			load(good_names[i]);
			first = sample;
			load(good_names[j]);
			memcpy(first.signature, sample.signature, ROOM);
			first.signature_length = sample.signature_length;
			assert_int_equal(verify(&first),
			    i == j ? 0 : SJ_ERR_PROTOCOL);
		}
}

/* [SJ-LG-22], [SJ-LG-23]: good ones by keys or without a person that do not
 * count. */
static void
refused(void **state)
{
	static const struct { const char *name; bool is_key; } table[] = {
	    { "refused-rsa-1024", false }, { "refused-absent-ed25519", true },
	    { "refused-absent-ecdsa", true } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		load(table[i].name);
		assert_int_equal(verify(&sample), SJ_ERR_PROTOCOL);
		assert_true((sj__ssh_key_type((struct span){ sample.blob,
		    sample.blob_length }) != NULL) == table[i].is_key);
	}
	load("refused-absent-ed25519");
	assert_int_equal(sample.signature[sample.signature_length - 5], 0);
	load("refused-absent-ecdsa");
	assert_int_equal(sample.signature[sample.signature_length - 5], 4);
}

/* --- RSA ------------------------------------------------------------------ */

static void
sign_rsa(EVP_PKEY *key, const char *algorithm, const char *hash)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	struct writer writer = writer_of(sample.signature, ROOM);
	uint8_t raw[ROOM];
	size_t length = sizeof raw;

	assert_true(EVP_DigestSignInit_ex(context, NULL, hash, NULL, NULL, key,
	    NULL) > 0);
	assert_true(EVP_DigestSign(context, raw, &length, sample.message,
	    sample.message_length) > 0);
	EVP_MD_CTX_free(context);
	put_text(&writer, algorithm);
	put_string(&writer, raw, length);
	sample.signature_length = (size_t)(writer.at - sample.signature);
}

static EVP_PKEY *
new_rsa(size_t bits)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
	ptrdiff_t length;

	assert_non_null(key);
	length = private_key_blob(key, sample.blob, ROOM);
	assert_true(length > 0);
	sample.blob_length = (size_t)length;
	return key;
}

static void
rsa_algorithms(void **state)
{
	static const struct { const char *algorithm, *hash; int result; }
	    table[] = { { "rsa-sha2-512", "SHA512", 0 },
	    { "rsa-sha2-256", "SHA256", SJ_ERR_PROTOCOL },
	    { "ssh-rsa", "SHA1", SJ_ERR_PROTOCOL },
	    { "rsa-sha2-512", "SHA256", SJ_ERR_PROTOCOL },
	    { "rsa-sha2-512", "SHA1", SJ_ERR_PROTOCOL },
	    { "ssh-rsa", "SHA512", SJ_ERR_PROTOCOL },
	    { "rsa-sha2-512x", "SHA512", SJ_ERR_PROTOCOL } };
	EVP_PKEY *key;

	(void)state;
	load("rsa-2048");
	key = new_rsa(2048);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		sign_rsa(key, table[i].algorithm, table[i].hash);
		assert_int_equal(verify(&sample), table[i].result);
	}
	EVP_PKEY_free(key);
	key = new_rsa(2047);
	sign_rsa(key, "rsa-sha2-512", "SHA512");
	assert_int_equal(verify(&sample), SJ_ERR_PROTOCOL);
	EVP_PKEY_free(key);
}

/* A key of these two strings, as they are. */
static const char *
rsa_type(const void *e, size_t e_length, const void *n, size_t n_length)
{
	static uint8_t blob[ROOM];
	struct writer writer = writer_of(blob, sizeof blob);

	put_text(&writer, "ssh-rsa");
	put_string(&writer, e, e_length);
	put_string(&writer, n, n_length);
	assert_false(writer.failed);
	return sj__ssh_key_type((struct span){ blob,
	    (size_t)(writer.at - blob) });
}

/* [SJ-LG-23], and that numbers have one form. */
static void
rsa_numbers(void **state)
{
	uint8_t n[2051];

	(void)state;
	memset(n, 0xff, sizeof n);
	n[0] = n[1] = 0;
#define E "\x01\x00\x01", 3
	assert_non_null(rsa_type(E, n + 1, 257));
	assert_null(rsa_type(E, n, 258));       /* a zero too many */
	assert_null(rsa_type(E, n + 2, 256));   /* negative */
	assert_null(rsa_type(E, n + 2, 0));
	n[2] = 0x7f;
	assert_null(rsa_type(E, n + 2, 256));   /* 2047 bits */
	assert_null(rsa_type(E, n + 1, 257));
	n[2] = 0xff;
	assert_non_null(rsa_type(E, n + 1, 2049));
	n[1] = 1;
	assert_null(rsa_type(E, n + 1, 2049));  /* 16385 bits */
	n[1] = 0;
	n[257] = 0xfe;
	assert_null(rsa_type(E, n + 1, 257));   /* even */
	n[257] = 0xff;
	assert_non_null(rsa_type("\x03", 1, n + 1, 257));
	assert_non_null(rsa_type("\x00\xff", 2, n + 1, 257));
	assert_non_null(rsa_type("\x7f\xff\xff\xff", 4, n + 1, 257));
	assert_non_null(rsa_type("\x00\xff\xff\xff\xff", 5, n + 1, 257));
	assert_null(rsa_type("\x01\x00\x00\x00\x01", 5, n + 1, 257));
	assert_null(rsa_type("\x01", 1, n + 1, 257));
	assert_null(rsa_type("\x02", 1, n + 1, 257));
	assert_null(rsa_type("\x00", 1, n + 1, 257));
	assert_null(rsa_type("", 0, n + 1, 257));
	assert_null(rsa_type("\x81", 1, n + 1, 257));
	assert_null(rsa_type("\x00\x03", 2, n + 1, 257));
}

/* --- ECDSA ---------------------------------------------------------------- */

static int
with_numbers(const void *r, size_t r_length, const void *s, size_t s_length)
{
	static struct sample changed;
	struct writer inner, writer = writer_of(changed.signature, ROOM);
	uint8_t numbers[512];

	memcpy(&changed, &sample, sizeof changed);
	inner = writer_of(numbers, sizeof numbers);
	put_string(&inner, r, r_length);
	put_string(&inner, s, s_length);
	put_text(&writer, "ecdsa-sha2-nistp256");
	put_string(&writer, numbers, (size_t)(inner.at - numbers));
	changed.signature_length = (size_t)(writer.at - changed.signature);
	return verify(&changed);
}

/* [SJ-LG-21] */
static void
ecdsa_numbers(void **state)
{
	uint8_t order[34] = { 0, 0 }, padded[64] = { 0 };
	struct reader reader;
	struct span r, s;

	(void)state;
	load("ecdsa-256");
	reader = reader_of(sample.signature, sample.signature_length);
	get_string(&reader);
	reader = reader_of(reader.at + 4, sample.signature_length);
	r = get_string(&reader);
	s = get_string(&reader);
	assert_int_equal(with_numbers(r.data, r.length, s.data, s.length), 0);
	memcpy(padded + 1, r.data, r.length);
	assert_int_equal(with_numbers(padded, r.length + 1, s.data, s.length),
	    SJ_ERR_PROTOCOL);
	memcpy(padded + 1, s.data, s.length);
	assert_int_equal(with_numbers(r.data, r.length, padded, s.length + 1),
	    SJ_ERR_PROTOCOL);
	memcpy(order + 2, order_256, 32);
#define BAD(number, size) \
	assert_int_equal(with_numbers(number, size, s.data, s.length), \
	    SJ_ERR_PROTOCOL); \
	assert_int_equal(with_numbers(r.data, r.length, number, size), \
	    SJ_ERR_PROTOCOL)
	BAD("", 0);
	BAD("\0", 1);
	BAD("\x80", 1);
	BAD(order + 1, 33);
	BAD(order + 2, 32);             /* negative */
	BAD(order, 34);
	order[33]++;
	BAD(order + 1, 33);
	/* r + order is r to who does not look. */
	BAD("\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
	    33);
	assert_true(is_below((struct span){ order_256, 31 }, order_256, 32));
	assert_false(is_below((struct span){ order_256, 32 }, order_256, 32));
}

static int
with_point(const char *curve, const uint8_t *point, size_t length)
{
	static struct sample changed;
	struct writer writer = writer_of(changed.blob, ROOM);

	memcpy(&changed, &sample, sizeof changed);
	put_text(&writer, "ecdsa-sha2-nistp256");
	put_text(&writer, curve);
	put_string(&writer, point, length);
	changed.blob_length = (size_t)(writer.at - changed.blob);
	return verify(&changed);
}

static void
ecdsa_points(void **state)
{
	uint8_t point[66] = { 0 };

	(void)state;
	load("ecdsa-256");
	memcpy(point, sample.blob + sample.blob_length - 65, 65);
	assert_int_equal(with_point("nistp256", point, 65), 0);
	assert_int_equal(with_point("nistp384", point, 65), SJ_ERR_PROTOCOL);
	assert_int_equal(with_point("", point, 65), SJ_ERR_PROTOCOL);
	assert_int_equal(with_point("nistp256", point, 66), SJ_ERR_PROTOCOL);
	assert_int_equal(with_point("nistp256", point, 64), SJ_ERR_PROTOCOL);
	point[0] = 6;                   /* hybrid */
	point[0] |= point[64] & 1;
	assert_int_equal(with_point("nistp256", point, 65), SJ_ERR_PROTOCOL);
	point[0] = (uint8_t)(2 | (point[64] & 1));
	assert_int_equal(with_point("nistp256", point, 33), SJ_ERR_PROTOCOL);
	point[0] = 0;
	assert_int_equal(with_point("nistp256", point, 1), SJ_ERR_PROTOCOL);
	point[0] = 4;
	memset(point + 1, 0, 64);
	assert_int_equal(with_point("nistp256", point, 65), SJ_ERR_PROTOCOL);
	memset(point + 1, 0xff, 64);
	assert_int_equal(with_point("nistp256", point, 65), SJ_ERR_PROTOCOL);
}

/* --- Keys in devices ------------------------------------------------------ */

/* [SJ-LG-22] A device that signs for a web site signs for no login. */
static void
applications(void **state)
{
	static const struct { const char *name; int result; } table[] = {
	    { "ssh:", 0 }, { "ssh:elsewhere", 0 }, { "ssh", SJ_ERR_PROTOCOL },
	    { "", SJ_ERR_PROTOCOL }, { "https://example.org", SJ_ERR_PROTOCOL },
	    { "SSH:", SJ_ERR_PROTOCOL }, { " ssh:", SJ_ERR_PROTOCOL } };
	static const uint8_t tail[5] = { 1, 0, 0, 0, 9 };
	uint8_t seed[32], public_key[32], wrapped[69], raw[64];

	(void)state;
	load("sk-ed25519");
	draw_bytes(seed, sizeof seed);
	assert_int_equal(sj__ed25519_public(crypto, seed, public_key), 0);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct writer blob = writer_of(sample.blob, ROOM);
		struct writer writer = writer_of(sample.signature, ROOM);
		struct ssh_key key = { .application = {
		    (const uint8_t *)table[i].name, strlen(table[i].name) } };

		put_text(&blob, "sk-ssh-ed25519@openssh.com");
		put_string(&blob, public_key, 32);
		put_text(&blob, table[i].name);
		sample.blob_length = (size_t)(blob.at - sample.blob);
		assert_int_equal(sj__ed25519_sign(crypto, seed,
		    wrap_for_sk(crypto, &key, (struct span){ sample.message,
		    sample.message_length }, tail, wrapped), raw), 0);
		put_text(&writer, "sk-ssh-ed25519@openssh.com");
		put_string(&writer, raw, 64);
		write_bytes(&writer, tail, 5);
		sample.signature_length = (size_t)(writer.at -
		    sample.signature);
		assert_int_equal(verify(&sample), table[i].result);
	}
}

/* Nothing that is thrown at it does more than be refused. */
static void
noise(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		load(good_names[draw(sizeof good_names / sizeof *good_names)]);
		for (uint64_t n = 1 + draw(4); n > 0; n--) {
			/* mostly where lengths and numbers begin */
			sample.blob[draw(draw(2) ? 60 : sample.blob_length)] ^=
			    (uint8_t)(1 + draw(255));
			sample.signature[draw(draw(2) ? 60 :
			    sample.signature_length)] ^=
			    (uint8_t)(1 + draw(255));
		}
		assert_int_equal(verify(&sample), SJ_ERR_PROTOCOL);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_ssh),
		cmocka_unit_test(every_bit),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(exchanged),
		cmocka_unit_test(refused),
		cmocka_unit_test(rsa_algorithms),
		cmocka_unit_test(rsa_numbers),
		cmocka_unit_test(ecdsa_numbers),
		cmocka_unit_test(ecdsa_points),
		cmocka_unit_test(applications),
		cmocka_unit_test(noise),
	};

	directory = argc > 1 ? argv[1] : "tests/vectors/ssh";
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
