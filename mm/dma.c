// SPDX-License-Identifier: BSD-2-Clause
//
// DMA memory. There is no IOMMU. For devices that snoop nothing but the reach is looked at. For
// others, shared memory is mapped a second time without caching and the cached alias is left clean,
// and streaming memory is cleaned before and invalidated after the transfer.
//
// What lies out of reach is copied through mm/dma_bounce.c.

#include "mm/dma.h"

#include <string.h>

#include "core/debug/log.h"
#include "mm/cma.h"
#include "mm/dma_bounce.h"
#include "mm/linear.h"
#include "mm/memblock.h"
#include "mm/page_alloc.h"
#include "mm/pagetable.h"
#include "mm/vmalloc.h"
#include "platform/platform.h"

#define DMA32_LAST UINT32_MAX
#define TRIES 16 // blocks put aside while one within reach is looked for

// ---- Reach ------------------------------------------------------------------------------------

bool dma_reaches(const struct dma_device *dev, paddr_t pa, size_t bytes)
{
    uint64_t bus = pa + dev->bus_offset;
    // Bus address 0 means "none" to callers; one below the first has wrapped.
    return pa >= dev->first && bus >= dev->first + dev->bus_offset && bus && bus <= dev->mask &&
           bytes && bytes - 1 <= dev->mask - bus;
}

// The highest physical address within reach; below `first`, or 0: there is none.
static paddr_t last_of(const struct dma_device *dev)
{
    return dev->mask < dev->first + dev->bus_offset ? 0 : dev->mask - dev->bus_offset;
}

// A window that starts where RAM does keeps nothing out.
paddr_t dma_reach(const struct dma_device *dev)
{
    paddr_t lowest = 0;
    uint64_t len;
    bool all_below = !dev->first || (memblock_next_memory(&lowest, &len) && lowest >= dev->first);
    return all_below && !dev->bus_offset ? dev->mask : 0;
}

// Whether there is RAM at both sides of the device's limits.
static void look_at_ram(const struct dma_device *dev, bool *some, bool *all)
{
    paddr_t base = 0, last = last_of(dev);
    uint64_t len;
    *some = false;
    *all = true;
    for (; memblock_next_memory(&base, &len); base += len) {
        *some = *some || (last && base <= last && base + len - 1 >= dev->first);
        *all = *all && base >= dev->first && base + len - 1 <= last;
    }
}

int dma_set_mask(struct dma_device *dev, uint64_t mask)
{
    bool some, all;
    dev->mask = dev->bus_last ? MIN(mask, dev->bus_last) : mask;
    look_at_ram(dev, &some, &all);
    if (!some)
        return -EIO;
    return all ? 0 : dma_bounce_prepare(dev, last_of(dev));
}

// ---- Coherent memory --------------------------------------------------------------------------

static bool ends_within(const void *block, unsigned order, paddr_t last)
{
    return linear_pa(block) + ((PAGE_SIZE << order) - 1) <= last;
}

// Takes blocks, and keeps those that are too high meanwhile, so that the next is another one.
static void *search(unsigned order, unsigned gfp, paddr_t last)
{
    void *aside[TRIES], *block;
    unsigned count = 0;
    while ((block = page_alloc(order, gfp)) && !ends_within(block, order, last)) {
        aside[count++] = block;
        block = NULL;
        if (count == TRIES)
            break;
    }
    while (count)
        page_free(aside[--count], order);
    return block;
}

void *dma_page_alloc(unsigned order, unsigned gfp, paddr_t last)
{
    unsigned plain = gfp & ~(unsigned)GFP_ZERO;
    if (last <= DMA32_LAST)
        plain |= GFP_DMA32;
    void *block = page_alloc(order, plain);
    if (block && !ends_within(block, order, last)) {
        page_free(block, order);
        block = search(order, plain, last);
        if (!block && last > DMA32_LAST)
            block = page_alloc(order, plain | GFP_DMA32);
    }
    if (block && (gfp & GFP_ZERO))
        memset(block, 0, PAGE_SIZE << order);
    return block;
}

