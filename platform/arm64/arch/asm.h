// SPDX-License-Identifier: BSD-2-Clause
//
// Assembly helpers: function framing and address formation that works at any load address.

#pragma once

.macro FUNCTION name
    .section .text.\name, "ax"
    .global \name
    .type \name, %function
    .balign 4
\name:
.endm

.macro END_FUNCTION name
    .size \name, . - \name
.endm

// Address of a symbol relative to the PC: physical before the MMU is on, virtual after.
.macro ADDRESS reg, symbol
    adrp \reg, \symbol
    add \reg, \reg, :lo12:\symbol
.endm
