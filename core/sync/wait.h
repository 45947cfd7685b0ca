// SPDX-License-Identifier: BSD-2-Clause
//
// Wait queues: threads sleep until a condition holds; whoever makes it true wakes them.
//
//     sleeper:  err = wait_event(&queue, condition);      waker:  condition = true;
//     wake_all(&queue);
//
// wait_event re-checks after it has queued itself, so a wake-up between check and sleep is not
// lost. Sleep in thread context only; wake from any context.

#pragma once

#include "core/lib/list.h"
#include "core/sched/thread.h"
#include "core/sync/spinlock.h"

struct wait_queue {
    struct spinlock lock; // protects waiters
    struct list waiters;
};

struct waiter {
    struct list link;
    struct thread *thread; // NULL until it is queued
};

#define WAIT_QUEUE_INIT(name) {SPINLOCK_INIT, LIST_INIT((name).waiters)}

void wait_queue_init(struct wait_queue *queue);
void wait_prepare(struct wait_queue *queue, struct waiter *waiter); // queues and marks blocked
void wait_finish(struct wait_queue *queue, struct waiter *waiter);  // runnable and off the queue
// Sleeps until woken or the monotonic deadline (0: none). -ETIMEDOUT.
int wait_sleep(uint64_t deadline_ns);
void wake_one(struct wait_queue *queue);
void wake_all(struct wait_queue *queue);

// Arguments but `condition` are evaluated once. The condition may itself sleep on another queue.
#define wait_event_deadline(queue, condition, deadline_ns) \
    ({                                                     \
        struct wait_queue *queue_ = (queue);               \
        const uint64_t deadline_ = (deadline_ns);          \
        struct waiter waiter_ = {.thread = NULL};          \
        int err_ = 0;                                      \
        for (;;) {                                         \
            wait_prepare(queue_, &waiter_);                \
            if (condition) {                               \
                err_ = 0;                                  \
                break;                                     \
            }                                              \
            if (err_)                                      \
                break;                                     \
            err_ = wait_sleep(deadline_);                  \
        }                                                  \
        wait_finish(queue_, &waiter_);                     \
        err_;                                              \
    })
#define wait_event(queue, condition) ((void)wait_event_deadline(queue, condition, 0))
