/* SPDX-License-Identifier: ISC */
/* private_key.c - the private keys a client signs with */
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "core/crypto.h"
#include "core/cursor.h"
#include "io/private_key.h"

#define FIELD_MAX 66                    /* bytes of a number of P-521 */
#define NUMBER_MAX 2049                 /* of RSA with 16384 bits, as mpint */

struct curve {
	const char *type, *name, *group, *hash;
	int field;                      /* bytes of a coordinate */
};
static const struct curve curves[] = {
	{ "ecdsa-sha2-nistp256", "nistp256", "prime256v1", "SHA256", 32 },
	{ "ecdsa-sha2-nistp384", "nistp384", "secp384r1", "SHA384", 48 },
	{ "ecdsa-sha2-nistp521", "nistp521", "secp521r1", "SHA512", 66 },
};

/* --- Strings and numbers of ssh ----------------------------------------- */

static struct span
get_string(struct reader *reader)
{
	return read_span(reader, read_uint(reader, 4));
}

static bool
is_text(struct span span, const char *text)
{
	return span.length == strlen(text) &&
	    memcmp(span.data, text, span.length) == 0;
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

/* A positive number; NULL: none, or no memory. */
static BIGNUM *
get_number(struct reader *reader)
{
	struct span span = get_string(reader);
	BIGNUM *number;

	if (reader->failed || span.length == 0 || span.length > NUMBER_MAX ||
	    (span.data[0] & 0x80))
		return NULL;
	number = BN_secure_new();
	if (number != NULL &&
	    BN_bin2bn(span.data, (int)span.length, number) == NULL) {
		BN_clear_free(number);
		return NULL;
	}
	if (number != NULL)
		BN_set_flags(number, BN_FLG_CONSTTIME);
	return number;
}

static void
put_number(struct writer *writer, const BIGNUM *number)
{
	uint8_t bytes[NUMBER_MAX];
	int length = BN_num_bytes(number);

	if (length == 0 || length >= NUMBER_MAX) {
		writer->failed = true;
		return;
	}
	bytes[0] = 0;
	BN_bn2bin(number, bytes + 1);
	if (bytes[1] & 0x80)
		put_string(writer, bytes, (size_t)length + 1);
	else
		put_string(writer, bytes + 1, (size_t)length);
}

/* --- ssh's form ---------------------------------------------------------- */

static EVP_PKEY *
make(const char *algorithm, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm,
	    NULL);
	EVP_PKEY *key = NULL;

	if (params != NULL && context != NULL &&
	    EVP_PKEY_fromdata_init(context) > 0 &&
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return key;
}

/* The seed is taken alone: whoever compares the public half sees if it is
 * another's. */
static EVP_PKEY *
read_ed25519(struct reader *reader)
{
	struct span public_key = get_string(reader), both = get_string(reader);

	if (reader->failed || public_key.length != 32 || both.length != 64 ||
	    memcmp(both.data + 32, public_key.data, 32) != 0)
		return NULL;
	return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, both.data,
	    32);
}

static EVP_PKEY *
read_ecdsa(struct reader *reader, const struct curve *curve)
{
	struct span name = get_string(reader), point = get_string(reader);
	BIGNUM *secret = get_number(reader);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (secret != NULL && build != NULL && is_text(name, curve->name) &&
	    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
	    curve->group, 0) && OSSL_PARAM_BLD_push_octet_string(build,
	    OSSL_PKEY_PARAM_PUB_KEY, point.data, point.length) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, secret))
		key = make("EC", build);
	OSSL_PARAM_BLD_free(build);
	BN_clear_free(secret);
	return key;
}

/* n, e, d, iqmp, p, q in ssh's order; libcrypto wants d mod p - 1 and q - 1. */
enum { RSA_N, RSA_E, RSA_D, RSA_IQMP, RSA_P, RSA_Q, RSA_DP, RSA_DQ, RSA_NUMBERS };

