/* SPDX-License-Identifier: ISC */
/*
 * fuzz_monitor.c - a net process that was taken over, against the monitor
 *
 * The input is a program of packets: of the right size with fields of any
 * kind, or any bytes, for the requests and for the store; and of the
 * connector's results. Nothing is started but for a session that was let in and
 * is not gone, nothing is served before its time, no place is ordered but one
 * that is permitted and that the connector understands, every descriptor is
 * closed.
 */
#include <netdb.h>
#include <signal.h>
#include <unistd.h>

#include <sojourn_sqlite.h>

#include "fuzz.h"
#include "serve/connector.h"
#include "serve/log.h"
#include "serve/monitor_internal.h"
#include "serve/processes.h"
#include "serve/request.h"
#include "serve/spawn.h"
#include "tool/die.h"

#define REQUESTS_FD 1000                /* not open */
#define STORE_FD 1001
#define SESSIONS 16
#define STEPS_MAX 60

static struct program script;
static uint8_t packet[STORE_MESSAGE_MAX];
static size_t packet_length;
static bool has_packet;
static int packet_fd;
static bool is_in[SESSIONS];            /* sessions that were let in */
static unsigned started, answers;
static size_t given;                    /* descriptors, to connector_work() */
static bool judged_well;
static uint32_t asked_type;                  /* the type of the request */
static struct monitor subject;

/* --- What is around the monitor --------------------------------------------- */

static ptrdiff_t
give_packet(int fd, void *bytes, size_t capacity, int descriptors[2],
    size_t *count)
{
	if (count != NULL)
		*count = 0;
	if (!has_packet || fd != packet_fd)
		return SJ_AGAIN;
	has_packet = false;
	if (packet_length > capacity)
		return SJ_ERR_PROTOCOL;
	memcpy(bytes, packet, packet_length);
	if (count != NULL && fd == subject.connector)
		for (*count = take_byte(&script) % 3; *count > given; given++)
			MUST((descriptors[given] = dup(2)) >= 0);
	return (ptrdiff_t)packet_length;
}

/* What goes to the connector. */
static int
take_order(const struct connector_order *order, size_t length)
{
	struct forward_place place;

	MUST(length == sizeof *order && asked_type == REQUEST_CONNECT);
	MUST(order->number != 0 && order->session < SESSIONS &&
	    is_in[order->session]);
	MUST(memchr(order->place, 0, sizeof order->place) != NULL);
	MUST(forward_read(&place, order->place) == 0);
	MUST(!place.is_path && (place.port == 80 ||
	    strcasecmp(place.host, "host") == 0));
	return take_byte(&script) == 255 ? SJ_AGAIN : 0;
}

static int
take_packet(int fd, const void *bytes, size_t length, const int *descriptors,
    size_t count, int wait_ms)
{
	const struct answer *answer = bytes;

	(void)wait_ms;
	if (fd == subject.connector) {
		MUST(count == 0);
		return take_order(bytes, length);
	}
	answers++;
	if (fd == STORE_FD) {
		MUST(length <= STORE_MESSAGE_MAX && count == 0);
		return take_byte(&script) == 255 ? SJ_AGAIN : 0;
	}
	MUST(fd == REQUESTS_FD && length == sizeof *answer);
	MUST(answer->descriptors == count);
	MUST(memchr(answer->text, 0, sizeof answer->text) != NULL);
	for (size_t i = 0; i < count; i++)
		MUST(descriptors[i] >= 0);
	return 0;
}

/* The key counts if it begins so; the user is looked at by the monitor. */
static int
check_key(const char *path, const void *blob, size_t length, char *why,
    size_t capacity)
{
	MUST(path != NULL && length <= REQUEST_CREDENTIAL_MAX);
	snprintf(why, capacity, "looked at");
	judged_well = length > 0 && *(const uint8_t *)blob == 1;
	return judged_well;
}

static pid_t
start_none(const struct spawn *spawn)
{
	MUST(spawn->words[0] != NULL && spawn->stream >= 0);
	for (size_t i = 0; spawn->environment[i] != NULL; i += 2)
		MUST(spawn->environment[i + 1] != NULL);
	started++;
	return take_byte(&script) == 255 ? SJ_ERR_LIMIT : 4242;
}

static struct sj_store *
no_sqlite(const char *path)
{
	(void)path;
	return NULL;
}

#define request_receive give_packet
#define request_send take_packet
#define sj_authorized_keys_check check_key
#define sj_store_sqlite no_sqlite
#define spawn_start start_none
#define getservbyname(name, protocol) ((struct servent *)NULL)
#include "serve/monitor.c"
#include "serve/monitor_connect.c"
#include "serve/permit.c"
#include "serve/store_relay.c"
#include "tool/forward.c"

