// SPDX-License-Identifier: BSD-2-Clause
//
// Count and Compare of the Loongson-3 machine on a model of the CPU whose Count moves on between
// any two accesses, by much at times: never early, no lost match, a counter that does not go back;
// and the search for the rate with clocks that are right, wrong, rough, or broken.
//
// unit-sources: platform/loongson/loongson3/timer.c
// unit-flags: -iquote tests/unit/fake_cp0 -iquote tests/unit/fake_pci

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "core/irq/irq.h"
#include "core/lib/dt.h"
#include "core/time/clockevent.h"
#include "mm/vmalloc.h"
#include "platform/loongson/loongson3/cp0.h"
#include "platform/loongson/loongson3/timer.h"

TABLE_DECLARE(struct timer_driver, timer_driver);

#define RTC 0x10081000u
#define LATE_MAX 100000u // counts: far more than the model's steps add up to

// ---- The CPU ---------------------------------------------------------------------------------

static struct {
    uint64_t time;  // Count is its lower half
    uint64_t match; // when Compare is reached next
    bool raised;
    unsigned step, jump_every, jump; // counts per access; and sometimes a long one
    unsigned accesses;
} cpu;

static void run(uint64_t counts)
{
    cpu.time += counts;
    if (cpu.time < cpu.match)
        return;
    cpu.raised = true;
    cpu.match += 1ULL << 32;
}

static void pass(void)
{
    bool jump = cpu.jump_every && cpu.accesses++ % cpu.jump_every == 0;
    run(cpu.step ? (unsigned)rand() % cpu.step + (jump ? (unsigned)rand() % cpu.jump : 0) : 1);
}

uint32_t cp0_count(void)
{
    pass();
    return (uint32_t)cpu.time;
}

uint32_t cp0_cause(void)
{
    pass();
    return cpu.raised ? CP0_CAUSE_TIMER : 0;
}

// A value equal to Count waits for a whole turn, as does one that Count has passed.
void cp0_set_compare(uint32_t value)
{
    pass();
    cpu.raised = false;
    uint32_t ahead = value - (uint32_t)cpu.time;
    cpu.match = cpu.time + (ahead ? ahead : 1ULL << 32);
}

uint64_t arch_counter(void)
{
    uint64_t last = loongson3_counter_last;
    return last + (uint32_t)(cp0_count() - (uint32_t)last);
}

// ---- What the timer uses ---------------------------------------------------------------------

static const struct clockevent *event;
static irq_handler_t handler;
static unsigned fired;
static uint64_t wanted; // what the event was set for

void clockevent_register(const struct clockevent *registered) { event = registered; }
void clockevent_fired(void)
{
    assert_true(cpu.time >= wanted);
    fired++;
    event->stop();
}
int irq_from_dt(const struct dt_node *node, unsigned index)
{
    (void)node;
    return (int)index + 7;
}
int irq_request(int irq, irq_handler_t function, void *arg, const char *name)
{
    (void)irq, (void)arg, (void)name;
    handler = function;
    return 0;
}

static const struct dt_node timer_node, cpus_node, cpu_node, rtc_node;
static uint32_t firmware_hz; // 0: not named
static bool has_rtc;

const struct dt_node *dt_by_path(const char *path)
{
    assert_string_equal(path, "/cpus");
    return &cpus_node;
}
const struct dt_node *dt_first_child(const struct dt_node *node)
{
    assert_ptr_equal(node, &cpus_node);
    return &cpu_node;
}
int dt_u32(const struct dt_node *node, const char *name, uint32_t *value)
{
    assert_ptr_equal(node, &cpu_node);
    assert_string_equal(name, "clock-frequency");
    *value = firmware_hz;
    return firmware_hz ? 0 : -ENOENT;
}
const struct dt_node *dt_by_compatible(const struct dt_node *from, const char *compatible)
{
    assert_null(from);
    assert_string_equal(compatible, "google,goldfish-rtc");
    return has_rtc ? &rtc_node : NULL;
}
int dt_reg(const struct dt_node *node, unsigned index, paddr_t *base, uint64_t *len)
{
    assert_ptr_equal(node, &rtc_node);
    *base = RTC + index;
    *len = 0x1000;
    return 0;
}
mmio_t ioremap(paddr_t base, uint64_t len)
{
    assert_int_equal(len, 0x1000);
    return (mmio_t){base};
}
void iounmap(mmio_t base) { assert_int_equal(base.addr, RTC); }

// The clock: how many nanoseconds a count is, in 1/1000.
static struct {
    uint64_t start, ps_per_count;
    bool noise;
} rtc;

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes);
void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value);

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes)
{
    assert_int_equal(addr, RTC);
    assert_int_equal(bytes, 4);
    pass();
    if (rtc.noise)
        return (uint32_t)rand() << 1;
    return (uint32_t)(rtc.start + cpu.time * rtc.ps_per_count / 1000);
}
void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value)
{
    (void)addr, (void)bytes, (void)value;
    fail();
}

// ---- Helpers ---------------------------------------------------------------------------------

static int setup(void **state)
{
    (void)state;
    srand(1);
    memset(&cpu, 0, sizeof(cpu));
    cpu.match = UINT64_MAX;
    cpu.time = 0xfffff000; // Count wraps soon
    cpu.step = 400;
    loongson3_counter_last = cpu.time;
    assert_int_equal(__start_table_timer_driver->init(&timer_node), 0);
    fired = 0;
    return 0;
}

