/* SPDX-License-Identifier: ISC */
/* record.c - a run of the simulator in a file, for the second implementation */
#include "record.h"

#define SESSIONS_RECORDED 1024

static struct recording {
	FILE *file;                     /* NULL: nothing is recorded */
	struct world *world;
	struct {
		const struct sj_session *session;
		uint8_t hash[32];       /* of its channel, as told */
	} sessions[SESSIONS_RECORDED];
	unsigned session_count;
} recording;

/* --- Lines ------------------------------------------------------------- */

static void
put_hex(const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	putc(' ', recording.file);
	for (size_t i = 0; i < length; i++) {
		putc(digits[bytes[i] >> 4], recording.file);
		putc(digits[bytes[i] & 15], recording.file);
	}
}

static int
number_of(const struct sj_endpoint *endpoint)
{
	const struct world *world = recording.world;

	for (unsigned i = 0; i < world->client_count; i++)
		if (world->clients[i].endpoint == endpoint)
			return (int)i + 1;
	/* The first key of a server is made before the world knows it. */
	return 0;
}

static void
put_datagrams(char direction, const struct sj_endpoint *endpoint,
    struct sj_time now, const struct sj_path *path, const uint8_t *bytes,
    size_t length, size_t segment)
{
	size_t one;

	for (size_t at = 0; at < length; at += one) {
		one = min_size(segment == 0 ? length : segment, length - at);
		fprintf(recording.file, "%c %d %llu %u.%u", direction,
		    number_of(endpoint), (unsigned long long)now.boot_ns,
		    path->remote.ip[15], path->remote.port);
		put_hex(bytes + at, one);
		putc('\n', recording.file);
	}
}

/* The number of a session, and a line when its channel is known. */
static unsigned
session_of(const struct sj_session *session)
{
	static const uint8_t none[32];
	unsigned i = 0;

	while (i < recording.session_count &&
	    recording.sessions[i].session != session)
		i++;
	if (i == recording.session_count) {
		assert(i < SESSIONS_RECORDED);
		recording.session_count++;
		recording.sessions[i].session = session;
		memset(recording.sessions[i].hash, 0, 32);
	}
	if (session->channel == NULL ||
	    memcmp(session->channel->hash, none, 32) == 0 ||
	    memcmp(session->channel->hash, recording.sessions[i].hash, 32) == 0)
		return i;
	memcpy(recording.sessions[i].hash, session->channel->hash, 32);
	fprintf(recording.file, "S %d %u", number_of(session->endpoint), i);
	put_hex(session->channel->hash, 32);
	putc('\n', recording.file);
	return i;
}

static void
put_sessions(const struct sj_endpoint *endpoint)
{
	const struct list *head = &endpoint->sessions;

	for (struct list *at = head->next; at != head; at = at->next)
		(void)session_of(container_of(at, struct sj_session, all));
}

void
record_start(struct world *world, FILE *file)
{
	memset(&recording, 0, sizeof recording);
	recording.world = world;
	recording.file = file;
	putc('H', file);
	put_hex(world->host_private, 32);
	putc('\n', file);
}

void
record_stop(void)
{
	recording.file = NULL;
}

/* --- What is seen ------------------------------------------------------ */

void __real_sj_core_receive(struct sj_endpoint *, struct sj_time,
    const struct sj_path *, enum sj_ecn, uint8_t *, size_t, size_t);
void __wrap_sj_core_receive(struct sj_endpoint *, struct sj_time,
    const struct sj_path *, enum sj_ecn, uint8_t *, size_t, size_t);

void
__wrap_sj_core_receive(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, enum sj_ecn ecn, uint8_t *bytes, size_t length,
    size_t segment)
{
	if (recording.file != NULL)
		put_datagrams('<', endpoint, now, path, bytes, length, segment);
	__real_sj_core_receive(endpoint, now, path, ecn, bytes, length, segment);
}

int __real_sj_core_transmit(struct sj_endpoint *, struct sj_time,
    struct sj_batch *);
int __wrap_sj_core_transmit(struct sj_endpoint *, struct sj_time,
    struct sj_batch *);

int
__wrap_sj_core_transmit(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj_batch *batch)
{
	int filled = __real_sj_core_transmit(endpoint, now, batch);

	if (recording.file == NULL)
		return filled;
	put_sessions(endpoint);
	if (filled == 1)
		put_datagrams('>', endpoint, now, &batch->path, batch->bytes,
		    batch->length, batch->segment_size);
	return filled;
}

void __real_sj__endpoint_key_material(struct sj_endpoint *, uint8_t[32]);
void __wrap_sj__endpoint_key_material(struct sj_endpoint *, uint8_t[32]);

void
__wrap_sj__endpoint_key_material(struct sj_endpoint *endpoint, uint8_t out[32])
{
	__real_sj__endpoint_key_material(endpoint, out);
	if (recording.file == NULL)
		return;
	fprintf(recording.file, "E %d", number_of(endpoint));
	put_hex(out, 32);
	putc('\n', recording.file);
}

void __real_sj__handshake_result(const struct sj__handshake *,
    struct sj__handshake_result *);
void __wrap_sj__handshake_result(const struct sj__handshake *,
    struct sj__handshake_result *);

/* peer_id is the server's, which only a client learns by a handshake. */
void
__wrap_sj__handshake_result(const struct sj__handshake *handshake,
    struct sj__handshake_result *result)
{
	static const uint8_t none[ID_SIZE];

	__real_sj__handshake_result(handshake, result);
	if (recording.file == NULL)
		return;
	fprintf(recording.file, "K %d %d",
	    memcmp(result->peer_id, none, ID_SIZE) != 0, (int)result->suite);
	put_hex(result->hash, 32);
	put_hex(result->client_secret, 32);
	put_hex(result->server_secret, 32);
	put_hex(result->master, 32);
	putc('\n', recording.file);
}

static void
put_stream(char what, const struct sj_stream *stream, const void *bytes,
    ptrdiff_t length)
{
	unsigned session = session_of(stream->session);

	fprintf(recording.file, "%c %d %u %llu", what,
	    number_of(stream->session->endpoint), session,
	    (unsigned long long)stream->id);
	if (length > 0)
		put_hex(bytes, (size_t)length);
	putc('\n', recording.file);
}

ptrdiff_t __real_sj_stream_write(struct sj_stream *, const void *, size_t);
ptrdiff_t __wrap_sj_stream_write(struct sj_stream *, const void *, size_t);

ptrdiff_t
__wrap_sj_stream_write(struct sj_stream *stream, const void *bytes,
    size_t length)
{
	ptrdiff_t taken = __real_sj_stream_write(stream, bytes, length);

	if (recording.file != NULL && taken > 0)
		put_stream('W', stream, bytes, taken);
	return taken;
}

int __real_sj_stream_finish(struct sj_stream *);
int __wrap_sj_stream_finish(struct sj_stream *);

int
__wrap_sj_stream_finish(struct sj_stream *stream)
{
	if (recording.file != NULL)
		put_stream('F', stream, NULL, 0);
	return __real_sj_stream_finish(stream);
}
