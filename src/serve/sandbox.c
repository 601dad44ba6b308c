/* SPDX-License-Identifier: ISC */
/*
 * serve/sandbox.c - seccomp, Landlock and no_new_privs
 *
 * Two independent walls. Landlock forbids every access to the file system,
 * TCP, abstract Unix sockets and signals to the outside; old kernels lack it
 * or parts of it, which is tolerated. seccomp is a list of the calls that the
 * endpoint, its pumps and libc's allocator use; the rest fails with EPERM, as
 * libc asks for this and that (a time zone, a locale) and copes with a no;
 * calls that only a taken-over process makes kill it.
 *
 * mmap and mprotect are allowed without PROT_EXEC: no new code.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sojourn.h>

#include "serve/sandbox.h"

/* Newer than the headers of Debian 12. */
struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};
#define LANDLOCK_VERSION_FLAG 1u

/* All rights of an ABI version: it has that many bits. */
static uint64_t
file_rights(int version)
{
	static const unsigned bits[] = { 0, 13, 14, 15, 15, 16 };
	size_t last = sizeof(bits) / sizeof(bits[0]) - 1;
	size_t index = (size_t)version > last ? last : (size_t)version;

	return (UINT64_C(1) << bits[index]) - 1;
}

static int
enter_landlock(int *version_out)
{
	struct ruleset rules = { 0 };
	size_t size = sizeof(rules.handled_access_fs);
	long version, fd, failed;

	version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_VERSION_FLAG);
	*version_out = version > 0 ? (int)version : 0;
	if (version <= 0)
		return 0;
	rules.handled_access_fs = file_rights((int)version);
	if (version >= 4) {
		rules.handled_access_net = 3; /* bind and connect by TCP */
		size = 2 * sizeof(uint64_t);
	}
	if (version >= 6) {
		rules.scoped = 3; /* abstract Unix sockets, signals */
		size = 3 * sizeof(uint64_t);
	}
	fd = syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return -1;
	failed = syscall(SYS_landlock_restrict_self, (int)fd, 0);
	close((int)fd);
	return failed != 0 ? -1 : 0;
}

static const int allowed[] = {
	/* packets, pipes and pairs */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(lseek),
	SCMP_SYS(pipe2), SCMP_SYS(dup), SCMP_SYS(dup3),
	/* waiting */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime), SCMP_SYS(restart_syscall),
	SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(sched_yield), SCMP_SYS(futex),
	/* clocks and chance */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getcpu),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	/* signals and the end */
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack), SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(bpf),
	SCMP_SYS(io_uring_setup), SCMP_SYS(userfaultfd),
};

/* The calls of which only some forms are allowed: an argument, the bits of it
 * that count, and what they have to be. */
static int
add_form(scmp_filter_ctx filter, int call, unsigned argument, scmp_datum_t mask,
    scmp_datum_t value)
{
	const struct scmp_arg_cmp form = { .arg = argument,
		.op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value };

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &form);
}

static int
add_socketpair(scmp_filter_ctx filter)
{
	/* not SOCK_DGRAM: such a socket reaches any other by its path */
	const struct scmp_arg_cmp form[] = {
		{ .arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_UNIX },
		{ .arg = 1, .op = SCMP_CMP_MASKED_EQ,
		    .datum_a = ~(scmp_datum_t)(SOCK_CLOEXEC | SOCK_NONBLOCK),
		    .datum_b = SOCK_STREAM },
	};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
	    SCMP_SYS(socketpair), 2, form);
}

static int
add_forms(scmp_filter_ctx filter)
{
	const scmp_datum_t all = ~(scmp_datum_t)0, word = UINT32_MAX;
	static const int commands[] = { F_GETFL, F_SETFL, F_GETFD, F_SETFD,
		F_DUPFD_CLOEXEC };
	int failed = 0;
	size_t i;

	failed |= add_form(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
	failed |= add_form(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
	failed |= add_socketpair(filter);
	/* abort() and failed assertions: only itself */
	failed |= add_form(filter, SCMP_SYS(tgkill), 0, all,
	    (scmp_datum_t)getpid());
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		failed |= add_form(filter, SCMP_SYS(fcntl), 1, word,
		    (scmp_datum_t)commands[i]);
	return failed;
}

static int
enter_seccomp(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int failed = 0;
	size_t i;

	if (filter == NULL)
		return -1;
	/* every thread, should there be another one */
	failed |= seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i],
		    0);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS,
		    deadly[i], 0);
	failed |= add_forms(filter);
	if (failed == 0)
		failed = seccomp_load(filter);
	seccomp_release(filter);
	return failed;
}

int
sandbox_enter(int *landlock, char *error, size_t capacity)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		snprintf(error, capacity, "no_new_privs: %s", strerror(errno));
		return SJ_ERR_STATE;
	}
	/* no core dump and no ptrace by others of the user */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
		snprintf(error, capacity, "dumpable: %s", strerror(errno));
		return SJ_ERR_STATE;
	}
	if (enter_landlock(landlock) != 0) {
		snprintf(error, capacity, "landlock: %s", strerror(errno));
		return SJ_ERR_STATE;
	}
	if (enter_seccomp() != 0) {
		snprintf(error, capacity, "seccomp refused the list");
		return SJ_ERR_STATE;
	}
	return 0;
}
