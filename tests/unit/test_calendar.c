// SPDX-License-Identifier: BSD-2-Clause
//
// Calendar arithmetic against the C library of the host, day by day, and dates that do not exist.
// unit-sources: core/lib/calendar.c

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#include "core/lib/calendar.h"

static void test_every_day(void **state)
{
    (void)state;
    struct tm tm = {.tm_year = 70, .tm_mday = 1};
    for (uint64_t day = 0;; day++) {
        time_t now = (time_t)(day * 86400 + day % 86400);
        assert_non_null(gmtime_r(&now, &tm));
        if (tm.tm_year + 1900 > CALENDAR_YEAR_LAST)
            break;
        struct calendar_time t = {
            .year = (unsigned)tm.tm_year + 1900,
            .month = (unsigned)tm.tm_mon + 1,
            .day = (unsigned)tm.tm_mday,
            .hour = (unsigned)tm.tm_hour,
            .minute = (unsigned)tm.tm_min,
            .second = (unsigned)tm.tm_sec,
        };
        uint64_t seconds;
        assert_int_equal(calendar_to_seconds(&t, &seconds), 0);
        assert_int_equal(seconds, now);
    }
}

static void test_golden(void **state)
{
    (void)state;
    static const struct {
        struct calendar_time time;
        uint64_t seconds;
    } golden[] = {
        {{1970, 1, 1, 0, 0, 0}, 0},
        {{2000, 2, 29, 12, 0, 1}, 951825601},
        {{2038, 1, 19, 3, 14, 8}, 1ULL << 31},
        {{2100, 3, 1, 0, 0, 0}, 4107542400},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(golden); i++) {
        uint64_t seconds;
        assert_int_equal(calendar_to_seconds(&golden[i].time, &seconds), 0);
        assert_int_equal(seconds, golden[i].seconds);
    }
}

static void test_no_such_time(void **state)
{
    (void)state;
    static const struct calendar_time bad[] = {
        {1969, 12, 31, 23, 59, 59},  {CALENDAR_YEAR_LAST + 1, 1, 1, 0, 0, 0},
        {UINT32_MAX, 1, 1, 0, 0, 0}, {2026, 0, 1, 0, 0, 0}, // what a clock that is off shows
        {2026, 13, 1, 0, 0, 0},      {2026, 63, 1, 0, 0, 0},
        {2026, 1, 0, 0, 0, 0},       {2026, 4, 31, 0, 0, 0},
        {2026, 2, 29, 0, 0, 0},      {2100, 2, 29, 0, 0, 0},
        {2000, 2, 30, 0, 0, 0},      {2026, 1, 1, 24, 0, 0},
        {2026, 1, 1, 0, 60, 0},      {2026, 1, 1, 0, 0, 60},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        uint64_t seconds;
        assert_int_equal(calendar_to_seconds(&bad[i], &seconds), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_no_such_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
