/* SPDX-License-Identifier: ISC */
/*
 * login.c - sj_login(): the target, the known key, the address
 *
 * And what the options decide in the application's place: a server with a file
 * of authorized keys never shows SJ_EV_LOGIN; a client with a state directory
 * remembers keys of servers.
 */
#include <errno.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/authorized_keys.h"
#include "io/base64.h"
#include "io/driver_internal.h"
#include "io/known_hosts.h"

struct target {
	char user[256], host[256], application[256];
	uint16_t port;
};

/* --- Target ------------------------------------------------------------ */

static bool
take(char *out, size_t size, const char *from, size_t length)
{
	if (length >= size)
		return false;
	memcpy(out, from, length);
	out[length] = '\0';
	return true;
}

static bool
own_name(char *out, size_t size)
{
	struct passwd entry, *found = NULL;
	char buffer[4096];

	if (getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) != 0 ||
	    found == NULL)
		return false;
	return take(out, size, found->pw_name, strlen(found->pw_name));
}

/* [user@]host[:port][/application] */
static bool
parse_target(const char *text, const char *application, struct target *target)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	const char *at = NULL, *host = text, *end = text + length, *colon;
	char *rest;
	long port = SJ_PORT;

	memset(target, 0, sizeof *target);
	if (slash != NULL)
		application = slash + 1;
	if (application == NULL || *application == '\0' ||
	    !take(target->application, sizeof target->application, application,
	    strlen(application)))
		return false;
	for (const char *i = text; i < end; i++)
		if (*i == '@')
			at = i;
	if (at != NULL) {
		host = at + 1;
		if (at == text || !take(target->user, sizeof target->user, text,
		    (size_t)(at - text)))
			return false;
	} else if (!own_name(target->user, sizeof target->user)) {
		return false;
	}
	colon = end;
	if (*host == '[') {
		host++;
		colon = memchr(host, ']', (size_t)(end - host));
		if (colon == NULL || !take(target->host, sizeof target->host,
		    host, (size_t)(colon - host)))
			return false;
		colon++;
	} else {
		const char *found = memchr(host, ':', (size_t)(end - host));

		colon = found != NULL ? found : end;
		if (!take(target->host, sizeof target->host, host,
		    (size_t)(colon - host)))
			return false;
	}
	if (colon < end) {
		port = strtol(colon + 1, &rest, 10);
		if (*colon != ':' || rest != end || port < 1 || port > 65535)
			return false;
	}
	target->port = (uint16_t)port;
	return target->host[0] != '\0';
}

/* --- Looking up -------------------------------------------------------- */

static void
on_resolved(void *data, uint32_t events)
{
	struct lookup *lookup = data;
	struct sj_path paths[RESOLVE_ADDRESSES] = { 0 };
	struct sj_session *session = lookup->session;
	struct resolved result;
	char text[400];
	int error = SJ_ERR_RESOLVE;

	(void)events;
	if (read(lookup->fd, &result, sizeof result) != sizeof result) {
		result.count = 0;
		result.error = EAI_AGAIN;
	}
	driver_unwatch(lookup->driver, lookup->fd);
	close(lookup->fd);
	lookup->session = NULL;
	if (result.error == 0 && result.count > 0) {
		for (int i = 0; i < (int)result.count; i++) {
			paths[i].transport = SJ_TRANSPORT_UDP;
			paths[i].remote = result.addresses[i];
		}
		error = sj_core_login_paths(session, clock_now(), paths,
		    (size_t)result.count);
	}
	if (error < 0) {
		snprintf(text, sizeof text, "%s: %s", lookup->host,
		    result.error != 0 ? gai_strerror(result.error) :
		    sj_strerror(error));
		sj_core_login_fail(session, error, text);
	}
}

