// SPDX-License-Identifier: BSD-2-Clause
//
// Tests that run inside the image. A test returns true, or reports the first wrong condition with
// CHECK. The result lines on the serial line are read by tests/guest/run.py:
//
//     guest: pass NAME        guest: FAIL NAME: FILE:LINE: CONDITION        guest: N passed, N
//     failed

#pragma once

#include "core/lib/types.h"

struct guest_test {
    const char *name;
    bool (*run)(void);
};

// Logs the failed condition; returns false so that CHECK can return it.
bool guest_failed(const char *file, int line, const char *condition);
#define CHECK(condition)                                         \
    do {                                                         \
        if (!(condition))                                        \
            return guest_failed(__FILE__, __LINE__, #condition); \
    } while (0)

// Each file's tests, ended by a NULL name.
extern const struct guest_test thread_tests[], interrupt_tests[], timer_tests[], softirq_tests[],
    memory_tests[], virtual_tests[], libc_tests[], libc_string_tests[], libc_jump_tests[],
    libc_float_tests[], malloc_tests[], dma_tests[], fill_tests[], full_tests[], hammer_tests[],
    hammer_long_tests[];

// Runs one of the cases that must end in a fault report; returns if there is none of that name.
void guest_fault_case(const char *name);
// Does one of the damages that a sanitizer build must report; returns if nothing does.
void guest_damage_case(const char *name);
// Does what C does not define, and returns.
void guest_undefined(void);
