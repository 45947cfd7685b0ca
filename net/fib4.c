// SPDX-License-Identifier: BSD-2-Clause
//
// The IPv4 forwarding table: routes in, routes out, and the slow half of the lookup. A change
// goes into the route store (rib4.h) first, then into what readers see: the positions of the
// changed route that no longer route covers get its next hop, or on withdrawal that of the next
// shorter route. Contract and rules: fib4.h.

#include "net/fib4.h"

#include "mm/slab.h"
#include "net/fib4_chunk.h"
#include "net/route_memory.h"

MEM_ACCOUNT(routes, "routes");

// A dense chunk whose /16 or /24 is left with so few routes becomes sparse again (which holds at
// least 7 routes, so that a flapping one does not change the form each time).
#define SPARSE_AGAIN 4u

#define ROOT_BYTES (65536 * sizeof(uint32_t))
#define DIRECTORY_BYTES (256 * sizeof(void *))

// Bytes are those that the allocator gives.
struct fib4_writer {
    struct fib4_pool pool;
    struct rib4_bucket *shortest; // /0 to /7
    struct rib4_bucket **medium;  // /8 to /16, by the first byte
    struct rib4_bucket ***longer; // /17 to /32, by the first and the second byte
    size_t store_bytes;
    size_t routes;
};

enum level { LEVEL_SHORTEST, LEVEL_MEDIUM, LEVEL_LONGER };

// Where a prefix is stored: prefix and length in the bucket's 16-bit space.
struct place {
    struct rib4_bucket **bucket; // NULL: no bucket yet, nor a directory for it
    uint32_t prefix;
    unsigned len;
    uint32_t index; // root entry of the whole prefix's first address
    enum level level;
};

static const fib4_cell_t *sparse_cell(const struct fib4_sparse *sparse, uint32_t position)
{
    // The last range that starts at or before the position, in four steps without branches.
    unsigned i = 0;
    i = sparse->start[i + 8] <= position ? i + 8 : i;
    i = sparse->start[i + 4] <= position ? i + 4 : i;
    i = sparse->start[i + 2] <= position ? i + 2 : i;
    i = sparse->start[i + 1] <= position ? i + 1 : i;
    return &sparse->cell[i];
}

static int cell_acquire(const fib4_cell_t *cell)
{
    return atomic_load_explicit(cell, memory_order_acquire);
}

// The child's word on `dst`. The caller has seen, by an acquire, that a child decides; if it or
// its table is gone since then, the cell decides again and tells.
static int child_value(const struct fib4 *fib, uint32_t ref, const fib4_cell_t *cell, uint32_t dst)
{
    struct fib4_aux *aux = fib4_aux(fib->segments, ref);
    uint32_t table_ref = atomic_load_explicit(&aux->table, memory_order_acquire);
    if (!table_ref)
        return cell_acquire(cell);
    struct fib4_table *table = fib4_slot(fib->segments, table_ref);
    uint32_t child = atomic_load_explicit(&table->child[dst >> 8 & 0xff], memory_order_acquire);
    if (!child)
        return cell_acquire(cell);
    const void *slot = fib4_slot(fib->segments, child);
    if (fib4_is_sparse(child))
        return cell_acquire(sparse_cell(slot, dst & 0xffff));
    return cell_acquire((const fib4_cell_t *)slot + (dst & 0xff));
}

static int cell_value(const struct fib4 *fib, uint32_t ref, const fib4_cell_t *cell, uint32_t dst)
{
    int value = cell_acquire(cell);
    return value < 0 ? child_value(fib, ref, cell, dst) : value;
}

// The cell is a hole or has a child. In a hole the cover counts, but only if the hole is still
// there once the cover is read: otherwise a writer that first adds the longer route and then
// withdraws the shorter one could be seen as having neither. The acquires keep the three loads
// in this order; they pair with the writer's releases.
static uint32_t __noinline lookup_rest(const struct fib4 *fib, uint32_t ref, uint32_t dst,
                                       const fib4_cell_t *cell)
{
    int value = cell_value(fib, ref, cell, dst);
    if (value > 0)
        return (uint32_t)value;
    struct fib4_aux *aux = fib4_aux(fib->segments, ref);
    uint32_t cover = atomic_load_explicit(&aux->cover, memory_order_acquire);
    value = cell_value(fib, ref, cell, dst);
    return value > 0 ? (uint32_t)value : cover;
}

