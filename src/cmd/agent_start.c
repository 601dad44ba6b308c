/* SPDX-License-Identifier: ISC */
/*
 * cmd/agent_start.c - finding the agent, or starting one
 *
 * The directory is reached through a descriptor and /proc/self/fd, since a
 * socket's path has room for 107 bytes only. Whoever holds the lock may replace
 * the socket; the agent holds it from before it listens until it has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn.h>

#include "cmd/agent.h"
#include "tool/message.h"

#define TRIES 250                    /* of 20 ms */

static void
default_path(char *path, size_t capacity)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	struct stat status;
	char run[40];

	snprintf(run, sizeof(run), "/run/user/%u", (unsigned)geteuid());
	if (runtime != NULL && runtime[0] == '/')
		snprintf(path, capacity, "%s/sojourn", runtime);
	else if (stat(run, &status) == 0 && status.st_uid == geteuid())
		snprintf(path, capacity, "%s/sojourn", run);
	else if (state != NULL && state[0] == '/')
		snprintf(path, capacity, "%s/sojourn/run", state);
	else
		snprintf(path, capacity, "%s/.local/state/sojourn/run",
		    home != NULL ? home : "");
}

static void
make_parents(char *path)
{
	char *slash = path;

	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	mkdir(path, 0700);
}

int
agent_directory(char *path, size_t path_capacity, char *error,
    size_t capacity)
{
	struct stat status;
	int fd;

	default_path(path, path_capacity);
	make_parents(path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0) {
		snprintf(error, capacity, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return SJ_ERR_FILE;
	}
	if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
		snprintf(error, capacity, "%s has to be this user's, mode 0700",
		    path);
		close(fd);
		return SJ_ERR_FILE;
	}
	return fd;
}

static void
address_of(int directory, struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path),
	    "/proc/self/fd/%d/agent", directory);
}

int
agent_connect(char *error, size_t capacity)
{
	char path[4096];
	struct sockaddr_un address;
	int directory = agent_directory(path, sizeof(path), error, capacity);
	int fd;

	if (directory < 0)
		return directory;
	address_of(directory, &address);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address,
	    sizeof(address)) != 0) {
		int cause = errno;

		if (fd >= 0)
			close(fd);
		close(directory);
		if (cause == ENOENT || cause == ECONNREFUSED)
			return SJ_ERR_ENDED;
		snprintf(error, capacity, "%s/agent: %s", path,
		    strerror(cause));
		return SJ_ERR_FILE;
	}
	close(directory);
	if (!message_peer_is_me(fd)) {
		close(fd);
		snprintf(error, capacity, "%s/agent belongs to another user",
		    path);
		return SJ_ERR_FILE;
	}
	return fd;
}

int
agent_listen(struct agent_options *options, int *lock_fd, char *error,
    size_t capacity)
{
	char path[4096];
	struct sockaddr_un address;
	int directory = agent_directory(path, sizeof(path), error, capacity);
	int lock, fd;

	if (directory < 0)
		return directory;
	lock = openat(directory, "agent.lock", O_RDWR | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) {
		int cause = errno;

		if (lock >= 0)
			close(lock);
		close(directory);
		snprintf(error, capacity, "%s/agent.lock: %s", path,
		    strerror(cause));
		return cause == EWOULDBLOCK ? SJ_ERR_BUSY : SJ_ERR_FILE;
	}
	address_of(directory, &address);
	unlinkat(directory, "agent", 0); /* of one that was killed */
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address,
	    sizeof(address)) != 0 || listen(fd, 128) != 0) {
		snprintf(error, capacity, "%s/agent: %s", path,
		    strerror(errno));
		if (fd >= 0)
			close(fd);
		close(lock);
		close(directory);
		return SJ_ERR_FILE;
	}
	options->listen_fd = fd;
	options->directory_fd = directory;
	*lock_fd = lock;
	return 0;
}

/* --- processes --------------------------------------------------------- */

/* Nothing of the command stays open but those named; the standard ones become
 * /dev/null, but what is said on stderr if that is kept. */
static void
close_others(const int *keep, size_t count, int keeps_stderr)
{
	long most = sysconf(_SC_OPEN_MAX);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;
	size_t i;

	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		if (!keeps_stderr)
			dup2(null, 2);
		if (null > 2)
			close(null);
	}
	if (most < 0 || most > 4096)
		most = 4096;
	for (fd = 3; fd < most; fd++) {
		for (i = 0; i < count && keep[i] != fd; i++)
			;
		if (i == count)
			close(fd);
	}
}

static void
become_agent(const struct agent_options *options, int lock)
{
	int keep[3] = { options->listen_fd, options->directory_fd, lock };

	setsid();
	close_others(keep, 3, 0);
	if (chdir("/") != 0)
		_exit(1);
	umask(077);
	_exit(agent_run(options));
}

/* 0: one was started, or another is at it. */
static int
start(char *error, size_t capacity)
{
	struct agent_options options = { .listen_fd = -1, .command_fd = -1,
		.directory_fd = -1 };
	int lock, result = agent_listen(&options, &lock, error, capacity);
	pid_t child;

	if (result == SJ_ERR_BUSY)
		return 0;
	if (result != 0)
		return result;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		/* twice: the command is not to have a child to wait for */
		pid_t again = fork();

		if (again == 0)
			become_agent(&options, lock);
		_exit(again < 0 ? 1 : 0);
	}
	close(options.listen_fd);
	close(options.directory_fd);
	close(lock);
	if (child < 0) {
		snprintf(error, capacity, "the agent cannot be started: %s",
		    strerror(errno));
		return SJ_ERR_LIMIT;
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int
agent_connect_or_start(char *error, size_t capacity)
{
	int i;

	for (i = 0; i < TRIES; i++) {
		int fd = agent_connect(error, capacity);

		if (fd != SJ_ERR_ENDED)
			return fd;
		fd = start(error, capacity);
		if (fd != 0)
			return fd;
		fd = agent_connect(error, capacity);
		if (fd != SJ_ERR_ENDED)
			return fd;
		poll(NULL, 0, 20);
	}
	snprintf(error, capacity, "the agent does not start");
	return SJ_ERR_BUSY;
}

int
agent_start_private(int *pid, char *error, size_t capacity)
{
	struct agent_options options = { .listen_fd = -1, .directory_fd = -1 };
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		snprintf(error, capacity, "socketpair: %s", strerror(errno));
		return SJ_ERR_LIMIT;
	}
	fflush(NULL);
	child = fork();
	if (child == 0) {
		options.command_fd = pair[1];
		close_others(&pair[1], 1, 1);
		umask(077);
		_exit(agent_run(&options));
	}
	close(pair[1]);
	if (child < 0) {
		snprintf(error, capacity, "fork: %s", strerror(errno));
		close(pair[0]);
		return SJ_ERR_LIMIT;
	}
	*pid = child;
	return pair[0];
}
