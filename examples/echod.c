/* SPDX-License-Identifier: ISC */
#include <sojourn.h>                       /* cc echod.c $(pkg-config --cflags --libs libsojourn libsojourn-sqlite) */
#include <sojourn_sqlite.h>
#include <stdio.h>
static void
echo(struct sj_stream *stream)             /* as fast as the peer reads, no faster */
{
	const void *bytes;
	ptrdiff_t n, taken;

	while ((n = sj_stream_peek(stream, &bytes)) > 0 && (taken = sj_stream_write(stream, bytes, n)) > 0)
		sj_stream_consume(stream, taken);
	if (n == 0)
		sj_stream_finish(stream);
	if (n == 0 || (n < 0 && n != SJ_AGAIN))
		sj_stream_close(stream);
}
int
main(void)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_endpoint *endpoint;
	struct sj_event ev;
	int err;

	options.application = "echo";
	options.listen = "[::]:7531";
	options.host_key_file = "host.key";                /* made at the first start */
	options.authorized_keys = "authorized_keys";       /* ssh's format; without it SJ_EV_LOGIN asks you */
	options.store = sj_store_sqlite("logins.db");      /* logins survive kill -9 */
	err = sj_endpoint_open(&endpoint, &options);
	while (err >= 0 && (err = sj_poll(endpoint, &ev, -1)) >= 0)
		switch (ev.type) {
		case SJ_EV_STARTED: printf("%s %s\n", sj_session_identity(ev.session)->user, ev.resumed ? "is back" : "logged in"); break;
		case SJ_EV_READABLE: case SJ_EV_WRITABLE: echo(ev.stream); break;
		case SJ_EV_RESET: sj_stream_close(ev.stream); break;
		case SJ_EV_ENDED: sj_session_close(ev.session); break;
		default: break;
		}
	return fprintf(stderr, "echod: %s\n", sj_strerror(err)), 1;
}
