/* SPDX-License-Identifier: ISC */
/*
 * netlab.c - a link between two network namespaces, and what runs at its ends
 *
 *     client namespace                                server namespace
 *     COMMAND -- link0 --[tun]-- links[UP], links[DOWN] --[tun]-- link0 -- SERVER
 *
 * One loop: read what came, hand it to the model (link.h) with the time it was
 * read at, write what is due, sleep until something is.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "die.h"
#include "ip.h"
#include "link.h"
#include "net.h"
#include "options.h"
#include "run.h"

#define NS_PER_S UINT64_C(1000000000)
/* So many of one direction before the other has a turn. */
#define BATCH 32
/* Longer than the first process waits before it kills. */
#define GRACE_NS (2 * NS_PER_S)

struct way {
	struct link link;
	int from, to;                /* TUN devices */
	uint64_t late_sum_ns, late_max_ns;
	uint64_t undelivered;
	struct link_packet *spare;   /* room for the next packet */
};

struct lab {
	struct options options;
	struct net net;
	struct way ways[DIRECTIONS];
	pid_t pid;                   /* the first process; 0: has ended */
	int signals;
	int code;
	uint64_t ends_ns;            /* then it is ended */
	bool ending;
};

static uint64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* --- Packets --------------------------------------------------------------- */

/* True: there may be more. */
static bool
read_packets(struct way *way, size_t mtu)
{
	struct link_packet *packet;
	ssize_t length;

	for (unsigned i = 0; i < BATCH; i++) {
		if (way->spare == NULL)
			way->spare = link_packet(mtu);
		packet = way->spare;
		length = read(way->from, packet->bytes, mtu);
		if (length < 0 && errno != EAGAIN && errno != EINTR)
			die_errno("reading packets");
		if (length <= 0)
			return false;
		packet->length = (size_t)length;
		if (ip_is_housekeeping(packet->bytes, packet->length))
			continue;
		packet->is_ect = ip_is_ect(packet->bytes, packet->length);
		way->spare = NULL;
		link_arrive(&way->link, now(), packet);
	}
	return true;
}

static void
write_due(struct way *way)
{
	uint64_t now_ns = now(), late_ns;
	struct link_packet *packet;

	while ((packet = link_take(&way->link, now_ns)) != NULL) {
		late_ns = now_ns - packet->due_ns;
		way->late_sum_ns += late_ns;
		if (late_ns > way->late_max_ns)
			way->late_max_ns = late_ns;
		if (packet->is_marked)
			ip_mark(packet->bytes, packet->length);
		if (write(way->to, packet->bytes, packet->length) !=
		    (ssize_t)packet->length)
			way->undelivered++;
		free(packet);
		/* Delivering may have taken its time. */
		now_ns = now();
	}
}

/* --- The end --------------------------------------------------------------- */

static void
begin_ending(struct lab *lab, uint64_t now_ns, int code)
{
	if (lab->ending)
		return;
	lab->ending = true;
	lab->code = code;
	lab->ends_ns = now_ns + GRACE_NS;
	kill(lab->pid, SIGTERM);
}

static void
on_signal(struct lab *lab)
{
	struct signalfd_siginfo info;
	int status;

	while (read(lab->signals, &info, sizeof info) == sizeof info)
		if (info.ssi_signo != SIGCHLD)
			begin_ending(lab, now(), 128 + (int)info.ssi_signo);
	if (waitpid(lab->pid, &status, WNOHANG) != lab->pid)
		return;
	lab->pid = 0;
	if (!lab->ending)
		lab->code = WIFEXITED(status) ? WEXITSTATUS(status) :
		    EXIT_OURS;
}

static void
on_limit(struct lab *lab, uint64_t now_ns)
{
	if (lab->ending) {
		kill(lab->pid, SIGKILL);
		lab->ends_ns = UINT64_MAX;
		return;
	}
	fprintf(stderr, "netlab: not done in %u s\n", lab->options.limit_s);
	begin_ending(lab, now_ns, EXIT_LIMIT);
}

/* --- The loop -------------------------------------------------------------- */

static void
sleep_until(struct lab *lab, struct pollfd *watched, uint64_t at_ns)
{
	uint64_t now_ns = now();
	uint64_t left_ns = at_ns > now_ns ? at_ns - now_ns : 0;
	struct timespec time = { .tv_sec = (time_t)(left_ns / NS_PER_S),
	    .tv_nsec = (long)(left_ns % NS_PER_S) };

	if (ppoll(watched, DIRECTIONS + 1, &time, NULL) < 0 && errno != EINTR)
		die_errno("ppoll");
	if (watched[DIRECTIONS].revents != 0)
		on_signal(lab);
	if (lab->pid != 0 && now() >= lab->ends_ns)
		on_limit(lab, now());
}

