// SPDX-License-Identifier: BSD-2-Clause
//
// What debug builds add to each object of a cache. Behind the object, up to the next one's start:
//
//     object, of which a caller asked for `bytes` | 0xbb up to the end | struct slab_track
//
// A freed object is filled with 0x6b, which must still be so when it is handed out again, and that
// is filled with 0x5a. Objects with a constructor are left as they are. In other builds all of
// this is nothing, and costs nothing.

#pragma once

#include "mm/slab_internal.h"

#ifdef DEBUG

#define SLAB_DEBUG true
#define SLAB_CALLER() __builtin_return_address(0)

struct slab_track {
    uint64_t guard;                // overrun finds it first
    uint64_t link;                 // of the chain of freed objects, so that these stay whole
    size_t bytes;                  // as asked for
    const void *allocated, *freed; // return addresses; freed is NULL while it is in use
    uint64_t state;                // a write before the next object finds it first
};
#define SLAB_TRACK_BYTES sizeof(struct slab_track)
#define SLAB_TRACK_LINK offsetof(struct slab_track, link)

// An object of a new slab, constructed.
void slab_debug_new(const struct slab_cache *cache, void *object);
// On its way to and from a caller. What is wrong is reported and ends in panic.
void slab_debug_alloc(const struct slab_cache *cache, void *object, size_t bytes,
                      const void *caller);
void slab_debug_free(const struct slab_cache *cache, void *object, const void *caller);
// Changes what the caller of an object in use may touch; bytes <= object_bytes.
void slab_debug_resize(const struct slab_cache *cache, void *object, size_t bytes);
// What was asked for.
size_t slab_debug_bytes(const struct slab_cache *cache, const void *object);

#else

#define SLAB_DEBUG false
#define SLAB_CALLER() NULL // asking for it would cost each fast path a frame
#define SLAB_TRACK_BYTES 0u
#define SLAB_TRACK_LINK 0u

static inline void slab_debug_new(const struct slab_cache *cache, void *object)
{
    (void)cache, (void)object;
}
static inline void slab_debug_alloc(const struct slab_cache *cache, void *object, size_t bytes,
                                    const void *caller)
{
    (void)cache, (void)object, (void)bytes, (void)caller;
}
static inline void slab_debug_free(const struct slab_cache *cache, void *object, const void *caller)
{
    (void)cache, (void)object, (void)caller;
}
static inline void slab_debug_resize(const struct slab_cache *cache, void *object, size_t bytes)
{
    (void)cache, (void)object, (void)bytes;
}
static inline size_t slab_debug_bytes(const struct slab_cache *cache, const void *object)
{
    (void)object;
    return cache->object_bytes;
}

#endif
