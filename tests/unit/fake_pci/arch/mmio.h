// SPDX-License-Identifier: BSD-2-Clause
//
// Register accesses that end in the fake PCI host of tests/unit/fake_pci.c. Takes the place of
// tests/unit/host/arch/mmio.h through -iquote.

#pragma once

#include <stdint.h>

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes);
void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value);

#define FAKE_MMIO(bits)                                                            \
    static inline uint##bits##_t arch_mmio_read##bits(uintptr_t addr)              \
    {                                                                              \
        return (uint##bits##_t)fake_mmio_read(addr, bits / 8);                     \
    }                                                                              \
    static inline void arch_mmio_write##bits(uintptr_t addr, uint##bits##_t value) \
    {                                                                              \
        fake_mmio_write(addr, bits / 8, value);                                    \
    }

FAKE_MMIO(8)
FAKE_MMIO(16)
FAKE_MMIO(32)
FAKE_MMIO(64)
