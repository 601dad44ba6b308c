/* SPDX-License-Identifier: ISC */
/* options.c - see options.h */
#include "options.h"

#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NS_PER_S 1e9
#define PACKETS_MIN ((size_t)10)     /* a queue of bdp holds at least these */
#define TIME_MAX_S 3600.0
#define RATE_MAX 1e12
#define MTU_MIN 1280
#define MTU_MAX 65535

enum word {
	WORD_UP = 256, WORD_DOWN, WORD_BOTH, WORD_RATE, WORD_TRACE, WORD_QUEUE,
	WORD_AQM, WORD_ECN, WORD_DELAY, WORD_JITTER, WORD_LOSS, WORD_BURST_LOSS,
	WORD_DUPLICATE, WORD_REORDER, WORD_MARK, WORD_BLACKHOLE, WORD_MTU,
	WORD_SERVER, WORD_WAIT, WORD_USER, WORD_SEED, WORD_LIMIT, WORD_JSON,
	WORD_HELP
};

static const struct option words_known[] = {
	{ "up", no_argument, NULL, WORD_UP },
	{ "down", no_argument, NULL, WORD_DOWN },
	{ "both", no_argument, NULL, WORD_BOTH },
	{ "rate", required_argument, NULL, WORD_RATE },
	{ "trace", required_argument, NULL, WORD_TRACE },
	{ "queue", required_argument, NULL, WORD_QUEUE },
	{ "aqm", required_argument, NULL, WORD_AQM },
	{ "ecn", no_argument, NULL, WORD_ECN },
	{ "delay", required_argument, NULL, WORD_DELAY },
	{ "jitter", required_argument, NULL, WORD_JITTER },
	{ "loss", required_argument, NULL, WORD_LOSS },
	{ "burst-loss", required_argument, NULL, WORD_BURST_LOSS },
	{ "duplicate", required_argument, NULL, WORD_DUPLICATE },
	{ "reorder", required_argument, NULL, WORD_REORDER },
	{ "mark", required_argument, NULL, WORD_MARK },
	{ "blackhole", required_argument, NULL, WORD_BLACKHOLE },
	{ "mtu", required_argument, NULL, WORD_MTU },
	{ "server", required_argument, NULL, WORD_SERVER },
	{ "wait", required_argument, NULL, WORD_WAIT },
	{ "user", required_argument, NULL, WORD_USER },
	{ "seed", required_argument, NULL, WORD_SEED },
	{ "limit", required_argument, NULL, WORD_LIMIT },
	{ "json", required_argument, NULL, WORD_JSON },
	{ "help", no_argument, NULL, WORD_HELP },
	{ NULL, 0, NULL, 0 },
};

struct unit {
	const char *name;
	double factor;
};

static const struct unit rates[] = { { "bit", 1 }, { "kbit", 1e3 },
	{ "mbit", 1e6 }, { "gbit", 1e9 }, { NULL, 0 } };
static const struct unit times[] = { { "ns", 1 }, { "us", 1e3 },
	{ "ms", 1e6 }, { "s", 1e9 }, { NULL, 0 } };
static const struct unit chances[] = { { "%", 0.01 }, { "", 1 },
	{ NULL, 0 } };
static const struct unit bytes[] = { { "", 1 }, { "k", 1e3 }, { "m", 1e6 },
	{ NULL, 0 } };
static const struct unit numbers[] = { { "", 1 }, { NULL, 0 } };

