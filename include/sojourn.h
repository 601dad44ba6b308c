/* SPDX-License-Identifier: ISC */
/*
 * sojourn.h - logins that outlive their connections
 *
 * An ENDPOINT is a socket, a SESSION is a login, a STREAM carries bytes.
 * Nothing else has a handle.
 *
 * Threads   An endpoint and all that hangs on it belong to one thread at a
 *           time. Only sj_endpoint_wake() may come from other threads or from
 *           a signal handler. Nothing here is valid after fork() in the child.
 * Owner     A handle is yours until you close it: no packet frees it. On a
 *           dead one calls return SJ_ERR_ENDED. After close no event names it.
 *           What you pass is copied. What an event or a getter points at lives
 *           until the next sj_poll().
 * Sending   Calls only queue and never block; sj_poll() sends. While anything
 *           is queued or due the descriptor is readable, so waiting for it
 *           never stalls.
 * Results   0 or a count, else a negative enum sj_err. Wrong use is an error,
 *           not a crash. No errno, no global, no initialisation, no allocation
 *           per packet.
 */
#ifndef SOJOURN_H
#define SOJOURN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SJ_API __attribute__((visibility("default")))
#define SJ_MUST_CHECK __attribute__((warn_unused_result))
#else
#define SJ_API
#define SJ_MUST_CHECK
#endif

#define SJ_PORT 7531                 /* default port; not registered */

struct sj_endpoint;
struct sj_session;
struct sj_stream;
struct sj_store;                     /* sojourn_core.h, sojourn_sqlite.h */
struct sj_mech;                      /* sojourn_core.h */
struct sj_io;                        /* sojourn_core.h */
struct sj_host_key;                  /* sojourn_core.h */

/*
 * Errors. name, value, class, one sentence (cause first), next step.
 * The class says who can do something about it:
 * CALLER: fix the program. LOCAL: this machine. NETWORK: being retried, the
 * login is not lost. LOGIN: it never became a session. SESSION: log in again.
 * STREAM: the session is well.
 */
enum sj_class {
	SJ_CLASS_NONE = 0,
	SJ_CLASS_CALLER,
	SJ_CLASS_LOCAL,
	SJ_CLASS_NETWORK,
	SJ_CLASS_LOGIN,
	SJ_CLASS_SESSION,
	SJ_CLASS_STREAM
};

#define SJ_ERRORS(X) \
	X(SJ_OK, 0, NONE, "no error", "") \
	X(SJ_AGAIN, -1, NONE, "nothing now; an event follows", "wait for the event") \
	X(SJ_ERR_ARGUMENT, -16, CALLER, "an argument is not valid", "check the call against sojourn.h") \
	X(SJ_ERR_STATE, -17, CALLER, "the call does not fit the state of the object", "check the order of the calls") \
	X(SJ_ERR_MEMORY, -18, CALLER, "out of memory, or the memory limit of the endpoint is reached", "raise memory_max or hold less") \
	X(SJ_ERR_LIMIT, -19, CALLER, "a limit is reached", "close what is no longer needed") \
	X(SJ_ERR_TOO_BIG, -20, CALLER, "larger than what the receiver granted", "send less, or use a stream") \
	X(SJ_ERR_FILE, -48, LOCAL, "a file cannot be read or written", "check that it exists and its permissions") \
	X(SJ_ERR_STORE, -49, LOCAL, "the session store failed", "check the disk and the store's file") \
	X(SJ_ERR_BUSY, -50, LOCAL, "in use by another process", "end the other process or use another path") \
	X(SJ_ERR_CLOCK, -51, LOCAL, "the clock of this machine is not usable", "set the clock") \
	X(SJ_ERR_SOCKET, -52, LOCAL, "the network socket cannot be used", "check the address and that the port is free") \
	X(SJ_ERR_RESOLVE, -80, NETWORK, "the name of the server cannot be resolved", "check the name and the name service") \
	X(SJ_ERR_UNREACHABLE, -81, NETWORK, "no answer from the server", "check the address, and that udp port 7531 is open") \
	X(SJ_ERR_VERSION, -83, NETWORK, "client and server have no protocol version in common", "update the older one") \
	X(SJ_ERR_KEY_UNKNOWN, -112, LOGIN, "the key of the server is not known", "compare its fingerprint, then pin it with --server-key") \
	X(SJ_ERR_KEY_CHANGED, -113, LOGIN, "the key of the server CHANGED", "compare with `sojourn key show` there; nothing was sent") \
	X(SJ_ERR_REFUSED, -114, LOGIN, "the server refused the login", "ask its administrator, or try another key with -i") \
	X(SJ_ERR_NO_CREDENTIAL, -115, LOGIN, "there is no usable key to log in with", "make one with `ssh-keygen -t ed25519`, or name one with -i") \
	X(SJ_ERR_APPLICATION, -116, LOGIN, "the server does not offer this application", "check the name after the slash") \
	X(SJ_ERR_DOWNGRADE, -117, LOGIN, "the server refuses the hybrid key exchange that it did before", "update libcrypto on both ends; if it was meant, take the word hybrid from its lines of known_hosts") \
	X(SJ_ERR_LOGGED_OUT, -144, SESSION, "logged out", "log in again") \
	X(SJ_ERR_REVOKED, -145, SESSION, "the login was revoked", "ask the administrator of the server") \
	X(SJ_ERR_EXPIRED, -146, SESSION, "the login expired", "log in again") \
	X(SJ_ERR_ENDED, -148, SESSION, "the session is over", "log in again") \
	X(SJ_ERR_PROTOCOL, -149, SESSION, "the peer broke the protocol", "update both ends; report it if they are up to date") \
	X(SJ_ERR_SERVICE, -176, STREAM, "the server does not offer this service", "check the name of the service") \
	X(SJ_ERR_RESET, -177, STREAM, "the peer gave the stream up", "see the code it gave") \
	X(SJ_ERR_STREAM_LOST, -178, STREAM, "the stream is lost, its outcome unknown", "check what arrived, then open it again")

