// SPDX-License-Identifier: BSD-2-Clause
//
// Mutex: one compare-and-swap when uncontended, a wait queue otherwise. The owner hands it to the
// longest waiter directly, so no newcomer can overtake for ever.

#include "core/sync/mutex.h"

#include "core/debug/panic.h"
#include "core/sched/sched.h"

void mutex_init(struct mutex *mutex)
{
    atomic_store_explicit(&mutex->owner, NULL, memory_order_relaxed);
    wait_queue_init(&mutex->waiters);
}

int mutex_trylock(struct mutex *mutex)
{
    struct thread *expected = NULL;
    // Acquire pairs with the release in mutex_unlock of the last owner.
    return atomic_compare_exchange_strong_explicit(&mutex->owner, &expected, thread_current(),
                                                   memory_order_acquire, memory_order_relaxed)
               ? 0
               : -EBUSY;
}

bool mutex_is_mine(struct mutex *mutex)
{
    // Acquire: pairs with the release of mutex_unlock when the mutex was handed over.
    return atomic_load_explicit(&mutex->owner, memory_order_acquire) == thread_current();
}

void mutex_lock(struct mutex *mutex)
{
    debug_assert(!in_interrupt());
    if (mutex_trylock(mutex) == 0)
        return;
    debug_assert(!mutex_is_mine(mutex));
    wait_event(&mutex->waiters, mutex_is_mine(mutex) || mutex_trylock(mutex) == 0);
}

void mutex_unlock(struct mutex *mutex)
{
    debug_assert(mutex_is_mine(mutex));
    irq_flags_t flags = spin_lock_irqsave(&mutex->waiters.lock);
    struct thread *heir = NULL;
    if (!list_empty(&mutex->waiters.waiters))
        heir = list_first(&mutex->waiters.waiters, struct waiter, link)->thread;
    atomic_store_explicit(&mutex->owner, heir, memory_order_release);
    if (heir)
        thread_wake(heir);
    spin_unlock_irqrestore(&mutex->waiters.lock, flags);
}
