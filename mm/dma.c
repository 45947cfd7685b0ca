// SPDX-License-Identifier: BSD-2-Clause
//
// DMA memory. There is no IOMMU: a bus address is a physical address. For devices that snoop
// nothing but the mask is looked at. For others, shared memory is mapped a second time without
// caching and the cached alias is left clean, and streaming memory is cleaned before and
// invalidated after the transfer.

#include "mm/dma.h"

#include <string.h>

#include "mm/buddy.h"
#include "mm/linear.h"
#include "mm/pagetable.h"
#include "mm/vmalloc.h"
#include "platform/platform.h"

static bool reaches(const struct dma_device *dev, paddr_t pa, size_t bytes)
{
    return pa <= dev->mask && bytes && bytes - 1 <= dev->mask - pa;
}

static void *alloc_pages(const struct dma_device *dev, size_t bytes, paddr_t *bus)
{
    unsigned order = buddy_order_for(bytes);
    void *mem = buddy_alloc(order, GFP_ZERO);
    if (mem && !reaches(dev, linear_pa(mem), bytes)) {
        buddy_free(mem, order);
        mem = buddy_alloc(order, GFP_ZERO | GFP_DMA32);
    }
    if (mem && !reaches(dev, linear_pa(mem), bytes)) {
        buddy_free(mem, order);
        return NULL;
    }
    if (mem)
        *bus = linear_pa(mem);
    return mem;
}

// Nothing of the block may be left dirty in a cache, or be read from there.
static void *map_uncached(void *mem, size_t bytes, paddr_t bus)
{
    platform_cache_clean(mem, bytes);
    platform_cache_invalidate(mem, bytes);
    return vmap(bus, ALIGN_UP(bytes, PAGE_SIZE), PROT_DEVICE);
}

void *dma_alloc(const struct dma_device *dev, size_t bytes, paddr_t *bus)
{
    void *mem = alloc_pages(dev, bytes, bus);
    if (!mem || dev->coherent)
        return mem;
    void *shared = map_uncached(mem, bytes, *bus);
    if (!shared)
        buddy_free(mem, buddy_order_for(bytes));
    return shared;
}

void dma_free(const struct dma_device *dev, void *mem, size_t bytes)
{
    if (!mem)
        return;
    if (!dev->coherent) {
        enum page_prot prot;
        paddr_t pa;
        if (pagetable_translate((uintptr_t)mem, &pa, &prot))
            return;
        vunmap(mem);
        mem = linear_va(pa);
    }
    buddy_free(mem, buddy_order_for(bytes));
}

paddr_t dma_map(const struct dma_device *dev, const void *mem, size_t bytes, enum dma_direction dir)
{
    paddr_t pa = linear_pa(mem);
    (void)dir; // dirty lines must go before the device writes, too
    if (!reaches(dev, pa, bytes))
        return 0;
    if (!dev->coherent)
        platform_cache_clean(mem, bytes);
    return pa;
}

void dma_unmap(const struct dma_device *dev, paddr_t bus, size_t bytes, enum dma_direction dir)
{
    if (!dev->coherent && dir != DMA_TO_DEVICE)
        platform_cache_invalidate(linear_va(bus), bytes);
}