// Needs no stack frame: what is rare is a tail call.
uint32_t __noinline fib4_lookup_chunk(const struct fib4 *fib, uint32_t ref, uint32_t dst)
{
    const void *slot = fib4_slot(fib->segments, ref);
    const fib4_cell_t *cell = fib4_is_sparse(ref) ? sparse_cell(slot, dst & 0xffff)
                                                  : (const fib4_cell_t *)slot + (dst >> 8 & 0xff);
    int value = atomic_load_explicit(cell, memory_order_relaxed);
    return likely(value > 0) ? (uint32_t)value : lookup_rest(fib, ref, dst, cell);
}

static uint32_t root_load(const struct fib4 *fib, uint32_t index)
{
    return atomic_load_explicit(&fib->root[index], memory_order_relaxed);
}

static void root_store(struct fib4 *fib, uint32_t index, uint32_t value)
{
    // Release: pairs with the address dependency on the entry in fib4_lookup().
    atomic_store_explicit(&fib->root[index], value, memory_order_release);
}

static bool is_valid(uint32_t prefix, unsigned len)
{
    return len <= 32 && (len == 32 || (prefix & UINT32_MAX >> len) == 0);
}

static struct place find_place(const struct fib4 *fib, uint32_t prefix, unsigned len)
{
    struct fib4_writer *w = fib->writer;
    uint32_t index = prefix >> 16;
    if (len < 8)
        return (struct place){&w->shortest, index, len, index, LEVEL_SHORTEST};
    if (len <= 16)
        return (struct place){&w->medium[index >> 8], index, len, index, LEVEL_MEDIUM};
    struct rib4_bucket **dir = w->longer[index >> 8];
    return (struct place){dir ? &dir[index & 0xff] : NULL, prefix & 0xffff, len - 16, index,
                          LEVEL_LONGER};
}

// What holds for the whole /16: its longest route of /16 or shorter.
static uint32_t cover_of(const struct fib4 *fib, uint32_t index)
{
    uint32_t ref = root_load(fib, index);
    if (!(ref & FIB4_CHUNK))
        return ref;
    return atomic_load_explicit(&fib4_aux(fib->segments, ref)->cover, memory_order_relaxed);
}

struct top_fill {
    struct fib4 *fib;
    uint32_t value;
};

// Gives the /16s lo..hi another cover.
static void fill_top(void *ctx, uint32_t lo, uint32_t hi)
{
    struct top_fill *fill = ctx;
    for (uint32_t i = lo; i <= hi; i++) {
        uint32_t ref = root_load(fill->fib, i);
        if (ref & FIB4_CHUNK)
            atomic_store_explicit(&fib4_aux(fill->fib->segments, ref)->cover, (uint16_t)fill->value,
                                  memory_order_release);
        else
            root_store(fill->fib, i, fill->value);
    }
}

// The same for whole /8s, less what their own routes of /8 to /16 cover.
static void fill_blocks(void *ctx, uint32_t lo, uint32_t hi)
{
    struct top_fill *fill = ctx;
    struct rib4_bucket **medium = fill->fib->writer->medium;
    for (uint32_t byte = lo >> 8; byte <= hi >> 8; byte++)
        rib4_gaps(medium[byte], 0, byte << 8, byte << 8 | 0xff, fill_top, fill);
}

static void fill_chunk(void *ctx, uint32_t lo, uint32_t hi)
{
    struct fib4_fill *fill = ctx;
    fib4_chunk_fill(fill->pool, fill->ref, lo, hi, fill->value);
}

// Gives the route at `place` the value in what readers see; `pos` is the index of the first
// route of its bucket that comes after it. Needs no memory.
static void fill_route(struct fib4 *fib, const struct place *place, uint32_t pos, uint32_t value)
{
    uint32_t lo = place->prefix, hi = rib4_last(lo, place->len);
    if (place->level == LEVEL_LONGER) {
        struct fib4_fill fill = {&fib->writer->pool, root_load(fib, place->index), (int16_t)value};
        rib4_gaps(*place->bucket, pos, lo, hi, fill_chunk, &fill);
    } else {
        struct top_fill fill = {fib, value};
        rib4_gaps(*place->bucket, pos, lo, hi,
                  place->level == LEVEL_SHORTEST ? fill_blocks : fill_top, &fill);
    }
}

// Publishes a chunk built anew from the bucket. -ENOMEM: the old one stays.
static int rebuild(struct fib4 *fib, const struct place *place)
{
    struct fib4_pool *pool = &fib->writer->pool;
    uint32_t old = root_load(fib, place->index);
    uint32_t ref = fib4_chunk_build(pool, *place->bucket, (uint16_t)cover_of(fib, place->index));
    if (!ref)
        return -ENOMEM;
    root_store(fib, place->index, ref);
    if (old & FIB4_CHUNK)
        fib4_chunk_release(pool, old, true);
    return 0;
}

