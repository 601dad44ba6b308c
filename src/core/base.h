/* SPDX-License-Identifier: ISC */
/*
 * base.h - what every file of the core may use: spans, min and max, lists
 */
#ifndef SJ_CORE_BASE_H
#define SJ_CORE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sojourn.h>
#include <sojourn_core.h>

#define SJ_TRY(expr) \
	do { \
		int try_err_ = (expr); \
		if (try_err_ < 0) \
			return try_err_; \
	} while (0)

#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NEVER_NS UINT64_MAX

/* Borrowed bytes: valid for the call only, unless said otherwise. */
struct span {
	const uint8_t *data;
	size_t length;
};

static inline uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t
max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* An intrusive ring: an element that is in no list points at itself. */
struct list {
	struct list *next, *previous;
};

static inline void
list_init(struct list *list)
{
	list->next = list->previous = list;
}

static inline bool
list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline void
list_remove(struct list *element)
{
	element->next->previous = element->previous;
	element->previous->next = element->next;
	list_init(element);
}

/* At the end of the list; element must be in none. */
static inline void
list_append(struct list *list, struct list *element)
{
	assert(list_is_empty(element));
	element->previous = list->previous;
	element->next = list;
	list->previous->next = element;
	list->previous = element;
}

#define list_first(list, type, member) \
	(list_is_empty(list) ? NULL : container_of((list)->next, type, member))

#endif