enum sj_err {
#define SJ_ERROR_ENUM(name, value, class_, text, next) name = value,
	SJ_ERRORS(SJ_ERROR_ENUM)
#undef SJ_ERROR_ENUM
};

/* Codes that streams are reset with by the library itself; an application's
 * own codes are its own affair and best start at 64. */
enum sj_reset_code {
	SJ_RESET_NONE = 0,
	SJ_RESET_CLOSED = 1,         /* sj_stream_close() before the end */
	SJ_RESET_SERVICE = 2,        /* no such service: reads as SJ_ERR_SERVICE */
	SJ_RESET_PARENT = 3,         /* an ancestor was reset */
	SJ_RESET_LIMIT = 4,          /* the receiver has no room for the stream */
	SJ_RESET_APPLICATION = 64
};

enum sj_event_type {
	SJ_EV_NONE = 0,
	SJ_EV_LOGIN,        /* server: the proof is valid, you decide (not sent where options decide) */
	SJ_EV_PROMPT,       /* client: text asks; see code (enum sj_prompt) */
	SJ_EV_STARTED,      /* the login is done and stored; resumed: it was an old one */
	SJ_EV_AWAY,         /* no answer from the peer; being retried */
	SJ_EV_BACK,         /* it answers again; code: streams lost, each also gets RESET */
	SJ_EV_ENDED,        /* the last event of a session; error says why */
	SJ_EV_TICKET,       /* save it, if you keep tickets yourself */
	SJ_EV_STREAM,       /* the peer opened a stream to service; its bytes follow as READABLE */
	SJ_EV_MESSAGE,      /* a whole message in data, len */
	SJ_EV_READABLE,     /* once after SJ_AGAIN, and for the first bytes or the end */
	SJ_EV_WRITABLE,     /* once after SJ_AGAIN or a short write */
	SJ_EV_DELIVERED,    /* the peer's process has all bytes and the end */
	SJ_EV_RESET,        /* the peer gave the stream up: code */
	SJ_EV_WAKE,         /* sj_endpoint_wake() was called */
	SJ_EV_DONE          /* a revocation is stored, or failed: error */
};

/* What an SJ_EV_PROMPT asks for, in its code. */
enum sj_prompt {
	SJ_PROMPT_HOST_KEY = 1,      /* answer "yes", or the fingerprint you expect */
	SJ_PROMPT_PASSPHRASE,        /* of a key file; asked again if it is wrong, twice */
	SJ_PROMPT_PASSWORD
};

