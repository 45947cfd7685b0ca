// SPDX-License-Identifier: BSD-2-Clause
//
// CPU primitives for unit tests: one CPU that is the test process, unless a test has several and
// says by host_percpu_base which one it plays. "Interrupts" are a flag.

#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef unsigned long irq_flags_t;

extern bool host_irqs_on; // tests/unit/host/cpu.c

static inline irq_flags_t arch_irq_save(void)
{
    irq_flags_t flags = host_irqs_on;
    host_irqs_on = false;
    return flags;
}
static inline void arch_irq_restore(irq_flags_t flags) { host_irqs_on = flags != 0; }
static inline void arch_irq_enable(void) { host_irqs_on = true; }
static inline void arch_irq_disable(void) { host_irqs_on = false; }
static inline bool arch_irqs_enabled(void) { return host_irqs_on; }

extern uintptr_t host_percpu_base; // tests/unit/host/cpu.c
static inline uintptr_t arch_percpu_base(void) { return host_percpu_base; }
static inline void arch_cpu_relax(void) {}

uint64_t arch_counter(void); // tests/unit/host/counter.c: counts its own calls
