// SPDX-License-Identifier: BSD-2-Clause
//
// Between a machine's thread files and what is the same on all of them (platform/common/thread.c).
// struct thread_context of each has `fp_used` and `fp_state`.

#pragma once

#include "arch/thread.h"
#include "core/lib/types.h"

// ---- The machine's part, interrupts off --------------------------------------------------------

// Saves prev's callee-saved registers, loads next's and returns there.
void context_switch(struct thread_context *prev, struct thread_context *next);
// Lets this CPU use FP registers, or has their use trap.
void fp_access(bool on);
// With access.
void fp_state_save(struct fp_state *state);
void fp_state_restore(const struct fp_state *state);

// ---- The common part ---------------------------------------------------------------------------

// An FP instruction trapped: if a thread executed it, gives it a cleared register file and access,
// and returns true: the instruction shall be repeated. Interrupts off.
bool thread_fp_first_use(void);
