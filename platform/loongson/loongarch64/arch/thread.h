// SPDX-License-Identifier: BSD-2-Clause
//
// LoongArch64 saved state. struct trap_frame is what the vectors store (vectors.S knows the
// offsets); struct thread_context is what a switch keeps (LoongArch psABI: callee-saved registers),
// plus the floating-point state of threads that use it (switch.S).

#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum { REG_RA = 1, REG_SP = 3, REG_A0 = 4, REG_FP = 22 };

struct trap_frame {
    uint64_t r[32]; // not stored: r[0], r[21]; of an interrupt also r[2] and r[24] to r[31]
    uint64_t pc;
    uint64_t prmd; // interrupts and privilege before; faults only, an interrupt's is known
};
static_assert(sizeof(struct trap_frame) == 272, "FRAME_BYTES of vectors.S; stacks stay aligned");

struct fp_state {
    uint64_t f[32];
    uint64_t fcc; // condition flags, a byte each
    uint64_t fcsr;
};

struct thread_context {
    uint64_t s[9]; // $s0..$s8
    uint64_t fp;
    uint64_t ra;
    uint64_t sp;
    uint64_t fp_used; // fp_state holds this thread's registers when it is not running
    struct fp_state fp_state;
};
static_assert(offsetof(struct thread_context, sp) == 88, "switch.S stores 11 registers before sp");
