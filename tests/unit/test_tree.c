/* SPDX-License-Identifier: ISC */
/* test_tree.c - who is whose child, and whose turn it is */
#include "unit.h"

#include "core/tree.c"

static struct sj__memory memory;
static struct sj__tree tree;
static const struct span no_name = { NULL, 0 };

static int
set_up(void **state)
{
	(void)state;
	draw_state = 20240101;
	sj__memory_init(&memory, 64 << 20);
	return sj__tree_init(&tree, &memory, NULL, 0);
}

static int
tear_down(void **state)
{
	(void)state;
	sj__tree_fini(&tree);
	return memory.used == 0 ? 0 : -1;
}

static struct sj_stream *
add(struct sj_stream *parent)
{
	struct sj_stream *stream;

	assert_int_equal(sj__tree_add(&tree, sj__tree_new_id(&tree), parent,
	    no_name, &stream), 0);
	return stream;
}

/* Something to send, without a ring: the scheduler looks at numbers only. */
static void
give(struct sj_stream *stream, uint64_t bytes)
{
	stream->send.end += bytes;
	stream->send.credit = UINT64_MAX / 2;
	sj__tree_update(&tree, stream);
}

static void
take(struct sj_stream *stream, size_t length)
{
	stream->send.next += length;
	sj__tree_served(&tree, stream, length);
}

/* As if the peer knew it: a stream of the peer's own. */
static struct sj_stream *
add_open(struct sj_stream *parent, uint8_t urgency, uint8_t weight)
{
	struct sj_stream *stream = add(parent);

	stream->opening_sent = stream->opening_acked = true;
	stream->urgency = urgency;
	stream->weight = weight;
	return stream;
}

static void
let_go(struct sj_stream *stream)
{
	stream->send.next = stream->send.end = 0;
}

/* --- Ids ---------------------------------------------------------------- */

static void
ids(void **state)
{
	struct sj_stream *stream, *found;

	(void)state;
	assert_int_equal(sj__tree_classify(&tree, 0, &found), ID_KNOWN);
	assert_ptr_equal(found, tree.root);
	assert_int_equal(sj__tree_classify(&tree, 2, &found), ID_INVALID);
	stream = add(tree.root);
	assert_int_equal(stream->id, 2);
	assert_true(stream->is_local);
	assert_int_equal(add(stream)->id, 4);
	assert_int_equal(sj__tree_classify(&tree, 2, &found), ID_KNOWN);
	assert_ptr_equal(found, stream);
	sj__tree_remove(&tree, stream);
	assert_int_equal(sj__tree_classify(&tree, 2, &found), ID_CLOSED);
	assert_int_equal(sj__tree_classify(&tree, 6, &found), ID_INVALID);
	/* The peer's: in any order, each once. */
	assert_int_equal(sj__tree_classify(&tree, 7, &found), ID_NEW);
	assert_int_equal(sj__tree_note_peer_id(&tree, 7), 0);
	assert_int_equal(sj__tree_classify(&tree, 7, &found), ID_CLOSED);
	assert_int_equal(sj__tree_classify(&tree, 5, &found), ID_NEW);
	assert_int_equal(sj__tree_note_peer_id(&tree, 7), 0);
	assert_int_equal(sj__tree_add(&tree, 7, tree.root, no_name, &stream),
	    0);
	assert_false(stream->is_local);
}

static void
server_ids(void **state)
{
	struct sj__tree server;
	struct sj_stream *found;

	(void)state;
	assert_int_equal(sj__tree_init(&server, &memory, NULL, 1), 0);
	assert_int_equal(sj__tree_new_id(&server), 1);
	assert_int_equal(sj__tree_new_id(&server), 3);
	assert_int_equal(sj__tree_classify(&server, 2, &found), ID_NEW);
	assert_int_equal(sj__tree_classify(&server, 1, &found), ID_CLOSED);
	assert_int_equal(sj__tree_classify(&server, 5, &found), ID_INVALID);
	assert_false(server.root->is_local);
	sj__tree_fini(&server);
	sj__tree_fini(&server);
}

/* A peer that opens every other id is bounded. */
static void
id_holes(void **state)
{
	uint64_t id = 1;

	(void)state;
	while (sj__tree_note_peer_id(&tree, id) == 0)
		id += 4;
	assert_int_equal(sj__tree_note_peer_id(&tree, id), SJ_ERR_LIMIT);
	assert_int_equal(id, 1 + 4 * STREAM_IDS_MAX);
}

/* --- Parents ------------------------------------------------------------ */

