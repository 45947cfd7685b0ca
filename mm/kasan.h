// SPDX-License-Identifier: BSD-2-Clause
//
// Address sanitizer of the kernel (DEBUG=kasan): one shadow byte for 8 bytes says how many of them
// may be touched; the compiler calls a check before each access. The allocators tell here what is
// whose. In other builds all of it is nothing.
//
// Context: any, unless a function says otherwise. `kasan=report` goes on after a report (a few are
// printed, the rest counted); the default is to panic.

#pragma once

#include "mm/gfp.h"

struct slab_cache;

enum kasan_code { // of the shadow bytes of what must not be touched
    KASAN_FREE_PAGE = 0xff,
    KASAN_PAGE_REDZONE = 0xfe,
    KASAN_NEVER_USED = 0xfd, // RAM that no allocator has handed out so far
    KASAN_SLAB_REDZONE = 0xfc,
    KASAN_SLAB_FREE = 0xfb,
    KASAN_GLOBAL_REDZONE = 0xf9,
    KASAN_VMALLOC_FREE = 0xf6, // 0xf1, f2, f3, f5, f8: of stacks, by the compiler
};

// The largest image (image.ld), and its shadow, a part of it that the early tables map.
#define KASAN_IMAGE_BYTES MIB(4)
extern char kasan_image_shadow[KASAN_IMAGE_BYTES / 8];

#ifdef KASAN

#define KASAN_ENABLED 1

// Maps the shadow of RAM, marks what memblock has not given out, turns the checks on; from boot.c,
// after linear_init and before page_alloc_init. Panics without the memory for it.
void kasan_init(void);
// [va, va+bytes) must not be touched (8-byte aligned), or may be again. Where no shadow is kept
// (before kasan_init, devices) nothing happens.
void kasan_poison(const void *va, size_t bytes, enum kasan_code code);
void kasan_unpoison(const void *va, size_t bytes);
// Shadow for an area of the vmalloc window or of per-CPU data, before it is used (-ENOMEM), and all
// of it out of bounds after. `bytes` may end inside the last page. Thread context or boot.
int kasan_map_area(const void *va, size_t bytes);
void kasan_unmap_area(const void *va, size_t bytes);
// Takes a freed object, poisoned, into quarantine. True: it is kept, and slab_free_now() will be
// called for it later, in any context. No lock of the allocator's may be held.
bool kasan_quarantine(struct slab_cache *cache, void *object, size_t bytes);
// Frees what the quarantine holds; thread context.
void kasan_drain(void);
// Whether the code that runs may touch it; for those who read what may be damaged.
bool kasan_accessible(const void *va, size_t bytes);
// A failure report begins: no check from now on.
void kasan_stop(void);

#else

#define KASAN_ENABLED 0

static inline void kasan_init(void) {}
static inline void kasan_poison(const void *va, size_t bytes, enum kasan_code code)
{
    (void)va, (void)bytes, (void)code;
}
static inline void kasan_unpoison(const void *va, size_t bytes) { (void)va, (void)bytes; }
static inline int kasan_map_area(const void *va, size_t bytes)
{
    (void)va, (void)bytes;
    return 0;
}
static inline void kasan_unmap_area(const void *va, size_t bytes) { (void)va, (void)bytes; }
static inline bool kasan_quarantine(struct slab_cache *cache, void *object, size_t bytes)
{
    (void)cache, (void)object, (void)bytes;
    return false;
}
static inline void kasan_drain(void) {}
static inline bool kasan_accessible(const void *va, size_t bytes)
{
    (void)va, (void)bytes;
    return true;
}
static inline void kasan_stop(void) {}

#endif

// What a debug build knows of an address that some allocator handed out: the object it lies in or
// next to, and who allocated and freed it. Of slab.c, for reports.
struct slab_object {
    const char *cache;
    const void *start;     // of the object
    size_t bytes;          // as asked for
    const void *allocated; // return address; NULL: unknown
    const void *freed;     // NULL: it is in use
};
// What the quarantine gives back.
void slab_free_now(struct slab_cache *cache, void *object);
bool slab_describe(const void *va, struct slab_object *object);
