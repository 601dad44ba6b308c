/* SPDX-License-Identifier: ISC */
/*
 * agent.c - what comes over the agent's socket, from who is none of its commands
 *
 * A real agent in a process of its own; what is sent to it is not what a command
 * sends. It closes that connection, or says why not, and serves the next one.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn.h>

#include "cmd/agent.h"
#include "cmd/agent_protocol.h"
#include "hostile_case.h"
#include "tool/message.h"

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static pid_t agent;
static uid_t add_to_uid;
static struct message message;

/* By the linker, in place of geteuid(): the agent may be somebody else. */
uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);

uid_t
__wrap_geteuid(void)
{
	return __real_geteuid() + add_to_uid;
}

static void
expect(int is_so, const char *text)
{
	if (is_so)
		return;
	fprintf(stderr, "%s\n", text);
	if (agent > 0)
		kill(agent, SIGKILL);
	exit(1);
}

/* --- The agent, and connections to it ---------------------------------- */

static void
start_agent(uid_t other)
{
	struct agent_options options = { .command_fd = -1,
		.directory_fd = -1, .stays = 1 };
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    1 + (size_t)snprintf(address.sun_path + 1,
	    sizeof(address.sun_path) - 1, "sojourn-hostile-%d", (int)getpid()));

	options.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	expect(options.listen_fd >= 0 && bind(options.listen_fd,
	    (struct sockaddr *)&address, length) == 0 &&
	    listen(options.listen_fd, 128) == 0, "no socket");
	fflush(NULL);
	agent = fork();
	if (agent == 0) {
		add_to_uid = other;
		_exit(agent_run(&options));
	}
	close(options.listen_fd);
}

static void
stop_agent(void)
{
	int status;

	expect(waitpid(agent, &status, WNOHANG) == 0, "the agent is gone");
	kill(agent, SIGTERM);
	expect(waitpid(agent, &status, 0) == agent && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0, "the agent ends with an error");
	agent = 0;
}

static int
dial(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    1 + strlen(address.sun_path + 1));

	expect(fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0,
	    "the agent takes nobody");
	return fd;
}

/* The type of the next answer; 0: it hung up. */
static int
hear(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	expect(poll(&poll_fd, 1, 20000) == 1, "no answer, and no end");
	if (message_receive(fd, &message, 1) != 1)
		return 0;
	return message_type(&message);
}

static void
make_hello(struct message *hello)
{
	message_begin(hello, AGENT_HELLO);
	message_put_number(hello, FIELD_VERSION, AGENT_PROTOCOL);
	message_put_text(hello, FIELD_SSH_AGENT, "/nowhere");
}

static int
greet(void)
{
	int fd = dial();

	make_hello(&message);
	expect(message_send(fd, &message, 1) == 0 && hear(fd) == AGENT_HELLO,
	    "an honest command is not served");
	return fd;
}

static unsigned
descriptors(void)
{
	char path[64];
	DIR *directory;
	unsigned count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)agent);
	directory = opendir(path);
	expect(directory != NULL, "no /proc");
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

static unsigned long
memory_kb(void)
{
	char path[64], line[256];
	unsigned long kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)agent);
	file = fopen(path, "r");
	expect(file != NULL, "no /proc");
	while (fgets(line, sizeof(line), file) != NULL)
		(void)sscanf(line, "VmRSS: %lu", &kb);
	fclose(file);
	return kb;
}

/* --- Cases ------------------------------------------------------------- */

static void
another_user(void)
{
	int fd;

	start_agent(1);
	fd = dial();
	make_hello(&message);
	(void)message_send(fd, &message, 1);
	expect(hear(fd) == 0, "another user is served");
	close(fd);
	stop_agent();
}