static int
start_lookup(struct driver *driver, struct sj_session *session,
    const struct target *target)
{
	struct lookup *lookup = NULL;

	for (int i = 0; i < LOOKUPS_MAX && lookup == NULL; i++)
		if (driver->lookups[i].session == NULL)
			lookup = &driver->lookups[i];
	if (lookup == NULL)
		return SJ_ERR_LIMIT;
	lookup->fd = resolve_start(target->host, target->port);
	if (lookup->fd < 0)
		return SJ_ERR_RESOLVE;
	lookup->driver = driver;
	lookup->session = session;
	strcpy(lookup->host, target->host);
	if (driver_watch(driver, lookup->fd, EPOLLIN, on_resolved,
	    lookup) < 0) {
		close(lookup->fd);
		lookup->session = NULL;
		return SJ_ERR_LIMIT;
	}
	return 0;
}

/* A session is gone while its name is still looked up. */
static void
forget_lookup(struct driver *driver, const struct sj_session *session)
{
	for (int i = 0; i < LOOKUPS_MAX; i++) {
		struct lookup *lookup = &driver->lookups[i];

		if (lookup->session == NULL ||
		    (session != NULL && lookup->session != session))
			continue;
		driver_unwatch(driver, lookup->fd);
		close(lookup->fd);
		lookup->session = NULL;
	}
}

void
logins_forget(struct driver *driver)
{
	forget_lookup(driver, NULL);
}

/* --- sj_login ---------------------------------------------------------- */

/* Is this the key that the caller pinned, by itself or by its fingerprint? */
static bool
is_pinned(struct driver *driver, const char *pin, const uint8_t *pinned,
    const uint8_t key[32])
{
	char text[SJ__FINGERPRINT_SIZE];

	if (pinned != NULL)
		return memcmp(pinned, key, 32) == 0;
	sj__fingerprint(driver->endpoint, key, text);
	return strcmp(pin, text) == 0;
}

/* The key to expect: pinned by the caller, or known from before. [SJ-HS-31] What
 * is known of a key counts where it is pinned, too. */
static int
find_key(struct driver *driver, const struct target *target,
    struct sj_core_login *login, uint8_t pinned[32], struct known_host *known)
{
	const struct sj_endpoint_options *options =
	    sj__endpoint_options(driver->endpoint);
	const char *pin = login->options.server_key;
	int found;

	if (pin != NULL && strncmp(pin, "SHA256:", 7) != 0) {
		if (base64_decode(pin, strlen(pin), pinned, 32) != 32)
			return SJ_ERR_ARGUMENT;
		login->server_key = pinned;
		login->server_key_where = "pinned";
	}
	if (options->state_dir == NULL)
		return 0;
	found = known_hosts_find(options->state_dir, target->host, target->port,
	    known);
	if (found < 0)
		return SJ_ERR_FILE;
	if (found == 1 && (pin == NULL || is_pinned(driver, pin,
	    login->server_key, known->key))) {
		login->server_key = known->key;
		login->server_key_is_hybrid = known->is_hybrid;
		login->server_key_where = known->where;
	}
	return 0;
}

static void
fail_known_hosts(struct sj_endpoint *endpoint, int cause)
{
	char text[512];

	snprintf(text, sizeof text, "%.300s/known_hosts cannot be read: %s",
	    sj__endpoint_options(endpoint)->state_dir, cause == EINVAL ?
	    "it is not a regular file" : strerror(cause));
	sj__endpoint_set_error(endpoint, text);
}

