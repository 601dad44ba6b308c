/* SPDX-License-Identifier: ISC */
/* hostile.c - a pair of which the client may send what it likes */
#include "hostile.h"

static void (*script)(struct writer *writer);

static int
no_frame(void *user, struct sj_time now, const struct frame *frame)
{
	(void)user;
	(void)now;
	(void)frame;
	return 0;
}

static void
run_script(void *user, struct sj_time now, struct writer *writer)
{
	(void)user;
	(void)now;
	if (script != NULL)
		script(writer);
	script = NULL;
}

static bool
has_script(const void *user)
{
	(void)user;
	return script != NULL;
}

static void
no_settled(void *user, const struct sj__sent_record *record, bool delivered)
{
	(void)user;
	(void)record;
	(void)delivered;
}

static void
no_closed(void *user, struct sj_time now, int error, const char *text)
{
	(void)user;
	(void)now;
	(void)error;
	(void)text;
}

static bool
expects_nothing(const void *user)
{
	(void)user;
	return false;
}

static void
no_moved(void *user, struct sj_time now)
{
	(void)user;
	(void)now;
}

static void
no_away(void *user, struct sj_time now, bool is_away)
{
	(void)user;
	(void)now;
	(void)is_away;
}

static const struct sj__channel_user scripted = {
	.expects = expects_nothing,
	.on_moved = no_moved,
	.on_away = no_away,
	.on_closed = no_closed,
	.on_frame = no_frame,
	.fill = run_script,
	.has_data = has_script,
	.on_settled = no_settled,
};

struct pair *
hostile_start(void)
{
	struct pair *pair = calloc(1, sizeof *pair);

	pair_seed(1);
	pair_open(pair);
	pair_log_in(pair);
	return pair;
}

void
hostile_end(struct pair *pair)
{
	struct sj__channel *channel = pair_channel(pair->client->endpoint);

	if (channel != NULL && channel->user == &scripted)
		channel->user = &sj__session_channel_user;
	pair_close(pair);
	free(pair);
}

void
hostile_script(struct sj__channel *channel, void (*write)(struct writer *))
{
	script = write;
	channel->user = &scripted;
	sj__channel_wake(channel);
}

void
hostile_play(struct pair *pair, void (*write)(struct writer *))
{
	hostile_script(pair_channel(pair->client->endpoint), write);
	pair_exchange(pair, 1);
}

void
expect(bool is_so, const char *text)
{
	if (!is_so)
		fail(NULL, text);
}

void
hostile_inject(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	static uint8_t copy[DATAGRAM_MAX + 1];
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	memcpy(copy, bytes, length);
	if (side == 1)
		path.remote.ip[15] = 1;
	path.remote.port = side == 1 ? pair->port : SJ_PORT;
	sj_core_receive(side == 0 ? pair->client->endpoint :
	    pair->world.server, pair->world.now, &path, SJ_ECN_NONE, copy,
	    length, length);
}