struct sj_event {
	enum sj_event_type type;
	int error;                   /* enum sj_err */
	struct sj_session *session;
	struct sj_stream *stream;
	void *session_data;
	void *stream_data;
	const char *service;         /* STREAM, MESSAGE */
	const char *text;            /* a sentence: what happened, naming file, key or host */
	const void *data;            /* MESSAGE, TICKET */
	size_t len;
	uint64_t code;
	int resumed;                 /* STARTED */
	int unverified;              /* STARTED: the server's key was trusted on first use */
};

struct sj_endpoint_options {
	size_t size;
	const char *application;     /* client: where the target names none; server: the one it takes, NULL: any, sj_identity says which */
	const char *listen;          /* "[::]:7531", port 0: any free one; NULL: a client */
	const char *host_key_file;   /* server; made at the first start */
	const char *authorized_keys; /* server; ssh's format. NULL: SJ_EV_LOGIN asks you */
	const char *state_dir;       /* client: known server keys. NULL: none are remembered */
	struct sj_store *store;      /* server; taken over, closed with the endpoint. NULL: memory */
	const struct sj_mech *const *mechs; /* NULL-terminated. NULL: publickey */
	const struct sj_io *io;      /* NULL: the UDP driver */
	const struct sj_host_key *host_key; /* server: a key held elsewhere, in place of host_key_file */
	const char *server_name;     /* server: names it answers to, comma-separated. NULL: any */
	size_t memory_max;           /* bytes; 0: 1 GiB */
	uint32_t idle_limit_s;       /* server: of a login; 0: 30 days */
	uint32_t lifetime_s;         /* server: of a login; 0: 90 days */
	uint32_t datagram_max;       /* bytes of UDP payload, sent or taken; 0: what the interface takes, without the UDP driver 1452 */
	int no_hybrid;               /* do without ML-KEM-768 though libcrypto has it */
	void (*trace)(void *data, const char *line);
	void *trace_data;
	char *error;                 /* why sj_endpoint_open() failed goes here, naming file or address */
	size_t error_size;
};
#define SJ_ENDPOINT_OPTIONS { .size = sizeof(struct sj_endpoint_options) }

struct sj_login_options {
	size_t size;
	const char *key_file;        /* NULL: ssh-agent, then the first of ~/.ssh/id_ed25519, id_ecdsa, id_rsa; several: a line each, tried in turn, "agent:" what ssh-agent holds; 511 bytes in all */
	const char *server_key;      /* pin: "SHA256:..." or BASE64 of the key */
	const char *ca_file;         /* reserved: must be NULL */
	const void *ticket;          /* reserved: must be NULL */
	size_t ticket_len;
	int fresh;                   /* do not resume */
	int trust_first_use;         /* take an unknown key without SJ_EV_PROMPT */
	uint32_t timeout_ms;         /* until SJ_ERR_UNREACHABLE; 0: 10 s */
	void *data;
};
#define SJ_LOGIN_OPTIONS { .size = sizeof(struct sj_login_options) }

struct sj_grant {
	size_t size;
	const char *user;            /* NULL: the one asked for */
	uint32_t idle_limit_s;       /* 0: the endpoint's */
	uint32_t lifetime_s;
	void *data;
};
#define SJ_GRANT { .size = sizeof(struct sj_grant) }

#define SJ_URGENCY_DEFAULT 3         /* 0 is the most urgent, 7 the least */
#define SJ_WEIGHT_DEFAULT 16         /* 1 to 255, among siblings */

struct sj_stream_options {
	size_t size;
	const char *service;         /* NULL: "" */
	struct sj_stream *parent;    /* NULL: the session's root */
	uint8_t urgency;             /* 0: as the parent; else 1 + urgency */
	uint8_t weight;              /* 0: as the parent */
	uint8_t best_effort;         /* not resent */
	uint32_t deadline_ms;        /* best effort: nothing is sent later; 0: none */
	void *data;
};
#define SJ_STREAM_OPTIONS { .size = sizeof(struct sj_stream_options) }

