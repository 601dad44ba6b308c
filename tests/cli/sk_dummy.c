/* SPDX-License-Identifier: ISC */
/*
 * tests/cli/sk_dummy.c - a FIDO device that is none, for ssh's tools
 *
 * A middleware as PROTOCOL.u2f of OpenSSH describes it, API version 10: the
 * key handle is the private key itself, everything is always touched. Only for
 * tests. SK_DUMMY_FLAGS in the environment gives other flags than "present".
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#define API_VERSION 0x000a0000
#define ALGORITHM_ECDSA 0
#define ALGORITHM_ED25519 1
#define FAILED (-1)
#define UNSUPPORTED (-2)
#define COUNTER 0x12345678

struct sk_option;
struct sk_resident_key;

struct sk_enroll_response {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct sk_sign_response {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

uint32_t sk_api_version(void);
int sk_enroll(uint32_t algorithm, const uint8_t *challenge, size_t length,
    const char *application, uint8_t flags, const char *pin,
    struct sk_option **options, struct sk_enroll_response **response);
int sk_sign(uint32_t algorithm, const uint8_t *data, size_t length,
    const char *application, const uint8_t *handle, size_t handle_length,
    uint8_t flags, const char *pin, struct sk_option **options,
    struct sk_sign_response **response);
int sk_load_resident_keys(const char *pin, struct sk_option **options,
    struct sk_resident_key ***keys, size_t *count);

uint32_t
sk_api_version(void)
{
	return API_VERSION;
}

static uint8_t *
copy(const void *bytes, size_t length)
{
	uint8_t *out = malloc(length);

	if (out != NULL)
		memcpy(out, bytes, length);
	return out;
}

/* --- Keys; a handle is a seed, or PKCS #8's older form in DER ------------- */

static int
new_key(uint32_t algorithm, struct sk_enroll_response *response)
{
	uint8_t public_key[65], *der = NULL;
	size_t length = sizeof(public_key), seed_length = 32;
	uint8_t seed[32];
	EVP_PKEY *key;
	int der_length, good = 0;

	if (algorithm == ALGORITHM_ED25519) {
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		good = key != NULL &&
		    EVP_PKEY_get_raw_public_key(key, public_key, &length) > 0 &&
		    EVP_PKEY_get_raw_private_key(key, seed, &seed_length) > 0;
		response->key_handle = copy(seed, seed_length);
		response->key_handle_len = seed_length;
	} else {
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
		der_length = key != NULL ? i2d_PrivateKey(key, &der) : -1;
		good = der_length > 0 && EVP_PKEY_get_octet_string_param(key,
		    "pub", public_key, sizeof(public_key), &length) > 0;
		if (good)
			response->key_handle = copy(der, (size_t)der_length);
		response->key_handle_len = good ? (size_t)der_length : 0;
		OPENSSL_free(der);
	}
	response->public_key = copy(public_key, length);
	response->public_key_len = length;
	EVP_PKEY_free(key);
	return good && response->public_key != NULL &&
	    response->key_handle != NULL ? 0 : FAILED;
}

static EVP_PKEY *
read_handle(uint32_t algorithm, const uint8_t *handle, size_t length)
{
	if (algorithm == ALGORITHM_ED25519)
		return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
		    handle, length);
	return d2i_AutoPrivateKey(NULL, &handle, (long)length);
}

/* --- The interface -------------------------------------------------------- */

int
sk_enroll(uint32_t algorithm, const uint8_t *challenge, size_t length,
    const char *application, uint8_t flags, const char *pin,
    struct sk_option **options, struct sk_enroll_response **out)
{
	struct sk_enroll_response *response;

	(void)challenge;
	(void)length;
	(void)application;
	(void)pin;
	(void)options;
	if (algorithm > ALGORITHM_ED25519)
		return UNSUPPORTED;
	response = calloc(1, sizeof(*response));
	if (response == NULL || new_key(algorithm, response) != 0)
		return FAILED;
	response->flags = flags;
	/* an attestation that attests nothing */
	response->signature = copy("", 1);
	response->signature_len = 1;
	*out = response;
	return 0;
}

static int
split(const uint8_t *der, size_t length, struct sk_sign_response *response)
{
	ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)length);
	const BIGNUM *r, *s;

	if (signature == NULL)
		return FAILED;
	ECDSA_SIG_get0(signature, &r, &s);
	response->sig_r_len = (size_t)BN_num_bytes(r);
	response->sig_s_len = (size_t)BN_num_bytes(s);
	response->sig_r = calloc(1, 32);
	response->sig_s = calloc(1, 32);
	if (response->sig_r != NULL && response->sig_s != NULL) {
		BN_bn2bin(r, response->sig_r);
		BN_bn2bin(s, response->sig_s);
	}
	ECDSA_SIG_free(signature);
	return 0;
}

int
sk_sign(uint32_t algorithm, const uint8_t *data, size_t length,
    const char *application, const uint8_t *handle, size_t handle_length,
    uint8_t flags, const char *pin, struct sk_option **options,
    struct sk_sign_response **out)
{
	struct sk_sign_response *response = calloc(1, sizeof(*response));
	EVP_PKEY *key = read_handle(algorithm, handle, handle_length);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	const char *other = getenv("SK_DUMMY_FLAGS");
	uint8_t message[69], raw[80];
	size_t raw_length = sizeof(raw);
	int i, good;

	(void)pin;
	(void)options;
	if (response == NULL)
		return FAILED;
	response->flags = other != NULL ? (uint8_t)atoi(other) : flags;
	response->counter = COUNTER;
	EVP_Digest(application, strlen(application), message, NULL,
	    EVP_sha256(), NULL);
	message[32] = response->flags;
	for (i = 0; i < 4; i++)
		message[33 + i] = (uint8_t)(COUNTER >> (24 - 8 * i));
	EVP_Digest(data, length, message + 37, NULL, EVP_sha256(), NULL);
	good = key != NULL && context != NULL &&
	    EVP_DigestSignInit_ex(context, NULL,
	    algorithm == ALGORITHM_ECDSA ? "SHA256" : NULL, NULL, NULL, key,
	    NULL) > 0 && EVP_DigestSign(context, raw, &raw_length, message,
	    sizeof(message)) > 0;
	if (good && algorithm == ALGORITHM_ECDSA) {
		good = split(raw, raw_length, response) == 0;
	} else if (good) {
		response->sig_r = copy(raw, raw_length);
		response->sig_r_len = raw_length;
	}
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	*out = response;
	return good ? 0 : FAILED;
}

int
sk_load_resident_keys(const char *pin, struct sk_option **options,
    struct sk_resident_key ***keys, size_t *count)
{
	(void)pin;
	(void)options;
	(void)keys;
	(void)count;
	return UNSUPPORTED;
}
