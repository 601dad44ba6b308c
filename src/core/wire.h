/* SPDX-License-Identifier: ISC */
/*
 * wire.h - the whole format on one page: constants, limits, headers, frames
 *
 * No state: bytes to structures and back. PROTOCOL.md section 2 and 3 say the
 * same in words.
 *
 *   long    1TTTgggg version:32 destination:64 source:64 ...     handshake
 *   short   0mmmmmmm destination:64 number:24 ciphertext tag:128 all else
 *
 * T type, g random, m masked (key phase in the lowest bit), number masked too.
 */
#ifndef SJ_CORE_WIRE_H
#define SJ_CORE_WIRE_H

#include "core/cursor.h"

#define SJ__VERSION_1 UINT32_C(0x536a0001)

#define ID_SIZE 8
#define TAG_SIZE 16
#define NUMBER_SIZE 3                   /* of the truncated packet number */
#define SHORT_HEADER_SIZE (1 + ID_SIZE + NUMBER_SIZE)
#define SHORT_OVERHEAD (SHORT_HEADER_SIZE + TAG_SIZE)
#define PACKET_MIN 40                   /* so that a path challenge fits anywhere */
#define DATAGRAM_BASE 1200              /* every path carries this */
#define DATAGRAM_MAX 65507
#define LONG_HEADER_SIZE (1 + 4 + 2 * ID_SIZE)
#define VERSION_NONE 0                  /* of VERSIONS itself */
#define COOKIE_SIZE 16
#define DIGEST_SIZE 8                   /* of a hello's body */
#define HELLO_HEADER_SIZE (LONG_HEADER_SIZE + 1 + COOKIE_SIZE + DIGEST_SIZE + 4)
#define ANSWER_HEADER_SIZE (LONG_HEADER_SIZE + 1 + 4)
#define HELLO_SIZE DATAGRAM_BASE        /* clients pad the first flight */
#define HELLO_FRAGMENT (HELLO_SIZE - HELLO_HEADER_SIZE)
#define HELLO_FRAGMENTS_MAX 6
#define HELLO_BODY_MAX (HELLO_FRAGMENTS_MAX * HELLO_FRAGMENT)
#define ANSWER_BODY_MAX 6144
#define NAME_MAX_BYTES 255              /* of application, service, server, user */
#define CLOSE_TEXT_MAX 256
#define CREDIT_BEFORE_LOGIN 16384       /* of stream 0: all that is held at once */
#define CREDIT_ROOT (UINT64_C(1) << 20) /* of stream 0, of a client or after the login */
#define ACK_RANGES_MAX 64               /* in one frame we send */

#define FLAG_LONG 0x80
#define FLAG_KEY_PHASE 0x01
#define FLAGS_MASKED 0x7f

enum long_type {
	LONG_HELLO = 0,
	LONG_ANSWER = 1,
	LONG_COOKIE = 2,
	LONG_VERSIONS = 3,
	LONG_REFUSAL = 4,
	LONG_EARLY = 5                  /* reserved */
};

enum offer_pattern {
	OFFER_NX = 1, OFFER_NK = 2,
	OFFER_NK_PSK0 = 3,              /* reserved */
	OFFER_NX_HYBRID = 4, OFFER_NK_HYBRID = 5
};
enum offer_suite { OFFER_CHACHAPOLY = 1, OFFER_AESGCM = 2 };
/* Bits: an offer can be refused for both reasons at once. */
enum refusal_code { REFUSAL_NONE = 0, REFUSAL_UNKNOWN_KEY = 1, REFUSAL_NO_HYBRID = 2 };
#define REFUSALS_ALL (REFUSAL_UNKNOWN_KEY | REFUSAL_NO_HYBRID)
enum packet_suite { SUITE_AES_128_GCM = 1, SUITE_AES_256_GCM = 2, SUITE_CHACHA20_POLY1305 = 3 };

/* What a hello offers: in the prologue, so that nobody can change it. */
struct offer {
	uint8_t pattern;                /* enum offer_pattern */
	uint8_t suite;                  /* enum offer_suite */
	uint32_t key_number;            /* NK: first 4 bytes of SHA-256 of the static key */
	uint8_t refusal;                /* all enum refusal_code that the client was told */
	uint8_t refused_pattern;        /* its first offer, the one before any of them */
	uint32_t refused_key_number;
};
#define OFFER_SIZE 12

/* HELLO and ANSWER. The body of a hello is an offer and Noise message 1; that
 * of an answer Noise message 2. */
