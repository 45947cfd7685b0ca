// SPDX-License-Identifier: BSD-2-Clause
//
// Read-copy-update. Readers mark their section; writers publish a new version with one store and
// free the old one after every reader that could see it has left. Readers must not sleep.
//
// Readers: between rcu_read_lock() and rcu_read_unlock(), which disable preemption, or anywhere in
// softirq and interrupt context. The forwarding loop of an isolated CPU needs neither call: its
// turns are its quiescent points.

#pragma once

#include <stdatomic.h>

#include "core/sched/preempt.h"

struct rcu_head {
    struct rcu_head *next;
    void (*func)(struct rcu_head *head);
};

static inline void rcu_read_lock(void) { preempt_disable(); }
static inline void rcu_read_unlock(void) { preempt_enable(); }

// Loads a published pointer; the address dependency orders what is read through it after it.
#define rcu_dereference(p) (*(volatile __typeof__(p) *)&(p))
// Publishes: all stores before are visible to whoever dereferences the pointer.
#define rcu_assign_pointer(p, v)                                                                 \
    do {                                                                                         \
        atomic_thread_fence(memory_order_release); /* pairs with rcu_dereference's dependency */ \
        *(volatile __typeof__(p) *)&(p) = (v);                                                   \
    } while (0)

// Calls func(head) after a grace period, in a thread with softirqs disabled. Any context.
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
// Returns after a grace period; thread context, outside any read section.
void synchronize_rcu(void);
int rcu_init(void); // starts the thread that runs the callbacks; after sched_init
