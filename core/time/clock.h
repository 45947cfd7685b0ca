// SPDX-License-Identifier: BSD-2-Clause
//
// Time: nanoseconds since boot (monotonic) and since 1970 (realtime). Any context. Conversions
// from the counter use a 64x64->128 multiply, so they do not overflow in centuries.

#pragma once

#include "core/lib/types.h"

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL

uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);                // monotonic when no clock device set the date
void clock_set_realtime(uint64_t ns_since_1970); // from an RTC driver or a time protocol
uint64_t clock_ns_to_counter(uint64_t ns);       // monotonic ns to counter value, rounded up
void clock_delay_us(unsigned us); // busy wait, any context, for hardware settle times

int time_init(void); // once, from boot.c, after irq_init: finds the timer driver
