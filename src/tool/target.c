/* SPDX-License-Identifier: ISC */
/*
 * tool/target.c - see target.h
 */
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sojourn.h>

#include "tool/target.h"

static int
take(char *out, size_t capacity, const char *from, size_t length)
{
	size_t i;

	if (length == 0 || length >= capacity)
		return 0;
	for (i = 0; i < length; i++)
		if ((unsigned char)from[i] <= ' ' || from[i] == 0x7f)
			return 0;
	memcpy(out, from, length);
	out[length] = '\0';
	return 1;
}

static int
fail(char *error, size_t capacity, const char *text, const char *why)
{
	snprintf(error, capacity, "\"%.200s\" is not a target: %s", text, why);
	return SJ_ERR_ARGUMENT;
}

/* "7531" of length bytes; 0: not a port. */
static unsigned
parse_port(const char *text, size_t length)
{
	unsigned port = 0;
	size_t i;

	if (length == 0 || length > 5)
		return 0;
	for (i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	return port > 65535 ? 0 : port;
}

unsigned
target_port(const char *text)
{
	return parse_port(text, strlen(text));
}

static void
set_lower(char *host)
{
	for (; *host != '\0'; host++)
		*host = (char)tolower((unsigned char)*host);
}

int
target_set_host(struct target *target, const char *host)
{
	size_t length = strlen(host);

	/* brackets, as in a target, or none */
	if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
	}
	if (strpbrk(host, "/@[") != NULL || memchr(host, ']', length) != NULL ||
	    !take(target->host, sizeof(target->host), host, length))
		return SJ_ERR_ARGUMENT;
	set_lower(target->host);
	return 0;
}

int
target_set_user(struct target *target, const char *user)
{
	return strchr(user, '/') == NULL && take(target->user,
	    sizeof(target->user), user, strlen(user)) ? 0 : SJ_ERR_ARGUMENT;
}

int
target_set_application(struct target *target, const char *application)
{
	return take(target->application, sizeof(target->application),
	    application, strlen(application)) ? 0 : SJ_ERR_ARGUMENT;
}

static int
take_user(struct target *target, const char **at, const char *end)
{
	const char *sign = end;
	const struct passwd *self;

	/* the last one: names of users may hold one, names of hosts not */
	while (sign > *at && sign[-1] != '@')
		sign--;
	if (sign > *at) {
		if (!take(target->user, sizeof(target->user), *at,
		    (size_t)(sign - 1 - *at)))
			return 0;
		*at = sign;
		target->names_user = 1;
		return 1;
	}
	self = getpwuid(geteuid());
	return self != NULL && take(target->user, sizeof(target->user),
	    self->pw_name, strlen(self->pw_name));
}

int
target_parse(struct target *target, const char *text, char *error,
    size_t capacity)
{
	const char *at = text, *slash = strchr(text, '/'), *end, *host_end;

	memset(target, 0, sizeof(*target));
	target->port = SJ_PORT;
	end = slash != NULL ? slash : text + strlen(text);
	if (slash != NULL && slash[1] != '\0' &&
	    !take(target->application, sizeof(target->application), slash + 1,
	    strlen(slash + 1)))
		return fail(error, capacity, text, "its application");
	if (!take_user(target, &at, end))
		return fail(error, capacity, text, "its user");
	if (*at == '[') {
		at++;
		host_end = memchr(at, ']', (size_t)(end - at));
		if (host_end == NULL || (host_end + 1 != end &&
		    host_end[1] != ':'))
			return fail(error, capacity, text, "its brackets");
		if (!take(target->host, sizeof(target->host), at,
		    (size_t)(host_end - at)))
			return fail(error, capacity, text, "its host");
		host_end++;
	} else {
		host_end = memchr(at, ':', (size_t)(end - at));
		if (host_end == NULL)
			host_end = end;
		else if (memchr(host_end + 1, ':',
		    (size_t)(end - host_end - 1)) != NULL)
			return fail(error, capacity, text,
			    "IPv6 addresses stand in brackets");
		if (!take(target->host, sizeof(target->host), at,
		    (size_t)(host_end - at)))
			return fail(error, capacity, text, "its host");
	}
	if (host_end != end) {
		target->port = parse_port(host_end + 1,
		    (size_t)(end - host_end - 1));
		if (target->port == 0)
			return fail(error, capacity, text, "its port");
		target->names_port = 1;
	}
	/* or else what is written of it would be another's */
	if (strpbrk(target->host, "[]") != NULL)
		return fail(error, capacity, text, "its host");
	strcpy(target->typed_host, target->host);
	set_lower(target->host);
	return 0;
}

void
target_format(const struct target *target, char *out, size_t capacity)
{
	int is_v6 = strchr(target->host, ':') != NULL;

	snprintf(out, capacity, "%s@%s%s%s:%u%s%s", target->user,
	    is_v6 ? "[" : "", target->host, is_v6 ? "]" : "", target->port,
	    target->application[0] != '\0' ? "/" : "", target->application);
}
