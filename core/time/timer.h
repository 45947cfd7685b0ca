// SPDX-License-Identifier: BSD-2-Clause
//
// One-shot timers per CPU in expiry order (red-black tree), tickless: the hardware is armed for
// the earliest only. Callbacks run in softirq context on the CPU that armed them, with no lock
// held, and may re-arm or free their timer. Timers of equal expiry fire in the order in which they
// were armed. Two CPUs must not start one timer at the same time.

#pragma once

#include "core/lib/rbtree.h"
#include "core/lib/types.h"

struct timer {
    struct rb_node node;
    uint64_t expires_ns;
    void (*callback)(struct timer *timer);
    bool armed;
    uint16_t cpu; // whose tree it is in, or was in last
};

void timer_setup(struct timer *timer, void (*callback)(struct timer *timer));
// (Re-)arms for a monotonic time. Any context.
void timer_start(struct timer *timer, uint64_t expires_ns);
void timer_start_in(struct timer *timer, uint64_t ns);
// True if it was armed and now will not fire. The callback may still be running elsewhere.
bool timer_cancel(struct timer *timer);
int timer_init(void); // from time_init
