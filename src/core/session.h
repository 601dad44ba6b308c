/* SPDX-License-Identifier: ISC */
/*
 * session.h - one login: how it is made, its streams, how it ends
 *
 * Joins channel and streams: hands the channel frames to send, takes those
 * that came, and marks bytes delivered or lost. Stream 0, the root, carries
 * control records (login, result, logout, ended) as an ordinary byte stream.
 *
 *   session_streams.c  the life of streams, their frames in
 *   session_send.c     their frames out, and what became of them
 *   session_credit.c   what may be sent
 *   session_login.c    control records, login on both sides, logout
 *   session.c          life and death, the calls of sojourn.h
 *   session_api.c      the stream calls of sojourn.h
 */
#ifndef SJ_CORE_SESSION_H
#define SJ_CORE_SESSION_H

#include "core/channel.h"
#include "core/timers.h"
#include "core/tree.h"

#define SESSION_ID_SIZE 8
#define CONTROL_RECORD_MAX 8192         /* bytes of one control record */
#define CONTROL_RESERVE 2048            /* of stream 0's credit, for records */
#define WINDOW_FIRST (UINT64_C(256) << 10)
#define WINDOW_SMALLEST 4096
#define WINDOW_MAX (UINT64_C(16) << 20)
/* Of the budget that is left, for a stream's first window: so that a thousand
 * that only wait do not keep the next one out; and to make one larger. */
#define SHARE_FIRST 256
#define SHARE_MORE 8
#define BORROW_MAX (UINT64_C(256) << 10)
#define BORROW_ALWAYS (UINT64_C(16) << 10) /* more only of what leaves as much */
#define SEND_BUFFER_MIN (UINT64_C(256) << 10)
#define SEND_BUFFER_MAX (UINT64_C(8) << 20)
#define SEND_BUFFER_QUEUED (UINT64_C(1) << 20) /* of what waits in a queue on the way */
#define LOGIN_TRIES_MAX 6
#define LOGIN_GRACE_NS (120 * NS_PER_S) /* server: from the answer to a login */
#define LOGOUT_WAIT_NS (30 * NS_PER_S)   /* for the peer's word on a logout */
#define REFUSED_WAIT_NS (3 * NS_PER_S)   /* the same, of one who never logged in */

enum session_state {
	SESSION_CONNECTING,             /* client: address or channel not there yet */
	SESSION_PROVING,                /* client: login sent or being made; server: awaited */
	SESSION_JUDGING,                /* server: mechanism, application or store decides */
	SESSION_LIVE,
	SESSION_ENDING,                 /* logout under way */
	SESSION_OVER                    /* only the handle is left */
};

enum session_event {
	SESSION_EV_LOGIN = 1,
	SESSION_EV_PROMPT = 2,
	SESSION_EV_STARTED = 4,
	SESSION_EV_AWAY = 8,
	SESSION_EV_BACK = 16,
	SESSION_EV_ENDED = 32
};

/* Control records on stream 0: {type varint, length varint, list}; the list is
 * made of {type varint, length varint, value}. */
enum control_type {
	CONTROL_LOGIN = 1,
	CONTROL_RESULT = 2,
	CONTROL_LOGOUT = 3,
	CONTROL_ENDED = 4
};
enum control_field {
	FIELD_APPLICATION = 1,
	FIELD_SERVER_NAME = 2,
	FIELD_USER = 3,
	FIELD_MECHANISM = 4,
	FIELD_MESSAGE = 5,
	FIELD_NUMBER = 6,               /* of the login, varint */
	FIELD_CODE = 7,                 /* varint, enum sj_err negated; 0: accepted */
	FIELD_SESSION_ID = 8,
	FIELD_EXPIRES = 9,              /* varint, unix seconds, server's time */
	FIELD_IDLE_LIMIT = 10,          /* varint, seconds */
	FIELD_TIME = 11,                /* varint, unix seconds */
	FIELD_TEXT = 12,
	FIELD_CREDENTIAL = 13
};

/* What whoever makes a client's proof asks of the person there. It belongs to
 * the asker, who attaches it for as long as the proof is being made. */
struct sj__question {
	const char *text;               /* while it is asked; else NULL */
	void (*answered)(struct sj__question *question, const char *answer);
	/* the session is over: there will be no answer, and no call of it */
	void (*forgotten)(struct sj__question *question);
};

