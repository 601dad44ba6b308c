/* SPDX-License-Identifier: ISC */
/*
 * fuzz_frame.c - the frames of an opened packet
 *
 * Each frame that decodes is encoded, decoded and encoded again: the same
 * bytes. Ranges of an acknowledgement go down, and never below 0.
 */
#include "fuzz.h"
#include "core/wire.h"

static void
walk(const struct frame *frame)
{
	struct ack_walk walk;
	uint64_t from, to, below, count = 1;

	sj__ack_walk_first(frame, &walk, &from, &to);
	MUST(from <= to && to == frame->u.ack.largest);
	below = from;
	while (sj__ack_walk_next(&walk, &from, &to)) {
		MUST(!walk.ranges.failed);
		MUST(from <= to && to + 1 < below);
		below = from;
		count++;
	}
	MUST(count == frame->u.ack.range_count + 1);
}

static void
encode_stream(struct writer *writer, const struct frame *frame)
{
	struct stream_header header = { .stream = frame->u.stream.stream,
	    .offset = frame->u.stream.offset, .fin = frame->u.stream.fin,
	    .opening = frame->u.stream.is_opening ?
	    &frame->u.stream.opening : NULL };
	size_t length = frame->u.stream.data.length;

	/* Nothing at all is not worth a frame. */
	if (!sj__frame_stream(writer, &header, &length))
		return;
	MUST(length <= frame->u.stream.data.length);
	write_bytes(writer, frame->u.stream.data.data, length);
}

/* False: there is no encoder for it. */
static bool
encode(struct writer *writer, const struct frame *frame)
{
	if (frame_is_stream(frame->type))
		encode_stream(writer, frame);
	else if (frame->type == FRAME_CREDIT)
		sj__frame_credit(writer, frame->u.credit.stream,
		    frame->u.credit.maximum);
	else if (frame->type == FRAME_RESET)
		sj__frame_reset(writer, frame);
	else if (frame->type == FRAME_STOP)
		sj__frame_stop(writer, frame->u.stop.stream,
		    frame->u.stop.code);
	else if (frame->type == FRAME_PRIORITY)
		sj__frame_priority(writer, frame->u.priority.stream,
		    frame->u.priority.version, frame->u.priority.urgency,
		    frame->u.priority.weight);
	else if (frame->type == FRAME_NEW_ID)
		sj__frame_new_id(writer, frame->u.new_id.sequence,
		    frame->u.new_id.id);
	else if (frame->type == FRAME_RETIRE_ID)
		sj__frame_retire_id(writer, frame->u.retire_id.sequence);
	else if (frame->type == FRAME_PATH_CHALLENGE ||
	    frame->type == FRAME_PATH_RESPONSE)
		sj__frame_path(writer, (enum frame_type)frame->type,
		    frame->u.path.bytes);
	else if (frame->type == FRAME_CLOSE)
		sj__frame_close(writer, frame->u.close.code,
		    frame->u.close.text);
	else if (frame->type == FRAME_PARAMETERS)
		sj__frame_parameters(writer, frame->u.parameters.list);
	else
		return false;
	return true;
}

static void
encode_again(const struct frame *frame)
{
	static uint8_t once[4096], twice[4096];
	struct writer first = writer_of(once, sizeof once);
	struct writer second = writer_of(twice, sizeof twice);
	struct reader reader;
	struct frame again;
	size_t length;

	if (!encode(&first, frame))
		return;
	length = (size_t)(first.at - once);
	if (length == 0)
		return;
	MUST(!first.failed);
	reader = reader_of(once, length);
	MUST(sj__frame_decode(&reader, &again));
	MUST(reader.at == reader.end);
	MUST(encode(&second, &again));
	MUST((size_t)(second.at - twice) == length);
	MUST(memcmp(once, twice, length) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_of(data, size);
	const uint8_t *before = data;
	struct frame frame;

	while (sj__frame_decode(&reader, &frame)) {
		MUST(reader.at > before && reader.at <= reader.end);
		before = reader.at;
		if (frame.type == FRAME_ACK || frame.type == FRAME_ACK_ECN)
			walk(&frame);
		else
			encode_again(&frame);
	}
	MUST(reader.failed || reader.at == reader.end);
	return 0;
}
