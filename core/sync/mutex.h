// SPDX-License-Identifier: BSD-2-Clause
//
// Sleeping mutual exclusion for threads. Owned; not recursive; handed over in arrival order.

#pragma once

#include "core/sync/wait.h"

struct mutex {
    _Atomic(struct thread *) owner; // NULL when free
    struct wait_queue waiters;
};

#define MUTEX_INIT(name) {NULL, WAIT_QUEUE_INIT((name).waiters)}

void mutex_init(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
int mutex_trylock(struct mutex *mutex); // 0 or -EBUSY
void mutex_unlock(struct mutex *mutex); // by the owner
bool mutex_is_mine(struct mutex *mutex);
