// SPDX-License-Identifier: BSD-2-Clause
//
// Caches of equal objects. A slab is a block of pages cut into objects; its bookkeeping is in the
// pages' descriptors, so that objects need no header and an address alone finds its cache. In a
// slab, objects that never left it are taken in order (`fresh`), others from a chain of numbers
// through the freed objects.
//
// Callers meet the array of objects of their CPU (slab_internal.h), with interrupts off and no
// lock. Only when it is empty or full, a batch moves between it and the slabs, under the cache's
// lock. Pages are asked for and given back without that lock, so the page allocator may call the
// shrinker below from inside a request of this file.

#include "mm/slab.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "mm/account.h"
#include "mm/fault_inject.h"
#include "mm/kasan.h"
#include "mm/reclaim.h"
#include "mm/slab_debug.h"
#include "mm/slab_internal.h"

#define OBJECT_MIN 8u
#define FREE_SLABS_BYTES KIB(64) // of what is free, a cache keeps about so much
#define ATTACH_EVERY 16u         // slow calls from one attempt to get arrays to the next
#define DRAIN_SLABS 32u          // given back at once

union slab_hot slab_hot;
DEFINE_PERCPU(struct slab_array, slab_no_array) = {
    .top = &slab_no_array.floor + 1,
    .full = &slab_no_array.floor + 1,
};

static struct slab_cache cache_cache; // of the other caches' structures
static unsigned caches_end = CACHE_FIRST;
static struct spinlock caches_lock = SPINLOCK_INIT; // protects caches_end and slab_hot.caches

// ---- Slabs -----------------------------------------------------------------------------------

// A slab of the least order was made when memory was scattered; it has fewer objects.
static unsigned slab_objects(const struct slab_cache *cache, const struct page *slab)
{
    return cache->objects[slab->order == cache->order];
}

// Where a freed object holds the number of the next one. A number, since an address that somebody
// wrote over would lead anywhere.
static uint64_t *link_of(const struct slab_cache *cache, void *object)
{
    return (uint64_t *)((char *)object + cache->link_offset);
}

// Every page says what it belongs to.
static void tag_pages(struct slab_cache *cache, struct page *slab, unsigned order)
{
    for (unsigned i = 0; i < 1u << order; i++) {
        slab[i].offset = i * PAGE_SIZE;
        slab[i].used = slab[i].fresh = 0;
        slab[i].freed = SLAB_NO_OBJECT;
        slab[i].cache = cache->index;
        slab[i].order = order;
        slab[i].kind = PAGE_SLAB;
    }
}

// Once for all the lives of the objects: what is freed comes back as it was made.
static void prepare_objects(struct slab_cache *cache, const struct page *slab)
{
    char *object = page_va(slab);
    if (!cache->construct && !SLAB_DEBUG)
        return;
    for (unsigned left = slab_objects(cache, slab); left--; object += cache->stride) {
        if (cache->construct)
            cache->construct(object);
        slab_debug_new(cache, object);
    }
}

// On no list yet. Larger slabs than needed are no reason to wait, or to take from the reserve.
static struct page *slab_new(struct slab_cache *cache, unsigned gfp)
{
    unsigned order = cache->order;
    void *memory = NULL;
    gfp = (gfp & GFP_FLAGS & ~GFP_ZERO) | cache->gfp;
    if (order > cache->least_order)
        memory = page_alloc(order, (gfp & ~GFP_URGENCY) | GFP_NOWAIT);
    if (!memory) {
        order = cache->least_order;
        memory = page_alloc(order, gfp);
    }
    if (!memory)
        return NULL;
    struct page *slab = page_of(memory);
    tag_pages(cache, slab, order);
    prepare_objects(cache, slab);
    kasan_poison(memory, PAGE_SIZE << order, KASAN_SLAB_REDZONE);
    return slab;
}

