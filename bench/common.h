/* SPDX-License-Identifier: ISC */
/*
 * bench/common.h - what all programs here share
 *
 * Each program forks: the server runs on core 1, the client on core 0. In
 * those about bulk the client writes WRITE_SIZE bytes at a time until the time
 * is over; the server compares every byte and measures from the first to the
 * last.
 *
 * The content: a table of PERIOD pseudo-random bytes, over and over, in which
 * each BLOCK begins with its own number in the stream. A block is smaller
 * than a packet's load: one that comes twice, late or never cannot pass. Both
 * ends pay the same for it under every protocol: eight bytes a block stored
 * here, one pass of memcmp there.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WRITE_SIZE ((size_t)16384)
#define DATAGRAM_SIZE 1452
#define PERIOD ((size_t)65536)
#define BLOCK ((size_t)1024)

struct content {
	uint8_t table[PERIOD];
	uint64_t offset;             /* of the next byte */
};

struct measure {
	uint64_t bytes;
	uint64_t first_ns, last_ns;
	double receiver_cpu_s;       /* between the first and the last byte */
};

void content_init(struct content *content);
/* The next bytes to write, *length of them, at most WRITE_SIZE. */
const uint8_t *content_next(struct content *content, size_t *length);
/* So many of them are written. */
void content_advance(struct content *content, size_t length);
/* Whether these are the next bytes; advances. */
bool content_check(struct content *content, const uint8_t *bytes,
    size_t length);
/* BLOCK bytes that no other number has, valid until the next call. */
const uint8_t *content_block(struct content *content, uint64_t number);

/* Time and what this process has used of its core. */
struct usage {
	uint64_t ns;
	double cpu_s;
};

/* How long things took; the memory is never given back. */
struct latencies {
	uint64_t *ns;
	size_t count, capacity;
};

/* The two processes: in each the ends of the pipes from and to the other. */
struct ends {
	int in, out;
	int child;                   /* in the server */
};

uint64_t clock_ns(void);
struct usage usage_now(void);
/* Bytes of this process, shared pages in proportion (Pss). */
uint64_t resident_bytes(void);
void pin(unsigned core);
/* Ends the program with a line on stderr. */
_Noreturn void die(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

void latencies_add(struct latencies *latencies, uint64_t since_ns);
/* Sorts them. */
double latencies_percentile_us(struct latencies *latencies, unsigned percent);
/* "p50_us":..,"p99_us":.. as JSON. */
void latencies_print(struct latencies *latencies, FILE *out);

/* A bench may be given a network of two ends: BENCH_SERVER_NET is the file of the
 * server's network namespace, BENCH_SERVER its address there; then the process
 * is there from this call on, and the client comes back when it is made. Without
 * them both are where they were started, and this does nothing. */
void enter_server_net(void);
/* In numbers; 127.0.0.1 if no other is given. */
const char *server_address(void);
/* Makes the second process, each on its core; true in the client, which dies
 * with its parent. */
bool split(struct ends *ends);
/* In the client: how its members of the result are said; the file is open
 * until it exits. */
FILE *client_results(const struct ends *ends);
/* In the server, last: waits for the client; prints the result as JSON, these
 * members and the client's. */
void join(const struct ends *ends, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* In the receiver: first call at the first bytes, then for all. BENCH_FROM_NS and
 * BENCH_TO_NS: what comes at other times of clock_ns() is not counted. */
void measure_add(struct measure *measure, uint64_t bytes);
/* Waits for the sender; prints the result as JSON, `more` being further
 * members. sent: what the sender says it wrote. */
void report(const struct measure *measure, const struct ends *ends,
    uint64_t sent, const char *more);
/* One number through a pipe; dies when the other end has gone. */
void tell(int fd, uint64_t value);
uint64_t hear(int fd);

#endif
