// SPDX-License-Identifier: BSD-2-Clause
//
// Clock conversion against exact 128-bit arithmetic, and timers on a simulated device against a
// model: never early, in order of expiry, none forgotten, the device programmed only when needed.
//
// unit-sources: core/time/clock.c core/time/timer.c core/lib/rbtree.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/irq/softirq.h"
#include "core/time/clock.h"
#include "core/time/clockevent.h"
#include "core/time/timer.h"
#include "mm_ram.h"
#include "platform/platform.h"

// ---- The machine -----------------------------------------------------------------------------

static uint64_t counter, counter_hz, counter_step;
static void (*timer_softirq)(void);
static bool raised;

static struct {
    bool armed;
    uint64_t when;
    unsigned sets, fires;
} device;

uint64_t arch_counter(void) { return counter += counter_step; }
uint64_t platform_counter_hz(void) { return counter_hz; }

void softirq_register(enum softirq nr, void (*handler)(void))
{
    assert_int_equal(nr, SOFTIRQ_TIMER);
    timer_softirq = handler;
}
void softirq_raise(enum softirq nr) { raised = nr == SOFTIRQ_TIMER; }

static void device_set(uint64_t when)
{
    assert_false(arch_irqs_enabled());
    device.armed = true;
    device.when = when;
    device.sets++;
}
static void device_stop(void) { device.armed = false; }

static const struct clockevent event = {
    .max_counts = UINT64_MAX, .name = "fake", .set = device_set, .stop = device_stop};

static struct dt_node node_disabled = {.name = "timer-off"}, node_broken = {.name = "timer-bad"},
                      node_good = {.name = "timer"};
static int good_starts;

static int start_device(const struct dt_node *node)
{
    assert_ptr_not_equal(node, &node_disabled);
    if (node == &node_broken)
        return -EINVAL;
    good_starts++;
    clockevent_register(&event);
    return 0;
}

TIMER_DRIVER(unknown_timer, "vendor,unknown", start_device);
TIMER_DRIVER(fake_timer, "vendor,fake", start_device);
TIMER_DRIVER(second_timer, "vendor,second", start_device);

const struct dt_node *dt_by_compatible(const struct dt_node *from, const char *compatible)
{
    if (!strcmp(compatible, "vendor,second"))
        return from ? NULL : &node_good;
    if (strcmp(compatible, "vendor,fake"))
        return NULL;
    if (!from)
        return &node_disabled;
    return from == &node_disabled ? &node_broken : from == &node_broken ? &node_good : NULL;
}
bool dt_is_available(const struct dt_node *node) { return node != &node_disabled; }

// Lets the device fire if it is due, and its softirq run.
static void interrupt(void)
{
    for (unsigned rounds = 0; device.armed && counter >= device.when; rounds++) {
        assert_true(rounds < 100);
        device.fires++;
        arch_irq_disable();
        clockevent_fired();
        assert_false(device.armed);
        arch_irq_enable();
        assert_true(raised);
        raised = false;
        timer_softirq();
    }
}

static int start(void **state)
{
    (void)state;
    counter = 1000000;
    counter_hz = 62500000;
    counter_step = 0;
    memset(&device, 0, sizeof(device));
    good_starts = 0;
    return time_init();
}

// ---- The clock -------------------------------------------------------------------------------

typedef unsigned __int128 u128;

static void check_conversion(uint64_t hz, uint64_t count)
{
    u128 exact = (u128)count * NSEC_PER_SEC / hz;
    if (exact >> 63)
        return;
    counter = 1000 + count;
    uint64_t ns = clock_monotonic_ns();
    assert_in_range(ns - (uint64_t)exact, 0, 1);

    u128 exact_count = ((u128)ns * hz + NSEC_PER_SEC - 1) / NSEC_PER_SEC; // rounded up
    uint64_t when = clock_ns_to_counter(ns) - 1000;
    assert_in_range(when - (uint64_t)exact_count, 0, 2);
    counter = 1000 + when;
    assert_true(clock_monotonic_ns() >= ns); // a one-shot set for ns is never early
}

