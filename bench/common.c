/* SPDX-License-Identifier: ISC */
/* bench/common.c - see common.h */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void
content_init(struct content *content)
{
	uint64_t x = 0x9e3779b97f4a7c15U;

	for (size_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		content->table[i] = (uint8_t)(x >> 32);
	}
	content->offset = 0;
}

static void
stamp(struct content *content, uint64_t block)
{
	memcpy(content->table + block * BLOCK % PERIOD, &block, sizeof block);
}

const uint8_t *
content_next(struct content *content, size_t *length)
{
	size_t at = (size_t)(content->offset % PERIOD);
	size_t n = WRITE_SIZE < PERIOD - at ? WRITE_SIZE : PERIOD - at;
	uint64_t last = (content->offset + n - 1) / BLOCK;

	for (uint64_t i = content->offset / BLOCK; i <= last; i++)
		stamp(content, i);
	*length = n;
	return content->table + at;
}

void
content_advance(struct content *content, size_t length)
{
	content->offset += length;
}

bool
content_check(struct content *content, const uint8_t *bytes, size_t length)
{
	while (length > 0) {
		uint64_t block = content->offset / BLOCK;
		size_t at = (size_t)(content->offset % PERIOD);
		size_t left = BLOCK - at % BLOCK;
		size_t n = length < left ? length : left;

		stamp(content, block);
		if (memcmp(content->table + at, bytes, n) != 0)
			return false;
		content->offset += n;
		bytes += n;
		length -= n;
	}
	return true;
}

const uint8_t *
content_block(struct content *content, uint64_t number)
{
	stamp(content, number);
	return content->table + number * BLOCK % PERIOD;
}

uint64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void
pin(unsigned core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		die("cannot run on core %u: two cores are needed", core);
}

void
die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

static double
cpu_s(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct usage
usage_now(void)
{
	struct usage usage = { clock_ns(), cpu_s(RUSAGE_SELF) };

	return usage;
}

uint64_t
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	unsigned long long kib = 0;
	char line[256];

	while (file != NULL && kib == 0 &&
	    fgets(line, sizeof line, file) != NULL)
		sscanf(line, "Pss: %llu", &kib);
	if (kib == 0)
		die("/proc does not say how large this process is");
	fclose(file);
	return kib * 1024;
}

/* --- Latencies --------------------------------------------------------- */

void
latencies_add(struct latencies *latencies, uint64_t since_ns)
{
	if (latencies->count == latencies->capacity) {
		latencies->capacity = latencies->capacity * 2 + 1024;
		latencies->ns = realloc(latencies->ns,
		    latencies->capacity * sizeof *latencies->ns);
		if (latencies->ns == NULL)
			die("out of memory");
	}
	latencies->ns[latencies->count++] = clock_ns() - since_ns;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

double
latencies_percentile_us(struct latencies *latencies, unsigned percent)
{
	size_t count = latencies->count, at = count * percent / 100;

	if (count == 0)
		die("nothing was measured");
	qsort(latencies->ns, count, sizeof *latencies->ns, compare);
	return (double)latencies->ns[at < count ? at : count - 1] / 1e3;
}

void
latencies_print(struct latencies *latencies, FILE *out)
{
	fprintf(out, "\"p50_us\":%.2f,\"p99_us\":%.2f",
	    latencies_percentile_us(latencies, 50),
	    latencies_percentile_us(latencies, 99));
}

/* --- Two processes ----------------------------------------------------- */

static int client_net = -1;             /* of whoever has left it */

void
enter_server_net(void)
{
	const char *name = getenv("BENCH_SERVER_NET");
	int server_net;

	if (name == NULL || client_net >= 0)
		return;
	client_net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	server_net = open(name, O_RDONLY | O_CLOEXEC);
	if (client_net < 0 || server_net < 0 ||
	    setns(server_net, CLONE_NEWNET) != 0)
		die("%s: %s", name, strerror(errno));
	close(server_net);
}

const char *
server_address(void)
{
	const char *given = getenv("BENCH_SERVER");

	return given != NULL ? given : "127.0.0.1";
}

/* A client that failed has said why: its server does not wait for it. */
static void
on_child(int number)
{
	siginfo_t info = { .si_pid = 0 };

	(void)number;
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid != 0 &&
	    (info.si_code != CLD_EXITED || info.si_status != 0))
		_exit(1);
}

