// SPDX-License-Identifier: BSD-2-Clause
//
// Loongson-3 device accesses: one load or store of a general register with a base register and
// offset 0, through the uncached window. Each site is recorded in the non-allocated section
// .mmio.sites for the link check. The assembler must not move it into a delay slot, where the label
// would name the branch.

#pragma once

#include <stdint.h>

#define ARCH_MMIO_SITE(insn)                        \
    ".set push\n\t"                                 \
    ".set noreorder\n"                              \
    "1:\t" insn "\n\t"                              \
    ".set pop\n\t"                                  \
    ".pushsection .mmio.sites, \"\", @progbits\n\t" \
    ".8byte 1b\n\t"                                 \
    ".popsection"

#define ARCH_MMIO_READ(bits, type, insn)                                                          \
    static inline type arch_mmio_read##bits(uintptr_t addr)                                       \
    {                                                                                             \
        type value;                                                                               \
        __asm__ volatile(ARCH_MMIO_SITE(insn " %0, 0(%1)") : "=r"(value) : "r"(addr) : "memory"); \
        return value;                                                                             \
    }
#define ARCH_MMIO_WRITE(bits, type, insn)                                \
    static inline void arch_mmio_write##bits(uintptr_t addr, type value) \
    {                                                                    \
        __asm__ volatile(ARCH_MMIO_SITE(insn " %z0, 0(%1)")              \
                         :                                               \
                         : "Jr"(value), "r"(addr)                        \
                         : "memory");                                    \
    }

ARCH_MMIO_READ(8, uint8_t, "lbu")
ARCH_MMIO_READ(16, uint16_t, "lhu")
ARCH_MMIO_READ(32, uint32_t, "lw") // sign-extended, as the ABI wants 32-bit values
ARCH_MMIO_READ(64, uint64_t, "ld")
ARCH_MMIO_WRITE(8, uint8_t, "sb")
ARCH_MMIO_WRITE(16, uint16_t, "sh")
ARCH_MMIO_WRITE(32, uint32_t, "sw")
ARCH_MMIO_WRITE(64, uint64_t, "sd")