static void conversion(void **state)
{
    static const uint64_t rates[] = {32768,      1000000,    19200000,   24000000,  54000000,
                                     62500000,   99999999,   100000000,  999999999, 1000000000,
                                     1000000007, 2500000000, 4294967296, 7777777777};
    uint64_t seed = 3;
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
        counter = 1000;
        counter_hz = rates[i];
        assert_int_equal(time_init(), 0);
        assert_int_equal(clock_monotonic_ns(), 0); // since boot
        for (unsigned n = 0; n < 20000; n++)
            check_conversion(rates[i], mm_ram_random(&seed) >> mm_ram_random(&seed) % 64);
        for (uint64_t n = 0; n < 1000; n++)
            check_conversion(rates[i], n);
        // 100 years, to the nanosecond.
        check_conversion(rates[i], rates[i] * 3600 * 24 * 365 * 100);
    }
}

static void realtime(void **state)
{
    (void)state;
    uint64_t start_ns = clock_monotonic_ns();
    assert_int_equal(clock_realtime_ns(), start_ns); // nobody has set it
    clock_set_realtime(1700000000 * NSEC_PER_SEC);
    counter += counter_hz * 3;
    assert_int_equal(clock_realtime_ns(), 1700000003 * NSEC_PER_SEC);
    assert_int_equal(clock_monotonic_ns(), start_ns + 3 * NSEC_PER_SEC);
    clock_set_realtime(5); // backwards
    assert_int_equal(clock_realtime_ns(), 5);
    clock_set_realtime(clock_monotonic_ns());
}

static void delay(void **state)
{
    (void)state;
    counter_step = 7;
    uint64_t before = counter;
    clock_delay_us(100);
    assert_in_range(counter - before, 6250, 6250 + 100); // 63 counts a microsecond, rounded up
    counter_hz = 0; // before the rate is known it ends all the same
    clock_delay_us(100);
    counter_step = 0;
}

static void drivers(void **state)
{
    (void)state;
    assert_int_equal(good_starts, 1); // the first that works, after a disabled and a broken one
    counter_hz = 0;
    assert_int_equal(time_init(), -ENODEV);
}

// ---- Timers ----------------------------------------------------------------------------------

#define TIMERS 200

static struct item {
    struct timer timer;
    bool armed;
    uint64_t expires;
    unsigned fired, sequence;
} items[TIMERS];
static uint64_t last_expiry, random_state = 11;
static bool rearm_in_callback;
static unsigned sequence;

static void model_start(struct item *item, uint64_t expires)
{
    item->armed = true;
    item->expires = expires;
    timer_start(&item->timer, expires);
}

static void fired(struct timer *timer)
{
    struct item *item = container_of(timer, struct item, timer);
    assert_true(item->armed);
    assert_false(timer->armed);
    assert_int_equal(timer->expires_ns, item->expires);
    assert_true(clock_monotonic_ns() >= item->expires);
    assert_true(item->expires >= last_expiry);
    last_expiry = item->expires;
    item->armed = false;
    item->fired++;
    item->sequence = ++sequence;
    if (rearm_in_callback && mm_ram_random(&random_state) % 2)
        model_start(item, clock_monotonic_ns() + mm_ram_random(&random_state) % 5000);
}

static void fresh_items(void)
{
    memset(items, 0, sizeof(items));
    for (unsigned i = 0; i < TIMERS; i++)
        timer_setup(&items[i].timer, fired);
    last_expiry = 0;
    rearm_in_callback = false;
}

// At most this late: one count, and what conversion and its inverse round.
#define LATE_NS 32

static void random_timers(void **state)
{
    (void)state;
    fresh_items();
    rearm_in_callback = true;
    unsigned total = 0;
    for (unsigned step = 0; step < 100000; step++) {
        uint64_t random = mm_ram_random(&random_state);
        struct item *item = &items[random % TIMERS];
        if (random >> 60 < 3)
            assert_int_equal(timer_cancel(&item->timer), item->armed), item->armed = false;
        else if (random >> 60 < 10)
            model_start(item, clock_monotonic_ns() + (random >> 20) % 20000);
        else
            counter += (random >> 20) % 200;
        last_expiry = 0;
        interrupt();
        uint64_t now = clock_monotonic_ns();
        for (unsigned i = 0; i < TIMERS; i++)
            assert_true(!items[i].armed || items[i].expires + LATE_NS > now);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        total += items[i].fired;
        timer_cancel(&items[i].timer);
    }
    assert_true(total > 10000);
}

