// SPDX-License-Identifier: BSD-2-Clause
//
// A guest whose instruction count is known: test_bench.py states it line by line. It polls TURNS
// times, faults FAULTS times in the middle of a straight run of instructions, and then waits for
// an interrupt that never comes. Runs at EL1 with the MMU off, as QEMU starts an ELF file.

        .equ    NOTHING_THERE, 0x3fff0000       // no device, no RAM: an external abort

        .text
        .global _start
        .type   _start, %function
_start:                                         // 6
        adr     x1, vectors
        msr     vbar_el1, x1
        isb
        ldr     x2, =NOTHING_THERE
        mov     x19, #TURNS
        adr     x21, fastpath_turn
        .size   _start, . - _start

        .type   polling, %function
polling:                                        // TURNS x 5, without what is called
        mov     x0, x19
        bl      fastpath_poll
        str     w19, [x21]                      // no result: another function stores it
        subs    x19, x19, #1
        b.ne    polling
        mov     x19, #FAULTS                    // 1
        .size   polling, . - polling

        .type   faulting, %function
faulting:                                       // FAULTS x 6, and 4 of the handler each
        nop
        nop
        ldr     x3, [x2]
        nop
        subs    x19, x19, #1
        b.ne    faulting
        .size   faulting, . - faulting

        .global end_reached
end_reached:
        nop                                     // 1
1:      wfi
        b       1b

// fastpath_poll(n): stores n % 4.
        .global fastpath_poll
        .type   fastpath_poll, %function
fastpath_poll:                                  // 5, + 1 + 3 x result unless that is 0
        and     x0, x0, #3
        str     w0, [x21, #4]                   // no result: another variable
        cbz     x0, 2f
        mov     x1, x0
1:      nop
        subs    x1, x1, #1
        b.ne    1b
2:      str     w0, [x21]
        ret
        .size   fastpath_poll, . - fastpath_poll

        .balign 2048
        .type   vectors, %function
vectors:
        .space  0x200
        mrs     x4, elr_el1                     // 4: goes on behind the load
        add     x4, x4, #4
        msr     elr_el1, x4
        eret
        .size   vectors, . - vectors
        .balign 2048

        .bss
        .balign 8
        .global fastpath_turn
fastpath_turn:
        .space  8
