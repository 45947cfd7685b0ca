// SPDX-License-Identifier: BSD-2-Clause
//
// What common code asks about the address space, and the maintenance of tables and TLB (MIPS64
// Architecture, volume III, chapter 4). The walker is the refill handler, a program that reads the
// tables like any other: a store is seen by it at once.
//
// An entry of the TLB holds a pair of pages. So a page that became valid may stand in there as
// invalid, with a valid neighbour. The operations run in KSEG0: a miss in the middle of one, for
// its own code, would change the registers that it works with.

#include "arch/pagetable.h"
#include "platform/loongson/common/shootdown.h"
#include "platform/loongson/loongson3/internal.h"
#include "platform/platform.h"

#define PAGE_BYTES (1UL << ARCH_PAGE_SHIFT)
#define PAIR_BYTES (2 * PAGE_BYTES)

extern char __image_start[], __image_end[];

uintptr_t image_pa_offset = ARCH_IMAGE_BASE - ARCH_IMAGE_LOAD; // for mm/linear.h

uint64_t *platform_pagetable_root(void) { return kernel_root_table; }

void platform_image_range(paddr_t *base, uint64_t *len)
{
    *base = IMAGE_PA(__image_start);
    *len = (uint64_t)(__image_end - __image_start);
}

// Where the first half of the root has the image's entry, for common code; vectors.S refuses it.
static bool in_root_copy(uintptr_t va)
{
    return va >> 36 == (ARCH_VMALLOC_BASE >> 36 | ((1u << PT_INDEX_BITS) - 1));
}

bool loongson3_is_mapped(uintptr_t va)
{
    const uint64_t *table = kernel_root_table;
    // What the refill handler turns away besides: other segments, and bit 47 outside the image's.
    bool mapped_segment = (va >> 47 == ARCH_VMALLOC_BASE >> 47 && !in_root_copy(va)) ||
                          va >> 47 == ARCH_IMAGE_BASE >> 47;
    for (int level = 0; mapped_segment && level < PT_LEVELS; level++) {
        unsigned shift = ARCH_PAGE_SHIFT + PT_INDEX_BITS * (PT_LEVELS - 1 - level);
        uint64_t entry = table[va >> shift & ((1u << PT_INDEX_BITS) - 1)];
        if (!pte_valid(entry))
            return false;
        table = (const uint64_t *)(uintptr_t)entry;
    }
    return mapped_segment;
}

// ---- TLB -------------------------------------------------------------------------------------

#define KSEG0 0xffffffff80000000
#define ENTRYHI_EHINV BIT(10)

// EntryHi of an entry 0 that never matches: an address of KSEG0 and, where Config4.IE says that
// there is one, the mark of an invalid entry, without which that address may not fit into an FTLB.
static uint64_t invalid_entry(void)
{
    bool has_config4 = ARCH_READ_CP0_32(16, 3) >> 31;
    bool has_mark = has_config4 && (ARCH_READ_CP0_32(16, 4) >> 30 & 1);
    return KSEG0 | (has_mark ? ENTRYHI_EHINV : 0);
}

static void drop_pair(uintptr_t va)
{
    uint64_t invalid = invalid_entry();
    irq_flags_t flags = arch_irq_save();
    UNMAPPED(loongson3_tlb_drop)(va, invalid);
    arch_irq_restore(flags);
}

// Only the pairs at the ends can be in the TLB: they alone had a valid page before. An access to a
// pair without one is a fault, which drops it (exception.c).
void platform_pagetable_publish(uintptr_t va, uint64_t len)
{
    __asm__ volatile("sync" ::: "memory"); // table contents before the link, entries before use
    if (!len)
        return;
    uintptr_t last = va + len - 1;
    if (!IS_ALIGNED(va, PAIR_BYTES))
        drop_pair(va);
    if (!IS_ALIGNED(last + 1, PAIR_BYTES))
        drop_pair(last);
}

// Above this many pairs it is cheaper to drop everything: a CPU has some hundred entries.
#define DROP_PAIRS_MAX 64

void loongson_tlb_drop(uintptr_t va, uint64_t len)
{
    uintptr_t first = ALIGN_DOWN(va, PAIR_BYTES);
    uint64_t pairs = (va - first + len + PAIR_BYTES - 1) / PAIR_BYTES;
    __asm__ volatile("sync" ::: "memory");
    if (pairs > DROP_PAIRS_MAX) {
        irq_flags_t flags = arch_irq_save();
        UNMAPPED(loongson3_tlb_reset)();
        arch_irq_restore(flags);
        return;
    }
    for (uint64_t i = 0; i < pairs; i++)
        drop_pair(first + i * PAIR_BYTES);
}
