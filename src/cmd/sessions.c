/* SPDX-License-Identifier: ISC */
/*
 * cmd/sessions.c - see sessions.h
 *
 * The agent writes the answer into a pipe; its end is the end of the answer,
 * or of the agent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/client.h"
#include "cmd/sessions.h"
#include "tool/sessions_protocol.h"

static void
read_lines(int fd, void (*each)(void *data, const char *line), void *data)
{
	char line[SESSIONS_LINE_MAX];
	FILE *file = fdopen(fd, "r");

	if (file == NULL) {
		close(fd);
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		each(data, line);
	}
	fclose(file);
}

int
sessions_ask(struct client *client, uint64_t session, const char *request,
    void (*each)(void *data, const char *line), void *data)
{
	struct client_stream stream = { .session = session,
		.service = SESSIONS_SERVICE, .prefix = request,
		.prefix_length = strlen(request), .finish = 1, .source = -1 };
	struct client_event event;
	int ends[2], result;
	uint64_t number;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return SJ_ERR_LIMIT;
	stream.sink = ends[1];
	result = client_open(client, &stream, &number);
	close(ends[1]);
	if (result != 0) {
		close(ends[0]);
		return result;
	}
	read_lines(ends[0], each, data);
	do {
		result = client_next(client, &event, -1);
		if (result < 0)
			return result;
	} while (result == 0 || event.stream != number);
	return event.error;
}
