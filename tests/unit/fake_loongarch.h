// SPDX-License-Identifier: BSD-2-Clause
//
// The interrupt hardware of a LoongArch machine for unit tests: CPU lines, EIOINTC and PCH-PIC as
// the manuals and QEMU have them, with their habits: register widths that are refused, vectors that
// are sent once, masks of which one may change at a time, pending messages that are remembered
// when they are cleared.

#pragma once

#include "core/lib/types.h"

#define FAKE_PIC 0x10000000ULL
#define FAKE_MSI 0x2ff00000ULL
#define FAKE_PIC_LINES 32
#define FAKE_CPU_TIMER 11

extern uint64_t fake_tcfg, fake_now; // timer: what was written, and the counter
extern unsigned fake_timer_acks;

void fake_loongarch_reset(void);
// A device raises or lowers its line of the PCH-PIC.
void fake_pic_line(unsigned line, bool up);
// A device writes a message.
void fake_message(uint32_t data);
// The timer expires.
void fake_timer_expire(void);
// A vector of which nothing is known turns up as pending.
void fake_spurious(unsigned vector);
bool fake_cpu_interrupted(void);
bool fake_pic_is_masked(unsigned line);
bool fake_vector_is_enabled(unsigned vector);
