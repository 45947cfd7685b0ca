// SPDX-License-Identifier: BSD-2-Clause
//
// Virtually contiguous areas in the kernel's vmalloc window: memory from single pages, device
// registers (ioremap), and thread stacks. An unmapped guard page stands before and after each
// area. Freed areas are unmapped at once but wait, with their pages and addresses, until one
// invalidation serves many of them (vmalloc_purge). Thread context only.

#pragma once

#include "core/lib/mmio.h"
#include "mm/gfp.h"
#include "mm/pagetable.h"

int vmalloc_init(void); // once, from boot.c, after slab_init

// Zeroed when gfp has GFP_ZERO. NULL when out of memory or address space, or when the account of
// `gfp` is over its limit.
void *vmalloc(size_t bytes, unsigned gfp);
// The same, at a multiple of `align`, a power of two.
void *vmalloc_aligned(size_t bytes, size_t align, unsigned gfp);
void vfree(const void *area); // NULL is allowed; also with softirqs off (kfree_rcu)
// Usable bytes of the area that starts here; 0 if none does.
size_t vmalloc_size(const void *area);
static inline bool vmalloc_contains(const void *va)
{
    return (uintptr_t)va - ARCH_VMALLOC_BASE < ARCH_VMALLOC_BYTES;
}

// Maps device registers (device memory type, never executable). The same range may be mapped
// more than once. Returns an invalid mmio_t (mmio_valid()) when it cannot: a range that wraps,
// is empty, or overlaps RAM of memblock.
mmio_t ioremap(paddr_t base, uint64_t len);
void iounmap(mmio_t base);

// A stack of `bytes` (rounded up to pages) between guard pages: returns its lowest address, the
// caller's until stack_free. NULL when out of memory.
void *stack_alloc(size_t bytes);
void stack_free(void *stack);
// The most that was ever in use of a stack, in bytes; it is zeroed when it is made.
size_t stack_high_water(const void *stack, size_t bytes);

// Maps [pa, pa+len), page-aligned, memory that somebody else owns; NULL when out of memory or
// address space. vunmap leaves that memory alone, and is done when it returns: no CPU reaches the
// memory through the area any more.
void *vmap(paddr_t pa, uint64_t len, enum page_prot prot);
void vunmap(const void *area);

// Finishes what lazy unmapping put off: one invalidation, then pages and addresses are free.
void vmalloc_purge(void);

struct vmalloc_stats {
    size_t areas, bytes, peak_bytes; // in use
    size_t lazy_areas, lazy_bytes;   // unmapped, not yet invalidated
    uint64_t purges;
    size_t stacks, stack_bytes;
};
void vmalloc_get_stats(struct vmalloc_stats *stats);
