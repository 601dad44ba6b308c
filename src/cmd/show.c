/* SPDX-License-Identifier: ISC */
/*
 * cmd/show.c - see show.h
 */
#include <inttypes.h>
#include <time.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/show.h"
#include "tool/json.h"

const char *
show_time(uint64_t unix_s, char *out, size_t capacity)
{
	time_t when = (time_t)unix_s;
	struct tm parts;

	if (unix_s == 0 || localtime_r(&when, &parts) == NULL ||
	    strftime(out, capacity, "%Y-%m-%d %H:%M", &parts) == 0)
		snprintf(out, capacity, "-");
	return out;
}

const char *
show_age(uint64_t seconds, char *out, size_t capacity)
{
	if (seconds >= 86400)
		snprintf(out, capacity, "%" PRIu64 "d", seconds / 86400);
	else if (seconds >= 3600)
		snprintf(out, capacity, "%" PRIu64 "h", seconds / 3600);
	else if (seconds >= 60)
		snprintf(out, capacity, "%" PRIu64 "m", seconds / 60);
	else
		snprintf(out, capacity, "%" PRIu64 "s", seconds);
	return out;
}

const char *
show_bytes(uint64_t bytes, char *out, size_t capacity)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1000 && unit < 4) {
		value /= 1000;
		unit++;
	}
	snprintf(out, capacity, unit == 0 ? "%.0f %s" : "%.1f %s", value,
	    units[unit]);
	return out;
}

const char *
show_state(const struct client_session *session)
{
	if (!session->started)
		return "starting";
	return session->away ? "away" : "live";
}

void
show_session_json(const struct client_session *session, FILE *file)
{
	struct json json;

	json_begin(&json, file);
	json_text(&json, "id", session->id);
	json_text(&json, "target", session->target);
	json_text(&json, "user", session->user);
	json_text(&json, "from", session->from);
	json_number(&json, "since", session->since_unix_s);
	json_number(&json, "used_seconds_ago", session->since_used_s);
	json_number(&json, "expires", session->expires_unix_s);
	json_text(&json, "state", show_state(session));
	json_number(&json, "streams", session->stats.streams);
	json_text(&json, "application", session->application);
	json_text(&json, "mechanism", session->mechanism);
	json_text(&json, "credential", session->credential);
	json_text(&json, "server_key", session->server_key);
	json_bool(&json, "reused", session->reused);
	json_bool(&json, "resumed", session->resumed);
	json_bool(&json, "unverified", session->unverified);
	json_end(&json);
}

void
show_stream(const struct client_event *event, const struct common *common)
{
	struct json json;

	if (common->json) {
		json_begin(&json, stderr);
		json_text(&json, "result", sj_error_name(event->error));
		json_number(&json, "code", event->code);
		json_number(&json, "bytes_in", event->bytes_in);
		json_number(&json, "bytes_out", event->bytes_out);
		json_end(&json);
	} else if (common->verbose) {
		fprintf(stderr, "%" PRIu64 " bytes sent, %" PRIu64
		    " received\n", event->bytes_out, event->bytes_in);
	}
}