static void __attribute__((noreturn, format(printf, 1, 2)))
wrong(const char *format, ...)
{
	va_list list;

	fputs("netlab: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputs("\nnetlab: netlab --help says what there is\n", stderr);
	exit(2);
}

/* --- Values ---------------------------------------------------------------- */

/* A number and its unit; false if it is not one from 0 to max. */
static bool
read_value(const char *text, const struct unit *units, double max,
    double *value)
{
	char *end;

	/* strtod knows more numbers than a person means */
	if (strspn(text, "0123456789.") == 0)
		return false;
	*value = strtod(text, &end);
	for (; units->name != NULL; units++) {
		if (strcasecmp(units->name, end) != 0)
			continue;
		*value *= units->factor;
		return *value <= max;
	}
	return false;
}

static double
value_of(const char *name, const char *text, const struct unit *units,
    double min, double max)
{
	double value;

	if (!read_value(text, units, max, &value) || value < min)
		wrong("--%s: %s is none", name, text);
	return value;
}

static double
chance_of(const char *name, const char *text)
{
	return value_of(name, text, chances, 0, 1);
}

static uint64_t
time_of(const char *name, const char *text)
{
	return (uint64_t)value_of(name, text, times, 0, TIME_MAX_S * NS_PER_S);
}

static uint64_t
number_of(const char *name, const char *text, uint64_t min, uint64_t max)
{
	double value = value_of(name, text, numbers, (double)min, (double)max);

	if (value != floor(value))
		wrong("--%s: %s is none", name, text);
	return (uint64_t)value;
}

/* Splits "A,B" into A, in place, and B; NULL: there is no B. */
static char *
after_comma(char *text)
{
	char *comma = strchr(text, ',');

	if (comma == NULL)
		return NULL;
	*comma = '\0';
	return comma + 1;
}

static void
read_queue(struct options *options, unsigned which, const char *text)
{
	static const struct unit packets[] = { { "p", 1 }, { NULL, 0 } };
	static const struct unit products[] = { { "bdp", 1 }, { NULL, 0 } };
	struct queue_config *queue = &options->links[which].queue;
	double value;

	options->queue_bdp[which] = 0;
	queue->bytes_max = queue->packets_max = 0;
	if (strcasecmp(text, "bdp") == 0)
		options->queue_bdp[which] = 1;
	else if (read_value(text, products, 1000, &value) && value > 0)
		options->queue_bdp[which] = value;
	else if (read_value(text, packets, 1e9, &value) && value >= 1)
		queue->packets_max = (size_t)value;
	else if (read_value(text, bytes, 1e12, &value) && value >= 1)
		queue->bytes_max = (size_t)value;
	else
		wrong("--queue: %s is none", text);
}

static void
read_trace(struct link_trace *trace, const char *name)
{
	FILE *file = fopen(name, "re");
	size_t capacity = 0;
	uint64_t last_ms = 0;
	char line[64];

	if (file == NULL)
		wrong("--trace: %s cannot be read", name);
	*trace = (struct link_trace){ 0 };
	while (fgets(line, sizeof line, file) != NULL) {
		uint64_t ms;

		line[strcspn(line, "\r\n")] = '\0';
		ms = number_of("trace", line, last_ms, UINT64_C(1) << 40);
		if (trace->count == capacity) {
			capacity = capacity == 0 ? 4096 : 2 * capacity;
			trace->at_ns = realloc(trace->at_ns,
			    capacity * sizeof *trace->at_ns);
			if (trace->at_ns == NULL)
				wrong("--trace: no memory");
		}
		trace->at_ns[trace->count++] = ms * 1000000;
		last_ms = ms;
	}
	fclose(file);
	if (last_ms == 0)
		wrong("--trace: %s does not get on: no line above 0", name);
}

/* --- Words ----------------------------------------------------------------- */

static void
read_reorder(struct link_config *link, char *text)
{
	const char *time = after_comma(text);

	link->hold = chance_of("reorder", text);
	link->hold_ns = time == NULL ? 5000000 : time_of("reorder", time);
}

static void
read_burst(struct link_config *link, char *text)
{
	const char *end = after_comma(text);

	if (end == NULL)
		wrong("--burst-loss: two chances, with a comma between them");
	link->burst_begin = chance_of("burst-loss", text);
	link->burst_end = chance_of("burst-loss", end);
	if (link->burst_end <= 0)
		wrong("--burst-loss: a burst that never ends");
}

static void
read_aqm(struct queue_config *queue, const char *text)
{
	queue->codel = strcmp(text, "codel") == 0;
	if (!queue->codel && strcmp(text, "droptail") != 0)
		wrong("--aqm: %s is neither droptail nor codel", text);
}

/* False: it does not concern a direction. */
static bool
read_link_word(struct options *options, unsigned which, int word, char *text)
{
	struct link_config *link = &options->links[which];

	switch (word) {
	case WORD_RATE:
		link->rate_bits_s = (uint64_t)value_of("rate", text, rates, 1,
		    RATE_MAX);
		link->trace.count = 0;
		return true;
	case WORD_TRACE:
		read_trace(&link->trace, text);
		link->rate_bits_s = 0;
		return true;
	case WORD_QUEUE:
		read_queue(options, which, text);
		return true;
	case WORD_AQM:
		read_aqm(&link->queue, text);
		return true;
	case WORD_ECN:
		link->queue.ecn = true;
		return true;
	case WORD_DELAY:
		link->delay_ns = time_of("delay", text);
		return true;
	case WORD_JITTER:
		link->jitter_ns = time_of("jitter", text);
		return true;
	case WORD_LOSS:
		link->loss = chance_of("loss", text);
		return true;
	case WORD_BURST_LOSS:
		read_burst(link, text);
		return true;
	case WORD_DUPLICATE:
		link->duplicate = chance_of("duplicate", text);
		return true;
	case WORD_REORDER:
		read_reorder(link, text);
		return true;
	case WORD_MARK:
		link->mark = chance_of("mark", text);
		return true;
	case WORD_BLACKHOLE:
		link->length_max = (size_t)number_of("blackhole", text, 1,
		    MTU_MAX);
		return true;
	default:
		return false;
	}
}

static void
read_word(struct options *options, int word, char *text)
{
	switch (word) {
	case WORD_MTU:
		options->mtu = (size_t)number_of("mtu", text, MTU_MIN,
		    MTU_MAX);
		break;
	case WORD_SERVER:
		options->server = text;
		break;
	case WORD_WAIT:
		options->wait_port = (unsigned)number_of("wait", text, 1,
		    65535);
		break;
	case WORD_USER:
		options->user = text;
		break;
	case WORD_SEED:
		options->seed = number_of("seed", text, 0, UINT64_C(1) << 53);
		break;
	case WORD_LIMIT:
		options->limit_s = (unsigned)number_of("limit", text, 1,
		    86400);
		break;
	case WORD_JSON:
		options->json = text;
		break;
	case WORD_HELP:
		fputs(netlab_help, stdout);
		exit(0);
	default:
		exit(2); /* getopt has said why */
	}
}

/* --- What follows from several ------------------------------------------- */

static double
rate_of(const struct link_config *link)
{
	if (link->trace.count == 0)
		return (double)link->rate_bits_s;
	return (double)(link->trace.count * LINK_OPPORTUNITY * 8) *
	    NS_PER_S / (double)link->trace.at_ns[link->trace.count - 1];
}

static void
finish(struct options *options)
{
	double round_s = (double)(options->links[UP].delay_ns +
	    options->links[DOWN].delay_ns) / NS_PER_S;

	for (unsigned i = 0; i < DIRECTIONS; i++) {
		struct link_config *link = &options->links[i];
		struct queue_config *queue = &link->queue;
		size_t least = PACKETS_MIN * options->mtu;

		link->seed = 2 * options->seed + i;
		queue->mtu = options->mtu;
		if (queue->ecn && !queue->codel)
			wrong("--ecn: with --aqm codel only");
		if ((queue->codel || queue->bytes_max + queue->packets_max >
		    0) && rate_of(link) <= 0)
			wrong("a queue without --rate or --trace: "
			    "nothing ever waits in it");
		if (options->queue_bdp[i] <= 0 || rate_of(link) <= 0)
			continue;
		queue->bytes_max = (size_t)(options->queue_bdp[i] * round_s *
		    rate_of(link) / 8);
		if (queue->bytes_max < least)
			queue->bytes_max = least;
	}
	if (options->wait_port != 0 && options->server == NULL)
		wrong("--wait: there is no --server to wait for");
}

void
options_read(struct options *options, int count, char *const *words)
{
	unsigned first = UP, last = DOWN;
	int word;

	*options = (struct options){ .mtu = 1500, .seed = 1, .limit_s = 600,
	    .queue_bdp = { 1, 1 } };
	while ((word = getopt_long(count, words, "+", words_known, NULL)) !=
	    -1) {
		if (word == WORD_UP || word == WORD_DOWN ||
		    word == WORD_BOTH) {
			first = word == WORD_DOWN ? DOWN : UP;
			last = word == WORD_UP ? UP : DOWN;
			continue;
		}
		for (unsigned i = first; i <= last; i++) {
			/* Reading a value may cut it. */
			char *text = optarg == NULL ? NULL : strdup(optarg);

			if (!read_link_word(options, i, word, text)) {
				read_word(options, word, optarg);
				break;
			}
			free(text);
		}
	}
	if (optind == count)
		wrong("what is to be run?");
	options->command = words + optind;
	finish(options);
}
