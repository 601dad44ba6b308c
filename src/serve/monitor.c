/* SPDX-License-Identifier: ISC */
/*
 * serve/monitor.c - requests of net, by a table
 *
 * After the manner of OpenSSH's privilege separation: every request has a row
 * that says in which state it is permitted and whether only once. A request
 * out of turn, of a wrong size or with an unended string ends the server: net
 * is ours, so it was taken over or is broken.
 *
 *     STARTING --listening--> SERVING --signal--> ENDING
 *
 * The store has a socket of its own, so that its traffic does not wait behind
 * logins and the other way round.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn.h>
#include <sojourn_core.h>
#include <sojourn_sqlite.h>

#include "serve/log.h"
#include "serve/monitor.h"
#include "serve/monitor_internal.h"
#include "serve/spawn.h"
#include "tool/die.h"

#define LOGINS_MAX 65536
#define END_GRACE_MS 10000
#define ANSWER_PATIENCE_MS 5000      /* for net to read; it reads all the time */

static void
answer_text(struct answer *answer, const char *text)
{
	snprintf(answer->text, sizeof(answer->text), "%s", text);
}

int
answer_send(const struct monitor *monitor, struct answer *answer,
    const int *descriptors, size_t count)
{
	int result;

	answer->descriptors = (uint32_t)count;
	result = request_send(monitor->requests, answer, sizeof(*answer),
	    descriptors, count, ANSWER_PATIENCE_MS);
	if (result == SJ_ERR_LIMIT) {
		/* net sees that they are missing */
		answer->descriptors = 0;
		result = request_send(monitor->requests, answer,
		    sizeof(*answer), NULL, 0, ANSWER_PATIENCE_MS);
	}
	return result == SJ_AGAIN ? SJ_ERR_PROTOCOL : result;
}

struct login *
find_login(const struct monitor *monitor, uint64_t session)
{
	size_t i;

	for (i = 0; i < monitor->login_count; i++)
		if (monitor->logins[i].session == session)
			return &monitor->logins[i];
	return NULL;
}

/* --- requests ---------------------------------------------------------- */

static void
notify_systemd(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL,
	    (struct sockaddr *)&address, length) < 0)
		log_event(LOG_NORMAL, "notify-failed cause=\"%s\"",
		    strerror(errno));
	close(fd);
}

static int
on_listening(struct monitor *monitor, const union request *request)
{
	const struct request_listening *listening = &request->listening;

	if (!request_string_ok(listening->key, sizeof(listening->key)))
		return SJ_ERR_PROTOCOL;
	monitor->state = SERVING;
	if (monitor->options->json) {
		printf("{\"event\":\"listening\",\"port\":%u,\"key\":\"%s\"}\n",
		    listening->port, listening->key);
		fflush(stdout);
	}
	if (!monitor->options->quiet)
		fprintf(stderr, "sojourn: serving %s on udp port %u, "
		    "key %s\n", monitor->options->account, listening->port,
		    listening->key);
	log_event(LOG_NORMAL, "listening port=%u key=%s net=%d",
	    listening->port, listening->key, (int)monitor->net);
	notify_systemd("READY=1\n");
	return 0;
}

static int
on_dh(struct monitor *monitor, const union request *request)
{
	struct answer answer = { .head = { .type = ANSWER_DH,
		.number = request->head.number } };
	int result;

	answer.error = sj_host_key_dh(monitor->host_private,
	    request->dh.peer_key, answer.bytes);
	result = answer_send(monitor, &answer, NULL, 0);
	explicit_bzero(&answer, sizeof(answer));
	return result;
}

