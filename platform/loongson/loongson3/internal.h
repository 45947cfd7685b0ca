// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of platform/loongson/loongson3 share among themselves.

#pragma once

#include "arch/layout.h"
#include "arch/thread.h"
#include "core/lib/types.h"

// An object of the image: its physical address, and a function's alias that needs no TLB.
#define IMAGE_PA(object) ((uintptr_t)(object) - ARCH_IMAGE_BASE + ARCH_IMAGE_LOAD)
#define UNMAPPED(function) ((__typeof__(&(function)))((uintptr_t)(function) - ARCH_UNMAPPED_OFFSET))

// head.S -> early_map.c: builds the tables that the refill handler walks; they are garbage before.
void early_map(void);
// The first half is the root of the page tables. The second is for addresses with bit 47 set: empty
// but for its last entry, which is that of the image.
extern uint64_t kernel_root_table[2 << 11];

// head.S -> start.c: at the link address, with the final tables, on the boot stack.
_Noreturn void loongson3_start(int argc, uintptr_t argv, uintptr_t lefi);

// vectors.S -> exception.c: any exception but interrupts and what the refill handler cures; on the
// interrupt or fault stack, interrupts off. Returns if the instruction shall be repeated.
void loongson3_fault(struct trap_frame *frame);

// switch.S
void loongson3_thread_start(void);

// vectors.S, where they are described; to be called as UNMAPPED(f)(), interrupts off.
void loongson3_idle(void);
void loongson3_tlb_drop(uintptr_t va, uint64_t invalid);
void loongson3_tlb_reset(void);

// memory.c: whether a page is mapped, for the report of a fault.
bool loongson3_is_mapped(uintptr_t va);

// Status and Cause (MIPS64 Architecture, volume III, 9.29 and 9.33).
#define STATUS_CU0 (1u << 28) // ours: interrupt context (vectors.S)
#define STATUS_CU1 (1u << 29)
#define CAUSE_BD (1u << 31) // in a branch's delay slot; EPC is the branch
#define CAUSE_CODE(cause) (((cause) >> 2) & 31)
#define CAUSE_UNIT(cause) (((cause) >> 28) & 3)
