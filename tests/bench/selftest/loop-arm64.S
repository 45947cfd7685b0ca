// SPDX-License-Identifier: BSD-2-Clause
//
// A guest whose instruction count is known: test_counts.py states it line by line. It polls 400
// times, faults FAULTS times in the middle of a straight run of instructions, and then waits for
// an interrupt that never comes. Runs at EL1 with the MMU off, as QEMU starts an ELF file.

        .equ    TURNS, 400
        .equ    FAULTS, 50
        .equ    NOTHING_THERE, 0x3fff0000       // no device, no RAM: an external abort

        .text
        .global _start
        .type   _start, %function
_start:                                         // 6
        adr     x1, vectors
        msr     vbar_el1, x1
        isb
        ldr     x2, =NOTHING_THERE
        ldr     x19, =TURNS
        mov     x20, xzr
        .size   _start, . - _start

        .type   polling, %function
polling:                                        // TURNS x 4, without what is called
        mov     x0, x19
        bl      fastpath_poll
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

// fastpath_poll(n): returns n % 4 - 0, by a jump to another function when it is 2.
        .global fastpath_poll
        .type   fastpath_poll, %function
fastpath_poll:                                  // 3, + 1 when 0; + 1 + 3 x result when 1 or 3
        and     x0, x0, #3
        cmp     x0, #2
        b.eq    elsewhere
        cbz     x0, 2f
        mov     x1, x0
1:      nop
        subs    x1, x1, #1
        b.ne    1b
2:      ret
        .size   fastpath_poll, . - fastpath_poll

        .type   elsewhere, %function
elsewhere:                                      // 2
        nop
        ret
        .size   elsewhere, . - elsewhere

        .balign 2048
        .type   vectors, %function
vectors:
        .space  0x200
        mrs     x4, elr_el1                     // 4
        add     x4, x4, #4
        msr     elr_el1, x4
        eret
        .size   vectors, . - vectors
        .balign 2048
