// SPDX-License-Identifier: BSD-2-Clause
//
// Slab allocator. A slab is one page cut into equal objects; its bookkeeping is in the page's
// descriptor, so objects need no header and kfree finds the cache from the address. Objects that
// were never handed out are taken in order (`fresh`), freed ones from a list through their first
// word. Slabs with room are on the cache's list, full ones on none; one empty slab a cache is kept,
// so that an alloc/free pair at a slab's edge does not go to the buddy allocator each time.

#include "mm/slab.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/sync/spinlock.h"
#include "mm/page.h"

#define CACHES_MAX 64
#define OBJECT_MIN 8
#define KMALLOC_CLASSES (PAGE_SHIFT - 3) // 8 << 0 to half a page
#define KMALLOC_SLAB_MAX (OBJECT_MIN << (KMALLOC_CLASSES - 1))
#define KMALLOC_MAX (PAGE_SIZE << BUDDY_MAX_ORDER)

struct slab_cache {
    struct spinlock lock; // protects all below and the descriptors of the cache's slabs
    uint32_t object_bytes, objects_per_slab;
    struct list partial; // slabs with room, the empty ones last
    size_t empty, slabs, objects_used;
    const char *name;
    uint16_t index;
};

static_assert(KMALLOC_SLAB_MAX == PAGE_SIZE / 2, "larger objects go to the buddy allocator");

static struct slab_cache caches[CACHES_MAX]; // the kmalloc classes come first
static _Atomic unsigned cache_count;
static struct spinlock create_lock = SPINLOCK_INIT; // protects the growth of cache_count

static const char *const kmalloc_names[] = {
    "kmalloc-8",   "kmalloc-16",   "kmalloc-32",   "kmalloc-64",   "kmalloc-128",  "kmalloc-256",
    "kmalloc-512", "kmalloc-1024", "kmalloc-2048", "kmalloc-4096", "kmalloc-8192",
};
static_assert(KMALLOC_CLASSES <= ARRAY_SIZE(kmalloc_names), "each class has a name");

// ---- Slabs -----------------------------------------------------------------------------------

static struct page *slab_new(struct slab_cache *cache, unsigned gfp)
{
    void *memory = buddy_alloc(0, gfp & ~GFP_ZERO);
    if (!memory)
        return NULL;
    struct page *page = page_of(memory);
    page->kind = PAGE_SLAB;
    page->cache = cache->index;
    page->freelist = NULL;
    page->used = page->fresh = 0;
    list_add(&cache->partial, &page->link);
    cache->slabs++;
    cache->empty++;
    return page;
}

static void slab_destroy(struct slab_cache *cache, struct page *page)
{
    list_del(&page->link);
    cache->slabs--;
    cache->empty--;
    page->kind = PAGE_USED; // what buddy_free expects
    page->order = 0;
    buddy_free(page_va(page), 0);
}

static void *take_object(struct slab_cache *cache, struct page *page)
{
    void *object = page->freelist;
    if (object)
        page->freelist = *(void **)object;
    else
        object = (char *)page_va(page) + page->fresh++ * cache->object_bytes;
    if (page->used++ == 0)
        cache->empty--;
    if (page->used == cache->objects_per_slab)
        list_del(&page->link);
    cache->objects_used++;
    return object;
}

static void put_object(struct slab_cache *cache, struct page *page, void *object)
{
    *(void **)object = page->freelist;
    page->freelist = object;
    cache->objects_used--;
    if (page->used-- == cache->objects_per_slab)
        list_add(&cache->partial, &page->link);
    if (page->used)
        return;
    if (cache->empty++) {
        slab_destroy(cache, page);
    } else {
        list_del(&page->link);
        list_add_tail(&cache->partial, &page->link);
    }
}

// ---- Caches ----------------------------------------------------------------------------------

void *slab_alloc(struct slab_cache *cache, unsigned gfp)
{
    void *object = NULL;
    irq_flags_t flags = spin_lock_irqsave(&cache->lock);
    if (likely(!list_empty(&cache->partial)) || slab_new(cache, gfp))
        object = take_object(cache, list_first(&cache->partial, struct page, link));
    spin_unlock_irqrestore(&cache->lock, flags);
    if (object && gfp & GFP_ZERO)
        memset(object, 0, cache->object_bytes);
    return object;
}

static __noinline void bad_free(const void *object)
{
#ifdef DEBUG
    panic("slab: free of %p, which is no object", object);
#else
    log_err("slab: free of %p, which is no object; ignored", object);
#endif
}

// Debug builds look for a second free; walking the list is too slow otherwise.
static bool on_freelist(const struct page *page, const void *object)
{
#ifdef DEBUG
    for (void *it = page->freelist; it; it = *(void **)it) {
        if (it == object)
            return true;
    }
#else
    (void)page, (void)object;
#endif
    return false;
}

static bool is_object(const struct slab_cache *cache, const struct page *page, const void *object)
{
    unsigned offset = (uintptr_t)object & (PAGE_SIZE - 1);
    return page->used && offset % cache->object_bytes == 0 &&
           offset / cache->object_bytes < page->fresh && !on_freelist(page, object);
}

static void free_in(struct slab_cache *cache, struct page *page, void *object)
{
    irq_flags_t flags = spin_lock_irqsave(&cache->lock);
    bool ok = is_object(cache, page, object);
    if (likely(ok))
        put_object(cache, page, object);
    spin_unlock_irqrestore(&cache->lock, flags);
    if (unlikely(!ok))
        bad_free(object);
}

