/* SPDX-License-Identifier: ISC */
/*
 * fuzz_known_hosts.c - files of keys in base64: known hosts, the host key
 *
 * The first byte chooses. A host that is found is named in the file; bytes that
 * were decoded have a text that decodes to them.
 */
#include "file.h"
#include "io/host_key.c"
#include "io/known_hosts.c"

static void
known_hosts(void)
{
	static const struct { unsigned port; const char *name; } hosts[] = {
		{ 7531, "host" }, { 22, "[host]:22" } };
	struct known_host known;
	int result;

	for (int i = 0; i < 2; i++) {
		result = known_hosts_find("/nowhere", "host", hosts[i].port,
		    &known);
		MUST(result == 0 || result == 1);
		if (result == 0)
			continue;
		MUST(memmem(file.data, file.length, hosts[i].name,
		    strlen(hosts[i].name)) != NULL);
		MUST(strncmp(known.where, "line ", 5) == 0);
		if (known.is_hybrid)
			MUST(memmem(file.data, file.length, "hybrid", 6) !=
			    NULL);
	}
}

static void
host_key(void)
{
	static const struct sj_io io = { .none = 1 };
	char error[256], text[64];
	uint8_t key[32];
	int result = host_key_load("/nowhere", &io, key, error, sizeof error);

	MUST(result == 0 || result == SJ_ERR_FILE);
	if (result < 0)
		return;
	MUST(base64_encode(key, 32, text, sizeof text) == 44);
	/* The last bits of the last digit mean nothing. */
	MUST(memmem(file.data, file.length, text, 42) != NULL);
}

static void
base64(void)
{
	uint8_t bytes[600], again[600];
	char text[1024];
	ssize_t length = base64_decode((const char *)file.data, file.length,
	    bytes, sizeof bytes), back;

	MUST(length <= (ssize_t)sizeof bytes);
	if (length < 0)
		return;
	back = base64_encode(bytes, (size_t)length, text, sizeof text);
	MUST(back >= 0 && back == (length + 2) / 3 * 4);
	MUST(base64_decode(text, (size_t)back, again, sizeof again) == length);
	MUST(memcmp(bytes, again, (size_t)length) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program);

	file = take_span(&program, SIZE_MAX);
	if (first < 128)
		known_hosts();
	else if (first < 192)
		host_key();
	else
		base64();
	return 0;
}
