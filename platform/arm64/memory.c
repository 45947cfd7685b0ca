// SPDX-License-Identifier: BSD-2-Clause
//
// What common code asks about the address space: the image's place, what early_map.c has mapped,
// the early console's window, and the maintenance of tables and TLBs (Arm ARM D8.13, D8.17).

#include "arch/layout.h"
#include "arch/pagetable.h"
#include "platform/arm64/early.h"
#include "platform/platform.h"

#define BLOCK_BYTES (1ULL << 21)
#define SPAN_BYTES (1ULL << 30) // what one table of blocks covers
#define PAGE_BYTES_SHIFT 12
#define PAGE_BYTES (1ULL << PAGE_BYTES_SHIFT)

extern char __image_start[], __image_end[];
uintptr_t image_pa_offset;

uint64_t *platform_pagetable_root(void) { return kernel_root_table; }

void platform_image_range(paddr_t *base, uint64_t *len)
{
    *base = (uintptr_t)__image_start - image_pa_offset;
    *len = (uint64_t)(__image_end - __image_start);
}

void platform_linear_start(struct linear_start *start)
{
    uint64_t len;
    platform_image_range(&start->low, &len);
    start->high = ALIGN_UP(start->low + len, BLOCK_BYTES);
    start->span_bytes = SPAN_BYTES;
    start->leaf_bytes = BLOCK_BYTES;
}

mmio_t platform_early_device(paddr_t base)
{
    const uint64_t bits = PTE_AF | PTE_UXN | PTE_PXN | PTE_ATTR_DEVICE;
    if (base & ~(PTE_ADDR_MASK | (PAGE_BYTES - 1))) // the tree's word
        return (mmio_t){0};
    unsigned index = (EARLY_DEVICE_BASE >> 21) & 511;
    early_image_l2[index] = pte_make_leaf(ALIGN_DOWN(base, BLOCK_BYTES), bits, 2);
    platform_pagetable_publish(EARLY_DEVICE_BASE, BLOCK_BYTES);
    return (mmio_t){EARLY_DEVICE_BASE + (base & (BLOCK_BYTES - 1))};
}

void platform_pagetable_publish(uintptr_t va, uint64_t len)
{
    (void)va, (void)len; // invalid entries are never cached here (Arm ARM D8.16.1)
    // DSB: the entries are visible to the walker; ISB: so is the fact to what we execute next.
    __asm__ volatile("dsb ishst\n\tisb" ::: "memory");
}

// Above this many pages one full invalidation is cheaper than the loop.
#define TLBI_RANGE_MAX 512

// The first DSB lets all walkers see the new entries before the old ones go; the second waits until
// they are gone, on all CPUs, with the accesses that used them; the ISB is for what we fetched.
void platform_tlb_invalidate(uintptr_t va, uint64_t len)
{
    uint64_t pages = DIV_ROUND_UP((va & (PAGE_BYTES - 1)) + len, PAGE_BYTES);
    __asm__ volatile("dsb ishst" ::: "memory");
    if (pages > TLBI_RANGE_MAX)
        __asm__ volatile("tlbi vmalle1is" ::: "memory");
    for (uint64_t i = 0; pages <= TLBI_RANGE_MAX && i < pages; i++) {
        uint64_t arg = ((va >> PAGE_BYTES_SHIFT) + i) & ((1ULL << 44) - 1);
        __asm__ volatile("tlbi vaae1is, %0" : : "r"(arg) : "memory");
    }
    __asm__ volatile("dsb ish\n\tisb" ::: "memory");
}
