// SPDX-License-Identifier: BSD-2-Clause
//
// Allocation flags shared by all allocators of mm/. A name says what the caller may expect.

#pragma once

#include "arch/layout.h"
#include "core/lib/types.h"

enum {
    GFP_KERNEL = 0,  // thread context without a spinlock; may sleep while caches give memory back
    GFP_ATOMIC = 1,  // any context up to hard interrupt; never sleeps, may dip into the reserve
    GFP_NOWAIT = 2,  // any context; never sleeps and leaves the reserve alone: has a way out
    GFP_RESERVE = 4, // any context; never sleeps, takes the last page: for what frees memory
    GFP_ZERO = 8,    // memory is zeroed
    GFP_DMA32 = 16,  // physical address below 4 GiB
};

// Flags that do not matter as long as memory is plenty are the lowest.
#define GFP_URGENCY (GFP_ATOMIC | GFP_NOWAIT | GFP_RESERVE)
#define GFP_URGENCY_BITS 3

// Who is charged for the memory: the index of an account (mm/account.h) stands above the flags.
#define GFP_ACCOUNT_SHIFT 8
#define GFP_FLAGS ((1u << GFP_ACCOUNT_SHIFT) - 1)

// True if the flags let the allocator wait.
static inline bool gfp_may_sleep(unsigned gfp) { return !(gfp & GFP_URGENCY); }

// Debug builds report, once for each `site`, a request that may sleep where nobody may. Called by
// all allocators with their caller's address.
void gfp_check_context(const void *site);
static inline void gfp_check(unsigned gfp, const void *site)
{
#ifdef DEBUG
    if (gfp_may_sleep(gfp))
        gfp_check_context(site);
#else
    (void)gfp, (void)site;
#endif
}

#define PAGE_SHIFT ARCH_PAGE_SHIFT
#define PAGE_SIZE (1UL << PAGE_SHIFT)
