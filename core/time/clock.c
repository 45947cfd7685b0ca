// SPDX-License-Identifier: BSD-2-Clause
//
// Clock: converts arch_counter() into nanoseconds and back. A ratio a/b is kept as its integer part
// and a 64-bit binary fraction that is rounded up, so that a product takes two multiplications and
// is at most 1 above the exact floor, for every 64-bit factor.

#include "core/time/clock.h"

#include <stdatomic.h>

#include "arch/cpu.h"
#include "core/debug/log.h"
#include "core/time/clockevent.h"
#include "core/time/timer.h"
#include "platform/platform.h"

#define USEC_PER_SEC (NSEC_PER_SEC / NSEC_PER_USEC)

struct ratio {
    uint64_t whole, fraction;
};

// Zero until time_init: the clock stands still at 0 before.
static struct ratio ns_per_count, counts_per_ns;
static uint64_t boot_count;
static _Atomic uint64_t realtime_offset_ns;

// ceil(2^64 * rest / divisor), for rest < divisor < 2^63, by long division: a 128-bit one would
// come from the compiler's library.
static uint64_t fraction_of(uint64_t rest, uint64_t divisor)
{
    uint64_t quotient = 0;
    for (int bit = 0; bit < 64; bit++) {
        rest <<= 1;
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1;
        }
    }
    return quotient + (rest != 0);
}

static struct ratio ratio_of(uint64_t numerator, uint64_t divisor)
{
    return (struct ratio){numerator / divisor, fraction_of(numerator % divisor, divisor)};
}

static inline uint64_t scale(uint64_t value, const struct ratio *ratio)
{
    return value * ratio->whole + (uint64_t)((unsigned __int128)value * ratio->fraction >> 64);
}

uint64_t clock_monotonic_ns(void) { return scale(arch_counter() - boot_count, &ns_per_count); }

uint64_t clock_ns_to_counter(uint64_t ns)
{
    // scale() never falls below the exact floor, so one more is never below the exact value; and
    // clock_monotonic_ns() at that counter value is never below ns, for the same reason.
    return boot_count + scale(ns, &counts_per_ns) + (counts_per_ns.fraction != 0);
}

uint64_t clock_realtime_ns(void)
{
    return clock_monotonic_ns() + atomic_load_explicit(&realtime_offset_ns, memory_order_relaxed);
}

void clock_set_realtime(uint64_t ns_since_1970)
{
    atomic_store_explicit(&realtime_offset_ns, ns_since_1970 - clock_monotonic_ns(),
                          memory_order_relaxed);
}

void clock_delay_us(unsigned us)
{
    uint64_t hz = platform_counter_hz(), start = arch_counter();
    // With no rate known yet, that of the fastest usual counter makes the wait too long at worst.
    uint64_t counts = us * DIV_ROUND_UP(hz ? hz : NSEC_PER_SEC, USEC_PER_SEC);
    while (arch_counter() - start < counts)
        arch_cpu_relax();
}

// ---- Start -----------------------------------------------------------------------------------

static int clock_init(void)
{
    uint64_t hz = platform_counter_hz();
    if (!hz || hz >> 62)
        return -ENODEV;
    boot_count = arch_counter();
    ns_per_count = ratio_of(NSEC_PER_SEC, hz);
    counts_per_ns = ratio_of(hz, NSEC_PER_SEC);
    return 0;
}

TABLE_DECLARE(struct timer_driver, timer_driver);

// Starts the device of one driver; the first that works serves the machine.
static int start_driver(const struct timer_driver *driver)
{
    int err = -ENODEV;
    const struct dt_node *node = NULL;
    while ((node = dt_by_compatible(node, driver->compatible))) {
        if (!dt_is_available(node))
            continue;
        err = driver->init(node);
        if (!err)
            return 0;
        log_err("timer %s: error %d", node->name, err);
    }
    return err;
}

int time_init(void)
{
    int err = clock_init();
    if (err)
        return err;
    err = timer_init();
    if (err)
        return err;
    err = -ENODEV;
    TABLE_FOREACH (struct timer_driver, driver, timer_driver) {
        err = start_driver(driver);
        if (!err)
            break;
    }
    return err;
}
