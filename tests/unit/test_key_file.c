/* SPDX-License-Identifier: ISC */
/* test_key_file.c - ssh's own keys, whole, cut, encrypted and of other kinds */
#include "folder.h"

#include "io/key_file.c"

static char why[256];
static struct key_file key;
static struct sj__memory memory;
static struct sj__crypto *crypto;

static int
set_up(void **state)
{
	sj__memory_init(&memory, 1 << 20);
	if (sj__crypto_open(&crypto, &memory, NULL) < 0)
		return -1;
	return make_folder(state);
}

static int
tear_down(void **state)
{
	key_file_clear(&key);
	sj__crypto_close(crypto, &memory);
	return remove_folder(state);
}

static int
read_with(const char *name, const char *passphrase)
{
	memset(why, 0, sizeof why);
	key_file_clear(&key);
	return key_file_read(in_folder(name), passphrase, &key, why,
	    sizeof why);
}

/* What the read key signs, and that it is good under its own blob. */
static bool
signs(void)
{
	uint8_t signature[SSH_SIGNATURE_MAX];
	struct span message = { (const uint8_t *)"message", 7 };
	ptrdiff_t length;

	if (key.private_key == NULL)
		return false;
	length = private_key_sign(key.private_key, message, signature,
	    sizeof signature);
	return length > 0 && sj__ssh_verify(crypto, (struct span){ key.blob,
	    key.blob_length }, message, (struct span){ signature,
	    (size_t)length }) == 0;
}

static int
read_key(const char *name)
{
	return read_with(name, NULL);
}

static void
need_ssh_keygen(void)
{
	if (shell("command -v ssh-keygen") != 0)
		skip();
}

/* What ssh-keygen writes: of every kind, in each of its formats. */
static void
of_ssh(void **state)
{
	static const char *const kinds[] = { "ed25519", "ecdsa -b 256",
	    "ecdsa -b 384", "ecdsa -b 521", "rsa -b 2048", "rsa -b 3072" };
	static const char *const formats[] = { "RFC4716", "PKCS8", "PEM" };
	uint8_t blob[SSH_KEY_BLOB_MAX];
	char command[200];
	size_t length;

	(void)state;
	need_ssh_keygen();
	for (size_t i = 0; i < 6 * 3; i++) {
		/* Ed25519 it writes in its own format only. */
		snprintf(command, sizeof command, "rm -f id id.pub && ssh-keygen "
		    "-q -t %s -N '' -m %s -C 'a comment' -f id", kinds[i / 3],
		    formats[i % 3]);
		assert_int_equal(shell(command), 0);
		assert_int_equal(read_key("id"), 0);
		assert_false(key.is_encrypted);
		assert_true(signs());
		length = key.blob_length;
		memcpy(blob, key.blob, length);
		assert_int_equal(read_key("id.pub"), 0);
		assert_null(key.private_key);
		assert_false(key.is_encrypted);
		assert_int_equal(key.blob_length, length);
		assert_memory_equal(key.blob, blob, length);
	}
}

/* Ours, as ssh-keygen understands it. */
static void
for_ssh(void **state)
{
	static const char *const comments[] = { "", "x", "me@host",
	    "a longer comment, of several words, that goes on for a while" };
	uint8_t seed[32], public_key[32], blob[ED25519_BLOB_SIZE];
	char text[2000], coded[100], command[300];

	(void)state;
	need_ssh_keygen();
	for (size_t i = 0; i < 4; i++) {
		ptrdiff_t length;

		draw_bytes(seed, sizeof seed);
		assert_int_equal(sj__ed25519_public(crypto, seed, public_key),
		    0);
		length = key_file_format(seed, public_key, comments[i], text,
		    sizeof text);
		assert_true(length > 0);
		put_bytes("made", 0600, text, (size_t)length);
		assert_int_equal(read_key("made"), 0);
		assert_true(signs());
		key_blob_of(public_key, blob);
		assert_memory_equal(key.blob, blob, ED25519_BLOB_SIZE);
		assert_true(base64_encode(blob, sizeof blob, coded,
		    sizeof coded) > 0);
		snprintf(command, sizeof command,
		    "test \"$(ssh-keygen -y -f made | cut -d' ' -f2)\" = %s",
		    coded);
		assert_int_equal(shell(command), 0);
	}
	assert_int_equal(key_file_format(seed, public_key, "x", text, 100),
	    SJ_ERR_TOO_BIG);
}

