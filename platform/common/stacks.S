// SPDX-License-Identifier: BSD-2-Clause
//
// The boot CPU's stacks, each above a page that early_map.c leaves unmapped.

#include "arch/layout.h"

#define PAGE_BYTES (1 << ARCH_PAGE_SHIFT)

    .macro STACK name, bytes
    .section .bss.stacks, "aw", %nobits
    .balign PAGE_BYTES
    .global \name\()_guard, \name\()_top
\name\()_guard:
    .skip PAGE_BYTES
    .skip \bytes
    .balign PAGE_BYTES
\name\()_top:
    .endm

    STACK boot_stack, 16384
    STACK irq_stack, 16384      // interrupts and softirqs; loongarch64's IRQ_STACK_SHIFT
    STACK fault_stack, 8192     // faults, as each machine's vectors.S says
