/* SPDX-License-Identifier: ISC */
/* Preloaded: the wall clock is CLOCK_OFF_S seconds ahead. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The kernel is asked itself: what looks up the C library's function may
 * allocate, and a sanitizer's allocator asks for the time. */
int
clock_gettime(clockid_t which, struct timespec *now)
{
	const char *off = getenv("CLOCK_OFF_S");
	int result = (int)syscall(SYS_clock_gettime, which, now);

	if (which == CLOCK_REALTIME && off != NULL)
		now->tv_sec += atol(off);
	return result;
}
