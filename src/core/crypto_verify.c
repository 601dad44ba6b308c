/* SPDX-License-Identifier: ISC */
/*
 * crypto_verify.c - signatures by ssh's kinds of keys
 *
 * A key blob and a signature blob are decoded whole, each form exactly one
 * way, before libcrypto sees a byte of them: exact lengths, numbers without a
 * superfluous zero, nothing behind. One key type has one signature algorithm.
 * [SJ-LG-20]
 * Who holds the key, and what the message means, is not asked here.
 */
#include "core/crypto_internal.h"
#include "core/cursor.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384
#define RSA_EXPONENT_MAX 4              /* bytes */
#define FIELD_MAX 66                    /* bytes of a number of P-521 */
#define DER_MAX (2 * (FIELD_MAX + 2) + 3)
#define USER_PRESENT 0x01
#define APPLICATION_PREFIX "ssh:"

enum kind { KIND_ED25519, KIND_ECDSA, KIND_RSA };

struct ssh_type {
	const char *name;               /* of the key */
	const char *algorithm;          /* of the signature */
	enum kind kind;
	bool is_sk;                     /* FIDO: PROTOCOL.u2f of OpenSSH */
	const char *curve, *group, *hash; /* ECDSA; group as libcrypto has it */
	size_t field;                   /* bytes of a coordinate */
	const uint8_t *order;           /* of the group, field bytes */
};

struct ssh_key {
	const struct ssh_type *type;
	struct span point;              /* Ed25519: 32 bytes; ECDSA: 4, x, y */
	struct span modulus, exponent;
	struct span application;
};

static const uint8_t order_256[32] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
static const uint8_t order_384[48] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d,
    0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19,
    0x6a, 0xcc, 0xc5, 0x29, 0x73 };
static const uint8_t order_521[66] = { 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xfa, 0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f, 0x96, 0x6b, 0x7f,
    0xcc, 0x01, 0x48, 0xf7, 0x09, 0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89,
    0x9c, 0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38, 0x64, 0x09 };

static const struct ssh_type types[] = {
	{ .name = "ssh-ed25519", .algorithm = "ssh-ed25519",
	    .kind = KIND_ED25519 },
	{ .name = "ecdsa-sha2-nistp256", .algorithm = "ecdsa-sha2-nistp256",
	    .kind = KIND_ECDSA, .curve = "nistp256", .group = "prime256v1",
	    .hash = "SHA256", .field = 32, .order = order_256 },
	{ .name = "ecdsa-sha2-nistp384", .algorithm = "ecdsa-sha2-nistp384",
	    .kind = KIND_ECDSA, .curve = "nistp384", .group = "secp384r1",
	    .hash = "SHA384", .field = 48, .order = order_384 },
	{ .name = "ecdsa-sha2-nistp521", .algorithm = "ecdsa-sha2-nistp521",
	    .kind = KIND_ECDSA, .curve = "nistp521", .group = "secp521r1",
	    .hash = "SHA512", .field = 66, .order = order_521 },
	{ .name = "ssh-rsa", .algorithm = "rsa-sha2-512", .kind = KIND_RSA },
	{ .name = "sk-ssh-ed25519@openssh.com",
	    .algorithm = "sk-ssh-ed25519@openssh.com", .kind = KIND_ED25519,
	    .is_sk = true },
	{ .name = "sk-ecdsa-sha2-nistp256@openssh.com",
	    .algorithm = "sk-ecdsa-sha2-nistp256@openssh.com",
	    .kind = KIND_ECDSA, .is_sk = true, .curve = "nistp256",
	    .group = "prime256v1", .hash = "SHA256", .field = 32,
	    .order = order_256 },
};

/* --- Decoding ----------------------------------------------------------- */

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

/* An mpint (RFC 4251 section 5) above 0, in its only form: its magnitude. */
static bool
get_positive(struct reader *reader, struct span *out)
{
	struct span number = get_string(reader);

	if (reader->failed || number.length == 0 || number.data[0] & 0x80)
		return false;
	if (number.data[0] == 0) {
		if (number.length == 1 || !(number.data[1] & 0x80))
			return false;
		number.data++;
		number.length--;
	}
	*out = number;
	return true;
}

static size_t
bits_of(struct span magnitude)
{
	size_t bits = 8 * magnitude.length;

	for (uint8_t top = magnitude.data[0]; !(top & 0x80);
	    top = (uint8_t)(top << 1))
		bits--;
	return bits;
}

