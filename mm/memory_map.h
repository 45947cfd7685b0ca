// SPDX-License-Identifier: BSD-2-Clause
//
// Fills memblock from the device tree: /memory nodes, `mem=`, then what is taken: image, tree,
// header's reservations, initrd, /reserved-memory (`no-map` ranges are not even mapped, but next to
// the image), the contiguous area. The tree is foreign: ranges may be unsorted, overlap, wrap or
// make no sense, which costs a line in the log.

#pragma once

#include "core/lib/types.h"

// Once, from boot.c, after dt_init. fdt_pa: where the tree lies, 0: inside the image. Panics
// when there is no memory to run in.
void memory_map_build(paddr_t fdt_pa);
// The initial archive, if there is one in memory that is nobody else's.
bool memory_map_initrd(paddr_t *base, uint64_t *bytes);
