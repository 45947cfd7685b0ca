// SPDX-License-Identifier: BSD-2-Clause
//
// Runs once from head.S with the MMU off, at the physical load address: builds the identity map
// of the switch-over, the final map of the image (text read-only and executable, the rest not
// executable, rodata read-only, guard pages left out), the image's alias in the linear map, and a
// window on the device tree. No pointer constants here: all addresses are PC-relative, hence
// physical. All accesses are aligned (strict-align): memory is Device while the MMU is off.

#include "platform/arm64/early.h"

#include "arch/layout.h"
#include "arch/pagetable.h"
#include "core/lib/types.h"
#include "mm/kasan.h"
#include "platform/common/image_pages.h"

#define BLOCK_BYTES (1ULL << 21)
#define ENTRIES 512
#define IMAGE_TABLES_MAX (KASAN_ENABLED ? KASAN_IMAGE_BYTES / MIB(2) : 1)
#define FDT_MAX_BYTES BLOCK_BYTES // booting.rst

typedef uint64_t table_t[ENTRIES];
#define EARLY_TABLE __attribute__((section(".bss.early_tables"), aligned(4096)))

static table_t identity_l1 EARLY_TABLE, identity_l2 EARLY_TABLE;
table_t early_identity_root EARLY_TABLE;
table_t kernel_root_table EARLY_TABLE;
static table_t image_l1 EARLY_TABLE;
table_t early_image_l2 EARLY_TABLE;
static table_t image_l3[IMAGE_TABLES_MAX] EARLY_TABLE;
static table_t linear_l1 EARLY_TABLE, linear_l2 EARLY_TABLE;
static table_t linear_l3[IMAGE_TABLES_MAX] EARLY_TABLE;
static table_t shadow_l1 EARLY_TABLE, shadow_l2 EARLY_TABLE, shadow_l3 EARLY_TABLE;

extern char __early_tables_start[], __early_tables_end[];

static const uint64_t prot_bits[] = PT_PROT_BITS;

static unsigned level_index(uint64_t va, int level)
{
    return (va >> (PAGE_SHIFT + PT_INDEX_BITS * (PT_LEVELS - 1 - level))) & (ENTRIES - 1);
}

static void set_table(table_t table, uint64_t va, int level, table_t next)
{
    table[level_index(va, level)] = pte_make_table((uintptr_t)next);
}

static void set_block(table_t l2, uint64_t va, paddr_t pa, unsigned prot)
{
    l2[level_index(va, 2)] = pte_make_leaf(ALIGN_DOWN(pa, BLOCK_BYTES), prot_bits[prot], 2);
}

// The image at its link address and, never executable, in the linear map.
static void map_image(void)
{
    uintptr_t start = (uintptr_t)__image_start, end = (uintptr_t)__image_end;
    for (uintptr_t page = start; page < end; page += PAGE_SIZE) {
        unsigned n = (page - start) / PAGE_SIZE;
        unsigned prot = image_page_prot(page);
        unsigned alias = prot == IMAGE_RX ? IMAGE_RO : prot;
        if (!image_page_is_guard(page))
            image_l3[n / ENTRIES][n % ENTRIES] = pte_make_leaf(page, prot_bits[prot], 3);
        linear_l3[n / ENTRIES][n % ENTRIES] = pte_make_leaf(page, prot_bits[alias], 3);
    }
    // The rest of the last 2 MiB is RAM too: the loader put the image into aligned memory.
    for (uintptr_t page = end; !IS_ALIGNED(page, BLOCK_BYTES); page += PAGE_SIZE) {
        unsigned n = (page - start) / PAGE_SIZE;
        linear_l3[n / ENTRIES][n % ENTRIES] = pte_make_leaf(page, prot_bits[IMAGE_RW], 3);
    }
}

static void map_shadow(void)
{
    set_table(kernel_root_table, IMAGE_SHADOW, 0, shadow_l1);
    set_table(shadow_l1, IMAGE_SHADOW, 1, shadow_l2);
    set_table(shadow_l2, IMAGE_SHADOW, 2, shadow_l3);
    image_fill_shadow_table(shadow_l3, prot_bits[IMAGE_RW]);
}

static void link_tables(void)
{
    paddr_t pa = (uintptr_t)__image_start;
    uint64_t linear = ARCH_LINEAR_BASE + pa;
    uint64_t blocks = DIV_ROUND_UP((uintptr_t)__image_end - pa, BLOCK_BYTES);

    set_table(kernel_root_table, ARCH_IMAGE_BASE, 0, image_l1);
    set_table(image_l1, ARCH_IMAGE_BASE, 1, early_image_l2);
    set_table(kernel_root_table, linear, 0, linear_l1);
    set_table(linear_l1, linear, 1, linear_l2);
    for (uint64_t i = 0; i < blocks; i++) {
        set_table(early_image_l2, ARCH_IMAGE_BASE + i * BLOCK_BYTES, 2, image_l3[i]);
        set_table(linear_l2, linear + i * BLOCK_BYTES, 2, linear_l3[i]);
    }
    // The identity map: just the block that holds the code of the switch, executable.
    set_table(early_identity_root, pa, 0, identity_l1);
    set_table(identity_l1, pa, 1, identity_l2);
    set_block(identity_l2, pa, pa, IMAGE_RX);
}

static uint32_t be32_at(paddr_t pa)
{
    return __builtin_bswap32(*(volatile uint32_t *)(uintptr_t)pa);
}

static struct early_fdt map_fdt(paddr_t fdt)
{
    struct early_fdt none = {0, 0};
    // The loader need not have cleaned the tree to memory, where we read while the caches are off.
    if (fdt)
        __asm__ volatile("dc civac, %0\n\tdsb sy" : : "r"(fdt) : "memory");
    if (!fdt || !IS_ALIGNED(fdt, 8) || be32_at(fdt) != 0xd00dfeed)
        return none;
    uint64_t bytes = be32_at(fdt + 4);
    if (bytes < 40 || bytes > FDT_MAX_BYTES)
        return none;
    set_block(early_image_l2, EARLY_FDT_BASE, fdt, IMAGE_RO);
    if (ALIGN_DOWN(fdt + bytes - 1, BLOCK_BYTES) != ALIGN_DOWN(fdt, BLOCK_BYTES))
        set_block(early_image_l2, EARLY_FDT_BASE + BLOCK_BYTES, fdt + BLOCK_BYTES, IMAGE_RO);
    return (struct early_fdt){EARLY_FDT_BASE + (fdt & (BLOCK_BYTES - 1)), bytes};
}

// Writes went past the caches; lines loaded by speculation before must not be hit by the walker.
static void invalidate_tables(void)
{
    uint64_t ctr = ARCH_READ_SYSREG(ctr_el0);
    uintptr_t line = 4UL << ((ctr >> 16) & 0xf);
    __asm__ volatile("dsb sy" ::: "memory");
    for (uintptr_t p = (uintptr_t)__early_tables_start; p < (uintptr_t)__early_tables_end;
         p += line)
        __asm__ volatile("dc ivac, %0" : : "r"(p) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}

struct early_fdt early_map(paddr_t fdt)
{
    invalidate_tables(); // dirty lines of an earlier owner must not be written over the tables
    for (uint64_t *p = (uint64_t *)__early_tables_start; p < (uint64_t *)__early_tables_end; p++)
        *(volatile uint64_t *)p = 0;
    map_image();
    link_tables();
    if (KASAN_ENABLED)
        map_shadow();
    struct early_fdt mapped = map_fdt(fdt);
    invalidate_tables();
    return mapped;
}
