// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of mm/slab.h's named caches: objects come from the host's kmalloc, which ASan
// watches and host_fail_after() can make fail. Objects of a cache with a constructor are not
// constructed again when they come back.

#include "mm/slab.h"

#include <stdlib.h>

static struct slab_cache *caches; // all, so that none counts as lost

struct slab_cache {
    struct slab_cache *next;
    size_t bytes, objects;
    void (*ctor)(void *object);
};

struct slab_cache *slab_cache_create(const char *name, size_t bytes, size_t align, unsigned gfp,
                                     void (*ctor)(void *object))
{
    struct slab_cache *cache = malloc(sizeof(*cache));
    (void)name, (void)align, (void)gfp;
    *cache = (struct slab_cache){caches, bytes, 0, ctor};
    return caches = cache;
}

int slab_cache_destroy(struct slab_cache *cache)
{
    struct slab_cache **link = &caches;
    if (cache->objects)
        return -EBUSY;
    while (*link != cache)
        link = &(*link)->next;
    *link = cache->next;
    free(cache);
    return 0;
}

void *slab_alloc(struct slab_cache *cache, unsigned gfp)
{
    void *object = kmalloc(cache->bytes, gfp);
    cache->objects += object != NULL;
    if (object && cache->ctor)
        cache->ctor(object);
    return object;
}

void slab_free(struct slab_cache *cache, void *object)
{
    cache->objects -= object != NULL;
    kfree(object);
}
