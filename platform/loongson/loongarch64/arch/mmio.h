// SPDX-License-Identifier: BSD-2-Clause
//
// LoongArch64 device accesses: one LD/ST of a general register, offset 0 (LoongArch Reference
// Manual vol. 1, 2.2.5.1), the form that every hypervisor emulates. Each site is recorded in the
// non-allocated section .mmio.sites for the link check.

#pragma once

#include <stdint.h>

#define ARCH_MMIO_SITE                                \
    "1: .pushsection .mmio.sites, \"\", %%progbits\n" \
    "   .quad 1b\n"                                   \
    "   .popsection\n   "

// 32-bit values live sign-extended in registers, hence ld.w for an unsigned one.
#define ARCH_MMIO_READ(bits, type, insn)                                                         \
    static inline type arch_mmio_read##bits(uintptr_t addr)                                      \
    {                                                                                            \
        type value;                                                                              \
        __asm__ volatile(ARCH_MMIO_SITE insn " %0, %1, 0" : "=r"(value) : "r"(addr) : "memory"); \
        return value;                                                                            \
    }
#define ARCH_MMIO_WRITE(bits, type, insn)                                                          \
    static inline void arch_mmio_write##bits(uintptr_t addr, type value)                           \
    {                                                                                              \
        __asm__ volatile(ARCH_MMIO_SITE insn " %z0, %1, 0" : : "rJ"(value), "r"(addr) : "memory"); \
    }

ARCH_MMIO_READ(8, uint8_t, "ld.bu")
ARCH_MMIO_READ(16, uint16_t, "ld.hu")
ARCH_MMIO_READ(32, uint32_t, "ld.w")
ARCH_MMIO_READ(64, uint64_t, "ld.d")
ARCH_MMIO_WRITE(8, uint8_t, "st.b")
ARCH_MMIO_WRITE(16, uint16_t, "st.h")
ARCH_MMIO_WRITE(32, uint32_t, "st.w")
ARCH_MMIO_WRITE(64, uint64_t, "st.d")
