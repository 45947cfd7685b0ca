// SPDX-License-Identifier: BSD-2-Clause
//
// Context switch and FP state. Offsets are those of struct thread_context and struct fp_state in
// arch/thread.h. This is the only file of the kernel that touches FP registers.

#include "arch/asm.inc"

// Callee-saved registers, each with its place in the context.
.macro EACH_SAVED insn, base
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
    \insn   $s\n, 8 * \n(\base)
    .endr
    \insn   $fp, 64(\base)
    \insn   $ra, 72(\base)
    \insn   $sp, 80(\base)
.endm

.macro EACH_FP insn, base
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, \
               23, 24, 25, 26, 27, 28, 29, 30, 31
    \insn   $f\n, 8 * \n(\base)
    .endr
.endm

// void context_switch(struct thread_context *prev, struct thread_context *next)
FUNCTION context_switch
    EACH_SAVED sd, $a0
    EACH_SAVED ld, $a1
    jr      $ra
    nop
END_FUNCTION context_switch

// A new thread's first instruction: $s0 = entry, $s1 = its argument (platform_thread_init).
FUNCTION loongson3_thread_start
    move    $fp, $zero
    move    $t9, $s0
    jalr    $t9
    move    $a0, $s1
1:  b       1b
    nop
END_FUNCTION loongson3_thread_start

// void fp_state_save(struct fp_state *state)
FUNCTION fp_state_save
    EACH_FP sdc1, $a0
    cfc1    $v0, $31
    jr      $ra
    sd      $v0, 256($a0)
END_FUNCTION fp_state_save

// void fp_state_restore(const struct fp_state *state)
FUNCTION fp_state_restore
    ld      $v0, 256($a0)
    EACH_FP ldc1, $a0
    jr      $ra
    ctc1    $v0, $31
END_FUNCTION fp_state_restore
