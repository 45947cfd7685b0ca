// SPDX-License-Identifier: BSD-2-Clause
//
// Completes the linear map. The start-up code has mapped a stretch around the image; the tables for
// the rest must come from memory that is mapped already, so the nearest RAM comes first: leaves
// that go into tables which exist, and then everything else with the largest blocks.

#include "mm/linear.h"

#include "mm/memblock.h"
#include "mm/pagetable.h"
#include "platform/platform.h"

// What memblock_alloc may hand out: one stretch around the image at first, all RAM at last.
static paddr_t mapped_low, mapped_high;

bool linear_mapped(paddr_t pa, uint64_t len)
{
    return pa >= mapped_low && pa < mapped_high && len <= mapped_high - pa;
}

static int map_range(paddr_t base, paddr_t end)
{
    if (base >= end)
        return 0;
    return pagetable_map((uintptr_t)linear_va(base), base, end - base, PROT_RW);
}

// The range without [low, high), which is mapped already.
static int map_around(paddr_t base, paddr_t end, paddr_t low, paddr_t high)
{
    int err = map_range(base, MIN(end, low));
    return err ? err : map_range(MAX(base, high), end);
}

// Widens the stretch to all RAM next to it that needs no new table. The RAM around the image may
// end before the stretch does, which is made of whole leaves (`mem=`).
static int map_near(const struct linear_start *start)
{
    paddr_t base = 0, span_low = ALIGN_DOWN(start->low, start->span_bytes);
    uint64_t len;
    for (; memblock_next_memory(&base, &len); base += len) {
        if (base > start->low || base + len <= start->low)
            continue;
        paddr_t first = ALIGN_UP(MAX(base, span_low), start->leaf_bytes);
        paddr_t last = ALIGN_DOWN(MIN(base + len, span_low + start->span_bytes), start->leaf_bytes);
        int err = map_around(first, last, start->low, start->high);
        mapped_low = MIN(first, start->low);
        mapped_high = MAX(last, start->high);
        return err;
    }
    return -EINVAL; // the image is not in RAM: the tree lies
}

int linear_init(void)
{
    struct linear_start start;
    platform_linear_start(&start);
    mapped_low = start.low;
    mapped_high = start.high;
    int err = start.span_bytes ? map_near(&start) : 0;
    paddr_t low = mapped_low, high = mapped_high, base = 0;
    uint64_t len;
    for (; !err && memblock_next_memory(&base, &len); base += len)
        err = map_around(base, base + len, low, high);
    if (err)
        return err;
    mapped_low = 0;
    mapped_high = ARCH_LINEAR_BYTES;
    return 0;
}
