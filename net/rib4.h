// SPDX-License-Identifier: BSD-2-Clause
//
// Route store of the IPv4 FIB, for the writer only: sorted arrays of prefixes in a 16-bit space.
// The FIB keeps routes of /0 to /7 in one bucket and of /8 to /16 in a bucket for each /8 (both
// by the upper half of the address), longer ones in a bucket for each /16 (by the lower half,
// their length less 16). Six bytes a route; a change moves at most one bucket's tail.
//
// The caller serialises; a bucket without routes is NULL.

#pragma once

#include "core/lib/types.h"

struct rib4_route {
    uint16_t prefix;
    uint16_t nexthop;
    uint16_t len; // 0..16
};

struct rib4_bucket {
    uint32_t count, capacity;
    struct rib4_route routes[]; // ascending by (prefix, len)
};

static inline uint32_t rib4_count(const struct rib4_bucket *bucket)
{
    return bucket ? bucket->count : 0;
}

static inline uint32_t rib4_last(uint32_t prefix, unsigned len) { return prefix | 0xffffu >> len; }

// Index of the first route that is not before (prefix, len).
uint32_t rib4_lower_bound(const struct rib4_bucket *bucket, uint32_t prefix, unsigned len);
// The route itself, or NULL; its index, or where it belongs, in *pos.
struct rib4_route *rib4_find(struct rib4_bucket *bucket, uint32_t prefix, unsigned len,
                             uint32_t *pos);
// The longest route that is shorter than `len` and contains `prefix`, or NULL.
const struct rib4_route *rib4_cover(const struct rib4_bucket *bucket, uint32_t prefix,
                                    unsigned len);

// -ENOMEM: the bucket is as it was. *bytes counts the allocator's bytes in both functions.
int rib4_insert(struct rib4_bucket **bucket, uint32_t pos, struct rib4_route route, size_t *bytes);
void rib4_remove(struct rib4_bucket **bucket, uint32_t pos, size_t *bytes);

// Calls fill for each maximal part of [lo, hi] that no route from index `pos` on covers; these
// routes must start at lo or later.
typedef void rib4_fill_fn(void *ctx, uint32_t lo, uint32_t hi);
void rib4_gaps(const struct rib4_bucket *bucket, uint32_t pos, uint32_t lo, uint32_t hi,
               rib4_fill_fn *fill, void *ctx);
