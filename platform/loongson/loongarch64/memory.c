// SPDX-License-Identifier: BSD-2-Clause
//
// What common code asks about the address space: the image's place, the early console's registers,
// and the maintenance of tables and TLB (LoongArch Reference Manual vol. 1, 4.2.4.7 INVTLB, 5.4).

#include "arch/layout.h"
#include "platform/loongson/common/shootdown.h"
#include "platform/loongson/loongarch64/early.h"
#include "platform/platform.h"

#define PAIR_BYTES (2UL << ARCH_PAGE_SHIFT) // a TLB entry holds an even page and the odd one after

extern char __image_start[], __image_end[];
uintptr_t image_pa_offset;

uint64_t *platform_pagetable_root(void) { return kernel_root_table; }

void platform_image_range(paddr_t *base, uint64_t *len)
{
    *base = (uintptr_t)__image_start - image_pa_offset;
    *len = (uint64_t)(__image_end - __image_start);
}

// Above this many entries one full invalidation is cheaper than the loop.
#define INVTLB_RANGE_MAX 256

// Operation 6: entries of this address, global or of the given address-space number. The barrier
// lets what comes after, table walks included, wait for the stores to the tables.
void loongson_tlb_drop(uintptr_t va, uint64_t len)
{
    uintptr_t first = ALIGN_DOWN(va, PAIR_BYTES);
    uint64_t pairs = DIV_ROUND_UP(va - first + len, PAIR_BYTES);
    __asm__ volatile("dbar 0x18" ::: "memory");
    if (pairs > INVTLB_RANGE_MAX) {
        __asm__ volatile("invtlb 0, $zero, $zero" ::: "memory");
        return;
    }
    for (uint64_t i = 0; i < pairs; i++)
        __asm__ volatile("invtlb 6, $zero, %0" : : "r"(first + i * PAIR_BYTES) : "memory");
}

void platform_pagetable_publish(uintptr_t va, uint64_t len)
{
    // An entry that was empty may sit in the TLB as such, beside its partner or after a fault.
    loongson_tlb_drop(va, len);
}