static int
add_login(struct monitor *monitor, const struct request_login *request)
{
	struct login *login;
	size_t i;

	if (monitor->login_count == monitor->login_capacity) {
		size_t capacity = monitor->login_capacity * 2 + 16;
		struct login *more;

		if (monitor->login_count >= LOGINS_MAX)
			return SJ_ERR_LIMIT;
		more = realloc(monitor->logins, capacity * sizeof(*more));
		if (more == NULL)
			return SJ_ERR_MEMORY;
		monitor->logins = more;
		monitor->login_capacity = capacity;
	}
	login = &monitor->logins[monitor->login_count++];
	memset(login, 0, sizeof(*login));
	login->session = request->session;
	for (i = 0; i < sizeof(request->id); i++)
		snprintf(login->id + 2 * i, 3, "%02x", request->id[i]);
	strcpy(login->user, request->user);
	strcpy(login->application, request->application);
	strcpy(login->mechanism, request->mechanism);
	strcpy(login->peer, request->peer);
	return 0;
}

/* Addresses and names as they end up in the environment of a service. */
static int
is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return 0;
	return 1;
}

/* The right to log in. The key is looked up whatever the name was, so that
 * the time taken tells nothing about names. */
static int
judge(const struct monitor *monitor, const struct request_login *request,
    char *why, size_t capacity)
{
	int result;

	result = sj_authorized_keys_check(monitor->options->authorized_keys,
	    request->credential, request->credential_length, why, capacity);
	if (strcmp(request->mechanism, "publickey") != 0) {
		snprintf(why, capacity, "mechanism not offered");
		return SJ_ERR_REFUSED;
	}
	if (strcmp(request->user, monitor->options->account) != 0) {
		snprintf(why, capacity, "not the account served here");
		return SJ_ERR_REFUSED;
	}
	if (result == 0 && why[0] == '\0')
		snprintf(why, capacity, "the key is not in %.200s",
		    monitor->options->authorized_keys);
	return result == 1 ? 0 : SJ_ERR_REFUSED;
}

static int
on_login(struct monitor *monitor, const union request *request)
{
	const struct request_login *login = &request->login;
	struct answer answer = { .head = { .type = ANSWER_LOGIN,
		.number = request->head.number } };
	char why[REQUEST_TEXT_MAX] = "";
	char user[REQUEST_NAME_MAX * 4];

	if (!request_string_ok(login->user, sizeof(login->user)) ||
	    !request_string_ok(login->application,
	    sizeof(login->application)) ||
	    !request_string_ok(login->mechanism, sizeof(login->mechanism)) ||
	    !request_string_ok(login->credential_name,
	    sizeof(login->credential_name)) ||
	    !request_string_ok(login->peer, sizeof(login->peer)) ||
	    login->credential_length > sizeof(login->credential) ||
	    strcmp(login->application, SERVE_APPLICATION) != 0 ||
	    !is_plain(login->peer))
		return SJ_ERR_PROTOCOL;
	/* 0 is nobody's: it stands for all of them */
	if (login->session == 0 ||
	    find_login(monitor, login->session) != NULL)
		return SJ_ERR_PROTOCOL;
	answer.error = judge(monitor, login, why, sizeof(why));
	if (answer.error == 0)
		answer.error = add_login(monitor, login);
	if (answer.error != 0) {
		answer_text(&answer, why);
		log_event(LOG_NORMAL, "login-refused user=\"%s\" peer=%s "
		    "key=\"%s\" cause=\"%s\"",
		    log_escape(login->user, user, sizeof(user)), login->peer,
		    login->credential_name, why);
	}
	return answer_send(monitor, &answer, NULL, 0);
}

void
joints_close(struct joints *joints, int side)
{
	if (joints->stream[side] >= 0)
		close(joints->stream[side]);
	if (joints->children[side] >= 0)
		close(joints->children[side]);
	if (joints->errors[side] >= 0)
		close(joints->errors[side]);
}

int
joints_open(struct joints *joints, int with_children)
{
	*joints = (struct joints){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
	if (pipe2(joints->errors, O_CLOEXEC) == 0 &&
	    fcntl(joints->errors[0], F_SETFL, O_NONBLOCK) == 0 &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    joints->stream) == 0 &&
	    (!with_children || socketpair(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_CLOEXEC, 0, joints->children) == 0))
		return 0;
	joints_close(joints, 0);
	joints_close(joints, 1);
	return SJ_ERR_LIMIT;
}

