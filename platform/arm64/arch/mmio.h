// SPDX-License-Identifier: BSD-2-Clause
//
// ARM64 device accesses: one LDR/STR of a W/X register with a base register and no offset, so
// that ESR_EL2.ISV is set on a stage-2 abort (Arm ARM D24.2.40, ISS encoding for a Data Abort).
// Each site is recorded in the non-allocated section .mmio.sites for the link check.

#pragma once

#include <stdint.h>

#define ARCH_MMIO_SITE                                \
    "1: .pushsection .mmio.sites, \"\", %%progbits\n" \
    "   .quad 1b\n"                                   \
    "   .popsection\n   "

#define ARCH_MMIO_READ(bits, type, insn)                                                     \
    static inline type arch_mmio_read##bits(uintptr_t addr)                                  \
    {                                                                                        \
        type value;                                                                          \
        __asm__ volatile(ARCH_MMIO_SITE insn ", [%1]" : "=r"(value) : "r"(addr) : "memory"); \
        return value;                                                                        \
    }
#define ARCH_MMIO_WRITE(bits, type, insn)                                                     \
    static inline void arch_mmio_write##bits(uintptr_t addr, type value)                      \
    {                                                                                         \
        __asm__ volatile(ARCH_MMIO_SITE insn ", [%1]" : : "rZ"(value), "r"(addr) : "memory"); \
    }

ARCH_MMIO_READ(8, uint8_t, "ldrb %w0")
ARCH_MMIO_READ(16, uint16_t, "ldrh %w0")
ARCH_MMIO_READ(32, uint32_t, "ldr %w0")
ARCH_MMIO_READ(64, uint64_t, "ldr %x0")
ARCH_MMIO_WRITE(8, uint8_t, "strb %w0")
ARCH_MMIO_WRITE(16, uint16_t, "strh %w0")
ARCH_MMIO_WRITE(32, uint32_t, "str %w0")
ARCH_MMIO_WRITE(64, uint64_t, "str %x0")
