/* SPDX-License-Identifier: ISC */
/*
 * known_hosts.h - the servers' keys a client has seen
 *
 * STATE_DIR/known_hosts, a line each: "host sojourn-x25519 BASE64", with
 * "[host]:port" for another port than 7531. '#' begins a comment.
 */
#ifndef SJ_IO_KNOWN_HOSTS_H
#define SJ_IO_KNOWN_HOSTS_H

#include <stddef.h>
#include <stdint.h>

/* 1: found, where says the line; 0: none; -1: the file cannot be read. */
int known_hosts_find(const char *state_dir, const char *host, unsigned port,
    uint8_t key[32], char *where, size_t capacity);
/* Appends a line, synced; makes the directory (0700). 0, or -1 with errno. */
int known_hosts_add(const char *state_dir, const char *host, unsigned port,
    const uint8_t key[32]);

#endif
