// SPDX-License-Identifier: BSD-2-Clause
//
// Context switch and floating-point state. Offsets are those of struct thread_context and struct
// fp_state in arch/thread.h. This is the only file of the kernel that touches such registers.

#include "arch/asm.inc"

// void context_switch(struct thread_context *prev, struct thread_context *next)
FUNCTION context_switch
    st.d    $s0, $a0, 0
    st.d    $s1, $a0, 8
    st.d    $s2, $a0, 16
    st.d    $s3, $a0, 24
    st.d    $s4, $a0, 32
    st.d    $s5, $a0, 40
    st.d    $s6, $a0, 48
    st.d    $s7, $a0, 56
    st.d    $s8, $a0, 64
    st.d    $fp, $a0, 72
    st.d    $ra, $a0, 80
    st.d    $sp, $a0, 88
    ld.d    $s0, $a1, 0
    ld.d    $s1, $a1, 8
    ld.d    $s2, $a1, 16
    ld.d    $s3, $a1, 24
    ld.d    $s4, $a1, 32
    ld.d    $s5, $a1, 40
    ld.d    $s6, $a1, 48
    ld.d    $s7, $a1, 56
    ld.d    $s8, $a1, 64
    ld.d    $fp, $a1, 72
    ld.d    $ra, $a1, 80
    ld.d    $sp, $a1, 88
    ret
END_FUNCTION context_switch

// A new thread's first instruction: $s0 = entry, $s1 = its argument (platform_thread_init).
FUNCTION loongarch_thread_start
    move    $a0, $s1
    move    $fp, $zero
    move    $ra, $zero
    jirl    $ra, $s0, 0
    b       .
END_FUNCTION loongarch_thread_start

.macro EACH_FP insn
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
        16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \insn   $f\n, $a0, \n * 8
    .endr
.endm

// void fp_state_save(struct fp_state *state)
FUNCTION fp_state_save
    EACH_FP fst.d
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    movcf2gr $t0, $fcc\n
    st.b    $t0, $a0, 256 + \n
    .endr
    movfcsr2gr $t0, $fcsr0
    st.d    $t0, $a0, 264
    ret
END_FUNCTION fp_state_save

// void fp_state_restore(const struct fp_state *state)
FUNCTION fp_state_restore
    EACH_FP fld.d
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    ld.bu   $t0, $a0, 256 + \n
    movgr2cf $fcc\n, $t0
    .endr
    ld.d    $t0, $a0, 264
    movgr2fcsr $fcsr0, $t0
    ret
END_FUNCTION fp_state_restore
