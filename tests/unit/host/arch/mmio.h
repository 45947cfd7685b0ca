// SPDX-License-Identifier: BSD-2-Clause
//
// Register accesses for unit tests: the "device" is memory of the test. A test that has to
// react to accesses defines its own accessors by a header of this name in front of this one.

#pragma once

#include <stdint.h>

#define HOST_MMIO(bits)                                                            \
    static inline uint##bits##_t arch_mmio_read##bits(uintptr_t addr)              \
    {                                                                              \
        return *(volatile uint##bits##_t *)addr;                                   \
    }                                                                              \
    static inline void arch_mmio_write##bits(uintptr_t addr, uint##bits##_t value) \
    {                                                                              \
        *(volatile uint##bits##_t *)addr = value;                                  \
    }

HOST_MMIO(8)
HOST_MMIO(16)
HOST_MMIO(32)
HOST_MMIO(64)
