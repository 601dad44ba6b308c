/* SPDX-License-Identifier: ISC */
/*
 * wire.c - packets and frames to bytes and back
 *
 * Decoding checks syntax only: lengths, ranges, known types. Whether a frame
 * makes sense is the business of channel and session.
 */
#include "core/wire.h"

/* [SJ-FR-4] The ranges of an acknowledgement never go below number 0. */
static void
decode_ack(struct reader *reader, struct frame *frame)
{
	uint64_t smallest, gap, length;

	frame->u.ack.largest = read_varint(reader);
	frame->u.ack.delay_us = read_varint(reader);
	frame->u.ack.range_count = read_varint(reader);
	frame->u.ack.first_range = read_varint(reader);
	if (frame->u.ack.first_range > frame->u.ack.largest)
		reader->failed = true;
	smallest = frame->u.ack.largest - frame->u.ack.first_range;
	frame->u.ack.ranges = *reader;
	for (uint64_t i = 0; i < frame->u.ack.range_count && !reader->failed; i++) {
		gap = read_varint(reader);
		length = read_varint(reader);
		if (reader->failed || smallest < gap + 2 ||
		    smallest - gap - 2 < length)
			reader->failed = true;
		else
			smallest -= gap + 2 + length;
	}
	frame->u.ack.ect0 = frame->u.ack.ect1 = frame->u.ack.ce = 0;
	if (frame->type == FRAME_ACK_ECN) {
		frame->u.ack.ect0 = read_varint(reader);
		frame->u.ack.ect1 = read_varint(reader);
		frame->u.ack.ce = read_varint(reader);
	}
}

void
sj__ack_walk_first(const struct frame *frame, struct ack_walk *walk,
    uint64_t *from, uint64_t *to)
{
	walk->ranges = frame->u.ack.ranges;
	walk->left = frame->u.ack.range_count;
	*to = frame->u.ack.largest;
	*from = walk->smallest = *to - frame->u.ack.first_range;
}

bool
sj__ack_walk_next(struct ack_walk *walk, uint64_t *from, uint64_t *to)
{
	if (walk->left == 0)
		return false;
	walk->left--;
	*to = walk->smallest - read_varint(&walk->ranges) - 2;
	*from = walk->smallest = *to - read_varint(&walk->ranges);
	return true;
}

static void
decode_opening(struct reader *reader, struct stream_opening *opening)
{
	uint64_t urgency_flags;

	opening->parent = read_varint(reader);
	opening->borrow = read_varint(reader);
	opening->credit = read_varint(reader);
	urgency_flags = read_uint(reader, 1);
	opening->urgency = urgency_flags & 7;
	opening->best_effort = (urgency_flags & 8) != 0;
	opening->lender_is_root = (urgency_flags & 16) != 0;
	opening->weight = (uint8_t)read_uint(reader, 1);
	/* [SJ-ST-19] */
	opening->deadline_ms = opening->best_effort ? read_varint(reader) : 0;
	opening->service = read_sized(reader);
	/* [SJ-FR-7] */
	if ((urgency_flags & 0xe0) != 0 || opening->weight == 0 ||
	    opening->service.length > NAME_MAX_BYTES)
		reader->failed = true;
}

static void
decode_stream(struct reader *reader, struct frame *frame)
{
	uint8_t bits = frame->type & 0x0f;

	frame->u.stream.stream = read_varint(reader);
	frame->u.stream.offset = bits & STREAM_OFFSET ? read_varint(reader) : 0;
	frame->u.stream.is_opening = (bits & STREAM_OPEN) != 0;
	if (frame->u.stream.is_opening)
		decode_opening(reader, &frame->u.stream.opening);
	if (bits & STREAM_LENGTH)
		frame->u.stream.data = read_sized(reader);
	else
		frame->u.stream.data = read_span(reader, reader_left(reader));
	frame->u.stream.fin = (bits & STREAM_FIN) != 0;
	/* [SJ-FR-8] */
	if (frame->u.stream.offset + frame->u.stream.data.length > VARINT_MAX)
		reader->failed = true;
}

