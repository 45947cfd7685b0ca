// SPDX-License-Identifier: BSD-2-Clause
//
// Softirqs: work that an interrupt handler puts off until interrupts are on again. Run on the
// interrupt stack at the outermost interrupt exit, or on the thread's own when softirq_enable()
// ends an exclusion.
// One softirq never nests into another on the same CPU. A handler that always finds more work
// does not starve threads: after a budget of rounds the rest runs from the ksoftirqd thread.

#pragma once

#include "core/sched/preempt.h"

enum softirq {
    SOFTIRQ_TIMER, // expired timers
    SOFTIRQ_NET,   // the fast path on shared CPUs
    SOFTIRQ_COUNT,
};

// Once per softirq, at start-up. The handler runs in softirq context.
void softirq_register(enum softirq nr, void (*handler)(void));
// Any context, this CPU.
void softirq_raise(enum softirq nr);
// The same from an interrupt handler, whose exit runs it.
static inline void softirq_raise_in_interrupt(enum softirq nr)
{
    this_cpu(cpu_context).softirq_pending |= 1u << nr;
}
// Runs what is pending; from irq_dispatch() and softirq_enable() only.
void softirq_run(void);
int softirq_init(void); // starts ksoftirqd; after sched_init
