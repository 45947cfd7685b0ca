// SPDX-License-Identifier: BSD-2-Clause
//
// Inside of the object allocators, for mm/slab*.c and mm/kmalloc.c only: the cache, its per-CPU
// arrays, and the few instructions that are the whole of most allocations and frees.
//
// An address leads to its cache through the page descriptor. It is an object's start if its offset
// in the slab divides by the objects' distance, stride = odd << rotate, without a rest. Instead of
// a division: offset * (1/odd mod 2^32), rotated right, is the object's number if there is no
// rest, and else larger than any number (Hacker's Delight, 10-17, "test for zero remainder").

#pragma once

#include "core/lib/list.h"
#include "core/sync/spinlock.h"
#include "mm/page.h"
#include "mm/percpu.h"
#include "mm/slab.h"

// Objects of a cache that one CPU holds. `floor` is NULL: what stands under the lowest object
// says that there is none.
struct slab_array {
    void **top;  // above the highest object
    void **full; // `top` of a full array
    struct slab_cache *cache;
    void *floor;
    void *objects[];
};
DECLARE_PERCPU(struct slab_array, slab_no_array); // empty and full, for who has none

enum slab_list { SLABS_PARTIAL, SLABS_FULL, SLABS_FREE, SLAB_LISTS };

struct slab_cache {
    // Set by slab_cache_create. `arrays` may come later.
    struct slab_array *arrays;
    uint32_t inverse, rotate; // of the stride, see above
    uint16_t index;           // in slab_hot.caches, and in the page descriptors
    uint16_t limit, batch;    // of an array
    uint16_t link_offset;     // in an object: where a freed one holds the next one's number
    uint8_t order, least_order;
    uint16_t objects[2];   // of a slab of the least order, of `order`
    uint16_t free_slabs;   // kept at most
    uint8_t attach_in;     // slow calls until the next attempt to get arrays
    uint32_t stride;       // distance of two objects
    uint32_t object_bytes; // of which a caller may use
    unsigned gfp;          // account and GFP_DMA32 of its pages
    const char *name;
    void (*construct)(void *object);

    struct spinlock lock; // protects all below, and the descriptors of the slabs
    struct list lists[SLAB_LISTS];
    size_t slabs[SLAB_LISTS]; // on each list
    size_t pages, objects_total;
    size_t objects_out; // that left the slabs, for a caller or an array
    size_t objects_peak;
};

#define CACHES_MAX 512
#define CACHE_FIRST 4 // indices below lie under the words before

// What every free reads first, placed so that one address serves both parts.
union slab_hot {
    struct {
        uintptr_t ram_base, ram_bytes; // the linear map of the page allocator's RAM
        struct page *pages;            // descriptor of its first page
    };
    struct slab_cache *caches[CACHES_MAX];
};
static_assert(offsetof(union slab_hot, pages) < CACHE_FIRST * sizeof(void *), "words overlap");
extern union slab_hot slab_hot;

#define SLAB_NO_OBJECT UINT16_MAX // ends the chain of freed objects

// ---- Of shapes (slab_shape.c) ------------------------------------------------------------------

// The order of slabs for objects at this distance, on so many CPUs.
unsigned slab_order(size_t stride, unsigned cpus);
// How many slabs with room a cache keeps before it gives one without objects back.
unsigned slab_min_partial(size_t stride);
// The most objects that a CPU's array holds.
unsigned slab_array_limit(size_t object_bytes);
// inverse and rotate of a stride.
void slab_reciprocal(uint32_t stride, uint32_t *inverse, uint32_t *rotate);

static __always_inline uint32_t slab_quotient(uint32_t offset, uint32_t inverse, uint32_t rotate)
{
    uint32_t product = offset * inverse;
    return product >> rotate | product << (-rotate & 31);
}

// ---- Fast paths --------------------------------------------------------------------------------

// The cache of an object that ever left its slab; NULL for any other address.
static __always_inline struct slab_cache *slab_owner(const void *object)
{
    uintptr_t offset = (uintptr_t)object - slab_hot.ram_base;
    if (unlikely(offset >= slab_hot.ram_bytes))
        return NULL;
    const struct page *page = slab_hot.pages + (offset >> PAGE_SHIFT);
    uint32_t fresh = page->fresh;
    if (unlikely(!fresh)) // as in every page that is no slab's
        return NULL;
    struct slab_cache *cache = slab_hot.caches[page->cache];
    uint32_t in_slab = page->offset + ((uintptr_t)object & (PAGE_SIZE - 1));
    bool ok = slab_quotient(in_slab, cache->inverse, cache->rotate) < fresh;
    return likely(ok) ? cache : NULL;
}

// An object of this CPU's array; NULL: it has none. An interrupt that comes meanwhile is taken, and
// a switch that it asks for made, when interrupts come back: nothing to look for here.
static __always_inline void *slab_array_pop(struct slab_array *arrays)
{
    irq_flags_t flags = arch_irq_save();
    struct slab_array *array = this_cpu_of(arrays);
    void **top = array->top - 1;
    void *object = *top;
    if (likely(object))
        array->top = top;
    arch_irq_restore(flags);
    return object;
}

// False: there is no room.
static __always_inline bool slab_array_push(struct slab_array *arrays, void *object)
{
    irq_flags_t flags = arch_irq_save();
    struct slab_array *array = this_cpu_of(arrays);
    void **top = array->top;
    bool room = top != array->full;
    if (likely(room)) {
        *top = object;
        array->top = top + 1;
    }
    arch_irq_restore(flags);
    return room;
}

// ---- Of slab.c, for kmalloc.c ------------------------------------------------------------------

// Like slab_cache_create, with the flags of a request: GFP_ATOMIC and its like hold for the making
// of the cache.
struct slab_cache *slab_cache_make(const char *name, size_t bytes, size_t align, unsigned gfp,
                                   void (*construct)(void *object));
// slab_cache_destroy in any context.
int slab_cache_unmake(struct slab_cache *cache);
// A whole allocation of `bytes`, GFP_ZERO and the checks of debug builds included.
void *slab_alloc_from(struct slab_cache *cache, size_t bytes, unsigned gfp, const void *caller);
// A whole free of what slab_owner() knows.
void slab_free_to(struct slab_cache *cache, void *object, const void *caller);
// The rest of a free: past the checks, and when the array is full.
void slab_free_now(struct slab_cache *cache, void *object);
void slab_free_slow(struct slab_cache *cache, void *object);
// Says that this address was given back and is nothing that could be.
void slab_bad_free(const void *object, const void *caller);

// ---- Of kmalloc.c ------------------------------------------------------------------------------

void kmalloc_init(void); // from slab_init
