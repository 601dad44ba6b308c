/* SPDX-License-Identifier: ISC */
/*
 * seeds.c - real messages, for the fuzzers to begin with
 *
 * Runs a login with streams, cookies, an unknown version and a refused key,
 * and prints what was said, a line each: the target and the bytes in hex.
 * Linked with --wrap: what is sealed, and the lists and records that are read
 * or written, are seen on their way. seeds.py makes files of them.
 */
#include "machine.h"

static void
print(const char *target, int first, const uint8_t *bytes, size_t length)
{
	printf("%s ", target);
	if (first >= 0)
		printf("%02x", (unsigned)first);
	for (size_t i = 0; i < length; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

int __real_sj__packet_seal(struct sj__protection *protection, uint64_t number,
    uint8_t *packet, size_t payload_length);
int __wrap_sj__packet_seal(struct sj__protection *protection, uint64_t number,
    uint8_t *packet, size_t payload_length);
int
__wrap_sj__packet_seal(struct sj__protection *protection, uint64_t number,
    uint8_t *packet, size_t payload_length)
{
	print("frame", -1, packet + SHORT_HEADER_SIZE,
	    min_size(payload_length, 600));
	return __real_sj__packet_seal(protection, number, packet,
	    payload_length);
}

struct span __real_sj__parameter_find(struct span list, uint64_t type,
    bool *failed);
struct span __wrap_sj__parameter_find(struct span list, uint64_t type,
    bool *failed);
struct span
__wrap_sj__parameter_find(struct span list, uint64_t type, bool *failed)
{
	print("parameters", -1, list.data, min_size(list.length, 400));
	return __real_sj__parameter_find(list, type, failed);
}

ptrdiff_t __real_sj_login_record_encode(const struct sj_login_record *record,
    void *out, size_t capacity);
ptrdiff_t __wrap_sj_login_record_encode(const struct sj_login_record *record,
    void *out, size_t capacity);
ptrdiff_t
__wrap_sj_login_record_encode(const struct sj_login_record *record, void *out,
    size_t capacity)
{
	ptrdiff_t length = __real_sj_login_record_encode(record, out, capacity);

	if (length > 0)
		print("record", 0, out, (size_t)length);
	return length;
}

static bool
see(struct machine *at, int side, const struct sj_batch *batch)
{
	(void)at;
	(void)side;
	for (size_t from = 0; from < batch->length; from += batch->segment_size)
		if (batch->bytes[from] & FLAG_LONG)
			print("long_packet", -1, batch->bytes + from,
			    min_size(batch->segment_size,
			    batch->length - from));
	return true;
}

static void
log_in(const uint8_t *server_key, bool has_cookies)
{
	const struct machine_options options = { .has_cookies = has_cookies };
	static const uint8_t bytes[700] = { 1 };
	uint8_t unknown[HELLO_SIZE] = { 0x80, 1, 2, 3, 4 };
	struct sj_stream *stream;

	machine_open(&options);
	machine.on_batch = see;
	MUST(machine_log_in(server_key));
	machine_exchange(12);
	machine_deliver(0, 3, 0, unknown, sizeof unknown, sizeof unknown);
	if (machine.session != NULL &&
	    sj_stream_open(machine.session, &stream, NULL) == 0) {
		(void)sj_stream_write(stream, bytes, sizeof bytes);
		(void)sj_stream_set_priority(stream, 2, 9);
		machine_exchange(3);
		(void)sj_stream_stop(stream, 4);
		(void)sj_stream_reset(stream, 5);
		machine_exchange(3);
		machine.place = 2;
		machine_exchange(5);
		(void)sj_logout(machine.session);
	}
	machine_exchange(10);
	machine_close();
}

int
main(void)
{
	static const uint8_t wrong_key[32] = { 9 };

	log_in(NULL, false);
	log_in(NULL, true);
	log_in(wrong_key, false);
	return 0;
}
