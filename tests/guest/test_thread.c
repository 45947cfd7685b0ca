// SPDX-License-Identifier: BSD-2-Clause
//
// Threads: life, switching, preemption, FP state, mutual exclusion, wake-ups.

#include <string.h>

#include "core/sched/thread.h"
#include "core/sync/mutex.h"
#include "core/sync/rcu.h"
#include "core/time/clock.h"
#include "mm/kasan.h"
#include "mm/page_alloc.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "tests/guest/guest.h"

static const struct thread_options plain = {.name = "test"};

static int return_argument(void *arg) { return (int)(intptr_t)arg; }

static bool create_and_join(void)
{
    struct thread *thread;
    int code = 0;
    CHECK(thread_create(&thread, return_argument, (void *)42, &plain) == 0);
    CHECK(thread_join(thread, &code) == 0);
    CHECK(code == 42);
    CHECK(thread_join(thread_current(), NULL) == -EDEADLK);
    CHECK(thread_create(&thread, NULL, NULL, &plain) == -EINVAL);
    return true;
}

static int exit_early(void *arg)
{
    (void)arg;
    thread_exit(7);
}

static bool exit_code(void)
{
    struct thread *thread;
    int code = 0;
    CHECK(thread_create(&thread, exit_early, NULL, &plain) == 0);
    CHECK(thread_join(thread, &code) == 0 && code == 7);
    return true;
}

// Two threads hand a token to and fro.
static struct wait_queue turn_queue = WAIT_QUEUE_INIT(turn_queue);
static volatile int turn;
#define ROUNDS 1000

static int play(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        wait_event(&turn_queue, turn == me);
        turn = !me;
        wake_all(&turn_queue);
    }
    return 0;
}

static bool ping_pong(void)
{
    struct thread *a, *b;
    turn = 0;
    CHECK(thread_create(&a, play, (void *)0, &plain) == 0);
    CHECK(thread_create(&b, play, (void *)1, &plain) == 0);
    CHECK(thread_join(a, NULL) == 0 && thread_join(b, NULL) == 0);
    CHECK(turn == 0);
    return true;
}

// A thread that never gives up the CPU must not keep others from running.
static volatile bool stop_spinning;
static volatile uint64_t spins;

static int spin(void *arg)
{
    (void)arg;
    while (!stop_spinning)
        spins++;
    return 0;
}

static bool preemption(void)
{
    struct thread *thread;
    stop_spinning = false;
    spins = 0;
    CHECK(thread_create(&thread, spin, NULL, &plain) == 0);
    uint64_t start = clock_monotonic_ns();
    thread_sleep_ns(50 * NSEC_PER_MSEC);
    uint64_t slept = clock_monotonic_ns() - start;
    CHECK(spins > 0);
    uint64_t before = spins;
    thread_sleep_ns(20 * NSEC_PER_MSEC);
    CHECK(spins > before);
    stop_spinning = true;
    CHECK(thread_join(thread, NULL) == 0);
    CHECK(slept >= 50 * NSEC_PER_MSEC);
    return true;
}

// FP registers must survive switches, forced ones included; each thread has its own.
static double series(double x)
{
    double sum = 0;
    for (int i = 1; i < 200000; i++)
        sum += x / i;
    return sum;
}

static int fp_thread(void *arg)
{
    double x = (double)(intptr_t)arg, first = series(x);
    for (int i = 0; i < 10; i++) {
        if (series(x) != first)
            return 1;
        thread_yield();
    }
    return 0;
}

static bool fp_state(void)
{
    struct thread *threads[4];
    for (intptr_t i = 0; i < 4; i++)
        CHECK(thread_create(&threads[i], fp_thread, (void *)(i + 1), &plain) == 0);
    for (int i = 0; i < 4; i++) {
        int code = -1;
        CHECK(thread_join(threads[i], &code) == 0);
        CHECK(code == 0);
    }
    return true;
}

static bool fp_only_where_used(void)
{
    struct thread *thread;
    CHECK(thread_create(&thread, return_argument, NULL, &plain) == 0);
    thread_sleep_ns(NSEC_PER_MSEC);
    CHECK(!thread->context.fp_used);
    CHECK(thread_join(thread, NULL) == 0);
    return true;
}

static struct mutex mutex = MUTEX_INIT(mutex);
static volatile int counter;

static int count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        mutex_lock(&mutex);
        int seen = counter;
        if (i % 50 == 0)
            thread_sleep_ns(NSEC_PER_MSEC / 10); // others must wait, not slip in
        counter = seen + 1;
        mutex_unlock(&mutex);
    }
    return 0;
}