/* [SJ-ST-18] */
static void
inherits(void **state)
{
	static const uint8_t name[] = "copy";
	struct sj_stream *parent, *child;

	(void)state;
	assert_int_equal(sj__tree_add(&tree, 2, tree.root, (struct span){ name,
	    4 }, &parent), 0);
	assert_string_equal(parent->service, "copy");
	assert_int_equal(parent->service_length, 4);
	parent->urgency = 5;
	parent->weight = 77;
	assert_int_equal(sj__tree_add(&tree, 4, parent, no_name, &child), 0);
	assert_int_equal(child->urgency, 5);
	assert_int_equal(child->weight, 77);
	assert_string_equal(child->service, "");
	assert_ptr_equal(child->parent, parent);
}

/* [SJ-ST-8] */
static void
reparents(void **state)
{
	struct sj_stream *parent = add(tree.root), *middle = add(parent);
	struct sj_stream *one = add(middle), *two = add(middle);

	(void)state;
	sj__tree_remove(&tree, middle);
	assert_ptr_equal(one->parent, parent);
	assert_ptr_equal(two->parent, parent);
	/* Who lent the borrow is gone: nobody is to be given it back. */
	assert_true(one->parent_refunded);
	sj__tree_remove(&tree, parent);
	assert_ptr_equal(one->parent, tree.root);
	sj__tree_remove(&tree, one);
	assert_ptr_equal(list_first(&tree.root->children, struct sj_stream,
	    siblings), two);
	assert_int_equal(tree.count, 1);
}

static void
adopts(void **state)
{
	static const uint8_t name[] = "late";
	struct sj_stream *holder, *below, *other;

	(void)state;
	assert_int_equal(sj__tree_hold_place(&tree, 1000 | (tree.side ^ 1u),
	    &holder), 0);
	assert_int_equal(tree.placeholders, 1);
	below = add(holder);
	other = add(tree.root);
	assert_int_equal(sj__tree_adopt(&tree, holder, holder, no_name),
	    SJ_ERR_PROTOCOL);
	assert_int_equal(sj__tree_adopt(&tree, holder, below, no_name),
	    SJ_ERR_PROTOCOL);
	assert_true(holder->is_placeholder);
	assert_ptr_equal(holder->parent, tree.root);
	assert_int_equal(sj__tree_adopt(&tree, holder, other, (struct span){
	    name, 4 }), 0);
	assert_ptr_equal(holder->parent, other);
	assert_ptr_equal(below->parent, holder);
	assert_false(holder->is_placeholder);
	assert_int_equal(tree.placeholders, 0);
	assert_string_equal(holder->service, "late");
}

/* --- Turns -------------------------------------------------------------- */

/* [SJ-ST-18] Urgency is strict: a lower number is served until it has nothing left. */
static void
urgency(void **state)
{
	struct sj_stream *streams[URGENCIES];

	(void)state;
	assert_null(sj__tree_turn(&tree));
	for (unsigned i = 0; i < URGENCIES; i++) {
		streams[i] = add_open(tree.root, (uint8_t)(7 - i), 10);
		give(streams[i], 3000);
		assert_ptr_equal(sj__tree_turn(&tree), streams[i]);
	}
	for (unsigned i = URGENCIES; i-- > 0;)
		for (unsigned j = 0; j < 3; j++) {
			assert_ptr_equal(sj__tree_turn(&tree), streams[i]);
			assert_true(sj__tree_has_data(&tree));
			take(streams[i], 1000);
		}
	assert_null(sj__tree_turn(&tree));
	assert_false(sj__tree_has_data(&tree));
	for (unsigned i = 0; i < URGENCIES; i++)
		let_go(streams[i]);
}

/* [SJ-ST-18] Weights share: after many turns each has its part within one quantum. */
static void
weights(void **state)
{
	static const uint8_t table[] = { 1, 2, 3, 10, 16, 40, 128, 255 };
	struct sj_stream *streams[8], *turn;
	uint64_t served[8] = { 0 }, total = 0, sum = 0, fair;

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		streams[i] = add_open(tree.root, 3, table[i]);
		give(streams[i], UINT64_C(1) << 40);
		sum += table[i];
	}
	while (total < UINT64_C(50) << 20) {
		size_t length = 1 + draw(1400);

		turn = sj__tree_turn(&tree);
		assert_non_null(turn);
		take(turn, length);
		served[turn->id / 2 - 1] += length;
		total += length;
	}
	for (size_t i = 0; i < 8; i++) {
		uint64_t quantum = table[i] * UINT64_C(1024) + 1400;

		fair = total * table[i] / sum;
		assert_true(served[i] <= fair + 2 * quantum);
		assert_true(served[i] + 2 * quantum >= fair);
		let_go(streams[i]);
	}
}

