// SPDX-License-Identifier: BSD-2-Clause
//
// The zones behind page_alloc, for mm/page_alloc.c, mm/buddy.c and mm/reclaim.c only: free blocks
// by order, extents that were never touched, watermarks. One lock protects all zones, because
// blocks of either serve as descriptors of the other.

#pragma once

#include "core/lib/list.h"
#include "core/sync/spinlock.h"
#include "mm/memblock.h"
#include "mm/page.h"

#define ORDERS (PAGE_MAX_ORDER + 1)
#define CHUNK_PAGES (1ULL << PAGE_MAX_ORDER)
#define CHUNK_META_PAGES (CHUNK_PAGES * sizeof(struct page) / PAGE_SIZE)
#define EXTENTS_MAX (2 * MEMBLOCK_MAX_RANGES)
#define DMA32_END_PFN (1ULL << (32 - PAGE_SHIFT))

enum { ZONE_DMA32, ZONE_NORMAL, ZONES }; // a request falls back downwards only

enum watermark { WMARK_MIN, WMARK_LOW, WMARK_HIGH, WMARKS };

struct extent {
    uint64_t start, end; // frame numbers
};

struct zone {
    uint64_t free;     // pages on the free lists and in extents
    uint32_t nonempty; // bit per order: its free list has a block
    struct list free_list[ORDERS];
    size_t free_count[ORDERS];
    unsigned extent_first, extent_count; // those before the first are used up
    struct extent extents[EXTENTS_MAX];  // ascending, disjoint
    uint64_t least_free;

    // Set once, by zones_init.
    uint64_t managed;        // pages given to the zone
    uint64_t mark[WMARKS];   // pages
    uint64_t lowmem_reserve; // kept from requests that could go to a zone above
    unsigned pcp_batch, pcp_high;
};

extern struct spinlock zone_lock; // protects all zones; interrupts off
extern struct zone zones[ZONES];

static inline unsigned zone_index(uint64_t pfn)
{
    return pfn < DMA32_END_PFN ? ZONE_DMA32 : ZONE_NORMAL;
}

// Takes over memblock's free ranges. -ENOMEM.
int zones_init(void);
uint64_t zones_descriptor_bytes(void); // of the chunks carved so far
// The smallest free block that fits, carved from extents if there is none; kind PAGE_USED. The
// watermarks are the caller's business. Lock held.
struct page *zone_take(struct zone *zone, unsigned order);
// The same, but never carves.
struct page *zone_take_listed(struct zone *zone, unsigned order);
// Puts a block back, merged with its buddy as long as that is free too. Lock held.
void zone_give(struct zone *zone, struct page *page, unsigned order);

// True if 2^order pages may be taken and more than `mark` + `reserve` pages are left. `gfp`:
// GFP_ATOMIC goes down to 3/8 of the mark, GFP_RESERVE to the last page. Lock held.
bool zone_has(const struct zone *zone, unsigned order, uint64_t mark, uint64_t reserve,
              unsigned gfp);
// True if every zone that has memory has more free than its watermark.
bool zones_above(enum watermark mark);
