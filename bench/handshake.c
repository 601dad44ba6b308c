/* SPDX-License-Identifier: ISC */
/*
 * bench/handshake.c - new logins, each with its durable record
 *
 * handshake SECONDS DIRECTORY IN_FLIGHT: a new session each time, an Ed25519
 * key out of its file, allowed by the file of authorized keys, stored with
 * SQLite's synchronous=FULL before the client hears of it. What the server
 * used is counted between two marks. Afterwards the store has to list as many
 * logins as there were.
 */
#include <stdlib.h>
#include <string.h>

#include "ours.h"

#define WARM_UP 8                    /* logins for each in flight, at most */
#define IN_FLIGHT_MAX 128

struct attempt {
	uint64_t since_ns;
};

/* --- Client ------------------------------------------------------------ */

/* The server's name for us has to be ours, and its key the one we know. */
static void
check(const struct sj_event *event)
{
	const struct sj_identity *identity = sj_session_identity(event->session);

	if (event->unverified || event->resumed || identity == NULL ||
	    strcmp(identity->user, "bench") != 0 ||
	    strcmp(identity->mechanism, "publickey") != 0)
		die("a login that is not ours");
}

/* Keeps so many under way until the time or the number is over. */
static uint64_t
log_in_all(struct client *client, size_t in_flight, uint64_t end_ns,
    uint64_t count_max, struct latencies *latencies)
{
	static struct attempt attempts[IN_FLIGHT_MAX];
	uint64_t begun = 0, done = 0;
	struct attempt *attempt;
	struct sj_event event;

	for (; begun < in_flight; begun++) {
		attempts[begun].since_ns = clock_ns();
		client_log_in(client, &attempts[begun]);
	}
	while (done < begun) {
		client_next(client, &event);
		if (event.type != SJ_EV_STARTED)
			continue;
		attempt = event.session_data;
		latencies_add(latencies, attempt->since_ns);
		check(&event);
		done++;
		if (begun >= count_max || clock_ns() >= end_ns)
			continue;
		attempt->since_ns = clock_ns();
		client_log_in(client, attempt);
		begun++;
	}
	return done;
}

static void
client_run(const char *directory, double seconds, size_t in_flight,
    const struct ends *ends)
{
	struct latencies warm_up = { 0 }, latencies = { 0 };
	struct client client = { 0 };
	struct usage from, to;
	uint64_t logins;
	FILE *out;

	client_begin(&client, directory, ends->in);
	log_in_all(&client, in_flight, clock_ns() +
	    (uint64_t)(seconds * 2e8), WARM_UP * in_flight, &warm_up);
	client_mark(&client, 2 * QUIET_MS);
	from = usage_now();
	logins = log_in_all(&client, in_flight, from.ns +
	    (uint64_t)(seconds * 1e9), UINT64_MAX, &latencies);
	to = usage_now();
	client_mark(&client, 2 * QUIET_MS);
	client_end(&client);
	tell(ends->out, logins);
	out = client_results(ends);
	fprintf(out, "\"logins\":%llu,\"wall_per_s\":%.1f,\"client_us\":%.1f,",
	    (unsigned long long)logins, (double)logins * 1e9 /
	    (double)(to.ns - from.ns), (to.cpu_s - from.cpu_s) * 1e6 /
	    (double)logins);
	latencies_print(&latencies, out);
	exit(0);
}

/* --- Server ------------------------------------------------------------ */

static void
on_event(struct server *server, const struct sj_event *event)
{
	const struct sj_identity *identity;

	if (event->type != SJ_EV_STARTED)
		return;
	identity = sj_session_identity(event->session);
	if (identity == NULL || strcmp(identity->mechanism, "publickey") != 0 ||
	    strncmp(identity->credential, "ssh-ed25519 SHA256:", 19) != 0)
		die("a login without the key");
	server->count++;
}

static uint64_t
stored_logins(struct sj_endpoint *endpoint)
{
	struct sj_identity identity;
	struct sj_event event;
	uint64_t cursor = 0, count = 0;
	int result;

	while ((result = sj_sessions_list(endpoint, NULL, &identity,
	    &cursor)) != 0) {
		if (result == 1)
			count++;
		else if (result != SJ_AGAIN ||
		    sj_poll(endpoint, &event, 10000) <= 0)
			die("the store does not list its logins");
	}
	return count;
}

int
main(int argc, char **argv)
{
	struct server server = { .on_event = on_event };
	const struct mark *from = &server.marks[0], *to = &server.marks[1];
	size_t in_flight = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	const char *description;
	struct ends ends;
	uint64_t logins, stored;
	double cpu_us;

	if (argc != 4 || in_flight < 1 || in_flight > IN_FLIGHT_MAX)
		die("usage: handshake SECONDS DIRECTORY IN_FLIGHT");
	if (split(&ends))
		client_run(argv[2], atof(argv[1]), in_flight, &ends);
	server_open(&server, argv[2], ends.out);
	server_run(&server);
	logins = to->count - from->count;
	cpu_us = (to->usage.cpu_s - from->usage.cpu_s) * 1e6 / (double)logins;
	stored = stored_logins(server.endpoint);
	/* The first one has logged out. */
	if (stored != server.count - 1)
		die("%llu logins, %llu of them stored after a logout",
		    (unsigned long long)server.count,
		    (unsigned long long)stored);
	description = server_describe(&server);
	server_close(&server);
	if (logins == 0 || logins != hear(ends.in))
		die("the two ends count differently");
	join(&ends, "\"per_core_s\":%.1f,\"server_us\":%.1f,\"in_flight\":%zu,"
	    "\"stored\":%llu,%s", 1e6 / cpu_us, cpu_us, in_flight,
	    (unsigned long long)stored, description);
	return 0;
}
