// SPDX-License-Identifier: BSD-2-Clause
//
// ARM64 saved state. struct trap_frame is what the vectors store (vectors.S knows the offsets);
// struct thread_context is what a switch keeps (AAPCS64 6.1.1 callee-saved registers), plus the
// FP/SIMD state of threads that use it (switch.S).

#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct trap_frame {
    uint64_t x[31]; // x29 frame pointer, x30 link register
    uint64_t sp;    // of the interrupted code
    uint64_t pc;
    uint64_t pstate;
};
static_assert(sizeof(struct trap_frame) == 272, "vectors.S stores 17 pairs");

struct fp_state {
    uint64_t v[32][2];
    uint64_t fpcr, fpsr;
};

struct thread_context {
    uint64_t x19_x30[12]; // x19..x29, x30
    uint64_t sp;
    uint64_t fp_used; // fp_state holds this thread's registers when it is not running
    struct fp_state fp_state __attribute__((aligned(16)));
};
static_assert(offsetof(struct thread_context, sp) == 96, "switch.S stores 6 pairs before sp");
