/* SPDX-License-Identifier: ISC */
/*
 * monitor.c - what a net process that was taken over asks of the monitor
 *
 * A real monitor, and in the place of net a rogue: a request out of turn, of
 * another size, of no kind or with a string that has no end is answered by the
 * end of both. Until then nothing was started, and no key was used.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn.h>
#include <sojourn_core.h>

#include "hostile_case.h"
#include "serve/monitor.h"
#include "serve/options.h"
#include "serve/request.h"

static char directory[] = "/tmp/sojourn-monitor-XXXXXX";
static int requests, store;             /* the rogue's ends */

/* The rogue lives with the monitor as its parent: it tells by its exit code. */
static void
expect(int is_so, const char *text)
{
	if (is_so)
		return;
	fprintf(stderr, "%s\n", text);
	_exit(99);
}

static void
ask(const void *request, size_t length)
{
	expect(request_send(requests, request, length, NULL, 0, 5000) == 0,
	    "not sent");
}

static struct answer
hear(void)
{
	struct pollfd poll_fd = { .fd = requests, .events = POLLIN };
	struct answer answer;
	size_t count = 0;
	int fds[2];

	expect(poll(&poll_fd, 1, 20000) == 1 && request_receive(requests,
	    &answer, sizeof(answer), fds, &count) == sizeof(answer),
	    "no answer");
	while (count > 0)
		close(fds[--count]);
	return answer;
}

static struct request_head
head(uint32_t type)
{
	return (struct request_head){ .type = type, .number = 7 };
}

static void
say_listening(void)
{
	struct request_listening listening = { .head =
	    head(REQUEST_LISTENING), .port = 1, .key = "SHA256:x" };

	ask(&listening, sizeof(listening));
}

static struct request_login
login_of(uint64_t session)
{
	struct request_login login = { .head = head(REQUEST_LOGIN),
		.session = session, .user = "nobody at all",
		.application = "sojourn", .mechanism = "publickey",
		.credential_name = "x", .peer = "127.0.0.1:1" };

	return login;
}

/* Until the monitor ends it; an answer, or that it may go on, is the failure. */
static void
wait_for_end(void)
{
	struct pollfd poll_fd = { .fd = requests, .events = POLLIN };

	poll(&poll_fd, 1, 20000);
	_exit(97);
}

/* Whatever is wrong with it is the last thing it does. */
static void
last_words(const void *request, size_t length)
{
	ask(request, length);
	wait_for_end();
}

/* --- Rogues ------------------------------------------------------------ */

static void
dh_too_soon(void)
{
	struct request_dh dh = { .head = head(REQUEST_DH), .peer_key = { 9 } };

	last_words(&dh, sizeof(dh));
}

static void
listening_twice(void)
{
	struct request_listening again = { .head = head(REQUEST_LISTENING),
	    .key = "SHA256:y" };

	say_listening();
	last_words(&again, sizeof(again));
}

static void
login_too_soon(void)
{
	struct request_login login = login_of(1);

	last_words(&login, sizeof(login));
}

static void
spawn_for_nobody(void)
{
	struct request_spawn spawn = { .head = head(REQUEST_SPAWN),
	    .session = 1, .service = "files" };

	say_listening();
	last_words(&spawn, sizeof(spawn));
}

/* A login that was refused gives no right to anything. */
static void
spawn_after_refusal(void)
{
	struct request_login login = login_of(1);
	struct request_spawn spawn = { .head = head(REQUEST_SPAWN),
	    .session = 1, .service = "files" };

	say_listening();
	ask(&login, sizeof(login));
	expect(hear().error == SJ_ERR_REFUSED, "a stranger may log in");
	last_words(&spawn, sizeof(spawn));
}

static void
shorter(void)
{
	struct request_dh dh = { .head = head(REQUEST_DH) };

	say_listening();
	last_words(&dh, sizeof(dh) - 1);
}

static void
longer(void)
{
	struct { struct request_dh dh; char more; } longer = {
	    .dh.head = head(REQUEST_DH) };

	say_listening();
	last_words(&longer, sizeof(longer));
}

static void
no_more_than_a_byte(void)
{
	say_listening();
	last_words("x", 1);
}

static void
of_no_kind(void)
{
	struct request_dh dh = { .head = head(REQUEST_TYPES) };

	say_listening();
	last_words(&dh, sizeof(dh));
}

static void
larger_than_any(void)
{
	static char bytes[sizeof(union request) + 1];

	memcpy(bytes, &(struct request_head){ .type = REQUEST_LOGIN },
	    sizeof(struct request_head));
	say_listening();
	last_words(bytes, sizeof(bytes));
}

static void
key_without_end(void)
{
	struct request_listening listening = { .head =
	    head(REQUEST_LISTENING) };

	memset(listening.key, 'x', sizeof(listening.key));
	last_words(&listening, sizeof(listening));
}

static void
user_without_end(void)
{
	struct request_login login = login_of(1);

	memset(login.user, 'x', sizeof(login.user));
	say_listening();
	last_words(&login, sizeof(login));
}

static void
peer_without_end(void)
{
	struct request_login login = login_of(1);

	memset(login.peer, '1', sizeof(login.peer));
	say_listening();
	last_words(&login, sizeof(login));
}

static void
peer_with_newline(void)
{
	struct request_login login = login_of(1);

	strcpy(login.peer, "1\nPATH=/tmp");
	say_listening();
	last_words(&login, sizeof(login));
}

