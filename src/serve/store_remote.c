/* SPDX-License-Identifier: ISC */
/*
 * serve/store_remote.c - net's half of the store
 *
 * The socket itself is the descriptor that becomes readable with an answer.
 * A full socket is a busy store. A monitor that is gone answers every request
 * at once with an error; net is about to end then.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sojourn.h>

#include "serve/store_relay.h"

struct remote {
	struct sj_store store;
	int fd;
	char text[STORE_TEXT_MAX + 1];
	unsigned char message[STORE_MESSAGE_MAX];
};

static struct remote *
remote_of(struct sj_store *store)
{
	return (struct remote *)(void *)store;
}

static int
remote_submit(struct sj_store *store, const struct sj_store_request *request)
{
	struct remote *remote = remote_of(store);
	struct store_head head = { .number = request->number,
		.version = request->version,
		.operation = (uint32_t)request->operation };
	unsigned char bytes[sizeof(head) + STORE_KEY_MAX + STORE_VALUE_MAX];
	int result;

	if (request->key_length > STORE_KEY_MAX ||
	    request->prefix_length > request->key_length ||
	    request->value_length > STORE_VALUE_MAX)
		return SJ_ERR_ARGUMENT;
	head.key_length = (uint32_t)request->key_length;
	head.prefix_length = (uint32_t)request->prefix_length;
	head.value_length = (uint32_t)request->value_length;
	memcpy(bytes, &head, sizeof(head));
	if (head.key_length > 0)
		memcpy(bytes + sizeof(head), request->key, head.key_length);
	if (head.value_length > 0)
		memcpy(bytes + sizeof(head) + head.key_length, request->value,
		    head.value_length);
	result = request_send(remote->fd, bytes, sizeof(head) +
	    head.key_length + head.value_length, NULL, 0, 0);
	if (result == SJ_AGAIN)
		return SJ_ERR_BUSY;
	return result == 0 ? 0 : SJ_ERR_STORE;
}

static int
remote_next(struct sj_store *store, struct sj_store_answer *answer)
{
	struct remote *remote = remote_of(store);
	struct store_head head;
	const unsigned char *body = remote->message + sizeof(head);
	ptrdiff_t length;

	length = request_receive(remote->fd, remote->message,
	    sizeof(remote->message), NULL, NULL);
	if (length < (ptrdiff_t)sizeof(head))
		return 0;
	memcpy(&head, remote->message, sizeof(head));
	if (head.key_length > STORE_KEY_MAX ||
	    head.value_length > STORE_VALUE_MAX ||
	    head.text_length > STORE_TEXT_MAX ||
	    (size_t)length != sizeof(head) + head.key_length +
	    head.value_length + head.text_length)
		return 0;
	memset(answer, 0, sizeof(*answer));
	answer->number = head.number;
	answer->error = head.error;
	answer->version = head.version;
	answer->key = body;
	answer->key_length = head.key_length;
	answer->value = body + head.key_length;
	answer->value_length = head.value_length;
	memcpy(remote->text, body + head.key_length + head.value_length,
	    head.text_length);
	remote->text[head.text_length] = '\0';
	answer->text = head.text_length > 0 ? remote->text : NULL;
	return 1;
}

static int
remote_fd(const struct sj_store *store)
{
	return ((const struct remote *)(const void *)store)->fd;
}

static void
remote_close(struct sj_store *store)
{
	struct remote *remote = remote_of(store);

	/* what was sent is finished by the monitor */
	close(remote->fd);
	free(remote);
}

static const struct sj_store_operations remote_operations = {
	.submit = remote_submit,
	.next = remote_next,
	.fd = remote_fd,
	.close = remote_close,
};

struct sj_store *
store_remote(int fd)
{
	struct remote *remote = calloc(1, sizeof(*remote));

	if (remote == NULL)
		return NULL;
	remote->store.operations = &remote_operations;
	remote->fd = fd;
	return &remote->store;
}
