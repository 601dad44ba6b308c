/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_doctor.c - sojourn doctor: what stands between here and a login
 *
 * One step after the other, each a check of its own; the first that fails is
 * told with what to do about it. Those that build on it are not done.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/doctor.h"
#include "tool/die.h"
#include "tool/json.h"
#include "tool/printable.h"

#define EXIT_FAILED 1
#define TIMEOUT_MS 5000

static const char *const names[STEPS] = { "name", "route", "udp", "tcp",
	"mtu", "clock", "key", "user" };

const char doctor_help[] =
    "  The steps are name, route, udp, tcp, mtu, clock, key and user; then\n"
    "  round-trip times. No login is made where there is one; else one is\n"
    "  tried and ended, if that needs no question to you.\n"
    "  The exit code is 1 if a step failed.\n"
    LOGIN_WORDS_HELP;

/* --- results ----------------------------------------------------------- */

void
doctor_set(struct doctor *doctor, enum doctor_step step, int error,
    const char *next, const char *format, ...)
{
	struct doctor_result *result = &doctor->results[step];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->text, sizeof(result->text), format, arguments);
	va_end(arguments);
	result->state = error == 0 ? DOCTOR_OK : DOCTOR_FAILED;
	result->error = error;
	if (error == 0)
		next = "";
	else if (next == NULL)
		next = error_next(error);
	snprintf(result->next, sizeof(result->next), "%s", next);
}

void
doctor_skip(struct doctor *doctor, enum doctor_step step, const char *format,
    ...)
{
	struct doctor_result *result = &doctor->results[step];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->text, sizeof(result->text), format, arguments);
	va_end(arguments);
	result->state = DOCTOR_NOT_DONE;
}

static void
print_step(const struct doctor *doctor, enum doctor_step step)
{
	static const char *const states[] = { "not done", "ok", "failed" };
	static const char *const marks[] = { "-", "ok", "FAILED" };
	const struct doctor_result *result = &doctor->results[step];
	char text[4 * sizeof(result->text)];
	struct json json;

	if (doctor->common->json) {
		json_begin(&json, stdout);
		json_text(&json, "step", names[step]);
		json_text(&json, "state", states[result->state]);
		json_text(&json, "text", result->text);
		json_text(&json, "next", result->next);
		json_end(&json);
	} else {
		printf("%-6s  %-5s  %s\n", marks[result->state], names[step],
		    printable(result->text, text, sizeof(text)));
	}
	fflush(stdout);
}

static void
print_ping(const struct doctor *doctor)
{
	uint64_t average = doctor->pings == 0 ? 0 :
	    doctor->rtt_sum_ns / doctor->pings;
	struct json json;

	if (doctor->common->json) {
		json_begin(&json, stdout);
		json_text(&json, "step", "ping");
		json_number(&json, "sent", DOCTOR_PINGS);
		json_number(&json, "answered", doctor->pings);
		json_number(&json, "min_us", doctor->rtt_min_ns / 1000);
		json_number(&json, "average_us", average / 1000);
		json_number(&json, "max_us", doctor->rtt_max_ns / 1000);
		if (doctor->has_session)
			json_number(&json, "login_rtt_us",
			    doctor->session.stats.rtt_ns / 1000);
		json_end(&json);
		return;
	}
	printf("        ping   %u of %d answered", doctor->pings, DOCTOR_PINGS);
	if (doctor->pings > 0)
		printf(", round trip min/average/max %.2f/%.2f/%.2f ms",
		    (double)doctor->rtt_min_ns / 1e6, (double)average / 1e6,
		    (double)doctor->rtt_max_ns / 1e6);
	if (doctor->has_session)
		printf("; of the login %.2f ms",
		    (double)doctor->session.stats.rtt_ns / 1e6);
	printf("\n");
}

/* --- steps ------------------------------------------------------------- */

