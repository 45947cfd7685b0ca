// SPDX-License-Identifier: BSD-2-Clause
//
// Timers and clocks: never early, in order, cancelled ones silent.

#include "core/sched/thread.h"
#include "core/time/clock.h"
#include "core/time/timer.h"
#include "tests/guest/guest.h"

struct shot {
    struct timer timer;
    volatile uint64_t fired_ns;
    volatile int order, count;
};

static volatile int order_next;

static void shot_fired(struct timer *timer)
{
    struct shot *shot = container_of(timer, struct shot, timer);
    shot->fired_ns = clock_monotonic_ns();
    shot->order = order_next++;
    shot->count++;
}

static bool clock_is_monotonic(void)
{
    uint64_t last = clock_monotonic_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_monotonic_ns();
        CHECK(now >= last);
        last = now;
    }
    return true;
}

static bool realtime_is_plausible(void)
{
    CHECK(clock_realtime_ns() / NSEC_PER_SEC > 1700000000); // set from the RTC
    return true;
}

static bool never_early_in_order(void)
{
    static struct shot shots[16];
    uint64_t start = clock_monotonic_ns();
    order_next = 0;
    for (int i = 0; i < 16; i++) {
        int slot = i * 5 % 16; // armed out of order, 1 ms apart
        timer_setup(&shots[slot].timer, shot_fired);
        timer_start(&shots[slot].timer, start + (uint64_t)(slot + 5) * NSEC_PER_MSEC);
    }
    thread_sleep_ns(60 * NSEC_PER_MSEC);
    for (int i = 0; i < 16; i++) {
        CHECK(shots[i].count == 1);
        CHECK(shots[i].fired_ns >= shots[i].timer.expires_ns);
        CHECK(shots[i].order == i);
    }
    return true;
}

static bool cancelled_is_silent(void)
{
    static struct shot shot;
    timer_setup(&shot.timer, shot_fired);
    timer_start_in(&shot.timer, 5 * NSEC_PER_MSEC);
    CHECK(timer_cancel(&shot.timer));
    CHECK(!timer_cancel(&shot.timer));
    thread_sleep_ns(15 * NSEC_PER_MSEC);
    CHECK(shot.count == 0);
    return true;
}

static volatile int rearmed;

static void rearm(struct timer *timer)
{
    if (++rearmed < 10)
        timer_start_in(timer, NSEC_PER_MSEC);
}

static bool rearms_itself(void)
{
    static struct timer timer;
    rearmed = 0;
    timer_setup(&timer, rearm);
    timer_start_in(&timer, NSEC_PER_MSEC);
    thread_sleep_ns(60 * NSEC_PER_MSEC);
    CHECK(rearmed == 10);
    return true;
}

static bool past_fires_at_once(void)
{
    static struct shot shot;
    timer_setup(&shot.timer, shot_fired);
    timer_start(&shot.timer, 1);
    thread_sleep_ns(5 * NSEC_PER_MSEC);
    CHECK(shot.count == 1);
    return true;
}

const struct guest_test timer_tests[] = {
    {"clock is monotonic", clock_is_monotonic},
    {"realtime is set", realtime_is_plausible},
    {"timers never early and in order", never_early_in_order},
    {"cancelled timer is silent", cancelled_is_silent},
    {"timer re-arms itself", rearms_itself},
    {"timer in the past fires at once", past_fires_at_once},
    {NULL, NULL},
};
