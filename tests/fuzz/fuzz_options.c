/* SPDX-License-Identifier: ISC */
/*
 * fuzz_options.c - the server's configuration, and the command line
 *
 * The first byte chooses: a configuration file, or the words of a command, with
 * a newline between them. Nothing is printed, and what would end the process
 * ends the run.
 */
#include <fcntl.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fuzz.h"
#include "tool/die.h"

static struct span input;
static jmp_buf over;

static int
input_status(struct stat *status)
{
	memset(status, 0, sizeof *status);
	status->st_mode = S_IFREG | 0600;
	status->st_size = (off_t)input.length;
	return 0;
}

static FILE *
open_input(void)
{
	return fmemopen((void *)(uintptr_t)input.data, input.length, "r");
}

/* Not the system's: no run reads /etc/services. */
static struct servent *
some_service(const char *name)
{
	static struct servent entry = { .s_port = 0x5000 };

	return strcmp(name, "http") == 0 ? &entry : NULL;
}

static _Noreturn void
end_run(int code)
{
	longjmp(over, 1 + code);
}

int
complain(const char *class_name, const char *next, const char *format, ...)
{
	char text[512];
	va_list arguments;

	MUST(class_name[0] != '\0' && next[0] != '\0');
	va_start(arguments, format);
	MUST(vsnprintf(text, sizeof text, format, arguments) > 0);
	va_end(arguments);
	return 255;
}

#define open(path, flags) ((void)(path), 1000)
#define fstat(fd, status) input_status(status)
#define fdopen(fd, mode) open_input()
#define getservbyname(name, protocol) some_service(name)
#define exit end_run
#define printf(...) ((void)0)
#include "serve/options.c"
#define split split_fields
#include "tool/forward.c"
#undef split
#include "serve/permit.c"
#include "cmd/options.c"
#undef exit
#undef printf

/* Not all of the options: that would take longer than the rest. */
static void
forget(struct serve_options *options)
{
	struct serve_service *service = options->services;

	/* The one behind the last is what an error left. */
	for (size_t i = 0; i <= options->service_count &&
	    i < SERVE_SERVICES_MAX; i++, service++) {
		for (size_t j = 0; j < SERVE_WORDS_MAX; j++)
			free(service->words[j]);
		memset(service, 0, sizeof *service);
	}
	options->service_count = 0;
}

static void
a_file(void)
{
	static struct serve_options options;
	char error[512] = "";
	int result;

	options.listen[0] = options.host_key[0] = options.store[0] = '\0';
	options.names[0] = '\0';
	memset(&options.permit, 0, offsetof(struct permit, places));
	strcpy(options.home, "/home/somebody");
	result = serve_options_file(&options, "input", error, sizeof error);
	MUST(strlen(error) < sizeof error);
	MUST((result == 0) == (error[0] == '\0'));
	MUST(options.permit.count <= PERMIT_PLACES_MAX);
	MUST(memchr(options.names, 0, sizeof options.names) != NULL);
	MUST(options.service_count <= SERVE_SERVICES_MAX);
	for (size_t i = 0; i < options.service_count; i++) {
		MUST(options.services[i].name[0] != '\0');
		MUST(options.services[i].words[0] != NULL &&
		    options.services[i].words[0][0] == '/');
		MUST(options.services[i].words[SERVE_WORDS_MAX] == NULL);
	}
	forget(&options);
}

static void
a_line(char *text)
{
	static const struct command command = { .name = "login", .usage = "TARGET",
	    .summary = "", .help = "" };
	struct login_words words = { NULL, NULL, NULL, NULL };
	struct command_values values = { .count = 0 };
	const struct command_option options[] = { LOGIN_WORDS(&words),
	    { .name = "service", .takes_value = 1, .values = &values },
	    { .name = NULL } };
	struct client_login login;
	struct common common;
	char *argv[64] = { text };
	volatile int count = 1;         /* as setjmp() asks */
	int left;

	for (char *at = strchr(text, '\n'); at != NULL && count < 63;
	    at = strchr(at, '\n')) {
		*at++ = '\0';
		argv[count] = at;
		count = count + 1;
	}
	if (setjmp(over) != 0)
		return;
	left = command_options(&command, &common, options, count, argv);
	MUST(left >= 0 && left < count);
	MUST(values.count <= COMMAND_VALUES_MAX);
	if (login_words_fill(&command, &words, "target", &login) == 0)
		MUST(words.timeout == NULL || login.timeout_ms > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[2048];
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program);

	input = take_span(&program, sizeof text - 1);
	if (input.length > 0)
		memcpy(text, input.data, input.length);
	text[input.length] = '\0';
	if (first & 1)
		a_line(text);
	else
		a_file();
	return 0;
}
