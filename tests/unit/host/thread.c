// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of threads, wait queues and mutexes: there is one thread, the test, which never
// waits. A thread that is created gets an identity and never runs.

#include "host.h"

#include "core/sched/thread.h"
#include "core/sync/mutex.h"
#include "core/sync/wait.h"

static struct thread test_thread, other_thread;

struct thread *thread_current(void) { return &test_thread; }

int thread_create(struct thread **out, int (*entry)(void *arg), void *arg,
                  const struct thread_options *options)
{
    (void)entry, (void)arg, (void)options;
    *out = &other_thread;
    return 0;
}

uint64_t host_slept_ns;
void thread_sleep_ns(uint64_t ns) { host_slept_ns += ns; }

void wait_prepare(struct wait_queue *queue, struct waiter *waiter) { (void)queue, (void)waiter; }
void wait_finish(struct wait_queue *queue, struct waiter *waiter) { (void)queue, (void)waiter; }
int wait_sleep(uint64_t deadline_ns) { return deadline_ns ? -ETIMEDOUT : 0; }
void wake_one(struct wait_queue *queue) { (void)queue; }
void wake_all(struct wait_queue *queue) { (void)queue; }

int mutex_trylock(struct mutex *mutex)
{
    if (mutex->owner)
        return -EBUSY;
    mutex->owner = &test_thread;
    return 0;
}
void mutex_lock(struct mutex *mutex) { mutex->owner = &test_thread; }
void mutex_unlock(struct mutex *mutex) { mutex->owner = NULL; }
bool mutex_is_mine(struct mutex *mutex) { return mutex->owner == &test_thread; }
