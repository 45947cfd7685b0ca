// SPDX-License-Identifier: BSD-2-Clause
//
// Runs once from head.S with translation off, at the physical load address: builds the final map of
// the image (text read-only and executable, the rest not executable, rodata read-only, guard pages
// left out). No pointer constants here: all addresses are PC-relative, hence physical.

#include "arch/layout.h"
#include "arch/pagetable.h"
#include "core/lib/types.h"
#include "mm/kasan.h"
#include "platform/common/image_pages.h"
#include "platform/loongson/loongarch64/early.h"

#define PAGE_BYTES (1UL << ARCH_PAGE_SHIFT)
#define ENTRIES (1u << PT_INDEX_BITS)
#define IMAGE_TABLES_MAX (KASAN_ENABLED ? KASAN_IMAGE_BYTES / MIB(2) : 1)

typedef uint64_t table_t[ENTRIES];
#define EARLY_TABLE __attribute__((section(".bss.early_tables"), aligned(4096)))

table_t kernel_root_table EARLY_TABLE;
table_t empty_root_table EARLY_TABLE;
static table_t image_l1 EARLY_TABLE, image_l2 EARLY_TABLE;
static table_t image_l3[IMAGE_TABLES_MAX] EARLY_TABLE;
static table_t shadow_l1 EARLY_TABLE, shadow_l2 EARLY_TABLE, shadow_l3 EARLY_TABLE;

extern char __early_tables_start[], __early_tables_end[];

static const uint64_t prot_bits[] = PT_PROT_BITS;

static uint64_t *entry_in(table_t table, uint64_t va, int level)
{
    return &table[(va >> (ARCH_PAGE_SHIFT + PT_INDEX_BITS * (PT_LEVELS - 1 - level))) &
                  (ENTRIES - 1)];
}

static void set_table(table_t table, uint64_t va, int level, table_t next)
{
    *entry_in(table, va, level) = pte_make_table((uintptr_t)next);
}

static void map_image(void)
{
    uintptr_t start = (uintptr_t)__image_start, end = (uintptr_t)__image_end;
    for (uintptr_t page = start; page < end; page += PAGE_BYTES) {
        unsigned n = (page - start) / PAGE_BYTES;
        if (!image_page_is_guard(page))
            image_l3[n / ENTRIES][n % ENTRIES] =
                pte_make_leaf(page, prot_bits[image_page_prot(page)], 3);
    }
}

static void map_shadow(void)
{
    set_table(kernel_root_table, IMAGE_SHADOW, 0, shadow_l1);
    set_table(shadow_l1, IMAGE_SHADOW, 1, shadow_l2);
    set_table(shadow_l2, IMAGE_SHADOW, 2, shadow_l3);
    image_fill_shadow_table(shadow_l3, prot_bits[IMAGE_RW]);
}

void early_map(void)
{
    for (uint64_t *p = (uint64_t *)__early_tables_start; p < (uint64_t *)__early_tables_end; p++)
        *(volatile uint64_t *)p = 0;
    set_table(kernel_root_table, ARCH_IMAGE_BASE, 0, image_l1);
    set_table(image_l1, ARCH_IMAGE_BASE, 1, image_l2);
    for (unsigned i = 0; i < IMAGE_TABLES_MAX; i++)
        set_table(image_l2, ARCH_IMAGE_BASE + i * ENTRIES * PAGE_BYTES, 2, image_l3[i]);
    map_image();
    if (KASAN_ENABLED)
        map_shadow();
}
