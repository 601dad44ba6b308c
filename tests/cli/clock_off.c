/* SPDX-License-Identifier: ISC */
/* Preloaded: the wall clock is CLOCK_OFF_S seconds ahead. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int
clock_gettime(clockid_t which, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	const char *off = getenv("CLOCK_OFF_S");
	int result;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	result = real(which, now);
	if (which == CLOCK_REALTIME && off != NULL)
		now->tv_sec += atol(off);
	return result;
}