/* A comment that does not fit is refused, of whatever length. */
static void
long_comments(void **state)
{
	uint8_t seed[32] = { 1 }, public_key[32];
	char text[2000], comment[600];
	ptrdiff_t length;

	(void)state;
	assert_int_equal(sj__ed25519_public(crypto, seed, public_key), 0);
	alarm(20);
	for (size_t i = 0; i < sizeof comment; i++) {
		memset(comment, 'c', i);
		comment[i] = '\0';
		length = key_file_format(seed, public_key, comment, text,
		    sizeof text);
		assert_true(length > 0 || length == SJ_ERR_TOO_BIG);
		assert_true(length > 0 || i > 300);
		assert_true(length < 0 || i < 400);
	}
	alarm(0);
}

/* Cut at every byte: refused, and nothing of it taken. */
static void
every_cut(void **state)
{
	uint8_t seed[32] = { 1 }, public_key[32];
	char text[2000];
	ptrdiff_t length;

	(void)state;
	assert_int_equal(sj__ed25519_public(crypto, seed, public_key), 0);
	length = key_file_format(seed, public_key, "comment", text,
	    sizeof text);
	for (ptrdiff_t i = 0; i < length - 1; i++) {
		put_bytes("cut", 0600, text, (size_t)i);
		assert_int_equal(read_key("cut"), SJ_ERR_NO_CREDENTIAL);
		assert_false(key.private_key != NULL);
		assert_non_null(strstr(why, "no key that can be used"));
	}
	put_bytes("cut", 0600, text, (size_t)length - 1);
	assert_int_equal(read_key("cut"), 0);
}

/* The container itself cut at every byte, in a whole armour. */
static void
every_inner_cut(void **state)
{
	uint8_t seed[32] = { 1 }, public_key[32], bytes[1024];
	char text[2000], coded[2000], *from;
	ssize_t length;

	(void)state;
	assert_int_equal(sj__ed25519_public(crypto, seed, public_key), 0);
	assert_true(key_file_format(seed, public_key, "c", text, sizeof text) >
	    0);
	from = strchr(text, '\n') + 1;
	length = base64_decode(from, strcspn(from, "\n"), bytes, sizeof bytes);
	assert_true(length > 200);
	for (ssize_t i = 0; i < length; i++) {
		assert_true(base64_encode(bytes, (size_t)i, coded,
		    sizeof coded) >= 0);
		snprintf(text, sizeof text, "%s\n%.1500s\n%s\n", BEGIN, coded,
		    END);
		put_file("cut", 0600, text);
		assert_int_equal(read_key("cut"), SJ_ERR_NO_CREDENTIAL);
	}
}

/* Every byte of the container but those nobody looks at. */
static void
every_change(void **state)
{
	uint8_t seed[32] = { 1 }, public_key[32], bytes[1024];
	char text[2000], coded[2000], *from;
	unsigned taken = 0;
	ssize_t length;

	(void)state;
	assert_int_equal(sj__ed25519_public(crypto, seed, public_key), 0);
	assert_true(key_file_format(seed, public_key, "", text, sizeof text) >
	    0);
	from = strchr(text, '\n') + 1;
	length = base64_decode(from, strcspn(from, "\n"), bytes, sizeof bytes);
	for (ssize_t i = 0; i < length; i++) {
		bytes[i] ^= 0x01;
		assert_true(base64_encode(bytes, (size_t)length, coded,
		    sizeof coded) >= 0);
		snprintf(text, sizeof text, "%s\n%.1500s\n%s\n", BEGIN, coded,
		    END);
		put_file("changed", 0600, text);
		if (read_key("changed") == 0 && !key.is_encrypted)
			taken++;
		else if (!key.is_encrypted)
			assert_false(key.private_key != NULL);
		bytes[i] ^= 0x01;
	}
	/* The name of the derivation (4), and what is behind the key (9). */
	assert_int_equal(taken, 13);
	/* Two keys in one file. */
	bytes[15 + 8 + 8 + 4 + 3] = 2;
	assert_true(base64_encode(bytes, (size_t)length, coded,
	    sizeof coded) >= 0);
	snprintf(text, sizeof text, "%s\n%.1500s\n%s\n", BEGIN, coded, END);
	put_file("changed", 0600, text);
	assert_int_equal(read_key("changed"), SJ_ERR_NO_CREDENTIAL);
	bytes[15 + 8 + 8 + 4 + 3] = 1;
	/* Two check words that differ mean a wrong passphrase. */
	bytes[15 + 8 + 8 + 4 + 4 + 4 + 51 + 4] ^= 0x10;
	assert_true(base64_encode(bytes, (size_t)length, coded,
	    sizeof coded) >= 0);
	snprintf(text, sizeof text, "%s\n%.1500s\n%s\n", BEGIN, coded, END);
	put_file("changed", 0600, text);
	assert_int_equal(read_key("changed"), SJ_ERR_NO_CREDENTIAL);
}

