// SPDX-License-Identifier: BSD-2-Clause
//
// Kernel page tables: one generic walker over the machine's description (arch/pagetable.h:
// levels, index bits, block levels, entry encoding; platform.h: invalidation and barriers).
//
// Context: thread or boot; one lock inside. Physical and virtual ranges are page-aligned; -EINVAL
// when they are not, are empty, wrap, or are beyond what entries can hold. Tables stay when their
// last entry is unmapped: the next mapping there uses them again.

#pragma once

#include "mm/gfp.h"

enum page_prot {
    PROT_RO,     // read only, not executable
    PROT_RW,     // read and write, not executable
    PROT_RX,     // read and execute; nothing is both writable and executable
    PROT_DEVICE, // device registers, read and write
};

// Maps [va, va+len) to [pa, pa+len) with the largest blocks that alignment allows. Table pages
// come from page_alloc, or from memblock_alloc before page_alloc_init. -EEXIST if a part is mapped,
// -ENOMEM; in both cases nothing stays mapped of this call.
int pagetable_map(uintptr_t va, paddr_t pa, uint64_t len, enum page_prot prot);
// Unmaps and invalidates before it returns; holes are allowed; blocks are split when needed, for
// which -ENOMEM leaves everything mapped.
int pagetable_unmap(uintptr_t va, uint64_t len);
// Changes the protection of a mapped range (break-before-make where the machine wants it). All or
// nothing: -EFAULT when a part is not mapped, -ENOMEM when a block cannot be split. A block that
// holds the running code, its stack or its tables must not be split.
int pagetable_protect(uintptr_t va, uint64_t len, enum page_prot prot);
// Takes the leaves away without an invalidation: no CPU may be told to use the range, and neither
// its addresses nor what they led to may be used again, before pagetable_invalidate. Like
// pagetable_unmap otherwise.
int pagetable_unmap_lazy(uintptr_t va, uint64_t len);
// No CPU holds an old entry of the range when this returns. Interrupts on, no spinlock held: other
// CPUs may have to be waited for.
void pagetable_invalidate(uintptr_t va, uint64_t len);
// The physical address behind va; -EFAULT when unmapped.
int pagetable_translate(uintptr_t va, paddr_t *pa, enum page_prot *prot);

// The largest block, in bytes, that can map something of `len` bytes; at least PAGE_SIZE. A caller
// who picks va = pa modulo this gets such blocks.
uint64_t pagetable_block_bytes(uint64_t len);

// Calls visit for each run of leaves with equal protection and size and adjoining addresses, in
// ascending order, under the lock, until it returns non-zero, which is passed on.
struct page_run {
    uintptr_t va;
    paddr_t pa;
    uint64_t len;        // bytes
    uint64_t leaf_bytes; // of each leaf
    uint64_t bits;       // the machine's attribute bits
};
int pagetable_visit(int (*visit)(const struct page_run *run, void *arg), void *arg);
// Walks all of the table for what is both writable and executable (debug builds, at boot): the
// number of such runs, each logged.
unsigned pagetable_check_wx(void);
static inline void pagetable_debug_check(void) // nothing in other builds
{
#ifdef DEBUG
    pagetable_check_wx();
#endif
}

// For the page allocator, which cannot call itself: like pagetable_map of an unmapped range, with
// table pages from `stock` (-ENOMEM when it runs dry) and without the lock. The caller has the
// top-level entries of the range to himself and excludes himself.
struct page_stock {
    unsigned count;
    paddr_t pages[16];
};
int pagetable_map_stock(uintptr_t va, paddr_t pa, uint64_t len, enum page_prot prot,
                        struct page_stock *stock);
