// SPDX-License-Identifier: BSD-2-Clause
//
// newlib's locks (sys/lock.h with retargetable locking) on the kernel's mutex. All of them may be
// taken again by their owner: newlib asks that of the recursive ones, and it makes the spare lock
// safe that stands in when a new one cannot be allocated.

#include <sys/lock.h>

#include "core/sync/mutex.h"
#include "mm/slab.h"

struct __lock {
    struct mutex mutex;
    unsigned depth; // written by the owner only
};

#define STATIC_LOCK(name) struct __lock __lock___##name = {MUTEX_INIT(__lock___##name.mutex), 0}

// newlib defines no prototypes for these; it declares each where it is used.
extern struct __lock __lock___sfp_recursive_mutex, __lock___atexit_recursive_mutex,
    __lock___at_quick_exit_mutex, __lock___malloc_recursive_mutex, __lock___env_recursive_mutex,
    __lock___tz_mutex, __lock___dd_hash_mutex, __lock___arc4random_mutex;

STATIC_LOCK(sfp_recursive_mutex);
STATIC_LOCK(atexit_recursive_mutex);
STATIC_LOCK(at_quick_exit_mutex);
STATIC_LOCK(malloc_recursive_mutex);
STATIC_LOCK(env_recursive_mutex);
STATIC_LOCK(tz_mutex);
STATIC_LOCK(dd_hash_mutex);
STATIC_LOCK(arc4random_mutex);

// Stands in for every lock that could not be allocated: one for all is slower, but still a lock.
static struct __lock spare_lock = {MUTEX_INIT(spare_lock.mutex), 0};

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    struct __lock *fresh = kmalloc(sizeof(*fresh), GFP_KERNEL);
    if (fresh) {
        mutex_init(&fresh->mutex);
        fresh->depth = 0;
    }
    *lock = fresh ? fresh : &spare_lock;
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    if (lock != &spare_lock)
        kfree(lock);
}

// Before the first thread there is nobody to lock out, and no owner to note.
void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    if (!thread_current())
        return;
    if (!mutex_is_mine(&lock->mutex))
        mutex_lock(&lock->mutex);
    lock->depth++;
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    if (!thread_current())
        return 1;
    if (!mutex_is_mine(&lock->mutex) && mutex_trylock(&lock->mutex))
        return 0;
    lock->depth++;
    return 1;
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (thread_current() && --lock->depth == 0)
        mutex_unlock(&lock->mutex);
}

void __retarget_lock_init(_LOCK_T *lock) { __retarget_lock_init_recursive(lock); }
void __retarget_lock_close(_LOCK_T lock) { __retarget_lock_close_recursive(lock); }
void __retarget_lock_acquire(_LOCK_T lock) { __retarget_lock_acquire_recursive(lock); }
int __retarget_lock_try_acquire(_LOCK_T lock)
{
    return __retarget_lock_try_acquire_recursive(lock);
}
void __retarget_lock_release(_LOCK_T lock) { __retarget_lock_release_recursive(lock); }
