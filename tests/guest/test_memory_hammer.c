// SPDX-License-Identifier: BSD-2-Clause
//
// All allocators at once: several threads and a timer (softirq context, GFP_ATOMIC) take pieces of
// every kind at random, write a pattern over them, and give them back later if the pattern is still
// there. What two of them were given, or what somebody wrote behind its end, shows. Bounded by
// steps, not by time.

#include <stdlib.h>
#include <string.h>

#include "core/debug/log.h"
#include "core/sched/thread.h"
#include "core/time/clock.h"
#include "core/time/timer.h"
#include "mm/dma.h"
#include "mm/page_alloc.h"
#include "mm/percpu.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "tests/guest/guest.h"

enum { WORKERS = 4, SLOTS = 24, STEPS = 1500, STEPS_LONG = 60000, TIMER_STEPS = 6 };
#define TIMER_NS (200 * NSEC_PER_USEC)
#define SETTLE_NS (20 * NSEC_PER_MSEC) // objects that wait for a grace period or a purge

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

// ---- Kinds of memory -------------------------------------------------------------------------

// A size between 1 and 2^bits, small ones as often as large ones.
static size_t some_bytes(uint32_t random, unsigned bits)
{
    return (random & (BIT(1 + random % bits) - 1)) + 1;
}

static unsigned some_order(uint32_t random) // 0 half of the time, at most 6
{
    return MIN((unsigned)__builtin_ctz(random | BIT(PAGE_MAX_ORDER)), 6u);
}

static void *pages_take(size_t *bytes, uint32_t random, unsigned gfp)
{
    unsigned order = some_order(random);
    *bytes = PAGE_SIZE << order;
    return page_alloc(order, gfp);
}
static void pages_give(void *piece, size_t bytes) { page_free(piece, page_order_for(bytes)); }

static void *kmalloc_take(size_t *bytes, uint32_t random, unsigned gfp)
{
    *bytes = some_bytes(random, 17);
    return kmalloc(*bytes, gfp);
}
static void kmalloc_give(void *piece, size_t bytes)
{
    (void)bytes;
    kfree(piece);
}

#define CONSTRUCTED 0x5c5c5c5c5c5c5c5cULL

static struct slab_cache *small_cache, *aligned_cache;
static volatile bool not_constructed, not_aligned;

static void construct(void *object) { *(uint64_t *)object = CONSTRUCTED; }

static void *small_take(size_t *bytes, uint32_t random, unsigned gfp)
{
    (void)random;
    uint64_t *object = slab_alloc(small_cache, gfp);
    *bytes = 40;
    not_constructed |= object && *object != CONSTRUCTED;
    return object;
}
static void small_give(void *piece, size_t bytes)
{
    (void)bytes;
    construct(piece);
    slab_free(small_cache, piece);
}

static void *aligned_take(size_t *bytes, uint32_t random, unsigned gfp)
{
    (void)random;
    void *object = slab_alloc(aligned_cache, gfp);
    *bytes = 200;
    not_aligned |= !IS_ALIGNED((uintptr_t)object, 128);
    return object;
}
static void aligned_give(void *piece, size_t bytes)
{
    (void)bytes;
    slab_free(aligned_cache, piece);
}

static void *percpu_take(size_t *bytes, uint32_t random, unsigned gfp)
{
    *bytes = some_bytes(random, 8);
    return percpu_alloc(*bytes, 0, gfp);
}
static void percpu_give(void *piece, size_t bytes)
{
    (void)bytes;
    percpu_free(piece);
}

static void *vmalloc_take(size_t *bytes, uint32_t random, unsigned gfp)
{
    *bytes = some_bytes(random, 16);
    return vmalloc(*bytes, gfp);
}
static void vmalloc_give(void *piece, size_t bytes)
{
    (void)bytes;
    vfree(piece);
}

static void *stack_take(size_t *bytes, uint32_t random, unsigned gfp)
{
    (void)gfp;
    *bytes = PAGE_SIZE * (1 + random % 4);
    return stack_alloc(*bytes);
}
static void stack_give(void *piece, size_t bytes)
{
    (void)bytes;
    stack_free(piece);
}