// No object of it is out and it is on no list any more.
static void slab_release(unsigned gfp, struct page *slab)
{
    unsigned order = slab->order;
    for (unsigned i = 0; i < 1u << order; i++) {
        slab[i].kind = PAGE_TAIL;
        slab[i].fresh = 0; // slab_owner() asks for nothing else
    }
    slab->kind = PAGE_USED; // what page_free expects
    slab->account = gfp_account(gfp);
    page_free(page_va(slab), order);
}

// Returns the number of pages. The cache may be gone, so its flags are told.
static size_t release_all(unsigned gfp, struct list *slabs)
{
    struct page *slab, *next;
    size_t pages = 0;
    list_for_each_safe (slab, next, slabs, link) {
        pages += 1u << slab->order;
        slab_release(gfp, slab);
    }
    return pages;
}

// ---- Lists of slabs; the cache's lock is held --------------------------------------------------

static enum slab_list list_of(unsigned used, unsigned objects)
{
    if (!used)
        return SLABS_FREE;
    return used < objects ? SLABS_PARTIAL : SLABS_FULL;
}

static void enlist(struct slab_cache *cache, struct page *slab)
{
    enum slab_list list = list_of(slab->used, slab_objects(cache, slab));
    list_add(&cache->lists[list], &slab->link);
    cache->slabs[list]++;
}

// Says how many objects of it are out, and puts it on the list for that.
static void set_used(struct slab_cache *cache, struct page *slab, unsigned used)
{
    unsigned objects = slab_objects(cache, slab);
    enum slab_list from = list_of(slab->used, objects);
    slab->used = used;
    if (list_of(used, objects) == from)
        return;
    list_del(&slab->link);
    cache->slabs[from]--;
    enlist(cache, slab);
}

static void add_slab(struct slab_cache *cache, struct page *slab)
{
    cache->pages += 1u << slab->order;
    cache->objects_total += slab_objects(cache, slab);
    enlist(cache, slab);
}

// Takes a free slab off, for who gives it back when the lock is released.
static void doom_slab(struct slab_cache *cache, struct page *slab, struct list *doomed)
{
    list_del(&slab->link);
    cache->slabs[SLABS_FREE]--;
    cache->pages -= 1u << slab->order;
    cache->objects_total -= slab_objects(cache, slab);
    list_add(doomed, &slab->link);
}

// Partial ones first, so that free ones stay whole and can be given back.
static struct page *slab_with_room(struct slab_cache *cache)
{
    for (unsigned list = SLABS_PARTIAL; list < SLAB_LISTS; list++) {
        if (list != SLABS_FULL && !list_empty(&cache->lists[list]))
            return list_first(&cache->lists[list], struct page, link);
    }
    return NULL;
}

// ---- Objects between slab and array; the cache's lock is held ----------------------------------

// A number that is none: somebody wrote to a freed object. What else the chain held is lost.
static __noinline void chain_broken(struct slab_cache *cache, const void *object)
{
    log_err("slab: %s: object %p was written to after it was freed", cache->name, object);
}

static void *take_freed(struct slab_cache *cache, struct page *slab)
{
    void *object = (char *)page_va(slab) + slab->freed * cache->stride;
    uint64_t next = *link_of(cache, object);
    if (unlikely(next >= slab->fresh && next != SLAB_NO_OBJECT)) {
        chain_broken(cache, object);
        next = SLAB_NO_OBJECT;
    }
    slab->freed = (uint16_t)next;
    return object;
}

// Up to `count` objects, the lowest last, so that the array gives it out first.
static unsigned take_fresh(struct slab_cache *cache, struct page *slab, void **objects,
                           unsigned count)
{
    unsigned first = slab->fresh;
    count = MIN(count, slab_objects(cache, slab) - first);
    for (unsigned i = 0; i < count; i++)
        objects[i] = (char *)page_va(slab) + (first + count - 1 - i) * cache->stride;
    for (unsigned i = 0; i < 1u << slab->order; i++)
        slab[i].fresh = first + count;
    return count;
}

