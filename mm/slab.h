// SPDX-License-Identifier: BSD-2-Clause
//
// Small objects: named caches of equal objects on buddy pages, and kmalloc with power-of-two
// classes (8 bytes to 4 MiB; above one page straight from the buddy allocator, so that a large
// block is naturally aligned). An object is freed by its address alone.
//
// Context: any with GFP_ATOMIC; thread context with GFP_KERNEL. NULL when out of memory.

#pragma once

#include "mm/gfp.h"

struct slab_cache;

// A cache of objects of `bytes`, aligned to `align` (0: 8). `name` must outlive it. NULL: no
// memory or a size above half a page.
struct slab_cache *slab_cache_create(const char *name, size_t bytes, size_t align);
void *slab_alloc(struct slab_cache *cache, unsigned gfp);
void slab_free(struct slab_cache *cache, void *object);

void *kmalloc(size_t bytes, unsigned gfp);               // bytes 0 gives a unique 8-byte object
void *kcalloc(size_t count, size_t bytes, unsigned gfp); // zeroed; overflow checked
// Grows or shrinks; contents up to the smaller size are kept; NULL leaves the old object alone.
void *krealloc(void *object, size_t bytes, unsigned gfp);
void kfree(const void *object);   // NULL is allowed
size_t ksize(const void *object); // usable bytes of the object

struct slab_stats {
    const char *name;
    size_t object_bytes, objects_used, objects_total, pages;
};
// Statistics of the index-th cache (kmalloc classes included); false past the last one.
bool slab_get_stats(unsigned index, struct slab_stats *stats);

int slab_init(void); // once, from boot.c, after buddy_init