// Makes a new route (already stored, at index `pos`) of /17 or longer visible.
static int show_longer(struct fib4 *fib, const struct place *place, uint32_t pos)
{
    struct fib4_pool *pool = &fib->writer->pool;
    uint32_t ref = root_load(fib, place->index);
    if (!(ref & FIB4_CHUNK) || fib4_is_sparse(ref))
        return rebuild(fib, place);
    if (place->len > 8 && !fib4_chunk_child_is_dense(pool, ref, place->prefix))
        return fib4_chunk_child_update(pool, ref, *place->bucket, place->prefix);
    fill_route(fib, place, pos + 1, (*place->bucket)->routes[pos].nexthop);
    return 0;
}

// After a withdrawal: gives back what the remaining routes don't need. Where that takes memory
// and there is none, the larger form stays.
static void tidy_longer(struct fib4 *fib, const struct place *place)
{
    struct fib4_pool *pool = &fib->writer->pool;
    const struct rib4_bucket *routes = *place->bucket;
    uint32_t ref = root_load(fib, place->index);
    if (!routes) {
        root_store(fib, place->index, cover_of(fib, place->index));
        fib4_chunk_release(pool, ref, true);
        return;
    }
    if (fib4_is_sparse(ref) || (routes->count <= SPARSE_AGAIN && rebuild(fib, place) == 0))
        return;
    if (place->len <= 8)
        return;
    uint32_t left = fib4_chunk_long_routes(routes, place->prefix);
    if (left == 0 || (left <= SPARSE_AGAIN && fib4_chunk_child_is_dense(pool, ref, place->prefix)))
        fib4_chunk_child_update(pool, ref, routes, place->prefix);
}

// The next hop of the longest route that covers this one in its own bucket or, for a route
// of /8 to /16, in that of the shortest. For longer ones 0 is a hole.
static uint32_t cover_nexthop(const struct fib4 *fib, const struct place *place)
{
    const struct rib4_route *cover = rib4_cover(*place->bucket, place->prefix, place->len);
    if (!cover && place->level == LEVEL_MEDIUM)
        cover = rib4_cover(fib->writer->shortest, place->prefix, place->len);
    return cover ? cover->nexthop : 0;
}

// The bucket for a new long route needs a directory.
static int ensure_directory(struct fib4 *fib, uint32_t prefix, unsigned len, struct place *place)
{
    if (place->bucket)
        return 0;
    struct fib4_writer *w = fib->writer;
    w->longer[prefix >> 24] = kcalloc(256, sizeof(void *), GFP_ROUTES);
    if (!w->longer[prefix >> 24])
        return -ENOMEM;
    w->store_bytes += DIRECTORY_BYTES;
    *place = find_place(fib, prefix, len);
    return 0;
}

static int add_new(struct fib4 *fib, const struct place *place, uint32_t pos, uint32_t nexthop)
{
    struct fib4_writer *w = fib->writer;
    struct rib4_route route = {(uint16_t)place->prefix, (uint16_t)nexthop, (uint16_t)place->len};
    int rc = rib4_insert(place->bucket, pos, route, &w->store_bytes);
    if (rc)
        return rc;
    if (place->level == LEVEL_LONGER)
        rc = show_longer(fib, place, pos);
    else
        fill_route(fib, place, pos + 1, nexthop);
    if (rc)
        rib4_remove(place->bucket, pos, &w->store_bytes);
    else
        w->routes++;
    return rc;
}

int fib4_add(struct fib4 *fib, uint32_t prefix, unsigned len, uint32_t nexthop)
{
    if (!is_valid(prefix, len) || nexthop == FIB4_NO_ROUTE || nexthop > FIB4_NEXTHOP_MAX)
        return -EINVAL;
    struct place place = find_place(fib, prefix, len);
    int rc = ensure_directory(fib, prefix, len, &place);
    if (rc)
        return rc;
    uint32_t pos;
    struct rib4_route *old = rib4_find(*place.bucket, place.prefix, place.len, &pos);
    if (!old)
        return add_new(fib, &place, pos, nexthop);
    if (old->nexthop != nexthop) {
        old->nexthop = (uint16_t)nexthop;
        fill_route(fib, &place, pos + 1, nexthop);
    }
    return 0;
}

