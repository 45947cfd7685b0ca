// SPDX-License-Identifier: BSD-2-Clause
//
// ARM64 CPU primitives behind the names that platform/platform.h documents. Header-only.
// Per-CPU base in TPIDR_EL1. Masking takes I and F; A (SError) is open whenever interrupts are, so
// that an asynchronous abort is reported soon.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ARCH_READ_SYSREG(name)                             \
    ({                                                     \
        uint64_t value_;                                   \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)); \
        value_;                                            \
    })
#define ARCH_WRITE_SYSREG(name, value) \
    __asm__ volatile("msr " #name ", %x0" : : "rZ"((uint64_t)(value)) : "memory")

typedef unsigned long irq_flags_t;

static inline irq_flags_t arch_irq_save(void)
{
    irq_flags_t flags;
    __asm__ volatile("mrs %0, daif\n\tmsr daifset, #3" : "=r"(flags) : : "memory");
    return flags;
}
static inline void arch_irq_restore(irq_flags_t flags)
{
    __asm__ volatile("msr daif, %0" : : "r"(flags) : "memory");
}
static inline void arch_irq_enable(void) { __asm__ volatile("msr daifclr, #7" : : : "memory"); }
static inline void arch_irq_disable(void) { __asm__ volatile("msr daifset, #3" : : : "memory"); }
static inline bool arch_irqs_enabled(void) { return !(ARCH_READ_SYSREG(daif) & (1u << 7)); }

// The base changes only with a switch of threads. So the read may be merged with others, but not
// kept across a call: the made-up dependency on the stack, which any call may write, says so.
register const unsigned long *arch_stack_pointer __asm__("sp");
static inline uintptr_t arch_percpu_base(void)
{
    uintptr_t base;
    __asm__("mrs %0, tpidr_el1" : "=r"(base) : "Q"(*arch_stack_pointer));
    return base;
}

// Hint inside a spin-wait loop.
static inline void arch_cpu_relax(void) { __asm__ volatile("yield" : : : "memory"); }

// The monotonic counter that drives the clock source. The ISB keeps the read from being
// speculated above earlier code (Arm ARM D12.1.2).
static inline uint64_t arch_counter(void)
{
    uint64_t value;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
    return value;
}
