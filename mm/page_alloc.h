// SPDX-License-Identifier: BSD-2-Clause
//
// Page allocator: zones DMA32 (below 4 GiB) and NORMAL, blocks of 11 orders (4 KiB to 4 MiB), lists
// of single pages per CPU, watermarks. Start-up cost does not grow with RAM: free RAM stays in
// extents, and 4 MiB blocks with their page descriptors (vmemmap) are carved from them when the
// free lists run short.
//
// Who gets what when memory is short (gfp.h): GFP_KERNEL and GFP_NOWAIT down to the min watermark
// (GFP_KERNEL makes caches give memory back first), GFP_ATOMIC down to 3/8 of it, GFP_RESERVE the
// last page. Below the low watermark a thread reclaims until the high one is reached.
//
// Context: any, but GFP_KERNEL needs thread context and no spinlock held. Out of memory is an
// answer: NULL.

#pragma once

#include "mm/gfp.h"

#define PAGE_MAX_ORDER 10 // the largest block is PAGE_SIZE << PAGE_MAX_ORDER

// One descriptor a page frame, in an array indexed by frame number (mm/page.h has the layout).
struct page;

// Takes over the free ranges of memblock. Once, from boot.c.
int page_alloc_init(void);

// 2^order contiguous pages, naturally aligned, as their linear-map address; NULL when there are
// none, or when the account of `gfp` is over its limit. The caller owns them until page_free with
// the same order.
void *page_alloc(unsigned order, unsigned gfp);
// A free of what is no such block is refused and logged; debug builds panic. In RAM that was never
// handed out it faults: there is no descriptor.
void page_free(void *pages, unsigned order);

// The smallest order whose block holds `bytes`; above PAGE_MAX_ORDER: none does.
unsigned page_order_for(size_t bytes);

// Puts the pages of this CPU's lists back into the zones, so that they merge.
void page_drain(void);

struct page_stats {
    uint64_t total_bytes;                   // RAM given to the allocator
    uint64_t free_bytes;                    // extents and per-CPU lists included
    uint64_t extent_bytes;                  // never touched so far
    uint64_t descriptor_bytes;              // page descriptors
    size_t free_blocks[PAGE_MAX_ORDER + 1]; // on the free lists, per order, all zones
    uint64_t failures; // requests answered NULL, limits of accounts not counted
};
void page_get_stats(struct page_stats *stats);

// In pages, but for the names.
struct zone_stats {
    const char *name;
    uint64_t managed;                       // given to the zone
    uint64_t free;                          // on its free lists and in extents
    uint64_t extent;                        // of these, never touched
    uint64_t least_free;                    // the lowest `free` ever seen (high-water mark of use)
    uint64_t min, low, high;                // watermarks
    uint64_t lowmem_reserve;                // kept from requests that could go to the zone above
    uint64_t per_cpu, pcp_batch, pcp_high;  // on per-CPU lists, and their rule
    size_t free_blocks[PAGE_MAX_ORDER + 1]; // per order
};
// The index-th zone, also one without memory; false past the last one.
bool page_get_zone_stats(unsigned index, struct zone_stats *stats);
