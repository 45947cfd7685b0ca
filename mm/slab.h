// SPDX-License-Identifier: BSD-2-Clause
//
// Small objects: named caches of equal objects, and kmalloc with classes of 8 bytes to 32 KiB on
// slabs, power-of-two blocks of pages up to 4 MiB, and above that single pages behind one address
// (vmalloc). Each CPU has an array of objects a cache; slabs behind it are on a partial, full or
// free list. An object is freed by its address alone.
//
// Context: any with GFP_ATOMIC or GFP_NOWAIT; thread context with GFP_KERNEL. NULL when out of
// memory. A free of what is no object is refused and logged; debug builds panic with a report. (In
// RAM that was never handed out it faults: there are no page descriptors to look at.)

#pragma once

#include "core/sync/rcu.h"
#include "mm/gfp.h"

#define KMALLOC_SLAB_MAX 32768UL // above: whole blocks
#define KMALLOC_MAX \
    (4UL << 20) // above: contiguous in address only, GFP_KERNEL and kfree in threads

struct slab_cache;

// A cache of objects of `bytes` (at most KMALLOC_SLAB_MAX), aligned to `align` (0: 8; at most
// PAGE_SIZE). `construct`, if any, runs once for each object when its slab is made, and a freed
// object must be in the constructed state (so no GFP_ZERO, no kfree_rcu). `gfp` may name an account
// and GFP_DMA32: both hold for all of the cache's slabs. `name` must outlive the cache. NULL: no
// memory, or a size or alignment out of range.
struct slab_cache *slab_cache_create(const char *name, size_t bytes, size_t align, unsigned gfp,
                                     void (*construct)(void *object));
// -EBUSY while objects are in use, which it then says in the log; else the cache is gone.
int slab_cache_destroy(struct slab_cache *cache);
void *slab_alloc(struct slab_cache *cache, unsigned gfp);
void slab_free(struct slab_cache *cache, void *object);

// Objects of power-of-two classes are naturally aligned; others (96, 192) to 32 bytes or more.
void *kmalloc(size_t bytes, unsigned gfp);               // bytes 0 gives a unique object
void *kcalloc(size_t count, size_t bytes, unsigned gfp); // zeroed; overflow checked
// Grows or shrinks; contents up to the smaller size are kept; NULL leaves the old object alone.
void *krealloc(void *object, size_t bytes, unsigned gfp);
void kfree(const void *object);   // NULL is allowed
size_t ksize(const void *object); // usable bytes of the object; 0 for none. Debug: as asked for

// Frees the object after a grace period; `member` is its struct rcu_head, in the first page if the
// object is no slab's (kmalloc of more than KMALLOC_SLAB_MAX). Any context.
#define kfree_rcu(object, member) \
    kfree_rcu_at(&(object)->member, offsetof(__typeof__(*(object)), member))
void kfree_rcu_at(struct rcu_head *head, size_t offset);

// Gives back the slabs without objects and what this CPU's arrays hold. Thread context.
void slab_drain(void);

struct slab_stats {
    const char *name;
    unsigned account, slab_order;
    size_t object_bytes, objects_used, objects_cached, objects_total; // cached: in CPUs' arrays
    size_t objects_peak; // most ever used, as seen when arrays were filled: up to one array less
    size_t pages, slabs_partial, slabs_full, slabs_free;
};
// Statistics of the index-th cache (kmalloc classes included); false past the last one. An index
// without a cache has no name.
bool slab_get_stats(unsigned index, struct slab_stats *stats);

int slab_init(void); // once, from boot.c, after percpu_init
