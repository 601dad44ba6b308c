/* SPDX-License-Identifier: ISC */
/*
 * driver.c - an endpoint on a real socket
 *
 * sj_poll() hands out a waiting event if there is one; else it takes what the
 * socket has, sends what is due, and looks again; it sleeps only when nothing
 * is left to do. Programs with a loop of their own wait for the epoll
 * descriptor: before sj_poll() returns, the timer in it is set to the next
 * deadline, or to now while anything is queued.
 *
 * login.c has sj_login() and what happens to logins on their way out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "io/driver_internal.h"

#define ROUNDS_MAX 16                   /* of receiving before we look up */
#define NS_PER_S_ UINT64_C(1000000000)

/* --- Watching descriptors ---------------------------------------------- */

int
driver_watch(struct driver *driver, int fd, uint32_t events,
    driver_callback *callback, void *data)
{
	struct watch *watch = NULL;
	struct epoll_event event = { .events = events };

	for (int i = 0; i < WATCHES_MAX && watch == NULL; i++)
		if (driver->watches[i].fd < 0)
			watch = &driver->watches[i];
	if (watch == NULL) {
		errno = EMFILE;
		return -1;
	}
	event.data.ptr = watch;
	if (epoll_ctl(driver->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -1;
	watch->fd = fd;
	watch->callback = callback;
	watch->data = data;
	return 0;
}

void
driver_unwatch(struct driver *driver, int fd)
{
	for (int i = 0; i < WATCHES_MAX; i++)
		if (fd >= 0 && driver->watches[i].fd == fd) {
			epoll_ctl(driver->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
			driver->watches[i].fd = -1;
		}
}

static void
on_socket(void *data, uint32_t events)
{
	struct driver *driver = data;

	driver->is_readable |= (events & (EPOLLIN | EPOLLERR)) != 0;
	driver->is_blocked &= (events & EPOLLOUT) == 0;
}

static void
on_timer(void *data, uint32_t events)
{
	struct driver *driver = data;
	uint64_t times;
	ssize_t got = read(driver->timer_fd, &times, sizeof times);

	(void)events;
	(void)got;
	driver->armed_ns = UINT64_MAX;
}

static void
on_wake(void *data, uint32_t events)
{
	struct driver *driver = data;
	uint64_t count = 0;

	(void)events;
	if (read(driver->wake_fd, &count, sizeof count) == sizeof count)
		sj__endpoint_wake(driver->endpoint, count >= NETWORK_CHANGED);
}

/* The store's answers are taken when the core looks for events. */
static void
on_store(void *data, uint32_t events)
{
	(void)data;
	(void)events;
}

/* --- Open and close ---------------------------------------------------- */

static void
driver_free(struct driver *driver)
{
	if (driver == NULL)
		return;
	if (driver->signer != NULL)
		signer_close(driver->signer);
	udp_close(&driver->udp);
	if (driver->timer_fd >= 0)
		close(driver->timer_fd);
	if (driver->wake_fd >= 0)
		close(driver->wake_fd);
	if (driver->epoll_fd >= 0)
		close(driver->epoll_fd);
	sj__ipsecmb_close(driver->ipsecmb);
	free(driver->send_buffer);
	free(driver);
}

static struct driver *
driver_new(const struct sj_endpoint_options *options, char *error, size_t size)
{
	struct driver *driver = calloc(1, sizeof *driver);

	if (driver == NULL)
		return NULL;
	driver->timer_fd = driver->wake_fd = driver->epoll_fd = -1;
	driver->udp.fd = -1;
	driver->armed_ns = UINT64_MAX;
	driver->is_readable = true;
	for (int i = 0; i < WATCHES_MAX; i++)
		driver->watches[i].fd = -1;
	driver->send_buffer = malloc(SEND_BUFFER_SIZE);
	driver->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	driver->timer_fd = timerfd_create(CLOCK_BOOTTIME,
	    TFD_NONBLOCK | TFD_CLOEXEC);
	driver->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (driver->send_buffer == NULL || driver->epoll_fd < 0 ||
	    driver->timer_fd < 0 || driver->wake_fd < 0) {
		snprintf(error, size, "descriptors: %s", strerror(errno));
		driver_free(driver);
		return NULL;
	}
	if (udp_open(&driver->udp, options->listen, error, size) < 0 ||
	    driver_watch(driver, driver->udp.fd, EPOLLIN, on_socket,
	    driver) < 0 || driver_watch(driver, driver->timer_fd, EPOLLIN,
	    on_timer, driver) < 0 || driver_watch(driver, driver->wake_fd,
	    EPOLLIN, on_wake, driver) < 0) {
		driver_free(driver);
		return NULL;
	}
	return driver;
}

/* The caller's random source, or the system's; the fastest AEADs there are. */
static void
choose_io(struct driver *driver, const struct sj_io *given)
{
	driver->io = given != NULL ? *given : sj_io_none;
	driver->io.none = 0;
	if (driver->io.aeads != NULL)
		return;
	driver->ipsecmb = sj__ipsecmb_open();
	driver->io.aeads = sj__ipsecmb_aeads(driver->ipsecmb);
}

static int
finish_open(struct driver *driver, const struct sj_endpoint_options *options,
    struct sj_endpoint *endpoint)
{
	int fd = sj__endpoint_store_fd(endpoint);

	driver->endpoint = endpoint;
	sj__endpoint_set_driver(endpoint, driver);
	if (fd >= 0 && driver_watch(driver, fd, EPOLLIN, on_store, driver) < 0)
		return SJ_ERR_SOCKET;
	(void)options;
	return 0;
}

/* A store that could not be opened says so at its first request. */
static int
check_store(struct sj_store *store, char *error, size_t size)
{
	struct sj_store_request request = { .operation = SJ_STORE_GET,
	    .key = "open", .key_length = 4 };
	struct sj_store_answer answer;
	int tries = 0;

	if (store == NULL || store->operations->submit(store, &request) < 0)
		return 0;
	memset(&answer, 0, sizeof answer);
	while (store->operations->next(store, &answer) == 0 && tries++ < 5000)
		usleep(1000);
	if (answer.error >= 0 || answer.error == SJ_AGAIN)
		return 0;
	snprintf(error, size, "%s", answer.text != NULL ? answer.text :
	    "the session store cannot be opened");
	return SJ_ERR_STORE;
}

/* The store is the endpoint's from the start, even of one that does not open. */
static int
give_up(const struct sj_endpoint_options *options, int error)
{
	if (options->store != NULL)
		options->store->operations->close(options->store);
	return error;
}

static int
open_with_driver(struct sj_endpoint **endpoint,
    const struct sj_endpoint_options *options, char *text, size_t size)
{
	struct sj_endpoint_options full = *options;
	struct driver *driver;
	uint8_t key[32];
	bool has_key = options->listen != NULL && options->host_key == NULL;
	int error = 0;

	if (has_key && options->host_key_file == NULL) {
		snprintf(text, size,
		    "a server needs host_key_file or host_key");
		return give_up(options, SJ_ERR_ARGUMENT);
	}
	driver = driver_new(options, text, size);
	if (driver == NULL)
		return give_up(options, SJ_ERR_SOCKET);
	choose_io(driver, options->io);
	if (has_key)
		error = host_key_load(options->host_key_file, &driver->io, key,
		    text, size);
	if (error == 0 && options->listen != NULL)
		error = check_store(options->store, text, size);
	if (error == 0 && options->mechs == NULL && options->listen == NULL) {
		driver->signer = signer_open(driver);
		driver->mech = sj_mech_publickey(driver->signer);
		driver->mechs[0] = &driver->mech;
		full.mechs = driver->mechs;
		error = driver->signer == NULL ? SJ_ERR_MEMORY : 0;
	}
	if (error == 0) {
		error = sj__endpoint_create(endpoint, &full, &driver->io,
		    has_key ? key : NULL);
		if (error < 0)
			snprintf(text, size, "%s", sj_strerror(error));
	} else {
		error = give_up(options, error);
	}
	sj__wipe(key, sizeof key);
	if (error == 0 && finish_open(driver, &full, *endpoint) < 0) {
		sj__endpoint_destroy(*endpoint);
		*endpoint = NULL;
		error = SJ_ERR_SOCKET;
	}
	if (error < 0)
		driver_free(driver);
	return error;
}

int
sj_endpoint_open(struct sj_endpoint **endpoint,
    const struct sj_endpoint_options *options)
{
	struct sj_endpoint_options full = SJ_ENDPOINT_OPTIONS;
	char text[512] = "";
	size_t size;
	int error;

	if (endpoint == NULL)
		return SJ_ERR_ARGUMENT;
	*endpoint = NULL;
	if (options == NULL || options->size < sizeof(size_t))
		return SJ_ERR_ARGUMENT;
	size = options->size < sizeof full ? options->size : sizeof full;
	memcpy(&full, options, size);
	full.size = sizeof full;
	if (full.io != NULL && full.io->none)
		return sj__endpoint_create(endpoint, &full, full.io, NULL);
	error = open_with_driver(endpoint, &full, text, sizeof text);
	if (full.error != NULL && full.error_size > 0)
		snprintf(full.error, full.error_size, "%s", text);
	return error;
}

void
sj_endpoint_close(struct sj_endpoint *endpoint)
{
	struct driver *driver;

	if (endpoint == NULL)
		return;
	driver = sj__endpoint_driver(endpoint);
	if (driver != NULL) {
		flush(driver);
		sj__endpoint_say_goodbye(endpoint, clock_now());
		flush(driver);
		logins_forget(driver);
	}
	sj__endpoint_destroy(endpoint);
	driver_free(driver);
}

const char *
sj_endpoint_error(const struct sj_endpoint *endpoint)
{
	return endpoint == NULL ? "" : sj__endpoint_error(endpoint);
}

/* --- I/O --------------------------------------------------------------- */

static void
block(struct driver *driver, bool blocked)
{
	struct epoll_event event = { .events = EPOLLIN };

	driver->is_blocked = blocked;
	if (blocked)
		event.events |= EPOLLOUT;
	event.data.ptr = &driver->watches[0];   /* the socket is the first */
	epoll_ctl(driver->epoll_fd, EPOLL_CTL_MOD, driver->udp.fd, &event);
}

/* Sends what is due; false if there was nothing. */
static bool
transmit(struct driver *driver)
{
	struct sj_batch *batch = &driver->batch;
	bool any = false;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		if (!driver->has_batch) {
			batch->bytes = driver->send_buffer;
			batch->capacity = SEND_BUFFER_SIZE;
			if (!sj_core_transmit(driver->endpoint, clock_now(),
			    batch))
				return any;
		}
		driver->has_batch = udp_send(&driver->udp, batch) == 0;
		if (driver->udp.refused > 0)
			sj_core_datagram_limit(driver->endpoint, clock_now(),
			    &batch->path, (uint32_t)driver->udp.refused - 1);
		if (driver->has_batch) {
			block(driver, true);
			return any;
		}
		if (driver->is_blocked)
			block(driver, false);
		any = true;
	}
	return any;
}

/* Last words, as far as they go without waiting. */
void
flush(struct driver *driver)
{
	for (int i = 0; i < ROUNDS_MAX && transmit(driver); i++)
		;
}

/* Takes what the socket has; false if it was empty, *failed if it is broken. */
static bool
receive(struct driver *driver, bool *failed)
{
	struct udp_received received[UDP_MESSAGES];
	struct sj_time now;
	int count;

	if (!driver->is_readable)
		return false;
	count = udp_receive(&driver->udp, received);
	*failed = count < 0;
	if (count <= 0) {
		driver->is_readable = false;
		return false;
	}
	now = clock_now();
	for (int i = 0; i < count; i++)
		if (received[i].length > 0)
			sj_core_receive(driver->endpoint, now,
			    &received[i].path, received[i].ecn,
			    received[i].bytes, received[i].length,
			    received[i].segment_size);
	return true;
}

/* Waits for descriptors, at most until a time (boot_ns; 0: does not wait). */
static int
wait_until(struct driver *driver, uint64_t until_ns)
{
	struct epoll_event events[16];
	uint64_t now_ns = clock_now().boot_ns;
	uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	struct timespec limit = { (time_t)(left_ns / NS_PER_S_),
	    (long)(left_ns % NS_PER_S_) };
	int count;

	count = epoll_pwait2(driver->epoll_fd, events, 16,
	    until_ns == UINT64_MAX ? NULL : &limit, NULL);
	if (count < 0 && errno == ENOSYS)
		count = epoll_wait(driver->epoll_fd, events, 16,
		    until_ns == UINT64_MAX ? -1 : left_ns / 1000000 > 1000000 ?
		    1000000000 : (int)((left_ns + 999999) / 1000000));
	if (count < 0)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < count; i++) {
		struct watch *watch = events[i].data.ptr;

		if (watch->fd >= 0)
			watch->callback(watch->data, events[i].events);
	}
	return 0;
}

/* For those who wait for the descriptor themselves. */
static void
arm(struct driver *driver)
{
	uint64_t due_ns = sj_core_deadline(driver->endpoint);
	struct itimerspec when = { .it_value = { 0, 0 } };

	if (!driver->is_shared)
		return;
	if (driver->is_readable && due_ns > 1)
		due_ns = 1;             /* not known to be empty yet */
	if (due_ns == driver->armed_ns)
		return;
	driver->armed_ns = due_ns;
	if (due_ns != UINT64_MAX) {
		due_ns = due_ns == 0 ? 1 : due_ns;
		when.it_value.tv_sec = (time_t)(due_ns / NS_PER_S_);
		when.it_value.tv_nsec = (long)(due_ns % NS_PER_S_);
	}
	timerfd_settime(driver->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* The next event that is for the application. */
static bool
next_event(struct driver *driver, struct sj_event *event)
{
	while (sj_core_event(driver->endpoint, clock_now(), event))
		if (!login_event(driver, event))
			return true;
	return false;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int
sj_poll(struct sj_endpoint *endpoint, struct sj_event *event, int timeout_ms)
{
	struct driver *driver;
	uint64_t until_ns, due_ns;
	bool failed = false, busy;

	if (endpoint == NULL || event == NULL ||
	    (driver = sj__endpoint_driver(endpoint)) == NULL)
		return SJ_ERR_ARGUMENT;
	until_ns = timeout_ms < 0 ? UINT64_MAX : clock_now().boot_ns +
	    (uint64_t)timeout_ms * 1000000;
	if (driver->is_shared && wait_until(driver, 0) < 0)
		return SJ_ERR_SOCKET;
	for (;;) {
		if (next_event(driver, event)) {
			arm(driver);
			return 1;
		}
		busy = receive(driver, &failed);
		if (!driver->is_blocked || !driver->has_batch)
			busy |= transmit(driver);
		if (failed) {
			sj__endpoint_set_error(endpoint, strerror(errno));
			return SJ_ERR_SOCKET;
		}
		if (busy)
			continue;
		if (next_event(driver, event)) {
			arm(driver);
			return 1;
		}
		if (until_ns != UINT64_MAX && clock_now().boot_ns >= until_ns) {
			if (!driver->is_shared &&
			    wait_until(driver, 0) < 0)
				return SJ_ERR_SOCKET;
			if (driver->is_readable && timeout_ms > 0)
				continue;
			memset(event, 0, sizeof *event);
			arm(driver);
			return 0;
		}
		due_ns = sj_core_deadline(endpoint);
		if (driver->is_blocked)
			due_ns = UINT64_MAX;
		if (wait_until(driver, earlier(due_ns, until_ns)) < 0)
			return SJ_ERR_SOCKET;
	}
}

int
sj_endpoint_fd(const struct sj_endpoint *endpoint)
{
	struct driver *driver;

	if (endpoint == NULL || (driver = sj__endpoint_driver(endpoint)) == NULL)
		return SJ_ERR_STATE;
	if (!driver->is_shared) {
		driver->is_shared = true;
		arm(driver);
	}
	return driver->epoll_fd;
}

int
sj_endpoint_port(const struct sj_endpoint *endpoint)
{
	struct driver *driver;

	if (endpoint == NULL || (driver = sj__endpoint_driver(endpoint)) == NULL)
		return 0;
	return driver->udp.port;
}

void
sj_endpoint_wake(struct sj_endpoint *endpoint, int network_changed)
{
	struct driver *driver;
	uint64_t count = network_changed ? NETWORK_CHANGED : 1;
	ssize_t written;

	if (endpoint == NULL || (driver = sj__endpoint_driver(endpoint)) == NULL)
		return;
	written = write(driver->wake_fd, &count, sizeof count);
	(void)written;
}
