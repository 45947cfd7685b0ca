// SPDX-License-Identifier: BSD-2-Clause
//
// newlib's per-thread state (struct _reent: errno, strtok, rand, conversion buffers). A thread gets
// its own at its first use; threads that never touch newlib pay nothing. Before the first thread
// and when memory is out, the library's own static one serves: shared, but valid.

#include <reent.h>
#include <string.h>

#include "core/sched/thread.h"
#include "mm/slab.h"

struct _reent *__getreent(void);

static void free_reent(void *posix)
{
    struct _reent *reent = posix;
    _reclaim_reent(reent);
    kfree(reent);
}

static struct _reent *new_reent(struct thread *thread)
{
    struct _reent *reent = kmalloc(sizeof(*reent), GFP_KERNEL);
    if (!reent)
        return _GLOBAL_REENT;
    _REENT_INIT_PTR(reent);
    thread->posix_free = free_reent;
    thread->posix = reent;
    return reent;
}

struct _reent *__getreent(void)
{
    struct thread *thread = thread_current();
    if (!thread)
        return _GLOBAL_REENT;
    return thread->posix ? thread->posix : new_reent(thread);
}
