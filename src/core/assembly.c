/* SPDX-License-Identifier: ISC */
/* assembly.c - a handshake message out of its fragments */
#include "core/assembly.h"

int
sj__assembly_add(struct assembly *assembly, struct sj__memory *memory,
    size_t total, size_t offset, struct span fragment)
{
	if (offset + fragment.length > total || fragment.length == 0)
		return SJ_ERR_PROTOCOL;
	if (assembly->bytes != NULL && assembly->total != total)
		sj__assembly_fini(assembly, memory);
	if (assembly->bytes == NULL) {
		assembly->bytes = sj__memory_allocate(memory, total);
		if (assembly->bytes == NULL)
			return SJ_ERR_MEMORY;
		assembly->total = total;
	}
	SJ_TRY(sj__range_add(&assembly->filled, memory, offset,
	    offset + fragment.length, ASSEMBLY_HOLES_MAX));
	memcpy(assembly->bytes + offset, fragment.data, fragment.length);
	return assembly->filled.count == 1 &&
	    assembly->filled.ranges[0].from == 0 &&
	    assembly->filled.ranges[0].to == total;
}

void
sj__assembly_fini(struct assembly *assembly, struct sj__memory *memory)
{
	if (assembly->bytes != NULL)
		sj__memory_free(memory, assembly->bytes, assembly->total);
	sj__range_set_fini(&assembly->filled, memory);
	memset(assembly, 0, sizeof *assembly);
}
