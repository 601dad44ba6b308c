/* SPDX-License-Identifier: ISC */
/* tree.c - the streams of a session: who is whose child, who sends next */
#include "core/tree.h"

#define BUCKETS_MIN 16

static size_t
bucket_of(const struct sj__tree *tree, uint64_t id)
{
	/* Ids are dense and the peer cannot choose collisions beyond its
	 * credit, so the low bits serve. */
	return (size_t)(id ^ id >> 16) & (tree->bucket_count - 1);
}

struct sj_stream *
sj__tree_find(const struct sj__tree *tree, uint64_t id)
{
	struct sj_stream *stream = tree->buckets[bucket_of(tree, id)];

	while (stream != NULL && stream->id != id)
		stream = stream->hash_next;
	return stream;
}

static void
table_insert(struct sj__tree *tree, struct sj_stream *stream)
{
	size_t bucket = bucket_of(tree, stream->id);

	stream->hash_next = tree->buckets[bucket];
	tree->buckets[bucket] = stream;
}

static void
table_remove(struct sj__tree *tree, struct sj_stream *stream)
{
	struct sj_stream **at = &tree->buckets[bucket_of(tree, stream->id)];

	while (*at != stream)
		at = &(*at)->hash_next;
	*at = stream->hash_next;
}

static int
table_resize(struct sj__tree *tree, size_t bucket_count)
{
	struct sj_stream **old = tree->buckets, *stream, *next;
	size_t old_count = tree->bucket_count;

	tree->buckets = sj__memory_allocate(tree->memory,
	    bucket_count * sizeof *tree->buckets);
	if (tree->buckets == NULL) {
		tree->buckets = old;
		return SJ_ERR_MEMORY;
	}
	memset(tree->buckets, 0, bucket_count * sizeof *tree->buckets);
	tree->bucket_count = bucket_count;
	for (size_t i = 0; i < old_count; i++)
		for (stream = old[i]; stream != NULL; stream = next) {
			next = stream->hash_next;
			table_insert(tree, stream);
		}
	if (old != NULL)
		sj__memory_free(tree->memory, old, old_count * sizeof *old);
	return 0;
}

static int
set_service(struct sj__tree *tree, struct sj_stream *stream,
    struct span service)
{
	char *copy = sj__memory_allocate(tree->memory, service.length + 1);

	if (copy == NULL)
		return SJ_ERR_MEMORY;
	if (service.length > 0)
		memcpy(copy, service.data, service.length);
	copy[service.length] = '\0';
	if (stream->service != NULL)
		sj__memory_free(tree->memory, stream->service,
		    stream->service_length + 1);
	stream->service = copy;
	stream->service_length = service.length;
	return 0;
}

int
sj__tree_hold_place(struct sj__tree *tree, uint64_t id,
    struct sj_stream **stream)
{
	struct span none = { NULL, 0 };

	if (tree->placeholders >= PLACEHOLDERS_MAX)
		return SJ_ERR_LIMIT;    /* [SJ-ST-9] */
	SJ_TRY(sj__tree_note_peer_id(tree, id));
	SJ_TRY(sj__tree_add(tree, id, tree->root, none, stream));
	(*stream)->is_placeholder = true;
	tree->placeholders++;
	return 0;
}

int
sj__tree_adopt(struct sj__tree *tree, struct sj_stream *stream,
    struct sj_stream *parent, struct span service)
{
	assert(stream->is_placeholder);
	for (struct sj_stream *above = parent; above != NULL;
	    above = above->parent)
		if (above == stream)
			return SJ_ERR_PROTOCOL; /* its own ancestor */
	SJ_TRY(set_service(tree, stream, service));
	list_remove(&stream->siblings);
	list_append(&parent->children, &stream->siblings);
	stream->parent = parent;
	stream->is_placeholder = false;
	tree->placeholders--;
	return 0;
}

int
sj__tree_add(struct sj__tree *tree, uint64_t id, struct sj_stream *parent,
    struct span service, struct sj_stream **out)
{
	struct sj_stream *stream;