static void
decode_session_frame(struct reader *reader, struct frame *frame)
{
	switch (frame->type) {
	case FRAME_CREDIT:
		frame->u.credit.stream = read_varint(reader);
		frame->u.credit.maximum = read_varint(reader);
		break;
	case FRAME_RESET:
		frame->u.reset.stream = read_varint(reader);
		frame->u.reset.code = read_varint(reader);
		frame->u.reset.final_size = read_varint(reader);
		frame->u.reset.parent = read_varint(reader);
		frame->u.reset.borrow = read_varint(reader);
		/* [SJ-FR-10] */
		frame->u.reset.lender_is_root = read_uint(reader, 1) & 1;
		break;
	case FRAME_STOP:
		frame->u.stop.stream = read_varint(reader);
		frame->u.stop.code = read_varint(reader);
		break;
	case FRAME_PRIORITY:
		frame->u.priority.stream = read_varint(reader);
		frame->u.priority.version = read_varint(reader);
		frame->u.priority.urgency = (uint8_t)read_uint(reader, 1);
		frame->u.priority.weight = (uint8_t)read_uint(reader, 1);
		if (frame->u.priority.urgency > 7 || frame->u.priority.weight == 0)
			reader->failed = true;
		break;
	case FRAME_FLOOR:
		frame->u.floor.first = read_varint(reader);
		frame->u.floor.count = read_varint(reader);
		break;
	default:
		reader->failed = true;  /* [SJ-FR-2] */
	}
}

static void
decode_channel_frame(struct reader *reader, struct frame *frame)
{
	switch (frame->type) {
	case FRAME_PING:
		break;
	case FRAME_ACK:
	case FRAME_ACK_ECN:
		decode_ack(reader, frame);
		break;
	case FRAME_PATH_CHALLENGE:
	case FRAME_PATH_RESPONSE:
		frame->u.path.bytes = read_bytes(reader, 8);
		break;
	case FRAME_NEW_ID:
		frame->u.new_id.sequence = read_varint(reader);
		frame->u.new_id.id = read_bytes(reader, ID_SIZE);
		break;
	case FRAME_RETIRE_ID:
		frame->u.retire_id.sequence = read_varint(reader);
		break;
	case FRAME_PARAMETERS:
		frame->u.parameters.list = read_sized(reader);
		break;
	case FRAME_CLOSE:
		frame->u.close.code = read_varint(reader);
		frame->u.close.text = read_sized(reader);
		if (frame->u.close.text.length > CLOSE_TEXT_MAX)
			reader->failed = true;
		break;
	default:
		reader->failed = true;  /* [SJ-FR-2] */
	}
}

bool
sj__frame_decode(struct reader *reader, struct frame *frame)
{
	for (;;) {
		while (reader->at != reader->end && *reader->at == FRAME_PADDING)
			reader->at++;
		if (reader->failed || reader->at == reader->end)
			return false;
		frame->type = read_varint(reader);
		if (frame_is_stream(frame->type) ||
		    !frame_is_grease(frame->type))
			break;
		read_sized(reader);     /* [SJ-FR-3] */
	}
	if (frame_is_stream(frame->type))
		decode_stream(reader, frame);
	else if (frame->type <= FRAME_CHANNEL_MAX)
		decode_channel_frame(reader, frame);
	else
		decode_session_frame(reader, frame);
	return !reader->failed;
}

void
sj__frame_credit(struct writer *writer, uint64_t stream, uint64_t maximum)
{
	write_varint(writer, FRAME_CREDIT);
	write_varint(writer, stream);
	write_varint(writer, maximum);
}

void
sj__frame_reset(struct writer *writer, const struct frame *frame)
{
	write_varint(writer, FRAME_RESET);
	write_varint(writer, frame->u.reset.stream);
	write_varint(writer, frame->u.reset.code);
	write_varint(writer, frame->u.reset.final_size);
	write_varint(writer, frame->u.reset.parent);
	write_varint(writer, frame->u.reset.borrow);
	write_uint(writer, frame->u.reset.lender_is_root, 1);
}

void
sj__frame_stop(struct writer *writer, uint64_t stream, uint64_t code)
{
	write_varint(writer, FRAME_STOP);
	write_varint(writer, stream);
	write_varint(writer, code);
}

void
sj__frame_priority(struct writer *writer, uint64_t stream, uint64_t version,
    uint8_t urgency, uint8_t weight)
{
	write_varint(writer, FRAME_PRIORITY);
	write_varint(writer, stream);
	write_varint(writer, version);
	write_uint(writer, urgency, 1);
	write_uint(writer, weight, 1);
}

void
sj__frame_new_id(struct writer *writer, uint64_t sequence,
    const uint8_t id[ID_SIZE])
{
	write_varint(writer, FRAME_NEW_ID);
	write_varint(writer, sequence);
	write_bytes(writer, id, ID_SIZE);
}

void
sj__frame_retire_id(struct writer *writer, uint64_t sequence)
{
	write_varint(writer, FRAME_RETIRE_ID);
	write_varint(writer, sequence);
}

void
sj__frame_path(struct writer *writer, enum frame_type type,
    const uint8_t bytes[8])
{
	write_varint(writer, type);
	write_bytes(writer, bytes, 8);
}

