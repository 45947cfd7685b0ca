// SPDX-License-Identifier: BSD-2-Clause
//
// Page descriptors, for the files of mm/ only. One `struct page` a frame, in an array indexed by
// frame number at ARCH_VMEMMAP_BASE. The array is mapped piece by piece, when the buddy allocator
// carves the 4 MiB chunk that a piece describes: a descriptor exists for every page that was ever
// handed out, and must not be touched for others.

#pragma once

#include <assert.h>

#include "core/lib/list.h"
#include "mm/buddy.h"
#include "mm/linear.h"

enum page_kind {
    PAGE_TAIL = 0, // not the first page of its block, or not the allocator's at all
    PAGE_FREE,     // first page of a free block, on a free list
    PAGE_USED,     // first page of a block that buddy_alloc handed out
    PAGE_LARGE,    // the same, handed on by kmalloc
    PAGE_SLAB,     // holds objects of a slab cache
};

// The owner of the page (by kind) owns the fields; `kind` changes under the owner's lock.
struct page {
    struct list link; // FREE: free list; SLAB: the cache's partial list; USED: owner's
    void *freelist;   // SLAB: first freed object, each holds the next one's address
    uint16_t used;    // SLAB: objects handed out
    uint16_t fresh;   // SLAB: objects that were ever handed out, from the page's start
    uint16_t cache;   // SLAB: index of the cache
    uint8_t kind;     // enum page_kind
    uint8_t order;    // FREE, USED, LARGE: the block's size
};
static_assert(sizeof(struct page) == 32, "the descriptors of a chunk fill whole pages");

#define VMEMMAP ((struct page *)ARCH_VMEMMAP_BASE)

static inline uint64_t page_pfn(const struct page *page) { return (uint64_t)(page - VMEMMAP); }
static inline struct page *page_from_pfn(uint64_t pfn) { return VMEMMAP + pfn; }
static inline void *page_va(const struct page *page)
{
    return linear_va(page_pfn(page) << PAGE_SHIFT);
}
// The descriptor of the page that holds a linear-map address.
static inline struct page *page_of(const void *va)
{
    return VMEMMAP + (((uintptr_t)va - ARCH_LINEAR_BASE) >> PAGE_SHIFT);
}

// First and last+1 frame of RAM that the buddy allocator was given.
extern uint64_t page_pfn_low, page_pfn_high;

// True for addresses in the linear map of RAM; false for image, vmalloc and device addresses.
static inline bool page_valid(const void *va)
{
    return (((uintptr_t)va - ARCH_LINEAR_BASE) >> PAGE_SHIFT) - page_pfn_low <
           page_pfn_high - page_pfn_low;
}

// False until buddy_init: whoever needs pages takes them from memblock.
bool buddy_ready(void);
