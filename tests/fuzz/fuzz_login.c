/* SPDX-License-Identifier: ISC */
/*
 * fuzz_login.c - control records: login, result, logout, ended
 *
 * The channel is honest, the words on stream 0 are not: the input is a program
 * that says what proof the client offers (the true one, changed, or any
 * bytes), which records either side says besides, in pieces or whole, what the
 * application and the store answer and when. Held true besides machine.h:
 * nobody is logged in whose proof was changed.
 */
#include "machine.h"

#define STEPS_MAX 40

static struct program script;
static bool has_true_proof;             /* one went out as it was made */
static uint8_t proof[2048];             /* the last true one */
static size_t proof_length;

/* --- The proof ----------------------------------------------------------------- */

/* The signature waits among the answers that come later. */
static void
propose(const struct sj_mech *mech, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	const struct client *client = mech->context;
	struct world *world = &machine.world;
	unsigned delay_ms = world->faults.answer_delay_ms;
	struct answer *answer;
	uint8_t how = take_byte(&script);
	size_t at;

	world->faults.answer_delay_ms = 1;
	client->signer.sign(&client->signer, endpoint, request, facts);
	world->faults.answer_delay_ms = delay_ms;
	answer = &world->answers[world->answer_count - 1];
	memcpy(proof, answer->bytes, answer->length);
	proof_length = answer->length;
	if (how & 2) {
		at = take_below(&script, 300) % answer->length;
		answer->bytes[at] ^= 1 + (how >> 4);
	}
	if (how & 4)
		answer->length = take_below(&script, 1024);
	if (how & 8)
		answer->at_ns += NS_PER_MS << (how >> 4);
	if ((how & 6) == 0)
		has_true_proof = true;
}

/* --- Records ------------------------------------------------------------------- */

static void
put_field(struct writer *list)
{
	static const char *const words[] = { "", "alice", "bob", "sim",
	    "server", "publickey", "none", "\xff" };
	uint8_t how = take_byte(&script);
	uint64_t field = how & 15;
	const char *word;
	struct span span;

	switch (how >> 4 & 7) {
	case 0: case 1:
		sj__parameter_write_number(list, field, take_edge(&script));
		break;
	case 2: case 3:
		word = words[take_below(&script, 8)];
		sj__parameter_write(list, field, word, strlen(word));
		break;
	case 4:                         /* of another try, or another's */
		sj__parameter_write(list, field, proof, proof_length);
		break;
	case 5:
		span = take_span(&script, 8);
		sj__parameter_write(list, field, span.data, span.length);
		break;
	default:
		span = take_span(&script, take_byte(&script));
		sj__parameter_write(list, field, span.data, span.length);
	}
}

/* Bytes behind what this side has said on stream 0. */
static void
say(int side, const uint8_t *bytes, size_t length)
{
	struct sj_session *session = machine_session(side);

	if (session == NULL || session->channel == NULL ||
	    session->tree.root == NULL || session->state == SESSION_OVER ||
	    session->tree.root->send.finished || length == 0)
		return;
	(void)sj__send_write(&session->tree.root->send, session->memory, bytes,
	    length, UINT64_MAX);
	sj__tree_update(&session->tree, session->tree.root);
	sj__session_wake(session);
}

static void
say_record(void)
{
	static uint8_t record[6000], list_bytes[5000];
	struct writer writer = writer_of(record, sizeof record);
	struct writer list = writer_of(list_bytes, sizeof list_bytes);
	uint8_t how = take_byte(&script);
	size_t length;

	for (size_t count = take_below(&script, 9); count > 0; count--)
		put_field(&list);
	length = (size_t)(list.at - list_bytes);
	write_varint(&writer, how >> 1 & 7);
	write_varint(&writer, how & 16 ? take_edge(&script) : length);
	write_bytes(&writer, list_bytes, length);
	length = (size_t)(writer.at - record);
	if (how & 32)
		length = min_size(length, take_below(&script, 64));
	say(how & 1, record, length);
}

static void
say_bytes(void)
{
	uint8_t how = take_byte(&script);
	struct span span = take_span(&script, how >> 1);

	say(how & 1, span.data, span.length);
}

/* --- The program ----------------------------------------------------------------- */

static void
decide(void)
{
	struct sj_grant grant = { .size = sizeof grant, .user = "granted" };
	uint8_t how = take_byte(&script);
	struct sj_session *session = machine.undecided;

	machine.stays_silent = how & 1;
	machine.refuses = how & 2;
	if (session == NULL)
		return;
	machine.undecided = NULL;
	if (how & 4)
		(void)sj_login_refuse(session);
	else
		(void)sj_login_accept(session, how & 8 ? &grant : NULL);
}

static void
end(void)
{
	uint8_t how = take_byte(&script);

	if (how % 4 == 0 && machine.session != NULL)
		(void)sj_logout(machine.session);
	else if (how % 4 == 1 && machine.served != NULL)
		(void)sj_logout(machine.served);
	else if (how % 4 == 2)
		(void)sj_sessions_revoke(machine_side(0), "alice", NULL);
	else if (machine.session == NULL)
		(void)machine_log_in(NULL);
}

static void
step(void)
{
	switch (take_byte(&script) % 8) {
	case 0: case 1:
		machine_exchange(1 + (unsigned)take_below(&script, 6));
		break;
	case 2: case 3:
		say_record();
		break;
	case 4:
		say_bytes();
		break;
	case 5:
		decide();
		break;
	case 6:
		end();
		break;
	default:
		machine_pass(NS_PER_MS << take_below(&script, 18));
		machine_exchange(1);
	}
	MUST(machine.logins == 0 || has_true_proof);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sj_mech mech;
	struct machine_options options = { .mech = &mech };
	uint8_t first;

	script = program_of(data, size);
	first = take_byte(&script);
	has_true_proof = false;
	proof_length = 0;
	mech = (struct sj_mech){ .name = first & 4 ? "other" : "publickey",
	    .context = &machine.world.clients[0], .propose = propose };
	if (first & 1)
		options.store = slow_store(&machine.world);
	machine_open(&options);
	machine.world.faults.answer_delay_ms = first & 1 ? 4 : 0;
	machine.stays_silent = first & 2;
	MUST(machine_log_in(NULL));
	machine_exchange(first & 8 ? 4 : 12);
	for (int i = 0; i < STEPS_MAX && !program_is_over(&script); i++)
		step();
	machine_exchange(4);
	MUST(machine.logins == 0 || has_true_proof);
	machine_close();
	return 0;
}
