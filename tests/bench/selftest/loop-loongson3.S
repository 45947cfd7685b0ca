// SPDX-License-Identifier: BSD-2-Clause
//
// As loop-arm64.S, for MIPS64: its faults are TLB refills in a branch's delay slot, after which the
// branch and the load are executed again; the polled function stores its result in the delay slot
// of its return. MIPS64 Architecture, volume III: exception processing, TLB refill.

        .equ    PAGES_HI, 0x1000                // one pair of pages a fault, all mapped to RAM at 0
        .equ    PAIR, 0x4000

        .set    noreorder
        .set    noat
        .text
        .global _start
        .type   _start, @function
_start:                                         // 12
        ori     $t0, $zero, 0xe0                // Status: KX, SX, UX
        mtc0    $t0, $12
        ehb
        lui     $t0, %hi(vectors)
        daddiu  $t0, $t0, %lo(vectors)
        mtc0    $t0, $15, 1                     // EBase
        mtc0    $zero, $5                       // PageMask: 4 KiB
        lui     $s1, %hi(fastpath_turn)
        daddiu  $s1, $s1, %lo(fastpath_turn)
        ori     $s0, $zero, TURNS
        lui     $s2, PAGES_HI
        ori     $s3, $zero, PAIR
        .size   _start, . - _start

        .type   polling, @function
polling:                                        // TURNS x 5, without what is called
        jal     fastpath_poll
        move    $a0, $s0
        daddiu  $s0, $s0, -1
        bnez    $s0, polling
        sw      $s0, 0($s1)                     // no result: another function stores it
        ori     $s0, $zero, FAULTS              // 1
        .size   polling, . - polling

        .type   faulting, @function
faulting:                                       // FAULTS x 6, 2 again, and 6 of the handler each
        nop
        nop
        daddu   $s2, $s2, $s3
        daddiu  $s0, $s0, -1
        bnez    $s0, faulting
        ld      $t1, 0($s2)
        .size   faulting, . - faulting

        .global end_reached
end_reached:
        nop                                     // 1
1:      wait
        b       1b
        nop

// fastpath_poll(n): stores n % 4.
        .global fastpath_poll
        .type   fastpath_poll, @function
fastpath_poll:                                  // 6, + 3 x result
        andi    $v0, $a0, 3
        sw      $v0, 4($s1)                     // no result: another variable
        beqz    $v0, 2f
        move    $t0, $v0
1:      daddiu  $t0, $t0, -1
        bnez    $t0, 1b
        nop
2:      jr      $ra
        sw      $v0, 0($s1)
        .size   fastpath_poll, . - fastpath_poll

        .balign 4096
        .type   vectors, @function
vectors:
        .space  0x80                            // XTLB refill
        ori     $k0, $zero, 0x1f                // 6: cached, writable, valid, global
        dmtc0   $k0, $2                         // EntryLo0
        dmtc0   $k0, $3
        ehb
        tlbwr
        eret
        .size   vectors, . - vectors

        .bss
        .balign 8
        .global fastpath_turn
fastpath_turn:
        .space  8
