// SPDX-License-Identifier: BSD-2-Clause
//
// Loongson-3 saved state. struct trap_frame is what the vectors store (vectors.S knows the
// offsets); struct thread_context is what a switch keeps (n64 callee-saved registers), plus the FP
// state of threads that use it (switch.S). $28 is the per-CPU base and belongs to no thread.

#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

// An interrupt's frame holds only what C code may change; a fault's all but $0, $26 and $27.
struct trap_frame {
    uint64_t r[32]; // by number: $29 stack, $30 frame pointer, $31 return address
    uint64_t hi, lo;
    uint64_t status, cause, badvaddr;
    uint64_t epc;
};
static_assert(sizeof(struct trap_frame) == 304, "vectors.S: FRAME_BYTES");
static_assert(offsetof(struct trap_frame, hi) == 256, "vectors.S: FRAME_HI and what follows");

struct fp_state {
    uint64_t f[32];
    uint64_t fcsr;
};

struct thread_context {
    uint64_t s[8]; // $16..$23
    uint64_t fp, ra, sp;
    uint64_t fp_used; // fp_state holds this thread's registers when it is not running
    struct fp_state fp_state;
};
static_assert(offsetof(struct thread_context, sp) == 80, "switch.S");
