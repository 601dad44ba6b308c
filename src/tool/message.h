/* SPDX-License-Identifier: ISC */
/*
 * tool/message.h - one message, with descriptors, over a local socket
 *
 * SOCK_SEQPACKET keeps messages apart; a message is a type and fields. A field
 * is a name (one byte), a length (two bytes, big endian) and bytes; texts end
 * with a NUL inside their length, so they can be read in place. A message that
 * is not well formed is refused as a whole, its descriptors closed.
 */
#ifndef SOJOURN_TOOL_MESSAGE_H
#define SOJOURN_TOOL_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAX 16384
#define MESSAGE_FDS_MAX 8

struct message {
	size_t length;
	size_t fd_count;
	int overflow;                /* a field did not fit: is not sent. Of one
	                              * that came: its descriptors were more
	                              * than this process can have */
	int fds[MESSAGE_FDS_MAX];    /* received ones belong to the reader */
	uint8_t bytes[MESSAGE_MAX];
};

void message_begin(struct message *message, uint8_t type);
uint8_t message_type(const struct message *message);
void message_put(struct message *message, uint8_t field, const void *bytes,
    size_t length);
/* NULL puts nothing. */
void message_put_text(struct message *message, uint8_t field,
    const char *text);
void message_put_number(struct message *message, uint8_t field,
    uint64_t number);
/* The descriptor is only lent; it must live until the message is sent. */
void message_put_fd(struct message *message, int fd);

/* NULL: there is no such field. */
const void *message_get(const struct message *message, uint8_t field,
    size_t *length);
/* NULL: none, or not a text. */
const char *message_text(const struct message *message, uint8_t field);
uint64_t message_number(const struct message *message, uint8_t field,
    uint64_t otherwise);

/* 0, SJ_AGAIN (only if !wait), SJ_ERR_TOO_BIG, SJ_ERR_ENDED. */
int message_send(int fd, const struct message *message, int wait);
/* 1: a message; 0: the other end is closed; SJ_AGAIN (only if !wait);
 * SJ_ERR_PROTOCOL: not a message; SJ_ERR_ENDED. */
int message_receive(int fd, struct message *message, int wait);
/* Closes the descriptors that were received and not taken (set to -1). */
void message_drop_fds(struct message *message);
/* 1: the process at the other end runs as this user. */
int message_peer_is_me(int fd);

#endif