struct sj_identity {
	const char *user;
	const char *mechanism;
	const char *credential;      /* "ssh-ed25519 SHA256:..." */
	const char *application;
	const char *server_key;      /* "SHA256:..." */
	const char *peer_address;
	uint64_t login_unix_s;
	uint64_t proof_unix_s;
	uint64_t expires_unix_s;
	uint8_t id[8];
	int hybrid;                  /* the keys come from ML-KEM-768 too, not from X25519 alone */
};

struct sj_stream_info {
	size_t size;
	const char *service;
	struct sj_stream *parent;
	uint64_t id;
	uint64_t read;               /* bytes you have read */
	uint64_t written;            /* bytes you have written */
	uint64_t acknowledged;       /* of those, received by the peer's process */
	uint64_t early_bytes;
	uint64_t lost_from, lost_to; /* best effort: the last hole */
};

struct sj_session_stats {
	size_t size;
	uint64_t bytes_in, bytes_out; /* of streams */
	uint64_t lost;                /* packets */
	uint64_t rtt_ns, rate_bytes_s, cwnd_bytes, idle_ns;
	uint32_t streams, mtu, moves, over_tcp;
	uint64_t peer_unix_s, own_unix_s; /* client: the server's clock at the handshake, which proves it, and ours; 0: not known */
};

struct sj_endpoint_stats {
	size_t size;
	uint64_t sessions, away, logins, refused, resumed;
	uint64_t packets_in, packets_out, dropped;
	uint64_t memory;
};

/* The library's version, "0.1.0". */
SJ_API const char *sj_version(void);
/* One sentence, cause first. */
SJ_API const char *sj_strerror(int err);
/* The name of the constant, "SJ_ERR_REFUSED"; what to do next, or "". */
SJ_API const char *sj_error_name(int err);
SJ_API const char *sj_error_next(int err);
/* enum sj_class. */
SJ_API int sj_error_class(int err);

/* --- Endpoint ---------------------------------------------------------- */

/* Opens sockets and files named in the options. On failure *endpoint is NULL
 * and nothing is left open. */
SJ_API SJ_MUST_CHECK int sj_endpoint_open(struct sj_endpoint **endpoint,
    const struct sj_endpoint_options *options);
/* What went wrong in the last call on this endpoint that failed, naming the
 * file or address. Never NULL. */
SJ_API const char *sj_endpoint_error(const struct sj_endpoint *endpoint);
/* At once, with all its handles; logins live on. NULL is fine. */
SJ_API void sj_endpoint_close(struct sj_endpoint *endpoint);
/* One descriptor for poll, epoll, libuv, GLib; it covers timers too. */
SJ_API int sj_endpoint_fd(const struct sj_endpoint *endpoint);
/* The UDP port it is bound to, in host order; 0: none. */
SJ_API int sj_endpoint_port(const struct sj_endpoint *endpoint);
/* The server's key, "SHA256:..." over the 32 raw bytes; NULL for a client. */
SJ_API const char *sj_endpoint_key(const struct sj_endpoint *endpoint);
/* Does the I/O. 1: *event is filled, 0: none within timeout_ms (-1: no limit,
 * 0: do not wait), negative: the endpoint itself failed. */
SJ_API int sj_poll(struct sj_endpoint *endpoint, struct sj_event *event,
    int timeout_ms);
/* From any thread or signal handler: SJ_EV_WAKE follows; with network_changed
 * the network is looked at again. */
SJ_API void sj_endpoint_wake(struct sj_endpoint *endpoint,
    int network_changed);
/* Counted since it was opened; memory is what it holds now, in bytes. */
SJ_API int sj_endpoint_stats(const struct sj_endpoint *endpoint,
    struct sj_endpoint_stats *stats);

/* --- Session ----------------------------------------------------------- */

/* Starts a login. target: "alice@example.org:7531", with "/application" after
 * it if wanted; IPv6 addresses in brackets. Streams may be opened at once. */
SJ_API SJ_MUST_CHECK int sj_login(struct sj_endpoint *endpoint,
    const char *target, const struct sj_login_options *options,
    struct sj_session **session);
/* To SJ_EV_PROMPT; NULL declines. */
SJ_API int sj_login_answer(struct sj_session *session, const char *answer);
/* To SJ_EV_LOGIN, now or later. The peer of a refusal learns "refused". */
SJ_API int sj_login_accept(struct sj_session *session,
    const struct sj_grant *grant);