static unsigned take_from_slab(struct slab_cache *cache, struct page *slab, void **objects,
                               unsigned count)
{
    unsigned taken = 0;
    // No more than there can be: an object that was freed twice makes the chain a ring.
    while (taken < count && slab->freed != SLAB_NO_OBJECT && slab->used + taken < slab->fresh)
        objects[taken++] = take_freed(cache, slab);
    if (taken < count)
        taken += take_fresh(cache, slab, objects + taken, count - taken);
    // What a broken chain lost counts as out: as room, it would be looked for again and again.
    unsigned used = slab->used + taken;
    if (slab->freed == SLAB_NO_OBJECT)
        used = MAX(used, slab->fresh);
    cache->objects_out += used - slab->used;
    set_used(cache, slab, used);
    return taken;
}

// A slab that is free now stays only while few others have room: an allocation and free at a slab's
// edge shall not go to the page allocator each time.
static void put_object(struct slab_cache *cache, void *object, struct list *doomed)
{
    struct page *page = page_of(object), *slab = page - (page->offset >> PAGE_SHIFT);
    uint32_t offset = page->offset + ((uintptr_t)object & (PAGE_SIZE - 1));
    if (unlikely(!slab->used)) { // freed twice; here it shows
        slab_bad_free(object, NULL);
        return;
    }
    *link_of(cache, object) = slab->freed;
    slab->freed = slab_quotient(offset, cache->inverse, cache->rotate);
    set_used(cache, slab, slab->used - 1);
    cache->objects_out--;
    if (unlikely(!slab->used) &&
        cache->slabs[SLABS_PARTIAL] + cache->slabs[SLABS_FREE] > cache->free_slabs)
        doom_slab(cache, slab, doomed);
}

// Puts the objects of the array that lie there longest back into their slabs.
static void flush(struct slab_cache *cache, struct slab_array *array, unsigned count,
                  struct list *doomed)
{
    unsigned held = array->top - array->objects;
    count = MIN(count, held);
    for (unsigned i = 0; i < count; i++)
        put_object(cache, array->objects[i], doomed);
    memmove(array->objects, array->objects + count, (held - count) * sizeof(void *));
    array->top -= count;
}

// Fills an empty array with a batch and returns one object more; NULL if no slab has any.
static void *fill(struct slab_cache *cache, struct slab_array *array)
{
    unsigned room = array->full - array->top, want = MIN(cache->batch, room);
    struct page *slab;
    void *object;
    while (want && (slab = slab_with_room(cache))) {
        unsigned taken = take_from_slab(cache, slab, array->top, want);
        array->top += taken;
        want -= taken;
    }
    if (array->top[-1])
        return *--array->top;
    slab = slab_with_room(cache); // without an array
    if (!slab)
        return NULL;
    take_from_slab(cache, slab, &object, 1);
    return object;
}

// ---- Arrays ----------------------------------------------------------------------------------

static void array_init(struct slab_cache *cache, struct slab_array *array)
{
    array->cache = cache;
    array->floor = NULL;
    array->top = array->objects;
    array->full = array->objects + cache->limit;
}

// Gives the cache arrays, if there is memory for them; without, it works all the same.
static void attach_arrays(struct slab_cache *cache, unsigned gfp)
{
    size_t bytes = sizeof(struct slab_array) + cache->limit * sizeof(void *);
    struct slab_array *arrays = percpu_alloc(bytes, 0, gfp & GFP_FLAGS & ~(GFP_ZERO | GFP_DMA32));
    if (!arrays)
        return;
    for (unsigned cpu = 0; cpu < percpu_cpus(); cpu++)
        array_init(cache, per_cpu_of(arrays, cpu));
    irq_flags_t flags = spin_lock_irqsave(&cache->lock);
    bool late = cache->arrays != &slab_no_array;
    if (!late) {
        // Whoever sees the pointer sees the arrays set up, by the dependency.
        atomic_thread_fence(memory_order_release);
        cache->arrays = arrays;
    }
    spin_unlock_irqrestore(&cache->lock, flags);
    if (late)
        percpu_free(arrays);
}

