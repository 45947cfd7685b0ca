// SPDX-License-Identifier: BSD-2-Clause
//
// See mm_slab.h.

#define _GNU_SOURCE
#include "mm_slab.h"

#include <sys/mman.h>

#include "mm/kmalloc.c"
#include "mm/slab.c"
#include "mm/slab_shape.c"
#ifdef DEBUG // as in the images
#include "mm/slab_debug.c"
#endif

#define AREA_BYTES MIB(8) // of each of the areas in the window
#define AREAS 2

static size_t area_bytes[AREAS];

void mm_slab_reset(void)
{
    memset(&slab_hot, 0, sizeof(slab_hot));
    memset(&table, 0, sizeof(table));
    memset(cache_index, 0, sizeof(cache_index));
    caches_end = CACHE_FIRST;
}

size_t mm_slab_areas(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < AREAS; i++)
        count += area_bytes[i] != 0;
    return count;
}

void *vmalloc(size_t bytes, unsigned gfp)
{
    (void)gfp;
    for (unsigned i = 0; i < AREAS && bytes <= AREA_BYTES; i++) {
        if (area_bytes[i])
            continue;
        area_bytes[i] = bytes;
        return mmap((void *)(ARCH_VMALLOC_BASE + i * AREA_BYTES), bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }
    return NULL;
}

size_t vmalloc_size(const void *area)
{
    size_t offset = (uintptr_t)area - ARCH_VMALLOC_BASE;
    return offset % AREA_BYTES || offset / AREA_BYTES >= AREAS ? 0
                                                               : area_bytes[offset / AREA_BYTES];
}

void vfree(const void *area)
{
    area_bytes[((uintptr_t)area - ARCH_VMALLOC_BASE) / AREA_BYTES] = 0;
    mprotect((void *)area, AREA_BYTES, PROT_NONE);
}
