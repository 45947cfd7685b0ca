// SPDX-License-Identifier: BSD-2-Clause
//
// The execution context of this CPU: one per-CPU word counts why the running code must not be
// preempted. Preemption happens when the count falls to zero with a switch due, and on return
// from an interrupt.

#pragma once

#include <stdatomic.h>

#include "mm/percpu.h"

#define PREEMPT_ONE 1u // nested preempt_disable()
#define PREEMPT_MASK 0xffu
#define SOFTIRQ_ONE 0x100u // softirq running, or nested softirq_disable()
#define SOFTIRQ_MASK 0xff00u
#define HARDIRQ_ONE 0x10000u // nested interrupt
#define HARDIRQ_MASK 0xff0000u

struct cpu_context {
    uint32_t preempt_count;
    bool need_resched;        // a switch is due
    uint32_t softirq_pending; // bit per softirq, set with interrupts off
};
DECLARE_PERCPU(struct cpu_context, cpu_context);

static inline void preempt_disable(void)
{
    this_cpu(cpu_context).preempt_count += PREEMPT_ONE;
    atomic_signal_fence(memory_order_seq_cst);
}

void preempt_check(void); // slow path: switches when the count is 0 and interrupts are on

static inline void preempt_enable(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    struct cpu_context *ctx = this_cpu_ptr(cpu_context);
    ctx->preempt_count -= PREEMPT_ONE;
    atomic_signal_fence(memory_order_seq_cst); // the flag is read after the count fell
    if (unlikely(ctx->need_resched))
        preempt_check();
}

static inline bool in_interrupt(void)
{
    return this_cpu(cpu_context).preempt_count & (SOFTIRQ_MASK | HARDIRQ_MASK);
}
static inline bool preemptible(void)
{
    return this_cpu(cpu_context).preempt_count == 0 && arch_irqs_enabled();
}

// Keeps softirqs off this CPU; enabling runs what became pending. Nests.
static inline void softirq_disable(void)
{
    this_cpu(cpu_context).preempt_count += SOFTIRQ_ONE;
    atomic_signal_fence(memory_order_seq_cst);
}
void softirq_enable(void); // core/irq/softirq.c