static bool mutual_exclusion(void)
{
    struct thread *threads[4];
    counter = 0;
    for (int i = 0; i < 4; i++)
        CHECK(thread_create(&threads[i], count_up, NULL, &plain) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(thread_join(threads[i], NULL) == 0);
    CHECK(counter == 2000);
    CHECK(mutex_trylock(&mutex) == 0 && mutex_is_mine(&mutex));
    mutex_unlock(&mutex);
    return true;
}

static uint64_t free_bytes(void)
{
    struct page_stats stats;
    page_get_stats(&stats);
    return stats.free_bytes;
}

static bool detached_are_reaped(void)
{
    struct thread *thread;
    struct vmalloc_stats before, after;
    const struct thread_options detached = {.name = "detached", .detached = true};
    vmalloc_get_stats(&before);
    uint64_t free_before = free_bytes();
    for (int i = 0; i < 100; i++)
        CHECK(thread_create(&thread, return_argument, NULL, &detached) == 0);
    thread_sleep_ns(100 * NSEC_PER_MSEC);
    vmalloc_get_stats(&after);
    CHECK(after.areas == before.areas && after.stacks == before.stacks);
    vmalloc_purge(); // their stacks wait to be used again
    slab_drain();
    // The sanitizer keeps the shadow of the stacks.
    CHECK(free_bytes() + KIB(256 + KASAN_ENABLED * 512) > free_before);
    return true;
}

static int use_stack(void *arg)
{
    size_t bytes = (size_t)(uintptr_t)arg;
    volatile char *room = __builtin_alloca(bytes);
    room[0] = 1;
    thread_sleep_ns(20 * NSEC_PER_MSEC);
    return room[0];
}

// Twice, the second time on memory that stacks have used before.
static bool stack_high_waters(void)
{
    struct thread *thread, *lazy;
    for (int round = 0; round < 2; round++) {
        CHECK(thread_create(&thread, use_stack, (void *)KIB(20), &plain) == 0);
        CHECK(thread_create(&lazy, use_stack, (void *)16, &plain) == 0);
        thread_sleep_ns(5 * NSEC_PER_MSEC);
        size_t most = stack_high_water(thread->stack, thread->stack_bytes);
        size_t least = stack_high_water(lazy->stack, lazy->stack_bytes);
        CHECK(thread_join(thread, NULL) == 0 && thread_join(lazy, NULL) == 0);
        CHECK(most > KIB(20) && most <= THREAD_STACK_DEFAULT);
        CHECK(least > 64 && least < KIB(12));
        vmalloc_purge();
    }
    return true;
}

static bool wait_times_out(void)
{
    struct wait_queue queue = WAIT_QUEUE_INIT(queue);
    uint64_t deadline = clock_monotonic_ns() + 10 * NSEC_PER_MSEC;
    CHECK(wait_event_deadline(&queue, false, deadline) == -ETIMEDOUT);
    CHECK(clock_monotonic_ns() >= deadline);
    CHECK(wait_event_deadline(&queue, true, deadline) == 0);
    return true;
}

// A condition that itself sleeps, on a mutex that another thread holds.
static struct wait_queue outer = WAIT_QUEUE_INIT(outer);
static volatile int ready;

static bool locked_ready(void)
{
    mutex_lock(&mutex);
    bool result = ready >= 3;
    mutex_unlock(&mutex);
    return result;
}

static int make_ready(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        mutex_lock(&mutex);
        wake_all(&outer); // the waiter wakes into a held mutex
        thread_sleep_ns(2 * NSEC_PER_MSEC);
        ready++;
        mutex_unlock(&mutex);
        wake_all(&outer);
        thread_sleep_ns(NSEC_PER_MSEC);
    }
    return 0;
}

static bool waits_nest(void)
{
    struct thread *thread;
    ready = 0;
    CHECK(thread_create(&thread, make_ready, NULL, &plain) == 0);
    CHECK(wait_event_deadline(&outer, locked_ready(), clock_monotonic_ns() + 5 * NSEC_PER_SEC) ==
          0);
    CHECK(thread_join(thread, NULL) == 0);
    CHECK(list_empty(&outer.waiters));
    return true;
}

static struct rcu_head rcu_head;
static volatile bool rcu_called;

static void rcu_callback(struct rcu_head *head)
{
    (void)head;
    rcu_called = true;
}

static bool rcu_waits_for_readers(void)
{
    rcu_called = false;
    rcu_read_lock();
    call_rcu(&rcu_head, rcu_callback);
    clock_delay_us(30000); // several time slices: interrupts come, no switch may
    bool early = rcu_called;
    rcu_read_unlock();
    CHECK(!early);
    thread_sleep_ns(10 * NSEC_PER_MSEC);
    CHECK(rcu_called);
    return true;
}

const struct guest_test thread_tests[] = {
    {"thread create and join", create_and_join},
    {"thread exit code", exit_code},
    {"thread ping-pong", ping_pong},
    {"thread preemption", preemption},
    {"thread FP state", fp_state},
    {"thread FP state only where used", fp_only_where_used},
    {"mutex excludes", mutual_exclusion},
    {"detached threads are reaped", detached_are_reaped},
    {"stack high-water mark", stack_high_waters},
    {"wait with deadline", wait_times_out},
    {"waits nest", waits_nest},
    {"RCU callback after the reader", rcu_waits_for_readers},
    {NULL, NULL},
};
