/* SPDX-License-Identifier: ISC */
/*
 * channel.h - a short-lived secure association: handshake, keys, packets, acks
 *
 * A channel moves packets between two ends that share keys. It knows nothing
 * of streams: whoever uses it (struct sj__channel_user) gets the session
 * frames that came, is offered room in packets that go, and hears of every
 * record it left in a packet whether it was delivered or lost.
 *
 * client   HELLO -> ANSWER -> TRUST -> OPEN -> CLOSED
 * server   ASKED (a key operation is pending) -> ANSWERED -> OPEN -> CLOSED
 *
 * The server's channel is OPEN, and its address validated, with the first
 * packet that opens under the new keys. See channel_recv.c and channel_send.c for
 * the directions, channel_path.c for where the peer is.
 */
#ifndef SJ_CORE_CHANNEL_H
#define SJ_CORE_CHANNEL_H

#include "core/packet.h"
#include "core/path.h"
#include "core/recovery.h"
#include "core/handshake.h"
#include "core/services.h"
#include "core/timers.h"
#include "core/wire.h"

#define CHANNEL_IDS 4                   /* ids each end keeps ready */

enum channel_state {
	CHANNEL_HELLO,                  /* client: hello sent */
	CHANNEL_TRUST,                  /* client: is the server's key the right one? */
	CHANNEL_ASKED,                  /* server: a key operation is pending */
	CHANNEL_ANSWERED,               /* server: answer sent, address unproven */
	CHANNEL_OPEN,
	CHANNEL_CLOSED                  /* keys are gone; nothing is sent or taken */
};

enum channel_deadline {
	DEADLINE_HELLO,                 /* resend the hello; half-open: give up */
	DEADLINE_RECOVERY,              /* loss or probe */
	DEADLINE_ACK,
	DEADLINE_CHALLENGE,             /* resend a path challenge, or give it up */
	DEADLINE_PACE,                  /* the pace allows the next burst */
	DEADLINE_KEYS,                  /* drop the keys of the previous phase */
	DEADLINE_QUIET,                 /* client: nothing came, though something is expected */
	DEADLINES
};

struct sj__channel;

/* What a channel wants of its user. */
struct sj__channel_user {
	/* A session frame. Negative: the peer broke a rule, the channel closes. */
	int (*on_frame)(void *user, struct sj_time now,
	    const struct frame *frame);
	/* Writes as many frames as fit, appending a record for each. */
	void (*fill)(void *user, struct sj_time now, struct writer *writer);
	bool (*has_data)(const void *user);
	void (*on_settled)(void *user, const struct sj__sent_record *record,
	    bool delivered);
	/* client: the server proved this key. */
	void (*on_server_key)(void *user, struct sj_time now);
	/* The channel is open: keys, peer parameters and hash are there. */
	void (*on_open)(void *user, struct sj_time now);
	/* More of the peer is awaited: a stream is open, a word is owed. */
	bool (*expects)(const void *user);
	/* The peer is at another address. */
	void (*on_moved)(void *user, struct sj_time now);
	/* It does not answer; it does again. */
	void (*on_away)(void *user, struct sj_time now, bool is_away);
	/* It is over; error is an enum sj_err, text the peer's or ours. */
	void (*on_closed)(void *user, struct sj_time now, int error,
	    const char *text);
};

/* An id, and the place of it in its sequence. */
struct channel_id {
	uint8_t bytes[ID_SIZE];
	uint64_t sequence;
	bool is_valid;
	bool was_sent;                  /* own: the peer may know it */
};

/* A path that the channel uses or tries out. */
struct channel_path {
	struct sj__path *path;          /* own until validated, then the shared one */
	bool is_shared;                 /* path belongs to the endpoint */
	bool is_validated;
	uint64_t bytes_in, bytes_out;   /* until validated: out never exceeds in */
	struct channel_id peer_id;      /* what we send to there */
	uint8_t challenge[8];           /* ours, outstanding */
	uint8_t response[8];            /* to the peer's */
	size_t response_size;           /* no larger than what asked for it */
	uint64_t challenge_sent_ns;
	unsigned challenges_sent;       /* since something came from there */
	bool was_repeated;              /* the challenge: its answer says no time */
	bool challenge_wanted, challenge_outstanding, response_wanted;
};

