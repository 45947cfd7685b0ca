// SPDX-License-Identifier: BSD-2-Clause
//
// Bounce buffers, for mm/dma.c only: memory within a device's reach that stands for memory out of
// it. Context: any, but dma_bounce_prepare needs a thread. Cache maintenance is the caller's.

#pragma once

#include "mm/dma.h"

// True if the device reaches all of the physical range.
bool dma_reaches(const struct dma_device *dev, paddr_t pa, size_t bytes);

// Sees to it that there is a pool within the device's reach, which ends at `last`. -ENOMEM.
int dma_bounce_prepare(const struct dma_device *dev, paddr_t last);
// A buffer with a copy of the memory, for its pair dma_bounce_unmap; NULL: none is free.
void *dma_bounce_map(const struct dma_device *dev, const void *mem, size_t bytes);
// True if the address lies in a pool.
bool dma_bounce_holds(paddr_t pa);
// Ends the mapping, after the buffer was copied back if the device may have written.
void dma_bounce_unmap(paddr_t pa, size_t bytes, bool written);
// Copies a part of the mapping to the device's side, or back.
void dma_bounce_copy(paddr_t pa, size_t bytes, bool to_device);
