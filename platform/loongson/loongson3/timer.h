// SPDX-License-Identifier: BSD-2-Clause
//
// Count as a 64-bit counter. The register has 32 bits: arch_counter() takes the rest from
// loongson3_counter_last, a value that it had less than 2^32 counts ago, and for that the timer
// brings it up to date every 2^31 counts at least (and at each arming):
//
//   do { last = loongson3_counter_last; now = Count; } while (last != loongson3_counter_last);
//   counter = last + (uint32_t)(now - (uint32_t)last);
//
// The second look makes it right for a thread that is preempted between the first two reads. A
// machine that stands still for more than 2^32 counts (10.7 s) while Count goes on loses the rest
// of that time: there is no second clock to see it by.

#pragma once

#include <stdint.h>

extern uint64_t loongson3_counter_last; // written by loongson3_counter_tick() only
void loongson3_counter_tick(void);      // interrupts off

// Finds the rate of Count. From platform_init, once; takes 1 ms, in a strange machine 21.
void loongson3_timer_init(void);
uint64_t loongson3_timer_hz(void); // 0 before loongson3_timer_init
