/* SPDX-License-Identifier: ISC */
/*
 * cmd/doctor_net.c - is there a way to the server, and does it answer?
 *
 * A probe is a hello of a version that nobody has: a server of any version
 * answers it with those that it has, keeps nothing of it and computes nothing
 * for it (PROTOCOL.md 2.3).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cmd/doctor.h"

#define PROBE_MIN 1200               /* HELLO_SIZE: less is not answered */
#define PROBE_MAX 1452               /* datagram_max of sojourn.h */
#define PROBES_MAX 8
#define RECEIVES_MAX 64              /* before the clock is looked at again */
#define SENDS_MAX 5
#define RESEND_MS 200                /* then twice that, ... */
#define LINGER_MS 300                /* for the other addresses */
#define MTU_WAIT_MS 700
#define PING_WAIT_MS 1000
#define PROTOCOL_VERSION 0x536a0001u

/* --- probes ------------------------------------------------------------ */

struct probe {
	struct doctor_address *to;
	size_t size;
	uint8_t ids[16];             /* destination and source */
	uint64_t sent_ns, answered_ns, next_ns;
	unsigned sends;
	int error;                   /* errno of its last sending */
	int has_version;             /* ours is among the server's */
};

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
send_probe(struct probe *probe)
{
	uint8_t bytes[PROBE_MAX];
	int i;

	if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) < 0)
		memset(bytes, 0x2a, sizeof(bytes));
	if (probe->sends == 0)
		memcpy(probe->ids, bytes + 5, sizeof(probe->ids));
	bytes[0] = (uint8_t)(0x80 | (bytes[0] & 0x0f));
	for (i = 1; i < 5; i++)
		bytes[i] = (uint8_t)((bytes[i] & 0xf0) | 0x0a);
	memcpy(bytes + 5, probe->ids, sizeof(probe->ids));
	probe->sent_ns = now_ns();
	probe->next_ns = probe->sent_ns +
	    ((uint64_t)RESEND_MS << probe->sends) * 1000000;
	probe->sends++;
	probe->error = send(probe->to->fd, bytes, probe->size, 0) < 0 ?
	    errno : 0;
	if (probe->error == EAGAIN || probe->error == ENOBUFS)
		probe->error = 0; /* lost, as on the way */
}

/* VERSIONS, with our ids the other way round. */
static int
is_answer(const struct probe *probe, const uint8_t *bytes, size_t length)
{
	return length >= 25 && (bytes[0] & 0x80) != 0 &&
	    memcmp(bytes + 1, "\0\0\0\0", 4) == 0 &&
	    memcmp(bytes + 5, probe->ids + 8, 8) == 0 &&
	    memcmp(bytes + 13, probe->ids, 8) == 0;
}

static int
lists_version(const uint8_t *bytes, size_t length)
{
	size_t at;

	for (at = 21; at + 4 <= length; at += 4)
		if (((uint32_t)bytes[at] << 24 | (uint32_t)bytes[at + 1] << 16 |
		    (uint32_t)bytes[at + 2] << 8 | bytes[at + 3]) ==
		    PROTOCOL_VERSION)
			return 1;
	return 0;
}

