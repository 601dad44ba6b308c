/* SPDX-License-Identifier: ISC */
/*
 * record.h - a run of the simulator in a file, for the second implementation
 *
 * Linked with --wrap for the functions that record.c names: whatever goes into
 * an endpoint or comes out of it is seen here, and nobody else has to know.
 * One thing a line, in the order in which it happened, bytes in hexadecimal.
 * END is 0 for the server, else the number of a client; AT is the time in ns,
 * ADDRESS that of the client, as the endpoint sees it.
 *
 *   H private                           the host key
 *   E END private                       an ephemeral key
 *   K SIDE suite hash client server master  what a handshake gave (1: a client)
 *   S END session hash                  the session of the channel with that hash
 *   > END AT ADDRESS datagram           sent
 *   < END AT ADDRESS datagram           received
 *   W END session stream bytes          written by the application
 *   F END session stream                finished by it
 */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include "world.h"

void record_start(struct world *world, FILE *file);
void record_stop(void);

#endif