static void
half_messages(void)
{
	struct message hello;
	int fd, type;

	start_agent(0);
	make_hello(&hello);
	for (size_t length = 1; length < hello.length; length++) {
		fd = dial();
		expect(send(fd, hello.bytes, length, 0) == (ssize_t)length,
		    "not sent");
		type = hear(fd);
		/* cut between two fields it is one of no version, or whole */
		expect(type == (length == 1 ? AGENT_FAILED :
		    length == 1 + 3 + 8 ? AGENT_HELLO : 0),
		    "half a message is taken");
		close(fd);
	}
	for (size_t bit = 0; bit < 8 * hello.length; bit++) {
		hello.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (hello.bytes[0] != AGENT_STOP) {
			fd = dial();
			(void)send(fd, hello.bytes, hello.length, 0);
			(void)hear(fd);
			close(fd);
		}
		hello.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	close(greet());
	stop_agent();
}

static void
oversized_messages(void)
{
	static uint8_t bytes[MESSAGE_MAX + 1000];
	int fd;

	start_agent(0);
	for (size_t more = 1; more <= 1000; more += 111) {
		fd = greet();
		memset(bytes, 0, sizeof(bytes));
		bytes[0] = AGENT_LIST;
		expect(send(fd, bytes, MESSAGE_MAX + more, 0) > 0, "not sent");
		expect(hear(fd) == 0, "a message too long is taken");
		close(fd);
	}
	close(greet());
	stop_agent();
}

/* With more descriptors than a message has, and with some that nobody asked
 * for: none of them stays open. */
static void
many_descriptors(void)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control;
	struct message list;
	unsigned before;
	int fd = -1;

	start_agent(0);
	close(greet());
	fd = greet();
	before = descriptors();
	message_begin(&list, AGENT_LIST);
	for (unsigned i = 0; i < 400; i++) {
		size_t count = i % 2 == 0 ? 1 : 64;
		struct iovec part = { list.bytes, list.length };
		struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
		struct cmsghdr *first = CMSG_FIRSTHDR(&header);

		memset(&control, 0, sizeof(control));
		first->cmsg_level = SOL_SOCKET;
		first->cmsg_type = SCM_RIGHTS;
		first->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t j = 0; j < count; j++)
			memcpy(CMSG_DATA(first) + j * sizeof(int), &fd,
			    sizeof(fd));
		expect(sendmsg(fd, &header, 0) > 0, "not sent");
		expect(hear(fd) == (count == 1 ? AGENT_OK : 0),
		    "descriptors beyond the limit are taken");
		if (count == 1)
			continue;
		close(fd);
		fd = greet();
	}
	expect(descriptors() <= before, "descriptors stay open");
	close(fd);
	stop_agent();
}

/* Requests without a greeting, of no kind, about what there is not. */
static void
out_of_turn(void)
{
	static const uint8_t about[] = { AGENT_LOGOUT, AGENT_OPEN };
	int fd;

	start_agent(0);
	for (int type = 0; type < 256; type++) {
		if (type == AGENT_HELLO || type == AGENT_STOP)
			continue;
		fd = dial();
		message_begin(&message, (uint8_t)type);
		expect(message_send(fd, &message, 1) == 0 && hear(fd) == 0,
		    "served without a greeting");
		close(fd);
	}
	for (size_t i = 0; i < sizeof(about); i++) {
		fd = greet();
		message_begin(&message, about[i]);
		message_put_number(&message, FIELD_SESSION, 12345);
		message_put_number(&message, FIELD_STREAM, 7);
		message_put_fd(&message, fd);
		expect(message_send(fd, &message, 1) == 0 && hear(fd) ==
		    (about[i] == AGENT_OPEN ? AGENT_OVER : AGENT_FAILED),
		    "a session that is not there");
		close(fd);
	}
	fd = greet();
	for (int type = AGENT_ANSWER; type <= AGENT_RESET; type++) {
		if (type == AGENT_LIST || type == AGENT_SESSION ||
		    type == AGENT_LOGOUT || type == AGENT_OPEN)
			continue;
		message_begin(&message, (uint8_t)type);
		message_put_number(&message, FIELD_SESSION, 12345);
		message_put_number(&message, FIELD_STREAM, UINT64_MAX);
		expect(message_send(fd, &message, 1) == 0, "not sent");
	}
	message_begin(&message, AGENT_LIST);
	expect(message_send(fd, &message, 1) == 0 && hear(fd) == AGENT_OK,
	    "what there is not is more than nothing");
	message_begin(&message, 200);
	expect(message_send(fd, &message, 1) == 0 && hear(fd) == 0,
	    "a request of no kind is served");
	close(fd);
	stop_agent();
}

/* A command that asks and asks and reads no answer. */
static void
deaf_command(void)
{
	unsigned long before;
	unsigned sent = 0;
	int deaf, fd, result = 0;

	start_agent(0);
	close(greet());
	before = memory_kb();
	deaf = greet();
	message_begin(&message, AGENT_LIST);
	for (; sent < 300000 && result == 0; sent++)
		result = message_send(deaf, &message, 1);
	expect(result == SJ_ERR_ENDED && sent > 1000,
	    "nobody has enough of a deaf command");
	expect(memory_kb() < before + 32768, "answers nobody reads are kept");
	fd = greet();
	close(fd);
	close(deaf);
	stop_agent();
}

static const struct hostile_case cases[] = {
	{ "another_user", another_user },
	{ "half_messages", half_messages },
	{ "oversized_messages", oversized_messages },
	{ "many_descriptors", many_descriptors },
	{ "out_of_turn", out_of_turn },
	{ "deaf_command", deaf_command },
};

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return hostile_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
