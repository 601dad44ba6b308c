/* SPDX-License-Identifier: ISC */
/*
 * serve/store_relay.c - the monitor's half of the store
 *
 * Nothing is queued here beyond one request and one answer: when the store is
 * busy no more is read from net, when net does not read no more is taken from
 * the store. Both have bounded queues of their own.
 */
#include <string.h>
#include <unistd.h>

#include <sojourn.h>

#include "serve/log.h"
#include "serve/store_relay.h"

#define ROUNDS_MAX 64

int
store_relay_init(struct store_relay *relay, int fd, struct sj_store *store)
{
	relay->fd = fd;
	relay->store = store;
	relay->over = 0;
	relay->request_length = 0;
	relay->answer_length = 0;
	return store != NULL ? 0 : SJ_ERR_MEMORY;
}

void
store_relay_polls(const struct store_relay *relay, struct pollfd polls[2])
{
	short events = 0;

	if (relay->request_length == 0 && !relay->over)
		events |= POLLIN;
	if (relay->answer_length > 0)
		events |= POLLOUT;
	polls[0] = (struct pollfd){ events != 0 ? relay->fd : -1, events, 0 };
	polls[1] = (struct pollfd){ relay->answer_length > 0 ? -1
	    : relay->store->operations->fd(relay->store), POLLIN, 0 };
}

/* The store's answer as one packet. */
static void
encode_answer(struct store_relay *relay, const struct sj_store_answer *answer)
{
	struct store_head head = { .number = answer->number,
		.version = answer->version, .error = answer->error };
	unsigned char *out = relay->answer + sizeof(head);

	if (answer->error == SJ_ERR_STORE)
		log_event(LOG_NORMAL, "store-failed cause=\"%s\"",
		    answer->text != NULL ? answer->text : "");
	if (answer->key_length <= STORE_KEY_MAX)
		head.key_length = (uint32_t)answer->key_length;
	if (answer->value_length <= STORE_VALUE_MAX)
		head.value_length = (uint32_t)answer->value_length;
	if (answer->text != NULL)
		head.text_length = (uint32_t)strnlen(answer->text,
		    STORE_TEXT_MAX);
	memcpy(relay->answer, &head, sizeof(head));
	if (head.key_length > 0)
		memcpy(out, answer->key, head.key_length);
	out += head.key_length;
	if (head.value_length > 0)
		memcpy(out, answer->value, head.value_length);
	out += head.value_length;
	if (head.text_length > 0)
		memcpy(out, answer->text, head.text_length);
	out += head.text_length;
	relay->answer_length = (size_t)(out - relay->answer);
}

/* 1: handed to the store, 0: the store is busy, negative: not a request. */
static int
submit(struct store_relay *relay)
{
	struct sj_store_request request = { 0 };
	struct store_head head;
	int result;

	if (relay->request_length < sizeof(head))
		return SJ_ERR_PROTOCOL;
	memcpy(&head, relay->request, sizeof(head));
	if (head.key_length > STORE_KEY_MAX ||
	    head.prefix_length > head.key_length ||
	    head.value_length > STORE_VALUE_MAX ||
	    head.operation < SJ_STORE_GET ||
	    head.operation > SJ_STORE_ITERATE ||
	    relay->request_length != sizeof(head) + head.key_length +
	    head.value_length)
		return SJ_ERR_PROTOCOL;
	request.number = head.number;
	request.operation = (enum sj_store_operation)head.operation;
	request.key = relay->request + sizeof(head);
	request.key_length = head.key_length;
	request.prefix_length = head.prefix_length;
	request.value = relay->request + sizeof(head) + head.key_length;
	request.value_length = head.value_length;
	request.version = head.version;
	result = relay->store->operations->submit(relay->store, &request);
	if (result == SJ_ERR_BUSY)
		return 0;
	if (result < 0) {
		struct sj_store_answer answer = { .number = head.number,
			.error = result };

		if (relay->answer_length > 0)
			return 0; /* later: its answer has no room now */
		encode_answer(relay, &answer);
	}
	relay->request_length = 0;
	return 1;
}

/* 1: an answer was made and maybe sent, 0: nothing to do. */
static int
answer_one(struct store_relay *relay)
{
	struct sj_store_answer answer;

	if (relay->answer_length == 0) {
		if (relay->store->operations->next(relay->store, &answer)
		    != 1)
			return 0;
		encode_answer(relay, &answer);
	}
	if (request_send(relay->fd, relay->answer, relay->answer_length, NULL,
	    0, 0) == SJ_AGAIN)
		return 0;
	relay->answer_length = 0; /* sent, or nobody waits for it */
	return 1;
}

int
store_relay_work(struct store_relay *relay)
{
	int round, progress = 1;

	for (round = 0; round < ROUNDS_MAX && progress; round++) {
		progress = answer_one(relay);
		if (relay->request_length == 0) {
			ptrdiff_t length = request_receive(relay->fd,
			    relay->request, sizeof(relay->request), NULL,
			    NULL);

			if (length < 0 && length != SJ_AGAIN)
				return (int)length;
			if (length == 0)
				relay->over = 1; /* net closes its end */
			if (length > 0)
				relay->request_length = (size_t)length;
		}
		if (relay->request_length > 0) {
			int result = submit(relay);

			if (result < 0)
				return result;
			progress |= result;
		}
	}
	return 0;
}

void
store_relay_fini(struct store_relay *relay)
{
	if (relay->store != NULL) {
		store_relay_work(relay); /* what net sent before it ended */
		relay->store->operations->close(relay->store);
	}
	relay->store = NULL;
	close(relay->fd);
}
