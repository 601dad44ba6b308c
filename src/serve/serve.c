/* SPDX-License-Identifier: ISC */
/*
 * serve/serve.c - sojourn serve: two processes from the first moment on
 *
 * The process that was started becomes the monitor; the one it forks, before
 * it has read any key, becomes net. They are joined by two socket pairs and
 * nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sojourn.h>

#include "cmd/command.h"
#include "serve/connector.h"
#include "serve/log.h"
#include "serve/monitor.h"
#include "serve/net.h"
#include "serve/options.h"
#include "serve/service_files.h"
#include "tool/die.h"
#include "tool/json.h"

const char serve_usage[] =
    "[--listen ADDRESS] [--name HOST]... [--service NAME=exec:PROGRAM]... "
    "[--config FILE] [--check] [--once]";
const char serve_help[] =
    "  --listen ADDRESS  PORT, HOST:PORT or [IPV6]:PORT; udp 7531 on all\n"
    "                    addresses if not given, port 0: any that is free\n"
    "  --name HOST       a name or address by which clients call this server; one\n"
    "                    that was given none takes any\n"
    "  --service NAME=exec:PROGRAM [WORD...]\n"
    "                    a program as a service of the session: the stream on\n"
    "                    its stdin and stdout, SOJOURN_USER, _MECHANISM,\n"
    "                    _SESSION, _APPLICATION, _PEER, _SERVICE in its\n"
    "                    environment; its stderr goes to the log\n"
    "  --host-key FILE   the key of this server, made at the first start;\n"
    "                    ~/.local/state/sojourn/host.key\n"
    "  --store FILE      the logins; ~/.local/state/sojourn/logins.db\n"
    "  --authorized-keys FILE\n"
    "                    who may log in, as for ssh; a line with options is\n"
    "                    refused; ~/.ssh/authorized_keys\n"
    "  --config FILE     lines \"Keyword value\": Listen, Name, Service, HostKey,\n"
    "                    Store, AuthorizedKeysFile, SessionIdleLimit,\n"
    "                    SessionLifetime, PermitOpen, AllowTcpForwarding,\n"
    "                    AllowStreamLocalForwarding\n"
    "  --check           only looks whether all that could be served\n"
    "  --once            ends after the first login has ended\n"
    "The services files (copy), connect (forward) and sojourn-sessions (list,\n"
    "logout) are always there. One line of log per event goes to stderr.\n";

struct words {
	const char *config, *host_key, *store, *authorized_keys;
	struct command_values listen, names, services;
};

static int
set_file(char *out, size_t capacity, const char *value)
{
	char *path = value == NULL ? NULL : realpath(".", NULL);
	int n;

	if (value == NULL)
		return 0;
	n = value[0] == '/' || path == NULL
	    ? snprintf(out, capacity, "%s", value)
	    : snprintf(out, capacity, "%s/%s", path, value);
	free(path);
	return n > 0 && (size_t)n < capacity ? 0 : SJ_ERR_ARGUMENT;
}

/* File first, then the words of the command line. */
static int
read_options(struct serve_options *options, const struct words *words,
    char *error, size_t capacity)
{
	size_t i;
	int result = serve_options_init(options, error, capacity);

	if (result == 0 && words->config != NULL)
		result = serve_options_file(options, words->config, error,
		    capacity);
	if (result == 0 && words->listen.count > 0)
		result = serve_options_listen(options, words->listen.list[0],
		    error, capacity);
	if (result == 0 && words->listen.count > 1) {
		snprintf(error, capacity, "--listen %s: more than one address "
		    "is not built yet", words->listen.list[1]);
		result = SJ_ERR_ARGUMENT;
	}
	for (i = 0; result == 0 && i < words->names.count; i++)
		result = serve_options_name(options, words->names.list[i],
		    error, capacity);
	for (i = 0; result == 0 && i < words->services.count; i++)
		result = serve_options_service(options,
		    words->services.list[i], error, capacity);
	if (result != 0)
		return result;
	if (set_file(options->host_key, sizeof(options->host_key),
	    words->host_key) != 0 ||
	    set_file(options->store, sizeof(options->store), words->store)
	    != 0 || set_file(options->authorized_keys,
	    sizeof(options->authorized_keys), words->authorized_keys) != 0) {
		snprintf(error, capacity, "a path is too long");
		return SJ_ERR_ARGUMENT;
	}
	return 0;
}

static int
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* What net was born with and is not to have: the terminal or file on stdin and
 * stdout, and what getpwuid() may have left behind. */
static void
close_all_but(int one, int other)
{
	unsigned low = (unsigned)(one < other ? one : other);
	unsigned high = (unsigned)(one < other ? other : one);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		_exit(255);
	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	if (close_range(high + 1, ~0U, 0) != 0)
		_exit(255);
}

