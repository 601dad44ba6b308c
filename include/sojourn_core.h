/* SPDX-License-Identifier: ISC */
/*
 * sojourn_core.h - the same endpoints without I/O, and what plugs into them
 *
 * For programs that bring their own sockets and clock, and for those that
 * bring a store, a mechanism or a host key of their own.
 *
 * An endpoint opened with io = &sj_io_none (or any struct sj_io whose `none`
 * is set) does no I/O: hand it datagrams, take datagrams, look at its deadline.
 * The calls of sojourn.h work on its sessions and streams, but sj_login(),
 * sj_poll() and sj_endpoint_fd(): use sj_core_login() and sj_core_event().
 *
 * Requests. Whatever may take time - a signature, a Diffie-Hellman with a key
 * held elsewhere, a look at known keys, a store - is asked once, with a request
 * number, and answered at any later time on the endpoint's thread, at the
 * earliest after the asking function has returned or from within it.
 */
#ifndef SOJOURN_CORE_H
#define SOJOURN_CORE_H

#include <sojourn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Two clocks: boot_ns counts sleep (CLOCK_BOOTTIME) and drives every timer;
 * unix_s serves lifetimes. */
struct sj_time {
	uint64_t boot_ns;
	uint64_t unix_s;
};

enum sj_transport {
	SJ_TRANSPORT_UDP = 1,
	SJ_TRANSPORT_TCP = 2         /* reserved */
};

/* IPv4 as ::ffff:a.b.c.d; port in host order; unused bytes zero. */
struct sj_address {
	uint8_t ip[16];
	uint16_t port;
	uint16_t zero;
	uint32_t scope;
};

/* Names a path: compared byte for byte. connection tells TCP connections
 * apart. */
struct sj_path {
	uint32_t transport;
	uint32_t connection;
	struct sj_address local;     /* all zero: the system chooses */
	struct sj_address remote;
};

enum sj_ecn { SJ_ECN_NONE = 0, SJ_ECN_ECT1 = 1, SJ_ECN_ECT0 = 2, SJ_ECN_CE = 3 };

/* One burst: datagrams of segment_size bytes, the last one maybe shorter. */
struct sj_batch {
	uint8_t *bytes;              /* in: room for a burst */
	size_t capacity;             /* in: at least 2048, at most 65536 is used */
	size_t length;               /* out */
	size_t segment_size;         /* out */
	struct sj_path path;         /* out */
	uint8_t ecn;                 /* out: enum sj_ecn */
	uint64_t send_at_ns;         /* out: boot_ns; not before this */
};

/* Packet AEAD: a table of functions. A context is context_size bytes, aligned
 * to 64. seal and open work in place; open returns 0, or a negative enum
 * sj_err and leaves no plaintext that anyone looks at. */
struct sj_aead {
	const char *name;            /* "AES-128-GCM" */
	const char *provider;        /* "libcrypto 3.0.19", "intel-ipsec-mb 1.3" */
	size_t key_size;
	size_t context_size;
	int (*init)(const struct sj_aead *aead, void *context, const uint8_t *key);
	void (*fini)(const struct sj_aead *aead, void *context);
	int (*seal)(const struct sj_aead *aead, void *context, const uint8_t nonce[12],
	    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
	    uint8_t tag[16]);
	int (*open)(const struct sj_aead *aead, void *context, const uint8_t nonce[12],
	    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
	    const uint8_t tag[16]);
	void *provider_data;
};

/* What an endpoint needs from its surroundings. */
struct sj_io {
	int none;                    /* no driver: the caller does the I/O */
	/* Fills out with unpredictable bytes; negative on failure. */
	int (*random)(void *context, void *out, size_t length);
	void *context;
	const struct sj_aead *const *aeads; /* faster ones, NULL-terminated; may be NULL */
};
/* No driver, and the system's random source. */
SJ_API extern const struct sj_io sj_io_none;

/* --- The machine ------------------------------------------------------- */

/* One datagram, or a train of equal ones (segment_size each, the last one
 * maybe shorter); bytes are changed in place. Never fails: what is not valid
 * is counted and dropped. */
SJ_API void sj_core_receive(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, enum sj_ecn ecn, uint8_t *bytes,
    size_t length, size_t segment_size);
/* Fills one burst for one path. 1: filled, 0: nothing to send now. */
SJ_API int sj_core_transmit(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj_batch *batch);
/* Datagrams of more than so many bytes do not leave this machine on that path:
 * sending one failed, as none may be cut on the way (DF), or the interface's MTU
 * says so, less the headers. */