static void
carry(struct lab *lab)
{
	struct pollfd watched[DIRECTIONS + 1];

	for (unsigned i = 0; i < DIRECTIONS; i++)
		watched[i] = (struct pollfd){ .fd = lab->ways[i].from,
		    .events = POLLIN };
	watched[DIRECTIONS] = (struct pollfd){ .fd = lab->signals,
	    .events = POLLIN };
	while (lab->pid != 0) {
		uint64_t next_ns = lab->ends_ns;

		for (unsigned i = 0; i < DIRECTIONS; i++) {
			struct way *way = &lab->ways[i];
			uint64_t at_ns;

			if (watched[i].revents != 0 &&
			    read_packets(way, lab->options.mtu))
				next_ns = 0;
			write_due(way);
			at_ns = link_next_ns(&way->link);
			next_ns = at_ns < next_ns ? at_ns : next_ns;
		}
		sleep_until(lab, watched, next_ns);
	}
}

/* --- What happened --------------------------------------------------------- */

static double
mean(uint64_t sum, uint64_t count)
{
	return count == 0 ? 0 : (double)sum / (double)count;
}

static void
print_way(FILE *out, const char *name, const struct way *way,
    uint64_t overrun)
{
	const struct link_stats *link = &way->link.stats;
	const struct queue_stats *queue = &way->link.queue.stats;

	const struct {
		const char *name;
		uint64_t count;
	} counts[] = {
		{ "packets_in", link->packets_in },
		{ "bytes_in", link->bytes_in },
		{ "packets_out", link->packets_out },
		{ "bytes_out", link->bytes_out },
		{ "lost", link->lost },
		{ "vanished", link->vanished },
		{ "full", queue->full },
		{ "aqm_dropped", queue->aqm_dropped },
		{ "aqm_marked", queue->aqm_marked },
		{ "marked", link->marked },
		{ "duplicated", link->duplicated },
		{ "reordered", link->reordered },
		{ "overrun", overrun },
		{ "undelivered", way->undelivered },
	};

	fprintf(out, "\"%s\":{", name);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		fprintf(out, "\"%s\":%ju,", counts[i].name,
		    (uintmax_t)counts[i].count);
	fprintf(out, "\"queue\":{\"mean_ms\":%.3f,\"max_ms\":%.3f,"
	    "\"max_bytes\":%zu},",
	    mean(queue->delay_sum_ns, queue->taken) / 1e6,
	    (double)queue->delay_max_ns / 1e6, queue->bytes_max);
	fprintf(out, "\"late\":{\"mean_us\":%.1f,\"max_us\":%.1f}}",
	    mean(way->late_sum_ns, link->packets_out) / 1e3,
	    (double)way->late_max_ns / 1e3);
}

static void
print(const struct lab *lab, double seconds)
{
	const char *name = lab->options.json;
	FILE *out = strcmp(name, "-") == 0 ? stdout : fopen(name, "we");

	if (out == NULL)
		die_errno(name);
	fprintf(out, "{\"seed\":%ju,\"seconds\":%.3f,",
	    (uintmax_t)lab->options.seed, seconds);
	print_way(out, "up", &lab->ways[UP],
	    net_overrun(&lab->net.ends[CLIENT]));
	fputc(',', out);
	print_way(out, "down", &lab->ways[DOWN],
	    net_overrun(&lab->net.ends[SERVER]));
	fputs("}\n", out);
	if (fflush(out) != 0)
		die_errno(name);
}

/* --- The beginning --------------------------------------------------------- */

/* Ours, from before the first process is there; a child of ours unblocks them. */
static int
watch_signals(void)
{
	const int numbers[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP };
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigaddset(&signals, numbers[i]);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die_errno("signalfd");
	return fd;
}

/* A timer is off by 50 us if nothing is said, and by the turns of others if they
 * come first. Who may not have that gets what is there: "late" tells. */
static void
be_punctual(void)
{
	struct sched_param param = { .sched_priority = 1 };

	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	sched_setscheduler(0, SCHED_FIFO, &param);
}

int
main(int count, char **words)
{
	static struct lab lab;
	uint64_t start_ns;

	options_read(&lab.options, count, words);
	net_open(&lab.net, lab.options.mtu);
	lab.signals = watch_signals();
	lab.pid = run_start(&lab.options, &lab.net);
	be_punctual();
	start_ns = now();
	lab.ends_ns = start_ns + lab.options.limit_s * NS_PER_S;
	for (unsigned i = 0; i < DIRECTIONS; i++) {
		unsigned from = i == UP ? CLIENT : SERVER;

		lab.ways[i].from = lab.net.ends[from].tun;
		lab.ways[i].to = lab.net.ends[!from].tun;
		link_init(&lab.ways[i].link, &lab.options.links[i], start_ns);
	}
	carry(&lab);
	if (lab.options.json != NULL)
		print(&lab, (double)(now() - start_ns) / 1e9);
	for (unsigned i = 0; i < DIRECTIONS; i++) {
		link_fini(&lab.ways[i].link);
		free(lab.ways[i].spare);
		free(lab.options.links[i].trace.at_ns);
	}
	return lab.code;
}