void
sj__frame_close(struct writer *writer, uint64_t code, struct span text)
{
	write_varint(writer, FRAME_CLOSE);
	write_varint(writer, code);
	write_sized(writer, text.data, min_size(text.length, CLOSE_TEXT_MAX));
}

void
sj__frame_grease(struct writer *writer, uint8_t n, struct span bytes)
{
	assert(bytes.length <= GREASE_BYTES_MAX);
	write_varint(writer, 31 * (uint64_t)n + 27);
	write_sized(writer, bytes.data, bytes.length);
}

void
sj__frame_parameters(struct writer *writer, struct span list)
{
	write_varint(writer, FRAME_PARAMETERS);
	write_sized(writer, list.data, list.length);
}

static size_t
opening_size(const struct stream_opening *opening)
{
	return varint_size(opening->parent) + varint_size(opening->borrow) +
	    varint_size(opening->credit) + 2 +
	    (opening->best_effort ? varint_size(opening->deadline_ms) : 0) +
	    varint_size(opening->service.length) + opening->service.length;
}

static void
write_opening(struct writer *writer, const struct stream_opening *opening)
{
	write_varint(writer, opening->parent);
	write_varint(writer, opening->borrow);
	write_varint(writer, opening->credit);
	write_uint(writer, opening->urgency | (opening->best_effort ? 8u : 0u) |
	    (opening->lender_is_root ? 16u : 0u), 1);
	write_uint(writer, opening->weight, 1);
	if (opening->best_effort)
		write_varint(writer, opening->deadline_ms);
	write_sized(writer, opening->service.data, opening->service.length);
}

bool
sj__frame_stream(struct writer *writer, const struct stream_header *header,
    size_t *length)
{
	size_t wanted = *length, fixed, left = writer_left(writer), room;
	uint64_t type = FRAME_STREAM;
	bool to_end;

	fixed = 1 + varint_size(header->stream) +
	    (header->offset > 0 ? varint_size(header->offset) : 0) +
	    (header->opening != NULL ? opening_size(header->opening) : 0);
	if (writer->failed || fixed > left)
		return false;
	room = left - fixed;
	to_end = header->to_end && wanted >= room;
	if (!to_end) {
		size_t sized = varint_size(min_size(wanted, room));

		if (room < sized)
			return false;
		room -= sized;
	}
	if (wanted > 0 && room == 0)
		return false;
	*length = min_size(wanted, room);
	type |= header->offset > 0 ? STREAM_OFFSET : 0;
	type |= header->opening != NULL ? STREAM_OPEN : 0;
	type |= to_end ? 0 : STREAM_LENGTH;
	type |= header->fin && *length == wanted ? STREAM_FIN : 0;
	write_varint(writer, type);
	write_varint(writer, header->stream);
	if (header->offset > 0)
		write_varint(writer, header->offset);
	if (header->opening != NULL)
		write_opening(writer, header->opening);
	if (!to_end)
		write_varint(writer, *length);
	assert(!writer->failed && writer_left(writer) >= *length);
	return true;
}

/* --- Long packets ------------------------------------------------------ */

static void
read_array(struct reader *reader, uint8_t *out, size_t length)
{
	const uint8_t *bytes = read_bytes(reader, length);

	if (bytes != NULL)
		memcpy(out, bytes, length);
}

static void
decode_fragment(struct reader *reader, struct long_packet *packet)
{
	packet->offset = (uint16_t)read_uint(reader, 2);
	packet->total = (uint16_t)read_uint(reader, 2);
	packet->body = read_span(reader, reader_left(reader));
	if (packet->body.length == 0 ||
	    (size_t)packet->offset + packet->body.length > packet->total)
		reader->failed = true;
}

bool
sj__long_decode(struct span datagram, struct long_packet *packet)
{
	struct reader reader = reader_of(datagram.data, datagram.length);

	memset(packet, 0, sizeof *packet);
	packet->flags = (uint8_t)read_uint(&reader, 1);
	packet->version = (uint32_t)read_uint(&reader, 4);
	read_array(&reader, packet->destination, ID_SIZE);
	read_array(&reader, packet->source, ID_SIZE);
	if (reader.failed || !(packet->flags & FLAG_LONG))
		return false;
	if (packet->version == VERSION_NONE) {
		packet->body = read_span(&reader, reader_left(&reader));
		return packet->body.length >= 4;
	}
	if (packet->version != SJ__VERSION_1)
		return true;
	switch (long_type_of(packet->flags)) {
	case LONG_HELLO:
		packet->attempt = (uint8_t)read_uint(&reader, 1);
		read_array(&reader, packet->cookie, COOKIE_SIZE);
		read_array(&reader, packet->digest, DIGEST_SIZE);
		decode_fragment(&reader, packet);
		break;
	case LONG_ANSWER:
		packet->attempt = (uint8_t)read_uint(&reader, 1);
		decode_fragment(&reader, packet);
		break;
	case LONG_REFUSAL:
		packet->code = (uint8_t)read_uint(&reader, 1);
		break;
	case LONG_COOKIE:
		read_array(&reader, packet->cookie, COOKIE_SIZE);
		break;
	case LONG_VERSIONS:
	case LONG_EARLY:
	default:
		return false;
	}
	return !reader.failed;
}

