/* SPDX-License-Identifier: ISC */
/*
 * cmd/interrupt.c - see interrupt.h
 */
#include <signal.h>
#include <stdio.h>

#include "cmd/interrupt.h"

static volatile sig_atomic_t interrupted;

static void
on_signal(int number)
{
	interrupted = number;
}

void
interrupt_catch(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = on_signal }, old;
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* who was started to ignore one goes on to */
		if (sigaction(numbers[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_IGN)
			continue;
		sigaddset(&set, numbers[i]);
		sigaction(numbers[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int
interrupt_came(void)
{
	return interrupted;
}

void
interrupt_end(void)
{
	sigset_t set;

	if (interrupted == 0)
		return;
	signal(interrupted, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, interrupted);
	fflush(stdout);
	raise(interrupted);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}