/* What has nothing to send loses its turn; one that comes late waits no longer
 * than a round. */
static void
comes_and_goes(void **state)
{
	struct sj_stream *a = add_open(tree.root, 3, 16);
	struct sj_stream *b = add_open(tree.root, 3, 16);
	size_t waited = 0;

	(void)state;
	give(a, 1 << 30);
	for (unsigned i = 0; i < 100; i++)
		take(sj__tree_turn(&tree), 1000);
	give(b, 500);
	while (sj__tree_turn(&tree) != b) {
		take(a, 1000);
		waited += 1000;
	}
	assert_true(waited <= 16 * 1024 + 1000);
	take(b, 500);
	assert_ptr_equal(sj__tree_turn(&tree), a);
	/* Reset: out of the line at once. */
	a->send.reset = true;
	sj__tree_update(&tree, a);
	assert_null(sj__tree_turn(&tree));
	let_go(a);
	let_go(b);
}

/* An opening needs no byte, but a parent that was opened. */
static void
openings(void **state)
{
	struct sj_stream *parent = add(tree.root), *child = add(parent);

	(void)state;
	tree.root->opening_sent = tree.root->opening_acked = true;
	sj__tree_update(&tree, child);
	assert_null(sj__tree_turn(&tree));
	sj__tree_update(&tree, parent);
	assert_ptr_equal(sj__tree_turn(&tree), parent);
	parent->opening_sent = true;
	take(parent, 0);
	assert_null(sj__tree_turn(&tree));
	sj__tree_update(&tree, child);
	assert_ptr_equal(sj__tree_turn(&tree), child);
	child->opening_sent = true;
	take(child, 0);
	assert_null(sj__tree_turn(&tree));
	/* Lost: again, once; not any more when it was acknowledged. */
	sj__tree_reopen(&tree, parent);
	assert_ptr_equal(sj__tree_turn(&tree), parent);
	take(parent, 0);
	assert_null(sj__tree_turn(&tree));
	parent->opening_acked = true;
	sj__tree_reopen(&tree, parent);
	assert_null(sj__tree_turn(&tree));
	/* Reset before it was opened: nobody has to hear of it. */
	child = add(parent);
	sj__tree_update(&tree, child);
	assert_ptr_equal(sj__tree_turn(&tree), child);
	child->send.reset = true;
	sj__tree_update(&tree, child);
	assert_null(sj__tree_turn(&tree));
}

static void
blocking(void **state)
{
	struct sj_stream *one = add(tree.root), *two = add(tree.root);

	(void)state;
	tree.root->opening_sent = true;
	sj__tree_update(&tree, one);
	sj__tree_update(&tree, two);
	sj__tree_block(&tree, one);
	assert_ptr_equal(sj__tree_turn(&tree), two);
	sj__tree_block(&tree, two);
	assert_null(sj__tree_turn(&tree));
	/* More bytes do not pay for the opening. */
	give(one, 100);
	assert_null(sj__tree_turn(&tree));
	sj__tree_unblock(&tree);
	assert_ptr_equal(sj__tree_turn(&tree), one);
	/* One that is gone while it is blocked is in no list. */
	sj__tree_block(&tree, one);
	let_go(one);
	sj__tree_remove(&tree, one);
	sj__tree_unblock(&tree);
	assert_ptr_equal(sj__tree_turn(&tree), two);
}

static void
wanting(void **state)
{
	struct sj_stream *stream = add(tree.root);

	(void)state;
	sj__tree_want(&tree, stream, 0);
	assert_false(sj__tree_has_data(&tree));
	sj__tree_want(&tree, stream, WANT_CREDIT);
	sj__tree_want(&tree, stream, WANT_STOP);
	assert_true(sj__tree_has_data(&tree));
	assert_int_equal(stream->wants, WANT_CREDIT | WANT_STOP);
	sj__tree_remove(&tree, stream);
	assert_false(sj__tree_has_data(&tree));
}

/* --- Memory ------------------------------------------------------------- */

