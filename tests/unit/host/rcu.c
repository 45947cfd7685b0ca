// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of core/sync/rcu.h: the test decides when a grace period is over.

#include "core/sync/rcu.h"

#include "host.h"

static struct rcu_head *waiting;

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
    head->func = func;
    head->next = waiting;
    waiting = head;
}

size_t host_rcu_run(void)
{
    size_t count = 0;
    struct rcu_head *list = waiting;
    waiting = NULL;
    while (list) {
        struct rcu_head *head = list;
        list = head->next; // the callback may free it or use it again
        head->func(head);
        count++;
    }
    return count;
}

void synchronize_rcu(void) { host_rcu_run(); }
int rcu_init(void) { return 0; }
