/* SPDX-License-Identifier: ISC */
/*
 * cmd/sessions.h - asking a server for the logins it holds
 */
#ifndef SOJOURN_CMD_SESSIONS_H
#define SOJOURN_CMD_SESSIONS_H

#include <stdint.h>

struct client;

/* Sends a request of tool/sessions_protocol.h ("list\n") and calls each() for
 * every line of the answer. 0, or a negative enum sj_err. */
int sessions_ask(struct client *client, uint64_t session, const char *request,
    void (*each)(void *data, const char *line), void *data);

#endif
