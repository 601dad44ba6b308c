/* SPDX-License-Identifier: ISC */
#include <sojourn.h>
#include <stdio.h>
#include <string.h>
int
main(int argc, char **argv)                /* ./echo alice@localhost hello */
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_stream_options to = { .size = sizeof to, .service = "echo" };
	struct sj_endpoint *endpoint; struct sj_session *session; struct sj_stream *stream; struct sj_event ev;
	char line[4096];
	ptrdiff_t n = SJ_AGAIN;

	options.application = "echo";
	options.state_dir = "echo-state";                  /* known server keys */
	if (argc < 3 || sj_endpoint_open(&endpoint, &options) < 0 || sj_login(endpoint, argv[1], NULL, &session) < 0)
		return 255;
	if (sj_stream_open(session, &stream, &to) < 0 || sj_stream_write(stream, argv[2], strlen(argv[2])) < 0 || sj_stream_finish(stream) < 0)
		return 255;                                /* queued before the login is through: nothing waits */
	while (n != 0 && sj_poll(endpoint, &ev, -1) > 0)
		if (ev.type == SJ_EV_PROMPT)
			fputs(ev.text, stderr), sj_login_answer(session, fgets(line, sizeof line, stdin));
		else if (ev.type == SJ_EV_ENDED || ev.type == SJ_EV_RESET)
			return fprintf(stderr, "echo: %s\n", ev.text), 255;
		else if (ev.type == SJ_EV_READABLE)
			while ((n = sj_stream_read(stream, line, sizeof line)) > 0)
				fwrite(line, 1, n, stdout);
	sj_endpoint_close(endpoint);                       /* still logged in; sj_logout(session) would end it */
	return 0;
}
