/* SPDX-License-Identifier: ISC */
/* test_mech_publickey.c - a proof is bound to every field, and is ssh's own
 * kind of signature */
#include "folder.h"

#include "io/base64.h"
#include "mech/mech_publickey.c"

#define BLOB_SIZE 51

static struct sj__memory memory;
static struct sj__crypto *crypto;
static uint8_t seed[32], blob[BLOB_SIZE];

/* --- What stands in for an endpoint ------------------------------------- */

static struct { uint64_t request; int error; size_t length; uint8_t bytes[256];
    unsigned count; bool has_text; } told;

struct sj__crypto *
sj__endpoint_crypto(struct sj_endpoint *endpoint)
{
	assert_null(endpoint);
	return crypto;
}

void
sj_core_answer(struct sj_endpoint *endpoint, uint64_t request,
    const struct sj_answer *answer)
{
	assert_null(endpoint);
	told.request = request;
	told.error = answer->error;
	told.length = answer->length;
	told.has_text = answer->text != NULL;
	assert_true(answer->length <= sizeof told.bytes);
	if (answer->length > 0)
		memcpy(told.bytes, answer->bytes, answer->length);
	told.count++;
}

void
sj__fingerprint_of(struct sj__crypto *with, struct span bytes,
    char out[SJ__FINGERPRINT_SIZE])
{
	uint8_t hash[32];

	sj__sha256(with, bytes.data, bytes.length, hash);
	memset(out, 0, SJ__FINGERPRINT_SIZE);
	memcpy(out, "SHA256:", 7);
	assert_true(base64_encode(hash, 30, out + 7, 44) == 40);
	memcpy(out + 47, "end", 4);
}

/* --- A login ------------------------------------------------------------ */

static const uint8_t hash[32] = { 1, 2, 3 }, server_key[32] = { 4, 5, 6 };

static struct sj_login_facts
facts_of(void)
{
	return (struct sj_login_facts){ .server_name = "server.example",
	    .application = "files", .user = "ann", .version = 0x536a0001,
	    .number = 1, .handshake_hash = hash, .server_key = server_key };
}

static int
set_up(void **state)
{
	uint8_t public_key[32];
	struct writer writer = writer_of(blob, sizeof blob);

	sj__memory_init(&memory, 1 << 20);
	if (sj__crypto_open(&crypto, &memory, NULL) < 0)
		return -1;
	draw_bytes(seed, sizeof seed);
	if (sj__ed25519_public(crypto, seed, public_key) < 0)
		return -1;
	put_text(&writer, "ssh-ed25519");
	put_string(&writer, public_key, 32);
	return make_folder(state);
}

static int
tear_down(void **state)
{
	sj__crypto_close(crypto, &memory);
	return remove_folder(state);
}

/* How a signature is made, each word of it free to be wrong. */
struct words {
	const char *magic, *name, *reserved, *hash, *type, *behind;
	uint32_t version;
	const uint8_t *inner_key;
};
static const struct words right = { "SSHSIG", "sojourn-login-v1", "", "sha512",
    "ssh-ed25519", "", 1, NULL };
/* The words that are signed; NULL: those that are written. */
static const struct words *signs;

static size_t
sshsig(const struct sj_login_facts *facts, const struct words *words,
    uint8_t *out, size_t capacity)
{
	const struct words *as = signs != NULL ? signs : words;
	uint8_t message[4096], wrapped[512], digest[64], signature[64];
	struct writer wrap = writer_of(wrapped, sizeof wrapped);
	struct writer writer = writer_of(out, capacity);
	ptrdiff_t length = sj_mech_publickey_message(facts, blob, sizeof blob,
	    message, sizeof message);

	assert_true(length > 0);
	sj__sha512(crypto, message, (size_t)length, digest);
	write_bytes(&wrap, as->magic, 6);
	put_text(&wrap, as->name);
	put_text(&wrap, as->reserved);
	put_text(&wrap, as->hash);
	put_string(&wrap, digest, 64);
	assert_false(wrap.failed);
	assert_int_equal(sj__ed25519_sign(crypto, seed, (struct span){ wrapped,
	    (size_t)(wrap.at - wrapped) }, signature), 0);
	write_bytes(&writer, words->magic, 6);
	write_uint(&writer, words->version, 4);
	put_string(&writer, words->inner_key != NULL ? words->inner_key : blob,
	    sizeof blob);
	put_text(&writer, words->name);
	put_text(&writer, words->reserved);
	put_text(&writer, words->hash);
	write_uint(&writer, 4 + strlen(words->type) + 4 + 64 +
	    strlen(words->behind), 4);
	put_text(&writer, words->type);
	put_string(&writer, signature, 64);
	write_bytes(&writer, words->behind, strlen(words->behind));
	assert_false(writer.failed);
	return (size_t)(writer.at - out);
}