/* Reads what there is on the probe's socket, for whichever probe it is. */
static void
receive(struct probe *probes, size_t count, struct doctor_address *from)
{
	uint8_t bytes[2048];
	ssize_t length = 0;
	size_t i;
	int turn;

	for (turn = 0; turn < RECEIVES_MAX; turn++) {
		length = recv(from->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (length < 0)
			break;
		for (i = 0; i < count; i++)
			if (probes[i].to == from &&
			    probes[i].answered_ns == 0 &&
			    is_answer(&probes[i], bytes, (size_t)length)) {
				probes[i].answered_ns = now_ns();
				probes[i].has_version = lists_version(bytes,
				    (size_t)length);
			}
	}
	if (length >= 0 || errno == EAGAIN || errno == EINTR)
		return;
	for (i = 0; i < count; i++)
		if (probes[i].to == from && probes[i].answered_ns == 0)
			probes[i].error = errno;
}

/* Sends what is due. When to look again; 0: nothing is open any more. */
static uint64_t
send_due(struct probe *probes, size_t count)
{
	uint64_t now = now_ns(), next = 0, due;
	size_t i;

	for (i = 0; i < count; i++) {
		struct probe *probe = &probes[i];

		if (probe->answered_ns != 0 || probe->error != 0)
			continue;
		if (probe->next_ns <= now && probe->sends < SENDS_MAX)
			send_probe(probe);
		due = probe->sends < SENDS_MAX ? probe->next_ns : UINT64_MAX;
		if (probe->error == 0 && (next == 0 || due < next))
			next = due;
	}
	return next;
}

/* Sends all and waits for the answers: until all are there or failed, limit_ms
 * have passed, or linger_ms (0: not) since the first. */
static void
exchange(struct probe *probes, size_t count, uint64_t limit_ms,
    uint64_t linger_ms)
{
	uint64_t end = now_ns() + limit_ms * 1000000, next;
	int any = 0;

	while ((next = send_due(probes, count)) != 0 && now_ns() < end) {
		struct pollfd wait[PROBES_MAX];
		uint64_t now = now_ns(), until = next < end ? next : end;
		size_t i;

		for (i = 0; i < count; i++)
			wait[i] = (struct pollfd){ .fd = probes[i].to->fd,
				.events = POLLIN };
		if (poll(wait, count, until <= now ? 0 :
		    (int)((until - now) / 1000000 + 1)) <= 0)
			continue;
		for (i = 0; i < count; i++) {
			if (wait[i].revents != 0)
				receive(probes, count, probes[i].to);
			if (probes[i].answered_ns != 0 && !any++ &&
			    linger_ms != 0 &&
			    now_ns() + linger_ms * 1000000 < end)
				end = now_ns() + linger_ms * 1000000;
		}
	}
}

/* --- name -------------------------------------------------------------- */

static void
add_text(char *text, size_t capacity, const char *more)
{
	size_t length = strlen(text);

	snprintf(text + length, capacity - length, "%s%s",
	    length > 0 ? ", " : "", more);
}

static void
add_address(struct doctor *doctor, const struct addrinfo *info)
{
	struct doctor_address *one = &doctor->addresses[doctor->count];

	if (info->ai_addrlen > sizeof(one->address) ||
	    getnameinfo(info->ai_addr, info->ai_addrlen, one->text,
	    sizeof(one->text), NULL, 0, NI_NUMERICHOST) != 0)
		return;
	memcpy(&one->address, info->ai_addr, info->ai_addrlen);
	one->length = info->ai_addrlen;
	one->fd = -1;
	doctor->count++;
}

void
doctor_name(struct doctor *doctor)
{
	const struct target *target = &doctor->config.target;
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM }, *list = NULL, *one;
	char port[16], place[TARGET_MAX + 300], all[700] = "";
	int error;
	size_t i;

	if (doctor->config.names_host)
		snprintf(place, sizeof(place), "%s is ", target->typed_host);
	else
		place[0] = '\0';
	target_format(target, place + strlen(place), TARGET_MAX);
	snprintf(port, sizeof(port), "%u", target->port);
	error = getaddrinfo(target->host, port, &hints, &list);
	for (one = error == 0 ? list : NULL; one != NULL &&
	    doctor->count < DOCTOR_ADDRESSES; one = one->ai_next)
		add_address(doctor, one);
	if (list != NULL)
		freeaddrinfo(list);
	for (i = 0; i < doctor->count; i++)
		add_text(all, sizeof(all), doctor->addresses[i].text);
	if (doctor->count == 0)
		doctor_set(doctor, STEP_NAME, SJ_ERR_RESOLVE,
		    error == EAI_AGAIN ? "check that this machine is on a "
		    "network, and its name service" : NULL, "%s: %s",
		    target->host, gai_strerror(error));
	else if (strcmp(all, target->host) == 0)
		doctor_set(doctor, STEP_NAME, 0, NULL, "%s", place);
	else
		doctor_set(doctor, STEP_NAME, 0, NULL, "%s, at %s", place,
		    all);
}

/* --- route ------------------------------------------------------------- */

static int
same_ip(const struct sockaddr *a, const struct sockaddr_storage *b)
{
	if (a == NULL || a->sa_family != b->ss_family)
		return 0;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		    ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 &&
	    memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
	    &((const struct sockaddr_in6 *)b)->sin6_addr, 16) == 0;
}

static void
name_interface(const struct sockaddr_storage *own, char *out, size_t capacity)
{
	struct ifaddrs *list, *one;

	snprintf(out, capacity, "an unknown interface");
	if (getifaddrs(&list) != 0)
		return;
	for (one = list; one != NULL; one = one->ifa_next)
		if (same_ip(one->ifa_addr, own)) {
			snprintf(out, capacity, "%s", one->ifa_name);
			break;
		}
	freeifaddrs(list);
}