static void
encrypted(void **state)
{
	(void)state;
	need_ssh_keygen();
	assert_int_equal(shell("ssh-keygen -q -t ed25519 -N secret -a 1 "
	    "-f locked"), 0);
	assert_int_equal(read_key("locked"), 0);
	assert_true(key.is_encrypted);
	assert_null(key.private_key);
	assert_int_equal(key.blob_length, ED25519_BLOB_SIZE);
	/* Its public half is readable all the same. */
	put_bytes("blob", 0600, key.blob, ED25519_BLOB_SIZE);
	assert_int_equal(shell("test \"$(base64 -w0 < blob)\" = "
	    "\"$(cut -d' ' -f2 < locked.pub)\""), 0);
	for (int i = 0; i < 4; i++) {
		static const char *const wrong[] = { "Secret", "secre",
		    "secret ", "" };

		assert_int_equal(read_with("locked", wrong[i]), 0);
		assert_true(key.is_encrypted);
		assert_null(key.private_key);
	}
	assert_int_equal(read_with("locked", "secret"), 0);
	assert_false(key.is_encrypted);
	assert_true(signs());
	/* One that is not needed does no harm. */
	assert_int_equal(shell("ssh-keygen -q -t ed25519 -N '' -f open"), 0);
	assert_int_equal(read_with("open", "secret"), 0);
	assert_true(signs());
}

/* A file whose passphrase nobody can know here is not asked for it. */
static void
encrypted_otherwise(void **state)
{
	static const struct {
		size_t at;               /* of the container */
		uint8_t byte;
	} changes[] = {
		{ 15 + 4 + 9, '!' },     /* aes256-ct! */
		{ 15 + 14 + 4 + 5, '!' }, /* bcryp! */
		{ 15 + 14 + 10 + 4 + 20 + 2, 16 }, /* 4097 rounds */
	};
	uint8_t bytes[1024];
	char text[2000], coded[2000];
	ssize_t length;

	(void)state;
	need_ssh_keygen();
	assert_int_equal(shell("ssh-keygen -q -t ed25519 -N secret -a 1 "
	    "-f other && sed '/-----/d' other | base64 -d > raw"), 0);
	for (size_t i = 0; i <= sizeof changes / sizeof changes[0]; i++) {
		bool is_changed = i < sizeof changes / sizeof changes[0];
		size_t size;
		char *raw = file_read(in_folder("raw"), sizeof bytes, &size,
		    NULL);

		assert_non_null(raw);
		memcpy(bytes, raw, size);
		free(raw);
		length = (ssize_t)size;
		if (is_changed)
			bytes[changes[i].at] = changes[i].byte;
		assert_true(base64_encode(bytes, (size_t)length, coded,
		    sizeof coded) >= 0);
		snprintf(text, sizeof text, "%s\n%.1500s\n%s\n", BEGIN, coded,
		    END);
		put_file("changed", 0600, text);
		assert_int_equal(read_with("changed", "secret"), 0);
		assert_int_equal(key.is_foreign, is_changed);
		assert_int_equal(key.is_encrypted, is_changed);
		assert_int_equal(key.blob_length, ED25519_BLOB_SIZE);
	}
}

/* Every cipher that ssh-keygen knows, some passphrases, some rounds. */
static void
ciphers_and_rounds(void **state)
{
	static const char *const names[] = { "aes256-ctr", "aes192-ctr",
	    "aes128-ctr", "aes256-cbc", "aes192-cbc", "aes128-cbc",
	    "aes256-gcm@openssh.com", "aes128-gcm@openssh.com",
	    "chacha20-poly1305@openssh.com" };
	static const char *const passphrases[] = { "five5", "with blanks in it",
	    "\xc3\xa4\xc3\xb6\xc3\xbc \xe2\x82\xac", "a long one, longer than "
	    "the block of the hash is, which is of one hundred and twenty-eight "
	    "bytes, so that it has to go around the corner once" };
	static const char *const kinds[] = { "ed25519", "ecdsa -b 256",
	    "ecdsa -b 521", "rsa -b 2048" };
	char command[500];

	(void)state;
	need_ssh_keygen();
	for (size_t i = 0; i < 9; i++) {
		snprintf(command, sizeof command, "rm -f id id.pub && ssh-keygen "
		    "-q -t %s -Z %s -a %zu -N '%s' -f id", kinds[i % 4],
		    names[i], 1 + 3 * i, passphrases[i % 4]);
		assert_int_equal(shell(command), 0);
		assert_int_equal(read_key("id"), 0);
		assert_true(key.is_encrypted);
		assert_int_equal(read_with("id", "wrong"), 0);
		assert_true(key.is_encrypted);
		assert_int_equal(read_with("id", passphrases[i % 4]), 0);
		assert_false(key.is_encrypted);
		assert_true(signs());
	}
}