static size_t
prove_with(const struct sj_login_facts *facts, const struct words *words,
    uint8_t *out, size_t capacity)
{
	uint8_t signature[512];
	size_t length = sshsig(facts, words, signature, sizeof signature);
	struct writer writer = writer_of(out, capacity);

	put_string(&writer, blob, sizeof blob);
	put_string(&writer, signature, length);
	assert_false(writer.failed);
	return (size_t)(writer.at - out);
}

static int
judged(const struct sj_login_facts *facts, const void *message, size_t length)
{
	struct sj_mech mech = sj_mech_publickey(NULL);
	unsigned count = told.count;

	mech.judge(&mech, NULL, 77, facts, message, length);
	assert_int_equal(told.count, count + 1);
	assert_int_equal(told.request, 77);
	if (told.error != 0) {
		assert_int_equal(told.error, SJ_ERR_REFUSED);
		assert_int_equal(told.length, 0);
		/* [SJ-LG-6] No word on what was wrong. */
		assert_false(told.has_text);
	}
	return told.error;
}

/* --- Tests -------------------------------------------------------------- */

/* Section 7 of PROTOCOL.md, byte by byte. */
static void
message_bytes(void **state)
{
	struct sj_login_facts facts = facts_of();
	uint8_t expected[512] = { 0 }, message[512], *at = expected;
	ptrdiff_t length = sj_mech_publickey_message(&facts, blob, sizeof blob,
	    message, sizeof message);
	const struct { const void *bytes; uint8_t length; } parts[] = {
	    { "sojourn-login", 13 }, { "client", 6 },
	    { "\x53\x6a\x00\x01", 4 }, { hash, 32 }, { server_key, 32 },
	    { "server.example", 14 }, { "files", 5 }, { "ann", 3 },
	    { "publickey", 9 }, { blob, 51 }, { "\0\0\0\1", 4 } };

	(void)state;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		at[3] = parts[i].length;
		memcpy(at + 4, parts[i].bytes, parts[i].length);
		at += 4 + parts[i].length;
	}
	assert_int_equal(length, at - expected);
	assert_memory_equal(message, expected, (size_t)length);
	for (size_t i = 0; i < (size_t)length; i++)
		assert_int_equal(sj_mech_publickey_message(&facts, blob,
		    sizeof blob, message, i), SJ_ERR_TOO_BIG);
}

static void
accepted(void **state)
{
	struct sj_login_facts facts = facts_of();
	uint8_t proof[512];
	size_t length = prove_with(&facts, &right, proof, sizeof proof);

	(void)state;
	assert_int_equal(judged(&facts, proof, length), 0);
	/* The name, a NUL, and the key's blob. */
	assert_int_equal(told.length, 12 + 51 + BLOB_SIZE);
	assert_memory_equal(told.bytes, "ssh-ed25519 SHA256:", 19);
	assert_int_equal(told.bytes[12 + 50], 0);
	assert_memory_equal(told.bytes + 12 + 51, blob, BLOB_SIZE);
}

