// SPDX-License-Identifier: BSD-2-Clause
//
// Softirqs and interrupts: when they run, what holds them off, that preemption follows a wake-up.
// The timer softirq serves as the example: its callbacks run inside it.

#include "core/irq/irq.h"
#include "core/irq/softirq.h"
#include "core/sched/thread.h"
#include "core/sync/wait.h"
#include "core/time/clock.h"
#include "core/time/timer.h"
#include "tests/guest/guest.h"

static volatile bool fired, in_softirq, irqs_on;
static struct timer timer; // armed by one test at a time

static void note_context(struct timer *unused)
{
    (void)unused;
    in_softirq = this_cpu(cpu_context).preempt_count & SOFTIRQ_MASK;
    irqs_on = arch_irqs_enabled();
    fired = true;
}

static void arm(void)
{
    timer_cancel(&timer);
    fired = false;
    timer_setup(&timer, note_context);
    timer_start_in(&timer, NSEC_PER_MSEC);
}

// The host decides when a guest's timer comes; a second is more than it ever takes.
static bool fires_soon(void)
{
    uint64_t limit = clock_monotonic_ns() + NSEC_PER_SEC;
    while (!fired && clock_monotonic_ns() < limit)
        arch_cpu_relax();
    return fired;
}

static bool runs_with_interrupts_on(void)
{
    arm();
    CHECK(fires_soon());
    CHECK(in_softirq && irqs_on);
    CHECK(!in_interrupt());
    return true;
}

static bool disabled_holds_it_off(void)
{
    softirq_disable();
    arm();
    clock_delay_us(20000);
    bool early = fired;
    softirq_enable();
    CHECK(!early);
    CHECK(fires_soon());
    return true;
}

static bool interrupts_off_hold_it_off(void)
{
    irq_flags_t flags = arch_irq_save();
    arm();
    clock_delay_us(20000);
    bool early = fired;
    arch_irq_restore(flags);
    CHECK(!early);
    CHECK(fires_soon());
    return true;
}

// A wake-up from an interrupt must reach a thread although another one spins.
static struct wait_queue queue = WAIT_QUEUE_INIT(queue);
static volatile bool condition, seen;

static void wake_waiter(struct timer *unused)
{
    (void)unused;
    condition = true;
    wake_all(&queue);
}

static int waiter(void *arg)
{
    (void)arg;
    wait_event(&queue, condition);
    seen = true;
    return 0;
}

static bool wake_reaches_thread(void)
{
    struct thread *thread;
    condition = seen = false;
    CHECK(thread_create(&thread, waiter, NULL, &(struct thread_options){.name = "waiter"}) == 0);
    thread_yield();
    timer_setup(&timer, wake_waiter);
    timer_start_in(&timer, NSEC_PER_MSEC);
    uint64_t limit = clock_monotonic_ns() + NSEC_PER_SEC;
    while (!seen && clock_monotonic_ns() < limit)
        ; // no yield: only preemption lets the waiter run
    CHECK(seen);
    CHECK(thread_join(thread, NULL) == 0);
    return true;
}

static bool interrupts_are_counted(void)
{
    struct irq_stats before = {0}, after = {0};
    int irq = 1;
    while (irq_get_stats(irq, &before) && before.count == 0)
        irq++;
    arm();
    CHECK(fires_soon());
    CHECK(irq_get_stats(irq, &after));
    CHECK(after.count > before.count);
    return true;
}

const struct guest_test softirq_tests[] = {
    {"softirq runs with interrupts on", runs_with_interrupts_on},
    {"softirq_disable holds it off", disabled_holds_it_off},
    {"interrupts off hold it off", interrupts_off_hold_it_off},
    {"wake-up preempts at interrupt exit", wake_reaches_thread},
    {"interrupts are counted", interrupts_are_counted},
    {NULL, NULL},
};