static pid_t
launch(const struct monitor *monitor, const struct login *login,
    const char *name, const struct joints *joints)
{
	const struct serve_service *service = serve_options_find(
	    monitor->options, name);
	char *files[] = { (char *)(uintptr_t)monitor->options->program,
		(char *)(uintptr_t)"serve",
		(char *)(uintptr_t)"--files-process", NULL };
	const char *language = getenv("LANG");
	struct spawn spawn = {
		.words = service != NULL ? service->words : files,
		.directory = service != NULL ? NULL : monitor->options->home,
		.stream = joints->stream[1],
		.extra = joints->children[1],
		.errors = joints->errors[1],
		.environment = {
		"SOJOURN_USER=", login->user,
		"SOJOURN_MECHANISM=", login->mechanism,
		"SOJOURN_SESSION=", login->id,
		"SOJOURN_APPLICATION=", login->application,
		"SOJOURN_PEER=", login->peer,
		"SOJOURN_SERVICE=", name,
		"PATH=", "/usr/local/bin:/usr/bin:/bin",
		"HOME=", monitor->options->home,
		"USER=", monitor->options->account,
		"LANG=", language != NULL ? language : "C.UTF-8" } };

	return spawn_start(&spawn);
}

/* Starts the process of a service for a login; descriptors for net. */
static int
start_service(struct monitor *monitor, const struct login *login,
    const struct request_spawn *request, int descriptors[2], size_t *count)
{
	const char *name = request->service;
	int is_files = strcmp(name, SERVE_SERVICE_FILES) == 0;
	struct joints joints;
	int error;
	pid_t pid;

	if (!is_files && serve_options_find(monitor->options, name) == NULL)
		return SJ_ERR_SERVICE;
	if (processes_room(&monitor->processes, login->session) != 0)
		return SJ_ERR_LIMIT;
	error = joints_open(&joints, is_files);
	if (error != 0)
		return error;
	pid = launch(monitor, login, name, &joints);
	joints_close(&joints, 1);
	if (pid <= 0) {
		joints_close(&joints, 0);
		return (int)pid;
	}
	processes_add(&monitor->processes, pid, request->head.number,
	    login->session, name, joints.errors[0]);
	descriptors[(*count)++] = joints.stream[0];
	if (is_files)
		descriptors[(*count)++] = joints.children[0];
	log_event(LOG_VERBOSE, "service-started session=%s service=%s pid=%d",
	    login->id, name, (int)pid);
	return 0;
}

static int
on_spawn(struct monitor *monitor, const union request *request)
{
	const struct request_spawn *spawn = &request->spawn;
	struct answer answer = { .head = { .type = ANSWER_SPAWN,
		.number = request->head.number } };
	const struct login *login;
	int descriptors[2] = { -1, -1 }, result;
	size_t count = 0, i;

	login = find_login(monitor, spawn->session);
	if (!request_string_ok(spawn->service, sizeof(spawn->service)) ||
	    login == NULL)
		return SJ_ERR_PROTOCOL;
	answer.error = start_service(monitor, login, spawn, descriptors,
	    &count);
	result = answer_send(monitor, &answer, descriptors, count);
	for (i = 0; i < count; i++)
		close(descriptors[i]);
	return result;
}

static int
on_release(struct monitor *monitor, const union request *request)
{
	if (request->release.broken && request->release.process != 0)
		processes_end(&monitor->processes, 0,
		    request->release.process);
	return 0;
}

static int
on_gone(struct monitor *monitor, const union request *request)
{
	struct login *login = find_login(monitor, request->gone.session);

	if (login == NULL)
		return 0; /* never accepted */
	processes_end(&monitor->processes, login->session, 0);
	*login = monitor->logins[--monitor->login_count];
	return 0;
}

