/* SPDX-License-Identifier: ISC */
/*
 * test_sandbox.c - what a net process that was taken over can still do
 *
 * Each try is a process of its own that enters the sandbox: what it tried has
 * to fail, or to kill it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "serve/sandbox.c"

static int udp = -1, log_socket = -1;
static struct sockaddr_un log_address;

static int
try_open(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static int
try_create(void)
{
	return openat(AT_FDCWD, "sandbox-was-here", O_CREAT | O_WRONLY, 0600);
}

static int
try_stat(void)
{
	struct stat status;

	return (int)syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &status,
	    AT_EMPTY_PATH);
}

static int
try_exec(void)
{
	char *words[] = { "true", NULL }, *none[] = { NULL };

	return execve("/bin/true", words, none);
}

static int
try_fork(void)
{
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		_exit(0);
	return (int)child;
}

static int
try_ptrace(void)
{
	return (int)ptrace(PTRACE_ATTACH, getppid(), 0, 0);
}

static int
try_kill(void)
{
	return kill(getppid(), 0);
}

static int
try_tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int
try_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int
try_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int
try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return connect(udp, (struct sockaddr *)&to, sizeof(to));
}

/* A pair of datagram sockets would reach any socket that has a path. */
static int
try_log_socket(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
		return -1;
	return (int)sendto(pair[0], "x", 1, 0,
	    (struct sockaddr *)&log_address, sizeof(log_address));
}

static int
try_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int
try_to_make_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? 0 :
	    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int
try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* 0: it came through, 1: refused, else the signal it was killed by. */
static int
outcome(int (*attempt)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		char error[256];
		int landlock;

		alarm(10);
		if (sandbox_enter(&landlock, error, sizeof(error)) != 0)
			_exit(2);
		_exit(attempt() < 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return WTERMSIG(status);
	assert_int_not_equal(WEXITSTATUS(status), 2);
	return WEXITSTATUS(status);
}

static void
test_nothing_comes_through(void **state)
{
	static const struct {
		const char *name;
		int (*attempt)(void);
		int want;
	} rows[] = {
		{ "open", try_open, 1 }, { "create", try_create, 1 },
		{ "stat", try_stat, 1 }, { "exec", try_exec, SIGSYS },
		{ "fork", try_fork, 1 }, { "ptrace", try_ptrace, SIGSYS },
		{ "kill", try_kill, 1 }, { "tcp", try_tcp, 1 },
		{ "unix", try_unix, 1 }, { "netlink", try_netlink, 1 },
		{ "connect", try_connect, 1 },
		{ "log socket", try_log_socket, 1 },
		{ "executable memory", try_executable_memory, 1 },
		{ "made executable", try_to_make_executable, 1 },
		{ "dumpable", try_dumpable, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int result = outcome(rows[i].attempt);

		if (result != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].name, result,
			    rows[i].want);
	}
}

static int
wall_of_landlock(void)
{
	int version, fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    enter_landlock(&version) != 0)
		return 2;
	fd = open("/etc/passwd", O_RDONLY);
	return version > 0 && fd >= 0 ? 1 : 0;
}

static int
wall_of_seccomp(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    enter_seccomp() != 0)
		return 2;
	return open("/etc/passwd", O_RDONLY) >= 0 ? 1 : 0;
}

/* There are two walls: each holds by itself. */
static void
test_each_wall_by_itself(void **state)
{
	int (*const walls[])(void) = { wall_of_landlock, wall_of_seccomp };
	int status;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0)
			_exit(walls[i]());
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static int
use_what_is_needed(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int pair[2];
	void *memory = malloc(1 << 20);

	if (memory == NULL || sendto(udp, "x", 1, 0, (struct sockaddr *)&to,
	    sizeof(to)) != 1)
		return -1;
	free(memory);
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, pair);
}

static void
test_what_is_needed_works(void **state)
{
	(void)state;
	assert_int_equal(outcome(use_what_is_needed), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_comes_through),
		cmocka_unit_test(test_each_wall_by_itself),
		cmocka_unit_test(test_what_is_needed_works),
	};
	char directory[] = "/tmp/sandbox.XXXXXX";
	int failed;

	if (mkdtemp(directory) == NULL || chdir(directory) != 0)
		return 1;
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	log_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	log_address.sun_family = AF_UNIX;
	snprintf(log_address.sun_path, sizeof(log_address.sun_path),
	    "%s/log", directory);
	if (udp < 0 || bind(log_socket, (struct sockaddr *)&log_address,
	    sizeof(log_address)) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(log_address.sun_path);
	unlink("sandbox-was-here");
	if (chdir("/") == 0)
		rmdir(directory);
	return failed;
}