int fib4_del(struct fib4 *fib, uint32_t prefix, unsigned len)
{
    if (!is_valid(prefix, len))
        return -EINVAL;
    struct fib4_writer *w = fib->writer;
    struct place place = find_place(fib, prefix, len);
    uint32_t pos;
    if (!place.bucket || !rib4_find(*place.bucket, place.prefix, place.len, &pos))
        return -ENOENT;
    uint32_t cover = cover_nexthop(fib, &place);
    rib4_remove(place.bucket, pos, &w->store_bytes);
    w->routes--;
    fill_route(fib, &place, pos, cover);
    if (place.level == LEVEL_LONGER)
        tidy_longer(fib, &place);
    return 0;
}

int fib4_get(const struct fib4 *fib, uint32_t prefix, unsigned len, uint32_t *nexthop)
{
    if (!is_valid(prefix, len))
        return -EINVAL;
    struct place place = find_place(fib, prefix, len);
    uint32_t pos;
    const struct rib4_route *r =
        place.bucket ? rib4_find(*place.bucket, place.prefix, place.len, &pos) : NULL;
    if (!r)
        return -ENOENT;
    *nexthop = r->nexthop;
    return 0;
}

struct walk {
    fib4_visit_fn *visit;
    void *ctx;
};

// Visits the bucket's routes with prefixes up to `last`, from *pos on.
static int walk_bucket(const struct walk *walk, const struct rib4_bucket *bucket, uint32_t *pos,
                       uint32_t last, unsigned shift, uint32_t upper)
{
    for (; *pos < rib4_count(bucket) && bucket->routes[*pos].prefix <= last; ++*pos) {
        const struct rib4_route *r = &bucket->routes[*pos];
        int rc = walk->visit(walk->ctx, upper | (uint32_t)r->prefix << shift, r->len + 16u - shift,
                             r->nexthop);
        if (rc)
            return rc;
    }
    return 0;
}

// One /8: before each /16's routes come those of /8 to /16 that start with it.
static int walk_block(const struct fib4_writer *w, const struct walk *walk, uint32_t byte)
{
    uint32_t pos = 0;
    int rc = 0;
    for (uint32_t index = byte << 8; rc == 0 && index <= (byte << 8 | 0xff); index++) {
        rc = walk_bucket(walk, w->medium[byte], &pos, index, 16, 0);
        uint32_t first = 0;
        if (rc == 0 && w->longer[byte])
            rc = walk_bucket(walk, w->longer[byte][index & 0xff], &first, 0xffff, 0, index << 16);
    }
    return rc;
}

int fib4_walk(const struct fib4 *fib, fib4_visit_fn *visit, void *ctx)
{
    const struct walk walk = {visit, ctx};
    uint32_t pos = 0;
    int rc = 0;
    for (uint32_t byte = 0; rc == 0 && byte < 256; byte++) {
        rc = walk_bucket(&walk, fib->writer->shortest, &pos, byte << 8, 16, 0);
        if (rc == 0)
            rc = walk_block(fib->writer, &walk, byte);
    }
    return rc;
}

void fib4_memory(const struct fib4 *fib, size_t *lookup_bytes, size_t *store_bytes, size_t *routes)
{
    *lookup_bytes = ROOT_BYTES + fib->writer->pool.bytes;
    *store_bytes = fib->writer->store_bytes;
    *routes = fib->writer->routes;
}

int fib4_init(struct fib4 *fib)
{
    struct fib4_writer *w = kcalloc(1, sizeof(*w), GFP_ROUTES);
    if (!w)
        return -ENOMEM;
    w->medium = kcalloc(256, sizeof(void *), GFP_ROUTES);
    w->longer = kcalloc(256, sizeof(void *), GFP_ROUTES);
    w->store_bytes = ksize(w) + 2 * DIRECTORY_BYTES;
    fib->root = kcalloc(65536, sizeof(uint32_t), GFP_ROUTES);
    if (!w->medium || !w->longer || !fib->root || fib4_pool_init(&w->pool))
        goto free_all;
    fib->segments = w->pool.segments;
    fib->writer = w;
    return 0;

free_all:
    kfree(fib->root);
    kfree(w->longer);
    kfree(w->medium);
    kfree(w);
    return -ENOMEM;
}

void fib4_destroy(struct fib4 *fib)
{
    struct fib4_writer *w = fib->writer;
    for (unsigned i = 0; i < 256; i++) {
        for (unsigned j = 0; w->longer[i] && j < 256; j++)
            kfree(w->longer[i][j]);
        kfree(w->longer[i]);
        kfree(w->medium[i]);
    }
    kfree(w->shortest);
    kfree(w->longer);
    kfree(w->medium);
    fib4_pool_destroy(&w->pool);
    kfree(fib->root);
    kfree(w);
    *fib = (struct fib4){0};
}
