// SPDX-License-Identifier: BSD-2-Clause
//
// See slab_debug.h: red zones, poison, who allocated and freed; and what is known of an address,
// for reports. Not compiled with the sanitizer's checks, since it reads and writes what callers
// must not. In release builds only the last is left.

#include "mm/slab_debug.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/debug/symbols.h"
#include "mm/kasan.h"

#define POISON_USED 0x5a
#define POISON_FREE 0x6b
#define POISON_END 0xa5 // last byte of what is free
#define RED_ZONE 0xbb
#define RED_WORD 0xbbbbbbbbbbbbbbbbULL
#define STATE_USED 0x7573656475736564ULL
#define STATE_FREE 0x6672656566726565ULL

static struct slab_track *track_of(const struct slab_cache *cache, const void *object)
{
    return (struct slab_track *)((char *)object + cache->object_bytes);
}

// ---- Reports ---------------------------------------------------------------------------------

static void log_caller(const char *what, const void *caller)
{
    size_t offset = 0;
    const char *name = caller ? symbol_lookup((uintptr_t)caller, &offset) : NULL;
    if (name)
        log_err("slab: %s by %s+0x%zx", what, name, offset);
    else if (caller)
        log_err("slab: %s by %p", what, caller);
}

// The first bytes from the one that is wrong.
static void log_bytes(const unsigned char *at, const unsigned char *end)
{
    static const char digits[] = "0123456789abcdef";
    char text[3 * 16 + 1];
    unsigned len = 0;
    for (; at < end && len < sizeof(text) - 1; at++) {
        text[len++] = ' ';
        text[len++] = digits[*at >> 4];
        text[len++] = digits[*at & 15];
    }
    text[len] = 0;
    log_err("slab: there stands%s", text);
}

// The object may be damaged in any way, so its size is not believed.
static void report(const struct slab_cache *cache, const void *object, const char *what,
                   const void *caller)
{
    const struct slab_track *track = track_of(cache, object);
    log_err("slab: %s: object %p of %s, %zu bytes", what, object, cache->name,
            MIN(track->bytes, cache->object_bytes));
    log_caller("allocated", track->allocated);
    log_caller("freed", track->freed);
    log_caller("noticed", caller);
    panic("slab: %s: object %p of %s", what, object, cache->name);
}

static void report_bytes(const struct slab_cache *cache, const void *object, const char *what,
                         const unsigned char *at, const void *caller)
{
    log_err("slab: byte %lld of object %p was overwritten",
            (long long)(at - (const unsigned char *)object), object);
    log_bytes(at, (const unsigned char *)&track_of(cache, object)->link);
    report(cache, object, what, caller);
}

// ---- Checks ----------------------------------------------------------------------------------

// The first byte that is not `value`; NULL: all are.
static const unsigned char *differs(const void *from, const void *to, unsigned char value)
{
    for (const unsigned char *at = from; at != to; at++) {
        if (*at != value)
            return at;
    }
    return NULL;
}

// From the end of what was asked for to the chain's word, which the guard stands in front of.
static void check_red_zone(const struct slab_cache *cache, const void *object, const void *caller)
{
    const struct slab_track *track = track_of(cache, object);
    const char *end = (const char *)object + MIN(track->bytes, cache->object_bytes);
    const unsigned char *at = differs(end, &track->link, RED_ZONE);
    if (at)
        report_bytes(cache, object, "overrun", at, caller);
}

static void check_poison(const struct slab_cache *cache, const void *object, const void *caller)
{
    const unsigned char *last = (const unsigned char *)object + cache->object_bytes - 1;
    const unsigned char *at = differs(object, last, POISON_FREE);
    if (!at)
        at = differs(last, last + 1, POISON_END);
    if (at)
        report_bytes(cache, object, "use after free", at, caller);
}

