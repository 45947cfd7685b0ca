// SPDX-License-Identifier: BSD-2-Clause
//
// Debug builds: who asks for memory that he may have to wait for, where nobody may wait. Such a
// request goes well until memory is short for the first time, so it is reported whenever it is
// made, once for each place in the code.

#include "mm/gfp.h"

#include <stdatomic.h>

#include "core/debug/log.h"
#include "core/debug/symbols.h"
#include "core/sched/preempt.h"
#include "core/sched/sched.h"

#define SITES_MAX 64 // further ones are not reported

static _Atomic uintptr_t sites[SITES_MAX]; // filled from the start

// The boot code, which becomes the idle thread, runs with interrupts off and never reclaims.
static bool may_wait_here(void)
{
    struct run_queue *rq = this_cpu_ptr(run_queue);
    return preemptible() || (!in_interrupt() && rq->current == rq->idle);
}

// True the first time.
static bool remember(uintptr_t site)
{
    for (unsigned i = 0; i < SITES_MAX; i++) {
        uintptr_t known = 0;
        if (atomic_compare_exchange_strong_explicit(&sites[i], &known, site, memory_order_relaxed,
                                                    memory_order_relaxed))
            return true;
        if (known == site)
            return false;
    }
    return false;
}

void gfp_check_context(const void *site)
{
    if (may_wait_here() || !remember((uintptr_t)site))
        return;
    size_t offset = 0;
    const char *name = symbol_lookup((uintptr_t)site, &offset);
    log_err("mm: GFP_KERNEL where nobody may sleep: %s+0x%zx (%p), preempt count 0x%x",
            name ? name : "?", offset, site, this_cpu(cpu_context).preempt_count);
}