SJ_API int sj_login_refuse(struct sj_session *session);
/* The login ends, everywhere and for good: SJ_EV_ENDED follows. */
SJ_API int sj_logout(struct sj_session *session);
/* You let go of the handle; the login lives on. NULL is fine. */
SJ_API void sj_session_close(struct sj_session *session);
/* As verified, at both ends; NULL before LOGIN or STARTED. */
SJ_API const struct sj_identity *sj_session_identity(
    const struct sj_session *session);
/* What events name as session_data. */
SJ_API void sj_session_set_data(struct sj_session *session, void *data);
/* Keying material bound to this login's channel, as RFC 5705. */
SJ_API int sj_session_export(struct sj_session *session, const char *label,
    const void *context, size_t len, void *out, size_t out_len);
/* Of the session, and of the path it is on. */
SJ_API int sj_session_stats(const struct sj_session *session,
    struct sj_session_stats *stats);
/* Server: one login of the store at a time; user NULL: all. *cursor starts at
 * 0. 1: *identity is filled, 0: done, SJ_AGAIN: ask again after SJ_EV_DONE. */
SJ_API int sj_sessions_list(struct sj_endpoint *endpoint, const char *user,
    struct sj_identity *identity, uint64_t *cursor);
/* Server: ends logins; id NULL: all of the user. SJ_EV_DONE when stored. */
SJ_API int sj_sessions_revoke(struct sj_endpoint *endpoint, const char *user,
    const uint8_t *id);

/* --- Stream ------------------------------------------------------------ */

/* Opens a stream: no packet, no wait; its first bytes open it at the peer. */
SJ_API SJ_MUST_CHECK int sj_stream_open(struct sj_session *session,
    struct sj_stream **stream, const struct sj_stream_options *options);
/* Bytes read; 0: the peer's end; SJ_AGAIN; or why no more will come. */
SJ_API ptrdiff_t sj_stream_read(struct sj_stream *stream, void *bytes,
    size_t capacity);
/* Bytes taken, maybe fewer than offered; SJ_AGAIN: none now. */
SJ_API ptrdiff_t sj_stream_write(struct sj_stream *stream, const void *bytes,
    size_t length);
/* Reading without a copy: the next bytes in place, valid until consumed or
 * the next sj_poll(). Consuming is what gives the peer credit. */
SJ_API ptrdiff_t sj_stream_peek(struct sj_stream *stream, const void **bytes);
SJ_API int sj_stream_consume(struct sj_stream *stream, size_t length);
/* Writing without a copy: room in place, of which commit sends a part. */
SJ_API ptrdiff_t sj_stream_reserve(struct sj_stream *stream, void **room);
SJ_API int sj_stream_commit(struct sj_stream *stream, size_t length);
/* My last byte is written. */
SJ_API int sj_stream_finish(struct sj_stream *stream);
/* Both directions and all children, now. */
SJ_API int sj_stream_reset(struct sj_stream *stream, uint64_t code);
/* Asks the peer to write no more; what comes is dropped. */
SJ_API int sj_stream_stop(struct sj_stream *stream, uint64_t code);
/* You let go: what was finished is still delivered, what was not is reset.
 * NULL is fine. */
SJ_API void sj_stream_close(struct sj_stream *stream);
/* Among siblings, from now on, at both ends: urgency 0 to 7, weight 1 to 255. */
SJ_API int sj_stream_set_priority(struct sj_stream *stream, uint8_t urgency,
    uint8_t weight);
/* What it is and how far it has come. */
SJ_API int sj_stream_info(const struct sj_stream *stream,
    struct sj_stream_info *info);
/* What events name as stream_data. */
SJ_API void sj_stream_set_data(struct sj_stream *stream, void *data);
/* The session it belongs to. */
SJ_API struct sj_session *sj_stream_session(const struct sj_stream *stream);
/* A stream opened, written and finished at once. 0: queued, SJ_AGAIN: full,
 * SJ_ERR_TOO_BIG. */
SJ_API int sj_message_send(struct sj_session *session,
    const struct sj_stream_options *options, const void *bytes,
    size_t length);

#ifdef __cplusplus
}
#endif

#endif
