// SPDX-License-Identifier: BSD-2-Clause
//
// What the pages of the image are, for the early_map.c of each machine. Addresses are as the caller
// sees them: physical ones where it runs with translation off. Header-only, no data: nothing here
// has an address of its own.

#pragma once

#include "core/lib/types.h"

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