/* The login that lives, if there is one: its target, too, for ids. */
static void
find_session(struct doctor *doctor, const char *text, char *target,
    size_t capacity)
{
	struct client_login login = { .target = text, .existing_only = 1 };
	struct client *client;
	uint64_t number;

	snprintf(target, capacity, "%s", text);
	if (doctor->common->no_agent)
		return;
	if (client_connect_existing(&client, doctor->common) == 0 &&
	    client_login(client, &login, &number, &doctor->session) == 0 &&
	    doctor->session.started) {
		doctor->has_session = 1;
		snprintf(target, capacity, "%s", doctor->session.target);
	}
	client_close(client);
}

static int
has_failed(const struct doctor *doctor, enum doctor_step step)
{
	return doctor->results[step].state == DOCTOR_FAILED;
}

static void
skip_from(struct doctor *doctor, enum doctor_step first,
    enum doctor_step cause)
{
	int step;

	for (step = (int)first; step < STEPS; step++)
		if (step != STEP_TCP)
			doctor_skip(doctor, (enum doctor_step)step,
			    "needs %s", names[cause]);
}

/* Prints each step as soon as it is known. */
static void
examine(struct doctor *doctor)
{
	int step;

	doctor_skip(doctor, STEP_TCP, "comes with carriage over tcp, which "
	    "there is not yet");
	doctor_name(doctor);
	print_step(doctor, STEP_NAME);
	if (has_failed(doctor, STEP_NAME)) {
		skip_from(doctor, STEP_ROUTE, STEP_NAME);
	} else {
		doctor_route(doctor);
		if (has_failed(doctor, STEP_ROUTE))
			skip_from(doctor, STEP_UDP, STEP_ROUTE);
		else
			doctor_udp(doctor);
	}
	if (has_failed(doctor, STEP_UDP))
		skip_from(doctor, STEP_MTU, STEP_UDP);
	for (step = STEP_ROUTE; step <= STEP_TCP; step++)
		print_step(doctor, (enum doctor_step)step);
	if (doctor->results[STEP_UDP].state == DOCTOR_OK) {
		doctor_mtu(doctor);
		print_step(doctor, STEP_MTU);
		doctor_login(doctor);
		step = STEP_CLOCK;
	} else {
		step = STEP_MTU;
	}
	for (; step < STEPS; step++)
		print_step(doctor, (enum doctor_step)step);
	if (doctor->results[STEP_UDP].state == DOCTOR_OK) {
		doctor_ping(doctor);
		print_ping(doctor);
	}
}

static int
conclude(const struct doctor *doctor)
{
	int step;

	for (step = 0; step < STEPS; step++) {
		const struct doctor_result *result = &doctor->results[step];

		if (result->state != DOCTOR_FAILED)
			continue;
		complain(error_class_name(result->error), result->next,
		    "%s: %s", names[step], result->text);
		return EXIT_FAILED;
	}
	return 0;
}

int
cmd_doctor(const struct command *command, int argc, char **argv)
{
	struct common common;
	struct login_words words = { NULL, NULL, NULL, NULL };
	const struct command_option options[] = { LOGIN_WORDS(&words),
		{ .name = NULL } };
	struct client_login login;
	struct doctor *doctor;
	char target[TARGET_MAX], error[1024];
	int code;

	if (command_options(command, &common, options, argc, argv) != 1)
		return command_misuse(command, "needs one TARGET");
	if (login_words_fill(command, &words, argv[1], &login) != 0)
		return EXIT_SOJOURN;
	doctor = calloc(1, sizeof(*doctor));
	if (doctor == NULL)
		die("program", NULL, "out of memory");
	doctor->common = &common;
	doctor->words = &words;
	find_session(doctor, argv[1], target, sizeof(target));
	code = host_config_load(&doctor->config, target, doctor->has_session ?
	    "none" : common.config, common.verbose, error, sizeof(error));
	if (code != 0) {
		code = complain_error(code, error);
	} else {
		doctor->timeout_ms = login.timeout_ms != 0 ?
		    login.timeout_ms : doctor->config.timeout_s != 0 ?
		    doctor->config.timeout_s * 1000 : TIMEOUT_MS;
		examine(doctor);
		code = conclude(doctor);
	}
	doctor_close(doctor);
	host_config_free(&doctor->config);
	free(doctor);
	return code;
}
