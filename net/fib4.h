// SPDX-License-Identifier: BSD-2-Clause
//
// The IPv4 forwarding table: longest-prefix match (RFC 1812 section 5.2.4.3) from a destination
// to a next-hop index. Structure, memory and cost are described in docs/fastpath.md.
//
// Readers take no lock and may run in any context inside an RCU read section. Every change that
// a reader can see is one aligned store, so each destination goes from its old next hop to its
// new one at once; a prefix that covers many cells is changed cell by cell. Old memory is reused
// after a grace period.
//
// Writers: thread context, one at a time; the caller holds the configuration mutex for every
// function below but fib4_lookup.

#pragma once

#include <stdatomic.h>

#include "core/lib/types.h"

#define FIB4_NO_ROUTE 0u
#define FIB4_NEXTHOP_MAX 0x7fffu

// A root entry is a next hop (bit 31 clear) or the name of a chunk:
//   31 chunk | 30..29 kind | 28..16 segment | 15..0 offset of the slot in 16-bit cells
// A dense slot holds 256 cells, so its offset leaves the low 8 bits to the index in it.
#define FIB4_CHUNK (1u << 31)
#define FIB4_SPARSE (1u << 30)
#define FIB4_SEGMENT_SHIFT 16
#define FIB4_SEGMENT_MASK 0x1fffu

// A cell is a next hop (> 0), a hole (0: what covers the whole /16 counts) or, in the dense chunk
// of a /16, the sign that a child chunk decides (< 0).
typedef _Atomic int16_t fib4_cell_t;

struct fib4_writer;

struct fib4 {
    _Atomic uint32_t *root;     // by the upper 16 bits of the destination
    void *_Atomic *segments;    // arrays of cells, by segment number
    struct fib4_writer *writer; // route store and slot pool; never read by a lookup
};

// The rest of a lookup whose root entry `ref` names a chunk. Same rules as fib4_lookup.
uint32_t fib4_lookup_chunk(const struct fib4 *fib, uint32_t ref, uint32_t dst);

// Next-hop index for `dst` (host byte order), FIB4_NO_ROUTE if there is none. Inside an RCU read
// section, any context. Relaxed loads suffice: each one's address depends on the one before, and
// the writer's stores are releases.
static __always_inline uint32_t fib4_lookup(const struct fib4 *fib, uint32_t dst)
{
    uint32_t ref = atomic_load_explicit(&fib->root[dst >> 16], memory_order_relaxed);
    if (likely(!(ref & FIB4_CHUNK)))
        return ref;
    if (likely(!(ref & FIB4_SPARSE))) {
        const fib4_cell_t *cells = atomic_load_explicit(
            &fib->segments[(ref >> FIB4_SEGMENT_SHIFT) & FIB4_SEGMENT_MASK], memory_order_relaxed);
        int cell = atomic_load_explicit(&cells[(ref & 0xff00) | ((dst >> 8) & 0xff)],
                                        memory_order_relaxed);
        if (likely(cell > 0))
            return (uint32_t)cell;
    }
    return fib4_lookup_chunk(fib, ref, dst);
}

// An empty table. -ENOMEM.
int fib4_init(struct fib4 *fib);

// Frees everything. No reader may know of the table any more (unpublish it, then let a grace
// period pass). A table whose fib4_init failed need not be destroyed.
void fib4_destroy(struct fib4 *fib);

// Adds a route or gives an existing one another next hop. `prefix` is in host byte order.
// -EINVAL: len > 32, host bits set, or a next hop outside 1..FIB4_NEXTHOP_MAX; -ENOMEM: nothing
// has changed.
int fib4_add(struct fib4 *fib, uint32_t prefix, unsigned len, uint32_t nexthop);

// Withdraws a route; needs no memory. -EINVAL as above, -ENOENT.
int fib4_del(struct fib4 *fib, uint32_t prefix, unsigned len);

// The next hop of exactly this route. -EINVAL as above, -ENOENT.
int fib4_get(const struct fib4 *fib, uint32_t prefix, unsigned len, uint32_t *nexthop);

// Calls visit for each route in ascending order of (prefix, len), until it returns non-zero,
// which is then returned. visit must not change the table.
typedef int fib4_visit_fn(void *ctx, uint32_t prefix, unsigned len, uint32_t nexthop);
int fib4_walk(const struct fib4 *fib, fib4_visit_fn *visit, void *ctx);

// Bytes taken from the allocator for lookups and for the route store, and the routes.
void fib4_memory(const struct fib4 *fib, size_t *lookup_bytes, size_t *store_bytes, size_t *routes);
