// SPDX-License-Identifier: BSD-2-Clause
//
// The contiguous area: a list of what is in use, in ascending order; the gaps between are free. A
// descriptor is made for each block handed out, so a free needs no memory, and an area costs
// nothing until it is used, however large it is. The first gap that fits is taken. Drivers hold
// few large blocks: the list is short.

#include "mm/cma.h"

#include "core/debug/log.h"
#include "core/lib/list.h"
#include "core/sync/spinlock.h"
#include "mm/linear.h"
#include "mm/slab.h"

MEM_ACCOUNT(dma, "dma");

struct cma_block {
    struct list link;
    paddr_t base;
    uint64_t bytes;
};

static struct {
    struct spinlock lock; // all below
    struct list blocks;
    paddr_t base, end;
    uint64_t used, peak;
} area = {.blocks = {&area.blocks, &area.blocks}};

void cma_set_area(paddr_t base, uint64_t bytes)
{
    area.base = base;
    area.end = base + bytes;
}

int cma_init(void)
{
    if (area.base == area.end)
        return 0;
    log_info("memory: contiguous area at 0x%llx, 0x%llx bytes", (unsigned long long)area.base,
             (unsigned long long)(area.end - area.base));
    return 0;
}

// True if [*base, +bytes) fits below `end` once *base is aligned.
static bool fits(paddr_t *base, paddr_t end, uint64_t bytes, uint64_t align)
{
    *base = ALIGN_UP(*base, align);
    return *base < end && bytes <= end - *base;
}

// Finds a place and links the block in there. Lock held.
static bool take_gap(struct cma_block *block, uint64_t align, paddr_t limit)
{
    // One more than the limit, but for a limit at or above the area's end.
    paddr_t end = limit >= area.end ? area.end : limit + 1, base = area.base;
    struct list *next;
    for (next = area.blocks.next; next != &area.blocks; next = next->next) {
        const struct cma_block *taken = container_of(next, struct cma_block, link);
        if (fits(&base, MIN(end, taken->base), block->bytes, align))
            break;
        base = taken->base + taken->bytes;
    }
    if (next == &area.blocks && !fits(&base, end, block->bytes, align))
        return false;
    block->base = base;
    list_add_tail(next, &block->link); // in front of `next`
    area.used += block->bytes;
    area.peak = MAX(area.peak, area.used);
    return true;
}

void *cma_alloc(size_t bytes, size_t align, paddr_t limit)
{
    if (!bytes || bytes > area.end - area.base || (align & (align - 1)))
        return NULL;
    align = MAX(align, PAGE_SIZE);
    bytes = ALIGN_UP(bytes, PAGE_SIZE);
    if (account_charge(gfp_account(GFP_ACCOUNT(dma)), bytes))
        return NULL;
    struct cma_block *block = kmalloc(sizeof(*block), GFP_KERNEL);
    bool found = false;
    if (block) {
        block->bytes = bytes;
        spin_lock(&area.lock);
        found = take_gap(block, align, limit);
        spin_unlock(&area.lock);
    }
    if (found)
        return linear_va(block->base);
    kfree(block);
    account_uncharge(gfp_account(GFP_ACCOUNT(dma)), bytes);
    return NULL;
}

// The block with exactly this place, unlinked; NULL: there is none. Lock held.
static struct cma_block *take_out(paddr_t base, uint64_t bytes)
{
    for (struct list *at = area.blocks.next; at != &area.blocks; at = at->next) {
        struct cma_block *block = container_of(at, struct cma_block, link);
        if (block->base != base)
            continue;
        if (block->bytes != bytes)
            break;
        list_del(&block->link);
        area.used -= bytes;
        return block;
    }
    return NULL;
}

bool cma_free(void *memory, size_t bytes)
{
    paddr_t base = linear_pa(memory);
    if (base < area.base || base >= area.end)
        return false;
    bytes = ALIGN_UP(bytes, PAGE_SIZE);
    spin_lock(&area.lock);
    struct cma_block *block = take_out(base, bytes);
    spin_unlock(&area.lock);
    if (!block) {
        log_err("cma: free of 0x%llx, which is no block of 0x%zx bytes", (unsigned long long)base,
                bytes);
        return true;
    }
    account_uncharge(gfp_account(GFP_ACCOUNT(dma)), bytes);
    kfree(block);
    return true;
}

void cma_get_stats(struct cma_stats *stats)
{
    spin_lock(&area.lock);
    *stats = (struct cma_stats){area.base, area.end - area.base, area.used, area.peak};
    spin_unlock(&area.lock);
}
