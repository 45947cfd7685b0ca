// SPDX-License-Identifier: BSD-2-Clause
//
// Reclaim: how much a shrinker is asked for in how large pieces, what is put off, who is asked in
// which order, and the ways into it: requests that may wait, requests that may not, from inside a
// shrinker, and the thread.
//
// unit-sources: tests/unit/mm_ram.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sched/preempt.h"
#include "host.h"
#include "mm/page_alloc.h"
#include "mm/reclaim.h"
#include "mm_ram.h"

#define BASE 0x40000000ULL
#define CALLS_MAX 4096

// A shrinker that only keeps a record.
struct fake {
    struct shrinker shrinker;
    size_t objects;
    size_t stop_after; // calls, 0: never
    unsigned counts;   // calls of count()
    size_t calls, asked[CALLS_MAX], total;
};

static const char *order[CALLS_MAX]; // names, as they were counted
static size_t order_count;

static size_t fake_count(struct shrinker *shrinker)
{
    struct fake *fake = container_of(shrinker, struct fake, shrinker);
    fake->counts++;
    order[order_count++ % CALLS_MAX] = shrinker->name;
    return fake->objects;
}

static size_t fake_scan(struct shrinker *shrinker, size_t count)
{
    struct fake *fake = container_of(shrinker, struct fake, shrinker);
    if (fake->stop_after && fake->calls >= fake->stop_after)
        return SHRINK_STOP;
    if (fake->calls < CALLS_MAX)
        fake->asked[fake->calls] = count;
    fake->calls++;
    fake->total += count;
    return count;
}

static struct fake fakes[3];

static struct fake *start(unsigned index, const char *name, size_t objects)
{
    struct fake *fake = &fakes[index];
    memset(fake, 0, sizeof(*fake));
    fake->shrinker.name = name;
    fake->shrinker.count = fake_count;
    fake->shrinker.scan = fake_scan;
    fake->objects = objects;
    shrinker_register(&fake->shrinker);
    return fake;
}

static void reset(void)
{
    mm_ram_reset();
    order_count = 0;
}

// ---- Arithmetic -------------------------------------------------------------------------------

struct vector {
    size_t objects, deferred;
    unsigned seeks, batch, priority;
    size_t calls, last, total, left; // calls of scan, the last one's size, all, put off
};

static void arithmetic(void **state)
{
    static const struct vector vectors[] = {
        // All of it, twice at most: 2 * 1000 * 4096 / 4097 = 1999 in 128s, until less than a batch
        // is left.
        {1000, 0, 0, 0, 0, 15, 128, 1920, 79},
        {1000, 0, 2, 100, 0, 19, 100, 1900, 99},
        // Costly objects: 4 * 4096 / 8 * 1000 / 4097 = 499.
        {1000, 0, 8, 0, 0, 3, 128, 384, 115},
        // A half of twice: 999.
        {1000, 0, 0, 0, 1, 7, 128, 896, 103},
        // A 4096th of twice 100,000: 48, less than a batch: put off.
        {100000, 0, 0, 0, 12, 0, 0, 0, 48},
        {100000, 100, 0, 0, 12, 1, 128, 128, 20},
        // A batch of its own makes small caches give something.
        {100000, 0, 0, 16, 12, 3, 16, 48, 0},
        // Little pressure and much put off: not more than half.
        {1000, 50000, 0, 0, 6, 3, 128, 384, 116},
        // Much pressure: what was put off counts, but no more than twice what there is.
        {1000, 50000, 0, 0, 0, 15, 128, 1920, 80},
        {1000, 500, 0, 0, 1, 11, 128, 1408, 91},
        // A quarter is not little: 2 * 1000 / 8 * 4096 / 4097 = 249 is, 499 is not.
        {1000, 2000, 0, 0, 3, 3, 128, 384, 116},
        {1000, 2000, 0, 0, 2, 15, 128, 1920, 80},
        // A cache smaller than a batch: as long as all of it is wanted.
        {10, 0, 0, 0, 0, 1, 19, 19, 0},
        {10, 0, 0, 0, 1, 0, 0, 0, 9},
        {10, 5, 0, 0, 1, 1, 14, 14, 0},
        {1, 0, 0, 0, 0, 1, 1, 1, 0},
        // Nothing to free: what was put off stays.
        {0, 77, 0, 0, 0, 0, 0, 0, 77},
        // A sum beyond all bounds is taken for all that there is.
        {1000, (size_t)1 << 63, 0, 0, 2, 7, 128, 896, 104},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const struct vector *v = &vectors[i];
        reset();
        struct fake *fake = &fakes[0];
        *fake = (struct fake){.shrinker = {.name = "fake",
                                           .count = fake_count,
                                           .scan = fake_scan,
                                           .seeks = v->seeks,
                                           .batch = v->batch},
                              .objects = v->objects};
        shrinker_register(&fake->shrinker);
        fake->shrinker.deferred = v->deferred;
        size_t freed = reclaim_run(v->priority);
        if (fake->calls != v->calls || fake->total != v->total ||
            fake->shrinker.deferred != v->left ||
            (v->calls && fake->asked[v->calls - 1] != v->last))
            fail_msg("vector %zu: %zu calls, last %zu, %zu in all, %zu left", i, fake->calls,
                     fake->calls ? fake->asked[fake->calls - 1] : 0, fake->total,
                     fake->shrinker.deferred);
        assert_int_equal(freed, v->total);
        assert_int_equal(fake->shrinker.freed, v->total);
    }
}