// Without a lock: other CPUs' arrays are read as they change.
static size_t objects_cached(const struct slab_cache *cache)
{
    size_t sum = 0;
    if (cache->arrays == &slab_no_array)
        return 0;
    for (unsigned cpu = 0; cpu < percpu_cpus(); cpu++) {
        const struct slab_array *array = per_cpu_of(cache->arrays, cpu);
        sum += array->top - array->objects;
    }
    return sum;
}

// Other CPUs' arrays change meanwhile, so the difference may be off. Lock held.
static size_t objects_used(struct slab_cache *cache)
{
    size_t cached = objects_cached(cache);
    size_t used = cache->objects_out > cached ? cache->objects_out - cached : 0;
    cache->objects_peak = MAX(cache->objects_peak, used);
    return used;
}

// ---- Allocation and free -----------------------------------------------------------------------

// From the slabs, after a new one was added, if any.
static void *refill(struct slab_cache *cache, struct page *slab)
{
    irq_flags_t flags = spin_lock_irqsave(&cache->lock);
    struct slab_array *array = this_cpu_of(cache->arrays);
    if (slab)
        add_slab(cache, slab);
    void *object = array->top[-1]; // an interrupt, or another CPU's array, may have one by now
    if (object)
        array->top--;
    else
        object = fill(cache, array);
    objects_used(cache);
    spin_unlock_irqrestore(&cache->lock, flags);
    return object;
}

// The way to the page allocator, with nothing held.
static __noinline void *alloc_slow(struct slab_cache *cache, unsigned gfp)
{
    if (unlikely(cache->arrays == &slab_no_array) && cache->limit && !cache->attach_in--) {
        cache->attach_in = ATTACH_EVERY;
        attach_arrays(cache, gfp);
    }
    void *object = refill(cache, NULL);
    if (object)
        return object;
    struct page *slab = slab_new(cache, gfp);
    return slab ? refill(cache, slab) : NULL;
}

// Half of the array goes, so that neither the next allocation nor the next free comes here again.
void slab_free_slow(struct slab_cache *cache, void *object)
{
    struct list doomed = LIST_INIT(doomed);
    irq_flags_t flags = spin_lock_irqsave(&cache->lock);
    struct slab_array *array = this_cpu_of(cache->arrays);
    if (cache->arrays != &slab_no_array && array->top == array->full)
        flush(cache, array, cache->batch, &doomed);
    if (array->top != array->full)
        *array->top++ = object;
    else
        put_object(cache, object, &doomed);
    spin_unlock_irqrestore(&cache->lock, flags);
    release_all(cache->gfp, &doomed);
}

// All that is not the fast path: no object in the array, zeroes, debug builds.
static __noinline void *alloc_rest(struct slab_cache *cache, void *object, size_t bytes,
                                   unsigned gfp, const void *caller)
{
    gfp_check(gfp, caller);
    if (!object)
        object = alloc_slow(cache, gfp);
    if (!object)
        return NULL;
    slab_debug_alloc(cache, object, bytes, caller);
    kasan_poison(object, cache->stride, KASAN_SLAB_REDZONE);
    kasan_unpoison(object, bytes);
    if (gfp & GFP_ZERO)
        memset(object, 0, SLAB_DEBUG ? bytes : cache->object_bytes);
    return object;
}

static __always_inline void *alloc(struct slab_cache *cache, size_t bytes, unsigned gfp,
                                   const void *caller)
{
    void *object = slab_array_pop(cache->arrays);
    if (likely(object && !(gfp & GFP_ZERO) && !SLAB_DEBUG))
        return object;
    return alloc_rest(cache, object, bytes, gfp, caller);
}

void *slab_alloc_from(struct slab_cache *cache, size_t bytes, unsigned gfp, const void *caller)
{
    return alloc(cache, bytes, gfp, caller);
}

