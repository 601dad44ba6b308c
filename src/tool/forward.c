/* SPDX-License-Identifier: ISC */
/*
 * tool/forward.c - see forward.h
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tool/forward.h"

#define FIELDS_MAX 4

struct field {
	int is_path;
	char text[1024];
};

static int
refuse_word(char *error, size_t capacity, const char *word, const char *why)
{
	snprintf(error, capacity, "\"%s\": %s", word, why);
	return SJ_ERR_ARGUMENT;
}

/* --- fields ------------------------------------------------------------ */

/* Up to the next ':', which is taken. 0: there is no field, or not one. */
static int
take_field(const char **at, struct field *field)
{
	const char *from = *at;
	int bracket = *from == '[';
	size_t length = 0;

	memset(field, 0, sizeof(*field));
	from += bracket;
	for (; *from != '\0' && *from != (bracket ? ']' : ':'); from++) {
		if (!bracket && *from == '\\' && *++from == '\0')
			return 0;
		if (length + 1 == sizeof(field->text) ||
		    (unsigned char)*from < ' ' || *from == 0x7f)
			return 0;
		field->is_path |= *from == '/';
		field->text[length++] = *from;
	}
	if (bracket && *from++ != ']')
		return 0;
	if (*from != ':' && *from != '\0')
		return 0;
	*at = from;
	return 1;
}

/* How many fields the word has; 0: more than four, or one is none. */
static size_t
split(const char *word, struct field fields[FIELDS_MAX])
{
	size_t count = 0;

	for (;;) {
		if (count == FIELDS_MAX || !take_field(&word, &fields[count]))
			return 0;
		count++;
		if (*word == '\0')
			return count;
		word++;
	}
}

int
forward_parse_port(const char *text, int zero, unsigned *port)
{
	const struct servent *service;
	size_t digits = strspn(text, "0123456789"), i;
	unsigned number = 0;

	if (*text != '\0' && text[digits] == '\0') {
		if (digits > 5)
			return 0;
		for (i = 0; i < digits; i++)
			number = number * 10 + (unsigned)(text[i] - '0');
		if (number > 65535 || (number == 0 && !zero))
			return 0;
		*port = number;
		return 1;
	}
	service = *text == '\0' ? NULL : getservbyname(text, "tcp");
	if (service == NULL)
		return 0;
	*port = ntohs((uint16_t)service->s_port);
	return 1;
}

static const char *
take_path(struct forward_place *place, const struct field *field)
{
	if (strlen(field->text) >= sizeof(place->path))
		return "the path of a socket has at most 107 bytes";
	place->is_path = 1;
	strcpy(place->path, field->text);
	return NULL;
}

/* NULL, or why not. listener: empty is the loopback, port 0 any. */
static const char *
take_host(struct forward_place *place, const char *host, const char *port,
    int listener)
{
	if (strlen(host) >= sizeof(place->host))
		return "the name of the host is too long";
	if (host[0] == '\0' && !listener)
		return "a host is missing";
	/* or else what is written of it would be another's */
	if (strpbrk(host, " /[]") != NULL)
		return "a name of a host has no blank, slash or bracket";
	if (!forward_parse_port(port, listener, &place->port))
		return "a port is a number up to 65535";
	strcpy(place->host, host);
	return NULL;
}

int
forward_parse(struct forward *forward, const char *word, char *error,
    size_t capacity)
{
	struct field fields[FIELDS_MAX];
	size_t count = split(word, fields), left = 2;
	const char *why;

	memset(forward, 0, sizeof(*forward));
	if (count == 0)
		return refuse_word(error, capacity, word,
		    "not [BIND:]PORT:HOST:PORT; IPv6 stands in brackets");
	if (fields[count - 1].is_path)
		left = 1;
	if (count <= left || count > left + 2 ||
	    (count == left + 1 && !fields[0].is_path &&
	    fields[0].text[0] == '\0'))
		return refuse_word(error, capacity, word,
		    "not [BIND:]PORT:HOST:PORT, nor with a path at an end");
	/* what is to be listened on */
	if (fields[0].is_path && count == left + 1)
		why = take_path(&forward->from, &fields[0]);
	else if (fields[0].is_path)
		why = "nothing belongs between the path and the host";
	else if (count == left + 1)
		why = take_host(&forward->from, "", fields[0].text, 1);
	else /* given and empty is ssh's for all addresses */
		why = take_host(&forward->from, fields[0].text[0] == '\0' ?
		    "*" : fields[0].text, fields[1].text, 1);
	if (why == NULL && left == 1)
		why = take_path(&forward->to, &fields[count - 1]);
	else if (why == NULL)
		why = take_host(&forward->to, fields[count - 2].text,
		    fields[count - 1].text, 0);
	return why == NULL ? 0 : refuse_word(error, capacity, word, why);
}