SJ_API void sj_core_datagram_limit(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_path *path, uint32_t bytes);
/* When transmit has to be called again at the latest: boot_ns, 0: at once,
 * UINT64_MAX: never. */
SJ_API uint64_t sj_core_deadline(const struct sj_endpoint *endpoint);
/* 1: filled, 0: none. */
SJ_API int sj_core_event(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj_event *event);

/* How a client's login is to be made, all resolved. */
struct sj_core_login {
	struct sj_path path;         /* where to */
	const char *server_name;     /* as it is checked */
	const char *application;
	const char *user;
	const uint8_t *server_key;   /* 32 bytes if known or pinned: NK; NULL: NX */
	int server_key_is_hybrid;    /* with that key nothing less than the hybrid exchange will do */
	const char *server_key_where; /* "line 7 of known_hosts", for the error; may be NULL */
	struct sj_login_options options;
	void *context;               /* handed to trust and mechanism requests */
};
/* As sj_login(), to where it says. The session is the caller's. */
SJ_API SJ_MUST_CHECK int sj_core_login(struct sj_endpoint *endpoint, struct sj_time now,
    const struct sj_core_login *login, struct sj_session **session);
#define SJ_LOGIN_PATHS_MAX 8
/* A login of which the address is found out later: hold it with
 * path.transport = 0 in sj_core_login, then name its paths, the best first, or
 * give up. The paths are tried in turn, a quarter of a second apart; the one
 * that is answered first is used. At most SJ_LOGIN_PATHS_MAX are looked at. */
SJ_API int sj_core_login_paths(struct sj_session *session, struct sj_time now,
    const struct sj_path *paths, size_t count);
SJ_API void sj_core_login_fail(struct sj_session *session, int error, const char *text);
/* The context of struct sj_core_login. */
SJ_API void *sj_core_session_context(const struct sj_session *session);

/* --- Requests ---------------------------------------------------------- */

struct sj_answer {
	int error;                   /* 0: done */
	const void *bytes;           /* what the request asks for */
	size_t length;
	const char *text;            /* why it failed; of a proof: what it was made with */
};
/* Answers a request. A number that is no longer open (its session is gone) is
 * ignored. */
SJ_API void sj_core_answer(struct sj_endpoint *endpoint, uint64_t request,
    const struct sj_answer *answer);

/* A static X25519 key held elsewhere. dh answers with 32 bytes. */
struct sj_host_key {
	uint8_t public_key[32];
	void *context;
	void (*dh)(const struct sj_host_key *key, struct sj_endpoint *endpoint,
	    uint64_t request, const uint8_t peer_key[32]);
};

/* Everything a login is bound to; each side fills it from its own view. */
struct sj_login_facts {
	const char *server_name;
	const char *application;
	const char *user;
	uint32_t version;            /* of the protocol */
	uint32_t number;             /* of the login within the session, from 1 */
	const uint8_t *handshake_hash; /* 32 bytes */
	const uint8_t *server_key;   /* 32 bytes */
	const struct sj_login_options *options; /* client only */
	void *context;               /* client only: of sj_core_login */
	struct sj_session *session;
};

/* A way to log in. propose (client) answers with the mechanism's message;
 * judge (server) checks a message and answers with the credential's name,
 * "ssh-ed25519 SHA256:...", followed by a NUL and the raw credential (for publickey: the
 * ssh key blob). Both may answer later. */
struct sj_mech {
	const char *name;
	void *context;
	void (*propose)(const struct sj_mech *mech, struct sj_endpoint *endpoint,
	    uint64_t request, const struct sj_login_facts *facts);
	void (*judge)(const struct sj_mech *mech, struct sj_endpoint *endpoint,
	    uint64_t request, const struct sj_login_facts *facts,
	    const void *message, size_t length);
};

/* Login by ssh key; sign is how the client reaches its keys (NULL for a
 * server). The answer to sign: the ssh public key blob as string, then the
 * SSHSIG signature blob as string (lengths as in RFC 4251 section 5). */
struct sj_signer {
	void *context;
	void (*sign)(const struct sj_signer *signer, struct sj_endpoint *endpoint,
	    uint64_t request, const struct sj_login_facts *facts);
};
/* The mechanism "publickey". */
SJ_API struct sj_mech sj_mech_publickey(const struct sj_signer *signer);
/* The bytes that an SSHSIG of a publickey login is made over, for a signer:
 * everything but the final hash; key is the ssh public key blob. Returns the
 * length, or a negative enum sj_err. */
SJ_API ptrdiff_t sj_mech_publickey_message(const struct sj_login_facts *facts,
    const void *key, size_t key_length, void *out, size_t capacity);
