/* SPDX-License-Identifier: ISC */
/*
 * signer.h - the keys of a client: files and ssh-agent
 *
 * Which key a login proposes, in this order; the next one when the server
 * refused the last:
 *   options.key_file     that key: the private file, or, if it is a public one
 *                        or has a passphrase, the agent's copy of it
 *   else                 the agent's keys of the types that are taken, then the
 *                        first of ~/.ssh/id_ed25519, id_ecdsa, id_rsa
 *
 * options.key_file "agent:SOCKET" names another agent than $SSH_AUTH_SOCK and
 * means its keys; "agent:SOCKET:FILE" that agent and that key. Of several, a
 * line each, the next one's turn is when the server refused the last, or when
 * that could not sign; "agent:" among them is all that the agent holds.
 *
 * The agent is never waited for: its socket is watched by the driver, and an
 * agent that says nothing for SIGNER_TIMEOUT_S is given up.
 */
#ifndef SJ_IO_SIGNER_H
#define SJ_IO_SIGNER_H

#include <sojourn_core.h>

struct driver;

/* Agents may ask a person to touch a key. */
#define SIGNER_TIMEOUT_S 60

struct sj_signer *signer_open(struct driver *driver);
void signer_close(struct sj_signer *signer);

#endif
