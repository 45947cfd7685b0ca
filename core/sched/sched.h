// SPDX-License-Identifier: BSD-2-Clause
//
// The scheduler's inside: run queue per CPU, classes as tables in order of precedence. This part
// has two: round robin and idle; later ones (stop, deadline, rt, fair) join the same table.

#pragma once

#include "core/sched/thread.h"
#include "core/sync/spinlock.h"

struct run_queue {
    struct spinlock lock; // protects all below and the state of the threads on it
    struct thread *current, *idle;
    struct list ready; // of the round-robin class
    unsigned ready_count;
};
DECLARE_PERCPU(struct run_queue, run_queue);

// Run queue lock held, interrupts off, in every hook.
struct sched_class {
    const char *name;
    void (*enqueue)(struct run_queue *rq, struct thread *thread, bool woken);
    void (*dequeue)(struct run_queue *rq, struct thread *thread);
    struct thread *(*pick)(struct run_queue *rq); // NULL: next class
    bool (*preempts)(struct run_queue *rq, struct thread *woken);
};

int sched_init(void);  // the boot code becomes the thread "idle"; first thing in kernel_start
int sched_start(void); // the reaper of detached threads; after the allocators
void schedule(void);   // gives up the CPU; thread context, no spinlock held
// The boot code ends here, as the idle thread.
_Noreturn void sched_idle_loop(void);

// For core/sync: marks the running thread blocked before its last look at the condition, and takes
// that back. Between the two a wake-up makes the thread's next schedule() return at once; so does
// a preemption, hence conditions are always checked in a loop.
void sched_mark_blocked(struct thread *self);
void sched_unmark_blocked(struct thread *self);

// A new thread comes out of its first switch here: run queue lock held, interrupts off.
void sched_first_switch(void);

// The classes, highest first.
extern const struct sched_class sched_class_rr, sched_class_idle;
