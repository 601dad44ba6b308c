/* SPDX-License-Identifier: ISC */
/*
 * fuzz_ssh_agent.c - what an ssh-agent answers
 *
 * The input says in which pieces the answers come: to the question for keys,
 * and then to the one for a signature. A key is asked for only if the agent
 * named it and it is of a kind that is taken; every question has one end.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "core/endpoint_internal.h"
#include "io/driver.h"

static struct program script;
static struct sj_endpoint *server;
static unsigned ends;                   /* answers to the session */

static ssize_t
give_bytes(int fd, void *bytes, size_t room, int flags)
{
	uint8_t how = take_byte(&script);
	struct span span = take_span(&script, min_size(room,
	    how < 128 ? how : 4096));

	(void)flags;
	MUST(fd == 7 && room > 0);
	if (span.length > 0)
		memcpy(bytes, span.data, span.length);
	else if (how == 127 && !program_is_over(&script)) {
		errno = EAGAIN;
		return -1;
	}
	return (ssize_t)span.length;
}

static void
no_unwatch(struct driver *driver, int fd)
{
	(void)driver;
	(void)fd;
}

static int
no_watch(struct driver *driver, int fd, uint32_t events,
    driver_callback *callback, void *data)
{
	(void)driver;
	(void)fd;
	(void)events;
	(void)callback;
	(void)data;
	return 0;
}

static void
take_answer(struct sj_endpoint *endpoint, uint64_t request,
    const struct sj_answer *answer)
{
	MUST(endpoint == server && request == 77);
	MUST(answer->error < 0 || answer->length > 0);
	ends++;
}

#define recv give_bytes
#define driver_unwatch no_unwatch
#define driver_watch no_watch
#define close(fd) ((void)(fd))
#define finish finish_agent
#define ssh_agent_ask ask_for_real
#include "io/ssh_agent.c"
#undef finish
#undef ssh_agent_ask
#undef close

/* --- The signer on top of it ---------------------------------------------------- */

static struct ssh_agent *asked;

static struct ssh_agent *
ask(struct driver *driver, const char *path, uint8_t type, const uint8_t *body,
    size_t length, ssh_agent_answer *answer, void *data)
{
	struct ssh_agent *agent = calloc(1, sizeof *agent);

	MUST(agent != NULL && strcmp(path, "agent") == 0 && asked == NULL);
	MUST(type == SSH_AGENT_SIGN ? length > 8 && body != NULL :
	    length == 0);
	agent->driver = driver;
	agent->answer = answer;
	agent->data = data;
	agent->fd = 7;
	agent->timer_fd = -1;
	agent->buffer = malloc(ANSWER_MAX);
	MUST(agent->buffer != NULL);
	asked = agent;
	return agent;
}
#define ssh_agent_ask ask
#define sj_core_answer take_answer
#include "io/signer.c"

static int
no_random(void *context, void *out, size_t length)
{
	(void)context;
	memset(out, 5, length);
	return 0;
}

static void
set_up(void)
{
	static const struct sj_io io = { .none = 1, .random = no_random };
	static const uint8_t key[32] = { 1 };
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

	options.listen = "fuzz";
	MUST(sj__endpoint_create(&server, &options, &io, key) == 0);
}

/* Lets the agent speak until it has answered, or is given up. */
static void
listen_to(void)
{
	struct ssh_agent *agent;

	while ((agent = asked) != NULL) {
		size_t used = agent->used;
		unsigned before = ends;

		asked = NULL;
		on_readable(agent, 0);
		/* It is still asked if neither an answer nor a new question came
		 * of it. */
		if (asked == NULL && ends == before) {
			asked = agent;
			if (agent->used == used && program_is_over(&script)) {
				asked = NULL;
				on_timeout(agent, 0);
			}
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct signer signer;
	struct job *job = &signer.jobs[0];
	uint8_t first;

	script = program_of(data, size);
	first = take_byte(&script);
	if (server == NULL)
		set_up();
	memset(job, 0, sizeof *job);
	ends = 0;
	asked = NULL;
	job->signer = &signer;
	job->is_open = true;
	job->endpoint = server;
	job->request = 77;
	job->number = 1 + (first & 3);
	strcpy(job->socket, "agent");
	job->wants_one = first & 4;
	if (job->wants_one) {
		memcpy(job->blob, "\0\0\0\x0bssh-ed25519\0\0\0\x20", 19);
		job->blob_length = 51;
	}
	job->agent = ask(NULL, "agent", SSH_AGENT_IDENTITIES, NULL, 0,
	    on_identities, job);
	listen_to();
	MUST(ends == 1 && !job->is_open);
	return 0;
}
