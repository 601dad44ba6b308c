/* SPDX-License-Identifier: ISC */
/* driver_internal.h - what driver.c and login.c share */
#ifndef SJ_IO_DRIVER_INTERNAL_H
#define SJ_IO_DRIVER_INTERNAL_H

#include <stdbool.h>

#include "core/crypto.h"
#include "core/endpoint.h"
#include "core/session.h"
#include "io/aead_ipsecmb.h"
#include "io/clock.h"
#include "io/driver.h"
#include "io/host_key.h"
#include "io/resolve.h"
#include "io/signer.h"
#include "io/udp.h"

#define WATCHES_MAX 64
#define LOOKUPS_MAX 32
#define SEND_BUFFER_SIZE 65536
#define NETWORK_CHANGED (UINT64_C(1) << 32)

struct watch {
	int fd;                         /* -1: free */
	driver_callback *callback;
	void *data;
};

/* A login whose name is being looked up. */
struct lookup {
	struct driver *driver;
	struct sj_session *session;     /* NULL: free */
	int fd;
	char host[256];
};

struct driver {
	struct sj_endpoint *endpoint;
	struct sj_io io;
	struct sj__ipsecmb *ipsecmb;
	struct sj_signer *signer;
	struct sj_mech mech;
	const struct sj_mech *mechs[2];
	struct udp udp;
	int epoll_fd, timer_fd, wake_fd;
	bool is_shared;                 /* somebody else waits for epoll_fd */
	bool is_readable, is_blocked, has_batch;
	uint64_t armed_ns;
	uint8_t *send_buffer;
	struct sj_batch batch;
	struct watch watches[WATCHES_MAX];
	struct lookup lookups[LOOKUPS_MAX];
};

/* An event on its way to the application, maybe with more said; true: it is not
 * to be shown. */
bool login_event(struct driver *driver, struct sj_event *event);
void logins_forget(struct driver *driver);
void flush(struct driver *driver);

#endif
