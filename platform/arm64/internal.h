// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of platform/arm64 share among themselves.

#pragma once

#include "arch/thread.h"
#include "core/lib/types.h"

// vectors.S -> exception.c
void arm64_thread_fault(struct trap_frame *frame);
void arm64_fatal_fault(struct trap_frame *frame);

// A vector instruction trapped: if a thread executed it, gives it a cleared register file and
// returns true (the instruction is repeated).
bool arm64_fp_first_use(void);

// switch.S
void arm64_switch(struct thread_context *prev, struct thread_context *next);
void arm64_thread_start(void);
void fp_state_save(struct fp_state *state);
void fp_state_restore(const struct fp_state *state);

// psci.c: reads the conduit and function numbers from the device tree.
int psci_init(void);
