/* SPDX-License-Identifier: ISC */
/* clock.c - the two clocks of struct sj_time, and the random source */
#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "io/clock.h"

struct sj_time
clock_now(void)
{
	struct timespec boot, real;
	struct sj_time now;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &real);
	now.boot_ns = (uint64_t)boot.tv_sec * 1000000000u +
	    (uint64_t)boot.tv_nsec;
	now.unix_s = (uint64_t)real.tv_sec;
	return now;
}

static int
system_random(void *context, void *out, size_t length)
{
	uint8_t *at = out;
	ssize_t got;

	(void)context;
	while (length > 0) {
		got = getrandom(at, length, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return SJ_ERR_STATE;
		at += got;
		length -= (size_t)got;
	}
	return 0;
}

const struct sj_io sj_io_none = { .none = 1, .random = system_random };
