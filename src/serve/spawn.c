/* SPDX-License-Identifier: ISC */
/*
 * serve/spawn.c - fork and exec with nothing inherited
 *
 * The monitor has threads (the store's writer), so between fork and exec the
 * child only makes system calls; everything is put together before.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sojourn.h>

#include "serve/spawn.h"

#define FIRST_FREE 4 /* above all that is put in its place */

static void
give_up(const char *what)
{
	static const char text[] = ": cannot be started\n";

	if (write(STDERR_FILENO, what, strlen(what)) < 0 ||
	    write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(126);
	_exit(127);
}

static void
child(const struct spawn *spawn, char *const *environment)
{
	sigset_t none;
	int number, stream, extra = -1, errors;

	for (number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	/* out of the way first: they may stand in each other's places */
	stream = fcntl(spawn->stream, F_DUPFD, FIRST_FREE);
	errors = fcntl(spawn->errors, F_DUPFD, FIRST_FREE);
	if (spawn->extra >= 0)
		extra = fcntl(spawn->extra, F_DUPFD, FIRST_FREE);
	if (stream < 0 || errors < 0 || dup2(stream, STDIN_FILENO) < 0 ||
	    dup2(stream, STDOUT_FILENO) < 0 ||
	    dup2(errors, STDERR_FILENO) < 0 ||
	    (spawn->extra >= 0 && (extra < 0 || dup2(extra, 3) < 0)))
		_exit(126);
	if (close_range(spawn->extra >= 0 ? 4 : 3, ~0U, 0) != 0)
		_exit(126);
	if (spawn->directory != NULL && chdir(spawn->directory) != 0)
		give_up(spawn->directory);
	execve(spawn->words[0], spawn->words, environment);
	give_up(spawn->words[0]);
}

pid_t
spawn_start(const struct spawn *spawn)
{
	char *environment[SPAWN_ENVIRONMENT_MAX / 2 + 1];
	size_t count = 0, i;
	pid_t pid = SJ_ERR_MEMORY;

	for (i = 0; i + 1 < SPAWN_ENVIRONMENT_MAX &&
	    spawn->environment[i] != NULL; i += 2) {
		if (spawn->environment[i + 1] == NULL)
			continue;
		if (asprintf(&environment[count], "%s%s",
		    spawn->environment[i], spawn->environment[i + 1]) < 0)
			goto out;
		count++;
	}
	environment[count] = NULL;
	pid = fork();
	if (pid == 0)
		child(spawn, environment);
	if (pid < 0)
		pid = SJ_ERR_LIMIT;
out:
	while (count > 0)
		free(environment[--count]);
	return pid;
}
