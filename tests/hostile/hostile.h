/* SPDX-License-Identifier: ISC */
/*
 * hostile.h - what the tests of hostile input share that run in the simulator
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "hostile_case.h"
#include "sim/pair.h"

void expect(bool is_so, const char *text);
/* A pair after its login; and its end. */
struct pair *hostile_start(void);
void hostile_end(struct pair *pair);
/* Whose channel it is sends one packet made by a script, when it is next let. */
void hostile_script(struct sj__channel *channel,
    void (*write)(struct writer *));
/* The client does, now. */
void hostile_play(struct pair *pair, void (*write)(struct writer *));
/* A datagram as if a side (0: the server) had sent it. */
void hostile_inject(struct pair *pair, int side, const uint8_t *bytes,
    size_t length);

#endif
