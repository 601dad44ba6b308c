/* SPDX-License-Identifier: ISC */
/* run.c - see run.h */
#include "run.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "die.h"

#define STEP_MS 10
#define GRACE_MS 1000

struct run {
	const struct options *options;
	const struct net *net;
	pid_t server, client;        /* 0: does not run */
	int code;                    /* of the command at the client */
	bool ending;
};

/* --- A command ------------------------------------------------------------- */

static void
become(const char *name)
{
	const struct passwd *user = getpwnam(name);
	char *end;
	unsigned long number = strtoul(name, &end, 10);

	if (user == NULL && *name != '\0' && *end == '\0')
		user = getpwuid((uid_t)number);
	if (user == NULL)
		die("--user: there is no %s", name);
	if (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
	    setuid(user->pw_uid) != 0)
		die_errno("--user");
}

/* In a user namespace of ours the command keeps our number, and what ping and
 * tcpdump need. */
static void
keep_capabilities(void)
{
	const unsigned kept[] = { CAP_NET_ADMIN, CAP_NET_RAW };
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) != 0)
		die_errno("capget");
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		data[0].inheritable |= 1u << kept[i];
	if (syscall(SYS_capset, &header, data) != 0)
		die_errno("capset");
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept[i], 0,
		    0) != 0)
			die_errno("ambient capabilities");
}

static void __attribute__((noreturn))
execute(const struct run *run, char *const *words)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (run->net->in_user_namespace)
		keep_capabilities();
	if (run->options->user != NULL)
		become(run->options->user);
	execvp(words[0], words);
	fprintf(stderr, "netlab: %s: %s\n", words[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static pid_t
fork_or_die(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die_errno("fork");
	return pid;
}

/* In a process group of its own, so that what it started is ended with it. */
static void
start_server(struct run *run)
{
	char shell[] = "sh", option[] = "-c";
	char *words[] = { shell, option, strdup(run->options->server), NULL };
	int input;

	run->server = fork_or_die();
	if (run->server == 0) {
		setpgid(0, 0);
		input = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (input < 0 || dup2(input, STDIN_FILENO) < 0)
			die_errno("/dev/null");
		execute(run, words);
	}
	setpgid(run->server, run->server);
	free(words[2]);
}

static void
start_client(struct run *run)
{
	run->client = fork_or_die();
	if (run->client > 0)
		return;
	if (setns(run->net->ends[CLIENT].namespace, CLONE_NEWNET) != 0)
		die_errno("setns");
	execute(run, run->options->command);
}

/* --- The first process of the namespace ------------------------------------ */

static int
code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

/* Whoever has ended; orphans come to us, too. */
static void
reap(struct run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == run->client) {
			run->client = 0;
			run->code = code_of(status);
		} else if (pid == run->server) {
			run->server = 0;
			if (status != 0 && !run->ending)
				fprintf(stderr, "netlab: what ran at the "
				    "server ended with %d\n", code_of(status));
		}
	}
}

/* Until a signal came or the time is over; true: it is to end. */
static bool
pause_for(struct run *run, unsigned milliseconds)
{
	struct timespec time = { .tv_sec = milliseconds / 1000,
	    .tv_nsec = milliseconds % 1000 * 1000000L };
	sigset_t signals;
	int number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	number = sigtimedwait(&signals, NULL, &time);
	reap(run);
	return number == SIGTERM;
}

static void
end(struct run *run)
{
	run->ending = true;
	if (run->client > 0)
		kill(run->client, SIGTERM);
	if (run->server > 0)
		kill(-run->server, SIGTERM);
	for (unsigned ms = 0; ms < GRACE_MS && (run->client > 0 ||
	    run->server > 0); ms += STEP_MS)
		pause_for(run, STEP_MS);
}

/* True: it is to end. */
static bool
wait_for_port(struct run *run)
{
	unsigned port = run->options->wait_port;

	while (port != 0 && !net_listens(port)) {
		if (run->server == 0) {
			fprintf(stderr, "netlab: nothing listens on port %u, "
			    "and what ran at the server has ended\n", port);
			run->code = EXIT_OURS;
			return true;
		}
		if (pause_for(run, STEP_MS))
			return true;
	}
	return false;
}

/* Its own /proc, so that process numbers there are those of the namespace. A
 * container may forbid that; then /proc goes on with the numbers outside. */
static void
mount_proc(void)
{
	if (unshare(CLONE_NEWNS) != 0)
		return;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		mount("proc", "/proc", "proc",
		    MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void __attribute__((noreturn))
first_process(struct run *run, int parent)
{
	struct pollfd watch = { .fd = parent };
	bool ended;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may be gone already: then its end of the pipe is closed. */
	if (poll(&watch, 1, 0) != 0)
		_exit(EXIT_OURS);
	mount_proc();
	if (run->options->server != NULL)
		start_server(run);
	ended = wait_for_port(run);
	if (!ended)
		start_client(run);
	while (!ended && run->client > 0)
		ended = pause_for(run, GRACE_MS);
	end(run);
	_exit(run->code);
}

pid_t
run_start(const struct options *options, const struct net *net)
{
	struct run run = { .options = options, .net = net,
	    .code = 128 + SIGTERM };
	sigset_t signals, before;
	int ends[2];
	pid_t pid;

	if (unshare(CLONE_NEWPID) != 0)
		die_errno("process namespace");
	/* The writing end stays open here, and only here. */
	if (pipe2(ends, O_CLOEXEC) != 0)
		die_errno("pipe");
	/* Before it is there: a signal that comes early waits. */
	sigfillset(&signals);
	sigprocmask(SIG_SETMASK, &signals, &before);
	pid = fork_or_die();
	if (pid == 0) {
		close(ends[1]);
		first_process(&run, ends[0]);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[0]);
	return pid;
}
