/* SPDX-License-Identifier: ISC */
/*
 * assembly.h - a handshake message out of its fragments
 *
 * Nothing of it is authenticated before it is whole: a message that does not
 * verify is thrown away with all its fragments, and assembled anew.
 */
#ifndef SJ_CORE_ASSEMBLY_H
#define SJ_CORE_ASSEMBLY_H

#include "core/range.h"

#define ASSEMBLY_HOLES_MAX 16

struct assembly {
	uint8_t *bytes;                 /* NULL: nothing yet */
	size_t total;
	struct sj__range_set filled;
};

/* One fragment of total bytes: 1 it is whole, 0 more are missing, SJ_ERR_MEMORY,
 * SJ_ERR_LIMIT, SJ_ERR_PROTOCOL. One of another total takes the place of those
 * before: who of the two lies is not known, and the right one comes again. */
int sj__assembly_add(struct assembly *assembly, struct sj__memory *memory,
    size_t total, size_t offset, struct span fragment);
/* Empty again. */
void sj__assembly_fini(struct assembly *assembly, struct sj__memory *memory);

#endif
