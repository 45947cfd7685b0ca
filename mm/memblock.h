// SPDX-License-Identifier: BSD-2-Clause
//
// Boot-time memory map: what RAM there is and which parts of it are taken. Filled by
// mm/memory_map.c from the device tree before any allocator runs; the buddy allocator takes over
// all free ranges in page_alloc_init() and memblock is read-only afterwards. Single-threaded, boot
// CPU only.
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

// Adds RAM, as far as the linear map has room for it. Returns 0, -EINVAL (empty after rounding, out
// of reach, or wraps), -ENOSPC (table full).
int memblock_add(paddr_t base, uint64_t len);
// Marks as taken; may lie outside RAM. 0 or -EINVAL; when the table is full, the gap between two
// neighbours is taken as well.
int memblock_reserve(paddr_t base, uint64_t len);
// Forgets RAM of the range (`no-map` reservations: it must not even be mapped). -EINVAL; -ENOSPC: a
// hole, but no room in the table for what is behind it; nothing is changed.
int memblock_remove(paddr_t base, uint64_t len);
// Forgets RAM so that no more than `bytes` in total remain, from the top (`mem=`).
void memblock_limit(uint64_t bytes);
// Boot allocation of whole pages, aligned to `align` (power of two >= PAGE_SIZE), reserved at
// once, contents undefined. Lowest-address-last so that low memory stays free for DMA32.
// Only memory that linear_mapped() covers is handed out. Returns 0 when none is left.
paddr_t memblock_alloc(size_t bytes, size_t align);
// The highest free place of `bytes` that is aligned, not below `low` and ends at or below the
// address `limit`; mapped or not, and not reserved. 0: none.
paddr_t memblock_find(uint64_t bytes, uint64_t align, paddr_t low, paddr_t limit);
// True if the whole range is RAM, or free RAM.
bool memblock_is_memory(paddr_t base, uint64_t len);
bool memblock_is_free(paddr_t base, uint64_t len);
// Free ranges in ascending order: *base/*len of the first one at or above *base; false at the end.
bool memblock_next_free(paddr_t *base, uint64_t *len);
// RAM ranges likewise (reserved parts included).
bool memblock_next_memory(paddr_t *base, uint64_t *len);
uint64_t memblock_memory_bytes(void);
uint64_t memblock_reserved_bytes(void);
