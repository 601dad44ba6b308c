/* SPDX-License-Identifier: ISC */
/*
 * ssh_agent.h - asking an ssh-agent (draft-miller-ssh-agent)
 *
 * One request on one connection; the answer comes through a callback.
 */
#ifndef SJ_IO_SSH_AGENT_H
#define SJ_IO_SSH_AGENT_H

#include <stddef.h>
#include <stdint.h>

struct driver;
struct ssh_agent;

#define SSH_AGENT_IDENTITIES 11         /* request; answered by 12 */
#define SSH_AGENT_SIGN 13               /* request; answered by 14 */
#define SSH_AGENT_RSA_SHA2_512 4        /* flag of a request to sign */

/* The answer's type and body; body NULL: it failed, type is an errno. The
 * object is freed after the call. */
typedef void ssh_agent_answer(void *data, unsigned type, const uint8_t *body,
    size_t length);

/* NULL with errno: no such agent. The request is copied. */
struct ssh_agent *ssh_agent_ask(struct driver *driver, const char *socket,
    uint8_t type, const uint8_t *body, size_t length,
    ssh_agent_answer *answer, void *data);
/* Without an answer. */
void ssh_agent_cancel(struct ssh_agent *agent);

#endif
