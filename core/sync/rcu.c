// SPDX-License-Identifier: BSD-2-Clause
//
// RCU on one CPU. Read sections disable preemption or run in softirqs, so whenever a thread switch
// takes place none is in progress: a callback that runs in a thread of its own, after a switch, is
// after a grace period.

#include "core/sync/rcu.h"

#include "core/sched/thread.h"
#include "core/sync/wait.h"

static DEFINE_PERCPU(struct rcu_head *, callbacks); // newest first; interrupts off
static struct wait_queue rcu_queue = WAIT_QUEUE_INIT(rcu_queue);

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
    head->func = func;
    irq_flags_t flags = arch_irq_save();
    bool first = !this_cpu(callbacks);
    head->next = this_cpu(callbacks);
    this_cpu(callbacks) = head;
    arch_irq_restore(flags);
    if (first)
        wake_all(&rcu_queue);
}

static struct rcu_head *take_oldest_first(void)
{
    irq_flags_t flags = arch_irq_save();
    struct rcu_head *newest = this_cpu(callbacks), *list = NULL;
    this_cpu(callbacks) = NULL;
    arch_irq_restore(flags);
    while (newest) {
        struct rcu_head *next = newest->next;
        newest->next = list;
        list = newest;
        newest = next;
    }
    return list;
}

static int rcu_thread(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&rcu_queue, this_cpu(callbacks) != NULL);
        softirq_disable();
        for (struct rcu_head *head = take_oldest_first(); head;) {
            struct rcu_head *next = head->next;
            head->func(head);
            head = next;
        }
        softirq_enable();
    }
    return 0;
}

// The caller is a thread outside any read section, and it runs: so no section is in progress.
void synchronize_rcu(void) { atomic_thread_fence(memory_order_seq_cst); }

int rcu_init(void)
{
    struct thread *thread;
    return thread_create(&thread, rcu_thread, NULL,
                         &(struct thread_options){.name = "rcu", .detached = true});
}
