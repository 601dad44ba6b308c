/* SPDX-License-Identifier: ISC */
/* net.c - see net.h */
#include "net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "die.h"

#define DEVICE "link0"
#define NETMASK "255.255.255.0"
#define PREFIX 64
/* What the kernel keeps for us while we do something else. */
#define READ_QUEUE 10000

/* As in linux/ipv6.h, which libc's headers are in the way of. */
struct in6_request {
	struct in6_addr address;
	uint32_t prefix;
	int index;
};

static const char *const addresses[ENDS][2] = {
	{ "10.77.0.1", "fd77::1" }, { "10.77.0.2", "fd77::2" } };

/* --- Namespaces ------------------------------------------------------------ */

static void
write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die_errno(name);
	close(fd);
}

/* As ourselves: with all capabilities there, but no other user. */
static void
become_root_of_ours(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER) != 0)
		die("this kernel lets us make no namespaces, neither with the "
		    "rights we have nor in a user namespace: %s",
		    strerror(errno));
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", map);
}

static int
new_namespace(struct net *net)
{
	int fd;

	if (unshare(CLONE_NEWNET) != 0) {
		if (errno != EPERM || net->in_user_namespace)
			die_errno("network namespace");
		become_root_of_ours();
		net->in_user_namespace = true;
		if (unshare(CLONE_NEWNET) != 0)
			die_errno("network namespace");
	}
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die_errno("/proc/self/ns/net");
	return fd;
}

/* --- Devices --------------------------------------------------------------- */

/* Without IFF_VNET_HDR the kernel cuts what it has put together (GSO) and
 * fills in checksums before we see it. */
static int
open_tun(void)
{
	struct ifreq request = { .ifr_name = DEVICE,
	    .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		die_errno("/dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &request) != 0)
		die_errno("TUNSETIFF");
	return fd;
}

static void
ask(int fd, unsigned long what, struct ifreq *request, const char *name)
{
	if (ioctl(fd, what, request) != 0)
		die_errno(name);
}

static void
raise(int fd, const char *device)
{
	struct ifreq request = { 0 };

	strcpy(request.ifr_name, device);
	ask(fd, SIOCGIFFLAGS, &request, device);
	request.ifr_flags |= IFF_UP;
	ask(fd, SIOCSIFFLAGS, &request, device);
}

static void
set_address(int fd, unsigned long what, const char *text)
{
	struct ifreq request = { .ifr_name = DEVICE };
	struct sockaddr_in address = { .sin_family = AF_INET };

	inet_pton(AF_INET, text, &address.sin_addr);
	memcpy(&request.ifr_addr, &address, sizeof address);
	ask(fd, what, &request, text);
}

static void
set_address6(int index, const char *text)
{
	struct in6_request request = { .prefix = PREFIX, .index = index };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0) /* a kernel without IPv6 */
		return;
	inet_pton(AF_INET6, text, &request.address);
	if (ioctl(fd, SIOCSIFADDR, &request) != 0)
		die_errno(text);
	close(fd);
}

static void
configure(unsigned which, size_t mtu)
{
	struct ifreq request = { .ifr_name = DEVICE };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die_errno("socket");
	raise(fd, "lo");
	request.ifr_mtu = (int)mtu;
	ask(fd, SIOCSIFMTU, &request, "MTU");
	request.ifr_qlen = READ_QUEUE;
	ask(fd, SIOCSIFTXQLEN, &request, "queue of the device");
	set_address(fd, SIOCSIFADDR, addresses[which][0]);
	set_address(fd, SIOCSIFNETMASK, NETMASK);
	raise(fd, DEVICE);
	ask(fd, SIOCGIFINDEX, &request, DEVICE);
	set_address6(request.ifr_ifindex, addresses[which][1]);
	close(fd);
}

void
net_open(struct net *net, size_t mtu)
{
	*net = (struct net){ 0 };
	for (unsigned i = 0; i < ENDS; i++) {
		net->ends[i].namespace = new_namespace(net);
		net->ends[i].tun = open_tun();
		configure(i, mtu);
	}
}

/* --- What the kernel says -------------------------------------------------- */

uint64_t
net_overrun(const struct net_end *end)
{
	unsigned long long dropped = 0;
	char line[512];
	FILE *file;

	if (setns(end->namespace, CLONE_NEWNET) != 0)
		die_errno("setns");
	file = fopen("/proc/self/net/dev", "re");
	if (file == NULL)
		die_errno("/proc/self/net/dev");
	/* receive: eight numbers; transmit: bytes packets errors dropped */
	while (fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, " " DEVICE ": %*u %*u %*u %*u %*u %*u %*u %*u"
		    " %*u %*u %*u %llu", &dropped) == 1)
			break;
	fclose(file);
	return dropped;
}

/* A line of /proc/net/tcp and its like: "  0: ADDRESS:PORT PEER:PORT STATE". */
static bool
table_has(const char *name, unsigned port, unsigned state)
{
	unsigned port_there, state_there;
	bool has = false;
	char line[512];
	FILE *file = fopen(name, "re");

	if (file == NULL) /* no IPv6 */
		return false;
	while (!has && fgets(line, sizeof line, file) != NULL)
		has = sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x",
		    &port_there, &state_there) == 2 && port_there == port &&
		    state_there == state;
	fclose(file);
	return has;
}

bool
net_listens(unsigned port)
{
	const unsigned listening = 10, unconnected = 7;

	return table_has("/proc/self/net/tcp", port, listening) ||
	    table_has("/proc/self/net/tcp6", port, listening) ||
	    table_has("/proc/self/net/udp", port, unconnected) ||
	    table_has("/proc/self/net/udp6", port, unconnected);
}
