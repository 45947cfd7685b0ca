// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of platform/loongson/loongarch64 share among themselves.

#pragma once

#include "arch/thread.h"
#include "core/lib/types.h"

// head.S -> start.c: at the link address, on the boot stack. `efi_table` is 0 without EFI.
_Noreturn void loongarch_start(paddr_t efi_table, paddr_t cmdline);

// vectors.S -> exception.c: any exception but interrupts; on the fault stack, interrupts off.
// Returns if the instruction shall be repeated.
void loongarch_fault(struct trap_frame *frame);

// switch.S
void loongarch_thread_start(void);

// vectors.S: waits with interrupts on until one came; returns with them off.
void loongarch_idle(void);