/* [SJ-LG-23] */
static bool
read_rsa(struct reader *reader, struct ssh_key *key)
{
	if (!get_positive(reader, &key->exponent) ||
	    !get_positive(reader, &key->modulus))
		return false;
	/* Even ones, and an exponent of 1, are no keys; long exponents cost the
	 * verifier time. */
	return key->exponent.length <= RSA_EXPONENT_MAX &&
	    (key->exponent.data[key->exponent.length - 1] & 1) &&
	    bits_of(key->exponent) > 1 &&
	    (key->modulus.data[key->modulus.length - 1] & 1) &&
	    bits_of(key->modulus) >= RSA_BITS_MIN &&
	    bits_of(key->modulus) <= RSA_BITS_MAX;
}

static bool
read_key(struct span blob, struct ssh_key *key)
{
	struct reader reader = reader_of(blob.data, blob.length);
	struct span name = get_string(&reader);
	size_t prefix = strlen(APPLICATION_PREFIX);

	memset(key, 0, sizeof *key);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (!reader.failed && is_text(name, types[i].name))
			key->type = &types[i];
	if (key->type == NULL)
		return false;
	if (key->type->kind == KIND_RSA)
		return read_rsa(&reader, key) && reader.at == reader.end;
	if (key->type->kind == KIND_ECDSA &&
	    !is_text(get_string(&reader), key->type->curve))
		return false;
	key->point = get_string(&reader);
	if (key->type->is_sk)
		key->application = get_string(&reader);
	if (reader.failed || reader.at != reader.end)
		return false;
	if (key->type->is_sk && (key->application.length < prefix ||
	    memcmp(key->application.data, APPLICATION_PREFIX, prefix) != 0))
		return false;
	return key->type->kind == KIND_ED25519 ? key->point.length == 32 :
	    key->point.length == 1 + 2 * key->type->field &&
	    key->point.data[0] == 4;
}

const char *
sj__ssh_key_type(struct span blob)
{
	struct ssh_key key;

	return blob.length <= SSH_KEY_BLOB_MAX && read_key(blob, &key) ?
	    key.type->name : NULL;
}

size_t
sj__ssh_rsa_size(struct span blob)
{
	struct ssh_key key;

	return read_key(blob, &key) ? key.modulus.length : 0;
}

/* --- By libcrypto -------------------------------------------------------- */

/* With algorithm, parameters of the public half, hash: one verification. */
static int
verify_by(const char *algorithm, OSSL_PARAM *params, const char *hash,
    struct span message, struct span signature)
{
	EVP_PKEY_CTX *import = EVP_PKEY_CTX_new_from_name(NULL, algorithm,
	    NULL);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY *key = NULL;
	int good;

	good = import != NULL && context != NULL &&
	    EVP_PKEY_fromdata_init(import) > 0 &&
	    EVP_PKEY_fromdata(import, &key, EVP_PKEY_PUBLIC_KEY, params) > 0 &&
	    EVP_DigestVerifyInit_ex(context, NULL, hash, NULL, NULL, key,
	    NULL) > 0 && EVP_DigestVerify(context, signature.data,
	    signature.length, message.data, message.length) == 1;
	EVP_PKEY_free(key);
	EVP_MD_CTX_free(context);
	EVP_PKEY_CTX_free(import);
	ERR_clear_error();
	return good ? 0 : SJ_ERR_PROTOCOL;
}

/* [SJ-LG-21] 0 < number < order */
static bool
is_below(struct span number, const uint8_t *order, size_t size)
{
	if (number.length != size)
		return number.length < size;
	return memcmp(number.data, order, size) < 0;
}

static void
put_der_integer(struct writer *writer, struct span magnitude)
{
	size_t zero = magnitude.data[0] & 0x80 ? 1 : 0;

	write_uint(writer, 2, 1);
	write_uint(writer, magnitude.length + zero, 1);
	if (zero > 0)
		write_uint(writer, 0, 1);
	write_bytes(writer, magnitude.data, magnitude.length);
}

