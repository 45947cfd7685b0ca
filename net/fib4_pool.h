// SPDX-License-Identifier: BSD-2-Clause
//
// Slots for the chunks of the IPv4 FIB, carved from segments of 4 to 128 KiB that a 32-bit
// reference can name (layout: net/fib4.h). A slot that readers may still see goes back
// through a grace period without being written to: its bookkeeping lives beside it.
//
// For the writer only, except fib4_slot() and what it returns.

#pragma once

#include "core/sync/rcu.h"
#include "net/fib4.h"

#define FIB4_SEGMENTS 2048u // directory of 16 KiB; at most 256 MiB of slots

// What a slot holds, as in bits 30..29 of a reference.
enum fib4_kind {
    FIB4_KIND_DENSE = 0,  // 256 cells, by one byte of the destination
    FIB4_KIND_TABLE = 1,  // 256 references: child chunks of a dense chunk
    FIB4_KIND_SPARSE = 2, // struct fib4_sparse, for a /16
    FIB4_KIND_CHILD = 3,  // struct fib4_sparse, for a /24: apart, since these live longer
    FIB4_KINDS = 4,
};

// Up to 16 ranges of the lower half of a destination: cell[i] holds from start[i] on. Unused
// ranges start at 0xffff and repeat the last cell. One cache line.
#define FIB4_RANGES 16
struct fib4_sparse {
    uint16_t start[FIB4_RANGES];
    fib4_cell_t cell[FIB4_RANGES];
};

struct fib4_table {
    _Atomic uint32_t child[256]; // by the third byte of the destination; 0 = never used
};

// Beside each slot. Readers use the first two members of the chunk of a /16.
struct fib4_aux {
    _Atomic uint32_t table; // reference of the children of a dense chunk, 0 = none
    _Atomic uint16_t cover; // next hop of what covers the whole /16
    uint16_t children;      // cells that a child decides
    uint32_t link;          // next free or retired slot
};

// Precedes the slots; the aux of slot n is the (n + 1)-th before it.
struct fib4_segment {
    struct fib4_segment *next, *prev; // segments of this kind with a free slot
    void *memory;
    uint32_t bytes;
    uint32_t ref;                // reference of slot 0
    uint32_t free;               // references linked by aux
    uint16_t slots, live, fresh; // fresh: slots never used, at the end
    uint8_t kind;
};

struct fib4_grace;

struct fib4_pool {
    void *_Atomic *segments;
    struct fib4_segment *partial[FIB4_KINDS];
    uint8_t order[FIB4_KINDS]; // log2 of the size of the next segment, in units of 4 KiB
    uint32_t retired, waiting; // lists: for the next grace period, for the running one
    struct fib4_grace *grace;
    size_t bytes;
};

static inline enum fib4_kind fib4_kind(uint32_t ref) { return (enum fib4_kind)(ref >> 29 & 3); }
static inline bool fib4_is_sparse(uint32_t ref) { return ref & FIB4_SPARSE; }

static inline void *fib4_slot(void *const _Atomic *segments, uint32_t ref)
{
    void *base = atomic_load_explicit(&segments[ref >> FIB4_SEGMENT_SHIFT & FIB4_SEGMENT_MASK],
                                      memory_order_relaxed);
    return (uint16_t *)base + (ref & 0xffff);
}

struct fib4_aux *fib4_aux(void *const _Atomic *segments, uint32_t ref);

int fib4_pool_init(struct fib4_pool *pool); // -ENOMEM
void fib4_pool_destroy(struct fib4_pool *pool);

// A slot with undefined contents and an aux of zeros; 0 without memory.
uint32_t fib4_pool_alloc(struct fib4_pool *pool, enum fib4_kind kind);
// Gives back a slot that no reader has ever seen.
void fib4_pool_free(struct fib4_pool *pool, uint32_t ref);
// Gives back, after a grace period, a slot that new readers can't find any more.
void fib4_pool_retire(struct fib4_pool *pool, uint32_t ref);
