// SPDX-License-Identifier: BSD-2-Clause
//
// Memory by size: classes of 8 bytes to 32 KiB, each a cache of slab.c that is made when the first
// object is asked for; above, blocks of pages; above those, areas of vmalloc. Each account has its
// own classes, so an address says who is charged, and what must lie below 4 GiB has others again.
//
// A class's objects are powers of two and naturally aligned, but for 96 and 192 bytes, which save
// a quarter of what 65 to 96 and 129 to 192 bytes would take otherwise.

#include <string.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "mm/account.h"
#include "mm/fault_inject.h"
#include "mm/kasan.h"
#include "mm/slab_debug.h"
#include "mm/slab_internal.h"
#include "mm/vmalloc.h"

static const struct class
{
    uint16_t bytes, align;
    const char *name, *dma32_name;
} classes[] = {
    {8, 8, "kmalloc-8", "dma32-8"},
    {16, 16, "kmalloc-16", "dma32-16"},
    {32, 32, "kmalloc-32", "dma32-32"},
    {64, 64, "kmalloc-64", "dma32-64"},
    {96, 32, "kmalloc-96", "dma32-96"},
    {128, 128, "kmalloc-128", "dma32-128"},
    {192, 64, "kmalloc-192", "dma32-192"},
    {256, 256, "kmalloc-256", "dma32-256"},
    {512, 512, "kmalloc-512", "dma32-512"},
    {1024, 1024, "kmalloc-1024", "dma32-1024"},
    {2048, 2048, "kmalloc-2048", "dma32-2048"},
    {4096, 4096, "kmalloc-4096", "dma32-4096"},
    {8192, 8192, "kmalloc-8192", "dma32-8192"},
    {16384, 16384, "kmalloc-16384", "dma32-16384"},
    {32768, 32768, "kmalloc-32768", "dma32-32768"},
};

#define CLASS_STEP 16   // classes of an account, one is not there
#define TABLE_MAX 1024u // sizes up to here are in the table, above a class is a power of two
#define TABLE_WORDS DIV_ROUND_UP(TABLE_MAX + 1, sizeof(void *))
static_assert(ARRAY_SIZE(classes) <= CLASS_STEP, "a class more than a row has room for");

// Index of the class of each size, counted from the first row of arrays, which begins behind; and
// the arrays of each account's classes. One address serves both.
static union {
    uint8_t class_of[TABLE_MAX + 1];
    struct slab_array *arrays[TABLE_WORDS + ACCOUNTS_MAX * CLASS_STEP];
} table;

// Index in slab_hot.caches, 0: not made yet. First those without GFP_DMA32.
static _Atomic uint16_t cache_index[2][ACCOUNTS_MAX][CLASS_STEP];

// ---- Classes ---------------------------------------------------------------------------------

static unsigned class_for(size_t bytes)
{
    if (likely(bytes <= TABLE_MAX))
        return table.class_of[bytes] - TABLE_WORDS;
    return 64 - __builtin_clzll(bytes - 1) - 10 + table.class_of[TABLE_MAX] - TABLE_WORDS;
}
static_assert(TABLE_MAX == 1 << 10, "class_for() counts from there");

// Two CPUs may make the same one; the first counts.
static __noinline struct slab_cache *make_class(unsigned class, unsigned gfp,
                                                _Atomic uint16_t *place)
{
    const struct class *c = &classes[class];
    uint16_t none = 0;
    struct slab_cache *cache =
        slab_cache_make(gfp & GFP_DMA32 ? c->dma32_name : c->name, c->bytes, c->align, gfp, NULL);
    // The release pairs with the acquire in class_cache: who sees the index sees the cache.
    if (!cache || atomic_compare_exchange_strong_explicit(
                      place, &none, cache->index, memory_order_release, memory_order_acquire))
        return cache;
    slab_cache_unmake(cache);
    return slab_hot.caches[none];
}

static struct slab_cache *class_cache(unsigned class, unsigned gfp)
{
    unsigned account = gfp_account(gfp);
    if (unlikely(account >= ACCOUNTS_MAX))
        return NULL;
    _Atomic uint16_t *place = &cache_index[!!(gfp & GFP_DMA32)][account][class];
    unsigned index = atomic_load_explicit(place, memory_order_acquire);
    struct slab_cache *cache =
        likely(index) ? slab_hot.caches[index] : make_class(class, gfp, place);
    // It may have got its arrays since.
    if (cache && !(gfp & GFP_DMA32))
        table.arrays[TABLE_WORDS + account * CLASS_STEP + class] = cache->arrays;
    return cache;
}

void kmalloc_init(void)
{
    size_t bytes = 0;
    for (unsigned class = 0; classes[class].bytes <= TABLE_MAX; class ++) {
        for (; bytes <= classes[class].bytes; bytes++)
            table.class_of[bytes] = TABLE_WORDS + class;
    }
    for (unsigned i = TABLE_WORDS; i < ARRAY_SIZE(table.arrays); i++)
        table.arrays[i] = &slab_no_array;
}

// ---- Blocks of pages -------------------------------------------------------------------------

static void guard_block(void *block, const struct page *page, size_t bytes)
{
    kasan_poison(block, PAGE_SIZE << page->order, KASAN_PAGE_REDZONE);
    kasan_unpoison(block, bytes);
}

static void *alloc_block(size_t bytes, unsigned gfp, const void *caller)
{
    void *block = page_alloc(page_order_for(bytes), gfp);
    if (!block)
        return NULL;
    struct page *page = page_of(block);
    page->kind = PAGE_LARGE;
    page->bytes = bytes;
    page->link.next = (struct list *)caller; // for slab_describe
    guard_block(block, page, bytes);
    return block;
}