struct long_packet {
	uint8_t flags;
	uint32_t version;
	uint8_t destination[ID_SIZE], source[ID_SIZE];
	uint8_t attempt;                /* of the retransmission */
	uint8_t cookie[COOKIE_SIZE];    /* HELLO: random if there is none; COOKIE */
	uint8_t digest[DIGEST_SIZE];    /* HELLO: SHA-256 of the whole body, cut */
	uint16_t offset, total;         /* of this fragment of the body */
	struct span body;               /* VERSIONS: 4 bytes each */
	uint8_t code;                   /* REFUSAL */
};

/* [SJ-FR-5] Channel frames are 0x00 to 0x1f, session frames 0x20 to 0x3f; 0x1000 to
 * 0x1fff are for extensions negotiated in the parameters. */
enum frame_type {
	FRAME_PADDING = 0x00,
	FRAME_PING = 0x01,
	FRAME_ACK = 0x02,
	FRAME_ACK_ECN = 0x03,
	FRAME_PATH_CHALLENGE = 0x04,
	FRAME_PATH_RESPONSE = 0x05,
	FRAME_NEW_ID = 0x06,
	FRAME_RETIRE_ID = 0x07,
	FRAME_PARAMETERS = 0x08,
	FRAME_CLOSE = 0x09,

	FRAME_STREAM = 0x20,            /* to 0x2f: with the bits below */
	FRAME_CREDIT = 0x30,
	FRAME_RESET = 0x31,
	FRAME_STOP = 0x32,
	FRAME_PRIORITY = 0x33,
	FRAME_FLOOR = 0x34
};
#define FRAME_CHANNEL_MAX 0x1f
#define FRAME_SESSION_MAX 0x3f
#define FRAME_EXTENSION_MIN 0x1000
#define FRAME_EXTENSION_MAX 0x1fff

#define STREAM_FIN 0x01
#define STREAM_LENGTH 0x02              /* a length follows; else to the packet's end */
#define STREAM_OFFSET 0x04              /* an offset follows; else 0 */
#define STREAM_OPEN 0x08                /* the opening fields follow */

static inline bool
frame_is_grease(uint64_t type)
{
	return type % 31 == 27;
}

static inline bool
frame_is_stream(uint64_t type)
{
	return (type & ~UINT64_C(0x0f)) == FRAME_STREAM;
}

static inline bool
frame_is_session(uint64_t type)
{
	return type > FRAME_CHANNEL_MAX && type <= FRAME_SESSION_MAX;
}

/* [SJ-FR-6] Everything but acknowledgements, padding and close asks for one. */
static inline bool
frame_is_eliciting(uint64_t type)
{
	return type != FRAME_PADDING && type != FRAME_ACK &&
	    type != FRAME_ACK_ECN && type != FRAME_CLOSE;
}

/* What opens a stream: on every frame of it until one is acknowledged. */
struct stream_opening {
	uint64_t parent;
	uint64_t borrow;                /* bytes of the parent's credit it starts with */
	uint64_t credit;                /* what the opener takes in the other direction */
	uint64_t deadline_ms;           /* best effort; 0: none */
	uint8_t urgency, weight;
	bool best_effort;
	bool lender_is_root;            /* borrowed from stream 0, not the parent */
	struct span service;
};

struct frame {
	uint64_t type;
	union {
		struct {
			uint64_t largest, delay_us;
			uint64_t ect0, ect1, ce;
			uint64_t first_range, range_count;
			struct reader ranges;   /* gap, length pairs, checked */
		} ack;
		struct {
			uint64_t stream, offset;
			struct span data;
			bool fin, is_opening;
			struct stream_opening opening;
		} stream;
		struct { uint64_t stream, maximum; } credit;
		struct {
			uint64_t stream, code, final_size, parent, borrow;
			bool lender_is_root;
		} reset;
		struct { uint64_t stream, code; } stop;
		struct { uint64_t stream, version; uint8_t urgency, weight; } priority;
		struct { uint64_t first, count; } floor;
		struct { uint64_t sequence; const uint8_t *id; } new_id;
		struct { uint64_t sequence; } retire_id;
		struct { const uint8_t *bytes; } path;
		struct { uint64_t code; struct span text; } close;
		struct { struct span list; } parameters;
	} u;
};

/* Reads one frame; false at the end or when the reader has failed. An unknown
 * type makes the reader fail; grease and padding are passed over. */
bool sj__frame_decode(struct reader *reader, struct frame *frame);
/* Goes through the ranges of an ack, from the largest down. */
struct ack_walk { uint64_t smallest; struct reader ranges; uint64_t left; };
void sj__ack_walk_first(const struct frame *frame, struct ack_walk *walk,
    uint64_t *from, uint64_t *to);
