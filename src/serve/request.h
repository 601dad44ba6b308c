/* SPDX-License-Identifier: ISC */
/*
 * serve/request.h - what passes between the net process and the monitor
 *
 * Two SOCK_SEQPACKET pairs: one for requests and their answers, one for the
 * store. Every message is one packet of a fixed layout in the byte order of
 * this machine; a packet of another size, or a string without its NUL, ends
 * the server. Net is the one that may have been taken over, so the monitor
 * believes nothing: what a login was granted it remembers itself.
 */
#ifndef SOJOURN_SERVE_REQUEST_H
#define SOJOURN_SERVE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "tool/forward.h"

#define REQUEST_NAME_MAX 256
#define REQUEST_CREDENTIAL_MAX 2304 /* an RSA key of 16384 bits */
#define REQUEST_TEXT_MAX 256

enum request_type {
	REQUEST_LISTENING = 1,       /* net: the endpoint is open */
	REQUEST_DH,
	REQUEST_LOGIN,
	REQUEST_SPAWN,
	REQUEST_RELEASE,             /* net needs a service process no more */
	REQUEST_GONE,                /* a session has ended */
	REQUEST_CONNECT,             /* to a place */
	REQUEST_TYPES
};

enum answer_type {
	ANSWER_START = 64,           /* monitor: everything is at hand; bytes: public key */
	ANSWER_DH,                   /* bytes: the shared secret */
	ANSWER_LOGIN,
	ANSWER_SPAWN,                /* with a descriptor, or two */
	ANSWER_CONNECT               /* with a descriptor; number 0: all that wait have failed */
};

struct request_head {
	uint32_t type;
	uint32_t zero;
	uint64_t number;             /* comes back in the answer */
};

struct request_listening {
	struct request_head head;
	uint32_t port;
	char key[72];                /* "SHA256:..." */
};

struct request_dh {
	struct request_head head;
	uint8_t peer_key[32];
};

struct request_login {
	struct request_head head;
	uint64_t session;            /* net's number for it, never used twice */
	uint32_t credential_length;
	uint32_t zero;
	uint8_t id[8];
	char user[REQUEST_NAME_MAX];
	char application[REQUEST_NAME_MAX];
	char mechanism[64];
	char credential_name[128];
	char peer[96];
	uint8_t credential[REQUEST_CREDENTIAL_MAX];
};

struct request_spawn {
	struct request_head head;    /* number names the process later on */
	uint64_t session;
	char service[REQUEST_NAME_MAX];
};

struct request_release {
	struct request_head head;
	uint64_t process;
	uint32_t broken;             /* 1: the stream was reset, end it */
	uint32_t zero;
};

struct request_gone {
	struct request_head head;
	uint64_t session;
};

struct request_connect {
	struct request_head head;
	uint64_t session;
	char place[FORWARD_TEXT_MAX]; /* as the peer wrote it */
};

union request {
	struct request_head head;
	struct request_listening listening;
	struct request_dh dh;
	struct request_login login;
	struct request_spawn spawn;
	struct request_release release;
	struct request_gone gone;
	struct request_connect connect;
};

struct answer {
	struct request_head head;
	int32_t error;               /* 0, or a negative enum sj_err */
	uint32_t descriptors;        /* that came along */
	uint64_t code;               /* CONNECT: to reset the stream with */
	uint8_t bytes[32];
	char text[REQUEST_TEXT_MAX];
};

/* Store messages: this head, then key and value (requests), or key, value and
 * text (answers). */
struct store_head {
	uint64_t number;
	uint64_t version;
	uint32_t operation;          /* requests */
	int32_t error;               /* answers */
	uint32_t key_length;
	uint32_t prefix_length;
	uint32_t value_length;
	uint32_t text_length;
};
#define STORE_KEY_MAX 64
#define STORE_VALUE_MAX 8192
#define STORE_TEXT_MAX 512
#define STORE_MESSAGE_MAX \
	(sizeof(struct store_head) + STORE_KEY_MAX + STORE_VALUE_MAX + \
	    STORE_TEXT_MAX)

/* Sends one packet, with up to two descriptors; waits that long for room.
 * 0, SJ_AGAIN (no room), SJ_ERR_ENDED (nobody there), or SJ_ERR_LIMIT at once:
 * too many descriptors of this user's are on their way. */
int request_send(int fd, const void *bytes, size_t length,
    const int *descriptors, size_t descriptor_count, int wait_ms);
/* Takes one packet. Its length, 0 (the other end is gone), SJ_AGAIN, or
 * SJ_ERR_PROTOCOL if it did not fit. Descriptors beyond the capacity of two
 * are closed, and all of a packet that did not fit; *descriptor_count may be
 * NULL if none are wanted. It is 0 where this process can have no more of
 * them. */
ptrdiff_t request_receive(int fd, void *bytes, size_t capacity,
    int descriptors[2], size_t *descriptor_count);
/* 1 if the array holds a NUL. */
int request_string_ok(const char *string, size_t capacity);

#endif
