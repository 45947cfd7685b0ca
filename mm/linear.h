// SPDX-License-Identifier: BSD-2-Clause
//
// The linear map: all RAM at a constant distance from its physical address, data only; the image's
// text and rodata are read-only there. Image addresses (functions, static objects) are elsewhere
// and not valid arguments here, except for linear_pa(), which takes both.

#pragma once

#include "arch/layout.h"
#include "core/lib/types.h"

static inline void *linear_va(paddr_t pa) { return (void *)(ARCH_LINEAR_BASE + pa); }

// Distance between the image's link address and where it was loaded; set before C runs.
extern uintptr_t image_pa_offset;

static inline paddr_t linear_pa(const void *va)
{
    uintptr_t addr = (uintptr_t)va;
    return addr >= ARCH_IMAGE_BASE ? addr - image_pa_offset : addr - ARCH_LINEAR_BASE;
}

// Maps all RAM of memblock. Once, from boot.c, between memblock and page_alloc_init. -ENOMEM: too
// little memory for the tables; -EINVAL: the image does not lie in RAM.
int linear_init(void);
// True if the linear map covers [pa, pa+len) already: what memblock_alloc may hand out.
bool linear_mapped(paddr_t pa, uint64_t len);
