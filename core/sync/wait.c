// SPDX-License-Identifier: BSD-2-Clause
//
// Wait queues over the scheduler's block and wake. A waiter marks itself blocked before its last
// look at the condition; a wake-up that comes in between makes it runnable again, so the sleep
// that follows returns at once.

#include "core/sync/wait.h"

#include "core/sched/sched.h"
#include "core/time/clock.h"
#include "core/time/timer.h"

void wait_queue_init(struct wait_queue *queue)
{
    spin_init(&queue->lock);
    list_init(&queue->waiters);
}

void wait_prepare(struct wait_queue *queue, struct waiter *waiter)
{
    irq_flags_t flags = spin_lock_irqsave(&queue->lock);
    struct thread *self = thread_current();
    if (!waiter->thread) {
        waiter->thread = self;
        list_add_tail(&queue->waiters, &waiter->link);
    }
    sched_mark_blocked(self);
    spin_unlock_irqrestore(&queue->lock, flags);
}

void wait_finish(struct wait_queue *queue, struct waiter *waiter)
{
    irq_flags_t flags = spin_lock_irqsave(&queue->lock);
    sched_unmark_blocked(waiter->thread);
    list_del(&waiter->link);
    spin_unlock_irqrestore(&queue->lock, flags);
}

struct sleep_timer {
    struct timer timer;
    struct thread *thread;
    _Atomic bool expired;
};

static void sleep_expired(struct timer *timer)
{
    struct sleep_timer *sleep = container_of(timer, struct sleep_timer, timer);
    struct thread *thread = sleep->thread; // read first: the frame goes once `expired` is seen
    atomic_store_explicit(&sleep->expired, true, memory_order_release);
    thread_wake(thread);
}

int wait_sleep(uint64_t deadline_ns)
{
    if (!deadline_ns) {
        schedule();
        return 0;
    }
    struct sleep_timer sleep = {.thread = thread_current()};
    timer_setup(&sleep.timer, sleep_expired);
    timer_start(&sleep.timer, deadline_ns);
    schedule();
    timer_cancel(&sleep.timer);
    return atomic_load_explicit(&sleep.expired, memory_order_acquire) ? -ETIMEDOUT : 0;
}

// Waiters leave the queue by themselves (wait_finish); waking twice is harmless.
static void wake_some(struct wait_queue *queue, bool all)
{
    struct waiter *waiter;
    irq_flags_t flags = spin_lock_irqsave(&queue->lock);
    list_for_each (waiter, &queue->waiters, link) {
        bool was_asleep = thread_wake(waiter->thread);
        if (was_asleep && !all)
            break;
    }
    spin_unlock_irqrestore(&queue->lock, flags);
}

void wake_one(struct wait_queue *queue) { wake_some(queue, false); }
void wake_all(struct wait_queue *queue) { wake_some(queue, true); }
