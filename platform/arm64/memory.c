// SPDX-License-Identifier: BSD-2-Clause
//
// The linear map of all RAM. early_map.c has mapped the 2 MiB blocks that hold the image; this
// adds the rest with the largest blocks, nearest RAM first, since the tables for the rest must
// come from memory that is mapped already.

#include "arch/layout.h"
#include "arch/pagetable.h"
#include "mm/linear.h"
#include "mm/memblock.h"
#include "mm/pagetable.h"
#include "platform/arm64/early.h"
#include "platform/platform.h"

#define GIB (1ULL << 30)
#define BLOCK (1ULL << 21)

extern char __image_start[], __image_end[];
uintptr_t image_pa_offset;

// What memblock_alloc may hand out so far: one range around the image, later everything.
static paddr_t mapped_low, mapped_high;

uint64_t *platform_pagetable_root(void) { return kernel_root_table; }

void platform_image_range(paddr_t *base, uint64_t *len)
{
    *base = linear_pa(__image_start);
    *len = __image_end - __image_start;
}

bool platform_boot_mapped(paddr_t pa, uint64_t len)
{
    return pa >= mapped_low && pa < mapped_high && len <= mapped_high - pa;
}

mmio_t platform_early_device(paddr_t base)
{
    static const uint64_t prot_bits[] = PT_PROT_BITS;
    unsigned index = (EARLY_DEVICE_BASE >> 21) & 511;
    early_image_l2[index] = pte_make_leaf(ALIGN_DOWN(base, BLOCK), prot_bits[PROT_DEVICE], 2);
    platform_pagetable_publish();
    return (mmio_t){EARLY_DEVICE_BASE + (base & (BLOCK - 1))};
}

static int map_range(paddr_t base, paddr_t end)
{
    if (base >= end)
        return 0;
    return pagetable_map(ARCH_LINEAR_BASE + base, base, end - base, PROT_RW);
}

// A RAM range without the hole [low, high) that is mapped already.
static int map_around(paddr_t base, paddr_t end, paddr_t low, paddr_t high)
{
    int err = map_range(base, MIN(end, low));
    return err ? err : map_range(MAX(base, high), end);
}

// The aligned RAM of the image's own GiB: its table exists, so this needs no memory.
static int map_near(paddr_t *low, paddr_t *high)
{
    paddr_t base = 0, near_low = ALIGN_DOWN(*low, GIB), near_high = near_low + GIB;
    uint64_t len;
    while (memblock_next_memory(&base, &len)) {
        if (base <= *low && base + len >= *high) {
            paddr_t first = ALIGN_UP(MAX(base, near_low), BLOCK);
            paddr_t last = ALIGN_DOWN(MIN(base + len, near_high), BLOCK);
            int err = map_around(first, last, *low, *high);
            *low = MIN(first, *low);
            *high = MAX(last, *high);
            return err;
        }
        base += len;
    }
    return -ENOMEM; // the image is not in RAM: the tree lies
}

int platform_map_memory(void)
{
    paddr_t low, base = 0;
    uint64_t len;
    platform_image_range(&low, &len);
    paddr_t high = ALIGN_UP(low + len, BLOCK);
    int err = map_near(&low, &high);
    mapped_low = low;
    mapped_high = high;
    while (!err && memblock_next_memory(&base, &len)) {
        err = map_around(base, base + len, low, high);
        base += len;
    }
    if (err)
        return err;
    mapped_low = 0;
    mapped_high = ARCH_LINEAR_BYTES;
    return 0;
}

void platform_pagetable_publish(void)
{
    // DSB: the entries are visible to the walker; ISB: so is the fact to what we execute next.
    __asm__ volatile("dsb ishst\n\tisb" ::: "memory");
}

// Above this many pages one full invalidation is cheaper than the loop.
#define TLBI_RANGE_MAX 512

void platform_tlb_invalidate(uintptr_t va, uint64_t len)
{
    uint64_t pages = len >> PAGE_SHIFT;
    __asm__ volatile("dsb ishst" ::: "memory");
    if (pages > TLBI_RANGE_MAX)
        __asm__ volatile("tlbi vmalle1is" ::: "memory");
    for (uint64_t i = 0; pages <= TLBI_RANGE_MAX && i < pages; i++) {
        uint64_t arg = ((va >> PAGE_SHIFT) + i) & ((1ULL << 44) - 1);
        __asm__ volatile("tlbi vaae1is, %0" : : "r"(arg) : "memory");
    }
    __asm__ volatile("dsb ish\n\tisb" ::: "memory");
}
