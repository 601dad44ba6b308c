/* SPDX-License-Identifier: ISC */
/* An interrupt, at every moment of a question for a secret: nobody waits past
 * it, and the terminal is as it was. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define LOST 7                       /* exit code of one who waits past it */
#define ANSWER "secret"

static int master, slave, chosen;
static int left;                     /* calls until the signal comes */

static void
moment(void)
{
	if (left-- == 0)
		raise(chosen);
}

/* Before what waits for the answer; it is typed where nothing has come yet. */
static void
wait_begins(void)
{
	struct pollfd typed = { .fd = slave, .events = POLLIN };
	sigset_t pending;

	moment();
	if (left >= 0) {
		if (poll(&typed, 1, 0) == 0 &&
		    write(master, ANSWER "\n", strlen(ANSWER) + 1) < 0)
			_exit(1);
		return;
	}
	sigpending(&pending);
	if (!sigismember(&pending, chosen) && poll(&typed, 1, 0) == 0)
		_exit(LOST);
}

/* Each call that ask.c makes is a moment, before it. */
#define sigaction(a, b, c) (moment(), sigaction(a, b, c))
#define sigprocmask(a, b, c) (moment(), sigprocmask(a, b, c))
#define tcgetattr(a, b) (moment(), tcgetattr(a, b))
#define tcsetattr(a, b, c) (moment(), tcsetattr(a, b, c))
#define write(a, b, c) (moment(), write(a, b, c))
#define read(a, b, c) (wait_begins(), read(a, b, c))
#define ppoll(a, b, c, d) (wait_begins(), ppoll(a, b, c, d))
#include "cmd/ask.c"
#undef write

static int
ask_in_child(int moments)
{
	char answer[64];
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		left = moments;
		_exit(ask_terminal(dup(slave), "? ", answer, sizeof(answer)) ==
		    0 && strcmp(answer, ANSWER) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
an_interrupt_at_any_moment(void **state)
{
	static const int numbers[] = { SIGINT, SIGTERM };
	struct termios before, after;
	size_t i;

	(void)state;
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0 && grantpt(master) == 0 &&
	    unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal((tcgetattr)(slave, &before), 0);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int moments = 0, status;

		chosen = numbers[i];
		while ((status = ask_in_child(moments)) != 0) {
			assert_true(WIFSIGNALED(status));
			assert_int_equal(WTERMSIG(status), chosen);
			assert_int_equal((tcgetattr)(slave, &after), 0);
			assert_int_equal(after.c_lflag, before.c_lflag);
			moments++;
		}
		assert_true(moments > 2 * (int)SIGNALS + 8);
	}
	close(slave);
	close(master);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interrupt_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