bool
split(struct ends *ends)
{
	struct sigaction action = { .sa_handler = on_child,
	    .sa_flags = SA_RESTART | SA_NOCLDSTOP };
	int there[2], back[2];

	enter_server_net();
	if (pipe(there) != 0 || pipe(back) != 0)
		die("no pipe");
	sigaction(SIGCHLD, &action, NULL);
	ends->child = fork();
	if (ends->child < 0)
		die("no second process");
	if (ends->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(there[1]);
		close(back[0]);
		ends->in = there[0];
		ends->out = back[1];
		if (client_net >= 0 && setns(client_net, CLONE_NEWNET) != 0)
			die("no way back: %s", strerror(errno));
		pin(0);
		return true;
	}
	close(there[0]);
	close(back[1]);
	ends->in = back[0];
	ends->out = there[1];
	pin(1);
	return false;
}

FILE *
client_results(const struct ends *ends)
{
	FILE *out = fdopen(ends->out, "w");

	if (out == NULL)
		die("out of memory");
	return out;
}

void
join(const struct ends *ends, const char *format, ...)
{
	char members[4096];
	size_t length = 0;
	va_list arguments;
	ssize_t n;
	int status;

	while ((n = read(ends->in, members + length,
	    sizeof members - 1 - length)) > 0)
		length += (size_t)n;
	members[length] = '\0';
	if (waitpid(ends->child, &status, 0) != ends->child || status != 0)
		die("the client failed");
	if (length == 0)
		die("the client measured nothing");
	putchar('{');
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf(",%s}\n", members);
}

/* --- Bulk -------------------------------------------------------------- */

static uint64_t
environment_ns(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

void
measure_add(struct measure *measure, uint64_t bytes)
{
	static uint64_t from_ns, to_ns;
	uint64_t now_ns = clock_ns();

	if (to_ns == 0) {
		from_ns = environment_ns("BENCH_FROM_NS", 0);
		to_ns = environment_ns("BENCH_TO_NS", UINT64_MAX);
	}
	if (now_ns < from_ns || now_ns > to_ns)
		return;
	if (measure->first_ns == 0) {
		/* The first bytes start the clock and are not counted. */
		measure->first_ns = now_ns;
		measure->receiver_cpu_s = cpu_s(RUSAGE_SELF);
	} else {
		measure->bytes += bytes;
	}
	measure->last_ns = now_ns;
}

void
report(const struct measure *measure, const struct ends *ends, uint64_t sent,
    const char *more)
{
	double seconds = (double)(measure->last_ns - measure->first_ns) / 1e9;
	double receiver_s = cpu_s(RUSAGE_SELF) - measure->receiver_cpu_s;
	int status;

	if (waitpid(ends->child, &status, 0) != ends->child || status != 0)
		die("the sender failed");
	if (measure->bytes == 0 || seconds <= 0)
		die("nothing came");
	printf("{\"value\":%.4f,\"mbit_s\":%.3f,\"bytes\":%" PRIu64 ",\"sent\":%" PRIu64
	    ",\"seconds\":%.4f,\"cpu_s_per_gb\":%.3f%s}\n",
	    (double)measure->bytes / seconds / 1e9,
	    (double)measure->bytes * 8 / seconds / 1e6, measure->bytes, sent,
	    seconds, (receiver_s + cpu_s(RUSAGE_CHILDREN)) /
	    ((double)measure->bytes / 1e9), more);
}

void
tell(int fd, uint64_t value)
{
	if (write(fd, &value, sizeof value) != sizeof value)
		die("the other process has gone");
}

uint64_t
hear(int fd)
{
	uint64_t value;

	if (read(fd, &value, sizeof value) != sizeof value)
		die("the other process has gone");
	return value;
}
