/* SPDX-License-Identifier: ISC */
/*
 * serve/monitor_connect.c - connections to places: who may, and the connector
 *
 * The connector is started with the first connection and again if it has died.
 * Then all that waited for it have failed, which net learns at once: nobody
 * here knows their numbers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sojourn.h>

#include "serve/connector.h"
#include "serve/log.h"
#include "serve/monitor_internal.h"
#include "serve/spawn.h"

#define ORDER_PATIENCE_MS 5000       /* for the connector, which reads all the time */
#define RESULTS_AT_ONCE 64

static int
refuse(const struct monitor *monitor, uint64_t number, uint64_t code)
{
	struct answer answer = { .head = { .type = ANSWER_CONNECT,
		.number = number }, .error = SJ_ERR_RESET, .code = code };

	return answer_send(monitor, &answer, NULL, 0);
}

static void
log_refused(const struct login *login, const char *place, const char *cause)
{
	char text[4 * FORWARD_TEXT_MAX];

	log_event(LOG_NORMAL, "connect-refused session=%s place=\"%s\" "
	    "cause=\"%s\"", login != NULL ? login->id : "-",
	    log_escape(place, text, sizeof(text)), cause);
}

/* It belongs to no login: no session has the number 0. */
static int
start_connector(struct monitor *monitor)
{
	char *words[] = { (char *)(uintptr_t)monitor->options->program,
		(char *)(uintptr_t)"serve",
		(char *)(uintptr_t)CONNECTOR_OPTION, NULL };
	struct joints joints;
	pid_t pid;

	if (monitor->connector >= 0)
		return 0;
	if (processes_room(&monitor->processes, 0) != 0 ||
	    joints_open(&joints, 1) != 0)
		return SJ_ERR_LIMIT;
	pid = spawn_start(&(struct spawn){ .words = words,
		.directory = monitor->options->home,
		.stream = joints.stream[1], .extra = joints.children[1],
		.errors = joints.errors[1], .environment = {
		"PATH=", "/usr/local/bin:/usr/bin:/bin",
		"HOME=", monitor->options->home,
		"USER=", monitor->options->account, "LANG=", "C.UTF-8" } });
	joints_close(&joints, 1);
	if (pid <= 0) {
		joints_close(&joints, 0);
		return SJ_ERR_LIMIT;
	}
	processes_add(&monitor->processes, pid, 0, 0, "connect",
	    joints.errors[0]);
	close(joints.stream[0]); /* it says nothing there */
	monitor->connector = joints.children[0];
	log_event(LOG_VERBOSE, "connector-started pid=%d", (int)pid);
	return 0;
}

static int
lose_connector(struct monitor *monitor)
{
	size_t i;

	close(monitor->connector);
	monitor->connector = -1;
	for (i = 0; i < monitor->login_count; i++)
		monitor->logins[i].connecting = 0;
	log_event(LOG_NORMAL, "connector-died waiting=%zu",
	    monitor->connecting);
	monitor->connecting = 0;
	return refuse(monitor, 0, FORWARD_FAILED);
}

int
on_connect(struct monitor *monitor, const union request *request)
{
	const struct request_connect *asked = &request->connect;
	struct login *login = find_login(monitor, asked->session);
	struct connector_order order = { .number = request->head.number,
		.session = asked->session };
	struct forward_place place;
	char text[4 * FORWARD_TEXT_MAX];

	/* 0 is for all */
	if (login == NULL || order.number == 0 ||
	    !request_string_ok(asked->place, sizeof(asked->place)))
		return SJ_ERR_PROTOCOL;
	if (forward_read(&place, asked->place) != 0) {
		log_refused(login, asked->place, "not understood");
		return refuse(monitor, order.number, FORWARD_NOT_A_PLACE);
	}
	if (!permit_allows(&monitor->options->permit, &place)) {
		log_refused(login, asked->place, "not permitted");
		return refuse(monitor, order.number, FORWARD_FORBIDDEN);
	}
	if (login->connecting >= CONNECTOR_WAITING_PER_LOGIN ||
	    monitor->connecting >= CONNECTOR_WAITING_MAX ||
	    start_connector(monitor) != 0) {
		log_refused(login, asked->place, "too many wait");
		return refuse(monitor, order.number, SJ_RESET_LIMIT);
	}
	forward_format(&place, order.place);
	login->connecting++;
	monitor->connecting++;
	if (request_send(monitor->connector, &order, sizeof(order), NULL, 0,
	    ORDER_PATIENCE_MS) != 0)
		return lose_connector(monitor);
	log_event(LOG_VERBOSE, "connect session=%s place=\"%s\"", login->id,
	    log_escape(order.place, text, sizeof(text)));
	return 0;
}

struct pollfd
connector_poll(const struct monitor *monitor)
{
	return (struct pollfd){ monitor->connector, POLLIN, 0 };
}

static int
pass_on(struct monitor *monitor, struct connector_result *result,
    const int *descriptors, size_t count)
{
	struct login *login = find_login(monitor, result->session);
	struct answer answer = { .head = { .type = ANSWER_CONNECT,
		.number = result->number } };
	char place[4 * FORWARD_TEXT_MAX];

	monitor->connecting -= monitor->connecting > 0;
	if (login == NULL)
		return 0; /* it has ended in the meantime */
	login->connecting -= login->connecting > 0;
	if (count == 1 && result->code == 0)
		return answer_send(monitor, &answer, descriptors, 1);
	result->place[sizeof(result->place) - 1] = '\0';
	result->text[sizeof(result->text) - 1] = '\0';
	if (result->code == 0)
		snprintf(result->text, sizeof(result->text),
		    "no descriptor left");
	log_event(LOG_NORMAL, "connect-failed session=%s place=\"%s\" "
	    "cause=\"%s\"", login->id, log_escape(result->place, place,
	    sizeof(place)), result->text);
	return refuse(monitor, result->number, result->code != 0 ?
	    result->code : FORWARD_FAILED);
}

int
connector_work(struct monitor *monitor)
{
	int i, answered = 0;

	for (i = 0; i < RESULTS_AT_ONCE && answered == 0; i++) {
		struct connector_result result;
		int descriptors[2];
		size_t count, k;
		ptrdiff_t length = request_receive(monitor->connector,
		    &result, sizeof(result), descriptors, &count);

		if (length == SJ_AGAIN)
			return 0;
		if (length != (ptrdiff_t)sizeof(result) || result.number == 0)
			answered = lose_connector(monitor);
		else
			answered = pass_on(monitor, &result, descriptors,
			    count);
		for (k = 0; k < count; k++)
			close(descriptors[k]);
		if (monitor->connector < 0)
			break;
	}
	/* net is ending: its socket tells */
	return answered == SJ_ERR_ENDED ? 0 : answered;
}
