// SPDX-License-Identifier: BSD-2-Clause
//
// The boot CPU's stacks, each above a page that early_map.c leaves unmapped.

    .macro STACK name, bytes
    .section .bss.stacks, "aw", %nobits
    .balign 16384
    .global \name\()_guard, \name\()_top
\name\()_guard:
    .skip 16384
    .skip \bytes
\name\()_top:
    .endm

    STACK boot_stack, 16384
    STACK irq_stack, 16384      // interrupts and softirqs; faults of a thread
    STACK fault_stack, 16384    // faults inside interrupt context
