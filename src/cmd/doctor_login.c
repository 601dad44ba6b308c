/* SPDX-License-Identifier: ISC */
/*
 * cmd/doctor_login.c - clock, key and user
 *
 * A login that the agent has tells all of it, and no other one is made. Else
 * one is tried, asks nobody anything, stores no key, and is over at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sojourn.h>

#include "cmd/agent_protocol.h"
#include "cmd/doctor.h"
#include "cmd/key_text.h"
#include "cmd/paths.h"
#include "tool/loop.h"

/* Times of logins are the server's; whoever reads them has another clock. */
#define CLOCK_LIMIT_S 300
#define PATIENCE_MS 20000            /* for ssh-agent and the server's store */
#define LOGOUT_MS 3000

struct attempt {
	struct doctor *doctor;
	struct sj_endpoint *endpoint;
	struct sj_session *session;
	int error;                   /* of its end, 0: it started */
	int is_over, asks_key, asks_passphrase;
	char text[CLIENT_TEXT_MAX];
};

/* --- clock ------------------------------------------------------------- */

static void
tell_clock(struct doctor *doctor, const struct sj_session_stats *stats)
{
	uint64_t peer = stats->peer_unix_s, own = stats->own_unix_s;
	uint64_t apart = peer > own ? peer - own : own - peer;
	const char *which = peer > own ? "behind" : "ahead of";

	if (peer == 0)
		doctor_skip(doctor, STEP_CLOCK,
		    "the server's time comes with a handshake");
	else if (apart > CLOCK_LIMIT_S)
		doctor_set(doctor, STEP_CLOCK, SJ_ERR_CLOCK,
		    "set the clock of whichever is wrong, this machine or the "
		    "server", "this machine is %llu s %s the server",
		    (unsigned long long)apart, which);
	else if (apart == 0)
		doctor_set(doctor, STEP_CLOCK, 0, NULL, "the same as the "
		    "server's, to the second");
	else
		doctor_set(doctor, STEP_CLOCK, 0, NULL, "%llu s %s the server",
		    (unsigned long long)apart, which);
}

/* --- key --------------------------------------------------------------- */

/* The line of known_hosts that holds the server's key; 0: none. */
static unsigned
find_known(const struct target *target, char fingerprint[KEY_FINGERPRINT_MAX])
{
	char path[4096], name[300], host[300], *line = NULL;
	unsigned number = 0, found = 0;
	size_t capacity = 0;
	FILE *file;

	snprintf(name, sizeof(name), target->port == SJ_PORT ? "%s" :
	    "[%s]:%u", target->host, target->port);
	if (state_path("known_hosts", path, sizeof(path)) != 0 ||
	    (file = fopen(path, "re")) == NULL)
		return 0;
	while (found == 0 && getline(&line, &capacity, file) >= 0) {
		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if (key_text_known_host(line, host, sizeof(host),
		    fingerprint) == 0 && strcmp(host, name) == 0)
			found = number;
	}
	free(line);
	fclose(file);
	return found;
}

static const char *
pinned_key(const struct doctor *doctor)
{
	return doctor->words->server_key != NULL ? doctor->words->server_key :
	    doctor->config.server_key;
}

/* The server has proven the key that is expected. */
static void
tell_key(struct doctor *doctor)
{
	char fingerprint[KEY_FINGERPRINT_MAX];
	unsigned line;

	if (pinned_key(doctor) != NULL) {
		doctor_set(doctor, STEP_KEY, 0, NULL, "%s, which is pinned",
		    pinned_key(doctor));
		return;
	}
	line = find_known(&doctor->config.target, fingerprint);
	if (line != 0)
		doctor_set(doctor, STEP_KEY, 0, NULL,
		    "%s, known from line %u of known_hosts", fingerprint, line);
	else
		doctor_set(doctor, STEP_KEY, 0, NULL, "it is the known one");
}

static void
tell_unknown_key(const struct attempt *attempt)
{
	struct doctor *doctor = attempt->doctor;

	if (doctor->config.accept_new || doctor->words->ssh_option != NULL)
		doctor_set(doctor, STEP_KEY, 0, NULL,
		    "%s; a login will take it unasked", attempt->text);
	else
		doctor_set(doctor, STEP_KEY, SJ_ERR_KEY_UNKNOWN,
		    "compare it with `sojourn key show` there, then take it "
		    "with `sojourn login`", "%s", attempt->text);
	doctor_skip(doctor, STEP_CLOCK,
	    "nothing of the server counts before its key is known");
	doctor_skip(doctor, STEP_USER,
	    "nobody logs in before the server's key is known");
}

/* --- user -------------------------------------------------------------- */

static void
tell_user(const struct attempt *attempt)
{
	struct doctor *doctor = attempt->doctor;
	const char *next = NULL;

	if (attempt->error == SJ_ERR_NO_CREDENTIAL &&
	    attempt->asks_passphrase)
		doctor_skip(doctor, STEP_USER, "%s", attempt->text);
	else if (attempt->error == SJ_ERR_REFUSED)
		next = "see that the user is right and that ~/.ssh/"
		    "authorized_keys there has the key, or name another key "
		    "with -i";
	if (attempt->error != SJ_ERR_NO_CREDENTIAL ||
	    !attempt->asks_passphrase)
		doctor_set(doctor, STEP_USER, attempt->error, next, "%s",
		    attempt->text);
}

