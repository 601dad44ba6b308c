/* SPDX-License-Identifier: ISC */
/*
 * serve/processes.c - the table of service processes
 *
 * What a service writes to its stderr becomes lines of the log, escaped and
 * under the log's rate, so that a service cannot forge the server's words.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sojourn.h>

#include "serve/log.h"
#include "serve/processes.h"

#define GRACE_MS 5000

uint64_t
processes_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
processes_init(struct processes *processes)
{
	size_t i;

	memset(processes, 0, sizeof(*processes));
	for (i = 0; i < PROCESSES_MAX; i++)
		processes->slots[i].errors = -1;
}

static int
is_free(const struct process *process)
{
	return process->pid == 0 && process->errors < 0;
}

int
processes_room(const struct processes *processes, uint64_t session)
{
	size_t i, same = 0, unused = 0;

	for (i = 0; i < PROCESSES_MAX; i++) {
		const struct process *process = &processes->slots[i];

		unused += is_free(process) ? 1 : 0;
		same += process->pid != 0 && process->session == session;
	}
	return unused > 0 && same < PROCESSES_PER_SESSION ? 0 : SJ_ERR_LIMIT;
}

void
processes_add(struct processes *processes, pid_t pid, uint64_t number,
    uint64_t session, const char *service, int errors)
{
	size_t i;

	for (i = 0; i < PROCESSES_MAX; i++) {
		struct process *process = &processes->slots[i];

		if (!is_free(process))
			continue;
		memset(process, 0, sizeof(*process));
		process->pid = pid;
		process->number = number;
		process->session = session;
		process->errors = errors;
		snprintf(process->service, sizeof(process->service), "%s",
		    service);
		return;
	}
	close(errors);
}

void
processes_end(struct processes *processes, uint64_t session, uint64_t number)
{
	size_t i;

	for (i = 0; i < PROCESSES_MAX; i++) {
		struct process *process = &processes->slots[i];

		if (process->pid == 0 || process->kill_at_ms != 0 ||
		    (session != 0 && process->session != session) ||
		    (number != 0 && process->number != number))
			continue;
		/* the group is made by the child itself: it may not be yet */
		if (kill(-process->pid, SIGHUP) != 0)
			kill(process->pid, SIGHUP);
		process->kill_at_ms = processes_now_ms() + GRACE_MS;
	}
}

int
processes_tick(struct processes *processes)
{
	uint64_t now_ms = processes_now_ms();
	int64_t wait_ms = -1;
	size_t i;

	for (i = 0; i < PROCESSES_MAX; i++) {
		struct process *process = &processes->slots[i];

		if (process->pid == 0 || process->kill_at_ms == 0)
			continue;
		if (process->kill_at_ms <= now_ms) {
			if (kill(-process->pid, SIGKILL) != 0)
				kill(process->pid, SIGKILL);
			process->kill_at_ms = now_ms + GRACE_MS;
		}
		if (wait_ms < 0 ||
		    (int64_t)(process->kill_at_ms - now_ms) < wait_ms)
			wait_ms = (int64_t)(process->kill_at_ms - now_ms);
	}
	return (int)wait_ms;
}

int
processes_reaped(struct processes *processes, pid_t pid, int status)
{
	size_t i;

	for (i = 0; i < PROCESSES_MAX; i++) {
		struct process *process = &processes->slots[i];

		if (process->pid != pid)
			continue;
		if (WIFSIGNALED(status))
			log_event(LOG_NORMAL, "service-ended service=%s "
			    "pid=%d signal=%d", process->service, (int)pid,
			    WTERMSIG(status));
		else
			log_event(WEXITSTATUS(status) != 0 ? LOG_NORMAL
			    : LOG_VERBOSE, "service-ended service=%s pid=%d "
			    "exit=%d", process->service, (int)pid,
			    WEXITSTATUS(status));
		process->pid = 0;
		return 1;
	}
	return 0;
}

size_t
processes_polls(const struct processes *processes, struct pollfd *polls,
    size_t capacity)
{
	size_t count = 0, i;

	for (i = 0; i < PROCESSES_MAX && count < capacity; i++) {
		if (processes->slots[i].errors < 0)
			continue;
		polls[count].fd = processes->slots[i].errors;
		polls[count].events = POLLIN;
		polls[count].revents = 0;
		count++;
	}
	return count;
}

static void
write_line(struct process *process)
{
	char text[4 * sizeof(process->line) + 8];

	process->line[process->line_length] = '\0';
	if (process->line_length > 0)
		log_event(LOG_NORMAL, "service-says service=%s text=\"%s\"",
		    process->service,
		    log_escape(process->line, text, sizeof(text)));
	process->line_length = 0;
}

void
processes_read(struct processes *processes, int errors)
{
	struct process *process = NULL;
	char bytes[4096];
	ssize_t length, k;
	size_t i;

	for (i = 0; i < PROCESSES_MAX; i++)
		if (processes->slots[i].errors == errors)
			process = &processes->slots[i];
	if (process == NULL)
		return;
	length = read(errors, bytes, sizeof(bytes));
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	for (k = 0; k < length; k++) {
		if (bytes[k] == '\n' ||
		    process->line_length == sizeof(process->line) - 1)
			write_line(process);
		if (bytes[k] != '\n' && bytes[k] != '\0')
			process->line[process->line_length++] = bytes[k];
	}
	if (length <= 0) {
		write_line(process);
		close(errors);
		process->errors = -1;
	}
}
