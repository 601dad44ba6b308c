/* SPDX-License-Identifier: ISC */
/*
 * secrets.h - what is secret, and where it stops being so
 *
 * Under valgrind a secret is memory without a value: memcheck follows it
 * through every computation and reports a branch or an address that depends on
 * it. secrets.c stands between the core and crypto.h: keys are made secret
 * where they are drawn, and what goes out to everybody (public keys,
 * ciphertext, the yes or no of a comparison and of an AEAD) becomes known.
 * Plaintext comes out of an AEAD as secret as it went in at the other end, byte
 * by byte.
 */
#ifndef TIMING_SECRETS_H
#define TIMING_SECRETS_H

#include "core/crypto.h"
#include "core/wire.h"

/* Made wrong on purpose, by name: each has to be reported. */
enum leak { LEAK_NONE, LEAK_BRANCH, LEAK_INDEX, LEAK_EQUAL, LEAK_WIRE };

extern enum leak leak;
/* Both ends of a channel take this one, whatever they agreed upon. */
extern enum packet_suite suite_to_use;
/* The bytes that base64_decode() finds in a private key. */
extern const uint8_t *seed_to_hide;
/* How often something was seen that has to be seen. */
extern unsigned hidden_phases, refused_packets, refused_messages, hidden_seeds;

void hide(const void *bytes, size_t length);
void publish(const void *bytes, size_t length);
/* Bytes of which at least one bit is secret. */
size_t secret_bytes(const void *bytes, size_t length);

#endif