static bool
add_exponents(BIGNUM *numbers[RSA_NUMBERS])
{
	BN_CTX *context = BN_CTX_secure_new();
	BIGNUM *less = BN_secure_new();
	bool good = context != NULL && less != NULL;

	for (int i = 0; i < 2 && good; i++) {
		BIGNUM *out = BN_secure_new();

		numbers[RSA_DP + i] = out;
		good = out != NULL && BN_sub(less, numbers[RSA_P + i],
		    BN_value_one());
		BN_set_flags(less, BN_FLG_CONSTTIME);
		good = good && BN_mod(out, numbers[RSA_D], less, context);
	}
	BN_clear_free(less);
	BN_CTX_free(context);
	return good;
}

static EVP_PKEY *
read_rsa(struct reader *reader)
{
	static const char *const names[RSA_NUMBERS] = { OSSL_PKEY_PARAM_RSA_N,
	    OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
	    OSSL_PKEY_PARAM_RSA_COEFFICIENT1, OSSL_PKEY_PARAM_RSA_FACTOR1,
	    OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1,
	    OSSL_PKEY_PARAM_RSA_EXPONENT2 };
	BIGNUM *numbers[RSA_NUMBERS] = { NULL };
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	bool good = build != NULL;
	EVP_PKEY *key = NULL;

	for (int i = 0; i < RSA_DP && good; i++)
		good = (numbers[i] = get_number(reader)) != NULL;
	good = good && add_exponents(numbers);
	for (int i = 0; i < RSA_NUMBERS && good; i++)
		good = OSSL_PARAM_BLD_push_BN(build, names[i], numbers[i]);
	if (good)
		key = make("RSA", build);
	OSSL_PARAM_BLD_free(build);
	for (int i = 0; i < RSA_NUMBERS; i++)
		BN_clear_free(numbers[i]);
	return key;
}

EVP_PKEY *
private_key_read(struct span fields)
{
	struct reader reader = reader_of(fields.data, fields.length);
	struct span type = get_string(&reader);
	EVP_PKEY *key = NULL;

	if (reader.failed)
		return NULL;
	if (is_text(type, "ssh-ed25519"))
		key = read_ed25519(&reader);
	else if (is_text(type, "ssh-rsa"))
		key = read_rsa(&reader);
	else for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
		if (is_text(type, curves[i].type))
			key = read_ecdsa(&reader, &curves[i]);
	ERR_clear_error();
	return key;
}

/* --- PEM ------------------------------------------------------------------ */

struct asked {
	const char *passphrase;
	bool is_encrypted;
};

static int
give_passphrase(char *out, int size, int writing, void *data)
{
	struct asked *asked = data;
	size_t length;

	(void)writing;
	asked->is_encrypted = true;
	if (asked->passphrase == NULL)
		return -1;
	length = strlen(asked->passphrase);
	if (length > (size_t)size)
		return -1;
	memcpy(out, asked->passphrase, length);
	return (int)length;
}

EVP_PKEY *
private_key_from_pem(const char *text, size_t length, const char *passphrase,
    bool *is_encrypted)
{
	BIO *bio = BIO_new_mem_buf(text, (int)length);
	struct asked asked = { passphrase, false };
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase,
		    &asked);
	*is_encrypted = asked.is_encrypted;
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

void
private_key_free(EVP_PKEY *key)
{
	EVP_PKEY_free(key);
}

/* --- The public half ------------------------------------------------------ */

static const struct curve *
curve_of(const EVP_PKEY *key)
{
	char group[64];
	size_t length;

	if (!EVP_PKEY_is_a(key, "EC") ||
	    EVP_PKEY_get_group_name(key, group, sizeof group, &length) <= 0)
		return NULL;
	for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
		if (strcmp(group, curves[i].group) == 0)
			return &curves[i];
	return NULL;
}

