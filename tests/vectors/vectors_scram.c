/* SPDX-License-Identifier: ISC */
/*
 * vectors_scram.c - SCRAM exchanges (RFC 5802, 7677)
 *
 * Every message is made anew from the password, the salt and the nonces and
 * compared: an exchange is valid if all of them come out. SASLprep is done for
 * the Latin letters of Unicode's first block and what decomposes to them.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdarg.h>
#include <stdio.h>

#include "vectors.h"

#define TEXT_MAX 2048

struct exchange {
	const EVP_MD *digest;
	char header[TEXT_MAX], first[TEXT_MAX], challenge[TEXT_MAX],
	    bare_final[TEXT_MAX], final[TEXT_MAX], answer[TEXT_MAX];
};

static void
format(char *out, const char *text, ...)
    __attribute__((format(printf, 2, 3)));

static void
format(char *out, const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	vsnprintf(out, TEXT_MAX, text, arguments);
	va_end(arguments);
}

/* --- SASLprep ---------------------------------------------------------- */

/* The next code point of checked UTF-8 (JSON is). */
static uint32_t
next_point(const unsigned char **text)
{
	const unsigned char *at = *text;
	int more = *at < 0x80 ? 0 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
	uint32_t point = more == 0 ? *at : *at & (0x3fu >> more);

	for (at++; more > 0 && (*at & 0xc0) == 0x80; more--)
		point = point << 6 | (*at++ & 0x3fu);
	*text = at;
	return point;
}

static size_t
put_point(uint32_t point, char *out)
{
	if (point < 0x80) {
		out[0] = (char)point;
		return 1;
	}
	out[0] = (char)(0xc0 | point >> 6);
	out[1] = (char)(0x80 | (point & 0x3f));
	return 2;
}

static uint32_t
compose(uint32_t base, uint32_t mark)
{
	static const struct { uint32_t mark; const char *bases; uint8_t to[16]; }
	    rows[] = {
		{ 0x300, "AEIOUaeiou", { 0xc0, 0xc8, 0xcc, 0xd2, 0xd9, 0xe0,
		    0xe8, 0xec, 0xf2, 0xf9 } },
		{ 0x301, "AEIOUYaeiouy", { 0xc1, 0xc9, 0xcd, 0xd3, 0xda, 0xdd,
		    0xe1, 0xe9, 0xed, 0xf3, 0xfa, 0xfd } },
		{ 0x302, "AEIOUaeiou", { 0xc2, 0xca, 0xce, 0xd4, 0xdb, 0xe2,
		    0xea, 0xee, 0xf4, 0xfb } },
		{ 0x303, "ANOano", { 0xc3, 0xd1, 0xd5, 0xe3, 0xf1, 0xf5 } },
		{ 0x308, "AEIOUaeiouy", { 0xc4, 0xcb, 0xcf, 0xd6, 0xdc, 0xe4,
		    0xeb, 0xef, 0xf6, 0xfc, 0xff } },
		{ 0x30a, "Aa", { 0xc5, 0xe5 } },
		{ 0x327, "Cc", { 0xc7, 0xe7 } },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *found = base == 0 || base > 0x7f ||
		    rows[i].mark != mark ? NULL :
		    strchr(rows[i].bases, (int)base);

		if (found != NULL)
			return rows[i].to[found - rows[i].bases];
	}
	return 0;
}

/* What one code point becomes; 0: nothing; UINT32_MAX: not known here. */
static uint32_t
map_point(uint32_t point)
{
	if (point == 0xad)
		return 0;
	if (point == 0xa0)
		return ' ';
	if (point == 0xaa || point == 0xba)
		return point == 0xaa ? 'a' : 'o';
	if (point == 0x212b || point == 0x212a)
		return point == 0x212b ? 0xc5 : 'K';
	if (point >= 0xff01 && point <= 0xff5e)
		return point - 0xff01 + '!';
	return point < 0x100 || (point >= 0x300 && point < 0x370) ? point :
	    UINT32_MAX;
}

static bool
prepare(const char *text, bool skip, char *out)
{
	const unsigned char *at = (const unsigned char *)text;
	uint32_t points[256], both;
	size_t count = 0, length = 0;

	if (skip) {
		format(out, "%s", text);
		return true;
	}
	while (*at != '\0' && count < 256) {
		uint32_t point = map_point(next_point(&at));

		if (point == 0)
			continue;
		both = count == 0 ? 0 : compose(points[count - 1], point);
		if (both != 0)
			points[count - 1] = both;
		else if (point < 0x100)
			points[count++] = point;
		else
			return false;
	}
	for (size_t i = 0; i < count; i++)
		length += put_point(points[i], out + length);
	out[length] = '\0';
	return true;
}

/* --- Messages ---------------------------------------------------------- */

static void
base64(const uint8_t *bytes, size_t length, char *out)
{
	EVP_EncodeBlock((unsigned char *)out, bytes, (int)length);
}

/* A name as RFC 5802 writes it. */
static void
escape(const char *name, char *out)
{
	for (; *name != '\0'; name++) {
		if (*name == ',' || *name == '=') {
			memcpy(out, *name == ',' ? "=2C" : "=3D", 3);
			out += 3;
		} else {
			*out++ = *name;
		}
	}
	*out = '\0';
}