int
forward_parse_place(struct forward_place *place, const char *word,
    char *error, size_t capacity)
{
	struct field fields[FIELDS_MAX];
	size_t count = split(word, fields);
	const char *why;

	memset(place, 0, sizeof(*place));
	if (count == 1 && fields[0].is_path)
		why = take_path(place, &fields[0]);
	else if (count == 2 && !fields[0].is_path)
		why = take_host(place, fields[0].text, fields[1].text, 0);
	else
		why = "not HOST:PORT or a PATH; IPv6 stands in brackets";
	return why == NULL ? 0 : refuse_word(error, capacity, word, why);
}

/* --- on the wire ------------------------------------------------------- */

const char *
forward_show(const struct forward_place *place, char *out, size_t capacity)
{
	int is_v6 = strchr(place->host, ':') != NULL;

	if (place->is_path)
		snprintf(out, capacity, "%s", place->path);
	else
		snprintf(out, capacity, "%s%s%s:%u", is_v6 ? "[" : "",
		    place->host, is_v6 ? "]" : "", place->port);
	return out;
}

void
forward_format(const struct forward_place *place, char out[FORWARD_TEXT_MAX])
{
	const char *kind = place->is_path ? "unix:" : "tcp:";
	size_t length = strlen(kind);

	memcpy(out, kind, length);
	forward_show(place, out + length, FORWARD_TEXT_MAX - length);
}

static int
read_tcp(struct forward_place *place, const char *text)
{
	int bracket = *text == '[';
	const char *host = text + bracket;
	const char *end = strchr(host, bracket ? ']' : ':');
	const char *port;
	size_t length, i;

	if (end == NULL || end == host)
		return SJ_ERR_ARGUMENT;
	port = end + bracket;
	length = (size_t)(end - host);
	if (*port++ != ':' || length >= sizeof(place->host))
		return SJ_ERR_ARGUMENT;
	for (i = 0; i < length; i++)
		if ((unsigned char)host[i] <= ' ' || host[i] == 0x7f)
			return SJ_ERR_ARGUMENT;
	memcpy(place->host, host, length);
	/* names of ports are for those who type */
	return strspn(port, "0123456789") == strlen(port) &&
	    forward_parse_port(port, 0, &place->port) ? 0 : SJ_ERR_ARGUMENT;
}

int
forward_read(struct forward_place *place, const char *text)
{
	memset(place, 0, sizeof(*place));
	if (strncmp(text, "tcp:", 4) == 0)
		return read_tcp(place, text + 4);
	if (strncmp(text, "unix:", 5) != 0 || text[5] == '\0' ||
	    strlen(text + 5) >= sizeof(place->path))
		return SJ_ERR_ARGUMENT;
	place->is_path = 1;
	strcpy(place->path, text + 5);
	return 0;
}

size_t
forward_head(const struct forward_place *place, uint8_t out[FORWARD_HEAD_MAX])
{
	char text[FORWARD_TEXT_MAX];
	size_t length;

	forward_format(place, text);
	length = strlen(text);
	out[0] = (uint8_t)(length >> 8);
	out[1] = (uint8_t)length;
	memcpy(out + 2, text, length);
	return 2 + length;
}

/* --- codes ------------------------------------------------------------- */

static const struct {
	uint64_t code;
	const char *cause, *next;
} codes[] = {
	{ FORWARD_FORBIDDEN, "the server does not allow it",
	    "see PermitOpen, AllowTcpForwarding and "
	    "AllowStreamLocalForwarding there" },
	{ FORWARD_REFUSED, "connection refused at the far end",
	    "check that something listens there" },
	{ FORWARD_UNREACHABLE, "not reachable from the server",
	    "check the address, and routes and filters at the server" },
	{ FORWARD_NO_NAME, "the server cannot resolve the name",
	    "check the name as the server sees it" },
	{ FORWARD_TIMED_OUT, "no answer at the far end",
	    "check the address, and filters at the server" },
	{ FORWARD_NO_SOCKET, "there is no such socket at the server",
	    "check the path as the server sees it" },
	{ FORWARD_FAILED, "the server could not connect",
	    "see the server's log" },
	{ FORWARD_NOT_A_PLACE, "the server does not understand the place",
	    "update the older one" },
	{ SJ_RESET_LIMIT, "refused, the server has as many as it allows",
	    "end others first, or try later" },
	{ SJ_RESET_CLOSED, "connection reset at the far end", "" },
};

const char *
forward_cause(uint64_t code)
{
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return codes[i].cause;
	return NULL;
}

const char *
forward_next(uint64_t code)
{
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return codes[i].next;
	return NULL;
}
