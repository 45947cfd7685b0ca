// SPDX-License-Identifier: BSD-2-Clause
//
// LoongArch64 CPU primitives behind the names that platform/platform.h documents, and access to
// its CSR, IOCSR and CPUCFG words. Header-only. Per-CPU base in $r21, which the ABI keeps out of
// the compilers' hands; exception frames do not hold it, so it is always that of the running CPU.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arch/csr.h"

#define ARCH_CSR_READ(csr)                                          \
    ({                                                              \
        uint64_t value_;                                            \
        __asm__ volatile("csrrd %0, %1" : "=r"(value_) : "i"(csr)); \
        value_;                                                     \
    })
// csrwr swaps: the register holds the old value afterwards.
#define ARCH_CSR_WRITE(csr, value)                                           \
    do {                                                                     \
        uint64_t new_ = (value);                                             \
        __asm__ volatile("csrwr %0, %1" : "+r"(new_) : "i"(csr) : "memory"); \
    } while (0)
// Replaces the bits of `mask` and returns the old value. The mask must not be in $r0 or $r1, which
// mean csrrd and csrwr; no constraint that both compilers know says so.
#define ARCH_CSR_EXCHANGE(csr, value, mask)                                                     \
    ({                                                                                          \
        uint64_t bits_ = (value);                                                               \
        register uint64_t mask_ __asm__("$t0") = (mask);                                        \
        __asm__ volatile("csrxchg %0, %1, %2" : "+r"(bits_) : "r"(mask_), "i"(csr) : "memory"); \
        bits_;                                                                                  \
    })

// Registers of the chip that belong to this core: interrupt controller, mailboxes, names.
static inline uint32_t arch_iocsr_read32(uint32_t reg)
{
    uint32_t value;
    __asm__ volatile("iocsrrd.w %0, %1" : "=r"(value) : "r"(reg) : "memory");
    return value;
}
static inline uint64_t arch_iocsr_read64(uint32_t reg)
{
    uint64_t value;
    __asm__ volatile("iocsrrd.d %0, %1" : "=r"(value) : "r"(reg) : "memory");
    return value;
}
static inline void arch_iocsr_write32(uint32_t reg, uint32_t value)
{
    __asm__ volatile("iocsrwr.w %0, %1" : : "r"(value), "r"(reg) : "memory");
}
static inline void arch_iocsr_write64(uint32_t reg, uint64_t value)
{
    __asm__ volatile("iocsrwr.d %0, %1" : : "r"(value), "r"(reg) : "memory");
}

static inline uint32_t arch_cpucfg(uint32_t word)
{
    uint32_t value;
    __asm__("cpucfg %0, %1" : "=r"(value) : "r"(word));
    return value;
}

typedef unsigned long irq_flags_t;

static inline irq_flags_t arch_irq_save(void) { return ARCH_CSR_EXCHANGE(CSR_CRMD, 0, CRMD_IE); }
static inline void arch_irq_restore(irq_flags_t flags)
{
    (void)ARCH_CSR_EXCHANGE(CSR_CRMD, flags, CRMD_IE);
}
static inline void arch_irq_enable(void) { arch_irq_restore(CRMD_IE); }
static inline void arch_irq_disable(void) { arch_irq_restore(0); }
static inline bool arch_irqs_enabled(void) { return ARCH_CSR_READ(CSR_CRMD) & CRMD_IE; }

// The base changes only with a switch of threads. A register variable is read anew after each call,
// as the callee may have changed it, so nothing derived from it outlives one.
register uintptr_t arch_percpu_register __asm__("$r21");
static inline uintptr_t arch_percpu_base(void) { return arch_percpu_register; }

// There is no hint for spin-wait loops.
static inline void arch_cpu_relax(void) { __asm__ volatile("" : : : "memory"); }

// The stable counter, one for all cores (vol. 1, 2.2.10.4). Nothing orders it against memory
// accesses but data that they depend on; the core may read it some ten nanoseconds (one count)
// early.
static inline uint64_t arch_counter(void)
{
    uint64_t value;
    __asm__ volatile("rdtime.d %0, $zero" : "=r"(value) : : "memory");
    return value;
}