static void
no_memory(void **state)
{
	static const uint8_t name[] = "service";
	struct sj__tree small;
	struct sj_stream *stream;
	size_t used = memory.used, limit = memory.used, before;
	unsigned count = 0;

	(void)state;
	do {
		memory.limit = limit;
		limit += 16;
		if (sj__tree_init(&small, &memory, NULL, 0) == 0)
			break;
		assert_int_equal(memory.used, used);
	} while (limit < used + 100000);
	for (uint64_t id = 2; count < 60; limit += 16) {
		memory.limit = limit;
		before = memory.used;
		if (sj__tree_add(&small, id, small.root, (struct span){ name,
		    7 }, &stream) < 0) {
			assert_null(sj__tree_find(&small, id));
			/* The table may have grown; the stream is not there. */
			assert_int_equal(small.count, count);
			assert_true(memory.used >= before);
			continue;
		}
		count++;
		id += 2;
	}
	sj__tree_fini(&small);
	assert_int_equal(memory.used, used);
	memory.limit = 64 << 20;
}

/* --- Against a model ---------------------------------------------------- */

#define MODEL_MAX 400

struct node { struct sj_stream *stream; size_t parent; bool there; };
static struct node nodes[MODEL_MAX];

static size_t
draw_there(size_t count)
{
	size_t i;

	do
		i = draw(count);
	while (!nodes[i].there);
	return i;
}

static void
compare(size_t count)
{
	size_t there = 0, children = 0;

	for (size_t i = 0; i < count; i++) {
		struct sj_stream *found;

		if (!nodes[i].there) {
			assert_null(sj__tree_find(&tree, 2 * i));
			assert_int_equal(sj__tree_classify(&tree, 2 * i,
			    &found), ID_CLOSED);
			continue;
		}
		there++;
		assert_ptr_equal(sj__tree_find(&tree, 2 * i), nodes[i].stream);
		if (i > 0)
			assert_ptr_equal(nodes[i].stream->parent,
			    nodes[nodes[i].parent].stream);
		for (struct list *at = nodes[i].stream->children.next;
		    at != &nodes[i].stream->children; at = at->next) {
			const struct sj_stream *child = container_of(at,
			    struct sj_stream, siblings);

			assert_ptr_equal(child->parent, nodes[i].stream);
			children++;
		}
	}
	assert_int_equal(children, there - 1);
	assert_int_equal(tree.count, there - 1);
}

/* The whole subtree of one, leaves first, as a reset does. */
static void
remove_subtree(size_t at, size_t count)
{
	for (size_t i = at + 1; i < count; i++)
		if (nodes[i].there && nodes[i].parent == at)
			remove_subtree(i, count);
	let_go(nodes[at].stream);
	sj__tree_remove(&tree, nodes[at].stream);
	nodes[at].there = false;
}

static void
remove_one(size_t at, size_t count)
{
	let_go(nodes[at].stream);
	sj__tree_remove(&tree, nodes[at].stream);
	nodes[at].there = false;
	for (size_t i = 0; i < count; i++)
		if (nodes[i].there && nodes[i].parent == at)
			nodes[i].parent = nodes[at].parent;
}

static void
against_model(void **state)
{
	size_t count = 1, at;
	size_t used = memory.used;

	(void)state;
	nodes[0] = (struct node){ tree.root, 0, true };
	while (count < MODEL_MAX) {
		unsigned what = (unsigned)draw(20);

		at = draw_there(count);
		if (what < 13) {
			nodes[count] = (struct node){ add(nodes[at].stream),
			    at, true };
			assert_int_equal(nodes[count].stream->id, 2 * count);
			count++;
		} else if (what < 16 && at != 0) {
			remove_one(at, count);
		} else if (what < 17 && at != 0) {
			remove_subtree(at, count);
		} else {
			nodes[at].stream->opening_sent = true;
			give(nodes[at].stream, 1);
			sj__tree_want(&tree, nodes[at].stream, WANT_CREDIT);
		}
		compare(count);
	}
	for (size_t i = 1; i < count; i++)
		if (nodes[i].there)
			remove_one(i, count);
	compare(count);
	let_go(tree.root);
	assert_int_equal(memory.used, used);
}

/* Whatever is left when it ends is freed with it. */
static void
ends_full(void **state)
{
	struct sj_stream *stream = tree.root;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct sj_stream *child = add(draw(3) == 0 ? tree.root :
		    stream);

		child->opening_sent = true;
		sj__tree_want(&tree, child, WANT_RESET);
		give(child, 1);
		child->send.end = 0;
		stream = draw(2) == 0 ? child : stream;
	}
	assert_true(tree.bucket_count >= 512);
	sj__tree_note_peer_id(&tree, 999);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(server_ids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(id_holes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(inherits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reparents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(adopts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(urgency, set_up, tear_down),
		cmocka_unit_test_setup_teardown(weights, set_up, tear_down),
		cmocka_unit_test_setup_teardown(comes_and_goes, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(openings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(blocking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wanting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(against_model, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(ends_full, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