static const struct row {
	size_t size;
	unsigned permit;             /* states */
	int once;
	int (*serve)(struct monitor *monitor, const union request *request);
} rows[REQUEST_TYPES] = {
	[REQUEST_LISTENING] = { sizeof(struct request_listening), STARTING, 1,
		on_listening },
	[REQUEST_DH] = { sizeof(struct request_dh), SERVING, 0, on_dh },
	[REQUEST_LOGIN] = { sizeof(struct request_login), SERVING, 0,
		on_login },
	[REQUEST_SPAWN] = { sizeof(struct request_spawn), SERVING, 0,
		on_spawn },
	[REQUEST_RELEASE] = { sizeof(struct request_release),
		SERVING | ENDING, 0, on_release },
	[REQUEST_GONE] = { sizeof(struct request_gone), SERVING | ENDING, 0,
		on_gone },
	[REQUEST_CONNECT] = { sizeof(struct request_connect), SERVING, 0,
		on_connect },
};

/* 1: served, 0: none left or net is gone, negative: net misbehaves. */
static int
serve_request(struct monitor *monitor)
{
	union request request;
	const struct row *row;
	ptrdiff_t length;
	int result;

	length = request_receive(monitor->requests, &request, sizeof(request),
	    NULL, NULL);
	if (length == SJ_AGAIN || length == 0)
		return 0;
	if (length < (ptrdiff_t)sizeof(request.head) ||
	    request.head.type == 0 || request.head.type >= REQUEST_TYPES)
		return SJ_ERR_PROTOCOL;
	row = &rows[request.head.type];
	if ((size_t)length != row->size || !(row->permit & monitor->state) ||
	    (row->once && (monitor->done & 1U << request.head.type)))
		/* requests on their way when the end began */
		return monitor->state == ENDING ? 1 : SJ_ERR_PROTOCOL;
	monitor->done |= 1U << request.head.type;
	result = row->serve(monitor, &request);
	if (result == SJ_ERR_ENDED)
		return 0;
	return result < 0 ? result : 1;
}

/* --- signals and the loop ---------------------------------------------- */

static void
begin_end(struct monitor *monitor)
{
	if (monitor->state == ENDING)
		return;
	monitor->state = ENDING;
	monitor->end_at_ms = processes_now_ms() + END_GRACE_MS;
	notify_systemd("STOPPING=1\n");
	/* net reads the end of the file, closes its endpoint and ends */
	shutdown(monitor->requests, SHUT_WR);
}

static void
reap(struct monitor *monitor)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == monitor->net) {
			monitor->net = 0;
			monitor->net_status = status;
		} else {
			processes_reaped(&monitor->processes, pid, status);
		}
	}
}

static void
on_signals(struct monitor *monitor)
{
	struct signalfd_siginfo info;

	while (read(monitor->signals, &info, sizeof(info)) ==
	    (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
			if (monitor->state != ENDING)
				log_event(LOG_NORMAL, "ending signal=%u",
				    info.ssi_signo);
			begin_end(monitor);
		}
	}
	reap(monitor);
}

/* Net is gone: services are asked to end, and after their grace they are made
 * to. */
static void
end_services(struct monitor *monitor)
{
	struct pollfd polls[1 + PROCESSES_MAX];
	int wait_ms;

	processes_end(&monitor->processes, 0, 0);
	while ((wait_ms = processes_tick(&monitor->processes)) >= 0) {
		size_t i, count = 1 + processes_polls(&monitor->processes,
		    polls + 1, PROCESSES_MAX);

		polls[0] = (struct pollfd){ monitor->signals, POLLIN, 0 };
		if (poll(polls, (nfds_t)count, wait_ms) < 0 && errno != EINTR)
			return;
		for (i = 1; i < count; i++)
			if (polls[i].revents != 0)
				processes_read(&monitor->processes,
				    polls[i].fd);
		if (polls[0].revents != 0)
			on_signals(monitor);
	}
}

