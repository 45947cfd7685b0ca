// SPDX-License-Identifier: BSD-2-Clause
//
// Memory that runs out: who gets how much down to the last page (mm/page_alloc.h), that interrupts
// and threads go on meanwhile, that shrinkers are asked and the thread that reclaims brings free
// memory back to the high watermark, and that all of it comes back.

#include <string.h>

#include "core/sched/thread.h"
#include "core/sync/spinlock.h"
#include "core/time/clock.h"
#include "core/time/timer.h"
#include "mm/page_alloc.h"
#include "mm/reclaim.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "tests/guest/guest.h"

// ---- Memory held -----------------------------------------------------------------------------

// Blocks in a chain that lies in the blocks themselves.
struct block {
    struct block *next;
    uint64_t order;
};

// Takes blocks of `order` until there are none, at most `limit`; how many it got.
static uint64_t take(struct block **held, unsigned order, unsigned gfp, uint64_t limit)
{
    uint64_t count = 0;
    for (struct block *block; count < limit && (block = page_alloc(order, gfp)); count++) {
        memset((char *)block + (PAGE_SIZE << order) - 64, 0xa5, 64);
        *block = (struct block){*held, order};
        *held = block;
    }
    return count;
}

// Everything that the flags give, large blocks first.
static void take_all(struct block **held, unsigned gfp)
{
    for (unsigned order = PAGE_MAX_ORDER + 1; order-- > 0;)
        take(held, order, gfp, UINT64_MAX);
}

static void give(struct block **held)
{
    for (struct block *block; (block = *held);) {
        *held = block->next;
        page_free(block, (unsigned)block->order);
    }
}

static uint64_t free_pages(void)
{
    struct zone_stats zone;
    uint64_t pages = 0;
    for (unsigned i = 0; page_get_zone_stats(i, &zone); i++)
        pages += zone.free + zone.per_cpu;
    return pages;
}

// Whether each zone with memory has at most (or, `above`, more than) `eighths` of a watermark.
static bool zones_hold(bool above, bool high, unsigned eighths)
{
    struct zone_stats zone;
    for (unsigned i = 0; page_get_zone_stats(i, &zone); i++) {
        uint64_t mark = (high ? zone.high : zone.min) * eighths / 8;
        if (zone.managed && above != (zone.free > mark))
            return false;
    }
    return true;
}

static void settle(void)
{
    vmalloc_purge();
    slab_drain();
    page_drain();
}

// ---- Who gets how much -----------------------------------------------------------------------

#define TICK_NS NSEC_PER_MSEC
static volatile uint32_t ticks, ticks_with_memory;
static struct timer tick_timer;

// Softirq context: a page, if it can be had, and back.
static void tick(struct timer *timer)
{
    void *page = page_alloc(0, GFP_ATOMIC);
    ticks_with_memory += page != NULL;
    if (page)
        page_free(page, 0);
    ticks++;
    timer_start_in(timer, TICK_NS);
}

// Whether the timer comes and a thread that sleeps wakes up.
static bool time_goes_on(void)
{
    uint32_t before = ticks;
    for (unsigned i = 0; i < 1000 && ticks - before < 3; i++)
        thread_sleep_ns(TICK_NS);
    return ticks - before >= 3;
}

// Whether there is nothing more to be had. The page that the timer had and gave back lies on this
// CPU's list, past the watermarks: it may come in between, but not again and again.
static bool used_up(struct block **held, unsigned gfp) { return take(held, 0, gfp, 8) < 8; }

static bool steps_to_nothing(struct block **held)
{
    take_all(held, GFP_KERNEL);
    take_all(held, GFP_KERNEL | GFP_DMA32);
    CHECK(used_up(held, GFP_NOWAIT) && used_up(held, GFP_KERNEL));
    CHECK(!vmalloc(64 * PAGE_SIZE, GFP_KERNEL));
    CHECK(zones_hold(false, false, 8) && zones_hold(true, false, 3));
    uint32_t with_memory = ticks_with_memory;
    CHECK(time_goes_on() && ticks_with_memory > with_memory);

    CHECK(take(held, 0, GFP_ATOMIC | GFP_DMA32, UINT64_MAX) > 0);
    take_all(held, GFP_ATOMIC);
    CHECK(used_up(held, GFP_ATOMIC) && zones_hold(false, false, 4) && free_pages() > 0);

    CHECK(take(held, 0, GFP_RESERVE, UINT64_MAX) > 0);
    CHECK(free_pages() == 0 && !page_alloc(0, GFP_RESERVE));
    with_memory = ticks_with_memory;
    CHECK(time_goes_on() && ticks_with_memory == with_memory);
    return true;
}

