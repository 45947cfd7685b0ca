// SPDX-License-Identifier: BSD-2-Clause
//
// Memory that devices read and write. Coherent memory is shared for its lifetime (rings);
// streaming mappings hand normal memory to the device for one transfer. Where the device tree
// says dma-coherent no cache maintenance is done; elsewhere it is done here and only here. Memory
// out of a device's reach goes through a bounce buffer.
//
// Bus addresses are physical ones, but for a constant that a bus may add (`dma-ranges`).
//
// dma_alloc, dma_free, dma_set_mask, dma_page_alloc: thread context. The others: any. Where the
// device is not coherent, what is mapped for it must fill whole cache lines: a neighbour's writes
// would be lost.

#pragma once

#include "mm/gfp.h"

struct dt_node;

struct dma_device {
    uint64_t mask; // highest address the device can emit; dma_set_mask changes it
    bool coherent; // it snoops the caches
    // Of the bus, all 0 where it passes everything on unchanged:
    uint64_t bus_last;   // highest bus address; 0: no limit
    uint64_t bus_offset; // bus address less physical address
    paddr_t first;       // lowest physical address behind the bus
};

enum dma_direction { DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL };

// What the tree says of a device: `dma-coherent` on `node` (the device, or the bridge that speaks
// for all behind it) or above, `dma-ranges` on `bus` (what the device stands on) and above. Of
// several windows the largest counts. The mask is what the bus passes on.
void dma_from_tree(struct dma_device *dev, const struct dt_node *node, const struct dt_node *bus);

// A driver says, before its first mapping, how far its device's own addresses reach. Where RAM lies
// beyond, this makes the bounce buffers. -EIO: the device reaches no RAM; -ENOMEM: there is no
// memory for bounce buffers, and dma_map will refuse what is out of reach.
int dma_set_mask(struct dma_device *dev, uint64_t mask);
// The highest physical address that the device reaches, if it reaches all RAM below it under the
// same addresses; else 0.
paddr_t dma_reach(const struct dma_device *dev);

// Zeroed, page-aligned memory; *bus is its address for the device. Above the largest block of the
// page allocator it comes from the contiguous area (mm/cma.h). NULL: none within the mask. Where
// the device is not coherent, it takes naturally aligned loads and stores only (no memset, memcpy).
void *dma_alloc(const struct dma_device *dev, size_t bytes, paddr_t *bus);
void dma_free(const struct dma_device *dev, void *mem, size_t bytes);

// page_alloc of a block that ends at or below `last`: for buffers that shall never be bounced.
void *dma_page_alloc(unsigned order, unsigned gfp, paddr_t last);

// Bus address of linear-map memory for the device. The memory belongs to the device until
// dma_unmap, which needs what dma_map was told. 0: out of reach, and no bounce buffer of that size
// is free (at most DMA_BOUNCE_MAX bytes). What the device does not write of a mapping keeps its
// contents, bounced or not.
#define DMA_BOUNCE_MAX (64UL << 10)
paddr_t dma_map(const struct dma_device *dev, const void *mem, size_t bytes,
                enum dma_direction dir);
void dma_unmap(const struct dma_device *dev, paddr_t bus, size_t bytes, enum dma_direction dir);
// Hands a mapped range (or part of it) back and forth without unmapping.
void dma_sync_for_cpu(const struct dma_device *dev, paddr_t bus, size_t bytes,
                      enum dma_direction dir);
void dma_sync_for_device(const struct dma_device *dev, paddr_t bus, size_t bytes,
                         enum dma_direction dir);

struct dma_stats {
    size_t bounce_bytes, bounce_used, bounce_peak;
    uint64_t bounced, refused; // mappings; refused: no buffer was free
};
void dma_get_stats(struct dma_stats *stats);