void *slab_alloc(struct slab_cache *cache, unsigned gfp)
{
    if (FAULT_INJECT())
        return NULL;
    return alloc(cache, cache->object_bytes, gfp, SLAB_CALLER());
}

void slab_free_now(struct slab_cache *cache, void *object)
{
    if (unlikely(!slab_array_push(cache->arrays, object)))
        slab_free_slow(cache, object);
}

// Under the sanitizer an object waits in quarantine, out of bounds, until slab_free_now().
void slab_free_to(struct slab_cache *cache, void *object, const void *caller)
{
    slab_debug_free(cache, object, caller);
    kasan_poison(object, cache->stride, KASAN_SLAB_FREE);
    if (!kasan_quarantine(cache, object, cache->stride))
        slab_free_now(cache, object);
}

void slab_free(struct slab_cache *cache, void *object)
{
    if (unlikely(slab_owner(object) != cache))
        slab_bad_free(object, SLAB_CALLER());
    else if (SLAB_DEBUG)
        slab_free_to(cache, object, SLAB_CALLER());
    else if (unlikely(!slab_array_push(cache->arrays, object)))
        slab_free_slow(cache, object);
}

__noinline void slab_bad_free(const void *object, const void *caller)
{
    if (SLAB_DEBUG)
        panic("slab: free of %p, which is no object (by %p)", object, caller);
    log_err("slab: free of %p, which is no object; ignored", object);
}

// ---- Caches ----------------------------------------------------------------------------------

// -ENOSPC: there are too many.
static int register_cache(struct slab_cache *cache)
{
    int err = -ENOSPC;
    irq_flags_t flags = spin_lock_irqsave(&caches_lock);
    for (unsigned i = CACHE_FIRST; i < CACHES_MAX && err; i++) {
        if (slab_hot.caches[i])
            continue;
        slab_hot.caches[i] = cache;
        cache->index = i;
        caches_end = MAX(caches_end, i + 1);
        err = 0;
    }
    spin_unlock_irqrestore(&caches_lock, flags);
    return err;
}

static void unregister_cache(const struct slab_cache *cache)
{
    irq_flags_t flags = spin_lock_irqsave(&caches_lock);
    slab_hot.caches[cache->index] = NULL;
    spin_unlock_irqrestore(&caches_lock, flags);
}

// Where what is kept with an object lies, behind it: the chain, so that what a constructor made
// stays whole, and what debug builds know.
static void set_layout(struct slab_cache *cache, size_t bytes, size_t align)
{
    bool link_behind = cache->construct && !SLAB_DEBUG;
    cache->object_bytes = ALIGN_UP(MAX(bytes, OBJECT_MIN), OBJECT_MIN);
    size_t behind = SLAB_TRACK_BYTES + (link_behind ? sizeof(uint64_t) : 0);
    cache->link_offset = behind ? cache->object_bytes + SLAB_TRACK_LINK : 0;
    cache->stride = ALIGN_UP(cache->object_bytes + behind, MAX(align, OBJECT_MIN));
}

// The bound on free slabs is the reference's, but large slabs are worth more than the time to make
// them anew.
static void set_shape(struct slab_cache *cache)
{
    cache->order = slab_order(cache->stride, MAX(percpu_cpus(), 1u));
    cache->least_order = page_order_for(cache->stride);
    cache->objects[0] = (PAGE_SIZE << cache->least_order) / cache->stride;
    cache->objects[1] = (PAGE_SIZE << cache->order) / cache->stride;
    slab_reciprocal(cache->stride, &cache->inverse, &cache->rotate);
    size_t by_bytes = MAX(FREE_SLABS_BYTES / (PAGE_SIZE << cache->order), 1u);
    cache->free_slabs = MIN(slab_min_partial(cache->stride), by_bytes);
    cache->limit = slab_array_limit(cache->object_bytes);
    cache->batch = cache->limit / 2;
}

