// SPDX-License-Identifier: BSD-2-Clause
//
// What the pages of the image are, for the early_map.c of each machine. Addresses are as the caller
// sees them: physical ones where it runs with translation off. Header-only, no data: nothing here
// has an address of its own.

#pragma once

#include "arch/pagetable.h"
#include "core/lib/types.h"
#include "mm/kasan.h"

extern char __image_start[], __text_end[], __rodata_end[], __image_end[];
extern char boot_stack_guard[], irq_stack_guard[], fault_stack_guard[]; // stacks.S

enum image_prot { IMAGE_RO, IMAGE_RW, IMAGE_RX }; // the order of PT_PROT_BITS

static inline bool image_page_is_guard(uintptr_t page)
{
    return page == (uintptr_t)boot_stack_guard || page == (uintptr_t)irq_stack_guard ||
           page == (uintptr_t)fault_stack_guard;
}

static inline enum image_prot image_page_prot(uintptr_t page)
{
    if (page < (uintptr_t)__text_end)
        return IMAGE_RX;
    return page < (uintptr_t)__rodata_end ? IMAGE_RO : IMAGE_RW;
}

// The sanitizer's shadow of the image is part of it: functions that have such shadow mark their
// frames there from the first one on. One table of the last level holds it.
#define IMAGE_SHADOW (ARCH_IMAGE_BASE / 8 + ARCH_KASAN_OFFSET)
static inline void image_fill_shadow_table(uint64_t *table, uint64_t bits)
{
    for (unsigned n = 0; n < sizeof(kasan_image_shadow) / PAGE_SIZE; n++)
        table[n] =
            pte_make_leaf((uintptr_t)kasan_image_shadow + n * PAGE_SIZE, bits, PT_LEVELS - 1);
}
