// SPDX-License-Identifier: BSD-2-Clause
//
// The object allocators for tests that start them more than once: mm/slab*.c and mm/kmalloc.c,
// with their state in reach, and a stand-in for vmalloc.

#pragma once

#include "core/lib/types.h"

// As at power-on; then call slab_init().
void mm_slab_reset(void);
size_t mm_slab_areas(void); // areas of vmalloc in use