static void *alloc_large(size_t bytes, unsigned gfp, const void *caller)
{
    if (bytes <= KMALLOC_MAX)
        return alloc_block(bytes, gfp, caller);
    if (bytes > PTRDIFF_MAX || !gfp_may_sleep(gfp) || gfp & GFP_DMA32)
        return NULL;
    return vmalloc(bytes, gfp);
}

// The descriptor of a block that starts here, NULL if none does.
static struct page *block_at(const void *object)
{
    struct page *page = page_valid(object) ? page_of(object) : NULL;
    return page && page->kind == PAGE_LARGE && object == page_va(page) ? page : NULL;
}

// It must become the page allocator's again before it is freed there.
static void free_block(struct page *page)
{
    page->kind = PAGE_USED;
    page_free(page_va(page), page->order);
}

// ---- The interface ---------------------------------------------------------------------------

static __noinline void *alloc_at(size_t bytes, unsigned gfp, const void *caller)
{
    gfp_check(gfp, caller);
    if (unlikely(bytes > KMALLOC_SLAB_MAX))
        return alloc_large(bytes, gfp, caller);
    struct slab_cache *cache = class_cache(class_for(bytes), gfp);
    return cache ? slab_alloc_from(cache, bytes, gfp, caller) : NULL;
}

void *kmalloc(size_t bytes, unsigned gfp)
{
    if (FAULT_INJECT())
        return NULL;
    if (likely(bytes <= TABLE_MAX && !(gfp & (GFP_ZERO | GFP_DMA32)) && !SLAB_DEBUG)) {
        size_t index = table.class_of[bytes] + (size_t)gfp_account(gfp) * CLASS_STEP;
        void *object = slab_array_pop(table.arrays[index]);
        if (likely(object))
            return object;
    }
    return alloc_at(bytes, gfp, SLAB_CALLER());
}

void *kcalloc(size_t count, size_t bytes, unsigned gfp)
{
    size_t sum;
    if (FAULT_INJECT() || __builtin_mul_overflow(count, bytes, &sum))
        return NULL;
    return alloc_at(sum, gfp | GFP_ZERO, SLAB_CALLER());
}

static __noinline void free_rest(const void *object, const void *caller)
{
    struct page *page;
    if (!object)
        return;
    if (vmalloc_contains(object) && vmalloc_size(object))
        vfree(object);
    else if ((page = block_at(object)))
        free_block(page);
    else
        slab_bad_free(object, caller);
}

void kfree(const void *object)
{
    struct slab_cache *cache = slab_owner(object);
    if (unlikely(!cache))
        free_rest(object, SLAB_CALLER());
    else if (SLAB_DEBUG)
        slab_free_to(cache, (void *)object, SLAB_CALLER());
    else if (unlikely(!slab_array_push(cache->arrays, (void *)object)))
        slab_free_slow(cache, (void *)object);
}

// In debug builds what was asked for: behind it is nobody's memory.
size_t ksize(const void *object)
{
    const struct slab_cache *cache = slab_owner(object);
    if (cache)
        return slab_debug_bytes(cache, object);
    const struct page *page = block_at(object);
    if (page)
        return SLAB_DEBUG ? page->bytes : PAGE_SIZE << page->order;
    return vmalloc_contains(object) ? vmalloc_size(object) : 0;
}

// An object stays where it is while the new size fills at least a quarter of it.
static bool fits_well(size_t have, size_t bytes)
{
    return bytes <= have && (bytes >= have / 4 || have <= 64);
}

// Tells the checks of debug builds that the object is shorter now.
static void *resized(void *object, size_t bytes)
{
    const struct slab_cache *cache = slab_owner(object);
    struct page *page = block_at(object);
    if (cache) {
        slab_debug_resize(cache, object, bytes);
    } else if (page) {
        page->bytes = bytes;
        guard_block(object, page, bytes);
    }
    return object;
}

void *krealloc(void *object, size_t bytes, unsigned gfp)
{
    if (FAULT_INJECT())
        return NULL;
    size_t have = ksize(object);
    if (object && fits_well(have, bytes))
        return resized(object, bytes);
    void *moved = alloc_at(bytes, gfp, SLAB_CALLER());
    if (!moved)
        return object && bytes <= have ? resized(object, bytes) : NULL;
    if (object)
        memcpy(moved, object, MIN(have, bytes));
    kfree(object);
    return moved;
}

// ---- Free after a grace period ---------------------------------------------------------------

// The start of the object that holds `inner`, which lies in its first page if it is no slab's.
static void *start_of(const void *inner)
{
    struct page *page = page_valid(inner) ? page_of(inner) : NULL;
    if (!page || page->kind != PAGE_SLAB)
        return (void *)ALIGN_DOWN((uintptr_t)inner, PAGE_SIZE);
    uint32_t in_slab = page->offset + ((uintptr_t)inner & (PAGE_SIZE - 1));
    return (char *)inner - in_slab % slab_hot.caches[page->cache]->stride;
}

static void free_holder(struct rcu_head *head) { kfree(start_of(head)); }

// call_rcu has no room for the offset, and needs none: the head's address tells where its object
// starts.
void kfree_rcu_at(struct rcu_head *head, size_t offset)
{
    if (unlikely(start_of(head) != (char *)head - offset))
        slab_bad_free((char *)head - offset, SLAB_CALLER());
    else
        call_rcu(head, free_holder);
}