struct sj_session {
	struct sj_endpoint *endpoint;
	struct sj__memory *memory;
	struct sj__channel *channel;            /* NULL: none */
	struct sj__tree tree;
	enum session_state state;
	bool is_server;
	bool app_holds;                         /* the application knows the handle */
	bool unverified;                        /* client: key trusted on first use */
	bool awaiting_trust;
	bool newly_trusted;                     /* client: the key is to be remembered */
	bool linger;                            /* over, but its last packets go out */
	bool ended_told;
	bool is_away;
	uint8_t events;                         /* enum session_event bits */
	int error;                              /* why it is over */
	char text[320];                         /* of the last event */
	uint64_t login_number;
	unsigned tries;
	uint64_t request;                       /* open request; 0: none */
	const struct sj_mech *mech;
	uint64_t deadline_ns;                   /* of login, logout, expiry */
	uint64_t last_activity_ns;
	uint64_t record_version;                /* in the store */
	uint32_t idle_limit_s, lifetime_s;
	struct sj_time now;                     /* of the input being worked on */
	unsigned starved;                       /* streams that wait for budget */
	uint64_t budget_used;                   /* sum of windows granted */
	uint64_t bytes_in, bytes_out;
	uint8_t *control;                       /* an incomplete control record */
	size_t control_length;
	/* client: how to log in */
	struct sj_login_options options;
	struct sj__question *question;          /* attached; or NULL */
	uint64_t patience_ns;                   /* left of the time limit; 0: it runs */
	uint8_t pinned_key[32];
	bool must_be_hybrid;                    /* with the pinned key [SJ-HS-31] */
	bool has_pinned_key, has_pin_fingerprint;
	char pin_fingerprint[64];
	char key_where[64];
	void *context;
	/* identity: strings point into names */
	struct sj_identity identity;
	char user[NAME_MAX_BYTES + 1], application[NAME_MAX_BYTES + 1];
	char server_name[NAME_MAX_BYTES + 1], mechanism[32];
	char credential_text[96], server_key_text[64];
	char peer_address[64];
	char key_file[512];
	uint8_t keys_passed;                    /* lines of key_file that are done with */
	uint8_t keys_answered;                  /* of those, the ones that were a try */
	uint8_t *credential;                    /* raw, behind the text */
	size_t credential_length;
	void *data;
	struct sj__timer timer;
	struct list all, eventing;
	struct list newcomers;                  /* server: in the endpoint's, until logged in */
};

/* client, before the channel; server, with its open channel. */
int sj__session_create(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj__channel *channel, struct sj_session **session);
/* Frees it with its streams and channel. */
void sj__session_free(struct sj_session *session);
/* Puts the peer's address into words, for identity and log. */
void sj__session_describe_peer(struct sj_session *session,
    const struct sj_path *path);
uint64_t sj__session_deadline(const struct sj_session *session);
void sj__session_on_deadline(struct sj_session *session, struct sj_time now);
/* It is over, for this reason; ENDED follows. text may be NULL. */
void sj__session_end(struct sj_session *session, int error, const char *text);
/* Over: closes the channel as soon as the last words were heard. */
void sj__session_let_channel_go(struct sj_session *session);
extern const struct sj__channel_user sj__session_channel_user;

/* NULL detaches; the time limit of the login runs on. */
void sj__session_attach(struct sj_session *session, struct sj_time now,
    struct sj__question *question);
/* A person is asked, here or by somebody else: they may take their time. */
void sj__session_wait(struct sj_session *session, struct sj_time now);
/* Asks the attached question, whose text is set: SJ_EV_PROMPT. */
void sj__session_ask(struct sj_session *session, struct sj_time now);

/* The answer to this session's open request. */
void sj__session_on_answer(struct sj_session *session, struct sj_time now,
    int kind, const struct sj_answer *answer);
void sj__session_on_stored(struct sj_session *session, struct sj_time now,
    const struct sj_store_answer *answer);

/* server: sets the deadline by idle limit and lifetime. */
void sj__session_arm_expiry(struct sj_session *session, struct sj_time now);

/* session_login.c */
void sj__login_begin(struct sj_session *session, struct sj_time now);
int sj__control_receive(struct sj_session *session, struct sj_time now);
int sj__control_ended(struct sj_session *session, int error, const char *text);
int sj__login_decide(struct sj_session *session, struct sj_time now,
    const struct sj_grant *grant);
int sj__logout_begin(struct sj_session *session, struct sj_time now, int error);

/* session_streams.c */
int sj__streams_on_frame(struct sj_session *session, struct sj_time now,
    const struct frame *frame);
void sj__streams_fill(struct sj_session *session, struct sj_time now,
    struct writer *writer);
void sj__streams_on_settled(struct sj_session *session,
    const struct sj__sent_record *record, bool delivered);
/* The login succeeded: held streams are shown, credit is raised. */
void sj__streams_release(struct sj_session *session, struct sj_time now);
/* The application consumed: grant again where it is worth a frame. */
void sj__streams_on_consumed(struct sj_session *session,
    struct sj_stream *stream, struct sj_time now);
void sj__stream_reset_tree(struct sj_stream *stream, uint64_t code, int error);
/* Frees the stream if both halves are done and nobody holds it. */
void sj__stream_settle(struct sj_stream *stream);
void sj__stream_event(struct sj_stream *stream, uint8_t events);
void sj__session_event(struct sj_session *session, uint8_t events);
void sj__session_wake(struct sj_session *session);
/* Changes it here only. */
void sj__stream_set_priority(struct sj_stream *stream, uint8_t urgency,
    uint8_t weight);
/* How much a stream may hold unsent and unacknowledged. */
uint64_t sj__stream_buffer_max(const struct sj_stream *stream);
int sj__streams_grant_root(struct sj_session *session, uint64_t window);

#endif