static void
hmac(const EVP_MD *digest, const uint8_t *key, size_t size, const char *text,
    size_t length, uint8_t *out)
{
	unsigned done;

	HMAC(digest, key, (int)size, (const unsigned char *)text, length, out,
	    &done);
}

static bool
prove(struct exchange *exchange, const char *password, const uint8_t *salt,
    size_t salt_length, int rounds)
{
	uint8_t salted[64], client[64], stored[64], signature[64], server[64];
	size_t size = (size_t)EVP_MD_get_size(exchange->digest);
	static char signed_text[3 * TEXT_MAX];
	char proof[128];
	unsigned done;

	snprintf(signed_text, sizeof signed_text, "%s,%s,%s", exchange->first +
	    strlen(exchange->header), exchange->challenge,
	    exchange->bare_final);
	if (!PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt,
	    (int)salt_length, rounds, exchange->digest, (int)size, salted))
		return false;
	hmac(exchange->digest, salted, size, "Client Key", 10, client);
	EVP_Digest(client, size, stored, &done, exchange->digest, NULL);
	hmac(exchange->digest, stored, size, signed_text, strlen(signed_text),
	    signature);
	for (size_t i = 0; i < size; i++)
		client[i] ^= signature[i];
	base64(client, size, proof);
	format(exchange->final, "%s,p=%s", exchange->bare_final, proof);
	hmac(exchange->digest, salted, size, "Server Key", 10, server);
	hmac(exchange->digest, server, size, signed_text, strlen(signed_text),
	    signature);
	base64(signature, size, proof);
	format(exchange->answer, "v=%s", proof);
	return true;
}

/* Base64 without the line ends that some files have. */
static size_t
unbase64(const char *text, char *clean, uint8_t *out)
{
	size_t length = 0, padding = 0;
	int done;

	for (; *text != '\0' && length < 500; text++)
		if (*text > ' ') {
			padding += *text == '=';
			clean[length++] = *text;
		}
	clean[length] = '\0';
	done = EVP_DecodeBlock(out, (unsigned char *)clean, (int)length);
	return done < 0 ? 0 : (size_t)done - padding;
}

static const char *
build(json_t *root, struct exchange *exchange)
{
	const char *nonce = text_of(root, "clientNonce");
	const char *server_nonce = text_of(root, "serverNonce");
	const char *user = text_of(root, "user"), *pass = text_of(root, "pass");
	const char *id = text_of(root, "authID"), *salt64 = text_of(root,
	    "salt64");
	bool skip = json_is_true(json_object_get(root, "skipSASLprep"));
	int rounds = (int)json_integer_value(json_object_get(root, "iters"));
	char name[TEXT_MAX], escaped[3 * TEXT_MAX], password[TEXT_MAX];
	char clean[512], bound[TEXT_MAX];
	uint8_t salt[512];
	size_t salt_length;

	if (nonce == NULL || server_nonce == NULL || user == NULL ||
	    pass == NULL || salt64 == NULL || rounds <= 0 ||
	    strlen(user) > 255 || strlen(pass) > 255 ||
	    (id != NULL && strlen(id) > 255))
		return "a field is missing or too long";
	if (!prepare(user, skip, name) || !prepare(pass, skip, password))
		return "SASLprep beyond the Latin letters";
	salt_length = unbase64(salt64, clean, salt);
	escape(id == NULL ? "" : id, escaped);
	format(exchange->header, id == NULL || *id == '\0' ? "n,,%s" :
	    "n,a=%s,", escaped);
	base64((const uint8_t *)exchange->header, strlen(exchange->header),
	    bound);
	escape(name, escaped);
	format(exchange->first, "%sn=%.1000s,r=%s", exchange->header, escaped,
	    nonce);
	format(exchange->challenge, "r=%s%s,s=%s,i=%d", nonce, server_nonce,
	    clean, rounds);
	format(exchange->bare_final, "c=%s,r=%s%s", bound, nonce,
	    server_nonce);
	return prove(exchange, password, salt, salt_length, rounds) ? NULL :
	    "PBKDF2 fails";
}

const char *
check_scram(struct run *run, json_t *root)
{
	static struct exchange exchange;
	const char *const expected[] = { exchange.first, exchange.challenge,
	    exchange.final, exchange.answer, "" };
	json_t *steps = json_object_get(root, "steps"), *step;
	const char *digest = text_of(root, "digest"), *answer;
	bool is_expected = json_is_true(json_object_get(root, "valid"));
	size_t i, different = SIZE_MAX;

	exchange.digest = EVP_get_digestbyname(digest);
	if (exchange.digest == NULL)
		return why(run, "no %s", digest);
	answer = build(root, &exchange);
	if (answer != NULL)
		return answer;
	json_array_foreach(steps, i, step) {
		const char *text = json_string_value(step);

		if (different == SIZE_MAX && (text == NULL || i >= 5 ||
		    strcmp(text, expected[i]) != 0))
			different = i;
	}
	if (json_array_size(steps) < 4 && different == SIZE_MAX)
		different = json_array_size(steps);
	if (is_expected && different != SIZE_MAX)
		return why(run, "step %zu differs", different);
	return !is_expected && different == SIZE_MAX ?
	    "a bad exchange comes out" : NULL;
}
