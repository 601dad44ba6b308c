/* SPDX-License-Identifier: ISC */
/*
 * serve/service_connect.c - the built-in service "connect"
 *
 * A stream begins with the place it is for (tool/forward.h). Net does not look
 * at that: the monitor judges it and has it connected, and the descriptor that
 * comes back is joined with the stream as that of a program is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/net_internal.h"

int
connect_open(struct bridge *bridge)
{
	bridge->head = malloc(FORWARD_HEAD_MAX);
	return bridge->head == NULL ? SJ_ERR_MEMORY : 0;
}

static void
ask(struct bridge *bridge)
{
	struct net *net = bridge->login->net;
	struct request_connect request = { .head = {
		.type = REQUEST_CONNECT, .number = net_number(net) },
		.session = bridge->login->number };
	size_t length = bridge->head_length - 2;

	memcpy(request.place, bridge->head + 2, length);
	free(bridge->head);
	bridge->head = NULL;
	bridge->number = request.head.number;
	bridge->pending = 1;
	/* a NUL in it would hide the rest of it */
	if (memchr(request.place, '\0', length) != NULL)
		bridge_refuse(bridge, FORWARD_NOT_A_PLACE);
	else if (net_request(net, &request, sizeof(request)) != 0)
		bridge_refuse(bridge, SJ_RESET_LIMIT);
}

/* Of the head, as far as it is known yet. */
static size_t
head_wanted(const struct bridge *bridge)
{
	return bridge->head_length < 2 ? 2 :
	    2 + ((size_t)bridge->head[0] << 8 | bridge->head[1]);
}

void
connect_on_event(struct bridge *bridge)
{
	ptrdiff_t n;

	/* it may come in pieces, with other events in between */
	while (bridge->head_length < head_wanted(bridge)) {
		if (head_wanted(bridge) >= FORWARD_HEAD_MAX) {
			bridge_refuse(bridge, FORWARD_NOT_A_PLACE);
			return;
		}
		n = sj_stream_read(bridge->stream,
		    bridge->head + bridge->head_length,
		    head_wanted(bridge) - bridge->head_length);
		if (n == SJ_AGAIN)
			return;
		if (n <= 0) {
			bridge_close(bridge, 1);
			return;
		}
		bridge->head_length += (size_t)n;
	}
	ask(bridge);
}

static void
refuse_all(struct net *net, uint64_t code)
{
	struct login *login;
	struct bridge *bridge, *next;

	for (login = net->logins; login != NULL; login = login->next)
		for (bridge = login->bridges; bridge != NULL; bridge = next) {
			next = bridge->next;
			if (bridge->kind == BRIDGE_CONNECT && bridge->pending)
				bridge_refuse(bridge, code);
		}
}

void
connect_on_answer(struct net *net, const struct answer *answer,
    const int *descriptors, size_t count)
{
	struct bridge *bridge = bridge_pending(net, BRIDGE_CONNECT,
	    answer->head.number);
	int domain = AF_UNIX;
	socklen_t length = sizeof(domain);
	size_t i;

	if (answer->head.number == 0)
		refuse_all(net, answer->code);
	if (bridge == NULL || answer->error != 0 || count != 1) {
		for (i = 0; i < count; i++)
			close(descriptors[i]);
		/* one that came and is not there: net can have no more */
		if (bridge != NULL)
			bridge_refuse(bridge, answer->error != 0 ?
			    answer->code : SJ_RESET_LIMIT);
		return;
	}
	bridge->pending = 0;
	getsockopt(descriptors[0], SOL_SOCKET, SO_DOMAIN, &domain, &length);
	bridge->resets = domain != AF_UNIX;
	bridge_attach(bridge, descriptors[0]);
}
