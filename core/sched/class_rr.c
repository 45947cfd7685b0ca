// SPDX-License-Identifier: BSD-2-Clause
//
// The round-robin class: one queue in arrival order and a time slice, and the idle class below it.
// The slice timer only runs while somebody waits, so a lone thread is never disturbed.

#include "core/sched/sched.h"
#include "core/time/clock.h"
#include "core/time/timer.h"

#define SLICE_NS (10 * NSEC_PER_MSEC)

static DEFINE_PERCPU(struct timer, slice_timer);

static void slice_over(struct timer *timer)
{
    (void)timer;
    if (this_cpu(run_queue).ready_count)
        this_cpu(cpu_context).need_resched = true;
}

static void start_slice(void)
{
    struct timer *timer = this_cpu_ptr(slice_timer);
    if (timer->armed)
        return;
    timer_setup(timer, slice_over);
    timer_start_in(timer, SLICE_NS);
}

static void rr_enqueue(struct run_queue *rq, struct thread *thread, bool woken)
{
    (void)woken;
    list_add_tail(&rq->ready, &thread->run_link);
    rq->ready_count++;
    if (rq->current != rq->idle)
        start_slice();
}

static void rr_dequeue(struct run_queue *rq, struct thread *thread)
{
    list_del(&thread->run_link);
    rq->ready_count--;
}

static struct thread *rr_pick(struct run_queue *rq)
{
    if (!rq->ready_count)
        return NULL;
    struct thread *thread = list_first(&rq->ready, struct thread, run_link);
    rr_dequeue(rq, thread);
    if (rq->ready_count)
        start_slice();
    return thread;
}

// Within the class everybody waits for the slice to end.
static bool rr_preempts(struct run_queue *rq, struct thread *woken)
{
    (void)woken;
    return rq->current->class != &sched_class_rr;
}

const struct sched_class sched_class_rr = {
    .name = "rr",
    .enqueue = rr_enqueue,
    .dequeue = rr_dequeue,
    .pick = rr_pick,
    .preempts = rr_preempts,
};

static void idle_enqueue(struct run_queue *rq, struct thread *thread, bool woken)
{
    (void)rq, (void)thread, (void)woken; // always there, never queued
}

static void idle_dequeue(struct run_queue *rq, struct thread *thread) { (void)rq, (void)thread; }

static struct thread *idle_pick(struct run_queue *rq) { return rq->idle; }

static bool idle_preempts(struct run_queue *rq, struct thread *woken)
{
    (void)rq, (void)woken;
    return false;
}

const struct sched_class sched_class_idle = {
    .name = "idle",
    .enqueue = idle_enqueue,
    .dequeue = idle_dequeue,
    .pick = idle_pick,
    .preempts = idle_preempts,
};