static void *malloc_take(size_t *bytes, uint32_t random, unsigned gfp)
{
    (void)gfp;
    *bytes = some_bytes(random, 17);
    return malloc(*bytes);
}
static void malloc_give(void *piece, size_t bytes)
{
    (void)bytes;
    free(piece);
}

static const struct dma_device device = {.mask = UINT32_MAX, .coherent = true};

static void *dma_take(size_t *bytes, uint32_t random, unsigned gfp)
{
    (void)gfp;
    paddr_t bus;
    *bytes = some_bytes(random, 14);
    return dma_alloc(&device, *bytes, &bus);
}
static void dma_give(void *piece, size_t bytes) { dma_free(&device, piece, bytes); }

struct kind {
    const char *name;
    void *(*take)(size_t *bytes, uint32_t random, unsigned gfp);
    void (*give)(void *piece, size_t bytes);
};
static const struct kind kinds[] = {
    // What any context may take and give.
    {"pages", pages_take, pages_give},
    {"kmalloc", kmalloc_take, kmalloc_give},
    {"small", small_take, small_give},
    {"aligned", aligned_take, aligned_give},
    {"percpu", percpu_take, percpu_give},
    // Threads only.
    {"vmalloc", vmalloc_take, vmalloc_give},
    {"stack", stack_take, stack_give},
    {"malloc", malloc_take, malloc_give},
    {"dma", dma_take, dma_give},
};
enum { KINDS_ATOMIC = 5 };

// ---- One worker ------------------------------------------------------------------------------

struct piece {
    const struct kind *kind;
    uint8_t *memory; // NULL: none
    size_t bytes;
    uint8_t seed;
};
struct worker {
    struct piece pieces[SLOTS];
    unsigned gfp, kinds;
    uint32_t random;
    uint32_t steps, taken, refused, damaged;
    struct thread *thread;
};

static uint8_t pattern(const struct piece *piece, size_t at)
{
    return (uint8_t)(piece->seed + at * 7 + (at >> 8));
}

// All of a small piece; of a large one both ends and a bit of each KiB.
static size_t next_place(size_t at, size_t bytes)
{
    bool sparse = bytes > 1024 && at >= 64 && bytes - at > 64 && at % 1024 >= 8;
    return sparse ? MIN(ALIGN_UP(at, 1024), bytes - 64) : at;
}

static void fill(struct piece *piece)
{
    for (size_t at = 0; at < piece->bytes; at = next_place(at + 1, piece->bytes))
        piece->memory[at] = pattern(piece, at);
}

static bool intact(const struct piece *piece, size_t bytes)
{
    for (size_t at = 0; at < bytes; at = next_place(at + 1, piece->bytes)) {
        if (piece->memory[at] != pattern(piece, at))
            return false;
    }
    return true;
}

// Counts a piece whose first `bytes` are not as they were left, and says which it is.
static void note(struct worker *worker, const struct piece *piece, size_t bytes)
{
    if (intact(piece, bytes))
        return;
    size_t at = 0;
    while (at < bytes && piece->memory[at] == pattern(piece, at))
        at++;
    log_err("hammer: %s of %zu bytes at %p: wrong at %zu", piece->kind->name, bytes,
            (void *)piece->memory, at);
    worker->damaged++;
}

static void give(struct worker *worker, struct piece *piece)
{
    note(worker, piece, piece->bytes);
    piece->kind->give(piece->memory, piece->bytes);
    piece->memory = NULL;
}

static void take(struct worker *worker, struct piece *piece)
{
    piece->kind = &kinds[next_random(&worker->random) % worker->kinds];
    piece->seed = (uint8_t)next_random(&worker->random);
    piece->memory = piece->kind->take(&piece->bytes, next_random(&worker->random), worker->gfp);
    worker->taken += piece->memory != NULL;
    worker->refused += piece->memory == NULL;
    if (piece->memory)
        fill(piece);
}

// The pattern depends on where in the piece it is, not on the piece's length, if it is small.
static void change_size(struct worker *worker, struct piece *piece)
{
    size_t bytes = some_bytes(next_random(&worker->random), 10);
    size_t kept = MIN(bytes, piece->bytes);
    if (piece->bytes > 1024)
        return;
    void *moved = krealloc(piece->memory, bytes, worker->gfp);
    if (!moved)
        return;
    piece->memory = moved;
    piece->bytes = bytes;
    note(worker, piece, kept);
    fill(piece);
}

