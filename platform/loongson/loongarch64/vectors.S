// SPDX-License-Identifier: BSD-2-Clause
//
// Exceptions (LoongArch Reference Manual vol. 1, chapter 6). With ECFG.VS = 0 all but TLB refills
// enter at `vectors`, translation on. Three ways in:
//
//   interrupt of a thread      frame on the thread's own stack, handlers on the interrupt stack,
//                              so the thread can be switched away from at the end
//   interrupt of an interrupt  frame and handlers on the interrupt stack; the same code, told apart
//                              by where the stack pointer is
//   anything else              frame and handlers on the fault stack: the other may be bad
//
// struct trap_frame in arch/thread.h: 8 bytes a register, then pc and PRMD. An interrupt's frame
// leaves out $s1 to $s8: the C code keeps them, and so does the switch when the thread is
// preempted. None has $r21, the CPU's, which may be another one when the thread goes on.
//
// Stacks and this code are mapped pages, so all of it takes TLB refills: these have registers of
// their own and disturb nothing here.

#include "arch/asm.inc"
#include "arch/csr.h"

#define FRAME_BYTES 272
#define FRAME_SP 24
#define FRAME_T0 96
#define FRAME_T1 104
#define FRAME_FP 176
#define FRAME_S0 184
#define FRAME_PC 256
#define FRAME_PRMD 264
#define IDLE_RESUME 8                   // idle_resume - idle_wait
#define IRQ_STACK_SHIFT 14              // stacks.S: 16 KiB

// Stores what C code may change, less $t0, to the frame at `base`.
.macro SAVE_CALLER_SAVED base
    st.d    $ra, \base, 8
    st.d    $a0, \base, 32
    st.d    $a1, \base, 40
    st.d    $a2, \base, 48
    st.d    $a3, \base, 56
    st.d    $a4, \base, 64
    st.d    $a5, \base, 72
    st.d    $a6, \base, 80
    st.d    $a7, \base, 88
    st.d    $t1, \base, FRAME_T1
    st.d    $t2, \base, 112
    st.d    $t3, \base, 120
    st.d    $t4, \base, 128
    st.d    $t5, \base, 136
    st.d    $t6, \base, 144
    st.d    $t7, \base, 152
    st.d    $t8, \base, 160
    st.d    $fp, \base, FRAME_FP        // for the call chain only
    st.d    $s0, \base, FRAME_S0
.endm

// $t0 from where the entry put it, by way of $t2 (saved already).
.macro SAVE_T0 base
    csrrd   $t2, CSR_SAVE_T0
    st.d    $t2, \base, FRAME_T0
.endm

// Back from the frame at $s0, with PRMD in $t0.
.macro RESTORE_AND_RETURN
    csrwr   $t0, CSR_PRMD
    ld.d    $t0, $s0, FRAME_PC
    csrwr   $t0, CSR_ERA
    ld.d    $ra, $s0, 8
    ld.d    $a0, $s0, 32
    ld.d    $a1, $s0, 40
    ld.d    $a2, $s0, 48
    ld.d    $a3, $s0, 56
    ld.d    $a4, $s0, 64
    ld.d    $a5, $s0, 72
    ld.d    $a6, $s0, 80
    ld.d    $a7, $s0, 88
    ld.d    $t0, $s0, FRAME_T0
    ld.d    $t1, $s0, FRAME_T1
    ld.d    $t2, $s0, 112
    ld.d    $t3, $s0, 120
    ld.d    $t4, $s0, 128
    ld.d    $t5, $s0, 136
    ld.d    $t6, $s0, 144
    ld.d    $t7, $s0, 152
    ld.d    $t8, $s0, 160
    ld.d    $sp, $s0, FRAME_SP
    ld.d    $s0, $s0, FRAME_S0
    ertn
.endm

    .section .text.vectors, "ax"
    .balign 4096
    .global vectors
    .type vectors, @function