/* [SJ-LG-7] */
static void
every_field(void **state)
{
	struct sj_login_facts facts = facts_of(), changed;
	uint8_t proof[512], bytes[32];
	size_t length = prove_with(&facts, &right, proof, sizeof proof);

	(void)state;
#define REFUSED(field, value) \
	changed = facts; \
	changed.field = value; \
	assert_int_equal(judged(&changed, proof, length), SJ_ERR_REFUSED)
	REFUSED(server_name, "server.exampl");
	REFUSED(server_name, "Server.example");
	REFUSED(application, "file");
	REFUSED(application, "filet");
	REFUSED(user, "anna");
	REFUSED(user, "bob");
	REFUSED(user, "");
	REFUSED(version, 0x536a0002);
	REFUSED(number, 2);
	REFUSED(number, 0);
	/* The same letters in other fields. */
	changed = facts;
	changed.application = "filesa";
	changed.user = "nn";
	assert_int_equal(judged(&changed, proof, length), SJ_ERR_REFUSED);
	changed.application = "ann";
	changed.user = "files";
	assert_int_equal(judged(&changed, proof, length), SJ_ERR_REFUSED);
	changed = facts;
	changed.handshake_hash = server_key;
	changed.server_key = hash;
	assert_int_equal(judged(&changed, proof, length), SJ_ERR_REFUSED);
	for (size_t bit = 0; bit < 256; bit++) {
		memcpy(bytes, hash, 32);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		REFUSED(handshake_hash, bytes);
		memcpy(bytes, server_key, 32);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		REFUSED(server_key, bytes);
	}
	assert_int_equal(judged(&facts, proof, length), 0);
}

