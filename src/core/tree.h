/* SPDX-License-Identifier: ISC */
/*
 * tree.h - the streams of a session: who is whose child, who sends next
 *
 * Owns the stream objects. A stream is in the table by id while either half
 * lives or the application holds it; the set of ids ever opened by the peer
 * tells a closed stream from a new one. Streams with something to send wait in
 * one of eight lines by urgency; within a line each gets bytes by its weight
 * (deficit round robin), so no stream starves its siblings.
 */
#ifndef SJ_CORE_TREE_H
#define SJ_CORE_TREE_H

#include "core/stream.h"
#include "core/wire.h"

#define URGENCIES 8
/* What a stream costs in its parent's credit besides its bytes: its state at
 * the receiver. [SJ-ST-6] */
#define STREAM_COST 256
#define QUANTUM_PER_WEIGHT 1024         /* bytes a turn for each unit of weight */
#define STREAM_IDS_MAX 4096             /* holes in the ids of a peer */
#define PLACEHOLDERS_MAX 4096           /* as many as a root's credit opens at once */

/* Events a stream owes the application, one bit each. */
enum stream_event {
	STREAM_EV_OPENED = 1,
	STREAM_EV_READABLE = 2,
	STREAM_EV_WRITABLE = 4,
	STREAM_EV_DELIVERED = 8,
	STREAM_EV_RESET = 16
};

/* Frames other than data that a stream wants to send. */
enum stream_want {
	WANT_CREDIT = 1,
	WANT_RESET = 2,
	WANT_STOP = 4,
	WANT_PRIORITY = 8
};

struct sj_stream {
	struct sj_session *session;
	uint64_t id;
	struct sj_stream *parent;       /* NULL for the root */
	struct list children, siblings; /* siblings: in the parent's children */
	struct list ready;              /* in a line of the scheduler */
	struct list wanting;            /* in the tree's list of control frames */
	struct list eventing;           /* in the endpoint's event queue */
	struct sj_stream *hash_next;
	struct sj__send send;
	struct sj__receive receive;
	uint64_t borrow;                /* what its opening took from the parent */
	uint64_t priority_version;
	uint64_t reset_code;            /* why the stream is over */
	int error;                      /* what calls return once it is over; 0: living */
	int32_t deficit;
	uint8_t urgency, weight;
	uint8_t wants;                  /* enum stream_want bits */
	uint8_t deferred;               /* wants until the peer knows the stream */
	uint64_t opening_credit;        /* grant that travels in the opening */
	uint64_t opening_parent;        /* likewise; may be over by now */
	uint8_t events;                 /* enum stream_event bits */
	bool is_local;                  /* we opened it */
	bool opening_sent, opening_acked;
	bool lender_is_root;            /* who lent `borrow`: the root or the parent */
	bool is_placeholder;            /* a child came before its own opening */
	bool counted_window;            /* receive.window is in the budget's sum */
	bool has_grant;                 /* receiver: got credit of its own */
	bool parent_refunded;
	bool app_holds;                 /* the application has the handle */
	bool app_closed;
	bool wait_readable, wait_writable; /* the application met SJ_AGAIN */
	bool delivered_told;
	bool reopen;                    /* the opening got lost */
	bool starved;                   /* wants credit that the budget lacks */
	void *data;
	char *service;                  /* NUL-terminated */
	size_t service_length;
};

struct sj__tree {
	struct sj__memory *memory;
	struct sj_stream *root;
	struct sj_stream **buckets;
	size_t bucket_count;            /* power of two */
	size_t count;                   /* streams, without the root */
	size_t placeholders;            /* of those: known as parents only */
	struct sj__range_set peer_ids;  /* indices of ids ever opened by the peer */
	uint64_t next_index;            /* of our own ids */
	struct list lines[URGENCIES];
	struct list wanting;
	struct list blocked;            /* unopened: the lender has no credit left */
	uint8_t side;                   /* 0 client, 1 server: lowest bit of its ids */
};

int sj__tree_init(struct sj__tree *tree, struct sj__memory *memory,
    struct sj_session *session, uint8_t side);
void sj__tree_fini(struct sj__tree *tree);

struct sj_stream *sj__tree_find(const struct sj__tree *tree, uint64_t id);
/* A new stream under parent; SJ_ERR_MEMORY. service is copied. */
int sj__tree_add(struct sj__tree *tree, uint64_t id, struct sj_stream *parent,
    struct span service, struct sj_stream **stream);
/* A stream of the peer's that so far is known only as somebody's parent.
 * SJ_ERR_LIMIT: there are too many of those. */
int sj__tree_hold_place(struct sj__tree *tree, uint64_t id,
    struct sj_stream **stream);
/* A placeholder gets its parent and its service. */
int sj__tree_adopt(struct sj__tree *tree, struct sj_stream *stream,
    struct sj_stream *parent, struct span service);
/* Takes it out of everything and frees it; children go to the parent. */
void sj__tree_remove(struct sj__tree *tree, struct sj_stream *stream);
/* The next id for a stream of ours. */
uint64_t sj__tree_new_id(struct sj__tree *tree);

/* What an id of a frame means. */
enum id_kind {
	ID_KNOWN,                       /* in the table */
	ID_CLOSED,                      /* was opened, is gone */
	ID_NEW,                         /* the peer's, never seen */
	ID_INVALID                      /* ours, never opened */
};
enum id_kind sj__tree_classify(const struct sj__tree *tree, uint64_t id,
    struct sj_stream **stream);
/* Notes that the peer opened id. SJ_ERR_LIMIT: too many holes. */
int sj__tree_note_peer_id(struct sj__tree *tree, uint64_t id);

/* Scheduling: puts the stream in its line or takes it out, by what its sending
 * half has; call it after every change of that. */
void sj__tree_update(struct sj__tree *tree, struct sj_stream *stream);
/* An unopened stream cannot be paid for now; and: somebody has credit again. */
void sj__tree_block(struct sj__tree *tree, struct sj_stream *stream);
void sj__tree_unblock(struct sj__tree *tree);
/* Its opening has to go out again, even without a byte. */
void sj__tree_reopen(struct sj__tree *tree, struct sj_stream *stream);
/* Whose turn it is; NULL: nobody's. */
struct sj_stream *sj__tree_turn(struct sj__tree *tree);
/* It sent so many bytes. */
void sj__tree_served(struct sj__tree *tree, struct sj_stream *stream,
    size_t length);
void sj__tree_want(struct sj__tree *tree, struct sj_stream *stream,
    uint8_t wants);
bool sj__tree_has_data(const struct sj__tree *tree);

#endif
