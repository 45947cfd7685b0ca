// SPDX-License-Identifier: BSD-2-Clause
//
// Building and changing the chunks of the IPv4 FIB (contract: fib4_chunk.h). All stores that
// readers can see are releases, so that they see changes in the order in which they were made;
// they pair with the address dependencies of fib4_lookup() and the acquires of
// fib4_lookup_chunk().

#include "net/fib4_chunk.h"

#include <string.h>

#define LONG_LEN 9           // shortest long route: /25
#define CELL_CHILD INT16_MIN // a cell that a child decides

static void cell_store(fib4_cell_t *cell, int value)
{
    atomic_store_explicit(cell, (int16_t)value, memory_order_release);
}

static int cell_load(const fib4_cell_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

static struct fib4_table *child_table(struct fib4_pool *pool, uint32_t ref)
{
    struct fib4_aux *aux = fib4_aux(pool->segments, ref);
    return fib4_slot(pool->segments, atomic_load_explicit(&aux->table, memory_order_relaxed));
}

static uint32_t child_ref(struct fib4_pool *pool, uint32_t ref, uint32_t byte)
{
    return atomic_load_explicit(&child_table(pool, ref)->child[byte], memory_order_relaxed);
}

static void fill_sparse(struct fib4_sparse *sparse, uint32_t lo, uint32_t hi, int value)
{
    for (unsigned i = 0; i < FIB4_RANGES; i++)
        if (sparse->start[i] >= lo && sparse->start[i] <= hi)
            cell_store(&sparse->cell[i], value);
}

static void fill_child(struct fib4_pool *pool, uint32_t child, uint32_t lo, uint32_t hi, int value)
{
    if (fib4_is_sparse(child)) {
        fill_sparse(fib4_slot(pool->segments, child), lo, hi, value);
        return;
    }
    fib4_cell_t *cells = fib4_slot(pool->segments, child);
    for (uint32_t i = lo & 0xff; i <= (hi & 0xff); i++)
        cell_store(&cells[i], value);
}

void fib4_chunk_fill(struct fib4_pool *pool, uint32_t ref, uint32_t lo, uint32_t hi, int16_t value)
{
    if (fib4_is_sparse(ref)) {
        fill_sparse(fib4_slot(pool->segments, ref), lo, hi, value);
        return;
    }
    fib4_cell_t *cells = fib4_slot(pool->segments, ref);
    for (uint32_t byte = lo >> 8; byte <= hi >> 8; byte++) {
        if (cell_load(&cells[byte]) >= 0)
            cell_store(&cells[byte], value);
        else
            fill_child(pool, child_ref(pool, ref, byte), MAX(lo, byte << 8),
                       MIN(hi, byte << 8 | 0xff), value);
    }
}

// Puts `start` into the ascending list if it is not there; false if the list is full.
static bool start_add(uint16_t *starts, unsigned *count, uint32_t start)
{
    unsigned i = *count;
    while (i > 0 && starts[i - 1] > start)
        i--;
    if (i > 0 && starts[i - 1] == start)
        return true;
    if (*count == FIB4_RANGES)
        return false;
    memmove(&starts[i + 1], &starts[i], (*count - i) * sizeof(*starts));
    starts[i] = (uint16_t)start;
    ++*count;
    return true;
}

// The boundaries of the routes from index `pos` on that start in lo..hi; false if too many.
static bool find_starts(const struct rib4_bucket *routes, uint32_t pos, uint32_t lo, uint32_t hi,
                        uint16_t *starts)
{
    unsigned count = 1;
    starts[0] = (uint16_t)lo;
    for (; pos < rib4_count(routes) && routes->routes[pos].prefix <= hi; pos++) {
        const struct rib4_route *r = &routes->routes[pos];
        uint32_t next = rib4_last(r->prefix, r->len) + 1;
        if (!start_add(starts, &count, r->prefix) ||
            (next <= hi && !start_add(starts, &count, next)))
            return false;
    }
    while (count < FIB4_RANGES)
        starts[count++] = 0xffff;
    return true;
}

// A slot of holes for lo..hi: of the given sparse kind if the routes from `pos` on allow it, else
// dense.
static uint32_t skeleton(struct fib4_pool *pool, enum fib4_kind sparse_kind,
                         const struct rib4_bucket *routes, uint32_t pos, uint32_t lo, uint32_t hi)
{
    uint16_t starts[FIB4_RANGES];
    if (find_starts(routes, pos, lo, hi, starts)) {
        uint32_t ref = fib4_pool_alloc(pool, sparse_kind);
        if (ref) {
            struct fib4_sparse *sparse = fib4_slot(pool->segments, ref);
            memset(sparse, 0, sizeof(*sparse));
            memcpy(sparse->start, starts, sizeof(starts));
        }
        return ref;
    }
    uint32_t ref = fib4_pool_alloc(pool, FIB4_KIND_DENSE);
    if (ref)
        memset(fib4_slot(pool->segments, ref), 0, 256 * sizeof(fib4_cell_t));
    return ref;
}

uint32_t fib4_chunk_long_routes(const struct rib4_bucket *routes, uint32_t position)
{
    return rib4_lower_bound(routes, (position | 0xff) + 1, 0) -
           rib4_lower_bound(routes, position & ~0xffu, LONG_LEN);
}

bool fib4_chunk_child_is_dense(struct fib4_pool *pool, uint32_t ref, uint32_t position)
{
    fib4_cell_t *cells = fib4_slot(pool->segments, ref);
    return cell_load(&cells[position >> 8]) < 0 &&
           !fib4_is_sparse(child_ref(pool, ref, position >> 8));
}

// A complete child for the /24 at `position`, over `base`, the value of the /24 without it.
static uint32_t child_build(struct fib4_pool *pool, const struct rib4_bucket *routes,
                            uint32_t position, int base)
{
    uint32_t lo = position & ~0xffu, hi = lo | 0xff;
    uint32_t pos = rib4_lower_bound(routes, lo, LONG_LEN);
    uint32_t child = skeleton(pool, FIB4_KIND_CHILD, routes, pos, lo, hi);
    if (!child)
        return 0;
    fill_child(pool, child, lo, hi, base);
    for (; pos < routes->count && routes->routes[pos].prefix <= hi; pos++) {
        const struct rib4_route *r = &routes->routes[pos];
        fill_child(pool, child, r->prefix, rib4_last(r->prefix, r->len), r->nexthop);
    }
    return child;
}

// Makes sure that the dense chunk has a table for its children.
static bool table_ensure(struct fib4_pool *pool, struct fib4_aux *aux)
{
    if (aux->children > 0)
        return true;
    uint32_t table = fib4_pool_alloc(pool, FIB4_KIND_TABLE);
    if (!table)
        return false;
    memset(fib4_slot(pool->segments, table), 0, sizeof(struct fib4_table));
    atomic_store_explicit(&aux->table, table, memory_order_release);
    return true;
}

static void table_drop(struct fib4_pool *pool, struct fib4_aux *aux, bool published)
{
    uint32_t table = atomic_load_explicit(&aux->table, memory_order_relaxed);
    if (aux->children > 0 || !table)
        return;
    atomic_store_explicit(&aux->table, 0, memory_order_relaxed);
    (published ? fib4_pool_retire : fib4_pool_free)(pool, table);
}

// The child is in the table before the cell says so; a reader acquires in the other order.
static int child_set(struct fib4_pool *pool, uint32_t ref, const struct rib4_bucket *routes,
                     uint32_t position, int base)
{
    struct fib4_aux *aux = fib4_aux(pool->segments, ref);
    fib4_cell_t *cell = (fib4_cell_t *)fib4_slot(pool->segments, ref) + (position >> 8);
    if (!table_ensure(pool, aux))
        return -ENOMEM;
    uint32_t child = child_build(pool, routes, position, base);
    if (!child) {
        table_drop(pool, aux, true);
        return -ENOMEM;
    }
    _Atomic uint32_t *place = &child_table(pool, ref)->child[position >> 8];
    uint32_t old = atomic_load_explicit(place, memory_order_relaxed);
    atomic_store_explicit(place, child, memory_order_release);
    if (cell_load(cell) < 0) {
        fib4_pool_retire(pool, old);
    } else {
        aux->children++;
        cell_store(cell, CELL_CHILD);
    }
    return 0;
}

// The /24 has no long routes any more: its cell decides again.
static void child_clear(struct fib4_pool *pool, uint32_t ref, uint32_t byte, int base)
{
    struct fib4_aux *aux = fib4_aux(pool->segments, ref);
    cell_store((fib4_cell_t *)fib4_slot(pool->segments, ref) + byte, base);
    fib4_pool_retire(pool, child_ref(pool, ref, byte));
    aux->children--;
    table_drop(pool, aux, true);
}

int fib4_chunk_child_update(struct fib4_pool *pool, uint32_t ref, const struct rib4_bucket *routes,
                            uint32_t position)
{
    const struct rib4_route *cover = rib4_cover(routes, position & ~0xffu, LONG_LEN);
    int base = cover ? cover->nexthop : 0;
    if (fib4_chunk_long_routes(routes, position) > 0)
        return child_set(pool, ref, routes, position, base);
    child_clear(pool, ref, position >> 8, base);
    return 0;
}

// Cells first, then a child for each /24 with long routes, which takes over its cell's value.
static bool build_dense(struct fib4_pool *pool, uint32_t ref, const struct rib4_bucket *routes)
{
    fib4_cell_t *cells = fib4_slot(pool->segments, ref);
    for (uint32_t i = 0; i < routes->count; i++) {
        const struct rib4_route *r = &routes->routes[i];
        if (r->len < LONG_LEN)
            fib4_chunk_fill(pool, ref, r->prefix, rib4_last(r->prefix, r->len),
                            (int16_t)r->nexthop);
    }
    for (uint32_t i = 0; i < routes->count; i++) {
        const struct rib4_route *r = &routes->routes[i];
        int base = cell_load(&cells[r->prefix >> 8]);
        if (r->len >= LONG_LEN && base >= 0 && child_set(pool, ref, routes, r->prefix, base))
            return false;
    }
    return true;
}

static void build_sparse(struct fib4_sparse *sparse, const struct rib4_bucket *routes)
{
    for (uint32_t i = 0; i < routes->count; i++) {
        const struct rib4_route *r = &routes->routes[i];
        fill_sparse(sparse, r->prefix, rib4_last(r->prefix, r->len), r->nexthop);
    }
}

uint32_t fib4_chunk_build(struct fib4_pool *pool, const struct rib4_bucket *routes, uint16_t cover)
{
    uint32_t ref = skeleton(pool, FIB4_KIND_SPARSE, routes, 0, 0, 0xffff);
    if (!ref)
        return 0;
    atomic_store_explicit(&fib4_aux(pool->segments, ref)->cover, cover, memory_order_relaxed);
    if (fib4_is_sparse(ref)) {
        build_sparse(fib4_slot(pool->segments, ref), routes);
    } else if (!build_dense(pool, ref, routes)) {
        fib4_chunk_release(pool, ref, false);
        return 0;
    }
    return ref;
}

void fib4_chunk_release(struct fib4_pool *pool, uint32_t ref, bool published)
{
    void (*give_back)(struct fib4_pool *, uint32_t) = published ? fib4_pool_retire : fib4_pool_free;
    struct fib4_aux *aux = fib4_aux(pool->segments, ref);
    if (aux->children > 0) {
        fib4_cell_t *cells = fib4_slot(pool->segments, ref);
        for (uint32_t byte = 0; byte < 256; byte++)
            if (cell_load(&cells[byte]) < 0)
                give_back(pool, child_ref(pool, ref, byte));
        give_back(pool, atomic_load_explicit(&aux->table, memory_order_relaxed));
    }
    give_back(pool, ref);
}