/* A connected socket, and "from ADDRESS by INTERFACE" to text. */
static int
open_route(struct doctor_address *one, char *text, size_t capacity)
{
	struct sockaddr_storage own;
	socklen_t length = sizeof(own);
	char address[80] = "?", interface[64];

	one->fd = socket(one->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (one->fd < 0 || connect(one->fd, (struct sockaddr *)&one->address,
	    one->length) != 0 || getsockname(one->fd, (struct sockaddr *)&own,
	    &length) != 0) {
		one->error = errno;
		if (one->fd >= 0)
			close(one->fd);
		one->fd = -1;
		return SJ_ERR_SOCKET;
	}
	getnameinfo((struct sockaddr *)&own, length, address, sizeof(address),
	    NULL, 0, NI_NUMERICHOST);
	name_interface(&own, interface, sizeof(interface));
	snprintf(text, capacity, "from %s by %s", address, interface);
	return 0;
}

void
doctor_route(struct doctor *doctor)
{
	char ways[1200] = "", missing[1200] = "", way[200], line[300];
	size_t i, routes = 0;

	for (i = 0; i < doctor->count; i++) {
		struct doctor_address *one = &doctor->addresses[i];

		if (open_route(one, way, sizeof(way)) != 0) {
			snprintf(line, sizeof(line), "none to %s: %s",
			    one->text, strerror(one->error));
			add_text(missing, sizeof(missing), line);
			continue;
		}
		routes++;
		snprintf(line, sizeof(line), "%s%s%s", way,
		    doctor->count > 1 ? " to " : "",
		    doctor->count > 1 ? one->text : "");
		add_text(ways, sizeof(ways), line);
	}
	if (routes == 0) {
		doctor_set(doctor, STEP_ROUTE, SJ_ERR_UNREACHABLE,
		    "check that this machine is on a network: `ip route`",
		    "%s", missing);
		return;
	}
	if (missing[0] != '\0')
		add_text(ways, sizeof(ways), missing);
	doctor_set(doctor, STEP_ROUTE, 0, NULL, "%s", ways);
}

/* --- udp --------------------------------------------------------------- */

/* Nobody answers; what is most likely the cause, and who can change it. */
static void
tell_silence(struct doctor *doctor, const struct probe *probes, size_t count)
{
	unsigned port = doctor->config.target.port;
	char all[700] = "", next[300];
	int error = probes[0].error;
	size_t i;

	for (i = 0; i < count; i++)
		add_text(all, sizeof(all), probes[i].to->text);
	if (error == ECONNREFUSED) {
		snprintf(next, sizeof(next), "start `sojourn serve` there, or "
		    "name the port that it listens on: udp port %u is closed",
		    port);
		doctor_set(doctor, STEP_UDP, SJ_ERR_UNREACHABLE, next,
		    "%s: no server on udp port %u: the machine is there and "
		    "refuses", all, port);
	} else if (error == EPERM || error == EACCES) {
		doctor_set(doctor, STEP_UDP, SJ_ERR_SOCKET,
		    "see the firewall rules of this machine",
		    "%s: this machine forbids to send to udp port %u", all,
		    port);
	} else if (error != 0) {
		doctor_set(doctor, STEP_UDP, SJ_ERR_UNREACHABLE, NULL,
		    "%s: %s", all, strerror(error));
	} else {
		snprintf(next, sizeof(next), "check that `sojourn serve` runs "
		    "there on udp port %u, and that no firewall on the way, "
		    "there or here drops it", port);
		doctor_set(doctor, STEP_UDP, SJ_ERR_UNREACHABLE, next,
		    "%s: nobody answers on udp port %u in %.1f s", all, port,
		    (double)doctor->timeout_ms / 1000);
	}
}

void
doctor_udp(struct doctor *doctor)
{
	struct probe probes[DOCTOR_ADDRESSES];
	char all[700] = "", silent[700] = "";
	size_t i, count = 0;

	memset(probes, 0, sizeof(probes));
	for (i = 0; i < doctor->count; i++)
		if (doctor->addresses[i].fd >= 0) {
			probes[count].to = &doctor->addresses[i];
			probes[count++].size = PROBE_MIN;
		}
	exchange(probes, count, doctor->timeout_ms, LINGER_MS);
	for (i = 0; i < count; i++) {
		struct probe *probe = &probes[i];

		add_text(probe->answered_ns != 0 ? all : silent, sizeof(all),
		    probe->to->text);
		if (probe->answered_ns != 0 && doctor->at == NULL) {
			doctor->at = probe->to;
			if (!probe->has_version) {
				doctor_set(doctor, STEP_UDP, SJ_ERR_VERSION,
				    NULL, "%s answers, but: %s",
				    probe->to->text,
				    sj_strerror(SJ_ERR_VERSION));
				return;
			}
		}
	}
	if (doctor->at == NULL)
		tell_silence(doctor, probes, count);
	else if (silent[0] != '\0')
		doctor_set(doctor, STEP_UDP, 0, NULL, "%s answers on port %u; "
		    "not so %s", all, doctor->config.target.port, silent);
	else
		doctor_set(doctor, STEP_UDP, 0, NULL, "%s answers on port %u",
		    all, doctor->config.target.port);
}

/* --- mtu --------------------------------------------------------------- */

/* The largest IP packet, as far as the kernel knows; 0: it does not tell. */
static unsigned
path_mtu(const struct doctor_address *at)
{
	int is_v6 = at->address.ss_family == AF_INET6, mtu = 0;
	socklen_t length = sizeof(mtu);

	if (getsockopt(at->fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
	    is_v6 ? IPV6_MTU : IP_MTU, &mtu, &length) != 0 || mtu < 0)
		return 0;
	return (unsigned)mtu;
}

static void
forbid_fragments(const struct doctor_address *at)
{
	int v4 = IP_PMTUDISC_DO, v6 = IPV6_PMTUDISC_DO;

	if (at->address.ss_family == AF_INET6)
		setsockopt(at->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6,
		    sizeof(v6));
	else
		setsockopt(at->fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4,
		    sizeof(v4));
}

/* Probes of these sizes up to limit, and of limit. How many. */
static size_t
make_sizes(struct probe *probes, struct doctor_address *at, size_t limit)
{
	static const size_t sizes[] = { PROBE_MIN, 1232, 1280, 1350, 1400 };
	size_t i, count = 0;

	memset(probes, 0, PROBES_MAX * sizeof(*probes));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i] < limit)
			probes[count++].size = sizes[i];
	probes[count++].size = limit;
	for (i = 0; i < count; i++)
		probes[i].to = at;
	return count;
}