void slab_free(struct slab_cache *cache, void *object)
{
    struct page *page = page_valid(object) ? page_of(object) : NULL;
    if (likely(page && page->kind == PAGE_SLAB && page->cache == cache->index))
        free_in(cache, page, object);
    else
        bad_free(object);
}

static void cache_setup(struct slab_cache *cache, const char *name, size_t bytes)
{
    spin_init(&cache->lock);
    list_init(&cache->partial);
    cache->object_bytes = bytes;
    cache->objects_per_slab = PAGE_SIZE / bytes;
    cache->name = name;
    cache->index = cache - caches;
}

struct slab_cache *slab_cache_create(const char *name, size_t bytes, size_t align)
{
    align = MAX(align, OBJECT_MIN);
    if (!IS_POWER_OF_2(align) || align > KMALLOC_SLAB_MAX || bytes > KMALLOC_SLAB_MAX)
        return NULL;
    struct slab_cache *cache = NULL;
    spin_lock(&create_lock);
    unsigned index = atomic_load_explicit(&cache_count, memory_order_relaxed);
    if (index < CACHES_MAX) {
        cache = &caches[index];
        cache_setup(cache, name, ALIGN_UP(MAX(bytes, OBJECT_MIN), align));
        // Pairs with the acquire in slab_get_stats: who sees the count sees the cache set up.
        atomic_store_explicit(&cache_count, index + 1, memory_order_release);
    }
    spin_unlock(&create_lock);
    return cache;
}

// ---- kmalloc ---------------------------------------------------------------------------------

static void *kmalloc_large(size_t bytes, unsigned gfp)
{
    if (bytes > KMALLOC_MAX)
        return NULL;
    void *memory = buddy_alloc(buddy_order_for(bytes), gfp);
    if (memory)
        page_of(memory)->kind = PAGE_LARGE;
    return memory;
}

void *kmalloc(size_t bytes, unsigned gfp)
{
    // Slabs hold objects of all callers, so what must lie below 4 GiB gets a page of its own.
    if (unlikely(bytes > KMALLOC_SLAB_MAX || gfp & GFP_DMA32))
        return kmalloc_large(bytes, gfp);
    unsigned class = bytes <= OBJECT_MIN ? 0 : 61 - __builtin_clzll(bytes - 1);
    return slab_alloc(&caches[class], gfp);
}

void *kcalloc(size_t count, size_t bytes, unsigned gfp)
{
    size_t sum;
    if (__builtin_mul_overflow(count, bytes, &sum))
        return NULL;
    return kmalloc(sum, gfp | GFP_ZERO);
}

// The block must become the buddy allocator's again before it is freed there.
static void kfree_large(struct page *page)
{
    page->kind = PAGE_USED;
    buddy_free(page_va(page), page->order);
}

void kfree(const void *object)
{
    if (!object)
        return;
    struct page *page = page_valid(object) ? page_of(object) : NULL;
    if (unlikely(!page))
        bad_free(object);
    else if (likely(page->kind == PAGE_SLAB))
        free_in(&caches[page->cache], page, (void *)object);
    else if (page->kind == PAGE_LARGE && object == page_va(page))
        kfree_large(page);
    else
        bad_free(object);
}

size_t ksize(const void *object)
{
    if (!object || !page_valid(object))
        return 0;
    const struct page *page = page_of(object);
    if (page->kind == PAGE_SLAB)
        return caches[page->cache].object_bytes;
    return page->kind == PAGE_LARGE ? PAGE_SIZE << page->order : 0;
}

// An object stays where it is while the new size fills at least a quarter of it.
static bool fits_well(size_t have, size_t bytes)
{
    return bytes <= have && (bytes >= have / 4 || have <= 64);
}

void *krealloc(void *object, size_t bytes, unsigned gfp)
{
    if (!object)
        return kmalloc(bytes, gfp);
    size_t have = ksize(object);
    if (fits_well(have, bytes))
        return object;
    void *moved = kmalloc(bytes, gfp & ~GFP_ZERO);
    if (!moved)
        return bytes <= have ? object : NULL;
    memcpy(moved, object, MIN(have, bytes));
    if (gfp & GFP_ZERO && bytes > have)
        memset((char *)moved + have, 0, bytes - have);
    kfree(object);
    return moved;
}

bool slab_get_stats(unsigned index, struct slab_stats *stats)
{
    if (index >= atomic_load_explicit(&cache_count, memory_order_acquire))
        return false;
    struct slab_cache *cache = &caches[index];
    irq_flags_t flags = spin_lock_irqsave(&cache->lock);
    *stats = (struct slab_stats){
        .name = cache->name,
        .object_bytes = cache->object_bytes,
        .objects_used = cache->objects_used,
        .objects_total = cache->slabs * cache->objects_per_slab,
        .pages = cache->slabs,
    };
    spin_unlock_irqrestore(&cache->lock, flags);
    return true;
}

int slab_init(void)
{
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++)
        cache_setup(&caches[i], kmalloc_names[i], OBJECT_MIN << i);
    atomic_store_explicit(&cache_count, KMALLOC_CLASSES, memory_order_relaxed);
    return 0;
}
