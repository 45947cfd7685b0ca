// SPDX-License-Identifier: BSD-2-Clause
//
// As loop-arm64.S, for LoongArch64: its faults are TLB refills in the middle of a straight run of
// instructions, after which the load is executed again. Linked for the direct window that it sets
// up; QEMU enters it with translation off. LoongArch Reference Manual, volume 1, sections 5.4, 7.5.

        .equ    DMW_CACHED, 0x900               // the upper 12 bits of the window's addresses
        .equ    PAGES, 0x10000000               // one pair of pages a fault, all mapped to RAM at 0
        .equ    PAIR, 0x8000

        .text
        .global _start
        .type   _start, @function
_start:                                         // 14
        ori     $t0, $zero, 0x11                // DMW1: PLV0, cached
        lu52i.d $t0, $t0, DMW_CACHED - 0x1000
        csrwr   $t0, 0x181
        ori     $t0, $zero, 0xb0                // CRMD: PG
        csrwr   $t0, 0x0
        la.pcrel $t0, refill                    // 2
        bstrpick.d $t0, $t0, 47, 0
        csrwr   $t0, 0x88                       // TLBRENTRY
        la.pcrel $s1, fastpath_turn             // 2
        ori     $s0, $zero, TURNS
        lu12i.w $s2, PAGES >> 12
        lu12i.w $s3, PAIR >> 12
        .size   _start, . - _start

        .type   polling, @function
polling:                                        // TURNS x 5, without what is called
        move    $a0, $s0
        bl      fastpath_poll
        st.w    $s0, $s1, 0                     // no result: another function stores it
        addi.d  $s0, $s0, -1
        bnez    $s0, polling
        ori     $s0, $zero, FAULTS              // 1
        .size   polling, . - polling

        .type   faulting, @function
faulting:                                       // FAULTS x 6, 1 again, and 12 of the handler each
        nop
        nop
        ld.d    $t1, $s2, 0
        add.d   $s2, $s2, $s3
        addi.d  $s0, $s0, -1
        bnez    $s0, faulting
        .size   faulting, . - faulting

        .global end_reached
end_reached:
        nop                                     // 1
1:      idle    0
        b       1b

// fastpath_poll(n): stores n % 4.
        .global fastpath_poll
        .type   fastpath_poll, @function
fastpath_poll:                                  // 5, + 1 + 3 x result unless that is 0
        andi    $a0, $a0, 3
        st.w    $a0, $s1, 4                     // no result: another variable
        beqz    $a0, 2f
        move    $t0, $a0
1:      nop
        addi.d  $t0, $t0, -1
        bnez    $t0, 1b
2:      st.w    $a0, $s1, 0
        ret
        .size   fastpath_poll, . - fastpath_poll

        .balign 4096
        .type   refill, @function
refill:                                         // 12, at its physical address
        csrwr   $t0, 0x8b                       // TLBRSAVE
        ori     $t0, $zero, 0x53                // global, cached, writable, valid
        csrwr   $t0, 0x8c                       // TLBRELO0
        ori     $t0, $zero, 0x53
        csrwr   $t0, 0x8d
        csrrd   $t0, 0x8e                       // TLBREHI
        bstrins.d $t0, $zero, 5, 0
        ori     $t0, $t0, 14                    // 16 KiB
        csrwr   $t0, 0x8e
        tlbfill
        csrrd   $t0, 0x8b
        ertn
        .size   refill, . - refill

        .bss
        .balign 8
        .global fastpath_turn
fastpath_turn:
        .space  8
