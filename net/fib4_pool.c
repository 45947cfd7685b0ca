// SPDX-License-Identifier: BSD-2-Clause
//
// Slot pool of the IPv4 FIB (contract: fib4_pool.h). Segments start small, so that a table of a
// few routes stays small, and double up to a limit, which keeps the directory short. An empty
// segment goes back to the allocator unless it is the last of its kind with room. While a large
// table loads, nearly every /16 is sparse for a while: small segments of that kind become empty
// again in spite of a few that stay so.
//
// One grace period runs at a time: slots retired meanwhile wait for the next. The RCU callback
// only flips a word; the writer moves the slots when it next comes by, so no lock is needed.

#include "net/fib4_pool.h"

#include <string.h>

#include "mm/slab.h"
#include "net/route_memory.h"

#define SEGMENT_MIN_BYTES KIB(4)

// By kind: log2 of a slot's 2-byte cells, and log2 of the largest segment in units of 4 KiB (not
// over 5: an offset has 16 bits).
static const struct {
    uint8_t cells_shift, max_order;
} kinds[FIB4_KINDS] = {
    [FIB4_KIND_DENSE] = {8, 5},
    [FIB4_KIND_TABLE] = {9, 5},
    [FIB4_KIND_SPARSE] = {5, 2},
    [FIB4_KIND_CHILD] = {5, 2},
};
_Static_assert(sizeof(struct fib4_table) == sizeof(uint16_t) << 9, "shift in kinds[]");
_Static_assert(sizeof(struct fib4_sparse) == CACHE_LINE, "a sparse chunk is one cache line");

enum grace_state {
    GRACE_IDLE, // no callback under way
    GRACE_RUNNING,
    GRACE_OVER,   // set by the callback
    GRACE_ORPHAN, // the pool is gone: the callback frees
};

struct fib4_grace {
    struct rcu_head head;
    _Atomic int state;
};

static void *segment_base(void *const _Atomic *segments, uint32_t ref)
{
    return atomic_load_explicit(&segments[ref >> FIB4_SEGMENT_SHIFT & FIB4_SEGMENT_MASK],
                                memory_order_relaxed);
}

struct fib4_aux *fib4_aux(void *const _Atomic *segments, uint32_t ref)
{
    struct fib4_segment *seg = (struct fib4_segment *)segment_base(segments, ref) - 1;
    return (struct fib4_aux *)seg - 1 - ((ref & 0xffff) >> kinds[fib4_kind(ref)].cells_shift);
}

static void partial_add(struct fib4_pool *pool, struct fib4_segment *seg)
{
    struct fib4_segment **head = &pool->partial[seg->kind];
    seg->prev = NULL;
    seg->next = *head;
    if (*head)
        (*head)->prev = seg;
    *head = seg;
}

static void partial_remove(struct fib4_pool *pool, struct fib4_segment *seg)
{
    if (seg->prev)
        seg->prev->next = seg->next;
    else
        pool->partial[seg->kind] = seg->next;
    if (seg->next)
        seg->next->prev = seg->prev;
}

static uint32_t free_segment_number(const struct fib4_pool *pool)
{
    uint32_t number = 0;
    while (number < FIB4_SEGMENTS &&
           atomic_load_explicit(&pool->segments[number], memory_order_relaxed))
        number++;
    return number;
}

// As many slots as fit, each with its aux, the first one on a cache line.
static struct fib4_segment *segment_lay_out(char *memory, size_t bytes, enum fib4_kind kind)
{
    size_t slots = (bytes - sizeof(struct fib4_segment) - CACHE_LINE) /
                   ((sizeof(fib4_cell_t) << kinds[kind].cells_shift) + sizeof(struct fib4_aux));
    size_t head = slots * sizeof(struct fib4_aux) + sizeof(struct fib4_segment);
    struct fib4_segment *seg =
        (struct fib4_segment *)(memory + ALIGN_UP(head, (size_t)CACHE_LINE)) - 1;
    *seg = (struct fib4_segment){.memory = memory,
                                 .bytes = (uint32_t)bytes,
                                 .slots = (uint16_t)slots,
                                 .fresh = (uint16_t)slots,
                                 .kind = (uint8_t)kind};
    return seg;
}

// Where no large block is left, a smaller one must do.
static char *segment_memory(struct fib4_pool *pool, enum fib4_kind kind, size_t *bytes)
{
    for (unsigned order = pool->order[kind] + 1u; order-- > 0;) {
        *bytes = SEGMENT_MIN_BYTES << order;
        char *memory = kmalloc(*bytes, GFP_ROUTES);
        if (memory)
            return memory;
    }
    return NULL;
}

