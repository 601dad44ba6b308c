/* SPDX-License-Identifier: ISC */
/*
 * stream.h - one stream: its sending and its receiving half
 *
 * A half knows offsets, bytes and credit; it knows neither packets nor its
 * place in the tree. Everything is absolute, so it does not matter which
 * channel a frame came or goes on (protocol-decisions: moving streams).
 *
 *   sending    base <= acknowledged ranges ... next <= end <= limit(credit)
 *   receiving  consumed <= in order <= highest <= granted
 *
 * Credit: a half may carry bytes below `credit`. It starts as what the stream
 * borrowed from its parent's credit and grows by CREDIT frames.
 */
#ifndef SJ_CORE_STREAM_H
#define SJ_CORE_STREAM_H

#include "core/range.h"
#include "core/ring.h"

struct sj__send {
	struct sj__ring ring;           /* unacknowledged and unsent bytes */
	struct sj__range_set acked;     /* above ring.base */
	struct sj__range_set lost;      /* to be sent again */
	uint64_t next;                  /* first byte never sent */
	uint64_t end;                   /* bytes written by the application */
	uint64_t credit;                /* own bytes and charges below this */
	uint64_t charged;               /* taken from the credit by children we opened */
	uint64_t reset_code;
	bool finished;                  /* end is final */
	bool fin_sent, fin_acked, fin_lost;
	bool reset, reset_sent, reset_acked;
	bool stopped;                   /* the peer wants no more */
};

struct sj__receive {
	struct sj__ring ring;           /* from the consumed byte on */
	struct sj__range_set ranges;    /* received, above the in-order edge */
	uint64_t in_order;              /* bytes below are complete */
	uint64_t highest;               /* end of the highest byte seen */
	uint64_t granted;               /* what bytes and charges may reach */
	uint64_t charged;               /* by children the peer opened */
	uint64_t refunded;              /* of those: given back */
	uint64_t window;                /* how far granted runs ahead */
	uint64_t final_size;            /* valid if has_final */
	uint64_t reset_code;
	uint64_t grant_time_ns;         /* of the last grant */
	bool has_final;
	bool reset;                     /* the peer gave up: reset_code */
	bool stop_wanted, stop_sent;    /* we gave up: STOP to send */
	uint64_t stop_code;
};

/* --- Sending ----------------------------------------------------------- */

/* Credit that is left for more bytes or for opening children. */
uint64_t sj__send_credit_left(const struct sj__send *send);
/* Takes bytes of the application; buffered is how much may be held. Returns
 * the count taken, SJ_AGAIN, or an error. */
ptrdiff_t sj__send_write(struct sj__send *send, struct sj__memory *memory,
    const uint8_t *bytes, size_t length, uint64_t buffered_max);
/* Room in place for at most buffered_max bytes held; the run's length. */
ptrdiff_t sj__send_reserve(struct sj__send *send, struct sj__memory *memory,
    uint8_t **room, uint64_t buffered_max);
int sj__send_commit(struct sj__send *send, size_t length);
/* True if there is a byte or an end to send within the credit. */
bool sj__send_is_ready(const struct sj__send *send);
/* The next piece to send, lost ones first, at most length_max: offset, length
 * and whether it ends the stream. */
struct sj__piece { uint64_t offset; size_t length; bool fin; bool is_new; };
bool sj__send_next(const struct sj__send *send, size_t length_max,
    struct sj__piece *piece);
/* The piece went out: piece->length may be shorter by now, fin cleared. */
void sj__send_sent(struct sj__send *send, const struct sj__piece *piece);
/* A piece arrived, or got lost. Delivered frees the bytes. */
int sj__send_delivered(struct sj__send *send, struct sj__memory *memory,
    uint64_t offset, size_t length, bool fin);
int sj__send_lost(struct sj__send *send, struct sj__memory *memory,
    uint64_t offset, size_t length, bool fin);
/* All bytes and the end, or the reset, are acknowledged. */
bool sj__send_is_done(const struct sj__send *send);
/* Drops the bytes: nothing of them is sent any more. */
void sj__send_drop(struct sj__send *send, struct sj__memory *memory);

/* --- Receiving --------------------------------------------------------- */

/* Bytes of the peer. SJ_ERR_PROTOCOL: beyond the grant or a changed end;
 * SJ_ERR_LIMIT: too many holes; SJ_ERR_MEMORY. Returns 1 if something became
 * readable, else 0. Duplicates are fine. */
int sj__receive_data(struct sj__receive *receive, struct sj__memory *memory,
    uint64_t offset, struct span data, bool fin);
/* The peer gave up. Returns as above. */
int sj__receive_reset(struct sj__receive *receive, struct sj__memory *memory,
    uint64_t code, uint64_t final_size);
/* Readable bytes in place; 0 with *at_end at the end. */
size_t sj__receive_peek(const struct sj__receive *receive,
    const uint8_t **bytes, bool *at_end);
uint64_t sj__receive_readable(const struct sj__receive *receive);
void sj__receive_consume(struct sj__receive *receive, size_t length);
/* Everything up to the end was consumed, or the peer reset. */
bool sj__receive_is_done(const struct sj__receive *receive);
void sj__receive_drop(struct sj__receive *receive, struct sj__memory *memory);

#endif
