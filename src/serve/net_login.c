/* SPDX-License-Identifier: ISC */
/*
 * serve/net_login.c - logins, as net sees them
 *
 * The endpoint has verified the signature; whether its key may log in is the
 * monitor's to say. A session has a struct login from that question on, until
 * its last event.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sojourn_core.h>

#include "serve/log.h"
#include "serve/net_internal.h"

static int
fill(struct request_login *request, const struct sj_identity *identity,
    struct sj_session *session)
{
	size_t length = 0;
	const void *credential = sj_core_session_credential(session, &length);

	if (credential == NULL || length > sizeof(request->credential) ||
	    strlen(identity->user) >= sizeof(request->user) ||
	    strlen(identity->application) >= sizeof(request->application) ||
	    strlen(identity->mechanism) >= sizeof(request->mechanism))
		return SJ_ERR_TOO_BIG;
	memcpy(request->credential, credential, length);
	request->credential_length = (uint32_t)length;
	memcpy(request->id, identity->id, sizeof(request->id));
	strcpy(request->user, identity->user);
	strcpy(request->application, identity->application);
	strcpy(request->mechanism, identity->mechanism);
	snprintf(request->credential_name, sizeof(request->credential_name),
	    "%s", identity->credential);
	snprintf(request->peer, sizeof(request->peer), "%s",
	    identity->peer_address);
	return 0;
}

void
net_on_login(struct net *net, const struct sj_event *event)
{
	const struct sj_identity *identity = sj_session_identity(
	    event->session);
	struct request_login request = { .head = { .type = REQUEST_LOGIN } };
	struct login *login = calloc(1, sizeof(*login));
	size_t i;

	if (login == NULL || identity == NULL ||
	    fill(&request, identity, event->session) != 0)
		goto refuse;
	login->net = net;
	login->session = event->session;
	login->number = net_number(net);
	for (i = 0; i < sizeof(identity->id); i++)
		snprintf(login->id + 2 * i, 3, "%02x", identity->id[i]);
	request.session = request.head.number = login->number;
	if (net_request(net, &request, sizeof(request)) != 0)
		goto refuse;
	login->next = net->logins;
	net->logins = login;
	sj_session_set_data(event->session, login);
	return;
refuse:
	free(login);
	sj_login_refuse(event->session);
}

void
net_on_login_answer(struct net *net, const struct answer *answer)
{
	struct sj_grant grant = SJ_GRANT;
	struct login *login = net->logins;

	while (login != NULL && login->number != answer->head.number)
		login = login->next;
	if (login == NULL)
		return; /* it ended in the meantime */
	grant.data = login;
	if (answer->error == 0)
		sj_login_accept(login->session, &grant);
	else
		sj_login_refuse(login->session);
}

void
net_on_started(struct net *net, const struct sj_event *event)
{
	const struct sj_identity *identity = sj_session_identity(
	    event->session);
	struct login *login = event->session_data;
	char user[REQUEST_NAME_MAX * 4];

	(void)net;
	if (login == NULL || identity == NULL)
		return;
	login->started = 1;
	log_event(LOG_NORMAL, "login session=%s user=\"%s\" peer=%s key=\"%s\"",
	    login->id, log_escape(identity->user, user, sizeof(user)),
	    identity->peer_address, identity->credential);
}

void
net_on_ended(struct net *net, const struct sj_event *event)
{
	struct login *login = event->session_data, **link = &net->logins;

	if (login != NULL) {
		struct request_gone request = { .head = {
			.type = REQUEST_GONE }, .session = login->number };

		while (login->bridges != NULL)
			bridge_close(login->bridges, 1);
		net_request(net, &request, sizeof(request));
		if (login->started) {
			log_event(LOG_NORMAL, "ended session=%s cause=\"%s\"",
			    login->id, sj_strerror(event->error));
			if (net->options->once)
				net->over = 1;
		}
		while (*link != login)
			link = &(*link)->next;
		*link = login->next;
		/* bridges that are swept later look at it no more */
		free(login);
	}
	sj_session_close(event->session);
}
