/* SPDX-License-Identifier: ISC */
/*
 * noise_pattern.c - what a Noise protocol name means
 *
 * The patterns are written as in the specification (sections 7.4, 7.5, 18.1):
 * one string of messages, '/' between them, initiator first. Modifiers are
 * applied to the tokens read from there.
 */
#include "core/noise.h"

struct pattern {
	const char *name;
	const char *messages;
	bool is_one_way;
};

static const struct pattern patterns[] = {
	{ "N", "e es", true },
	{ "K", "e es ss", true },
	{ "X", "e es s ss", true },
	{ "NN", "e/e ee", false },
	{ "NK", "e es/e ee", false },
	{ "NX", "e/e ee s es", false },
	{ "XN", "e/e ee/s se", false },
	{ "XK", "e es/e ee/s se", false },
	{ "XX", "e/e ee s es/s se", false },
	{ "KN", "e/e ee se", false },
	{ "KK", "e es ss/e ee se", false },
	{ "KX", "e/e ee se s es", false },
	{ "IN", "e s/e ee se", false },
	{ "IK", "e es s ss/e ee se", false },
	{ "IX", "e s/e ee se s es", false },
	{ "NK1", "e/e ee es", false },
	{ "NX1", "e/e ee s/es", false },
	{ "X1N", "e/e ee/s/se", false },
	{ "X1K", "e es/e ee/s/se", false },
	{ "XK1", "e/e ee es/s se", false },
	{ "X1K1", "e/e ee es/s/se", false },
	{ "X1X", "e/e ee s es/s/se", false },
	{ "XX1", "e/e ee s/es s se", false },
	{ "X1X1", "e/e ee s/es s/se", false },
	{ "K1N", "e/e ee/se", false },
	{ "K1K", "e es/e ee/se", false },
	{ "KK1", "e/e ee se es", false },
	{ "K1K1", "e/e ee es/se", false },
	{ "K1X", "e/e ee s es/se", false },
	{ "KX1", "e/e ee se s/es", false },
	{ "K1X1", "e/e ee s/se es", false },
	{ "I1N", "e s/e ee/se", false },
	{ "I1K", "e es s/e ee/se", false },
	{ "IK1", "e s/e ee se es", false },
	{ "I1K1", "e s/e ee es/se", false },
	{ "I1X", "e s/e ee s es/se", false },
	{ "IX1", "e s/e ee se s/es", false },
	{ "I1X1", "e s/e ee s/se es", false },
};

static const struct {
	const char *word;
	enum noise_token token;
} words[] = {
	{ "e", TOKEN_E }, { "s", TOKEN_S }, { "ee", TOKEN_EE },
	{ "es", TOKEN_ES }, { "se", TOKEN_SE }, { "ss", TOKEN_SS },
};

/* --- Tokens ------------------------------------------------------------ */

static size_t
count_tokens(const uint8_t *tokens)
{
	size_t count = 0;

	while (tokens[count] != TOKEN_END)
		count++;
	return count;
}

static int
insert(uint8_t *tokens, size_t at, enum noise_token token)
{
	size_t count = count_tokens(tokens);

	if (count + 2 > NOISE_TOKENS_MAX)
		return SJ_ERR_ARGUMENT;
	memmove(tokens + at + 1, tokens + at, count - at + 1);
	tokens[at] = (uint8_t)token;
	return 0;
}

static enum noise_token
token_of(const char *word, size_t length)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strlen(words[i].word) == length &&
		    memcmp(words[i].word, word, length) == 0)
			return words[i].token;
	return TOKEN_END;
}

static void
read_messages(const char *text, struct sj__noise_protocol *protocol)
{
	size_t message = 0, count = 0, length;

	while (*text != '\0') {
		length = strcspn(text, " /");
		protocol->tokens[message][count++] =
		    (uint8_t)token_of(text, length);
		text += length;
		if (*text == '/') {
			message++;
			count = 0;
		}
		if (*text != '\0')
			text++;
	}
	protocol->message_count = (uint8_t)(message + 1);
}

/* --- Modifiers --------------------------------------------------------- */

/* Section 9.4: psk0 begins the first message, pskN ends the Nth. */
static int
apply_psk(struct sj__noise_protocol *protocol, unsigned place)
{
	uint8_t *tokens;

	if (place > protocol->message_count ||
	    protocol->psk_count >= NOISE_PSKS_MAX)
		return SJ_ERR_ARGUMENT;
	protocol->psk_count++;
	tokens = protocol->tokens[place == 0 ? 0 : place - 1];
	return insert(tokens, place == 0 ? 0 : count_tokens(tokens), TOKEN_PSK);
}