	if (tree->count >= tree->bucket_count)
		SJ_TRY(table_resize(tree, 2 * tree->bucket_count));
	stream = sj__memory_allocate(tree->memory, sizeof *stream);
	if (stream == NULL)
		return SJ_ERR_MEMORY;
	memset(stream, 0, sizeof *stream);
	if (set_service(tree, stream, service) < 0) {
		sj__memory_free(tree->memory, stream, sizeof *stream);
		return SJ_ERR_MEMORY;
	}
	stream->id = id;
	stream->is_local = (id & 1) == tree->side;
	stream->urgency = parent != NULL ? parent->urgency : SJ_URGENCY_DEFAULT;
	stream->weight = parent != NULL ? parent->weight : SJ_WEIGHT_DEFAULT;
	list_init(&stream->children);
	list_init(&stream->siblings);
	list_init(&stream->ready);
	list_init(&stream->wanting);
	list_init(&stream->eventing);
	stream->parent = parent;
	if (parent != NULL) {
		stream->session = parent->session;
		list_append(&parent->children, &stream->siblings);
		tree->count++;
	}
	table_insert(tree, stream);
	*out = stream;
	return 0;
}

static void
free_stream(struct sj__tree *tree, struct sj_stream *stream)
{
	sj__send_drop(&stream->send, tree->memory);
	sj__receive_drop(&stream->receive, tree->memory);
	list_remove(&stream->siblings);
	list_remove(&stream->ready);
	list_remove(&stream->wanting);
	list_remove(&stream->eventing);
	sj__memory_free(tree->memory, stream->service,
	    stream->service_length + 1);
	sj__memory_free(tree->memory, stream, sizeof *stream);
}

void
sj__tree_remove(struct sj__tree *tree, struct sj_stream *stream)
{
	struct sj_stream *child;

	assert(stream != tree->root);
	while ((child = list_first(&stream->children, struct sj_stream,
	    siblings)) != NULL) {
		/* [SJ-ST-8] Its place is taken by the nearest ancestor. */
		list_remove(&child->siblings);
		child->parent = stream->parent;
		child->parent_refunded = true;
		list_append(&stream->parent->children, &child->siblings);
	}
	table_remove(tree, stream);
	tree->count--;
	tree->placeholders -= stream->is_placeholder;
	free_stream(tree, stream);
	if (tree->bucket_count > BUCKETS_MIN &&
	    tree->count < tree->bucket_count / 8)
		(void)table_resize(tree, tree->bucket_count / 2);
}

int
sj__tree_init(struct sj__tree *tree, struct sj__memory *memory,
    struct sj_session *session, uint8_t side)
{
	struct span none = { NULL, 0 };

	memset(tree, 0, sizeof *tree);
	tree->memory = memory;
	tree->side = side;
	tree->next_index = side == 0 ? 1 : 0;   /* 0 is the root */
	list_init(&tree->wanting);
	list_init(&tree->blocked);
	for (size_t i = 0; i < URGENCIES; i++)
		list_init(&tree->lines[i]);
	SJ_TRY(table_resize(tree, BUCKETS_MIN));
	if (sj__tree_add(tree, 0, NULL, none, &tree->root) < 0) {
		sj__memory_free(memory, tree->buckets,
		    tree->bucket_count * sizeof *tree->buckets);
		tree->buckets = NULL;
		return SJ_ERR_MEMORY;
	}
	tree->root->session = session;
	tree->root->urgency = 0;
	tree->root->weight = 255;
	return 0;
}

void
sj__tree_fini(struct sj__tree *tree)
{
	struct sj_stream *stream;

	if (tree->buckets == NULL)
		return;
	/* The head of a list of children is in the parent: let go of it before
	 * anyone is freed. */
	for (size_t i = 0; i < tree->bucket_count; i++)
		for (stream = tree->buckets[i]; stream != NULL;
		    stream = stream->hash_next)
			list_remove(&stream->siblings);
	for (size_t i = 0; i < tree->bucket_count; i++)
		while ((stream = tree->buckets[i]) != NULL) {
			tree->buckets[i] = stream->hash_next;
			free_stream(tree, stream);
		}
	sj__memory_free(tree->memory, tree->buckets,
	    tree->bucket_count * sizeof *tree->buckets);
	sj__range_set_fini(&tree->peer_ids, tree->memory);
	tree->buckets = NULL;
	tree->root = NULL;
}