static void exact_moment(void **state)
{
    (void)state;
    fresh_items();
    for (uint64_t ns = 1; ns < 2000; ns++) {
        uint64_t expires = clock_monotonic_ns() + ns;
        model_start(&items[0], expires);
        counter = device.when - 1; // one count before the device fires
        interrupt();
        assert_true(items[0].armed);
        assert_true(clock_monotonic_ns() <= expires + 1); // and it was not waiting for too long
        counter++;
        interrupt();
        assert_false(items[0].armed);
    }
}

static void pass_a_microsecond(void) { counter += counter_hz / 1000000 + 1; }

static void device_is_spared(void **state)
{
    (void)state;
    fresh_items();
    uint64_t now = clock_monotonic_ns();
    model_start(&items[0], now + 1000);
    model_start(&items[1], now + 2000);
    model_start(&items[2], now + 3000);
    assert_int_equal(device.sets, 1);
    model_start(&items[3], now + 500);
    assert_int_equal(device.sets, 2);
    assert_true(timer_cancel(&items[3].timer));
    items[3].armed = false;
    assert_false(timer_cancel(&items[3].timer));
    assert_int_equal(device.sets, 2); // it fires for nothing, and is set for the next one
    pass_a_microsecond();
    interrupt();
    assert_int_equal(device.sets, 3);
    assert_false(items[0].armed); // due at the same moment
    pass_a_microsecond();
    interrupt();
    pass_a_microsecond();
    interrupt();
    assert_false(device.armed); // none left: no further interrupt
    assert_int_equal(items[2].fired, 1);
}

static void equal_times_keep_their_order(void **state)
{
    (void)state;
    fresh_items();
    uint64_t now = clock_monotonic_ns();
    for (unsigned i = 0; i < TIMERS; i++)
        model_start(&items[i], now + 100 + i % 2);
    model_start(&items[4], now + 100); // started again: behind the others
    pass_a_microsecond();
    interrupt();
    for (unsigned i = 0; i < TIMERS; i++) // more than one run's worth at once
        assert_int_equal(items[i].fired, 1);
    for (unsigned i = 2; i < TIMERS; i++) {
        if (i != 4 && i != 6)
            assert_true(items[i].sequence > items[i - 2].sequence);
    }
    assert_true(items[4].sequence > items[TIMERS - 2].sequence);
    assert_true(items[4].sequence < items[1].sequence);
}

static struct timer hog;
static unsigned hog_runs;
static void hog_again(struct timer *timer)
{
    if (++hog_runs < 1000)
        timer_start(timer, 0); // in the past, always
}

static void past_times_do_not_starve(void **state)
{
    (void)state;
    fresh_items();
    timer_setup(&hog, hog_again);
    pass_a_microsecond();
    timer_start(&hog, 0);
    model_start(&items[0], clock_monotonic_ns());
    interrupt();
    assert_int_equal(hog_runs, 1000); // over several softirq runs, each of limited length
    assert_true(device.fires >= 10);
    assert_int_equal(items[0].fired, 1);
}

static void far_future(void **state)
{
    (void)state;
    counter_hz = 7500000000; // counts overflow before nanoseconds do
    assert_int_equal(time_init(), 0);
    fresh_items();
    timer_start_in(&items[0].timer, UINT64_MAX);
    assert_int_equal(items[0].timer.expires_ns, UINT64_MAX);
    items[0].armed = true;
    items[1].armed = true;
    items[1].expires = UINT64_MAX - 5;
    timer_start(&items[1].timer, UINT64_MAX - 5);
    assert_in_range(device.when - counter, 1ULL << 58, 1ULL << 59);
    counter += 1ULL << 40;
    interrupt();
    assert_int_equal(items[0].fired + items[1].fired, 0);
    assert_true(timer_cancel(&items[0].timer));
    assert_true(timer_cancel(&items[1].timer));
}

// After years of uptime a timer is set for its time, not for a limit that lies in the past.
static void long_uptime(void **state)
{
    (void)state;
    fresh_items();
    counter += 840ULL * 24 * 3600 * counter_hz;
    timer_start_in(&items[0].timer, NSEC_PER_SEC);
    assert_in_range(device.when - counter, counter_hz - 1, counter_hz + 1);
    assert_true(timer_cancel(&items[0].timer));
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(conversion),
        TEST(realtime),
        TEST(delay),
        TEST(drivers),
        TEST(random_timers),
        TEST(exact_moment),
        TEST(device_is_spared),
        TEST(equal_times_keep_their_order),
        TEST(past_times_do_not_starve),
        TEST(far_future),
        TEST(long_uptime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
