// SPDX-License-Identifier: BSD-2-Clause
//
// Page descriptors, for the files of mm/ only. One `struct page` a frame, in an array indexed by
// frame number at ARCH_VMEMMAP_BASE. The array is mapped piece by piece, when the buddy allocator
// carves the 4 MiB chunk that a piece describes: a descriptor exists for every page that was ever
// handed out, and must not be touched for others.

#pragma once

#include <assert.h>

#include "core/lib/list.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"

enum page_kind {
    PAGE_TAIL = 0, // not the first page of its block, or not the allocator's at all
    PAGE_FREE,     // first page of a free block, on a free list
    PAGE_CACHED,   // single page on a per-CPU list
    PAGE_USED,     // first page of a block that page_alloc handed out
    PAGE_LARGE,    // the same, handed on by kmalloc
    PAGE_SLAB,     // holds objects of a slab cache; so in every page of the slab
};

// The owner of the page (by kind) owns the fields; `kind` changes under the owner's lock.
struct page {
    struct list link; // FREE, CACHED: list; SLAB: a list of the cache; USED: owner's
    union {
        struct {
            uint32_t offset;  // SLAB, in every page: of the page in its slab, bytes
            uint16_t freed;   // SLAB: number of a freed object, which holds the next one's
            uint16_t unused_; // the rest of the word
        };
        size_t bytes; // LARGE: as asked for
    };
    uint16_t used;  // SLAB: objects that left the slab, for a caller or a CPU's array
    uint16_t fresh; // SLAB, in every page: objects that ever left it; 0 in all other pages
    union {
        uint16_t cache;   // SLAB, in every page: index of the cache
        uint16_t account; // USED, LARGE: who was charged
    };
    uint8_t kind;  // enum page_kind
    uint8_t order; // the block's size; SLAB: in every page
};
static_assert(sizeof(struct page) == 32, "the descriptors of a chunk fill whole pages");

#define VMEMMAP ((struct page *)ARCH_VMEMMAP_BASE)

static inline uint64_t page_pfn(const struct page *page) { return (uint64_t)(page - VMEMMAP); }
static inline struct page *page_from_pfn(uint64_t pfn) { return VMEMMAP + pfn; }
// Page << PAGE_VA_SHIFT is the page's distance in the linear map, but for a constant.
#define PAGE_VA_SHIFT (PAGE_SHIFT - 5)
static inline void *page_va(const struct page *page)
{
    return (void *)(((uintptr_t)page << PAGE_VA_SHIFT) + ARCH_LINEAR_BASE -
                    ((uintptr_t)ARCH_VMEMMAP_BASE << PAGE_VA_SHIFT));
}
// The descriptor of the page that holds a linear-map address.
static inline struct page *page_of(const void *va)
{
    return VMEMMAP + (((uintptr_t)va - ARCH_LINEAR_BASE) >> PAGE_SHIFT);
}

// From the first to the last page that the allocator was given, holes included.
extern struct page_span {
    uintptr_t start; // linear-map address
    size_t bytes;
} page_span;

// True for addresses in the linear map of RAM; false for image, vmalloc and device addresses.
static inline bool page_valid(const void *va)
{
    return (uintptr_t)va - page_span.start < page_span.bytes;
}

// False until page_alloc_init: whoever needs pages takes them from memblock.
bool page_alloc_ready(void);
