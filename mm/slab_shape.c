// SPDX-License-Identifier: BSD-2-Clause
//
// The numbers behind a cache: how many pages a slab has, how many objects a CPU keeps, how many
// slabs without objects stay. Pure arithmetic; the rules for orders and slabs kept are those of the
// reference, and the values that it states are unit tests.

#include "mm/slab_internal.h"

#define ORDER_MAX 3 // of what has several objects a slab

// Most significant bit, counted from 1.
static unsigned last_set(size_t value) { return value ? 64 - __builtin_clzll(value) : 0; }

// The least order from which `least` objects fit and no more than one part in `fraction` is waste;
// above ORDER_MAX: none.
static unsigned order_with(size_t stride, unsigned least, unsigned fraction)
{
    unsigned order = page_order_for(least * stride);
    while (order <= ORDER_MAX && (PAGE_SIZE << order) % stride > (PAGE_SIZE << order) / fraction)
        order++;
    return order;
}

// Many objects a slab save calls of the page allocator, more so with many CPUs; little waste goes
// before many objects, and both before one page more.
unsigned slab_order(size_t stride, unsigned cpus)
{
    unsigned least = MIN(4 * (last_set(cpus) + 1), (PAGE_SIZE << ORDER_MAX) / stride);
    for (; least > 1; least--) {
        for (unsigned fraction = 16; fraction >= 4; fraction /= 2) {
            unsigned order = order_with(stride, least, fraction);
            if (order <= ORDER_MAX)
                return order;
        }
    }
    return page_order_for(stride); // a single object
}

unsigned slab_min_partial(size_t stride)
{
    unsigned half = (last_set(stride) - 1) / 2;
    return MIN(MAX(half, 5u), 10u);
}

// Large objects are rare and would lie about in numbers.
unsigned slab_array_limit(size_t object_bytes)
{
    if (object_bytes <= 256)
        return 64;
    if (object_bytes <= 1024)
        return 32;
    if (object_bytes <= 4096)
        return 8;
    return object_bytes <= 8192 ? 4 : 2;
}

// Newton's iteration doubles the number of right bits; an odd number is its own inverse in three.
void slab_reciprocal(uint32_t stride, uint32_t *inverse, uint32_t *rotate)
{
    *rotate = (uint32_t)__builtin_ctz(stride);
    uint32_t odd = stride >> *rotate, inv = odd;
    for (unsigned bits = 3; bits < 32; bits *= 2)
        inv *= 2 - odd * inv;
    *inverse = inv;
}