static struct fib4_segment *segment_create(struct fib4_pool *pool, enum fib4_kind kind)
{
    size_t bytes;
    uint32_t number = free_segment_number(pool);
    char *memory = number < FIB4_SEGMENTS ? segment_memory(pool, kind, &bytes) : NULL;
    if (!memory)
        return NULL;
    struct fib4_segment *seg = segment_lay_out(memory, bytes, kind);
    seg->ref = FIB4_CHUNK | (uint32_t)kind << 29 | number << FIB4_SEGMENT_SHIFT;
    pool->bytes += bytes;
    if (pool->order[kind] < kinds[kind].max_order)
        pool->order[kind]++;
    partial_add(pool, seg);
    // Readers come here by a reference only, whose store is a release.
    atomic_store_explicit(&pool->segments[number], seg + 1, memory_order_relaxed);
    return seg;
}

static void segment_destroy(struct fib4_pool *pool, struct fib4_segment *seg)
{
    atomic_store_explicit(&pool->segments[seg->ref >> FIB4_SEGMENT_SHIFT & FIB4_SEGMENT_MASK], NULL,
                          memory_order_relaxed);
    pool->bytes -= seg->bytes;
    kfree(seg->memory);
}

uint32_t fib4_pool_alloc(struct fib4_pool *pool, enum fib4_kind kind)
{
    struct fib4_segment *seg = pool->partial[kind];
    if (!seg)
        seg = segment_create(pool, kind);
    if (!seg)
        return 0;
    uint32_t ref = seg->free;
    if (ref)
        seg->free = fib4_aux(pool->segments, ref)->link;
    else
        ref = seg->ref + ((uint32_t)(seg->slots - seg->fresh--) << kinds[kind].cells_shift);
    if (++seg->live == seg->slots)
        partial_remove(pool, seg);
    memset(fib4_aux(pool->segments, ref), 0, sizeof(struct fib4_aux));
    return ref;
}

void fib4_pool_free(struct fib4_pool *pool, uint32_t ref)
{
    struct fib4_segment *seg = (struct fib4_segment *)segment_base(pool->segments, ref) - 1;
    if (seg->live == seg->slots)
        partial_add(pool, seg);
    fib4_aux(pool->segments, ref)->link = seg->free;
    seg->free = ref;
    if (--seg->live == 0 && (seg->next || seg->prev)) {
        partial_remove(pool, seg);
        segment_destroy(pool, seg);
    }
}

static void grace_over(struct rcu_head *head)
{
    struct fib4_grace *grace = container_of(head, struct fib4_grace, head);
    // Release: pairs with the acquire in collect() and the exchange in fib4_pool_destroy().
    if (atomic_exchange_explicit(&grace->state, GRACE_OVER, memory_order_acq_rel) == GRACE_ORPHAN)
        kfree(grace);
}

// Frees what a grace period has passed for, and starts the next one if slots wait for it.
static void collect(struct fib4_pool *pool)
{
    struct fib4_grace *grace = pool->grace;
    // Acquire: pairs with grace_over().
    if (atomic_load_explicit(&grace->state, memory_order_acquire) == GRACE_RUNNING)
        return;
    while (pool->waiting) {
        uint32_t ref = pool->waiting;
        pool->waiting = fib4_aux(pool->segments, ref)->link;
        fib4_pool_free(pool, ref);
    }
    pool->waiting = pool->retired;
    pool->retired = 0;
    bool again = pool->waiting != 0;
    atomic_store_explicit(&grace->state, again ? GRACE_RUNNING : GRACE_IDLE, memory_order_relaxed);
    if (again)
        call_rcu(&grace->head, grace_over);
}

void fib4_pool_retire(struct fib4_pool *pool, uint32_t ref)
{
    fib4_aux(pool->segments, ref)->link = pool->retired;
    pool->retired = ref;
    collect(pool);
}

int fib4_pool_init(struct fib4_pool *pool)
{
    *pool = (struct fib4_pool){.bytes = FIB4_SEGMENTS * sizeof(void *)};
    pool->segments = kcalloc(FIB4_SEGMENTS, sizeof(void *), GFP_ROUTES);
    pool->grace = kcalloc(1, sizeof(*pool->grace), GFP_ROUTES);
    if (pool->segments && pool->grace)
        return 0;
    kfree(pool->grace);
    kfree(pool->segments);
    return -ENOMEM;
}

void fib4_pool_destroy(struct fib4_pool *pool)
{
    for (uint32_t i = 0; i < FIB4_SEGMENTS; i++) {
        void *base = atomic_load_explicit(&pool->segments[i], memory_order_relaxed);
        if (base)
            kfree(((struct fib4_segment *)base - 1)->memory);
    }
    kfree(pool->segments);
    // Acquire: pairs with grace_over(); whoever comes second frees.
    int state = atomic_exchange_explicit(&pool->grace->state, GRACE_ORPHAN, memory_order_acq_rel);
    if (state != GRACE_RUNNING)
        kfree(pool->grace);
}
