// SPDX-License-Identifier: BSD-2-Clause
//
// Giving memory back. Whoever keeps memory that he could do without registers a shrinker. When a
// zone falls below its low watermark, a thread asks the shrinkers until all are above the high
// one; a GFP_KERNEL request that finds less than the min watermark asks them itself. How much each
// is asked for follows reference rules: 4 * scanned / seeks of what it has, batch by batch.

#pragma once

#include <stdatomic.h>

#include "core/lib/list.h"

#define SHRINKER_SEEKS 2   // default: cost of making an object anew; larger: fewer are asked for
#define SHRINKER_BATCH 128 // default: objects a call of scan()
#define SHRINK_STOP SIZE_MAX
#define RECLAIM_PRIORITY_MAX 12 // the least pressure

struct shrinker {
    const char *name;
    // Both: thread context; no GFP_KERNEL, and no lock that anybody holds while asking with it.
    // How many objects could go.
    size_t (*count)(struct shrinker *shrinker);
    // Frees up to `count` objects, returns how many it freed, or SHRINK_STOP: no use to go on now.
    size_t (*scan)(struct shrinker *shrinker, size_t count);
    unsigned seeks, batch;   // 0: the defaults
    _Atomic size_t deferred; // asked for, not yet done; of reclaim.c
    _Atomic uint64_t freed;  // objects so far
    struct list link;        // of reclaim.c
};

// The shrinker must stay until it is unregistered. Thread context or boot.
void shrinker_register(struct shrinker *shrinker);
void shrinker_unregister(struct shrinker *shrinker);

// Asks all shrinkers once, with pressure `priority` (12: a 4096th of what they have, 0: all of
// it). Returns the number of objects freed. Thread context, no spinlock held; a call from inside a
// shrinker returns 0.
size_t reclaim_run(unsigned priority);
bool reclaim_is_mine(void); // the caller runs inside a shrinker
// Wakes the thread that reclaims; any context. Before reclaim_init nothing happens.
void reclaim_wake(void);
int reclaim_init(void); // starts the thread; after sched_start

struct reclaim_stats {
    uint64_t background, direct; // runs of the thread, and of those who asked for memory
    uint64_t freed;              // objects
};
void reclaim_get_stats(struct reclaim_stats *stats);
const struct shrinker *shrinker_at(unsigned index); // NULL past the last one; for display
