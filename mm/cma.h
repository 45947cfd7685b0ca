// SPDX-License-Identifier: BSD-2-Clause
//
// The contiguous area: a pool for DMA blocks larger than the page allocator has. Its place comes
// from `cma=BYTES[@BASE]`, or from a `shared-dma-pool` node of /reserved-memory (with `reg`, or
// with `size`, `alignment` and `alloc-ranges`). It is set apart for good: nothing movable exists
// that could borrow it meanwhile. Drivers reach it through dma_alloc only.

#pragma once

#include "mm/account.h"

DECLARE_MEM_ACCOUNT(dma); // all that drivers share with devices, in the area or not

// Contiguous, page-aligned memory, as its linear-map address; contents undefined; NULL: there is
// no area, no such gap in it, or none below `limit` (highest address). Thread context.
void *cma_alloc(size_t bytes, size_t align, paddr_t limit);
// False if it is none of the area's; else it is free again, or the log says why not.
bool cma_free(void *memory, size_t bytes);

struct cma_stats {
    paddr_t base;
    uint64_t bytes, used, peak;
};
void cma_get_stats(struct cma_stats *stats);

// Takes the area that the memory map reserved; once, from boot.c. No area is no error.
int cma_init(void);
// For the memory map (mm/memory_map.c): says where the area is.
void cma_set_area(paddr_t base, uint64_t bytes);