static int
run(const struct serve_options *options)
{
	int requests[2], store[2], signals;
	pid_t net;

	/* whoever reads the log may go away; services get the default back */
	signal(SIGPIPE, SIG_IGN);
	/* blocked before the fork: who is asked to end is the monitor */
	signals = open_signals();
	if (signals < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, requests)
	    != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, store) != 0)
		return complain("local", NULL, "serve: %s", strerror(errno));
	net = fork();
	if (net < 0)
		return complain("local", NULL, "serve: fork: %s",
		    strerror(errno));
	if (net == 0) {
		close_all_but(requests[1], store[1]);
		/* not exit(): nothing of the monitor's is to run here */
		_exit(net_run(options, requests[1], store[1]));
	}
	close(requests[1]);
	close(store[1]);
	return monitor_run(options, net, requests[0], store[0], signals);
}

/* --check: all that start would need, but for the port. */
static int
report_check(const struct serve_options *options)
{
	size_t i;

	if (options->json) {
		struct json json;

		json_begin(&json, stdout);
		json_text(&json, "account", options->account);
		json_text(&json, "listen", options->listen);
		json_text(&json, "names", options->names);
		json_text(&json, "host_key", options->host_key);
		json_text(&json, "store", options->store);
		json_text(&json, "authorized_keys", options->authorized_keys);
		json_number(&json, "services", options->service_count);
		json_bool(&json, "tcp_forwarding", !options->permit.no_tcp);
		json_bool(&json, "unix_forwarding", !options->permit.no_paths);
		json_end(&json);
		return 0;
	}
	printf("account          %s\nlisten           udp %s\n"
	    "names            %s\nhost key         %s\nstore            %s\n"
	    "authorized keys  %s%s\n", options->account, options->listen,
	    options->names[0] != '\0' ? options->names : "any",
	    options->host_key, options->store, options->authorized_keys,
	    access(options->authorized_keys, R_OK) == 0 ? "" :
	    "  (not there: nobody can log in)");
	printf("forwarding       tcp %s, unix sockets %s\n",
	    options->permit.no_tcp ? "no" :
	    !options->permit.only_listed ? "to any place" :
	    options->permit.count == 0 ? "to no place" : "as PermitOpen says",
	    options->permit.no_paths ? "no" : "yes");
	for (i = 0; i < options->service_count; i++)
		printf("service          %s exec:%s\n",
		    options->services[i].name, options->services[i].words[0]);
	return 0;
}

/* Descriptors 0 to 2 are always open: others would end up in their place. */
static void
fill_standard_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	while (fd >= 0 && fd <= 2)
		fd = dup(fd);
	if (fd > 2)
		close(fd);
}

int
cmd_serve(const struct command *command, int argc, char **argv)
{
	static struct serve_options options;
	struct words words = { 0 };
	int check = 0, once = 0, left, result;
	struct common common;
	char error[4600];
	const struct command_option own[] = {
		{ .name = "config", .takes_value = 1, .value = &words.config },
		{ .name = "listen", .takes_value = 1,
		    .values = &words.listen },
		{ .name = "name", .takes_value = 1, .values = &words.names },
		{ .name = "service", .takes_value = 1,
		    .values = &words.services },
		{ .name = "host-key", .takes_value = 1,
		    .value = &words.host_key },
		{ .name = "store", .takes_value = 1, .value = &words.store },
		{ .name = "authorized-keys", .takes_value = 1,
		    .value = &words.authorized_keys },
		{ .name = "check", .flag = &check },
		{ .name = "once", .flag = &once },
		{ .name = NULL }
	};

	fill_standard_descriptors();
	/* how the monitor starts the service "files", and the connector */
	if (argc == 2 && strcmp(argv[1], "--files-process") == 0)
		return service_files_main();
	if (argc == 2 && strcmp(argv[1], CONNECTOR_OPTION) == 0)
		return connector_main();
	/* nothing else that the caller had open */
	if (close_range(3, ~0U, 0) != 0)
		return complain("local", NULL, "serve: close_range: %s",
		    strerror(errno));
	left = command_options(command, &common, own, argc, argv);
	if (left != 0)
		return command_misuse(command, "takes no arguments");
	if (getuid() == 0 || geteuid() == 0)
		return complain("local", "start it as the user that it serves",
		    "serve: does not run as root yet");
	result = read_options(&options, &words, error, sizeof(error));
	if (result != 0)
		return complain("usage", "sojourn serve --help", "serve: %s",
		    error);
	options.json = common.json;
	options.quiet = common.quiet;
	options.verbose = common.verbose;
	options.once = once;
	log_set_level(common.quiet ? LOG_QUIET : common.verbose ? LOG_VERBOSE
	    : LOG_NORMAL);
	if (check)
		return report_check(&options);
	result = serve_options_prepare(&options, error, sizeof(error));
	if (result != 0)
		return complain("local", NULL, "serve: %s", error);
	return run(&options);
}
