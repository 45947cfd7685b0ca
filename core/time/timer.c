// SPDX-License-Identifier: BSD-2-Clause
//
// Timers: a red-black tree per CPU, ordered by expiry, and the clock event device armed for its
// first element. Cancelling leaves the device alone: it then fires for nothing, once, and is
// armed anew; cheaper than programming it at each of the many cancels of a time-out.

#include "core/time/timer.h"

#include "core/irq/softirq.h"
#include "core/sync/spinlock.h"
#include "core/time/clock.h"
#include "core/time/clockevent.h"
#include "mm/percpu.h"

#define NEVER UINT64_MAX
// Who waits longer has the device fire for nothing every two years, and no conversion overflow.
#define ARM_LIMIT_NS (1ULL << 56)
// Callbacks a softirq run: one that re-arms for the past cannot keep the rest from running.
#define RUN_MAX 64

struct timer_base {
    struct spinlock lock; // protects all below and the linkage of the timers in the tree
    struct rb_tree tree;
    struct timer *first; // leftmost
    uint64_t device_ns;  // what the device is set for, or earlier; NEVER when it is stopped
};

static DEFINE_PERCPU(struct timer_base, timer_base);
static const struct clockevent *device;

static struct timer *timer_of(struct rb_node *node) { return rb_entry(node, struct timer, node); }

// ---- The device ------------------------------------------------------------------------------

// Lock held, interrupts off, on the base's CPU.
static void arm(struct timer_base *base, uint64_t expires_ns)
{
    if (!device)
        return;
    base->device_ns = expires_ns;
    uint64_t when = clock_ns_to_counter(MIN(expires_ns, clock_monotonic_ns() + ARM_LIMIT_NS));
    if (unlikely(device->max_counts != UINT64_MAX)) // a narrow device fires early, and is set again
        when = MIN(when, arch_counter() + device->max_counts);
    device->set(when);
}

void clockevent_register(const struct clockevent *event)
{
    struct timer_base *base = this_cpu_ptr(timer_base);
    irq_flags_t flags = spin_lock_irqsave(&base->lock);
    device = event;
    if (base->first)
        arm(base, base->first->expires_ns);
    spin_unlock_irqrestore(&base->lock, flags);
}

void clockevent_fired(void)
{
    this_cpu(timer_base).device_ns = NEVER;
    device->stop();
    softirq_raise(SOFTIRQ_TIMER);
}

// ---- The tree --------------------------------------------------------------------------------

// Lock held.
static void link_timer(struct timer_base *base, struct timer *timer)
{
    struct rb_node **link = &base->tree.root, *parent = NULL;
    bool leftmost = true;
    while (*link) {
        parent = *link;
        if (timer->expires_ns < timer_of(parent)->expires_ns) {
            link = &parent->left;
        } else {
            link = &parent->right;
            leftmost = false;
        }
    }
    rb_insert(&base->tree, &timer->node, parent, link);
    if (leftmost)
        base->first = timer;
    timer->armed = true;
}

// Lock held.
static void unlink_timer(struct timer_base *base, struct timer *timer)
{
    if (base->first == timer) {
        struct rb_node *next = rb_next(&timer->node);
        base->first = next ? timer_of(next) : NULL;
    }
    rb_remove(&base->tree, &timer->node);
    timer->armed = false;
}

// ---- The interface ---------------------------------------------------------------------------

void timer_setup(struct timer *timer, void (*callback)(struct timer *timer))
{
    *timer = (struct timer){.callback = callback};
}

bool timer_cancel(struct timer *timer)
{
    struct timer_base *base = per_cpu_ptr(timer_base, timer->cpu);
    irq_flags_t flags = spin_lock_irqsave(&base->lock);
    bool was_armed = timer->armed;
    if (was_armed)
        unlink_timer(base, timer);
    spin_unlock_irqrestore(&base->lock, flags);
    return was_armed;
}

// Interrupts off, so that this stays the current CPU.
static void start_here(struct timer *timer, uint64_t expires_ns)
{
    struct timer_base *base = this_cpu_ptr(timer_base);
    spin_lock_raw(&base->lock);
    if (timer->armed)
        unlink_timer(base, timer);
    timer->expires_ns = expires_ns;
    timer->cpu = this_cpu_number();
    link_timer(base, timer);
    if (expires_ns < base->device_ns)
        arm(base, expires_ns);
    spin_unlock_raw(&base->lock);
}

void timer_start(struct timer *timer, uint64_t expires_ns)
{
    irq_flags_t flags = arch_irq_save();
    if (unlikely(timer->cpu != this_cpu_number()))
        timer_cancel(timer);
    start_here(timer, expires_ns);
    arch_irq_restore(flags);
}

void timer_start_in(struct timer *timer, uint64_t ns)
{
    uint64_t expires_ns;
    if (__builtin_add_overflow(clock_monotonic_ns(), ns, &expires_ns))
        expires_ns = NEVER;
    timer_start(timer, expires_ns);
}

// ---- Expiry ----------------------------------------------------------------------------------

// Takes the first timer off the tree if it has expired.
static struct timer *take_expired(struct timer_base *base, uint64_t now)
{
    irq_flags_t flags = spin_lock_irqsave(&base->lock);
    struct timer *timer = base->first;
    if (timer && timer->expires_ns <= now)
        unlink_timer(base, timer);
    else
        timer = NULL;
    spin_unlock_irqrestore(&base->lock, flags);
    return timer;
}

static void rearm(struct timer_base *base)
{
    irq_flags_t flags = spin_lock_irqsave(&base->lock);
    if (base->first && base->first->expires_ns < base->device_ns)
        arm(base, base->first->expires_ns);
    spin_unlock_irqrestore(&base->lock, flags);
}

// Softirq context: the CPU does not change under us.
static void run_expired(void)
{
    struct timer_base *base = this_cpu_ptr(timer_base);
    uint64_t now = clock_monotonic_ns();
    struct timer *timer;
    for (unsigned n = 0; n < RUN_MAX && (timer = take_expired(base, now)); n++)
        timer->callback(timer);
    rearm(base); // a first one that has expired meanwhile fires at once
}

int timer_init(void)
{
    struct timer_base *base = this_cpu_ptr(timer_base);
    spin_init(&base->lock);
    base->device_ns = NEVER;
    softirq_register(SOFTIRQ_TIMER, run_expired);
    return 0;
}