void
log_event(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

const char *
log_escape(const char *text, char *out, size_t capacity)
{
	(void)text;
	(void)capacity;
	out[0] = '\0';
	return out;
}

int
complain(const char *class_name, const char *next, const char *format, ...)
{
	(void)class_name;
	(void)next;
	(void)format;
	return EXIT_SOJOURN;
}

const char *
error_class_name(int error)
{
	(void)error;
	return "";
}

void
processes_init(struct processes *processes)
{
	(void)processes;
}

int
processes_room(const struct processes *processes, uint64_t session)
{
	(void)processes;
	MUST(asked_type == REQUEST_CONNECT ? session == 0 :
	    session < SESSIONS && is_in[session]);
	return 0;
}

void
processes_add(struct processes *processes, pid_t pid, uint64_t number,
    uint64_t session, const char *service, int errors)
{
	(void)processes;
	(void)number;
	MUST(pid == 4242);
	MUST(asked_type == REQUEST_CONNECT ? session == 0 :
	    session < SESSIONS && is_in[session]);
	MUST(service[0] != '\0');
	MUST(close(errors) == 0);
}

void
processes_end(struct processes *processes, uint64_t session, uint64_t number)
{
	(void)processes;
	MUST(session != 0 || number != 0);
}

int
processes_tick(struct processes *processes)
{
	(void)processes;
	return -1;
}

int
processes_reaped(struct processes *processes, pid_t pid, int status)
{
	(void)processes;
	(void)pid;
	(void)status;
	return 0;
}

size_t
processes_polls(const struct processes *processes, struct pollfd *polls,
    size_t capacity)
{
	(void)processes;
	(void)polls;
	(void)capacity;
	return 0;
}

void
processes_read(struct processes *processes, int errors)
{
	(void)processes;
	(void)errors;
}

uint64_t
processes_now_ms(void)
{
	return 1;
}

const struct serve_service *
serve_options_find(const struct serve_options *options, const char *name)
{
	return strcmp(name, options->services[0].name) == 0 ?
	    &options->services[0] : NULL;
}

int
request_string_ok(const char *string, size_t capacity)
{
	return memchr(string, 0, capacity) != NULL;
}

/* --- Packets ------------------------------------------------------------------- */

static void
fill_text(char *out, size_t size)
{
	static const char *const words[] = { "", "somebody", "sojourn",
	    "publickey", "files", "web", "[::1]:22", "\n" };
	uint8_t how = take_byte(&script);
	struct span span;

	if (how < 224) {
		snprintf(out, size, "%s", words[how % 8]);
		return;
	}
	span = take_span(&script, size);
	if (span.length > 0)
		memcpy(out, span.data, span.length);
	if (how == 255)
		memset(out, 'x', size);         /* no end */
}

static void
fill_place(char *out, size_t size)
{
	static const char *const places[] = { "tcp:host:22", "tcp:[::1]:80",
	    "tcp:other:80", "tcp:other:81", "unix:/s", "udp:host:80" };
	uint8_t how = take_byte(&script);
	struct span host;

	if (how >= 224) {
		fill_text(out, size);
	} else if (how < 128) {
		snprintf(out, size, "%s", places[how % 6]);
	} else {
		host = take_span(&script, how & 15);
		snprintf(out, size, "tcp:%.*s:80", (int)host.length,
		    host.length > 0 ? (const char *)host.data : "");
	}
}

static size_t
make_request(union request *request)
{
	struct request_login *login = &request->login;
	uint32_t type = take_byte(&script) % (REQUEST_TYPES + 1);

	memset(request, 0, sizeof *request);
	request->head.type = type;
	request->head.number = take_byte(&script);
	switch (type) {
	case REQUEST_LISTENING:
		fill_text(request->listening.key, sizeof request->listening.key);
		return sizeof request->listening;
	case REQUEST_DH:
		memset(request->dh.peer_key, take_byte(&script), 32);
		return sizeof request->dh;
	case REQUEST_LOGIN:
		login->session = take_byte(&script) % SESSIONS;
		login->credential[0] = take_byte(&script) & 1;
		login->credential_length = take_byte(&script) == 255 ?
		    UINT32_MAX : 51;
		fill_text(login->user, sizeof login->user);
		fill_text(login->application, sizeof login->application);
		fill_text(login->mechanism, sizeof login->mechanism);
		fill_text(login->peer, sizeof login->peer);
		fill_text(login->credential_name,
		    sizeof login->credential_name);
		return sizeof request->login;
	case REQUEST_SPAWN:
		request->spawn.session = take_byte(&script) % SESSIONS;
		fill_text(request->spawn.service,
		    sizeof request->spawn.service);
		return sizeof request->spawn;
	case REQUEST_RELEASE:
		request->release.process = take_byte(&script);
		request->release.broken = take_byte(&script) & 1;
		return sizeof request->release;
	case REQUEST_CONNECT:
		request->connect.session = take_byte(&script) % SESSIONS;
		fill_place(request->connect.place,
		    sizeof request->connect.place);
		return sizeof request->connect;
	default:
		request->gone.session = take_byte(&script) % SESSIONS;
		return sizeof request->gone;
	}
}

static void
note(void)
{
	for (uint64_t i = 0; i < SESSIONS; i++) {
		bool is_now = find_login(&subject, i) != NULL;

		if (is_now && !is_in[i])
			MUST(judged_well);
		is_in[i] = is_now;
	}
}

/* False: net would be ended for it. */
static bool
ask_monitor(bool any_bytes)
{
	union request request;
	struct span span;
	unsigned before = answers, started_before = started;
	int result;

	packet_fd = REQUESTS_FD;
	has_packet = true;
	packet_length = make_request(&request);
	if (any_bytes) {
		span = take_span(&script, sizeof request);
		packet_length = span.length;
		memset(&request, 0, sizeof request);
		if (span.length > 0)
			memcpy(&request, span.data, span.length);
	}
	memcpy(packet, &request, packet_length);
	judged_well = false;
	asked_type = request.head.type;
	result = serve_request(&subject);
	MUST(!has_packet);
	MUST(answers <= before + 1 && started <= started_before + 1);
	if (subject.state == STARTING)
		MUST(answers == before && started == started_before);
	note();
	return result >= 0;
}

static bool
ask_store(bool any_bytes)
{
	struct store_head head = { .number = take_byte(&script) };
	struct span span;
	uint8_t how = take_byte(&script);

	packet_fd = STORE_FD;
	has_packet = true;
	span = take_span(&script, how & 63);
	head.operation = how >> 6 == 3 ? take_byte(&script) : SJ_STORE_PUT +
	    how % 4;
	head.key_length = (uint32_t)min_size(span.length, 9);
	head.prefix_length = head.key_length > 0;
	head.value_length = (uint32_t)span.length - head.key_length;
	packet_length = any_bytes ? 0 : sizeof head;
	memcpy(packet, &head, packet_length);
	if (span.length > 0)
		memcpy(packet + packet_length, span.data, span.length);
	packet_length += span.length;
	return store_relay_work(&subject.relay) == 0;
}

/* What was connected, and more or less of it. */
static bool
answer_connects(bool any_bytes)
{
	struct connector_result result = { .number = take_byte(&script) };
	struct span span;
	unsigned before = answers;
	size_t waiting = subject.connecting;
	int done;

	if (subject.connector < 0)
		return true;
	result.session = take_byte(&script) % SESSIONS;
	result.code = take_byte(&script) % 4;
	span = take_span(&script, any_bytes ? 40 : 0);
	memcpy(packet, &result, sizeof result);
	if (span.length > 0)
		memcpy(packet, span.data, span.length);
	packet_length = span.length % 2 == 1 ? span.length : sizeof result;
	packet_fd = subject.connector;
	has_packet = true;
	given = 0;
	done = connector_work(&subject);
	MUST(!has_packet && answers <= before + 1);
	MUST(subject.connecting <= waiting);
	return done >= 0;
}

/* The lowest number that is free. */
static int
free_descriptor(void)
{
	int fd = dup(2);

	MUST(fd >= 0 && close(fd) == 0);
	return fd;
}

static bool
step(void)
{
	uint8_t choice = take_byte(&script);

	if (choice == 128)
		subject.state = ENDING;
	if (choice % 4 < 3)
		return ask_monitor(choice > 224);
	if (choice % 8 == 3)
		return ask_store(choice > 224);
	return answer_connects(choice > 224);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct permit permit = { .no_paths = 1, .only_listed = 1,
	    .count = 2, .places = { { "host", 0 }, { "*", 80 } } };
	static struct serve_options options;
	static char program[] = "/bin/true";

	int free_before = free_descriptor();

	script = program_of(data, size);
	strcpy(options.account, "somebody");
	strcpy(options.services[0].name, "web");
	options.services[0].words[0] = program;
	options.quiet = 1;
	memset(is_in, 0, sizeof is_in);
	memset(&subject, 0, offsetof(struct monitor, processes));
	started = answers = 0;
	subject.options = &options;
	subject.state = STARTING;
	subject.requests = REQUESTS_FD;
	subject.connector = -1;
	options.permit = permit;
	subject.host_private[0] = 1;
	has_packet = false;
	MUST(store_relay_init(&subject.relay, STORE_FD, sj_store_memory()) ==
	    0);
	for (int i = 0; i < STEPS_MAX && !program_is_over(&script); i++)
		if (!step())
			break;
	if (subject.connector >= 0)
		close(subject.connector);
	has_packet = false;
	store_relay_fini(&subject.relay);
	free(subject.logins);
	MUST(free_descriptor() == free_before);
	return 0;
}
