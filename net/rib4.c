// SPDX-License-Identifier: BSD-2-Clause
//
// Sorted route buckets of the IPv4 FIB (contract: rib4.h). Bucket sizes are the allocator's
// powers of two, so that no byte of a block is lost to rounding.

#include "net/rib4.h"

#include <string.h>

#include "mm/slab.h"
#include "net/route_memory.h"

#define BUCKET_MIN_BYTES 32u

static uint32_t route_key(uint32_t prefix, unsigned len) { return prefix << 8 | len; }

static size_t bucket_bytes(const struct rib4_bucket *bucket)
{
    size_t used = sizeof(*bucket) + bucket->capacity * sizeof(bucket->routes[0]);
    size_t bytes = BUCKET_MIN_BYTES;
    while (bytes < used)
        bytes *= 2;
    return bytes;
}

uint32_t rib4_lower_bound(const struct rib4_bucket *bucket, uint32_t prefix, unsigned len)
{
    uint32_t key = route_key(prefix, len);
    uint32_t first = 0;
    for (uint32_t n = rib4_count(bucket); n > 0;) {
        uint32_t half = n / 2;
        const struct rib4_route *r = &bucket->routes[first + half];
        if (route_key(r->prefix, r->len) < key) {
            first += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return first;
}

struct rib4_route *rib4_find(struct rib4_bucket *bucket, uint32_t prefix, unsigned len,
                             uint32_t *pos)
{
    *pos = rib4_lower_bound(bucket, prefix, len);
    if (*pos == rib4_count(bucket))
        return NULL;
    struct rib4_route *r = &bucket->routes[*pos];
    return r->prefix == prefix && r->len == len ? r : NULL;
}

// The predecessor in order either contains the prefix, and is then the longest that does, or
// bounds the length of those that do: each must contain the predecessor too. So the search jumps
// to what both have in common, a shorter prefix with each turn.
const struct rib4_route *rib4_cover(const struct rib4_bucket *bucket, uint32_t prefix, unsigned len)
{
    uint32_t pos = rib4_lower_bound(bucket, prefix, len);
    while (pos > 0) {
        const struct rib4_route *r = &bucket->routes[pos - 1];
        if (prefix <= rib4_last(r->prefix, r->len))
            return r;
        unsigned common = (unsigned)__builtin_clz((r->prefix ^ prefix) << 16);
        pos = rib4_lower_bound(bucket, prefix & ~(0xffffu >> common), common + 1);
    }
    return NULL;
}

// Moves the routes to a block of `bytes`; false if there is none.
static bool resize(struct rib4_bucket **bucket, size_t bytes, size_t *total)
{
    struct rib4_bucket *old = *bucket, *new = kmalloc(bytes, GFP_ROUTES);
    if (!new)
        return false;
    new->count = rib4_count(old);
    new->capacity = (uint32_t)((bytes - sizeof(*new)) / sizeof(new->routes[0]));
    *total += bytes;
    if (old) {
        memcpy(new->routes, old->routes, old->count * sizeof(old->routes[0]));
        *total -= bucket_bytes(old);
        kfree(old);
    }
    *bucket = new;
    return true;
}

int rib4_insert(struct rib4_bucket **bucket, uint32_t pos, struct rib4_route route, size_t *bytes)
{
    if (!*bucket || (*bucket)->count == (*bucket)->capacity) {
        size_t size = *bucket ? 2 * bucket_bytes(*bucket) : BUCKET_MIN_BYTES;
        if (!resize(bucket, size, bytes))
            return -ENOMEM;
    }
    struct rib4_bucket *b = *bucket;
    memmove(&b->routes[pos + 1], &b->routes[pos], (b->count - pos) * sizeof(route));
    b->routes[pos] = route;
    b->count++;
    return 0;
}

void rib4_remove(struct rib4_bucket **bucket, uint32_t pos, size_t *bytes)
{
    struct rib4_bucket *b = *bucket;
    b->count--;
    memmove(&b->routes[pos], &b->routes[pos + 1], (b->count - pos) * sizeof(b->routes[0]));
    if (b->count == 0) {
        *bytes -= bucket_bytes(b);
        kfree(b);
        *bucket = NULL;
    } else if (b->count < b->capacity / 4) {
        resize(bucket, bucket_bytes(b) / 2, bytes); // without memory it stays as large as it is
    }
}

void rib4_gaps(const struct rib4_bucket *bucket, uint32_t pos, uint32_t lo, uint32_t hi,
               rib4_fill_fn *fill, void *ctx)
{
    for (uint32_t n = rib4_count(bucket); pos < n; pos++) {
        const struct rib4_route *r = &bucket->routes[pos];
        if (r->prefix > hi)
            break;
        if (r->prefix < lo)
            continue; // inside a route already stepped over
        if (r->prefix > lo)
            fill(ctx, lo, r->prefix - 1u);
        lo = rib4_last(r->prefix, r->len) + 1;
    }
    if (lo <= hi)
        fill(ctx, lo, hi);
}
