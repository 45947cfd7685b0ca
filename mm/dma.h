// SPDX-License-Identifier: BSD-2-Clause
//
// Memory that devices read and write. Coherent memory is shared for its lifetime (rings);
// streaming mappings hand normal memory to the device for one transfer. Where the device tree
// says dma-coherent no cache maintenance is done; elsewhere it is done here and only here.
//
// dma_alloc and dma_free: thread context. dma_map and dma_unmap: any. Where the device is not
// coherent, what is mapped for it must fill whole cache lines: a neighbour's writes would be lost.

#pragma once

#include "mm/gfp.h"

struct dma_device {
    uint64_t mask; // highest address the device can emit
    bool coherent; // from the device tree (dma-coherent on the bus or a parent)
};

enum dma_direction { DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL };

// Zeroed, page-aligned memory; *bus is its address for the device. NULL: none within the mask.
void *dma_alloc(const struct dma_device *dev, size_t bytes, paddr_t *bus);
void dma_free(const struct dma_device *dev, void *mem, size_t bytes);

// Bus address of linear-map memory for the device, 0 if it is out of the mask's reach (bouncing
// arrives with mm's DMA part). The memory belongs to the device until dma_unmap.
paddr_t dma_map(const struct dma_device *dev, const void *mem, size_t bytes,
                enum dma_direction dir);
void dma_unmap(const struct dma_device *dev, paddr_t bus, size_t bytes, enum dma_direction dir);
