/* SPDX-License-Identifier: ISC */
/*
 * cmd/ask.c - see ask.h
 *
 * While a secret is typed the terminal shows nothing. A signal that ends or
 * stops the command first gives the terminal back as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <sojourn.h>

#include "cmd/ask.h"

#define ASKPASS "/usr/bin/ssh-askpass"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP,
	SIGTTIN, SIGTTOU };
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))
/* Held back but while a byte is waited for: none comes between the question and
 * the wait for its answer. The rest are about what the terminal lets us do. */
#define SIGNALS_HELD 5
static volatile sig_atomic_t came[SIGNALS];

static void
on_signal(int number)
{
	size_t i;

	for (i = 0; i < SIGNALS; i++)
		if (signals[i] == number)
			came[i] = 1;
}

/* As read(); with a mask, its signals are let in while it waits. */
static ssize_t
next_byte(int fd, const sigset_t *waiting, char *byte)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	if (waiting != NULL && ppoll(&wait, 1, NULL, waiting) < 0)
		return -1;
	return read(fd, byte, 1);
}

/* Up to the end of the line. 0, or SJ_ERR_FILE: the end, an error, a signal;
 * of a line that is too long nothing is taken. */
static int
read_line(int fd, const sigset_t *waiting, char *out, size_t capacity)
{
	size_t length = 0;
	ssize_t n;
	char byte = 0;

	while ((n = next_byte(fd, waiting, &byte)) == 1 && byte != '\n' &&
	    byte != '\r')
		if (length < capacity)
			out[length++] = byte;
	if (n < 0 || (n == 0 && length == 0) || length == capacity) {
		explicit_bzero(out, capacity);
		return SJ_ERR_FILE;
	}
	out[length] = '\0';
	return 0;
}

static void
write_text(int fd, const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n <= 0)
			return;
		text += n;
		length -= (size_t)n;
	}
}

int
ask_line(const char *question, char *out, size_t capacity)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC), result;

	if (fd < 0)
		return SJ_ERR_FILE;
	write_text(fd, question);
	result = read_line(fd, NULL, out, capacity);
	close(fd);
	return result;
}

/* --- secrets on the terminal ------------------------------------------- */

/* One question with the echo off. */
static int
read_unseen(int fd, const char *question, char *out, size_t capacity)
{
	struct sigaction note = { .sa_handler = on_signal }, old[SIGNALS];
	struct termios before, unseen;
	sigset_t held, waiting;
	size_t i;
	int result;

	if (tcgetattr(fd, &before) != 0)
		return SJ_ERR_FILE;
	unseen = before;
	unseen.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	sigemptyset(&held);
	for (i = 0; i < SIGNALS_HELD; i++)
		sigaddset(&held, signals[i]);
	/* first: one that is noted before it is held would be waited past */
	sigprocmask(SIG_BLOCK, &held, &waiting);
	for (i = 0; i < SIGNALS; i++) {
		came[i] = 0;
		sigaction(signals[i], &note, &old[i]);
	}
	tcsetattr(fd, TCSAFLUSH, &unseen);
	write_text(fd, question);
	result = read_line(fd, &waiting, out, capacity);
	write_text(fd, "\n");
	tcsetattr(fd, TCSAFLUSH, &before);
	sigprocmask(SIG_SETMASK, &waiting, NULL);
	for (i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &old[i], NULL);
	return result;
}

static int
ask_terminal(int fd, const char *question, char *out, size_t capacity)
{
	size_t i;
	int result, again;

	do {
		again = 0;
		result = read_unseen(fd, question, out, capacity);
		for (i = 0; i < SIGNALS; i++)
			if (came[i]) {
				kill(getpid(), signals[i]);
				/* still here: it was stopped, and goes on */
				again = again || signals[i] == SIGTSTP ||
				    signals[i] == SIGTTIN ||
				    signals[i] == SIGTTOU;
			}
	} while (again && result != 0);
	close(fd);
	return result;
}

/* --- secrets by a program ---------------------------------------------- */

static void
run_askpass(const char *program, const char *question, int out)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execlp(program, program, question, (char *)NULL);
	_exit(127);
}

static int
ask_program(const char *question, char *out, size_t capacity)
{
	const char *program = getenv("SSH_ASKPASS");
	int ends[2], status = -1, result;
	char rest;
	pid_t child;

	if (program == NULL || program[0] == '\0')
		program = ASKPASS;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return SJ_ERR_FILE;
	child = fork();
	if (child == 0)
		run_askpass(program, question, ends[1]);
	close(ends[1]);
	result = child > 0 ? read_line(ends[0], NULL, out, capacity) : SJ_ERR_FILE;
	/* the first line counts, as for ssh; whoever says more is no failure */
	while (result == 0 && read(ends[0], &rest, 1) == 1)
		;
	close(ends[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0) {
		explicit_bzero(out, capacity);
		result = SJ_ERR_FILE;
	}
	return result;
}

int
ask_secret(const char *question, char *out, size_t capacity)
{
	const char *require = getenv("SSH_ASKPASS_REQUIRE");
	int shows = getenv("DISPLAY") != NULL ||
	    getenv("WAYLAND_DISPLAY") != NULL;
	int first = 0, fd;

	if (require != NULL && strcmp(require, "never") == 0)
		shows = 0;
	else if (require != NULL && strcmp(require, "force") == 0)
		shows = first = 1;
	else if (require != NULL && strcmp(require, "prefer") == 0)
		first = shows;
	if (first)
		return ask_program(question, out, capacity);
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return shows ? ask_program(question, out, capacity) :
		    SJ_ERR_FILE;
	return ask_terminal(fd, question, out, capacity);
}
