// SPDX-License-Identifier: BSD-2-Clause
//
// Loongson-3 CPU primitives behind the names that platform/platform.h documents (MIPS64
// Architecture, volume III: 9.29 Status, 9.24 Count; chapter 10: hazards). Header-only.
// Per-CPU base in $28, which compilers leave alone (-ffixed-28, no small data).

#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ARCH_READ_CP0_32(reg, sel)                                    \
    ({                                                                \
        uint32_t value_;                                              \
        __asm__ volatile("mfc0 %0, $" #reg ", " #sel : "=r"(value_)); \
        value_;                                                       \
    })
// EHB: what comes next sees the effect.
#define ARCH_WRITE_CP0_32(reg, sel, value)                                                  \
    ({                                                                                      \
        uint32_t new_ = (value);                                                            \
        __asm__ volatile("mtc0 %z0, $" #reg ", " #sel "\n\tehb" : : "Jr"(new_) : "memory"); \
    })

#define ARCH_STATUS_IE 1u

typedef unsigned long irq_flags_t; // Status as it was

static inline irq_flags_t arch_irq_save(void)
{
    irq_flags_t flags;
    __asm__ volatile("di %0\n\tehb" : "=r"(flags) : : "memory");
    return flags;
}
static inline void arch_irq_enable(void) { __asm__ volatile("ei" : : : "memory"); }
static inline void arch_irq_disable(void) { __asm__ volatile("di\n\tehb" : : : "memory"); }
// Whoever saved has left them off until now. The rest of Status is not brought back: its mask bits
// may have changed for good.
static inline void arch_irq_restore(irq_flags_t flags)
{
    if (flags & ARCH_STATUS_IE)
        arch_irq_enable();
}
static inline bool arch_irqs_enabled(void) { return ARCH_READ_CP0_32(12, 0) & ARCH_STATUS_IE; }

register uintptr_t arch_global_pointer __asm__("$28");
static inline uintptr_t arch_percpu_base(void) { return arch_global_pointer; }

// Hint inside a spin-wait loop: nothing to say. PAUSE waits for the end of a link that an LL made,
// and there may be none.
static inline void arch_cpu_relax(void) { __asm__ volatile("" : : : "memory"); }

// Written by the timer alone (platform/loongson/loongson3/timer.h), every 2^31 counts at least.
extern uint64_t loongson3_counter_last;

// The monotonic counter that drives the clock source: Count has 32 bits, the rest is the distance
// from a 64-bit value that Count had less than 2^32 counts ago. Should the two reads lie so far
// apart (a thread that waits for the CPU in between) that this does not hold, the value has
// changed meanwhile, and the second look finds it.
static inline uint64_t arch_counter(void)
{
    volatile const uint64_t *place = &loongson3_counter_last;
    uint64_t last;
    uint32_t count;
    do {
        last = *place;
        count = ARCH_READ_CP0_32(9, 0);
    } while (last != *place);
    return last + (uint32_t)(count - (uint32_t)last);
}