uint64_t
sj__tree_new_id(struct sj__tree *tree)
{
	return tree->next_index++ << 1 | tree->side;
}

/* [SJ-ST-16] */
enum id_kind
sj__tree_classify(const struct sj__tree *tree, uint64_t id,
    struct sj_stream **stream)
{
	*stream = sj__tree_find(tree, id);
	if (*stream != NULL)
		return ID_KNOWN;
	if ((id & 1) == tree->side)
		return id >> 1 < tree->next_index ? ID_CLOSED : ID_INVALID;
	return sj__range_contains(&tree->peer_ids, id >> 1) ? ID_CLOSED : ID_NEW;
}

int
sj__tree_note_peer_id(struct sj__tree *tree, uint64_t id)
{
	int added = sj__range_add(&tree->peer_ids, tree->memory, id >> 1,
	    (id >> 1) + 1, STREAM_IDS_MAX);

	return added < 0 ? added : 0;
}

/* A child is never opened before its parent. */
static bool
parent_is_open(const struct sj_stream *stream)
{
	return !stream->parent->is_local || stream->parent->opening_sent;
}

void
sj__tree_update(struct sj__tree *tree, struct sj_stream *stream)
{
	bool is_ready = sj__send_is_ready(&stream->send);

	/* A stream that still has to be opened at the peer asks for its turn
	 * at once: the opening needs no bytes. */
	if (stream->is_local && !stream->opening_acked &&
	    stream->parent != NULL &&
	    (!stream->opening_sent || stream->reopen))
		is_ready = !stream->send.reset && parent_is_open(stream);
	if (is_ready && list_is_empty(&stream->ready)) {
		stream->deficit = stream->weight * QUANTUM_PER_WEIGHT;
		list_append(&tree->lines[stream->urgency], &stream->ready);
	} else if (!is_ready) {
		list_remove(&stream->ready);
	}
}

void
sj__tree_block(struct sj__tree *tree, struct sj_stream *stream)
{
	list_remove(&stream->ready);
	list_append(&tree->blocked, &stream->ready);
}

void
sj__tree_unblock(struct sj__tree *tree)
{
	struct sj_stream *stream;

	while ((stream = list_first(&tree->blocked, struct sj_stream,
	    ready)) != NULL) {
		list_remove(&stream->ready);
		sj__tree_update(tree, stream);
	}
}

void
sj__tree_reopen(struct sj__tree *tree, struct sj_stream *stream)
{
	stream->reopen = true;
	sj__tree_update(tree, stream);
}

struct sj_stream *
sj__tree_turn(struct sj__tree *tree)
{
	for (size_t i = 0; i < URGENCIES; i++)
		if (!list_is_empty(&tree->lines[i]))
			return list_first(&tree->lines[i], struct sj_stream,
			    ready);
	return NULL;
}

void
sj__tree_served(struct sj__tree *tree, struct sj_stream *stream, size_t length)
{
	stream->deficit -= (int32_t)length;
	stream->reopen = false;
	if (stream->deficit <= 0 && !list_is_empty(&stream->ready)) {
		list_remove(&stream->ready);
		list_append(&tree->lines[stream->urgency], &stream->ready);
		stream->deficit += stream->weight * QUANTUM_PER_WEIGHT;
	}
	sj__tree_update(tree, stream);
}

void
sj__tree_want(struct sj__tree *tree, struct sj_stream *stream, uint8_t wants)
{
	stream->wants |= wants;
	if (stream->wants != 0 && list_is_empty(&stream->wanting))
		list_append(&tree->wanting, &stream->wanting);
}

bool
sj__tree_has_data(const struct sj__tree *tree)
{
	if (!list_is_empty(&tree->wanting))
		return true;
	for (size_t i = 0; i < URGENCIES; i++)
		if (!list_is_empty(&tree->lines[i]))
			return true;
	return false;
}
