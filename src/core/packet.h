/* SPDX-License-Identifier: ISC */
/*
 * packet.h - short packets: seal, open, mask, key phases
 *
 * One struct sj__protection per channel holds the keys of both directions.
 * Packets are sealed and opened in place. Header masks of a burst are computed
 * in one call (RFC 9001 section 5.4; the sample is the first 16 bytes of
 * ciphertext, as the packet number always takes three bytes).
 *
 * Key phases (RFC 9001 section 6): the receiver keeps two slots of keys, found
 * by the phase bit: no branch depends on the phase before a packet is
 * authentic. The slot that is not current holds the previous phase for a
 * while, then the next, prepared before it is needed.
 */
#ifndef SJ_CORE_PACKET_H
#define SJ_CORE_PACKET_H

#include "core/crypto.h"
#include "core/wire.h"

#define BURST_MAX 64                    /* packets in one batch */
#define KEY_SIZE_MAX 32
/* [SJ-KEY-4] AES-GCM: a new phase is begun after this many packets; the hard
 * limit of RFC 9001 section 6.6 is twice that. */
#define PHASE_PACKETS_SOFT (UINT64_C(1) << 22)
#define PHASE_PACKETS_HARD (UINT64_C(1) << 23)
#define PHASE_PACKETS_KEPT 8            /* of the hard limit: for CLOSE */
#define FAILED_OPENS_MAX (UINT64_C(1) << 36)

/* Keys of one direction and phase. */
struct sj__packet_keys {
	uint8_t secret[32];
	uint8_t iv[12];
	void *context;                  /* of the AEAD; NULL: none */
	bool is_valid;
};

struct sj__protection {
	struct sj__memory *memory;
	struct sj__crypto *crypto;
	const struct sj_aead *aead;
	enum packet_suite suite;
	struct sj__packet_keys send;
	struct sj__packet_keys receive[2];      /* by phase bit */
	struct sj__header_key *send_header, *receive_header;
	uint8_t send_phase, receive_phase;      /* 0 or 1 */
	bool previous_kept;                     /* other receive slot: previous, not next */
	bool phase_confirmed;                   /* a packet of this phase was acknowledged */
	uint64_t phase_first_sent;              /* number of its first packet */
	uint64_t phase_first_received;          /* lowest number seen in it */
	uint64_t sent_in_phase;
	uint64_t failed_opens;
	uint64_t soft_limit, hard_limit;        /* packets a phase; set for tests */
};

/* Both traffic secrets of the channel. On failure nothing is left set up. */
int sj__protection_init(struct sj__protection *protection,
    struct sj__crypto *crypto, struct sj__memory *memory,
    enum packet_suite suite, const uint8_t send_secret[32],
    const uint8_t receive_secret[32]);
/* Wipes and frees; fine on one that was zeroed only. */
void sj__protection_fini(struct sj__protection *protection);

/* Seals a packet in place: header is SHORT_HEADER_SIZE bytes at packet with
 * the number already in it, followed by length bytes of payload and room for
 * the tag. SJ_ERR_LIMIT: the key is used up. */
int sj__packet_seal(struct sj__protection *protection, uint64_t number,
    uint8_t *packet, size_t payload_length);
/* Nothing more may be sealed under the key but a CLOSE that says so. */
bool sj__protection_is_used_up(const struct sj__protection *protection);
/* Masks the headers of count sealed packets that lie segment bytes apart. */
void sj__packet_mask(struct sj__protection *protection, uint8_t *packets,
    size_t segment, size_t count);
/* Takes the masks off the headers of up to BURST_MAX packets that came. */
void sj__packet_unmask(struct sj__protection *protection, uint8_t *packets,
    size_t segment, size_t count);
/* Opens an unmasked packet in place. expected: one more than the largest
 * number received. On success payload is what was sealed, number is whole.
 * SJ_ERR_PROTOCOL: it does not open. SJ_ERR_STATE: the peer went back to its
 * previous phase. *updated: the peer began a new phase. */
int sj__packet_open(struct sj__protection *protection, uint64_t expected,
    uint8_t *packet, size_t length, uint64_t *number, struct span *payload,
    bool *updated);

/* Begins a new phase for sending. */
int sj__protection_update(struct sj__protection *protection,
    uint64_t next_number);
/* True if it is time for that, and the last phase is settled. */
bool sj__protection_wants_update(const struct sj__protection *protection);
/* A packet with this number was acknowledged. */
void sj__protection_on_acked(struct sj__protection *protection,
    uint64_t number);
/* Three probe timeouts after a change: forget the previous phase, prepare the
 * next. */
int sj__protection_drop_previous(struct sj__protection *protection);

#endif
