/* SPDX-License-Identifier: ISC */
/*
 * endpoint.h - one socket's worth of paths, channels and sessions
 *
 * Finds the channel for each datagram, answers strangers within bounds, keeps
 * the deadlines, queues the events. sojourn_core.h is its interface; here is
 * what the driver in src/io needs besides.
 */
#ifndef SJ_CORE_ENDPOINT_H
#define SJ_CORE_ENDPOINT_H

#include "core/base.h"

/* Makes an endpoint without any I/O. options->listen only says whether it is a
 * server (not NULL); files named in the options are not looked at: the driver
 * has read host_key (64 bytes: private, public) or given options->host_key.
 * A server takes options->store over, also on failure. */
int sj__endpoint_create(struct sj_endpoint **endpoint,
    const struct sj_endpoint_options *options, const struct sj_io *io,
    const uint8_t *host_key_private);
/* Server: the next transmits close all channels; destroy it after that. */
void sj__endpoint_say_goodbye(struct sj_endpoint *endpoint,
    struct sj_time now);
void sj__endpoint_destroy(struct sj_endpoint *endpoint);

/* The driver behind an endpoint, and the options it was opened with (copied,
 * strings too). */
void sj__endpoint_set_driver(struct sj_endpoint *endpoint, void *driver);
void *sj__endpoint_driver(const struct sj_endpoint *endpoint);
const struct sj_endpoint_options *sj__endpoint_options(
    const struct sj_endpoint *endpoint);

/* The descriptor of the store, for the driver to poll; -1: none. */
int sj__endpoint_store_fd(const struct sj_endpoint *endpoint);

/* Queues SJ_EV_WAKE. */
void sj__endpoint_wake(struct sj_endpoint *endpoint, bool network_changed);

/* Text of the last failure: sj_endpoint_error(). */
void sj__endpoint_set_error(struct sj_endpoint *endpoint, const char *text);
const char *sj__endpoint_error(const struct sj_endpoint *endpoint);

#endif
