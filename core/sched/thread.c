// SPDX-License-Identifier: BSD-2-Clause
//
// Thread life: creation, end, join, and the reaper that frees what detached threads leave.

#include "core/sched/thread.h"

#include <string.h>

#include "core/debug/panic.h"
#include "core/sched/sched.h"
#include "core/sync/wait.h"
#include "core/time/clock.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define STACK_MIN KIB(16) // softirqs, the fast path among them, may run on any thread's stack
#define STACK_MAX MIB(16)

static struct thread idle_thread;
static struct spinlock all_lock; // protects all_threads and next_id
static struct list all_threads = LIST_INIT(all_threads);
static uint32_t next_id = 1;
static struct wait_queue exit_queue = WAIT_QUEUE_INIT(exit_queue); // joiners and the reaper
static struct list dead_detached = LIST_INIT(dead_detached);       // all_lock

static void thread_start(void *arg)
{
    struct thread *self = arg;
    sched_first_switch();
    thread_exit(self->entry(self->arg));
}

static void set_name(struct thread *thread, const char *name)
{
    size_t len = strnlen(name, THREAD_NAME_MAX - 1);
    memcpy(thread->name, name, len);
    thread->name[len] = '\0';
}

static void register_thread(struct thread *thread)
{
    irq_flags_t flags = spin_lock_irqsave(&all_lock);
    thread->id = next_id++;
    list_add_tail(&all_threads, &thread->all_link);
    spin_unlock_irqrestore(&all_lock, flags);
}

int thread_create(struct thread **out, int (*entry)(void *arg), void *arg,
                  const struct thread_options *options)
{
    size_t bytes = options->stack_bytes ? options->stack_bytes : THREAD_STACK_DEFAULT;
    if (!entry || bytes < STACK_MIN || bytes > STACK_MAX)
        return -EINVAL;
    struct thread *thread = kcalloc(1, sizeof(*thread), GFP_KERNEL);
    void *stack = thread ? stack_alloc(bytes) : NULL;
    if (!stack) {
        kfree(thread);
        return -ENOMEM;
    }
    thread->stack = stack;
    thread->stack_bytes = bytes;
    thread->entry = entry;
    thread->arg = arg;
    thread->detached = options->detached;
    thread->class = &sched_class_rr;
    thread->state = THREAD_BLOCKED;
    list_init(&thread->run_link);
    set_name(thread, options->name ? options->name : "thread");
    platform_thread_init(&thread->context, (char *)stack + bytes, thread_start, thread);
    register_thread(thread);
    *out = thread;
    thread_wake(thread);
    return 0;
}

static void thread_free(struct thread *thread)
{
    stack_free(thread->stack);
    kfree(thread);
}

void thread_exit(int code)
{
    struct thread *self = thread_current();
    if (self->posix_free)
        self->posix_free(self->posix);
    arch_irq_disable();
    spin_lock_raw(&all_lock);
    list_del(&self->all_link);
    if (self->detached)
        list_add_tail(&dead_detached, &self->all_link);
    spin_unlock_raw(&all_lock);
    self->exit_code = code;
    self->state = THREAD_DEAD;
    self->exited = true;
    wake_all(&exit_queue); // interrupts stay off: nobody runs before we are off this stack
    schedule();
    panic("thread %s runs after its end", self->name);
}

int thread_join(struct thread *thread, int *code)
{
    if (thread == thread_current())
        return -EDEADLK;
    if (thread->detached)
        return -EINVAL;
    wait_event(&exit_queue, thread->exited);
    if (code)
        *code = thread->exit_code;
    thread_free(thread);
    return 0;
}

void thread_yield(void) { schedule(); }

void thread_sleep_ns(uint64_t ns)
{
    struct wait_queue queue = WAIT_QUEUE_INIT(queue);
    uint64_t deadline_ns;
    if (__builtin_add_overflow(clock_monotonic_ns(), ns, &deadline_ns))
        deadline_ns = UINT64_MAX;
    (void)wait_event_deadline(&queue, false, deadline_ns);
}

void thread_for_each(void (*visit)(const struct thread *thread, void *arg), void *arg)
{
    struct thread *thread;
    irq_flags_t flags = spin_lock_irqsave(&all_lock);
    list_for_each (thread, &all_threads, all_link)
        visit(thread, arg);
    spin_unlock_irqrestore(&all_lock, flags);
}

static struct thread *take_dead(void)
{
    struct thread *thread = NULL;
    irq_flags_t flags = spin_lock_irqsave(&all_lock);
    if (!list_empty(&dead_detached)) {
        thread = list_first(&dead_detached, struct thread, all_link);
        list_del(&thread->all_link);
    }
    spin_unlock_irqrestore(&all_lock, flags);
    return thread;
}

static int reaper(void *arg)
{
    (void)arg;
    for (;;) {
        struct thread *dead;
        wait_event(&exit_queue, (dead = take_dead()) != NULL);
        thread_free(dead);
    }
    return 0;
}

int sched_init(void)
{
    struct run_queue *rq = this_cpu_ptr(run_queue);
    list_init(&rq->ready);
    set_name(&idle_thread, "idle");
    idle_thread.class = &sched_class_idle;
    idle_thread.state = THREAD_RUNNING;
    platform_thread_adopt(&idle_thread.context);
    platform_boot_stack(&idle_thread.stack, &idle_thread.stack_bytes);
    rq->current = rq->idle = &idle_thread;
    register_thread(&idle_thread);
    return 0;
}

int sched_start(void)
{
    struct thread *thread;
    return thread_create(&thread, reaper, NULL,
                         &(struct thread_options){.name = "reaper", .detached = true});
}
