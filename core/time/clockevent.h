// SPDX-License-Identifier: BSD-2-Clause
//
// What a timer device registers: a one-shot event per CPU, in counter units of arch_counter().

#pragma once

#include "core/lib/dt.h"

struct clockevent {
    const char *name;
    uint64_t max_counts; // how far ahead it can be set: UINT64_MAX, or less for a narrow compare
    // Arms the CPU's timer to fire at or after counter value `when` (never early; a value in the
    // past fires at once). Interrupts off.
    void (*set)(uint64_t when);
    // Disarms it, and ends a level-triggered interrupt that it holds up. Interrupts off.
    void (*stop)(void);
};

// The platform's timer, from its init. One a machine.
void clockevent_register(const struct clockevent *event);
// From the timer's interrupt handler: stops the device and has the expired timers run.
void clockevent_fired(void);

struct timer_driver {
    const char *compatible;
    int (*init)(const struct dt_node *node);
};
#define TIMER_DRIVER(id, compat, init_fn)                                                  \
    static const struct timer_driver id TABLE_ENTRY(timer_driver) = {.compatible = compat, \
                                                                     .init = init_fn}
