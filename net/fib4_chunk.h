// SPDX-License-Identifier: BSD-2-Clause
//
// Chunks of the IPv4 FIB: what lies behind a root entry for a /16 with longer routes. Writer
// only. Positions are the lower 16 bits of a destination; "long" routes are the /25 to /32, whose
// length in a /16's bucket is above 8.
//
// Forms: sparse (up to 16 ranges), or dense (a cell for each /24), where a /24 with long routes
// has a child chunk, itself sparse or dense (a cell for each address). All values in a chunk
// are resolved except holes: there the chunk's cover counts, so that a route of /16 or shorter
// changes one word for each /16.

#pragma once

#include "net/fib4_pool.h"
#include "net/rib4.h"

struct fib4_fill {
    struct fib4_pool *pool;
    uint32_t ref;
    int16_t value;
};

// A new chunk, not yet published, for the routes of a /16. 0 without memory.
uint32_t fib4_chunk_build(struct fib4_pool *pool, const struct rib4_bucket *routes, uint16_t cover);
// Gives a chunk and its children back; after a grace period if it was published.
void fib4_chunk_release(struct fib4_pool *pool, uint32_t ref, bool published);

// Stores `value` (0: hole) for positions lo..hi. Every boundary of a route in the chunk's bucket
// must be there: by building it so, or by fib4_chunk_child_update().
void fib4_chunk_fill(struct fib4_pool *pool, uint32_t ref, uint32_t lo, uint32_t hi, int16_t value);

// Gives the dense chunk's /24 at `position` the child that its long routes need (none, when it
// has none), with all values. -ENOMEM: nothing has changed; a child that was there still fits
// fewer routes than before.
int fib4_chunk_child_update(struct fib4_pool *pool, uint32_t ref, const struct rib4_bucket *routes,
                            uint32_t position);
// How many long routes the /24 at `position` has.
uint32_t fib4_chunk_long_routes(const struct rib4_bucket *routes, uint32_t position);
// True if a change of one long route there needs no other child, only fib4_chunk_fill.
bool fib4_chunk_child_is_dense(struct fib4_pool *pool, uint32_t ref, uint32_t position);
