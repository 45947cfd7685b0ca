// SPDX-License-Identifier: BSD-2-Clause
//
// The registers of coprocessor 0 that the interrupt and timer files use (MIPS64 Architecture,
// volume III, release 2; chapter 9), by name, and arch_counter(), which is made of one of them.

#pragma once

#include "arch/cpu.h"

#define CP0_IP_SHIFT 8 // of IP0 in Cause and of its mask bit in Status
#define CP0_IP_ALL 0xff00u
#define CP0_CAUSE_TIMER (1u << (CP0_IP_SHIFT + 7))

static inline uint32_t cp0_count(void) { return ARCH_READ_CP0_32(9, 0); }
// Also ends the interrupt that an earlier match holds up.
static inline void cp0_set_compare(uint32_t value) { ARCH_WRITE_CP0_32(11, 0, value); }
static inline uint32_t cp0_status(void) { return ARCH_READ_CP0_32(12, 0); }
static inline void cp0_set_status(uint32_t value) { ARCH_WRITE_CP0_32(12, 0, value); }
static inline uint32_t cp0_cause(void) { return ARCH_READ_CP0_32(13, 0); }