static int
loop(struct monitor *monitor)
{
	struct pollfd polls[5 + PROCESSES_MAX];
	int broken = 0;

	while (monitor->net != 0) {
		size_t count, i;
		int wait_ms = processes_tick(&monitor->processes), result = 1;

		if (monitor->state == ENDING) {
			if (processes_now_ms() >= monitor->end_at_ms)
				kill(monitor->net, SIGKILL);
			if (wait_ms < 0 || wait_ms > 500)
				wait_ms = 500;
		}
		polls[0] = (struct pollfd){ monitor->signals, POLLIN, 0 };
		polls[1] = (struct pollfd){ broken ? -1 : monitor->requests,
			POLLIN, 0 };
		store_relay_polls(&monitor->relay, &polls[2]);
		polls[4] = connector_poll(monitor);
		count = 5 + processes_polls(&monitor->processes, polls + 5,
		    PROCESSES_MAX);
		if (poll(polls, (nfds_t)count, wait_ms) < 0 && errno != EINTR)
			return SJ_ERR_STATE;
		if (polls[1].revents != 0) {
			for (i = 0; i < 64 && result == 1; i++)
				result = serve_request(monitor);
			if (result == 0 && (polls[1].revents & POLLHUP))
				broken = 1; /* net is ending */
		}
		if (result == 0 || result == 1)
			result = store_relay_work(&monitor->relay);
		if (result == 0 && polls[4].revents != 0)
			result = connector_work(monitor);
		if (result < 0) {
			log_event(LOG_NORMAL, "net-misbehaves cause=\"%s\"",
			    sj_strerror(result));
			kill(monitor->net, SIGKILL);
			broken = 1;
		}
		for (i = 5; i < count; i++)
			if (polls[i].revents != 0)
				processes_read(&monitor->processes,
				    polls[i].fd);
		if (polls[0].revents != 0)
			on_signals(monitor);
	}
	return 0;
}

static int
start(struct monitor *monitor)
{
	struct answer answer = { .head = { .type = ANSWER_START } };
	char error[512] = "";
	int result;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	result = sj_host_key_load(monitor->options->host_key,
	    monitor->host_private, answer.bytes, error, sizeof(error));
	if (result < 0) {
		complain(error_class_name(result), sj_error_next(result),
		    "serve: %s", error[0] != '\0' ? error :
		    sj_strerror(result));
		return result;
	}
	return answer_send(monitor, &answer, NULL, 0);
}

/* What the end of net means for the exit code. */
static int
verdict(const struct monitor *monitor)
{
	int status = monitor->net_status;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		if (monitor->state == ENDING || monitor->options->once)
			return 0;
		/* it has logged why; whoever watches us is to start us again */
		fprintf(stderr, "sojourn: serve: the net process has ended\n"
		    "  next: see the log; start the server again, logins are "
		    "kept\n");
	}
	if (WIFSIGNALED(status)) {
		log_event(LOG_NORMAL, "net-died signal=%d", WTERMSIG(status));
		complain("local", "see the log; start the server again, logins "
		    "are kept", "serve: the net process was ended by signal %d",
		    WTERMSIG(status));
	}
	return 255;
}

int
monitor_run(const struct serve_options *options, pid_t net, int requests,
    int store, int signals)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	int code = 255, status;

	if (monitor == NULL)
		return 255;
	monitor->options = options;
	monitor->state = STARTING;
	monitor->net = net;
	monitor->requests = requests;
	monitor->signals = signals;
	monitor->connector = -1;
	processes_init(&monitor->processes);
	if (store_relay_init(&monitor->relay, store,
	    sj_store_sqlite(options->store)) == 0 && start(monitor) == 0 &&
	    loop(monitor) == 0)
		code = verdict(monitor);
	if (monitor->net != 0) {
		kill(monitor->net, SIGKILL);
		waitpid(monitor->net, &status, 0);
	}
	end_services(monitor);
	store_relay_fini(&monitor->relay);
	explicit_bzero(monitor->host_private, sizeof(monitor->host_private));
	free(monitor->logins);
	free(monitor);
	if (code == 0)
		log_event(LOG_NORMAL, "ended");
	return code;
}
