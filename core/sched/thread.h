// SPDX-License-Identifier: BSD-2-Clause
//
// Threads: kernel and application ones are the same thing. Created runnable; ends by returning
// from its function or thread_exit(); joined once or detached.

#pragma once

#include "core/lib/list.h"
#include "platform/platform.h"

#define THREAD_NAME_MAX 16
#define THREAD_STACK_DEFAULT KIB(32)

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED, THREAD_DEAD };

struct sched_class;

struct thread {
    struct thread_context context; // first: the switch code takes its address
    enum thread_state state;       // guarded by the run queue's lock
    const struct sched_class *class;
    struct list run_link;  // on the run queue while READY
    struct list all_link;  // on the list of all threads
    uint64_t slice_end_ns; // time slice of the round-robin class
    uint64_t runtime_ns, started_ns, switches;
    char name[THREAD_NAME_MAX];
    void *stack;
    size_t stack_bytes;
    int (*entry)(void *arg);
    void *arg;
    int exit_code;
    bool detached, exited;
    void *posix; // core/posix: struct _reent and thread-specific data
    void (*posix_free)(void *posix);
    uint32_t id;
};

struct thread_options {
    const char *name;   // copied, truncated
    size_t stack_bytes; // 0: THREAD_STACK_DEFAULT
    bool detached;
};

// The thread starts at its first scheduling. -ENOMEM, -EINVAL.
int thread_create(struct thread **out, int (*entry)(void *arg), void *arg,
                  const struct thread_options *options);
_Noreturn void thread_exit(int code);
// Waits for the end, frees the thread, stores its code. -EDEADLK for oneself, -EINVAL if detached.
int thread_join(struct thread *thread, int *code);
struct thread *thread_current(void);
void thread_yield(void);
void thread_sleep_ns(uint64_t ns);

// Makes a blocked thread runnable and returns true; false, with no effect, otherwise. Any context.
bool thread_wake(struct thread *thread);

// Calls visit for each thread with the list locked (no sleeping inside); for `show threads`.
void thread_for_each(void (*visit)(const struct thread *thread, void *arg), void *arg);
