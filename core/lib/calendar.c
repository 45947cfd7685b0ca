// SPDX-License-Identifier: BSD-2-Clause
//
// Calendar arithmetic. See calendar.h.

#include "core/lib/calendar.h"

#define EPOCH 1970

static bool is_leap(unsigned year) { return year % 4 == 0 && (year % 100 || year % 400 == 0); }

// Leap days in all years before this one.
static unsigned leap_days(unsigned year)
{
    unsigned last = year - 1;
    return last / 4 - last / 100 + last / 400;
}

static unsigned month_length(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

static bool is_valid(const struct calendar_time *t)
{
    return t->year >= EPOCH && t->year <= CALENDAR_YEAR_LAST && t->month >= 1 && t->month <= 12 &&
           t->day >= 1 && t->day <= month_length(t->year, t->month) && t->hour < 24 &&
           t->minute < 60 && t->second < 60;
}

int calendar_to_seconds(const struct calendar_time *t, uint64_t *seconds)
{
    if (!is_valid(t))
        return -EINVAL;
    uint64_t days = 365ULL * (t->year - EPOCH) + leap_days(t->year) - leap_days(EPOCH) + t->day - 1;
    for (unsigned month = 1; month < t->month; month++)
        days += month_length(t->year, month);
    *seconds = ((days * 24 + t->hour) * 60 + t->minute) * 60 + t->second;
    return 0;
}