/* RFC 3279 section 2.2.3 from RFC 5656 section 3.1.2; 0: not in range. */
static size_t
signature_to_der(const struct ssh_type *type, struct span blob, uint8_t *out)
{
	struct reader reader = reader_of(blob.data, blob.length);
	uint8_t body[DER_MAX];
	struct writer inner = writer_of(body, sizeof body);
	struct writer writer = writer_of(out, DER_MAX);
	struct span r, s;
	size_t length;

	if (!get_positive(&reader, &r) || !get_positive(&reader, &s) ||
	    reader.at != reader.end || !is_below(r, type->order, type->field) ||
	    !is_below(s, type->order, type->field))
		return 0;
	put_der_integer(&inner, r);
	put_der_integer(&inner, s);
	length = (size_t)(inner.at - body);
	write_uint(&writer, 0x30, 1);
	if (length > 127)
		write_uint(&writer, 0x81, 1);
	write_uint(&writer, length, 1);
	write_bytes(&writer, body, length);
	assert(!inner.failed && !writer.failed);
	return (size_t)(writer.at - out);
}

static int
verify_ecdsa(const struct ssh_key *key, struct span message,
    struct span signature)
{
	uint8_t der[DER_MAX], point[1 + 2 * FIELD_MAX];
	OSSL_PARAM params[3];
	size_t length = signature_to_der(key->type, signature, der);

	if (length == 0)
		return SJ_ERR_PROTOCOL;
	memcpy(point, key->point.data, key->point.length);
	params[0] = OSSL_PARAM_construct_utf8_string("group",
	    (char *)(uintptr_t)key->type->group, 0);
	/* Decoding it refuses coordinates above p and points off the curve. */
	params[1] = OSSL_PARAM_construct_octet_string("pub", point,
	    key->point.length);
	params[2] = OSSL_PARAM_construct_end();
	return verify_by("EC", params, key->type->hash, message,
	    (struct span){ der, length });
}

/* libcrypto takes numbers in the machine's own order. */
static OSSL_PARAM
number_param(const char *name, struct span magnitude, uint8_t *room)
{
	for (size_t i = 0; i < magnitude.length; i++)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		room[magnitude.length - 1 - i] = magnitude.data[i];
#else
		room[i] = magnitude.data[i];
#endif
	return OSSL_PARAM_construct_BN(name, room, magnitude.length);
}

static int
verify_rsa(const struct ssh_key *key, struct span message,
    struct span signature)
{
	uint8_t modulus[RSA_BITS_MAX / 8], exponent[RSA_EXPONENT_MAX];
	OSSL_PARAM params[3];

	if (signature.length != key->modulus.length)
		return SJ_ERR_PROTOCOL;
	params[0] = number_param("n", key->modulus, modulus);
	params[1] = number_param("e", key->exponent, exponent);
	params[2] = OSSL_PARAM_construct_end();
	return verify_by("RSA", params, "SHA512", message, signature);
}

/* --- The door ------------------------------------------------------------ */

/* [SJ-LG-22] What a FIDO key signs in the message's place; tail is flags and counter. */
static struct span
wrap_for_sk(struct sj__crypto *crypto, const struct ssh_key *key,
    struct span message, const uint8_t tail[5], uint8_t out[69])
{
	sj__sha256(crypto, key->application.data, key->application.length, out);
	memcpy(out + 32, tail, 5);
	sj__sha256(crypto, message.data, message.length, out + 37);
	return (struct span){ out, 69 };
}

int
sj__ssh_verify(struct sj__crypto *crypto, struct span key_blob,
    struct span message, struct span signature)
{
	struct reader reader = reader_of(signature.data, signature.length);
	struct span algorithm = get_string(&reader), raw = get_string(&reader);
	const uint8_t *tail = NULL;
	uint8_t wrapped[69];
	struct ssh_key key;

	if (key_blob.length > SSH_KEY_BLOB_MAX || !read_key(key_blob, &key))
		return SJ_ERR_PROTOCOL;
	if (key.type->is_sk)
		tail = read_bytes(&reader, 5);
	if (reader.failed || reader.at != reader.end ||
	    !is_text(algorithm, key.type->algorithm))
		return SJ_ERR_PROTOCOL;
	if (tail != NULL && !(tail[0] & USER_PRESENT))
		return SJ_ERR_PROTOCOL;
	if (tail != NULL)
		message = wrap_for_sk(crypto, &key, message, tail, wrapped);
	switch (key.type->kind) {
	case KIND_ECDSA:
		return verify_ecdsa(&key, message, raw);
	case KIND_RSA:
		return verify_rsa(&key, message, raw);
	case KIND_ED25519:
		break;
	}
	return raw.length != 64 ? SJ_ERR_PROTOCOL :
	    sj__ed25519_verify(crypto, key.point.data, message, raw.data);
}
