// SPDX-License-Identifier: BSD-2-Clause
//
// Boot-time memory map: what RAM there is and which parts of it are taken. Filled by boot.c from
// the device tree before any allocator runs; the buddy allocator takes over all free ranges in
// buddy_init() and memblock is read-only afterwards. Single-threaded, boot CPU only.
//
// Input is foreign: ranges may be unsorted, overlapping, empty, wrapping, not page-aligned. Memory
// is rounded inwards, reservations outwards, overlaps are merged.

#pragma once

#include "mm/gfp.h"

#define MEMBLOCK_MAX_RANGES 64

struct memblock_range {
    paddr_t base;
    uint64_t len;
};

// Adds RAM. Returns 0, -EINVAL (empty after rounding, or wraps), -ENOSPC (table full).
int memblock_add(paddr_t base, uint64_t len);
// Marks as taken; may lie outside RAM. Same errors.
int memblock_reserve(paddr_t base, uint64_t len);
// Forgets RAM of the range (`no-map` reservations: it must not even be mapped). Same errors;
// the rest of a range stays, but for -ENOSPC, which loses it.
int memblock_remove(paddr_t base, uint64_t len);
// Forgets RAM so that no more than `bytes` in total remain, from the top (`mem=`).
void memblock_limit(uint64_t bytes);
// Boot allocation of whole pages, aligned to `align` (power of two >= PAGE_SIZE), reserved at
// once, contents undefined. Lowest-address-last so that low memory stays free for DMA32.
// Only memory that linear_mapped() covers is handed out. Returns 0 when none is left.
paddr_t memblock_alloc(size_t bytes, size_t align);
// Free ranges in ascending order: *base/*len of the first one at or above *base; false at the end.
bool memblock_next_free(paddr_t *base, uint64_t *len);
// RAM ranges likewise (reserved parts included).
bool memblock_next_memory(paddr_t *base, uint64_t *len);
uint64_t memblock_memory_bytes(void);
uint64_t memblock_reserved_bytes(void);