// The interrupt is taken when it stands.
static void take_interrupt(void)
{
    if (cpu.raised)
        assert_int_equal(handler(NULL), IRQ_HANDLED);
}

// Runs on until the event has fired, and says how late it was.
static uint64_t wait_fired(uint64_t when)
{
    unsigned before = fired;
    while (fired == before) {
        assert_true(cpu.time < when + LATE_MAX);
        pass();
        take_interrupt();
    }
    return cpu.time - when;
}

static void arm(uint64_t when)
{
    wanted = when;
    event->set(when);
}

// ---- Clock event -----------------------------------------------------------------------------

static void test_in_time(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t when = cpu.time + (unsigned)rand() % 20000;
        arm(when);
        wait_fired(when);
    }
}

static void test_past(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        uint64_t when = cpu.time - (unsigned)rand() % 100000;
        arm(when);
        wait_fired(cpu.time);
    }
    arm(0);
    wait_fired(cpu.time);
}

// A hypervisor that takes the CPU away in the middle of arming.
static void test_jumps(void **state)
{
    (void)state;
    cpu.jump_every = 3;
    cpu.jump = 5000;
    for (int i = 0; i < 20000; i++) {
        uint64_t when = cpu.time + (unsigned)rand() % 3000;
        arm(when);
        wait_fired(MAX(when, cpu.time));
    }
}

static void test_earlier_replaces(void **state)
{
    (void)state;
    arm(cpu.time + 1000000);
    uint64_t when = cpu.time + 2000;
    arm(when);
    wait_fired(when);
}

static void test_farthest(void **state)
{
    (void)state;
    assert_true(event->max_counts < 1ULL << 31);
    uint64_t when = cpu.time + event->max_counts;
    arm(when);
    while (when - cpu.time > 100000) {
        run(50000);
        take_interrupt();
    }
    assert_int_equal(fired, 0);
    wait_fired(when);
}

// Nothing armed: it wakes up by itself often enough for the counter to stay right.
static void test_idle_counter(void **state)
{
    (void)state;
    event->stop();
    uint64_t last = arch_counter();
    for (int i = 0; i < 2000000; i++) {
        run(100000);
        take_interrupt();
        uint64_t now = arch_counter();
        assert_true(now > last);
        assert_int_equal(now, cpu.time);
        last = now;
    }
    assert_int_equal(fired, 0);
}

static void test_spurious(void **state)
{
    (void)state;
    uint64_t when = cpu.time + 100000;
    arm(when);
    assert_int_equal(handler(NULL), IRQ_HANDLED);
    assert_int_equal(fired, 0);
    wait_fired(when);
}

// ---- Rate ------------------------------------------------------------------------------------

static uint64_t rate(uint64_t real_hz, uint32_t named_hz)
{
    firmware_hz = named_hz;
    has_rtc = true;
    rtc.start = 0xffff0000;
    rtc.ps_per_count = 1000000000000 / real_hz;
    rtc.noise = false;
    loongson3_timer_init();
    return loongson3_timer_hz();
}

static void assert_near(uint64_t hz, uint64_t expected)
{
    assert_true(hz > expected - expected / 2000 && hz < expected + expected / 2000);
}

static void test_rate(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(rate(400000000, 800000000), 400000000);
        assert_near(rate(500000000, 800000000), 500000000); // firmware that is wrong
        assert_near(rate(100000000, 800000000), 100000000);
        assert_near(rate(1000000000, 0), 1000000000);
    }
    cpu.jump_every = 20; // other work on the host
    cpu.jump = 100000;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(rate(400000000, 800000000), 400000000);
        assert_near(rate(500000000, 800000000), 500000000);
    }
}

static void test_no_rate(void **state)
{
    (void)state;
    rate(400000000, 800000000);
    has_rtc = false;
    loongson3_timer_init();
    assert_int_equal(loongson3_timer_hz(), 400000000);
    firmware_hz = 0;
    loongson3_timer_init();
    assert_int_equal(loongson3_timer_hz(), 400000000);
    firmware_hz = 1; // cannot be
    loongson3_timer_init();
    assert_int_equal(loongson3_timer_hz(), 400000000);
    has_rtc = true;
    firmware_hz = 1000000000;
    rtc.ps_per_count = 0; // stands still
    loongson3_timer_init();
    assert_int_equal(loongson3_timer_hz(), 500000000);
    rtc.ps_per_count = 1000000000; // runs 400,000 times too fast
    loongson3_timer_init();
    assert_int_equal(loongson3_timer_hz(), 500000000);
    rtc.noise = true;
    for (int i = 0; i < 100; i++) {
        loongson3_timer_init();
        assert_true(loongson3_timer_hz() >= 10000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_in_time, setup),
        cmocka_unit_test_setup(test_past, setup),
        cmocka_unit_test_setup(test_jumps, setup),
        cmocka_unit_test_setup(test_earlier_replaces, setup),
        cmocka_unit_test_setup(test_farthest, setup),
        cmocka_unit_test_setup(test_idle_counter, setup),
        cmocka_unit_test_setup(test_spurious, setup),
        cmocka_unit_test_setup(test_rate, setup),
        cmocka_unit_test_setup(test_no_rate, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