static void
encode_fragment(struct writer *writer, const struct long_packet *packet)
{
	write_uint(writer, packet->offset, 2);
	write_uint(writer, packet->total, 2);
	write_bytes(writer, packet->body.data, packet->body.length);
}

size_t
sj__long_encode(const struct long_packet *packet, uint8_t *out, size_t capacity)
{
	struct writer writer = writer_of(out, capacity);
	enum long_type type = long_type_of(packet->flags);

	write_uint(&writer, packet->flags, 1);
	write_uint(&writer, packet->version, 4);
	write_bytes(&writer, packet->destination, ID_SIZE);
	write_bytes(&writer, packet->source, ID_SIZE);
	switch (type) {
	case LONG_HELLO:
		write_uint(&writer, packet->attempt, 1);
		write_bytes(&writer, packet->cookie, COOKIE_SIZE);
		write_bytes(&writer, packet->digest, DIGEST_SIZE);
		encode_fragment(&writer, packet);
		break;
	case LONG_ANSWER:
		write_uint(&writer, packet->attempt, 1);
		encode_fragment(&writer, packet);
		break;
	case LONG_COOKIE:
		write_bytes(&writer, packet->cookie, COOKIE_SIZE);
		break;
	case LONG_VERSIONS:
		write_bytes(&writer, packet->body.data, packet->body.length);
		break;
	case LONG_REFUSAL:
		write_uint(&writer, packet->code, 1);
		break;
	case LONG_EARLY:
		assert(false);
	}
	return writer.failed ? 0 : (size_t)(writer.at - out);
}

void
sj__offer_encode(const struct offer *offer, uint8_t out[OFFER_SIZE])
{
	struct writer writer = writer_of(out, OFFER_SIZE);

	write_uint(&writer, offer->pattern, 1);
	write_uint(&writer, offer->suite, 1);
	write_uint(&writer, offer->key_number, 4);
	write_uint(&writer, offer->refusal, 1);
	write_uint(&writer, offer->refused_pattern, 1);
	write_uint(&writer, offer->refused_key_number, 4);
	assert(!writer.failed);
}

bool
sj__offer_decode(struct span body, struct offer *offer)
{
	struct reader reader = reader_of(body.data, body.length);

	offer->pattern = (uint8_t)read_uint(&reader, 1);
	offer->suite = (uint8_t)read_uint(&reader, 1);
	offer->key_number = (uint32_t)read_uint(&reader, 4);
	offer->refusal = (uint8_t)read_uint(&reader, 1);
	offer->refused_pattern = (uint8_t)read_uint(&reader, 1);
	offer->refused_key_number = (uint32_t)read_uint(&reader, 4);
	return !reader.failed;
}

/* --- Parameters -------------------------------------------------------- */

/* [SJ-HS-17] [SJ-HS-14] */
struct span
sj__parameter_find(struct span list, uint64_t type, bool *failed)
{
	struct reader reader = reader_of(list.data, list.length);
	struct span found = { NULL, 0 }, value;
	uint64_t one;

	while (!reader.failed && reader.at != reader.end) {
		one = read_varint(&reader);
		value = read_sized(&reader);
		if (one == type && found.data == NULL && !reader.failed)
			found = value;
	}
	if (reader.failed) {
		*failed = true;
		found = (struct span){ NULL, 0 };
	}
	return found;
}

uint64_t
sj__parameter_number(struct span list, uint64_t type, uint64_t missing,
    bool *failed)
{
	struct span value = sj__parameter_find(list, type, failed);
	struct reader reader = reader_of(value.data, value.length);
	uint64_t number;

	if (value.data == NULL)
		return missing;
	number = read_varint(&reader);
	if (reader.failed || reader.at != reader.end)
		*failed = true;
	return number;
}

void
sj__parameter_write(struct writer *writer, uint64_t type, const void *value,
    size_t length)
{
	write_varint(writer, type);
	write_sized(writer, value, length);
}

void
sj__parameter_write_number(struct writer *writer, uint64_t type, uint64_t value)
{
	write_varint(writer, type);
	write_varint(writer, varint_size(value));
	write_varint(writer, value);
}
