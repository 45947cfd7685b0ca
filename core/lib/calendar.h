// SPDX-License-Identifier: BSD-2-Clause
//
// Date and time of day, as clock devices have them, to seconds since 1970 (Gregorian calendar, no
// leap seconds: POSIX.1-2017, 4.16). Any context.

#pragma once

#include "core/lib/types.h"

#define CALENDAR_YEAR_LAST 2500 // in nanoseconds it still fits 64 bits

struct calendar_time {
    unsigned year;                 // 1970 to CALENDAR_YEAR_LAST
    unsigned month, day;           // from 1
    unsigned hour, minute, second; // from 0; a day has 86,400 seconds
};

// -EINVAL: there is no such date or time.
int calendar_to_seconds(const struct calendar_time *time, uint64_t *seconds);