static void cache_setup(struct slab_cache *cache, const char *name, size_t bytes, size_t align,
                        unsigned gfp, void (*construct)(void *object))
{
    *cache = (struct slab_cache){
        .arrays = &slab_no_array,
        .name = name,
        .gfp = gfp & (GFP_DMA32 | ~GFP_FLAGS),
        .construct = construct,
    };
    spin_init(&cache->lock);
    for (unsigned list = 0; list < SLAB_LISTS; list++)
        list_init(&cache->lists[list]);
    set_layout(cache, bytes, align);
    set_shape(cache);
}

struct slab_cache *slab_cache_make(const char *name, size_t bytes, size_t align, unsigned gfp,
                                   void (*construct)(void *object))
{
    struct slab_cache *cache = slab_alloc(&cache_cache, gfp & GFP_FLAGS & ~GFP_DMA32);
    if (!cache)
        return NULL;
    cache_setup(cache, name, bytes, align, gfp, construct);
    if (register_cache(cache)) {
        slab_free(&cache_cache, cache);
        return NULL;
    }
    attach_arrays(cache, gfp);
    return cache;
}

struct slab_cache *slab_cache_create(const char *name, size_t bytes, size_t align, unsigned gfp,
                                     void (*construct)(void *object))
{
    if (align > PAGE_SIZE || (align && !IS_POWER_OF_2(align)) || bytes > KMALLOC_SLAB_MAX)
        return NULL;
    return slab_cache_make(name, bytes, align, gfp, construct);
}

// All that any CPU and any list holds. Returns the objects in use; with any, everything stays,
// since their owners go on using the arrays of their CPUs, without the lock.
static size_t empty_cache(struct slab_cache *cache, struct list *doomed)
{
    irq_flags_t flags = spin_lock_irqsave(&cache->lock);
    size_t used = objects_used(cache);
    for (unsigned cpu = 0; !used && cache->arrays != &slab_no_array && cpu < percpu_cpus(); cpu++)
        flush(cache, per_cpu_of(cache->arrays, cpu), cache->limit, doomed);
    while (!used && !list_empty(&cache->lists[SLABS_FREE]))
        doom_slab(cache, list_first(&cache->lists[SLABS_FREE], struct page, link), doomed);
    spin_unlock_irqrestore(&cache->lock, flags);
    return used;
}

// The cache stays registered until nothing is left of it: until then an object's address must lead
// to it, and its number must not become another's.
int slab_cache_unmake(struct slab_cache *cache)
{
    struct list doomed = LIST_INIT(doomed);
    size_t used = empty_cache(cache, &doomed);
    if (used) {
        log_err("slab: %s: %zu objects are in use, the cache stays", cache->name, used);
        return -EBUSY;
    }
    release_all(cache->gfp, &doomed);
    unregister_cache(cache); // from here on the shrinker passes it by
    if (cache->arrays != &slab_no_array)
        percpu_free(cache->arrays);
    slab_free(&cache_cache, cache);
    return 0;
}

int slab_cache_destroy(struct slab_cache *cache)
{
    kasan_drain();
    return slab_cache_unmake(cache);
}

// ---- Giving back -----------------------------------------------------------------------------

// Takes what this CPU's array and the free list hold off one cache. Returns pages; `more`: there is
// more to come.
static size_t drain_cache(unsigned index, bool *more)
{
    struct list doomed = LIST_INIT(doomed);
    unsigned gfp = 0;
    irq_flags_t flags = spin_lock_irqsave(&caches_lock);
    struct slab_cache *cache = slab_hot.caches[index];
    *more = false;
    if (cache) {
        gfp = cache->gfp;
        spin_lock_raw(&cache->lock);
        if (cache->arrays != &slab_no_array)
            flush(cache, this_cpu_of(cache->arrays), cache->limit, &doomed);
        struct list *free = &cache->lists[SLABS_FREE];
        for (unsigned i = 0; i < DRAIN_SLABS && !list_empty(free); i++)
            doom_slab(cache, list_first(free, struct page, link), &doomed);
        *more = !list_empty(free);
        spin_unlock_raw(&cache->lock);
    }
    spin_unlock_irqrestore(&caches_lock, flags);
    return release_all(gfp, &doomed);
}

