// SPDX-License-Identifier: BSD-2-Clause
//
// Exception vectors (Arm ARM D1.3.1). Threads run with SPSel = 0; taking an exception selects
// SP_EL1. Three ways in:
//
//   interrupt of a thread      frame on the thread's own stack, handlers on the interrupt stack,
//                              so the thread can be switched away from at the end
//   interrupt of an interrupt  frame and handlers on the interrupt stack
//   faults                     frame on the interrupt stack (from a thread: its own may be bad), or
//                              on the fault stack (from interrupt context)
//
// struct trap_frame in arch/thread.h: x0..x30, sp, pc, pstate. An interrupt's frame leaves out x20 to
// x28: the C code keeps them, and so does the switch when the thread is preempted.

#include "arch/asm.inc"

#define FRAME_BYTES 272
#define FRAME_X30_SP 240
#define FRAME_PC 256

// Stores x2..x19 and x29 to the frame at x0; x0, x1, x30, sp and the rest follow in the caller.
.macro SAVE_X2_X19
    stp     x2, x3, [x0, #16]
    stp     x4, x5, [x0, #32]
    stp     x6, x7, [x0, #48]
    stp     x8, x9, [x0, #64]
    stp     x10, x11, [x0, #80]
    stp     x12, x13, [x0, #96]
    stp     x14, x15, [x0, #112]
    stp     x16, x17, [x0, #128]
    stp     x18, x19, [x0, #144]
    str     x29, [x0, #232]
.endm

.macro SAVE_X20_X28
    stp     x20, x21, [x0, #160]
    stp     x22, x23, [x0, #176]
    stp     x24, x25, [x0, #192]
    stp     x26, x27, [x0, #208]
    str     x28, [x0, #224]
.endm

// Stores pc and pstate; clobbers x2, x3 (saved already).
.macro SAVE_RETURN_STATE
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    stp     x2, x3, [x0, #FRAME_PC]
.endm

// All that C code may have changed back from the frame at x19, and return. sp is what it was at
// entry.
.macro RESTORE_AND_RETURN
    ldp     x2, x3, [x19, #FRAME_PC]
    msr     elr_el1, x2
    msr     spsr_el1, x3
    ldp     x0, x1, [x19]
    ldp     x2, x3, [x19, #16]
    ldp     x4, x5, [x19, #32]
    ldp     x6, x7, [x19, #48]
    ldp     x8, x9, [x19, #64]
    ldp     x10, x11, [x19, #80]
    ldp     x12, x13, [x19, #96]
    ldp     x14, x15, [x19, #112]
    ldp     x16, x17, [x19, #128]
    ldp     x29, x30, [x19, #232]
    ldp     x18, x19, [x19, #144]
    eret
.endm

    .section .text.vectors, "ax"

interrupt_of_thread:
    stp     x0, x1, [sp, #-16]!
    mrs     x1, sp_el0
    sub     x0, x1, #FRAME_BYTES
    SAVE_X2_X19
    stp     x30, x1, [x0, #FRAME_X30_SP]
    ldp     x2, x3, [sp], #16
    stp     x2, x3, [x0]
    SAVE_RETURN_STATE
    mov     x19, x0
    bl      irq_dispatch
    tbz     w0, #0, 1f              // a bool: the other bits mean nothing
    msr     spsel, #0               // the thread's stack, below its frame
    mov     sp, x19
    bl      preempt_interrupted
    mov     sp, x19
    add     x0, x19, #FRAME_BYTES
    mov     sp, x0
    msr     spsel, #1
1:  RESTORE_AND_RETURN

interrupt_of_interrupt:
    sub     sp, sp, #FRAME_BYTES
    stp     x0, x1, [sp]
    mov     x0, sp
    SAVE_X2_X19
    add     x1, x0, #FRAME_BYTES
    stp     x30, x1, [x0, #FRAME_X30_SP]
    SAVE_RETURN_STATE
    mov     x19, x0
    bl      irq_dispatch            // nested: never asks for preemption
    add     sp, sp, #FRAME_BYTES
    RESTORE_AND_RETURN

// Synchronous exceptions of a thread: the first use of FP returns, the rest does not.
fault_of_thread:
    sub     sp, sp, #FRAME_BYTES
    stp     x0, x1, [sp]
    mov     x0, sp
    mrs     x1, sp_el0
    SAVE_X2_X19
    SAVE_X20_X28
    stp     x30, x1, [x0, #FRAME_X30_SP]
    SAVE_RETURN_STATE
    mov     x19, x0
    bl      arm64_thread_fault
    add     sp, sp, #FRAME_BYTES
    RESTORE_AND_RETURN

// Anything else is fatal: onto the fault stack, whatever sp was. TPIDRRO_EL0 is free as scratch.
fatal:
    msr     tpidrro_el0, x0
    ADDRESS x0, fault_stack_top
    sub     x0, x0, #FRAME_BYTES
    SAVE_X2_X19
    SAVE_X20_X28
    mrs     x2, tpidrro_el0
    stp     x2, x1, [x0]
    mov     x1, sp
    stp     x30, x1, [x0, #FRAME_X30_SP]
    SAVE_RETURN_STATE
    mov     sp, x0
    bl      arm64_fatal_fault
    b       .

.macro VECTOR target
    .balign 128
    b       \target
.endm

    .balign 2048
    .global vectors
vectors:
    VECTOR fault_of_thread          // SP_EL0: synchronous
    VECTOR interrupt_of_thread
    VECTOR fatal                    // FIQ: no secure interrupts reach us
    VECTOR fatal                    // SError
    VECTOR fatal                    // SP_EL1: synchronous
    VECTOR interrupt_of_interrupt
    VECTOR fatal
    VECTOR fatal
    .rept 8                         // lower ELs: nothing runs there
    VECTOR fatal
    .endr