/* PKCS #8 and PEM of before, by libcrypto. */
static void
encrypted_pem(void **state)
{
	static const char *const kinds[] = { "ecdsa -b 384 -m PEM",
	    "ecdsa -b 256 -m PKCS8", "rsa -b 2048 -m PEM",
	    "rsa -b 2048 -m PKCS8" };
	char command[200];

	(void)state;
	need_ssh_keygen();
	for (size_t i = 0; i < 4; i++) {
		snprintf(command, sizeof command, "rm -f id id.pub && ssh-keygen "
		    "-q -t %s -N secret -f id", kinds[i]);
		assert_int_equal(shell(command), 0);
		assert_int_equal(read_key("id"), 0);
		assert_true(key.is_encrypted);
		/* known from the file beside it */
		assert_true(key.blob_length > 0);
		assert_int_equal(read_with("id", "wrong"), 0);
		assert_true(key.is_encrypted);
		assert_null(key.private_key);
		assert_int_equal(read_with("id", "secret"), 0);
		assert_false(key.is_encrypted);
		assert_true(signs());
		unlink(in_folder("id.pub"));
		assert_int_equal(read_key("id"), 0);
		assert_true(key.is_encrypted);
		assert_int_equal(key.blob_length, 0);
		assert_int_equal(read_with("id", "secret"), 0);
		assert_true(signs());
	}
	if (shell("openssl genpkey -algorithm ED25519 -aes-256-cbc -pass "
	    "pass:secret -out id && chmod 600 id") == 0) {
		assert_int_equal(read_with("id", "secret"), 0);
		assert_true(signs());
	}
}

/* [SJ-LG-23] and kinds that are no kind of login. */
static void
other_kinds(void **state)
{
	(void)state;
	need_ssh_keygen();
	assert_int_equal(shell("ssh-keygen -q -t rsa -b 1024 -N '' -f short && "
	    "ssh-keygen -q -t rsa -b 1024 -m PEM -N '' -f rsa"), 0);
	assert_int_equal(read_key("short"), SJ_ERR_NO_CREDENTIAL);
	assert_int_equal(read_key("short.pub"), SJ_ERR_NO_CREDENTIAL);
	assert_int_equal(read_key("rsa"), SJ_ERR_NO_CREDENTIAL);
	if (shell("openssl ecparam -name secp256k1 -genkey -noout -out k1 && "
	    "openssl genpkey -algorithm ED448 -out ed448 && chmod 600 k1 ed448")
	    == 0) {
		assert_int_equal(read_key("k1"), SJ_ERR_NO_CREDENTIAL);
		assert_int_equal(read_key("ed448"), SJ_ERR_NO_CREDENTIAL);
	}
	put_file("odd", 0600, END "\n" BEGIN "\n");
	assert_int_equal(read_key("odd"), SJ_ERR_NO_CREDENTIAL);
	put_file("odd", 0600, BEGIN END);
	assert_int_equal(read_key("odd"), SJ_ERR_NO_CREDENTIAL);
	put_file("odd", 0600, "ssh-ed25519 AAAA\n");
	assert_int_equal(read_key("odd"), SJ_ERR_NO_CREDENTIAL);
	assert_int_equal(read_key("none"), SJ_ERR_FILE);
	assert_non_null(strstr(why, "No such file"));
}

static void
modes(void **state)
{
	static const mode_t refused[] = { 0640, 0604, 0644, 0660, 0610 };
	uint8_t seed[32] = { 1 }, public_key[32];
	char text[2000];

	(void)state;
	assert_int_equal(sj__ed25519_public(crypto, seed, public_key), 0);
	assert_true(key_file_format(seed, public_key, "", text, sizeof text) >
	    0);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		put_file("mode", refused[i], text);
		assert_int_equal(read_key("mode"), SJ_ERR_FILE);
		assert_non_null(strstr(why, "others may read it"));
		assert_false(key.private_key != NULL);
	}
	put_file("mode", 0400, text);
	assert_int_equal(read_key("mode"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_ssh),
		cmocka_unit_test(for_ssh),
		cmocka_unit_test(long_comments),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(every_inner_cut),
		cmocka_unit_test(every_change),
		cmocka_unit_test(encrypted),
		cmocka_unit_test(encrypted_otherwise),
		cmocka_unit_test(ciphers_and_rounds),
		cmocka_unit_test(encrypted_pem),
		cmocka_unit_test(other_kinds),
		cmocka_unit_test(modes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
