// SPDX-License-Identifier: BSD-2-Clause
//
// Virtually contiguous areas in the kernel's vmalloc window: memory from single pages, device
// registers (ioremap), and thread stacks. An unmapped guard page stands before and after each
// area. Thread context only.

#pragma once

#include "core/lib/mmio.h"
#include "mm/gfp.h"
#include "mm/pagetable.h"

int vmalloc_init(void); // once, from boot.c, after slab_init

// Zeroed when gfp has GFP_ZERO. NULL when out of memory or address space.
void *vmalloc(size_t bytes, unsigned gfp);
void vfree(const void *area);

// Maps device registers (device memory type, never executable). The same range may be mapped
// more than once. Returns an invalid mmio_t (mmio_valid()) when it cannot: a range that wraps,
// is empty, or overlaps RAM of memblock.
mmio_t ioremap(paddr_t base, uint64_t len);
void iounmap(mmio_t base);

// A stack of `bytes` (rounded up to pages) between guard pages: returns its lowest address, the
// caller's until stack_free. NULL when out of memory.
void *stack_alloc(size_t bytes);
void stack_free(void *stack);

// Maps [pa, pa+len), page-aligned, memory that somebody else owns; NULL when out of memory or
// address space. vunmap leaves that memory alone.
void *vmap(paddr_t pa, uint64_t len, enum page_prot prot);
void vunmap(const void *area);

struct vmalloc_stats {
    size_t areas, bytes;
};
void vmalloc_get_stats(struct vmalloc_stats *stats);
