/* SPDX-License-Identifier: ISC */
/*
 * driver.h - an endpoint on a real socket: one descriptor, timers included
 *
 * Everything that can wake an endpoint is in one epoll: the socket, a timer,
 * a wake-up descriptor, the store, name look-ups, and whatever else of src/io
 * waits for a descriptor (driver_watch).
 */
#ifndef SJ_IO_DRIVER_H
#define SJ_IO_DRIVER_H

#include <stdint.h>

#include <sojourn_core.h>

struct driver;
typedef void driver_callback(void *data, uint32_t events);

/* events: EPOLLIN, EPOLLOUT. 0, or -1 with errno. */
int driver_watch(struct driver *driver, int fd, uint32_t events,
    driver_callback *callback, void *data);
void driver_unwatch(struct driver *driver, int fd);

#endif
