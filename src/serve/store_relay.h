/* SPDX-License-Identifier: ISC */
/*
 * serve/store_relay.h - the session store, across the process boundary
 *
 * Net has a struct sj_store that sends its requests as packets; the monitor
 * carries them out on the real one and sends the answers back, in order.
 */
#ifndef SOJOURN_SERVE_STORE_RELAY_H
#define SOJOURN_SERVE_STORE_RELAY_H

#include <poll.h>
#include <stddef.h>

#include <sojourn_core.h>

#include "serve/request.h"

/* The monitor's end. */
struct store_relay {
	struct sj_store *store;
	int fd;
	int over;                    /* net sends no more */
	size_t request_length;       /* taken, but the store was busy; 0: none */
	size_t answer_length;        /* made, but there was no room; 0: none */
	unsigned char request[STORE_MESSAGE_MAX];
	unsigned char answer[STORE_MESSAGE_MAX];
};

/* Takes the store over, and fd. */
int store_relay_init(struct store_relay *relay, int fd,
    struct sj_store *store);
/* Fills two: what to wait for. */
void store_relay_polls(const struct store_relay *relay,
    struct pollfd polls[2]);
/* Does what can be done. Negative: net sent what is no request. */
int store_relay_work(struct store_relay *relay);
/* Finishes what was asked, then closes the store. */
void store_relay_fini(struct store_relay *relay);

/* Net's end: a store for sj_endpoint_options. Takes fd over; NULL: no
 * memory. */
struct sj_store *store_remote(int fd);

#endif
