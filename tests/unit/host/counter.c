// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of arch_counter(): each look at the time lets one unit pass.

#include "arch/cpu.h"

uint64_t arch_counter(void)
{
    static uint64_t count;
    return ++count;
}
