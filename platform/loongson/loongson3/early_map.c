// SPDX-License-Identifier: BSD-2-Clause
//
// Runs once from head.S, at the link address by means of a large TLB entry: builds the final map of
// the image (text read-only and executable, the rest not executable, rodata read-only, guard pages
// left out).

#include "arch/pagetable.h"
#include "platform/common/image_pages.h"
#include "platform/loongson/loongson3/internal.h"

#define PAGE_BYTES (1UL << ARCH_PAGE_SHIFT)
#define ENTRIES (1u << PT_INDEX_BITS)
#define EARLY_TABLE __attribute__((section(".bss.early_tables"), aligned(16384)))

typedef uint64_t table_t[ENTRIES];

uint64_t kernel_root_table[2 * ENTRIES] EARLY_TABLE;
static table_t image_l1 EARLY_TABLE;
static table_t image_l2 EARLY_TABLE; // 32 MiB, more than head.S maps

extern char __early_tables_start[], __early_tables_end[];

static const uint64_t prot_bits[] = PT_PROT_BITS;

static unsigned level_index(uintptr_t va, int level)
{
    return (va >> (ARCH_PAGE_SHIFT + PT_INDEX_BITS * (PT_LEVELS - 1 - level))) & (ENTRIES - 1);
}

void early_map(void)
{
    for (uint64_t *p = (uint64_t *)__early_tables_start; p < (uint64_t *)__early_tables_end; p++)
        *(volatile uint64_t *)p = 0;
    unsigned root = level_index(ARCH_IMAGE_BASE, 0);
    kernel_root_table[root] = pte_make_table(IMAGE_PA(image_l1));
    kernel_root_table[ENTRIES + root] = kernel_root_table[root];
    image_l1[level_index(ARCH_IMAGE_BASE, 1)] = pte_make_table(IMAGE_PA(image_l2));
    for (uintptr_t page = (uintptr_t)__image_start; page < (uintptr_t)__image_end;
         page += PAGE_BYTES) {
        if (!image_page_is_guard(page))
            image_l2[level_index(page, 2)] =
                pte_make_leaf(IMAGE_PA(page), prot_bits[image_page_prot(page)], 2);
    }
    __asm__ volatile("sync" ::: "memory"); // before head.S takes the large entry away
}