/* What the end of an attempt says about each step. */
static void
tell_end(const struct attempt *attempt)
{
	struct doctor *doctor = attempt->doctor;
	struct sj_session_stats stats = { .size = sizeof(stats) };

	if (attempt->asks_key) {
		tell_unknown_key(attempt);
		return;
	}
	if (attempt->session != NULL)
		sj_session_stats(attempt->session, &stats);
	tell_clock(doctor, &stats);
	switch (sj_error_class(attempt->error)) {
	case SJ_CLASS_NONE:
	case SJ_CLASS_LOGIN:
		if (attempt->error == SJ_ERR_KEY_CHANGED)
			break;
		tell_key(doctor);
		tell_user(attempt);
		return;
	default:
		break;
	}
	/* the handshake did not come to its end */
	doctor_set(doctor, STEP_KEY, attempt->error, NULL, "%s",
	    attempt->text);
	doctor_skip(doctor, STEP_USER,
	    "nobody logs in before the server has shown its key");
}

/* --- an attempt -------------------------------------------------------- */

static void
on_started(struct attempt *attempt)
{
	const struct sj_identity *identity =
	    sj_session_identity(attempt->session);

	snprintf(attempt->text, sizeof(attempt->text),
	    "%s logs in with %s; logged out again",
	    identity != NULL ? identity->user : "?",
	    identity != NULL ? identity->credential : "?");
	tell_end(attempt);
	sj_logout(attempt->session);
}

/* Nobody is asked; what would have been is told. */
static void
on_prompt(struct attempt *attempt, const struct sj_event *event)
{
	char *question;

	if (event->code == SJ_PROMPT_HOST_KEY) {
		attempt->asks_key = 1;
		snprintf(attempt->text, sizeof(attempt->text), "%s",
		    event->text);
		question = strstr(attempt->text, ". Trust it");
		if (question != NULL)
			*question = '\0';
		if (attempt->text[0] == 'T')
			attempt->text[0] = 't';
	} else {
		attempt->asks_passphrase = 1;
	}
	sj_login_answer(attempt->session, NULL);
}

static void
on_ended(struct attempt *attempt, const struct sj_event *event, int *started)
{
	attempt->is_over = 1;
	if (*started)
		return;
	attempt->error = event->error;
	if (!attempt->asks_key)
		snprintf(attempt->text, sizeof(attempt->text), "%s",
		    event->text != NULL && event->text[0] != '\0' ?
		    event->text : sj_strerror(event->error));
	tell_end(attempt);
}

static void
run(struct attempt *attempt)
{
	uint64_t now = loop_now_ms();
	uint64_t end = now + attempt->doctor->timeout_ms + PATIENCE_MS;
	struct sj_event event;
	int started = 0;

	for (; !attempt->is_over && now < end; now = loop_now_ms()) {
		int result = sj_poll(attempt->endpoint, &event,
		    (int)(end - now));

		if (result < 0)
			break;
		if (result == 0)
			continue;
		if (event.type == SJ_EV_PROMPT) {
			on_prompt(attempt, &event);
		} else if (event.type == SJ_EV_STARTED) {
			started = 1;
			on_started(attempt);
			end = loop_now_ms() + LOGOUT_MS;
		} else if (event.type == SJ_EV_ENDED) {
			on_ended(attempt, &event, &started);
		}
	}
	if (attempt->is_over || started)
		return;
	attempt->error = SJ_ERR_UNREACHABLE;
	snprintf(attempt->text, sizeof(attempt->text),
	    "the login came to no end in time");
	tell_end(attempt);
}

static void
try_login(struct doctor *doctor)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_login_options login = SJ_LOGIN_OPTIONS;
	struct attempt attempt = { .doctor = doctor };
	char directory[4096], place[TARGET_MAX], keys[KEY_FILES_SIZE];

	options.application = AGENT_APPLICATION;
	options.error = attempt.text;
	options.error_size = sizeof(attempt.text);
	if (state_path(NULL, directory, sizeof(directory)) == 0)
		options.state_dir = directory;
	host_config_keys(&doctor->config, doctor->common->verbose, keys,
	    sizeof(keys));
	login.key_file = doctor->words->key_file != NULL ?
	    doctor->words->key_file : keys[0] != '\0' ? keys : NULL;
	login.server_key = pinned_key(doctor);
	login.timeout_ms = doctor->timeout_ms;
	target_format(&doctor->config.target, place, sizeof(place));
	attempt.error = sj_endpoint_open(&attempt.endpoint, &options);
	if (attempt.error == 0) {
		attempt.error = sj_login(attempt.endpoint, place, &login,
		    &attempt.session);
		if (attempt.error != 0)
			snprintf(attempt.text, sizeof(attempt.text), "%s",
			    sj_endpoint_error(attempt.endpoint));
	}
	if (attempt.error == 0)
		run(&attempt);
	else
		tell_end(&attempt);
	sj_session_close(attempt.session);
	sj_endpoint_close(attempt.endpoint);
}

void
doctor_login(struct doctor *doctor)
{
	const struct client_session *session = &doctor->session;

	if (!doctor->has_session) {
		try_login(doctor);
		return;
	}
	tell_clock(doctor, &session->stats);
	doctor_set(doctor, STEP_KEY, 0, NULL, "%s, that of the login",
	    session->server_key);
	doctor_set(doctor, STEP_USER, 0, NULL, "%s is logged in with %s, id %s"
	    "%s", session->user, session->credential, session->id,
	    session->away ? ", which gets no answers now" : "");
}
