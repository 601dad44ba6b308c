/* SPDX-License-Identifier: ISC */
/*
 * mech_publickey.c - login by an ssh key
 *
 * The client's message is two ssh strings (RFC 4251 section 5): the key blob
 * and an SSHSIG signature blob. What is signed names everything the login is
 * bound to [SJ-LG-7]; the server builds it from its own view, so a field that
 * differs makes the signature wrong. The namespace makes it worthless as an
 * ssh login or as a signature of anything else.
 */
#include "core/cursor.h"
#include "core/services.h"

#define NAMESPACE "sojourn-login-v1"
#define MAGIC "sojourn-login"
#define SIGNED_MAX 4096
#define CREDENTIAL_MAX (128 + SSH_KEY_BLOB_MAX)

/* --- Strings of ssh ----------------------------------------------------- */

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

/* --- What is signed ----------------------------------------------------- */

ptrdiff_t
sj_mech_publickey_message(const struct sj_login_facts *facts, const void *key,
    size_t key_length, void *out, size_t capacity)
{
	struct writer writer = writer_of(out, capacity);

	put_text(&writer, MAGIC);
	put_text(&writer, "client");
	write_uint(&writer, 4, 4);
	write_uint(&writer, facts->version, 4);
	put_string(&writer, facts->handshake_hash, 32);
	put_string(&writer, facts->server_key, 32);
	put_text(&writer, facts->server_name);
	put_text(&writer, facts->application);
	put_text(&writer, facts->user);
	put_text(&writer, "publickey");
	put_string(&writer, key, key_length);
	write_uint(&writer, 4, 4);
	write_uint(&writer, facts->number, 4);
	return writer.failed ? SJ_ERR_TOO_BIG : writer.at - (uint8_t *)out;
}

/* PROTOCOL.sshsig: what the key itself signs. */
static size_t
sshsig_wrap(struct sj__crypto *crypto, struct span message, uint8_t *out,
    size_t capacity)
{
	struct writer writer = writer_of(out, capacity);
	uint8_t hash[64];

	sj__sha512(crypto, message.data, message.length, hash);
	write_bytes(&writer, "SSHSIG", 6);
	put_text(&writer, NAMESPACE);
	put_text(&writer, "");
	put_text(&writer, "sha512");
	put_string(&writer, hash, sizeof hash);
	assert(!writer.failed);
	return (size_t)(writer.at - out);
}

/* --- Client ------------------------------------------------------------- */

static void
propose(const struct sj_mech *mech, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	const struct sj_signer *signer = mech->context;
	struct sj_answer none = { .error = SJ_ERR_NO_CREDENTIAL,
	    .text = "this program was given no way to sign" };

	/* The signer's answer is the message as it is. */
	if (signer != NULL)
		signer->sign(signer, endpoint, request, facts);
	else
		sj_core_answer(endpoint, request, &none);
}

/* --- Server ------------------------------------------------------------- */

struct proof {
	struct span key_blob, signature;
};

/* The SSHSIG blob: every field is checked against what it must be. */
static bool
read_signature(struct span blob, struct span key_blob, struct span *out)
{
	struct reader reader = reader_of(blob.data, blob.length);
	const uint8_t *magic = read_bytes(&reader, 6);
	uint64_t version = read_uint(&reader, 4);
	struct span key = get_string(&reader), name = get_string(&reader);
	struct span reserved = get_string(&reader), hash = get_string(&reader);

	*out = get_string(&reader);
	return !reader.failed && reader.at == reader.end &&
	    memcmp(magic, "SSHSIG", 6) == 0 && version == 1 &&
	    key.length == key_blob.length &&
	    memcmp(key.data, key_blob.data, key.length) == 0 &&
	    is_text(name, NAMESPACE) && reserved.length == 0 &&
	    is_text(hash, "sha512");
}

static bool
read_proof(const void *message, size_t length, struct proof *proof)
{
	struct reader reader = reader_of(message, length);
	struct span signature;

	proof->key_blob = get_string(&reader);
	signature = get_string(&reader);
	return !reader.failed && reader.at == reader.end &&
	    sj__ssh_key_type(proof->key_blob) != NULL &&
	    read_signature(signature, proof->key_blob, &proof->signature);
}

static int
verify(struct sj__crypto *crypto, const struct sj_login_facts *facts,
    const struct proof *proof)
{
	uint8_t message[SIGNED_MAX], wrapped[256];
	struct span span = { message, 0 };
	ptrdiff_t length = sj_mech_publickey_message(facts,
	    proof->key_blob.data, proof->key_blob.length, message,
	    sizeof message);

	if (length < 0)
		return (int)length;
	span.length = (size_t)length;
	span.length = sshsig_wrap(crypto, span, wrapped, sizeof wrapped);
	span.data = wrapped;
	return sj__ssh_verify(crypto, proof->key_blob, span, proof->signature);
}

static void
judge(const struct sj_mech *mech, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts, const void *message,
    size_t length)
{
	struct sj__crypto *crypto = sj__endpoint_crypto(endpoint);
	struct sj_answer answer = { .error = SJ_ERR_REFUSED };
	uint8_t credential[CREDENTIAL_MAX];
	struct writer writer = writer_of(credential, sizeof credential);
	char fingerprint[SJ__FINGERPRINT_SIZE];
	struct proof proof;
	const char *type;

	(void)mech;
	if (read_proof(message, length, &proof) &&
	    verify(crypto, facts, &proof) == 0) {
		sj__fingerprint_of(crypto, proof.key_blob, fingerprint);
		type = sj__ssh_key_type(proof.key_blob);
		write_bytes(&writer, type, strlen(type));
		write_bytes(&writer, " ", 1);
		write_bytes(&writer, fingerprint, sizeof fingerprint);
		write_bytes(&writer, proof.key_blob.data,
		    proof.key_blob.length);
		answer.error = writer.failed ? SJ_ERR_REFUSED : 0;
		answer.bytes = credential;
		answer.length = (size_t)(writer.at - credential);
	}
	sj_core_answer(endpoint, request, &answer);
}

struct sj_mech
sj_mech_publickey(const struct sj_signer *signer)
{
	struct sj_mech mech = {
		.name = "publickey",
		.context = (void *)(uintptr_t)signer,
		.propose = propose,
		.judge = judge,
	};

	return mech;
}