static void step(struct worker *worker)
{
    struct piece *piece = &worker->pieces[next_random(&worker->random) % SLOTS];
    worker->steps++;
    if (!piece->memory)
        take(worker, piece);
    else if (piece->kind->take == kmalloc_take && next_random(&worker->random) % 3 == 0)
        change_size(worker, piece);
    else
        give(worker, piece);
}

static void give_all(struct worker *worker)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (worker->pieces[i].memory)
            give(worker, &worker->pieces[i]);
    }
}

// ---- The test --------------------------------------------------------------------------------

static struct worker workers[WORKERS], softirq_worker;
static unsigned steps_wanted;
static struct timer hammer_timer;
static volatile bool timer_stop, timer_stopped;

static int work(void *arg)
{
    struct worker *worker = arg;
    while (worker->steps < steps_wanted) {
        step(worker);
        if (worker->steps % 64 == 0)
            thread_yield();
    }
    give_all(worker);
    return 0;
}

static void timer_work(struct timer *timer)
{
    for (unsigned i = 0; i < TIMER_STEPS; i++)
        step(&softirq_worker);
    if (!timer_stop) {
        timer_start_in(timer, TIMER_NS);
        return;
    }
    give_all(&softirq_worker);
    timer_stopped = true;
}

static bool start_workers(void)
{
    softirq_worker = (struct worker){.gfp = GFP_ATOMIC, .kinds = KINDS_ATOMIC, .random = 4711};
    timer_stop = timer_stopped = false;
    timer_setup(&hammer_timer, timer_work);
    timer_start_in(&hammer_timer, TIMER_NS);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){
            .gfp = GFP_KERNEL, .kinds = ARRAY_SIZE(kinds), .random = 0x9e3779b9 * (i + 1)};
        if (thread_create(&workers[i].thread, work, &workers[i],
                          &(struct thread_options){.name = "hammer"}))
            return false;
    }
    return true;
}

static void stop_workers(void)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        if (workers[i].thread)
            thread_join(workers[i].thread, NULL);
    }
    timer_stop = true;
    for (unsigned i = 0; i < 1000 && !timer_stopped; i++)
        thread_sleep_ns(NSEC_PER_MSEC);
}

static void settle(struct page_stats *stats)
{
    thread_sleep_ns(SETTLE_NS);
    vmalloc_purge();
    slab_drain();
    page_drain();
    page_get_stats(stats);
}

static bool run(void)
{
    bool started = start_workers();
    stop_workers();
    CHECK(started && timer_stopped);
    CHECK(!not_constructed && !not_aligned);
    for (unsigned i = 0; i < WORKERS; i++) {
        CHECK(workers[i].damaged == 0);
        CHECK(workers[i].taken > workers[i].refused);
    }
    CHECK(softirq_worker.damaged == 0 && softirq_worker.taken > softirq_worker.refused);
    return true;
}

// The second run finds page tables, descriptors and per-CPU pages of the first: it must leave as
// much as it found.
static bool hammer(unsigned steps)
{
    struct page_stats before, after;
    steps_wanted = steps;
    small_cache = slab_cache_create("hammer-small", 40, 0, 0, construct);
    aligned_cache = slab_cache_create("hammer-aligned", 200, 128, 0, NULL);
    CHECK(small_cache && aligned_cache);
    bool ok = run();
    settle(&before);
    ok = ok && run();
    settle(&after);
    CHECK(slab_cache_destroy(small_cache) == 0 && slab_cache_destroy(aligned_cache) == 0);
    CHECK(after.free_bytes + KIB(256) >= before.free_bytes);
    return ok;
}

static bool hammer_briefly(void) { return hammer(STEPS); }
static bool hammer_long(void) { return hammer(STEPS_LONG); }

const struct guest_test hammer_tests[] = {{"all allocators at once", hammer_briefly}, {NULL, NULL}};
const struct guest_test hammer_long_tests[] = {{"all allocators, for long", hammer_long},
                                               {NULL, NULL}};
