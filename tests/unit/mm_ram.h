// SPDX-License-Identifier: BSD-2-Clause
//
// RAM for the allocators under test: a sparse file stands for physical memory, and is mapped where
// the linear map and, as the buddy allocator asks for it, the vmemmap and vmalloc windows are. So
// a page that is used twice shows in its contents, and a descriptor that was never mapped faults.

#pragma once

#include "core/lib/types.h"
#include "mm/account.h"

DECLARE_MEM_ACCOUNT(mm_ram); // "ram-test", for tests that need one

#define MM_RAM_END (9ULL << 30) // physical addresses are below it

// Forgets everything: memblock and buddy allocator as at power-on.
void mm_ram_reset(void);
// A piece of RAM, made known to memblock.
void mm_ram_add(paddr_t base, uint64_t len);
void mm_ram_reserve(paddr_t base, uint64_t len);
// page_alloc_init().
void mm_ram_start(void);

// One pass of the thread that reclaims; false: it found nothing.
bool mm_ram_reclaim(void);

// True if the buddy allocator was given this frame.
bool mm_ram_given(uint64_t pfn);
// True if it put a descriptor or a page table there, or keeps the page for that.
bool mm_ram_is_meta(uint64_t pfn);
bool mm_ram_is_carved(uint64_t pfn); // its descriptor is mapped
// From now on only `count` more mappings by pagetable_map succeed.
void mm_ram_fail_map_after(long count);

// True while an entry that was unmapped without an invalidation may still lead to this page.
// Mapping such a page, or such an address, ends the test.
bool mm_ram_is_stale(paddr_t pa);
unsigned mm_ram_invalidations(void);

// xorshift64; the seed must not be 0.
static inline uint64_t mm_ram_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