static void *from_pages(const struct dma_device *dev, size_t bytes)
{
    unsigned order = page_order_for(bytes);
    if (order > PAGE_MAX_ORDER)
        return NULL;
    void *mem = dma_page_alloc(order, GFP_KERNEL | GFP_ZERO | GFP_ACCOUNT(dma), last_of(dev));
    if (mem && !dma_reaches(dev, linear_pa(mem), bytes)) {
        page_free(mem, order);
        return NULL;
    }
    return mem;
}

static void *from_area(const struct dma_device *dev, size_t bytes)
{
    void *mem = cma_alloc(bytes, PAGE_SIZE, last_of(dev));
    if (mem && !dma_reaches(dev, linear_pa(mem), bytes)) {
        cma_free(mem, bytes);
        return NULL;
    }
    if (mem)
        memset(mem, 0, ALIGN_UP(bytes, PAGE_SIZE));
    return mem;
}

static void give_back(void *mem, size_t bytes)
{
    if (!cma_free(mem, bytes))
        page_free(mem, page_order_for(bytes));
}

// Nothing of the block may be left dirty in a cache, or be read from there.
static void *map_uncached(void *mem, size_t bytes)
{
    platform_cache_clean(mem, bytes);
    platform_cache_invalidate(mem, bytes);
    return vmap(linear_pa(mem), ALIGN_UP(bytes, PAGE_SIZE), PROT_DEVICE);
}

void *dma_alloc(const struct dma_device *dev, size_t bytes, paddr_t *bus)
{
    if (!bytes)
        return NULL;
    void *mem = from_pages(dev, bytes);
    if (!mem)
        mem = from_area(dev, bytes);
    if (!mem)
        return NULL;
    *bus = linear_pa(mem) + dev->bus_offset;
    if (dev->coherent)
        return mem;
    void *shared = map_uncached(mem, bytes);
    if (!shared)
        give_back(mem, bytes);
    return shared;
}

void dma_free(const struct dma_device *dev, void *mem, size_t bytes)
{
    if (!mem)
        return;
    if (!dev->coherent) {
        enum page_prot prot;
        paddr_t pa;
        if (pagetable_translate((uintptr_t)mem, &pa, &prot)) {
            log_err("dma: free of %p, which is not mapped", mem);
            return;
        }
        vunmap(mem);
        mem = linear_va(pa);
    }
    give_back(mem, bytes);
}

// ---- Streaming --------------------------------------------------------------------------------

paddr_t dma_map(const struct dma_device *dev, const void *mem, size_t bytes, enum dma_direction dir)
{
    paddr_t pa = linear_pa(mem);
    (void)dir; // dirty lines must go before the device writes, too
    if (!dma_reaches(dev, pa, bytes)) {
        mem = dma_bounce_map(dev, mem, bytes);
        if (!mem)
            return 0;
        pa = linear_pa(mem);
    }
    if (!dev->coherent)
        platform_cache_clean(mem, bytes);
    return pa + dev->bus_offset;
}

void dma_unmap(const struct dma_device *dev, paddr_t bus, size_t bytes, enum dma_direction dir)
{
    paddr_t pa = bus - dev->bus_offset;
    if (!dev->coherent && dir != DMA_TO_DEVICE)
        platform_cache_invalidate(linear_va(pa), bytes);
    if (dma_bounce_holds(pa))
        dma_bounce_unmap(pa, bytes, dir != DMA_TO_DEVICE);
}

void dma_sync_for_cpu(const struct dma_device *dev, paddr_t bus, size_t bytes,
                      enum dma_direction dir)
{
    paddr_t pa = bus - dev->bus_offset;
    if (dir == DMA_TO_DEVICE)
        return; // the device has written nothing
    if (!dev->coherent)
        platform_cache_invalidate(linear_va(pa), bytes);
    if (dma_bounce_holds(pa))
        dma_bounce_copy(pa, bytes, false);
}

void dma_sync_for_device(const struct dma_device *dev, paddr_t bus, size_t bytes,
                         enum dma_direction dir)
{
    paddr_t pa = bus - dev->bus_offset;
    if (dir != DMA_FROM_DEVICE && dma_bounce_holds(pa))
        dma_bounce_copy(pa, bytes, true);
    if (!dev->coherent)
        platform_cache_clean(linear_va(pa), bytes);
}
