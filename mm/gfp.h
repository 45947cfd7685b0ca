// SPDX-License-Identifier: BSD-2-Clause
//
// Allocation flags shared by all allocators of mm/. The name says what the caller may expect.

#pragma once

#include "arch/layout.h"
#include "core/lib/types.h"

enum {
    GFP_KERNEL = 0, // thread context; may sleep one day, so not under a spinlock
    GFP_ATOMIC = 1, // any context up to hard interrupt; never sleeps, may dip into the reserve
    GFP_ZERO = 2,   // memory is zeroed
    GFP_DMA32 = 4,  // physical address below 4 GiB
};

#define PAGE_SHIFT ARCH_PAGE_SHIFT
#define PAGE_SIZE (1UL << PAGE_SHIFT)
