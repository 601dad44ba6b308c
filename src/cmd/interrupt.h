/* SPDX-License-Identifier: ISC */
/*
 * cmd/interrupt.h - signals that end a command which has to clear away first
 */
#ifndef SOJOURN_CMD_INTERRUPT_H
#define SOJOURN_CMD_INTERRUPT_H

/* From here on they are let in by ppoll() with an empty mask only. */
void interrupt_catch(void);
/* The number of the one that came; 0: none. */
int interrupt_came(void);
/* All is cleared away: the end that the signal asks for. Does not return if
 * there was one. */
void interrupt_end(void);

#endif
