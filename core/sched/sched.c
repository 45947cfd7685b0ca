// SPDX-License-Identifier: BSD-2-Clause
//
// Picking and switching. The run queue's lock is held across a switch and released by whoever
// comes out of it. A thread that is preempted stays runnable even if it had marked itself blocked;
// its wait loop then sees a spurious wake-up.

#include "core/sched/sched.h"

#include "core/debug/panic.h"
#include "core/irq/softirq.h"
#include "core/time/clock.h"

DEFINE_PERCPU(struct run_queue, run_queue);

static const struct sched_class *const classes[] = {&sched_class_rr, &sched_class_idle};

struct thread *thread_current(void) { return this_cpu(run_queue).current; }

static struct thread *pick_next(struct run_queue *rq)
{
    struct thread *next = NULL;
    for (size_t i = 0; !next && i < ARRAY_SIZE(classes); i++)
        next = classes[i]->pick(rq);
    return next; // the idle class always has one
}

static void account(struct thread *prev, struct thread *next)
{
    uint64_t now = clock_monotonic_ns();
    prev->runtime_ns += now - prev->started_ns;
    next->started_ns = now;
    next->switches++;
}

// Interrupts off. `preempted`: the thread did not ask for it.
static void switch_threads(bool preempted)
{
    struct run_queue *rq = this_cpu_ptr(run_queue);
    spin_lock_raw(&rq->lock);
    struct thread *prev = rq->current;
    if (prev->state == THREAD_RUNNING || preempted) {
        prev->state = THREAD_READY;
        prev->class->enqueue(rq, prev, false);
    }
    struct thread *next = pick_next(rq);
    this_cpu(cpu_context).need_resched = false;
    next->state = THREAD_RUNNING;
    if (next != prev) {
        account(prev, next);
        rq->current = next;
        platform_thread_switch(&prev->context, &next->context);
        rq = this_cpu_ptr(run_queue); // another CPU's, one day
    }
    spin_unlock_raw(&rq->lock);
}

void sched_first_switch(void)
{
    spin_unlock_raw(&this_cpu_ptr(run_queue)->lock);
    arch_irq_enable();
}

void schedule(void)
{
    debug_assert(this_cpu(cpu_context).preempt_count == 0);
    irq_flags_t flags = arch_irq_save();
    switch_threads(false);
    arch_irq_restore(flags);
}

void preempt_check(void)
{
    while (this_cpu(cpu_context).need_resched && preemptible()) {
        arch_irq_disable();
        switch_threads(true);
        arch_irq_enable();
    }
}

void preempt_interrupted(void) { switch_threads(true); }

void sched_mark_blocked(struct thread *self)
{
    struct run_queue *rq = this_cpu_ptr(run_queue);
    spin_lock_raw(&rq->lock);
    self->state = THREAD_BLOCKED;
    spin_unlock_raw(&rq->lock);
}

void sched_unmark_blocked(struct thread *self)
{
    struct run_queue *rq = this_cpu_ptr(run_queue);
    spin_lock_raw(&rq->lock);
    self->state = THREAD_RUNNING;
    spin_unlock_raw(&rq->lock);
}

bool thread_wake(struct thread *thread)
{
    struct run_queue *rq = this_cpu_ptr(run_queue);
    irq_flags_t flags = spin_lock_irqsave(&rq->lock);
    bool blocked = thread->state == THREAD_BLOCKED;
    if (blocked && thread == rq->current) {
        thread->state = THREAD_RUNNING; // on its way to schedule()
    } else if (blocked) {
        thread->state = THREAD_READY;
        thread->class->enqueue(rq, thread, true);
        if (thread->class->preempts(rq, thread))
            this_cpu(cpu_context).need_resched = true;
    }
    spin_unlock_irqrestore(&rq->lock, flags);
    return blocked;
}

void sched_idle_loop(void)
{
    for (;;) {
        arch_irq_disable();
        struct cpu_context *ctx = this_cpu_ptr(cpu_context);
        if (!ctx->need_resched && !ctx->softirq_pending)
            platform_cpu_idle();
        arch_irq_enable(); // the interrupt is taken here; its exit switches if a thread woke
        if (unlikely(ctx->softirq_pending)) { // raised where no interrupt exit follows
            softirq_disable();
            softirq_enable();
        }
        if (ctx->need_resched)
            preempt_check();
    }
}
