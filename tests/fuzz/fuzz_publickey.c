/* SPDX-License-Identifier: ISC */
/*
 * fuzz_publickey.c - the proof of a login: key blob, SSHSIG, signature
 *
 * The message goes to the mechanism's judge as it is, or is the honest one
 * with bytes changed; key and signature blobs of every kind go to the verifier
 * as well. Nothing but the honest message is a proof.
 */
#include "fuzz.h"
#include "core/endpoint_internal.h"
#include "core/services.h"

/* The judge's answer ends here: no request of an endpoint is open. */
static struct sj_endpoint *server;
static struct sj_answer verdict;
static bool has_verdict;

static void
take_answer(struct sj_endpoint *asker, uint64_t request,
    const struct sj_answer *answer)
{
	MUST(asker == server && request == 77);
	verdict = *answer;
	has_verdict = true;
	if (answer->error == 0)
		MUST(answer->length > 0 && memchr(answer->bytes, 0,
		    answer->length) != NULL);
}
#define sj_core_answer take_answer
#include "mech/mech_publickey.c"

static uint8_t honest[512];
static size_t honest_length;
static struct sj_login_facts own_facts;

static int
no_random(void *context, void *out, size_t length)
{
	(void)context;
	memset(out, 5, length);
	return 0;
}

/* A login as ssh-keygen would sign it. */
static void
make_honest(void)
{
	static const uint8_t seed[32] = { 9 };
	uint8_t public_key[32], key[64], message[1024], hash[64], wrapped[256];
	uint8_t raw[64], signature[128], sshsig[256];
	struct sj__crypto *crypto = server->crypto;
	struct writer writer = writer_of(key, sizeof key);
	size_t key_length;
	ptrdiff_t length;

	MUST(sj__ed25519_public(crypto, seed, public_key) == 0);
	put_string(&writer, "ssh-ed25519", 11);
	put_string(&writer, public_key, 32);
	key_length = (size_t)(writer.at - key);
	length = sj_mech_publickey_message(&own_facts, key, key_length, message,
	    sizeof message);
	MUST(length > 0);
	sj__sha512(crypto, message, (size_t)length, hash);
	writer = writer_of(wrapped, sizeof wrapped);
	write_bytes(&writer, "SSHSIG", 6);
	put_string(&writer, "sojourn-login-v1", 16);
	put_string(&writer, "", 0);
	put_string(&writer, "sha512", 6);
	put_string(&writer, hash, sizeof hash);
	MUST(sj__ed25519_sign(crypto, seed, (struct span){ wrapped,
	    (size_t)(writer.at - wrapped) }, raw) == 0);
	writer = writer_of(signature, sizeof signature);
	put_string(&writer, "ssh-ed25519", 11);
	put_string(&writer, raw, sizeof raw);
	length = writer.at - signature;
	writer = writer_of(sshsig, sizeof sshsig);
	write_bytes(&writer, "SSHSIG", 6);
	write_uint(&writer, 1, 4);
	put_string(&writer, key, key_length);
	put_string(&writer, "sojourn-login-v1", 16);
	put_string(&writer, "", 0);
	put_string(&writer, "sha512", 6);
	put_string(&writer, signature, (size_t)length);
	length = writer.at - sshsig;
	writer = writer_of(honest, sizeof honest);
	put_string(&writer, key, key_length);
	put_string(&writer, sshsig, (size_t)length);
	honest_length = (size_t)(writer.at - honest);
}

static void
set_up(void)
{
	static const struct sj_io io = { .none = 1, .random = no_random };
	static const uint8_t key[32] = { 1 }, hash[32] = { 2 };
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

	options.listen = "fuzz";
	MUST(sj__endpoint_create(&server, &options, &io, key) == 0);
	own_facts = (struct sj_login_facts){ .server_name = "server",
	    .application = "sim", .user = "alice", .version = 1, .number = 1,
	    .handshake_hash = hash, .server_key = key };
	make_honest();
}

static void
ask(const uint8_t *message, size_t length, bool is_honest)
{
	struct sj_mech mech = sj_mech_publickey(NULL);

	has_verdict = false;
	mech.judge(&mech, server, 77, &own_facts, message, length);
	MUST(has_verdict);
	MUST((verdict.error == 0) == is_honest);
}

/* Blob and signature by themselves. */
static void
signatures(struct program *program)
{
	static const uint8_t text[] = "what is signed";
	struct span blob = take_span(program, (size_t)take_number(program, 2));
	struct span signature = take_span(program, SIZE_MAX);
	const char *type = sj__ssh_key_type(blob);

	MUST(sj__ssh_rsa_size(blob) == 0 || type != NULL);
	if (type != NULL) {
		MUST(blob.length > 4 + strlen(type) &&
		    blob.length <= SSH_KEY_BLOB_MAX);
		MUST(memcmp(blob.data + 4, type, strlen(type)) == 0);
	}
	/* A forgery, if it were valid: nobody signed that text. */
	MUST(sj__ssh_verify(server->crypto, blob, (struct span){ text,
	    sizeof text }, signature) < 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program), message[sizeof honest];
	bool is_honest = true;

	if (server == NULL)
		set_up();
	if (first < 64) {
		ask(program.at, (size_t)(program.end - program.at), false);
	} else if (first < 128) {
		signatures(&program);
	} else {
		memcpy(message, honest, honest_length);
		for (int i = 0; i < (first & 7); i++)
			message[take_number(&program, 2) % honest_length] =
			    take_byte(&program);
		is_honest = memcmp(message, honest, honest_length) == 0;
		ask(message, honest_length, is_honest);
	}
	return 0;
}