// Twice: the first time, descriptors and page tables of RAM never used before are made, and stay.
static bool exhaustion(void)
{
    struct block *held = NULL;
    struct page_stats before, between, after;
    settle();
    page_get_stats(&before);
    timer_setup(&tick_timer, tick);
    timer_start_in(&tick_timer, TICK_NS);
    bool ok = steps_to_nothing(&held);
    give(&held);
    settle();
    page_get_stats(&between);
    ok = ok && steps_to_nothing(&held);
    give(&held);
    settle();
    timer_cancel(&tick_timer);
    page_get_stats(&after);
    CHECK(ok);
    CHECK(before.free_bytes - between.free_bytes < before.total_bytes / 80);
    CHECK(after.free_bytes == between.free_bytes);
    // Merged again: with 16 MiB every largest block holds something that stays.
    void *again = page_alloc(7, GFP_KERNEL);
    CHECK(again);
    page_free(again, 7);
    return true;
}

// ---- Giving back -----------------------------------------------------------------------------

// A cache as they come: pages that it could do without.
static struct spinlock cache_lock;
static struct block *cached;
static size_t cached_count;
static volatile unsigned scans;

static size_t cache_count(struct shrinker *shrinker)
{
    (void)shrinker;
    return cached_count;
}

static size_t cache_scan(struct shrinker *shrinker, size_t count)
{
    (void)shrinker;
    size_t done = 0;
    scans++;
    for (; done < count; done++) {
        spin_lock(&cache_lock);
        struct block *block = cached;
        cached = block ? block->next : NULL;
        cached_count -= block != NULL;
        spin_unlock(&cache_lock);
        if (!block)
            break;
        page_free(block, 0);
    }
    return done;
}

static struct shrinker cache_shrinker = {
    .name = "guest-test", .count = cache_count, .scan = cache_scan};

// Enough to bring every zone from its low watermark over the high one, and half of it again.
static bool fill_cache(void)
{
    struct zone_stats zone;
    cached = NULL;
    cached_count = 0;
    scans = 0;
    for (unsigned i = 0; page_get_zone_stats(i, &zone); i++) {
        uint64_t wanted = (zone.high - zone.min) * 2 + 64;
        if (!zone.managed)
            continue;
        uint64_t got = take(&cached, 0, i == 0 ? GFP_KERNEL | GFP_DMA32 : GFP_KERNEL, wanted);
        cached_count += got;
        if (got < wanted)
            return false;
    }
    shrinker_register(&cache_shrinker);
    return true;
}

static void empty_cache(void)
{
    shrinker_unregister(&cache_shrinker);
    give(&cached);
    cached_count = 0;
}

// Who may sleep gets what caches hold; who may not does not.
static bool shrinkers_are_asked(void)
{
    struct block *held = NULL;
    CHECK(fill_cache());
    size_t before = cached_count;
    take_all(&held, GFP_KERNEL);
    take_all(&held, GFP_KERNEL | GFP_DMA32);
    size_t left = cached_count;
    unsigned asked = scans;
    give(&held);
    empty_cache();
    CHECK(before > 0 && left == 0 && asked > 0);
    return true;
}

// Requests that wait for nothing take all down to the min watermark; the thread brings it back.
static bool thread_reclaims(void)
{
    struct block *held = NULL;
    CHECK(fill_cache());
    softirq_disable(); // this thread goes on, so that nothing is given back meanwhile
    for (unsigned order = PAGE_MAX_ORDER + 1; order-- > 0;) {
        take(&held, order, GFP_NOWAIT, UINT64_MAX);
        take(&held, order, GFP_NOWAIT | GFP_DMA32, UINT64_MAX);
    }
    bool low = zones_hold(false, false, 8);
    softirq_enable();
    bool high = false;
    for (unsigned i = 0; i < 3000 && !(high = zones_hold(true, true, 8)); i++) {
        // If it was at rest after a fruitless search just now, it wants to be told again.
        void *pair = page_alloc(1, GFP_NOWAIT);
        if (pair)
            page_free(pair, 1);
        thread_sleep_ns(NSEC_PER_MSEC);
    }
    unsigned asked = scans;
    give(&held);
    empty_cache();
    CHECK(low && high && asked > 0);
    return true;
}

const struct guest_test full_tests[] = {
    {"exhaustion and return", exhaustion},
    {"shrinkers are asked", shrinkers_are_asked},
    {"thread reclaims up to high", thread_reclaims},
    {NULL, NULL},
};