// Until so many pages are given back. One cache at a time and so many of its slabs, since
// interrupts are off in between.
static size_t drain(size_t pages)
{
    size_t freed = 0;
    bool more;
    for (unsigned index = CACHE_FIRST; index < caches_end && freed < pages; index += !more)
        freed += drain_cache(index, &more);
    return freed;
}

void slab_drain(void)
{
    kasan_drain();
    drain(SIZE_MAX);
}

// The shrinker counts in pages.
static size_t idle_pages(struct slab_cache *cache)
{
    spin_lock_raw(&cache->lock);
    size_t bytes = cache->slabs[SLABS_FREE] * (PAGE_SIZE << cache->order);
    if (cache->arrays != &slab_no_array) {
        const struct slab_array *array = this_cpu_of(cache->arrays);
        bytes += (array->top - array->objects) * cache->stride;
    }
    spin_unlock_raw(&cache->lock);
    return bytes >> PAGE_SHIFT;
}

static size_t shrink_count(struct shrinker *shrinker)
{
    size_t pages = 0;
    (void)shrinker;
    for (unsigned index = CACHE_FIRST; index < caches_end; index++) {
        irq_flags_t flags = spin_lock_irqsave(&caches_lock);
        if (slab_hot.caches[index])
            pages += idle_pages(slab_hot.caches[index]);
        spin_unlock_irqrestore(&caches_lock, flags);
    }
    return pages;
}

// Nothing freed although something was counted: objects of this CPU's arrays, of slabs that are
// still in use.
static size_t shrink_scan(struct shrinker *shrinker, size_t count)
{
    (void)shrinker;
    size_t freed = drain(count);
    return freed ? freed : SHRINK_STOP;
}

// ---- Statistics and start ----------------------------------------------------------------------

static void fill_stats(struct slab_cache *cache, struct slab_stats *stats)
{
    spin_lock_raw(&cache->lock);
    size_t used = objects_used(cache); // brings the peak up to date
    *stats = (struct slab_stats){
        .name = cache->name,
        .account = gfp_account(cache->gfp),
        .slab_order = cache->order,
        .object_bytes = cache->object_bytes,
        .objects_used = used,
        .objects_cached = objects_cached(cache),
        .objects_total = cache->objects_total,
        .objects_peak = cache->objects_peak,
        .pages = cache->pages,
        .slabs_partial = cache->slabs[SLABS_PARTIAL],
        .slabs_full = cache->slabs[SLABS_FULL],
        .slabs_free = cache->slabs[SLABS_FREE],
    };
    spin_unlock_raw(&cache->lock);
}

bool slab_get_stats(unsigned index, struct slab_stats *stats)
{
    *stats = (struct slab_stats){0};
    irq_flags_t flags = spin_lock_irqsave(&caches_lock);
    bool exists = index < caches_end - CACHE_FIRST;
    struct slab_cache *cache = exists ? slab_hot.caches[CACHE_FIRST + index] : NULL;
    if (cache)
        fill_stats(cache, stats);
    spin_unlock_irqrestore(&caches_lock, flags);
    return exists;
}

int slab_init(void)
{
    static struct shrinker shrinker = {.name = "slab", .count = shrink_count, .scan = shrink_scan};
    slab_hot.ram_base = page_span.start;
    slab_hot.ram_bytes = page_span.bytes;
    slab_hot.pages = page_of((void *)page_span.start);
    cache_setup(&cache_cache, "slab-cache", sizeof(struct slab_cache), CACHE_LINE, 0, NULL);
    register_cache(&cache_cache);
    kmalloc_init();
    shrinker_register(&shrinker);
    return 0;
}