static void set_free(const struct slab_cache *cache, void *object)
{
    struct slab_track *track = track_of(cache, object);
    if (!cache->construct) {
        memset(object, POISON_FREE, cache->object_bytes - 1);
        ((unsigned char *)object)[cache->object_bytes - 1] = POISON_END;
    }
    track->guard = RED_WORD;
    track->state = STATE_FREE;
}

// ---- What slab.c and kmalloc.c call ----------------------------------------------------------

// As if a caller had freed it; nobody did.
void slab_debug_new(const struct slab_cache *cache, void *object)
{
    struct slab_track *track = track_of(cache, object);
    track->bytes = cache->object_bytes;
    track->allocated = track->freed = NULL;
    set_free(cache, object);
}

void slab_debug_resize(const struct slab_cache *cache, void *object, size_t bytes)
{
    track_of(cache, object)->bytes = bytes;
    memset((char *)object + bytes, RED_ZONE, cache->object_bytes - bytes);
    kasan_poison(object, cache->stride, KASAN_SLAB_REDZONE);
    kasan_unpoison(object, bytes);
}

void slab_debug_alloc(const struct slab_cache *cache, void *object, size_t bytes,
                      const void *caller)
{
    struct slab_track *track = track_of(cache, object);
    if (track->state != STATE_FREE || track->guard != RED_WORD)
        report(cache, object, "damage behind a free object", caller);
    if (!cache->construct)
        check_poison(cache, object, caller);
    track->bytes = bytes;
    track->allocated = caller;
    track->freed = NULL;
    track->state = STATE_USED;
    if (!cache->construct)
        memset(object, POISON_USED, bytes);
    memset((char *)object + bytes, RED_ZONE, cache->object_bytes - bytes);
}

void slab_debug_free(const struct slab_cache *cache, void *object, const void *caller)
{
    struct slab_track *track = track_of(cache, object);
    if (track->state == STATE_FREE)
        report(cache, object, "double free", caller);
    if (track->state != STATE_USED)
        report(cache, object, "damage behind an object", caller);
    check_red_zone(cache, object, caller);
    track->freed = caller;
    set_free(cache, object);
}

size_t slab_debug_bytes(const struct slab_cache *cache, const void *object)
{
    return MIN(track_of(cache, object)->bytes, cache->object_bytes);
}

static void describe_track(const struct slab_cache *cache, const void *start,
                           struct slab_object *object)
{
    const struct slab_track *track = track_of(cache, start);
    object->bytes = slab_debug_bytes(cache, start);
    object->allocated = track->allocated;
    object->freed = track->freed;
}

// An address behind an object, or in front of the next one, counts as the former's.
static bool describe_slab(const void *va, const struct page *page, struct slab_object *object)
{
    const struct slab_cache *cache = slab_hot.caches[page->cache];
    uint32_t in_slab = page->offset + ((uintptr_t)va & (PAGE_SIZE - 1));
    if (in_slab / cache->stride >= page->fresh)
        return false;
    *object = (struct slab_object){.cache = cache->name};
    object->start = (const char *)va - in_slab % cache->stride;
    describe_track(cache, object->start, object);
    return true;
}

// A block's descriptors do not say where it starts: it is the nearest that is large enough.
static bool describe_block(const void *va, struct slab_object *object)
{
    uint64_t pfn = page_pfn(page_of(va));
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++) {
        const struct page *page = page_from_pfn(ALIGN_DOWN(pfn, BIT64(order)));
        if (page->kind != PAGE_LARGE || page->order < order)
            continue;
        *object = (struct slab_object){
            .cache = "pages",
            .start = page_va(page),
            .bytes = page->bytes,
            .allocated = page->link.next,
        };
        return true;
    }
    return false;
}

bool slab_describe(const void *va, struct slab_object *object)
{
    if (!page_valid(va))
        return false;
    const struct page *page = page_of(va);
    return page->kind == PAGE_SLAB ? describe_slab(va, page, object) : describe_block(va, object);
}