vectors:
    csrwr   $t0, CSR_SAVE_T0
    csrrd   $t0, CSR_ESTAT
    bstrpick.w $t0, $t0, 21, 16         // Ecode, 0 for interrupts
    bnez    $t0, fault

    st.d    $sp, $sp, FRAME_SP - FRAME_BYTES
    addi.d  $sp, $sp, -FRAME_BYTES
    SAVE_CALLER_SAVED $sp
    SAVE_T0 $sp
    move    $s0, $sp
    move    $a0, $sp
    csrrd   $t0, CSR_IRQ_STACK
    sub.d   $t1, $t0, $sp
    srli.d  $t1, $t1, IRQ_STACK_SHIFT   // 0: on the interrupt stack already
    beqz    $t1, 1f
    move    $sp, $t0
1:  csrrd   $t0, CSR_ERA
    pcaddi  $t1, %pcrel_20(idle_wait)
    xor     $t2, $t0, $t1
    srli.d  $t2, $t2, 4                 // 0: one of the four instructions from idle_wait
    beqz    $t2, 4f
2:  st.d    $t0, $s0, FRAME_PC
    bl      irq_dispatch                // false on the interrupt stack: never preempted there
    beqz    $a0, 3f
    move    $sp, $s0                    // the thread's stack, below its frame
    bl      preempt_interrupted
3:  ori     $t0, $zero, PRMD_PIE        // interrupts were on, or this one had not come
    RESTORE_AND_RETURN
4:  addi.d  $t0, $t1, IDLE_RESUME
    b       2b

fault:
    csrrd   $t0, CSR_FAULT_STACK
    addi.d  $t0, $t0, -FRAME_BYTES
    SAVE_CALLER_SAVED $t0
    SAVE_T0 $t0
    st.d    $tp, $t0, 16
    st.d    $sp, $t0, FRAME_SP
    st.d    $s1, $t0, 192
    st.d    $s2, $t0, 200
    st.d    $s3, $t0, 208
    st.d    $s4, $t0, 216
    st.d    $s5, $t0, 224
    st.d    $s6, $t0, 232
    st.d    $s7, $t0, 240
    st.d    $s8, $t0, 248
    csrrd   $t2, CSR_ERA
    csrrd   $t3, CSR_PRMD
    st.d    $t2, $t0, FRAME_PC
    st.d    $t3, $t0, FRAME_PRMD
    move    $s0, $t0
    move    $a0, $t0
    move    $sp, $t0
    bl      loongarch_fault
    ld.d    $t0, $s0, FRAME_PRMD
    RESTORE_AND_RETURN
    .size vectors, . - vectors

// void loongarch_idle(void): IDLE waits only for interrupts that are on, and one that comes between
// the two instructions must not be slept over: an interrupt of this block returns to idle_resume.
    .global loongarch_idle
    .type loongarch_idle, @function
loongarch_idle:
    ori     $t0, $zero, CRMD_IE
    ori     $t1, $zero, CRMD_IE
    .balign 16
idle_wait:
    csrxchg $t0, $t1, CSR_CRMD
    idle    0
idle_resume:
    csrxchg $zero, $t1, CSR_CRMD
    ret
    .size loongarch_idle, . - loongarch_idle

// TLB refill: entered at its physical address with translation off and interrupts off; CSR_PGD is
// the root for the address that missed. The entry gets both pages of the pair. Where a table is
// missing or an entry empty it gets invalid ones, and the access then faults at `vectors`.
    .balign 4096
    .global tlb_refill
    .type tlb_refill, @function
tlb_refill:
    csrwr   $t0, CSR_TLBRSAVE
    csrrd   $t0, CSR_PGD
    lddir   $t0, $t0, 3
    beqz    $t0, 1f
    lddir   $t0, $t0, 2
    beqz    $t0, 1f
    lddir   $t0, $t0, 1
    beqz    $t0, 1f
    ldpte   $t0, 0
    ldpte   $t0, 1
    tlbfill
    csrrd   $t0, CSR_TLBRSAVE
    ertn
1:  csrwr   $t0, CSR_TLBRELO0           // $t0 is 0, and then what was there before
    move    $t0, $zero
    csrwr   $t0, CSR_TLBRELO1
    tlbfill
    csrrd   $t0, CSR_TLBRSAVE
    ertn
    .size tlb_refill, . - tlb_refill