bool sj__ack_walk_next(struct ack_walk *walk, uint64_t *from, uint64_t *to);

/* Encoders. Each writes one frame or makes the writer fail. */
void sj__frame_credit(struct writer *writer, uint64_t stream, uint64_t maximum);
void sj__frame_reset(struct writer *writer, const struct frame *frame);
void sj__frame_stop(struct writer *writer, uint64_t stream, uint64_t code);
void sj__frame_priority(struct writer *writer, uint64_t stream,
    uint64_t version, uint8_t urgency, uint8_t weight);
void sj__frame_new_id(struct writer *writer, uint64_t sequence,
    const uint8_t id[ID_SIZE]);
void sj__frame_retire_id(struct writer *writer, uint64_t sequence);
void sj__frame_path(struct writer *writer, enum frame_type type,
    const uint8_t bytes[8]);
void sj__frame_close(struct writer *writer, uint64_t code, struct span text);
/* A frame of type 31n + 27, with at most GREASE_BYTES_MAX that mean nothing. */
#define GREASE_BYTES_MAX 3
#define GREASE_FRAME_MAX (2 + 1 + GREASE_BYTES_MAX)
void sj__frame_grease(struct writer *writer, uint8_t n, struct span bytes);
void sj__frame_parameters(struct writer *writer, struct span list);

/*
 * A stream frame up to its data. Room is taken from the writer for the header;
 * the data that fits follows at once and its length is returned in *length.
 * With to_end the frame fills the packet and carries no length. False if not
 * even one byte (or, with length 0 and fin or opening, the header) fits:
 * nothing is written then.
 */
struct stream_header {
	uint64_t stream, offset;
	const struct stream_opening *opening;   /* NULL: known to the peer */
	bool fin;                               /* if all of length fits */
	bool to_end;                            /* nothing follows in the packet */
};
bool sj__frame_stream(struct writer *writer, const struct stream_header *header,
    size_t *length);

/* Long packets. encode returns the length, 0 if it does not fit. */
bool sj__long_decode(struct span datagram, struct long_packet *packet);
size_t sj__long_encode(const struct long_packet *packet, uint8_t *out,
    size_t capacity);
static inline enum long_type
long_type_of(uint8_t flags)
{
	return (enum long_type)(flags >> 4 & 7);
}
void sj__offer_encode(const struct offer *offer, uint8_t out[OFFER_SIZE]);
bool sj__offer_decode(struct span body, struct offer *offer);

/* Truncated packet numbers, RFC 9000 appendix A.3. */
static inline uint64_t
number_expand(uint64_t truncated, uint64_t expected)
{
	const uint64_t window = UINT64_C(1) << (8 * NUMBER_SIZE);
	const uint64_t half = window / 2;
	uint64_t candidate = (expected & ~(window - 1)) | truncated;

	/* Without a branch: what is not authentic yet decides about nothing. */
	uint64_t up = (uint64_t)(candidate + half <= expected) &
	    (uint64_t)(candidate < VARINT_MAX - window);
	uint64_t down = (uint64_t)(candidate > expected + half) &
	    (uint64_t)(candidate >= window);

	return candidate + window * up - window * down;
}

/*
 * Parameters: a list of {type varint, length varint, value}. In message 1, in
 * message 2 and in the client's PARAMETERS frame; unknown types are skipped.
 */
enum parameter_type {
	PARAMETER_PADDING = 0,          /* zeros */
	PARAMETER_SUITES = 1,           /* message 1: packet AEADs, one byte each, best first */
	PARAMETER_SUITE = 2,            /* message 2: the one chosen */
	PARAMETER_ID = 3,               /* connection id of the sender: 8 bytes */
	PARAMETER_CREDIT = 4,           /* varint: of stream 0, after the login */
	PARAMETER_ACK_DELAY = 5,        /* varint: at most, in ms */
	PARAMETER_DATAGRAM_MAX = 6,     /* varint: the largest the sender takes */
	PARAMETER_VERSIONS = 7,         /* message 1: u32 each */
	PARAMETER_TIME = 8,             /* message 2: server time, unix seconds, u64 */
	PARAMETER_TOKEN = 9             /* message 2: in place of the next hello's cookie */
};
/* The value of a type in a list, empty with data NULL if absent; malformed
 * lists make *failed true. */
struct span sj__parameter_find(struct span list, uint64_t type, bool *failed);
uint64_t sj__parameter_number(struct span list, uint64_t type,
    uint64_t missing, bool *failed);
void sj__parameter_write(struct writer *writer, uint64_t type,
    const void *value, size_t length);
void sj__parameter_write_number(struct writer *writer, uint64_t type,
    uint64_t value);

#endif