static void huge_caches(void **state)
{
    (void)state;
    reset();
    struct fake *fake = start(0, "huge", SIZE_MAX);
    fake->shrinker.batch = UINT32_MAX;
    fake->stop_after = 1;
    assert_true(reclaim_run(0) > 0);
    assert_int_equal(fake->asked[0], UINT32_MAX);
}

// ---- Who is asked -----------------------------------------------------------------------------

static void in_order(void **state)
{
    struct reclaim_stats stats;
    (void)state;
    reset();
    start(0, "first", 1000);
    struct fake *second = start(1, "second", 1000);
    start(2, "third", 1000);
    second->stop_after = 2;
    size_t freed = reclaim_run(0);
    assert_int_equal(freed, 1920 + 256 + 1920);
    assert_int_equal(order_count, 3);
    assert_string_equal(order[0], "first");
    assert_string_equal(order[1], "second");
    assert_string_equal(order[2], "third");
    assert_int_equal(second->calls, 2); // and no further one after SHRINK_STOP
    assert_int_equal(second->shrinker.deferred, 1999 - 256);
    reclaim_get_stats(&stats);
    assert_int_equal(stats.direct, 1);
    assert_int_equal(stats.background, 0);
    assert_int_equal(stats.freed, 1920 + 256 + 1920);
    assert_ptr_equal(shrinker_at(1), &second->shrinker);
    assert_null(shrinker_at(3));
    shrinker_unregister(&second->shrinker);
    order_count = 0;
    reclaim_run(12);
    assert_int_equal(order_count, 2);
    assert_string_equal(order[1], "third");
    assert_null(shrinker_at(2));
}

// ---- A cache of pages -------------------------------------------------------------------------

static void *cached; // pages, each holds the address of the next
static size_t cached_count;
static void *inner; // what a request from inside the shrinker got
static bool ask_inside;

static size_t pages_count(struct shrinker *shrinker)
{
    (void)shrinker;
    return cached_count;
}

static size_t pages_scan(struct shrinker *shrinker, size_t count)
{
    size_t freed = 0;
    (void)shrinker;
    if (ask_inside) {
        ask_inside = false;
        assert_true(reclaim_is_mine());
        size_t more = reclaim_run(0);
        assert_int_equal(more, 0);
        assert_int_equal(host_slept_ns, 0); // it does not wait for itself
        inner = page_alloc(3, GFP_KERNEL);
    }
    for (; freed < count && cached; freed++) {
        void *page = cached;
        cached = *(void **)page;
        cached_count--;
        page_free(page, 0);
    }
    return freed;
}

