/* SPDX-License-Identifier: ISC */
/*
 * fuzz_forward.c - places: as they are typed, permitted, sent and read
 *
 * The first byte chooses. A place that is taken is the same after it went over
 * the wire; what is permitted is listed; the service "connect" asks for exactly
 * the bytes that were sent, in whatever pieces they come, and takes none that
 * come after them.
 */
#include <netdb.h>

#include "fuzz.h"

/* Not the system's: no run reads /etc/services. */
static struct servent *
some_service(const char *name)
{
	static struct servent entry = { .s_port = 0x5000 };

	return strcmp(name, "http") == 0 ? &entry : NULL;
}

#define getservbyname(name, protocol) some_service(name)
#include "serve/permit.c"
#include "tool/forward.c"
#include "serve/service_connect.c"

static char text[1024];

static void
check_place(const struct forward_place *place, bool is_listener)
{
	struct forward_place again;
	char wire[FORWARD_TEXT_MAX];
	uint8_t head[FORWARD_HEAD_MAX];

	MUST(memchr(place->host, 0, sizeof place->host) != NULL);
	MUST(memchr(place->path, 0, sizeof place->path) != NULL);
	MUST((place->path[0] != '\0') == (place->is_path != 0));
	MUST(place->port < 65536);
	if (place->is_path)
		MUST(place->port == 0 && place->host[0] == '\0');
	else if (!is_listener)
		MUST(place->port > 0 && place->host[0] != '\0');
	if (is_listener)
		return;
	forward_format(place, wire);
	MUST(forward_read(&again, wire) == 0);
	MUST(memcmp(place, &again, sizeof again) == 0);
	MUST(forward_head(place, head) == 2 + strlen(wire));
}

static void
typed(void)
{
	struct forward forward;
	struct forward_place place;
	char error[256];

	if (forward_parse(&forward, text, error, sizeof error) == 0) {
		check_place(&forward.from, true);
		check_place(&forward.to, false);
	} else {
		MUST(strlen(error) > 0 && strlen(error) < sizeof error);
	}
	if (forward_parse_place(&place, text, error, sizeof error) == 0)
		check_place(&place, false);
}

static void
sent(void)
{
	struct forward_place place;

	if (forward_read(&place, text) == 0)
		check_place(&place, false);
}

/* The first line is the value of PermitOpen, the second a place. */
static void
permitted(void)
{
	struct permit permit = { .count = 0 };
	struct forward_place place;
	char *end = strchr(text, '\n'), shown[FORWARD_TEXT_MAX];
	const char *why = NULL;

	if (end == NULL)
		return;
	*end = '\0';
	if (permit_open(&permit, text, &why) < 0) {
		MUST(why != NULL);
		return;
	}
	MUST(permit.count <= PERMIT_PLACES_MAX);
	if (forward_read(&place, end + 1) < 0)
		return;
	forward_show(&place, shown, sizeof shown);
	if (place.is_path)
		MUST(permit_allows(&permit, &place));
	else if (permit_allows(&permit, &place))
		MUST(strcasecmp(text, "any") == 0 ||
		    strchr(text, '*') != NULL ||
		    strcasestr(text, place.host) != NULL);
	permit.no_tcp = permit.no_paths = 1;
	MUST(!permit_allows(&permit, &place));
	/* What is listed is permitted, and no other port. */
	permit = (struct permit){ .count = 0 };
	if (place.is_path || strchr(place.host, '*') != NULL ||
	    permit_open(&permit, shown, &why) < 0)
		return;
	MUST(permit_allows(&permit, &place));
	place.port ^= 1;
	MUST(!permit_allows(&permit, &place));
}

/* --- The service ------------------------------------------------------------- */

static struct program pieces;           /* how much comes at once */
static struct span coming;
static size_t taken;
static unsigned asked, refused, closed;
static char asked_place[FORWARD_TEXT_MAX];

ptrdiff_t
sj_stream_read(struct sj_stream *stream, void *out, size_t capacity)
{
	uint8_t choice = take_byte(&pieces);
	size_t length = min_size(min_size(capacity, 1 + choice / 2u),
	    coming.length - taken);

	(void)stream;
	if (choice % 8 == 7 && !program_is_over(&pieces))
		return SJ_AGAIN;
	if (length == 0)
		return choice & 1 ? SJ_ERR_RESET : SJ_ERR_ENDED;
	memcpy(out, coming.data + taken, length);
	taken += length;
	return (ptrdiff_t)length;
}

uint64_t
net_number(struct net *net)
{
	(void)net;
	return 5;
}

int
net_request(struct net *net, const void *request, size_t length)
{
	const struct request_connect *connect = request;

	(void)net;
	MUST(length == sizeof *connect);
	MUST(connect->head.type == REQUEST_CONNECT &&
	    connect->head.number == 5 && connect->session == 6);
	memcpy(asked_place, connect->place, sizeof asked_place);
	asked++;
	return 0;
}

void
bridge_refuse(struct bridge *bridge, uint64_t code)
{
	MUST(code == FORWARD_NOT_A_PLACE);
	bridge->gone = 1;
	refused++;
}

void
bridge_close(struct bridge *bridge, int broken)
{
	MUST(broken);
	bridge->gone = 1;
	closed++;
}

void
bridge_attach(struct bridge *bridge, int fd)
{
	(void)bridge;
	(void)fd;
}

struct bridge *
bridge_pending(struct net *net, enum bridge_kind kind, uint64_t number)
{
	(void)net;
	(void)kind;
	(void)number;
	return NULL;
}

static void
served(struct span bytes)
{
	struct login login = { .number = 6 };
	struct bridge bridge = { .login = &login };
	size_t length;

	pieces = program_of(bytes.data, min_size(bytes.length, 8));
	coming = bytes;
	taken = 0;
	asked = refused = closed = 0;
	MUST(connect_open(&bridge) == 0);
	for (int i = 0; i < 20 && bridge.head != NULL && !bridge.gone; i++)
		connect_on_event(&bridge);
	free(bridge.head);
	/* A NUL is refused after the whole place was taken. */
	MUST(asked + refused + closed == 1);
	if (closed) {
		MUST(taken == bytes.length);
		return;
	}
	length = (size_t)bytes.data[0] << 8 | bytes.data[1];
	MUST(taken == (length < FORWARD_TEXT_MAX ? 2 + length : 2));
	if (!asked)
		return;
	MUST(strlen(asked_place) == length);
	MUST(memcmp(asked_place, bytes.data + 2, length) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program);
	struct span span = take_span(&program, sizeof text - 1);

	memset(text, 0, sizeof text);
	if (span.length > 0)
		memcpy(text, span.data, span.length);
	if (first % 4 == 0)
		typed();
	else if (first % 4 == 1)
		sent();
	else if (first % 4 == 2)
		permitted();
	else
		served(span);
	return 0;
}
