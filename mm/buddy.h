// SPDX-License-Identifier: BSD-2-Clause
//
// Page allocator: binary buddies of 11 orders (4 KiB to 4 MiB). Start-up cost does not grow with
// RAM: free RAM stays in extents, and 4 MiB blocks with their page descriptors (vmemmap) are
// carved from them when the free lists run short.
//
// Context: any, with GFP_ATOMIC; GFP_KERNEL needs thread context. Internally a spinlock with
// interrupts off. Out of memory is an answer: NULL.

#pragma once

#include "mm/gfp.h"

#define BUDDY_MAX_ORDER 10 // the largest block is PAGE_SIZE << BUDDY_MAX_ORDER

// One descriptor a page frame, in an array indexed by frame number (mm/page.h has the layout).
struct page;

struct buddy_stats {
    uint64_t total_bytes;                    // RAM given to the allocator
    uint64_t free_bytes;                     // extents included
    uint64_t extent_bytes;                   // never touched so far
    size_t free_blocks[BUDDY_MAX_ORDER + 1]; // on the free lists, per order
    uint64_t failures;                       // requests answered NULL
};

// Takes over the free ranges of memblock. Once, from boot.c.
int buddy_init(void);

// 2^order contiguous pages, naturally aligned, as their linear-map address; NULL when there are
// none. The caller owns them until buddy_free with the same order.
void *buddy_alloc(unsigned order, unsigned gfp);
void buddy_free(void *pages, unsigned order);

// The smallest order whose block holds `bytes`.
unsigned buddy_order_for(size_t bytes);
void buddy_get_stats(struct buddy_stats *stats);
