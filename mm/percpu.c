// SPDX-License-Identifier: BSD-2-Clause
//
// Per-CPU storage. The boot CPU uses the static copies, at offset 0; the offsets of further CPUs
// are entered when they are started.

#include "mm/percpu.h"

uintptr_t percpu_offsets[MAX_CPUS];
DEFINE_PERCPU(unsigned, cpu_number);