/* The point uncompressed, however the file had it. */
static void
put_point(struct writer *writer, const EVP_PKEY *key, const struct curve *curve)
{
	static const char *const names[2] = { OSSL_PKEY_PARAM_EC_PUB_X,
	    OSSL_PKEY_PARAM_EC_PUB_Y };
	uint8_t point[1 + 2 * FIELD_MAX] = { 4 };
	BIGNUM *number = NULL;

	for (int i = 0; i < 2; i++)
		if (EVP_PKEY_get_bn_param(key, names[i], &number) <= 0 ||
		    BN_bn2binpad(number, point + 1 + i * curve->field,
		    curve->field) < 0)
			writer->failed = true;
	BN_free(number);
	put_string(writer, point, 1 + 2 * (size_t)curve->field);
}

ptrdiff_t
private_key_blob(const EVP_PKEY *key, uint8_t *out, size_t capacity)
{
	struct writer writer = writer_of(out, capacity);
	const struct curve *curve = curve_of(key);
	BIGNUM *n = NULL, *e = NULL;
	uint8_t public_key[32];
	size_t length = sizeof public_key;

	if (EVP_PKEY_is_a(key, "ED25519")) {
		put_text(&writer, "ssh-ed25519");
		if (EVP_PKEY_get_raw_public_key(key, public_key, &length) <= 0)
			writer.failed = true;
		put_string(&writer, public_key, sizeof public_key);
	} else if (EVP_PKEY_is_a(key, "RSA")) {
		put_text(&writer, "ssh-rsa");
		if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) > 0 &&
		    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) > 0) {
			put_number(&writer, e);
			put_number(&writer, n);
		} else {
			writer.failed = true;
		}
	} else if (curve != NULL) {
		put_text(&writer, curve->type);
		put_text(&writer, curve->name);
		put_point(&writer, key, curve);
	} else {
		writer.failed = true;
	}
	BN_free(n);
	BN_free(e);
	ERR_clear_error();
	return writer.failed ? -1 : writer.at - out;
}

/* --- Signing -------------------------------------------------------------- */

static bool
sign_raw(EVP_PKEY *key, const char *hash, struct span message, uint8_t *out,
    size_t *length)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context != NULL && EVP_DigestSignInit_ex(context, NULL,
	    hash, NULL, NULL, key, NULL) > 0 &&
	    EVP_DigestSign(context, out, length, message.data,
	    message.length) > 0;

	EVP_MD_CTX_free(context);
	return good;
}

/* RFC 5656 section 3.1.2 from DER. */
static void
put_ecdsa(struct writer *writer, const uint8_t *der, size_t length)
{
	ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)length);
	uint8_t numbers[2 * (FIELD_MAX + 5)];
	struct writer inner = writer_of(numbers, sizeof numbers);

	if (signature != NULL) {
		put_number(&inner, ECDSA_SIG_get0_r(signature));
		put_number(&inner, ECDSA_SIG_get0_s(signature));
	}
	if (signature == NULL || inner.failed)
		writer->failed = true;
	ECDSA_SIG_free(signature);
	put_string(writer, numbers, (size_t)(inner.at - numbers));
}

ptrdiff_t
private_key_sign(EVP_PKEY *key, struct span message, uint8_t *out,
    size_t capacity)
{
	struct writer writer = writer_of(out, capacity);
	const struct curve *curve = curve_of(key);
	uint8_t raw[NUMBER_MAX];
	size_t length = sizeof raw;
	bool is_rsa = EVP_PKEY_is_a(key, "RSA");

	if (!is_rsa && curve == NULL && !EVP_PKEY_is_a(key, "ED25519"))
		return -1;
	if (!sign_raw(key, is_rsa ? "SHA512" : curve != NULL ? curve->hash :
	    NULL, message, raw, &length)) {
		ERR_clear_error();
		return -1;
	}
	put_text(&writer, is_rsa ? "rsa-sha2-512" : curve != NULL ?
	    curve->type : "ssh-ed25519");
	if (curve != NULL)
		put_ecdsa(&writer, raw, length);
	else
		put_string(&writer, raw, length);
	return writer.failed ? -1 : writer.at - out;
}