static struct shrinker pages_shrinker;

// All memory is in the cache, as far as GFP_KERNEL gets.
static void full_cache(void)
{
    reset();
    pages_shrinker =
        (struct shrinker){.name = "pages", .count = pages_count, .scan = pages_scan, .batch = 8};
    cached = inner = NULL;
    cached_count = 0;
    ask_inside = false;
    mm_ram_add(BASE, MIB(16));
    mm_ram_start();
    void **page;
    while ((page = page_alloc(0, GFP_NOWAIT))) {
        *page = cached;
        cached = page;
        cached_count++;
    }
    shrinker_register(&pages_shrinker);
}

static uint64_t direct_runs(void)
{
    struct reclaim_stats stats;
    reclaim_get_stats(&stats);
    return stats.direct;
}

static void requests_that_wait(void **state)
{
    (void)state;
    full_cache();
    size_t before = cached_count;
    assert_non_null(page_alloc(0, GFP_KERNEL));
    assert_true(cached_count < before);
    assert_true(before - cached_count < before / 4); // no more than needed
    assert_true(direct_runs() > 0);
    // A block needs neighbours: more pressure, until there are some.
    assert_non_null(page_alloc(6, GFP_KERNEL));
}

static void requests_that_do_not(void **state)
{
    (void)state;
    full_cache();
    size_t before = cached_count;
    assert_null(page_alloc(0, GFP_NOWAIT));
    assert_non_null(page_alloc(0, GFP_ATOMIC));
    assert_non_null(page_alloc(0, GFP_RESERVE));
    assert_int_equal(cached_count, before);
    this_cpu(cpu_context).preempt_count = PREEMPT_ONE; // GFP_KERNEL where it may not sleep
    assert_null(page_alloc(0, GFP_KERNEL));
    this_cpu(cpu_context).preempt_count = HARDIRQ_ONE;
    assert_null(page_alloc(0, GFP_KERNEL));
    this_cpu(cpu_context).preempt_count = 0;
    arch_irq_disable();
    assert_null(page_alloc(0, GFP_KERNEL));
    arch_irq_enable();
    assert_int_equal(cached_count, before);
    assert_int_equal(direct_runs(), 0);
}

static void no_recursion(void **state)
{
    (void)state;
    full_cache();
    ask_inside = true;
    assert_non_null(page_alloc(0, GFP_KERNEL));
    assert_false(ask_inside);
    assert_null(inner);
    assert_false(reclaim_is_mine());
}

// Nothing to be had: an answer, after all priorities.
static void in_vain(void **state)
{
    (void)state;
    full_cache();
    cached_count = 0;
    assert_null(page_alloc(0, GFP_KERNEL));
    assert_int_equal(direct_runs(), RECLAIM_PRIORITY_MAX + 1);
}

static void to_the_high_mark(void **state)
{
    struct zone_stats zone;
    (void)state;
    full_cache();
    page_get_zone_stats(0, &zone);
    assert_true(zone.free < zone.low);
    int err = reclaim_init();
    assert_int_equal(err, 0);
    assert_true(mm_ram_reclaim());
    page_get_zone_stats(0, &zone);
    assert_true(zone.free > zone.high);
    assert_true(cached_count > zone.managed / 2); // and not much further
    size_t before = cached_count;
    assert_true(mm_ram_reclaim()); // nothing to do
    assert_int_equal(cached_count, before);
    cached_count = 0;
    while (page_alloc(0, GFP_NOWAIT)) {
    }
    assert_false(mm_ram_reclaim());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(huge_caches),
        cmocka_unit_test(in_order),
        cmocka_unit_test(requests_that_wait),
        cmocka_unit_test(requests_that_do_not),
        cmocka_unit_test(no_recursion),
        cmocka_unit_test(in_vain),
        cmocka_unit_test(to_the_high_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
