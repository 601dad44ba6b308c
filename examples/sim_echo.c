/* SPDX-License-Identifier: ISC */
/* A program and its test: an hour of a link that loses every fifth datagram.
 * cc sim_echo.c $(pkg-config --cflags --libs libsojourn-sim) */
#include <sojourn_sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

struct question { char text[32], answer[32]; size_t length; int done; };

static void
answer_it(struct sj_stream *stream)        /* the program under test: it echoes */
{
	const void *bytes;
	ptrdiff_t n, taken;

	while ((n = sj_stream_peek(stream, &bytes)) > 0 && (taken = sj_stream_write(stream, bytes, (size_t)n)) > 0)
		sj_stream_consume(stream, (size_t)taken);
	if (n == 0)
		sj_stream_finish(stream);
	if (n == 0 || (n < 0 && n != SJ_AGAIN))
		sj_stream_close(stream);
}

static void
on_server(const struct sj_event *event)
{
	if (event->type == SJ_EV_LOGIN)
		sj_login_accept(event->session, NULL);
	else if (event->type == SJ_EV_READABLE || event->type == SJ_EV_WRITABLE)
		answer_it(event->stream);
	else if (event->type == SJ_EV_ENDED)
		sj_session_close(event->session);
}

static void
on_client(const struct sj_event *event)
{
	struct question *question = event->stream_data;
	ptrdiff_t n;

	if (event->type == SJ_EV_ENDED)
		fprintf(stderr, "the login is over: %s\n", event->text), exit(1);
	if (event->type != SJ_EV_READABLE)
		return;
	while ((n = sj_stream_read(event->stream, question->answer + question->length, sizeof question->answer - question->length)) > 0)
		question->length += (size_t)n;
	if (n != 0)
		return;
	question->done = strcmp(question->text, question->answer) == 0;
	sj_stream_close(event->stream);
}

int
main(int argc, char **argv)                /* ./sim_echo [SEED] */
{
	struct sj_endpoint_options client_options = SJ_ENDPOINT_OPTIONS, server_options = SJ_ENDPOINT_OPTIONS;
	struct sj_sim_link lossy = { .size = sizeof lossy, .delay_ns = SECOND / 20, .jitter_ns = SECOND / 100, .loss = 2000 };
	struct sj_login_options login = { .size = sizeof login, .timeout_ms = 60000, .trust_first_use = 1 };
	static struct question questions[60];
	struct sj_sim_stats stats = { .size = sizeof stats };
	struct sj_endpoint *client, *server, *whose;
	struct sj_session *session;
	struct sj_stream *stream;
	struct sj_event event;
	struct sj_sim *sim;
	int answered = 0;

	client_options.application = server_options.application = "echo";
	server_options.listen = "here";
	if (sj_sim_open(&sim, argc > 1 ? strtoull(argv[1], NULL, 10) : 1) < 0 ||
	    sj_sim_endpoint_open(sim, &server, &server_options) < 0 || sj_sim_endpoint_open(sim, &client, &client_options) < 0 ||
	    sj_sim_link(sim, NULL, NULL, &lossy) < 0 || sj_sim_login(sim, client, server, "alice", &login, &session) < 0)
		return 1;
	for (int minute = 0; minute < 60; minute++) {      /* a question a minute; now and then another address */
		struct sj_stream_options to = { .size = sizeof to, .service = "echo", .data = &questions[minute] };

		snprintf(questions[minute].text, sizeof questions[minute].text, "question %d of %d", minute, (int)sj_sim_random(sim, 1000));
		if (minute % 7 == 3 && sj_sim_rebind(sim, client) < 0)
			return 1;
		if (sj_stream_open(session, &stream, &to) < 0 ||
		    sj_stream_write(stream, questions[minute].text, strlen(questions[minute].text)) < 0 || sj_stream_finish(stream) < 0)
			return 1;
		while (sj_sim_poll(sim, ((uint64_t)minute + 1) * 60 * SECOND, &whose, &event) > 0)
			if (whose == server)
				on_server(&event);
			else
				on_client(&event);
	}
	for (int minute = 0; minute < 60; minute++)
		answered += questions[minute].done;
	sj_sim_stats(sim, &stats);
	printf("%d of 60 answered in %d s, %llu of %llu datagrams lost, trace %016llx\n", answered,
	    (int)(sj_sim_now(sim).boot_ns / SECOND), (unsigned long long)stats.lost,
	    (unsigned long long)stats.datagrams, (unsigned long long)stats.hash);
	sj_sim_close(sim);
	return answered != 60 || stats.broken != NULL;
}