/* The largest datagram that the path mtu lets through, as we use them. */
static size_t
mtu_limit(const struct doctor_address *at)
{
	size_t headers = at->address.ss_family == AF_INET6 ? 48 : 28;
	unsigned mtu = path_mtu(at);

	if (mtu == 0 || mtu > PROBE_MAX + headers)
		return PROBE_MAX;
	return mtu < headers ? 0 : mtu - headers;
}

void
doctor_mtu(struct doctor *doctor)
{
	size_t i, count, largest = 0, limit = mtu_limit(doctor->at);
	struct probe probes[PROBES_MAX];
	int round;

	forbid_fragments(doctor->at);
	/* a router on the way may tell the kernel of less: once more then */
	for (round = 0; round < 2 && limit >= PROBE_MIN && limit > largest;
	    round++) {
		count = make_sizes(probes, doctor->at, limit);
		exchange(probes, count, MTU_WAIT_MS, 0);
		for (i = 0; i < count; i++)
			if (probes[i].answered_ns != 0)
				largest = probes[i].size;
		if (mtu_limit(doctor->at) == limit)
			break;
		limit = mtu_limit(doctor->at);
	}
	if (largest > 0)
		doctor_set(doctor, STEP_MTU, 0, NULL, "datagrams of %zu bytes "
		    "get there whole (path mtu %u)", largest,
		    path_mtu(doctor->at));
	else
		doctor_set(doctor, STEP_MTU, SJ_ERR_UNREACHABLE, "raise the mtu on "
		    "the way, often that of a tunnel, to 1280 bytes or more",
		    "datagrams of %d bytes do not get there whole (path mtu "
		    "%u)", PROBE_MIN, path_mtu(doctor->at));
}

/* --- ping -------------------------------------------------------------- */

void
doctor_ping(struct doctor *doctor)
{
	int i;

	for (i = 0; i < DOCTOR_PINGS; i++) {
		struct probe probe = { .to = doctor->at, .size = PROBE_MIN };
		uint64_t rtt;

		/* one sending each: a second one would not tell whose answer
		 * it is */
		probe.sends = SENDS_MAX - 1;
		if (getrandom(probe.ids, sizeof(probe.ids), GRND_NONBLOCK) < 0)
			return;
		exchange(&probe, 1, PING_WAIT_MS, 0);
		if (probe.answered_ns == 0)
			continue;
		rtt = probe.answered_ns - probe.sent_ns;
		if (doctor->pings++ == 0 || rtt < doctor->rtt_min_ns)
			doctor->rtt_min_ns = rtt;
		if (rtt > doctor->rtt_max_ns)
			doctor->rtt_max_ns = rtt;
		doctor->rtt_sum_ns += rtt;
	}
}

void
doctor_close(struct doctor *doctor)
{
	size_t i;

	for (i = 0; i < doctor->count; i++)
		if (doctor->addresses[i].fd >= 0)
			close(doctor->addresses[i].fd);
}
