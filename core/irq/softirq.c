// SPDX-License-Identifier: BSD-2-Clause
//
// Softirqs. softirq_run() makes a few rounds over the pending bits; what is still pending then is
// left to the ksoftirqd thread, so that interrupts that never end cannot starve threads.

#include "core/irq/softirq.h"

#include "core/sched/thread.h"
#include "core/sync/wait.h"

#define ROUNDS_MAX 8

DEFINE_PERCPU(struct cpu_context, cpu_context);

static void (*handlers[SOFTIRQ_COUNT])(void);
static struct wait_queue ksoftirqd_queue = WAIT_QUEUE_INIT(ksoftirqd_queue);
static bool ksoftirqd_due; // set with interrupts off, cleared by the thread

void softirq_register(enum softirq nr, void (*handler)(void)) { handlers[nr] = handler; }

void softirq_raise(enum softirq nr)
{
    irq_flags_t flags = arch_irq_save();
    struct cpu_context *ctx = this_cpu_ptr(cpu_context);
    ctx->softirq_pending |= 1u << nr;
    bool thread_context = !(ctx->preempt_count & (SOFTIRQ_MASK | HARDIRQ_MASK));
    arch_irq_restore(flags);
    // From a thread nothing would come by soon to run it.
    if (thread_context) {
        softirq_disable();
        softirq_enable();
    }
}

// One round: all that was pending when it began. Interrupts off outside the handlers.
static void run_round(struct cpu_context *ctx)
{
    uint32_t pending = ctx->softirq_pending;
    ctx->softirq_pending = 0;
    arch_irq_enable();
    for (unsigned nr = 0; pending; nr++, pending >>= 1) { // few bits: counting beats searching
        if (pending & 1)
            handlers[nr]();
    }
    arch_irq_disable();
}

// Interrupts off, no softirq running on this CPU.
void softirq_run(void)
{
    struct cpu_context *ctx = this_cpu_ptr(cpu_context);
    ctx->preempt_count += SOFTIRQ_ONE;
    for (int round = 0; ctx->softirq_pending && round < ROUNDS_MAX; round++)
        run_round(ctx);
    ctx->preempt_count -= SOFTIRQ_ONE;
    if (unlikely(ctx->softirq_pending)) {
        ksoftirqd_due = true;
        wake_all(&ksoftirqd_queue);
    }
}

void softirq_enable(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    struct cpu_context *ctx = this_cpu_ptr(cpu_context);
    // One step from "softirqs off" to "preemption off": an interrupt from here on runs what it
    // raises, and what was raised before is seen by the load that follows. No gap in between.
    ctx->preempt_count -= SOFTIRQ_ONE - PREEMPT_ONE;
    atomic_signal_fence(memory_order_seq_cst);
    if (ctx->softirq_pending && !in_interrupt() && arch_irqs_enabled()) {
        arch_irq_disable();
        if (ctx->softirq_pending)
            softirq_run();
        arch_irq_enable();
    }
    preempt_enable();
}

// Runs the rest at thread priority: others get their turn between two rounds.
static int ksoftirqd(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&ksoftirqd_queue, ksoftirqd_due);
        ksoftirqd_due = false;
        softirq_disable();
        softirq_enable();
        thread_yield();
    }
    return 0;
}

int softirq_init(void)
{
    struct thread *thread;
    return thread_create(&thread, ksoftirqd, NULL,
                         &(struct thread_options){.name = "ksoftirqd", .detached = true});
}
