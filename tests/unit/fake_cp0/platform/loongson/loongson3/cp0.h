// SPDX-License-Identifier: BSD-2-Clause
//
// The timer's registers of coprocessor 0 for unit tests: functions of the test. Found in front of
// the machine's header of this name through -iquote.

#pragma once

#include "arch/cpu.h"

#define CP0_CAUSE_TIMER (1u << 15)

uint32_t cp0_count(void);
uint32_t cp0_cause(void);
void cp0_set_compare(uint32_t value);