/* The key blob behind the credential of a session that is at SJ_EV_LOGIN. */
SJ_API const void *sj_core_session_credential(const struct sj_session *session,
    size_t *length);
/* The server's static key as this end knows it, 32 bytes; NULL: not yet. */
SJ_API const uint8_t *sj_core_session_server_key(const struct sj_session *session);

/* --- For a process that holds keys and rights in another's place -------- */

/* Reads the server's static key, or makes it. Negative: error says why, naming
 * the file. */
SJ_API int sj_host_key_load(const char *path, uint8_t private_key[32],
    uint8_t public_key[32], char *error, size_t capacity);
/* X25519 as struct sj_host_key's dh has to answer it. */
SJ_API int sj_host_key_dh(const uint8_t private_key[32],
    const uint8_t peer_key[32], uint8_t shared[32]);
/* Whether ssh's file lets the key in. 1: yes, 0: no, or the file cannot be
 * trusted; why says so, naming file and line. */
SJ_API int sj_authorized_keys_check(const char *path, const void *key_blob,
    size_t length, char *why, size_t capacity);

/* The ssh public key blob of a key file as publickey can use it, private or
 * public; its length. SJ_ERR_NO_CREDENTIAL: there is none, or it takes the
 * passphrase to know; error says why, naming the file. */
SJ_API ptrdiff_t sj_key_file_blob(const char *path, void *blob,
    size_t capacity, char *error, size_t error_capacity);

/* --- Store ------------------------------------------------------------- */

/*
 * Keys and values are bytes. Each record has a version that grows with every
 * change; 0 means there is none. Requests are carried out in order. A write is
 * answered when it is durable.
 */
enum sj_store_operation {
	SJ_STORE_GET = 1,            /* answer: value, version; SJ_OK with version 0: none */
	SJ_STORE_PUT,
	SJ_STORE_COMPARE_AND_SET,    /* only if the version is `version` (0: absent), else SJ_AGAIN */
	SJ_STORE_DELETE,             /* fine if absent */
	SJ_STORE_ITERATE             /* the record with the smallest key greater than key, that starts with prefix_length bytes of key; version 0: no more */
};

struct sj_store_request {
	uint64_t number;             /* comes back in the answer */
	enum sj_store_operation operation;
	const void *key;
	size_t key_length;           /* at most SJ_STORE_KEY_MAX */
	size_t prefix_length;
	const void *value;
	size_t value_length;         /* at most SJ_STORE_VALUE_MAX */
	uint64_t version;
};
#define SJ_STORE_KEY_MAX 64
#define SJ_STORE_VALUE_MAX 8192

struct sj_store_answer {
	uint64_t number;
	int error;                   /* 0, SJ_AGAIN (compare failed), SJ_ERR_STORE, ... */
	uint64_t version;
	const void *key;             /* ITERATE */
	size_t key_length;
	const void *value;           /* valid until the next call on the store */
	size_t value_length;
	const char *text;            /* why it failed, naming the file */
};

/* Begins every store. */
struct sj_store {
	const struct sj_store_operations *operations;
};
struct sj_store_operations {
	/* Copies the request. SJ_ERR_BUSY: too many are waiting. */
	int (*submit)(struct sj_store *store, const struct sj_store_request *request);
	/* 1: filled, 0: none yet. */
	int (*next)(struct sj_store *store, struct sj_store_answer *answer);
	/* Readable while an answer waits; -1: answers are there at once. */
	int (*fd)(const struct sj_store *store);
	/* Finishes what was submitted, then frees. */
	void (*close)(struct sj_store *store);
};
/* Gone with the process. NULL: no memory. */
SJ_API struct sj_store *sj_store_memory(void);

/* The record of a login as the store has it. */
struct sj_login_record {
	uint8_t version;             /* of the format: 1 */
	uint8_t id[8];
	uint64_t login_unix_s, used_unix_s, expires_unix_s;
	uint32_t idle_limit_s;
	uint8_t status;              /* 1 live; others: ended, an enum sj_err negated */
	const char *user, *application, *mechanism, *credential, *server_name, *peer_address;
	const void *rest;            /* opaque, kept as it is */
	size_t rest_length;
};
/* Key of a record: 'L' and the id. Decoding: strings point into scratch, which
 * must hold value_length + 8 bytes. Both return a length or SJ_ERR_STORE. */
SJ_API ptrdiff_t sj_login_record_encode(const struct sj_login_record *record, void *out, size_t capacity);
SJ_API int sj_login_record_decode(struct sj_login_record *record, const void *value, size_t value_length, char *scratch);

#ifdef __cplusplus
}
#endif

#endif