int
sj_login(struct sj_endpoint *endpoint, const char *text,
    const struct sj_login_options *options, struct sj_session **session)
{
	struct sj_core_login login = { .options = SJ_LOGIN_OPTIONS };
	struct driver *driver;
	struct target target;
	struct known_host known;
	uint8_t pinned[32];
	char literal[320];
	int error;

	if (session == NULL)
		return SJ_ERR_ARGUMENT;
	*session = NULL;
	if (endpoint == NULL || text == NULL || (driver =
	    sj__endpoint_driver(endpoint)) == NULL ||
	    (options != NULL && options->size < sizeof(size_t)))
		return SJ_ERR_ARGUMENT;
	if (!parse_target(text, sj__endpoint_options(endpoint)->application,
	    &target)) {
		sj__endpoint_set_error(endpoint, "the target is not "
		    "[user@]host[:port][/application]");
		return SJ_ERR_ARGUMENT;
	}
	if (options != NULL)
		memcpy(&login.options, options, options->size <
		    sizeof login.options ? options->size :
		    sizeof login.options);
	login.server_name = target.host;
	login.application = target.application;
	login.user = target.user;
	error = find_key(driver, &target, &login, pinned, &known);
	if (error == SJ_ERR_FILE)
		fail_known_hosts(endpoint, errno);
	else if (error < 0)
		sj__endpoint_set_error(endpoint,
		    "the server key is neither SHA256:... nor BASE64");
	if (error < 0)
		return error;
	snprintf(literal, sizeof literal, "[%s]:%u", target.host, target.port);
	if (strchr(target.host, ':') == NULL)
		snprintf(literal, sizeof literal, "%s:%u", target.host,
		    target.port);
	if (address_parse(literal, SJ_PORT, &login.path.remote))
		login.path.transport = SJ_TRANSPORT_UDP;
	error = sj_core_login(endpoint, clock_now(), &login, session);
	if (error == 0 && login.path.transport == 0) {
		error = start_lookup(driver, *session, &target);
		if (error < 0)
			sj_core_login_fail(*session, error, NULL);
		error = 0;
	}
	return error;
}

/* --- Events on their way ----------------------------------------------- */

static void
decide(struct driver *driver, struct sj_session *session, const char *file)
{
	char why[256] = "";
	size_t length;
	const void *blob = sj_core_session_credential(session, &length);
	int allowed = authorized_keys_check(file, blob, length, why,
	    sizeof why);

	if (allowed != 1 && why[0] != '\0')
		sj__endpoint_set_error(driver->endpoint, why);
	if (allowed == 1)
		(void)sj_login_accept(session, NULL);
	else
		(void)sj_login_refuse(session);
}

/* A key that was just trusted; or one known before, which now did the hybrid
 * exchange for the first time. Host and port as known_hosts names them. */
static void
remember_key(struct driver *driver, struct sj_event *event,
    const char *state_dir)
{
	struct sj_session *session = event->session;
	char text[512];
	const uint8_t *key = sj_core_session_server_key(session);
	unsigned port = session->channel != NULL ?
	    session->channel->current.path->key.remote.port : SJ_PORT;
	bool is_hybrid = session->channel != NULL &&
	    session->channel->is_hybrid;
	struct known_host known;

	if (key == NULL || !(session->newly_trusted ||
	    (is_hybrid && !session->must_be_hybrid)))
		return;
	if (!session->newly_trusted && (known_hosts_find(state_dir,
	    session->server_name, port, &known) != 1 ||
	    memcmp(known.key, key, 32) != 0 || known.is_hybrid))
		return;
	session->newly_trusted = false;
	if (known_hosts_add(state_dir, session->server_name, port, key,
	    is_hybrid) == 0)
		return;
	/* logged in all the same: it is asked again the next time */
	snprintf(text, sizeof text, "%.300s/known_hosts: the key of the server "
	    "cannot be remembered: %s", state_dir, strerror(errno));
	sj__endpoint_set_error(driver->endpoint, text);
	event->text = sj_endpoint_error(driver->endpoint);
}

bool
login_event(struct driver *driver, struct sj_event *event)
{
	const struct sj_endpoint_options *options =
	    sj__endpoint_options(driver->endpoint);

	if (event->type == SJ_EV_PROMPT && !event->session->awaiting_trust) {
		if (event->session->question == NULL ||
		    event->session->question->text == NULL)
			return true;    /* nobody wants to know any more */
		event->code = SJ_PROMPT_PASSPHRASE;
		event->text = event->session->question->text;
	}
	if (event->type == SJ_EV_LOGIN && options->authorized_keys != NULL) {
		decide(driver, event->session, options->authorized_keys);
		return true;
	}
	if (event->type == SJ_EV_STARTED && options->state_dir != NULL)
		remember_key(driver, event, options->state_dir);
	if (event->type == SJ_EV_ENDED)
		forget_lookup(driver, event->session);
	return false;
}