static void
every_bit(void **state)
{
	struct sj_login_facts facts = facts_of();
	uint8_t proof[512] = { 0 }, copy[512];
	size_t length = prove_with(&facts, &right, proof, sizeof proof);

	(void)state;
	for (size_t bit = 0; bit < 8 * length; bit++) {
		proof[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(judged(&facts, proof, length),
		    SJ_ERR_REFUSED);
		proof[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t i = 0; i < length; i++) {
		/* On the heap, so that a byte too far is seen. */
		uint8_t *cut = malloc(i + 1);

		memcpy(cut, proof, i);
		assert_int_equal(judged(&facts, cut, i), SJ_ERR_REFUSED);
		free(cut);
	}
	assert_int_equal(judged(&facts, proof, length + 1), SJ_ERR_REFUSED);
	for (unsigned i = 0; i < 20000; i++) {
		memcpy(copy, proof, sizeof copy);
		for (uint64_t n = 1 + draw(4); n > 0; n--)
			copy[draw(length)] = (uint8_t)draw(256);
		if (memcmp(copy, proof, length) != 0)
			assert_int_equal(judged(&facts, copy, length),
			    SJ_ERR_REFUSED);
	}
	assert_int_equal(judged(&facts, proof, length), 0);
}

/* Signatures that are right in themselves, but for something else. */
static void
other_signatures(void **state)
{
	uint8_t other_key[BLOB_SIZE], proof[512];
	struct sj_login_facts facts = facts_of();
	struct words table[10];
	size_t length;

	(void)state;
	for (size_t i = 0; i < 10; i++)
		table[i] = right;
	memcpy(other_key, blob, sizeof other_key);
	other_key[50] ^= 1;
	table[0].name = "ssh";
	table[1].name = "file";
	table[2].name = "sojourn-login-v2";
	table[3].hash = "sha256";
	table[4].reserved = "x";
	table[5].version = 2;
	table[6].type = "ssh-ed25518";
	table[7].inner_key = other_key;
	table[8].magic = "SSHSIH";
	table[9].behind = "x";
	/* Signed as they are written, and only written so. */
	for (size_t i = 0; i < 20; i++) {
		signs = i < 10 ? NULL : &right;
		length = prove_with(&facts, &table[i % 10], proof,
		    sizeof proof);
		assert_int_equal(judged(&facts, proof, length),
		    SJ_ERR_REFUSED);
	}
	signs = NULL;
	assert_int_equal(judged(&facts, "", 0), SJ_ERR_REFUSED);
}

/* --- Real ssh ----------------------------------------------------------- */

static void
write_message(const struct sj_login_facts *facts)
{
	uint8_t message[4096];
	ptrdiff_t length = sj_mech_publickey_message(facts, blob, sizeof blob,
	    message, sizeof message);

	assert_true(length > 0);
	put_bytes("message", 0600, message, (size_t)length);
}

static void
ssh_verifies(void **state)
{
	struct sj_login_facts facts = facts_of();
	uint8_t signature[512];
	char coded[1000], text[1200];
	size_t length = sshsig(&facts, &right, signature, sizeof signature);

	(void)state;
	if (shell("command -v ssh-keygen") != 0)
		skip();
	assert_true(base64_encode(signature, length, coded, sizeof coded) > 0);
	snprintf(text, sizeof text, "-----BEGIN SSH SIGNATURE-----\n%s\n"
	    "-----END SSH SIGNATURE-----\n", coded);
	put_file("signature", 0600, text);
	assert_true(base64_encode(blob, sizeof blob, coded, sizeof coded) > 0);
	snprintf(text, sizeof text, "ann ssh-ed25519 %s\n", coded);
	put_file("signers", 0600, text);
	write_message(&facts);
	assert_int_equal(shell("ssh-keygen -Y verify -f signers -I ann "
	    "-n sojourn-login-v1 -s signature < message"), 0);
	assert_true(shell("ssh-keygen -Y verify -f signers -I ann "
	    "-n file -s signature < message") != 0);
	facts.number = 2;
	write_message(&facts);
	assert_true(shell("ssh-keygen -Y verify -f signers -I ann "
	    "-n sojourn-login-v1 -s signature < message") != 0);
}

/* The blob in a file of ssh-keygen -Y sign. */
static size_t
read_armour(const char *name, uint8_t *out, size_t capacity)
{
	char text[2000], line[200];
	FILE *file = fopen(in_folder(name), "r");
	size_t used = 0;
	ssize_t length;

	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL)
		if (line[0] != '-') {
			line[strcspn(line, "\n")] = '\0';
			used += (size_t)snprintf(text + used,
			    sizeof text - used, "%s", line);
		}
	fclose(file);
	length = base64_decode(text, used, out, capacity);
	assert_true(length > 0);
	return (size_t)length;
}

static void
ssh_signs(void **state)
{
	struct sj_login_facts facts = facts_of();
	uint8_t kept[BLOB_SIZE], signature[512], proof[1024], code[100];
	struct writer writer = writer_of(proof, sizeof proof);
	char text[200];
	size_t length;
	FILE *file;

	(void)state;
	if (shell("command -v ssh-keygen && ssh-keygen -q -t ed25519 -N '' "
	    "-C '' -f id && cut -d' ' -f2 id.pub > blob") != 0)
		skip();
	memcpy(kept, blob, sizeof kept);
	file = fopen(in_folder("blob"), "r");
	assert_non_null(fgets(text, sizeof text, file));
	fclose(file);
	assert_int_equal(base64_decode(text, strcspn(text, "\n"), code,
	    sizeof code), BLOB_SIZE);
	memcpy(blob, code, sizeof blob);
	write_message(&facts);
	assert_int_equal(shell("ssh-keygen -Y sign -f id "
	    "-n sojourn-login-v1 message && mv message.sig good && "
	    "ssh-keygen -Y sign -f id -n file message && "
	    "mv message.sig bad"), 0);
	for (unsigned i = 0; i < 2; i++) {
		writer = writer_of(proof, sizeof proof);
		length = read_armour(i == 0 ? "good" : "bad", signature,
		    sizeof signature);
		put_string(&writer, blob, sizeof blob);
		put_string(&writer, signature, length);
		assert_int_equal(judged(&facts, proof,
		    (size_t)(writer.at - proof)), i == 0 ? 0 : SJ_ERR_REFUSED);
	}
	memcpy(blob, kept, sizeof blob);
}

/* --- The client's side -------------------------------------------------- */

static unsigned asked;

static void
sign(const struct sj_signer *signer, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	assert_non_null(signer);
	assert_null(endpoint);
	assert_int_equal(request, 78);
	assert_string_equal(facts->user, "ann");
	asked++;
}

static void
proposes(void **state)
{
	struct sj_signer signer = { .sign = sign };
	struct sj_mech mech = sj_mech_publickey(&signer);
	struct sj_login_facts facts = facts_of();

	(void)state;
	assert_string_equal(mech.name, "publickey");
	mech.propose(&mech, NULL, 78, &facts);
	assert_int_equal(asked, 1);
	mech = sj_mech_publickey(NULL);
	mech.propose(&mech, NULL, 79, &facts);
	assert_int_equal(told.request, 79);
	assert_int_equal(told.error, SJ_ERR_NO_CREDENTIAL);
	assert_true(told.has_text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_bytes),
		cmocka_unit_test(accepted),
		cmocka_unit_test(every_field),
		cmocka_unit_test(every_bit),
		cmocka_unit_test(other_signatures),
		cmocka_unit_test(ssh_verifies),
		cmocka_unit_test(ssh_signs),
		cmocka_unit_test(proposes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