/* e1 follows the first e, or the first Diffie-Hellman of that message where
 * there is one; ekem1 follows ee. */
static int
apply_hfs(struct sj__noise_protocol *protocol)
{
	bool has_e1 = false;

	for (size_t i = 0; i < protocol->message_count; i++) {
		uint8_t *tokens = protocol->tokens[i];

		for (size_t j = 0; tokens[j] != TOKEN_END; j++) {
			if (tokens[j] == TOKEN_E && !has_e1) {
				bool dh = tokens[j + 1] >= TOKEN_EE &&
				    tokens[j + 1] <= TOKEN_SS;

				has_e1 = true;
				SJ_TRY(insert(tokens, j + (dh ? 2 : 1),
				    TOKEN_E1));
			} else if (tokens[j] == TOKEN_EE) {
				SJ_TRY(insert(tokens, j + 1, TOKEN_EKEM1));
			}
		}
	}
	protocol->has_kem = true;
	return 0;
}

static int
apply_modifiers(struct sj__noise_protocol *protocol, const char *text,
    size_t length)
{
	size_t one;

	while (length > 0) {
		for (one = 0; one < length && text[one] != '+'; one++)
			;
		if (one == 4 && memcmp(text, "psk", 3) == 0 &&
		    text[3] >= '0' && text[3] <= '9')
			SJ_TRY(apply_psk(protocol, (unsigned)(text[3] - '0')));
		else if (one == 3 && memcmp(text, "hfs", 3) == 0)
			SJ_TRY(apply_hfs(protocol));
		else
			return SJ_ERR_ARGUMENT;
		if (one + 1 == length)
			return SJ_ERR_ARGUMENT; /* nothing after the last + */
		one += one < length;
		text += one;
		length -= one;
	}
	return 0;
}

/* --- Names ------------------------------------------------------------- */

static int
read_pattern(struct sj__noise_protocol *protocol, const char *text,
    size_t length)
{
	size_t name = 0;

	while (name < length && (text[name] == '1' ||
	    (text[name] >= 'A' && text[name] <= 'Z')))
		name++;
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		if (strlen(patterns[i].name) != name ||
		    memcmp(patterns[i].name, text, name) != 0)
			continue;
		read_messages(patterns[i].messages, protocol);
		protocol->is_one_way = patterns[i].is_one_way;
		protocol->initiator_known = text[0] == 'K';
		protocol->responder_known = protocol->is_one_way ||
		    memchr(text + 1, 'K', name - 1) != NULL;
		return apply_modifiers(protocol, text + name, length - name);
	}
	return SJ_ERR_ARGUMENT;
}

static bool
is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && memcmp(text, word, length) == 0;
}

static int
read_part(const struct sj__crypto *crypto, struct sj__noise_protocol *protocol,
    unsigned part, const char *text, size_t length)
{
	static const char *const hashes[HASHES] = { "SHA256", "SHA512",
	    "BLAKE2s", "BLAKE2b" };
	bool is_hybrid = is_word(text, length, "25519+MLKEM768");

	switch (part) {
	case 0:
		return is_word(text, length, "Noise") ? 0 : SJ_ERR_ARGUMENT;
	case 1:
		return read_pattern(protocol, text, length);
	case 2:
		if (!is_hybrid && !is_word(text, length, "25519"))
			return SJ_ERR_ARGUMENT;
		if (is_hybrid != protocol->has_kem)
			return SJ_ERR_ARGUMENT;
		return is_hybrid && !sj__kem_is_there(crypto) ? SJ_ERR_STATE : 0;
	case 3:
		protocol->cipher = is_word(text, length, "AESGCM") ?
		    CIPHER_AES_256_GCM : CIPHER_CHACHA20_POLY1305;
		return protocol->cipher == CIPHER_AES_256_GCM ||
		    is_word(text, length, "ChaChaPoly") ? 0 : SJ_ERR_ARGUMENT;
	case 4:
		for (int i = 0; i < HASHES; i++)
			if (is_word(text, length, hashes[i])) {
				protocol->hash = (enum sj__hash)i;
				return 0;
			}
		return SJ_ERR_ARGUMENT;
	default:
		return SJ_ERR_ARGUMENT;
	}
}

int
sj__noise_parse(const struct sj__crypto *crypto, const char *name,
    struct sj__noise_protocol *protocol)
{
	unsigned part = 0;
	size_t length;

	memset(protocol, 0, sizeof *protocol);
	for (;;) {
		length = strcspn(name, "_");
		SJ_TRY(read_part(crypto, protocol, part++, name, length));
		if (name[length] == '\0')
			break;
		name += length + 1;
	}
	return part == 5 ? 0 : SJ_ERR_ARGUMENT;
}
