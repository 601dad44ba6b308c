/* SPDX-License-Identifier: ISC */
/*
 * serve/net_internal.h - shared by the files of the net process
 *
 *   net.c               start, sandbox, loop, requests to the monitor
 *   net_login.c         logins: asking the monitor, accepting, ending
 *   bridge.c            a stream and a descriptor, joined
 *   service_sessions.c  the built-in service "sojourn-sessions"
 *   service_connect.c   the built-in service "connect"
 */
#ifndef SOJOURN_SERVE_NET_INTERNAL_H
#define SOJOURN_SERVE_NET_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include <sojourn.h>
#include <sojourn_core.h>

#include "serve/options.h"
#include "serve/request.h"

#define BRIDGES_PER_SESSION 1024     /* services and connections of a login */
#define BRIDGES_MAX 16384

struct net;
struct bridge;
struct query;

/* What an epoll registration points at. */
struct watch {
	void (*call)(struct watch *watch, uint32_t events);
	int fd;
	uint32_t events;             /* registered; 0: not */
};

struct login {
	struct login *next;
	struct net *net;
	struct sj_session *session;
	uint64_t number;             /* towards the monitor */
	int started;
	size_t bridge_count;
	struct bridge *bridges;
	char id[17];
};

struct outgoing {
	struct outgoing *next;
	size_t length;
	union request request;
};

struct net {
	const struct serve_options *options;
	struct sj_endpoint *endpoint;
	struct sj_host_key host_key;
	int epoll;
	int over;                    /* the loop ends */
	uint64_t last_number;
	size_t bridge_count;
	struct login *logins;
	struct watch requests, driver;
	struct outgoing *out, **out_end;
	size_t out_count;
	struct query *queries;       /* the first one is at work */
	struct query **queries_end;
	struct bridge *dead;         /* freed when no event can name them */
};

enum bridge_kind { BRIDGE_PROCESS, BRIDGE_CHILD, BRIDGE_SESSIONS,
	BRIDGE_CONNECT };

struct bridge {
	struct watch watch;          /* first: the descriptor */
	struct watch children;       /* of "files": where children are handed over */
	struct bridge *next;         /* of the login, or of the dead */
	struct bridge *parent;       /* CHILD: cleared when it goes */
	struct bridge *waiting_next; /* CHILD: not handed over yet */
	struct bridge *waiting, **waiting_end;
	struct login *login;
	struct sj_stream *stream;
	enum bridge_kind kind;
	uint64_t number;             /* PROCESS, CONNECT: of the request */
	int pending;                 /* the monitor has not answered yet */
	int fd_ended;                /* the process writes no more: finished */
	int stream_ended;            /* the peer writes no more */
	int deaf;                    /* the process reads no more */
	int gone;
	int resets;                  /* CONNECT: by TCP, which can break */
	int peer_left;               /* CONNECT by TCP: it takes no more */
	struct query *query;         /* SESSIONS */
	size_t head_length;          /* CONNECT: what came of it */
	uint8_t *head;
};

/* net.c */
void net_watch(struct net *net, struct watch *watch, uint32_t events);
/* Queues a request to the monitor. 0, or SJ_ERR_LIMIT: too many wait; those
 * that end something are always taken. */
int net_request(struct net *net, const void *request, size_t length);
/* A new one every time: names a login or a process towards the monitor. */
uint64_t net_number(struct net *net);

/* net_login.c */
void net_on_login(struct net *net, const struct sj_event *event);
void net_on_started(struct net *net, const struct sj_event *event);
void net_on_ended(struct net *net, const struct sj_event *event);
void net_on_login_answer(struct net *net, const struct answer *answer);

/* bridge.c */
void bridge_on_stream(struct net *net, const struct sj_event *event);
void bridge_on_event(struct net *net, const struct sj_event *event);
void bridge_on_spawned(struct net *net, const struct answer *answer,
    const int *descriptors, size_t count);
/* The bridge of a request to the monitor that is not answered yet; NULL: its
 * stream went in the meantime. */
struct bridge *bridge_pending(struct net *net, enum bridge_kind kind,
    uint64_t number);
/* The descriptor is there: from now on bytes move. */
void bridge_attach(struct bridge *bridge, int fd);
/* Resets the stream with the code, and lets go of all. */
void bridge_refuse(struct bridge *bridge, uint64_t code);
/* Lets go of the stream and the descriptor; broken: it did not end in order. */
void bridge_close(struct bridge *bridge, int broken);
/* The process ends: what it leaves is to look broken, not finished. */
void bridges_break_off(const struct net *net);
/* Frees what bridge_close() left behind. */
void bridges_sweep(struct net *net);

/* service_sessions.c */
/* 0, or SJ_ERR_MEMORY. */
int query_open(struct bridge *bridge);
void query_on_event(struct bridge *bridge, const struct sj_event *event);
/* SJ_EV_DONE: the query at work can go on. */
void query_on_done(struct net *net, int error);
/* Its bridge goes; a query at work ends by itself. */
void query_close(struct bridge *bridge);

/* service_connect.c */
/* 0, or SJ_ERR_MEMORY. */
int connect_open(struct bridge *bridge);
/* Bytes of the place: bridge->head is NULL when it is whole. */
void connect_on_event(struct bridge *bridge);
void connect_on_answer(struct net *net, const struct answer *answer,
    const int *descriptors, size_t count);

#endif
