// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of mm/slab.h's kmalloc family. As in the kernel, a block of a power-of-two size
// of 64 bytes or more is aligned to its size, up to a page. Sizes are kept in front of each
// object, which leaves ASan to watch the bounds.

#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "mm/slab.h"

static long successes_left = HOST_NEVER;
static size_t objects, total_bytes;

struct header {
    size_t bytes;
    void *memory;
};

void host_fail_after(long successes) { successes_left = successes; }
size_t host_allocations(void) { return objects; }
size_t host_allocated_bytes(void) { return total_bytes; }

static bool must_fail(void)
{
    if (successes_left == HOST_NEVER)
        return false;
    if (successes_left == 0)
        return true;
    successes_left--;
    return false;
}

static size_t alignment_of(size_t bytes)
{
    size_t align = sizeof(struct header);
    while (align < PAGE_SIZE && bytes % (2 * align) == 0 && bytes >= 2 * align)
        align *= 2;
    return align;
}

void *kmalloc(size_t bytes, unsigned gfp)
{
    if (bytes > MIB(4) || must_fail())
        return NULL;
    size_t align = alignment_of(bytes);
    // posix_memalign and not aligned_alloc: the end of the block must stay at the object's end.
    void *memory;
    if (posix_memalign(&memory, align, align + bytes))
        return NULL;
    char *object = (char *)memory + align;
    ((struct header *)object)[-1] = (struct header){bytes, memory};
    memset(object, gfp & GFP_ZERO ? 0 : 0xa5, bytes);
    objects++;
    total_bytes += bytes;
    return object;
}

void *kcalloc(size_t count, size_t bytes, unsigned gfp)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return kmalloc(total, gfp | GFP_ZERO);
}

size_t ksize(const void *object) { return ((const struct header *)object)[-1].bytes; }

void kfree(const void *object)
{
    if (!object)
        return;
    struct header header = ((const struct header *)object)[-1];
    objects--;
    total_bytes -= header.bytes;
    free(header.memory);
}

void *krealloc(void *object, size_t bytes, unsigned gfp)
{
    void *fresh = kmalloc(bytes, gfp);
    if (fresh && object) {
        memcpy(fresh, object, MIN(bytes, ksize(object)));
        kfree(object);
    }
    return fresh;
}
