// SPDX-License-Identifier: BSD-2-Clause
//
// Count and Compare of coprocessor 0 (MIPS64 Architecture, volume III, 9.24 and 9.27) as clock
// event and counter, and the rate of Count. An interrupt is raised when Count becomes equal to
// Compare and stays until Compare is written; a Compare that Count has passed already waits for a
// whole turn.

#include "platform/loongson/loongson3/timer.h"

#include "core/debug/log.h"
#include "core/irq/irq.h"
#include "core/time/clock.h"
#include "core/time/clockevent.h"
#include "mm/vmalloc.h"
#include "platform/loongson/loongson3/cp0.h"

#define HALF_TURN BIT64(31)
#define NEVER UINT64_MAX

uint64_t loongson3_counter_last;

static uint64_t counter_hz;
static uint64_t armed_for = NEVER;

void loongson3_counter_tick(void) { loongson3_counter_last = arch_counter(); }

// ---- Clock event -----------------------------------------------------------------------------

// How far ahead of Count Compare is set at least. Each further attempt doubles that, so that one of
// them is still ahead when it has been written, however slow the machine is.
#define AHEAD_FIRST 256u

static bool raised(void) { return cp0_cause() & CP0_CAUSE_TIMER; }

// Compare = when + 1: a virtual machine's rounding can raise the interrupt one count early. An
// attempt has failed only if Count is past it and the interrupt has not come.
static void set_compare(uint64_t when)
{
    uint64_t ahead = AHEAD_FIRST;
    do {
        uint64_t earliest = arch_counter() + ahead;
        when = MAX(when, earliest);
        cp0_set_compare((uint32_t)when + 1);
        ahead *= 2;
    } while (arch_counter() > when && !raised() && ahead < HALF_TURN);
}

static void timer_set(uint64_t when)
{
    armed_for = when;
    loongson3_counter_tick();
    set_compare(when);
}

// There is no way to switch it off: it fires every half turn, which the counter needs anyway.
static void timer_stop(void)
{
    armed_for = NEVER;
    loongson3_counter_tick();
    set_compare(loongson3_counter_last + HALF_TURN);
}

static const struct clockevent count_compare = {
    .name = "MIPS Count/Compare",
    .max_counts = HALF_TURN - 1,
    .set = timer_set,
    .stop = timer_stop,
};

static enum irq_result timer_interrupt(void *arg)
{
    (void)arg;
    if (armed_for == NEVER)
        timer_stop();
    else if (arch_counter() < armed_for)
        timer_set(armed_for);
    else
        clockevent_fired();
    return IRQ_HANDLED;
}

static int timer_probe(const struct dt_node *node)
{
    int irq = irq_from_dt(node, 0);
    if (irq < 0)
        return irq;
    timer_stop();
    clockevent_register(&count_compare);
    return irq_request(irq, timer_interrupt, NULL, "timer");
}
TIMER_DRIVER(mips_count_compare, "mips,cp0-timer", timer_probe);

// ---- Rate ------------------------------------------------------------------------------------
//
// Firmware names the CPU's clock, and Count runs at half of it; but there are machines whose
// firmware names a wrong one. So the goldfish clock, which counts nanoseconds, is asked for 1 ms.
// That is good to some parts in a thousand: enough to see that the firmware's value is right, and
// then that is used, which is exact. Else a longer look gives the value. Time that a hypervisor
// takes away between the reads of the two clocks is kept out by reading Count on both sides.

#define RTC_TIME_LOW 0x00 // nanoseconds, and latches the upper half
#define COUNT_DIVISOR 2
#define DEFAULT_HZ 400000000u
#define SANE_HZ_MIN 10000000u
#define SANE_HZ_MAX 4000000000u
#define SHORT_NS (1 * NSEC_PER_MSEC)
#define LONG_NS (20 * NSEC_PER_MSEC)
#define TOLERANCE 64 // two values are the same if they differ by less than the 64th part
#define SAMPLE_TRIES 8
#define POLL_LIMIT 1000000 // a read takes 100 ns at least

struct sample {
    uint32_t count, ns;
};

// The read of the clock that took the shortest time, and Count in the middle of it.
static struct sample take_sample(mmio_t rtc)
{
    struct sample best = {0, 0};
    uint32_t shortest = UINT32_MAX;
    for (int i = 0; i < SAMPLE_TRIES; i++) {
        uint32_t before = cp0_count();
        uint32_t ns = mmio_read32(rtc, RTC_TIME_LOW);
        uint32_t taken = cp0_count() - before;
        if (taken < shortest) {
            shortest = taken;
            best = (struct sample){before + taken / 2, ns};
        }
    }
    return best;
}

// 0 when the clock stands still or says nonsense.
static uint64_t measure(mmio_t rtc, uint32_t window_ns)
{
    struct sample first = take_sample(rtc);
    for (int i = 0; mmio_read32(rtc, RTC_TIME_LOW) - first.ns < window_ns; i++) {
        if (i == POLL_LIMIT)
            return 0;
    }
    struct sample last = take_sample(rtc);
    uint32_t ns = last.ns - first.ns;
    if (ns < window_ns)
        return 0;
    uint64_t hz = (uint64_t)(last.count - first.count) * NSEC_PER_SEC / ns;
    return hz >= SANE_HZ_MIN && hz <= SANE_HZ_MAX ? hz : 0;
}

static bool agree(uint64_t a, uint64_t b) { return MAX(a, b) - MIN(a, b) < MIN(a, b) / TOLERANCE; }

static uint64_t nominal_hz(void)
{
    uint32_t hz = 0;
    const struct dt_node *cpus = dt_by_path("/cpus"), *cpu = cpus ? dt_first_child(cpus) : NULL;
    if (!cpu || dt_u32(cpu, "clock-frequency", &hz) || hz / COUNT_DIVISOR < SANE_HZ_MIN)
        return DEFAULT_HZ;
    return hz / COUNT_DIVISOR;
}

// A clock that agrees neither with the firmware nor with itself is not believed.
static uint64_t choose_hz(mmio_t rtc, uint64_t nominal)
{
    uint64_t quick = measure(rtc, SHORT_NS);
    if (quick && agree(quick, nominal))
        return nominal;
    uint64_t slow = quick ? measure(rtc, LONG_NS) : 0;
    bool believed = slow && agree(quick, slow);
    uint64_t hz = believed ? slow : nominal;
    log_warn("timer: Count measured %llu and %llu Hz, firmware says %llu: taking %llu",
             (unsigned long long)quick, (unsigned long long)slow, (unsigned long long)nominal,
             (unsigned long long)hz);
    return hz;
}

static mmio_t map_rtc(void)
{
    paddr_t base;
    uint64_t len;
    const struct dt_node *node = dt_by_compatible(NULL, "google,goldfish-rtc");
    if (!node || dt_reg(node, 0, &base, &len))
        return (mmio_t){0};
    return ioremap(base, len);
}

void loongson3_timer_init(void)
{
    loongson3_counter_tick();
    uint64_t nominal = nominal_hz();
    mmio_t rtc = map_rtc();
    counter_hz = mmio_valid(rtc) ? choose_hz(rtc, nominal) : nominal;
    if (mmio_valid(rtc))
        iounmap(rtc);
}

uint64_t loongson3_timer_hz(void) { return counter_hz; }