static void
credential_too_long(void)
{
	struct request_login login = login_of(1);

	login.credential_length = sizeof(login.credential) + 1;
	say_listening();
	last_words(&login, sizeof(login));
}

static void
other_application(void)
{
	struct request_login login = login_of(1);

	strcpy(login.application, "other");
	say_listening();
	last_words(&login, sizeof(login));
}

static void
service_without_end(void)
{
	struct request_spawn spawn = { .head = head(REQUEST_SPAWN) };

	memset(spawn.service, 'x', sizeof(spawn.service));
	say_listening();
	last_words(&spawn, sizeof(spawn));
}

static void
junk_for_the_store(void)
{
	say_listening();
	expect(request_send(store, "junk", 4, NULL, 0, 5000) == 0, "not sent");
	wait_for_end();
}

static void
value_for_the_store(void)
{
	static struct { struct store_head head; uint8_t rest[16]; } put = {
	    .head = { .number = 1, .operation = SJ_STORE_PUT,
	    .key_length = 1, .value_length = STORE_VALUE_MAX + 1 } };

	say_listening();
	expect(request_send(store, &put, sizeof(put), NULL, 0, 5000) == 0,
	    "not sent");
	wait_for_end();
}

/* None at all: so that the others end for what they did. */
static void
honest(void)
{
	struct request_dh dh = { .head = head(REQUEST_DH), .peer_key = { 9 } };
	struct request_gone gone = { .head = head(REQUEST_GONE),
	    .session = 5 };

	say_listening();
	ask(&dh, sizeof(dh));
	expect(hear().head.type == ANSWER_DH, "no answer to an honest net");
	ask(&gone, sizeof(gone));
	_exit(0);
}

/* --- A monitor for each ------------------------------------------------ */

static void
make_options(struct serve_options *options)
{
	char error[256];

	memset(options, 0, sizeof(*options));
	if (serve_options_init(options, error, sizeof(error)) != 0)
		exit(1);
	snprintf(options->host_key, sizeof(options->host_key), "%s/key",
	    directory);
	snprintf(options->store, sizeof(options->store), "%s/db", directory);
	snprintf(options->authorized_keys, sizeof(options->authorized_keys),
	    "%s/authorized_keys", directory);
	options->quiet = 1;
}

static int
monitor(void (*rogue)(void), int log)
{
	struct serve_options options;
	int ask_pair[2], store_pair[2], signals;
	sigset_t set;
	pid_t net;

	dup2(log, STDERR_FILENO);
	make_options(&options);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ask_pair) != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, store_pair) != 0)
		return 1;
	net = fork();
	if (net == 0) {
		close(ask_pair[0]);
		close(store_pair[0]);
		requests = ask_pair[1];
		store = store_pair[1];
		expect(hear().head.type == ANSWER_START, "no start");
		rogue();
		_exit(98);
	}
	close(ask_pair[1]);
	close(store_pair[1]);
	return monitor_run(&options, net, ask_pair[0], store_pair[0], signals);
}

static void
run(void (*rogue)(void), int code, const char *word)
{
	char path[128], text[8192] = "";
	int log, status;
	pid_t child;

	snprintf(path, sizeof(path), "%s/log", directory);
	log = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(monitor(rogue, log));
	alarm(60);
	if (log < 0 || waitpid(child, &status, 0) != child ||
	    pread(log, text, sizeof(text) - 1, 0) < 0)
		exit(1);
	alarm(0);
	close(log);
	if (WIFEXITED(status) && WEXITSTATUS(status) == code &&
	    strstr(text, word) != NULL &&
	    strstr(text, "service-started") == NULL)
		return;
	fprintf(stderr, "status %d, and the log says:\n%s", status, text);
	exit(1);
}

static void
out_of_turn(void)
{
	run(honest, 255, "the net process has ended");
	run(dh_too_soon, 255, "net-misbehaves");
	run(listening_twice, 255, "net-misbehaves");
	run(login_too_soon, 255, "net-misbehaves");
	run(spawn_for_nobody, 255, "net-misbehaves");
	run(spawn_after_refusal, 255, "net-misbehaves");
}

static void
of_other_sizes(void)
{
	run(shorter, 255, "net-misbehaves");
	run(longer, 255, "net-misbehaves");
	run(no_more_than_a_byte, 255, "net-misbehaves");
	run(of_no_kind, 255, "net-misbehaves");
	run(larger_than_any, 255, "net-misbehaves");
	run(junk_for_the_store, 255, "net-misbehaves");
	run(value_for_the_store, 255, "net-misbehaves");
}

static void
strings_without_end(void)
{
	run(key_without_end, 255, "net-misbehaves");
	run(user_without_end, 255, "net-misbehaves");
	run(peer_without_end, 255, "net-misbehaves");
	run(peer_with_newline, 255, "net-misbehaves");
	run(credential_too_long, 255, "net-misbehaves");
	run(other_application, 255, "net-misbehaves");
	run(service_without_end, 255, "net-misbehaves");
}

static const struct hostile_case cases[] = {
	{ "out_of_turn", out_of_turn },
	{ "of_other_sizes", of_other_sizes },
	{ "strings_without_end", strings_without_end },
};

int
main(int argc, char **argv)
{
	static const char *const left[] = { "key", "db", "db-wal", "db-shm",
		"log" };
	char path[128];
	int code;

	if (mkdtemp(directory) == NULL)
		return 1;
	code = hostile_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, left[i]);
		unlink(path);
	}
	rmdir(directory);
	return code;
}