struct sj__channel {
	struct sj_endpoint *endpoint;
	const struct sj__channel_user *user;    /* NULL while half-open */
	void *user_data;
	enum channel_state state;
	bool is_server;
	struct sj__handshake *handshake;        /* until open */
	struct sj_path *candidates;             /* client, until answered */
	size_t candidate_count, candidate;
	struct sj__protection protection;
	uint64_t next_phase_ns;                 /* none begins before */
	struct sj__recovery recovery;
	struct channel_path current;
	struct channel_path probed;             /* path NULL: none */
	struct channel_id own_ids[CHANNEL_IDS];
	struct channel_id peer_ids[CHANNEL_IDS]; /* not used on any path yet */
	uint8_t first_id[ID_SIZE];              /* client: own, sequence 0 */
	uint64_t own_sequence;                  /* of the next id we give */
	uint64_t used_sequence;                 /* client: of the own id the server uses */
	uint64_t largest_peer_sequence;
	uint64_t peer_sequences_seen;           /* bit per sequence below that */
	uint32_t retire_wanted;                 /* bit per slot of retire_sequences */
	uint64_t retire_sequences[CHANNEL_IDS];
	uint32_t new_id_wanted;                 /* bit per slot of own_ids */
	uint32_t mtu_probe;                     /* size of the one under way; 0: none */
	bool ping_wanted;
	bool adopted;                           /* known to the endpoint */
	bool opened_now;
	bool knows_server;                      /* client: server_key was known before */
	bool must_be_hybrid;                    /* client: with that key */
	bool hybrid_refused;                    /* client: and somebody said no */
	bool is_hybrid;                         /* the handshake was */
	bool grease_wanted;
	bool hello_wanted, answer_wanted;
	bool ack_now;                           /* an acknowledgement is due */
	uint8_t attempt;                        /* of hello or answer */
	uint8_t hellos_asked;                   /* sent because of an unauthenticated packet */
	uint64_t hello_interval_ns, hello_sent_ns;
	bool parameters_wanted;                 /* client: until something of ours is acked */
	bool parameters_seen;
	bool close_wanted;
	bool peer_closed;
	uint64_t close_code;
	char close_text[CLOSE_TEXT_MAX];
	unsigned probes_wanted;
	uint64_t deadlines[DEADLINES];          /* NEVER_NS: off */
	uint64_t skip_in;                       /* packets until a number is skipped */
	uint64_t peer_credit;                   /* parameters of the peer */
	uint64_t peer_datagram_max;
	uint64_t peer_time_unix_s;
	uint64_t own_time_unix_s;               /* client: when that came */
	uint64_t last_received_ns;
	uint64_t quiet_from_ns;                 /* the last news, or question for some */
	unsigned quiet_count;                   /* questions since */
	uint32_t moves;
	bool is_away;
	uint8_t hash[32];                       /* of the handshake */
	uint8_t master[32];                     /* channel master secret */
	uint8_t server_key[32];
	uint64_t bytes_in, bytes_out, packets_in, packets_out, lost;
	struct list all;                        /* in the endpoint */
	struct list sending;                    /* wants to transmit */
	struct list blocked;                    /* in the path's list */
	struct sj__timer timer;                 /* the earliest of deadlines */
};

/* How a client's channel begins. */
struct channel_connect {
	const struct sj_path *paths;    /* tried in turn, until one is answered */
	size_t path_count;
	const uint8_t *server_key;      /* NK; NULL: NX */
	bool must_be_hybrid;            /* nothing less counts as an answer */
	const struct sj__channel_user *user;
	void *user_data;
};
int sj__channel_connect(struct sj_endpoint *endpoint, struct sj_time now,
    const struct channel_connect *connect, struct sj__channel **channel);
/* A server's: a whole hello that is to be taken, bytes_in of its datagrams. NULL in
 * *channel without an error: it was dropped, with a counted reason. */
int sj__channel_accept(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, uint64_t bytes_in, bool is_proven,
    const struct long_packet *hello, struct sj__channel **channel);
/* Gone at once, without a word; frees it. */
void sj__channel_free(struct sj__channel *channel);

/* Inputs. */
void sj__channel_on_answer(struct sj__channel *channel, struct sj_time now,
    const struct sj_path *path, const struct long_packet *answer);
void sj__channel_on_refusal(struct sj__channel *channel, struct sj_time now,
    const struct sj_path *path, const struct long_packet *refusal);
void sj__channel_on_cookie(struct sj__channel *channel,
    const struct sj_path *path, const struct long_packet *packet);
void sj__channel_on_versions(struct sj__channel *channel, struct sj_time now,
    const struct sj_path *path, const struct long_packet *packet);
/* Again the hello of this channel: resend the answer within what came. */
void sj__channel_on_repeated_hello(struct sj__channel *channel,
    struct sj_time now, size_t datagram_length);
/* Short packets of one train, each of segment_size but maybe the last, all to
 * ids of this channel. */
void sj__channel_receive(struct sj__channel *channel, struct sj_time now,
    const struct sj_path *path, enum sj_ecn ecn, uint8_t *bytes,
    size_t length, size_t segment_size);
/* client: the key is right, go on; or not: close. */
void sj__channel_trust(struct sj__channel *channel, struct sj_time now);
/* The answer to a key operation, request as given to the host key. */
void sj__channel_on_shared_secret(struct sj__channel *channel,
    struct sj_time now, int error, const uint8_t shared[32]);
void sj__channel_on_deadline(struct sj__channel *channel, struct sj_time now);
/* The user has something to send. */
void sj__channel_wake(struct sj__channel *channel);
/* Closes with a word to the peer; the user is told nothing. code 0: in order. */
void sj__channel_close(struct sj__channel *channel, struct sj_time now,
    uint64_t code, const char *text);
/* Closes because of an error and tells the user. */
void sj__channel_fail(struct sj__channel *channel, struct sj_time now,
    int error, const char *text);

/* Output: 1 a burst is filled, 0 nothing to send now. */
int sj__channel_transmit(struct sj__channel *channel, struct sj_time now,
    struct sj_batch *batch);
bool sj__channel_wants_to_send(const struct sj__channel *channel,
    struct sj_time now);
/* Has something to say, but window or pace do not let it: sets the deadline of
 * the pace, or returns true if it waits for the window. */
bool sj__channel_wait(struct sj__channel *channel, struct sj_time now);
uint64_t sj__channel_deadline(const struct sj__channel *channel);

void sj__channel_stats(const struct sj__channel *channel,
    struct sj_session_stats *stats);

/* Secrets for the session: HKDF-Expand of the master with label and hash. */
void sj__channel_export(const struct sj__channel *channel, const char *label,
    struct span context, uint8_t *out, size_t length);

#endif
