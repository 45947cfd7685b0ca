// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of platform/arm64 share among themselves.

#pragma once

#include "arch/thread.h"
#include "core/lib/types.h"

// vectors.S -> exception.c
void arm64_thread_fault(struct trap_frame *frame);
void arm64_fatal_fault(struct trap_frame *frame);

// switch.S
void arm64_thread_start(void);

// psci.c: reads the conduit and function numbers from the device tree.
int psci_init(void);
