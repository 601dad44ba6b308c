/* SPDX-License-Identifier: ISC */
/*
 * known_hosts.h - the servers' keys a client has seen
 *
 * STATE_DIR/known_hosts, a line each: "host sojourn-x25519 BASE64", with
 * "[host]:port" for another port than 7531. '#' begins a comment. The word
 * "hybrid" behind the key says that the server did the hybrid exchange with it:
 * from then on nothing less will do. It may stand in a line of its own for the
 * same host and key.
 */
#ifndef SJ_IO_KNOWN_HOSTS_H
#define SJ_IO_KNOWN_HOSTS_H

#include <stddef.h>
#include <stdint.h>

struct known_host {
	uint8_t key[32];
	int is_hybrid;
	char where[64];                 /* "line 7 of known_hosts" */
};

/* 1: found; 0: none; -1: the file cannot be read. */
int known_hosts_find(const char *state_dir, const char *host, unsigned port,
    struct known_host *known);
/* Appends a line, synced; makes the directory (0700). 0, or -1 with errno. */
int known_hosts_add(const char *state_dir, const char *host, unsigned port,
    const uint8_t key[32], int is_hybrid);

#endif
