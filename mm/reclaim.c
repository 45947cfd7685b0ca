// SPDX-License-Identifier: BSD-2-Clause
//
// Reclaim: how much each shrinker is asked for, the thread that asks before memory is short, and
// the guard against asking from inside a shrinker. One thread at a time asks; others that come
// meanwhile wait until it is done and look for memory again.

#include "mm/reclaim.h"

#include "core/debug/panic.h"
#include "core/sched/thread.h"
#include "core/sync/mutex.h"
#include "mm/page_alloc.h"
#include "mm/zone.h"

#define ELIGIBLE (1 << RECLAIM_PRIORITY_MAX) // of so many pages, ELIGIBLE >> priority are looked at
#define FREEABLE_MAX (1ULL << 40)            // keeps the arithmetic inside 64 bits
#define FRUITLESS_WAIT_NS 100000000          // nothing to be had: not at once again
#define BACKGROUND_RUNS_MAX 64

static struct mutex reclaim_mutex = MUTEX_INIT(reclaim_mutex); // who asks
static struct spinlock list_lock;                              // protects the list
static struct list shrinkers = LIST_INIT(shrinkers);

static struct wait_queue thread_queue = WAIT_QUEUE_INIT(thread_queue);
static struct thread *thread;
static atomic_bool wanted; // the thread has work

static _Atomic uint64_t background_runs, direct_runs, freed_total;

// ---- The list --------------------------------------------------------------------------------

void shrinker_register(struct shrinker *shrinker)
{
    if (!shrinker->seeks)
        shrinker->seeks = SHRINKER_SEEKS;
    if (!shrinker->batch)
        shrinker->batch = SHRINKER_BATCH;
    spin_lock(&list_lock);
    list_add_tail(&shrinkers, &shrinker->link);
    spin_unlock(&list_lock);
}

void shrinker_unregister(struct shrinker *shrinker)
{
    mutex_lock(&reclaim_mutex); // nobody is inside it any more
    spin_lock(&list_lock);
    list_del(&shrinker->link);
    spin_unlock(&list_lock);
    mutex_unlock(&reclaim_mutex);
}

// The one after `shrinker` (NULL: the first), NULL at the end. What comes stays: it cannot be
// unregistered while the caller has the mutex.
static struct shrinker *next_shrinker(struct shrinker *shrinker)
{
    spin_lock(&list_lock);
    struct list *next = shrinker ? shrinker->link.next : shrinkers.next;
    spin_unlock(&list_lock);
    return next == &shrinkers ? NULL : list_entry(next, struct shrinker, link);
}

const struct shrinker *shrinker_at(unsigned index)
{
    struct shrinker *shrinker, *found = NULL;
    spin_lock(&list_lock);
    list_for_each (shrinker, &shrinkers, link) {
        if (index-- == 0) {
            found = shrinker;
            break;
        }
    }
    spin_unlock(&list_lock);
    return found;
}

// ---- How much, and from whom -----------------------------------------------------------------

// Objects to ask for: what was left over the last time, and as much of what there is as the pages
// looked at are of all pages, times 4 / seeks. Little pressure must not empty a cache only because
// much was left over; and no more than twice of what there is.
static int64_t shrink_target(int64_t freeable, size_t deferred, unsigned seeks, unsigned priority)
{
    uint64_t scanned = ELIGIBLE >> priority;
    int64_t delta = (int64_t)(4 * scanned / seeks * (uint64_t)freeable / (ELIGIBLE + 1));
    int64_t total = (int64_t)(deferred + (uint64_t)delta);
    if (total < 0)
        total = freeable;
    if (delta < freeable / 4)
        total = MIN(total, freeable / 2);
    return MIN(total, 2 * freeable);
}

static size_t run_shrinker(struct shrinker *shrinker, unsigned priority)
{
    size_t objects = shrinker->count(shrinker), freed = 0;
    int64_t freeable = (int64_t)MIN(objects, FREEABLE_MAX);
    if (!freeable)
        return 0;
    size_t deferred = atomic_exchange_explicit(&shrinker->deferred, 0, memory_order_relaxed);
    int64_t total = shrink_target(freeable, deferred, shrinker->seeks, priority);
    while (total >= shrinker->batch || total >= freeable) {
        size_t count = MIN((size_t)total, shrinker->batch);
        size_t got = shrinker->scan(shrinker, count);
        if (got == SHRINK_STOP)
            break;
        freed += got;
        total -= (int64_t)count;
    }
    atomic_fetch_add_explicit(&shrinker->deferred, (size_t)total, memory_order_relaxed);
    atomic_fetch_add_explicit(&shrinker->freed, freed, memory_order_relaxed);
    return freed;
}

bool reclaim_is_mine(void) { return mutex_is_mine(&reclaim_mutex); }

size_t reclaim_run(unsigned priority)
{
    if (reclaim_is_mine())
        return 0;
    if (mutex_trylock(&reclaim_mutex)) {
        mutex_lock(&reclaim_mutex); // what the other's run brings is there when it is over
        mutex_unlock(&reclaim_mutex);
        return 0;
    }
    bool background = thread && thread == thread_current();
    atomic_fetch_add_explicit(background ? &background_runs : &direct_runs, 1,
                              memory_order_relaxed);
    size_t freed = 0;
    for (struct shrinker *s = next_shrinker(NULL); s; s = next_shrinker(s))
        freed += run_shrinker(s, MIN(priority, RECLAIM_PRIORITY_MAX));
    atomic_fetch_add_explicit(&freed_total, freed, memory_order_relaxed);
    mutex_unlock(&reclaim_mutex);
    return freed;
}

void reclaim_get_stats(struct reclaim_stats *stats)
{
    stats->background = atomic_load_explicit(&background_runs, memory_order_relaxed);
    stats->direct = atomic_load_explicit(&direct_runs, memory_order_relaxed);
    stats->freed = atomic_load_explicit(&freed_total, memory_order_relaxed);
}

// ---- The thread ------------------------------------------------------------------------------

// From the low watermark, where it was woken, to the high one, with more pressure each time that
// a run brings nothing. False: there was nothing to be had.
static bool reclaim_to_high(void)
{
    unsigned priority = RECLAIM_PRIORITY_MAX;
    for (unsigned run = 0; run < BACKGROUND_RUNS_MAX && !zones_above(WMARK_HIGH); run++) {
        size_t freed = reclaim_run(priority);
        page_drain();
        if (!freed && priority-- == 0)
            return false;
    }
    return true;
}

static int reclaim_thread(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&thread_queue, atomic_load_explicit(&wanted, memory_order_relaxed));
        // Meanwhile further wake-ups cost those who are short of memory nothing.
        if (!reclaim_to_high())
            thread_sleep_ns(FRUITLESS_WAIT_NS);
        atomic_store_explicit(&wanted, false, memory_order_relaxed);
    }
    return 0;
}

void reclaim_wake(void)
{
    if (!thread || atomic_exchange_explicit(&wanted, true, memory_order_relaxed))
        return;
    wake_one(&thread_queue);
}

int reclaim_init(void)
{
    return thread_create(&thread, reclaim_thread, NULL,
                         &(struct thread_options){.name = "reclaim", .detached = true});
}
