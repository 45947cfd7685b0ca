// SPDX-License-Identifier: BSD-2-Clause
//
// The CPU of unit tests with the CSR and IOCSR accessors of LoongArch: they end in the fake
// machine of the test.

#pragma once

#include "arch/cpu.h"
#include "platform/loongson/loongarch64/arch/csr.h"

uint64_t fake_csr_read(unsigned csr);
void fake_csr_write(unsigned csr, uint64_t value);
uint64_t fake_iocsr_read(uint32_t reg, unsigned bytes);
void fake_iocsr_write(uint32_t reg, unsigned bytes, uint64_t value);

static inline uint64_t fake_csr_exchange(unsigned csr, uint64_t value, uint64_t mask)
{
    uint64_t old = fake_csr_read(csr);
    fake_csr_write(csr, (old & ~mask) | (value & mask));
    return old;
}

#define ARCH_CSR_READ(csr) fake_csr_read(csr)
#define ARCH_CSR_WRITE(csr, value) fake_csr_write(csr, value)
#define ARCH_CSR_EXCHANGE(csr, value, mask) fake_csr_exchange(csr, value, mask)

static inline uint32_t arch_iocsr_read32(uint32_t reg) { return (uint32_t)fake_iocsr_read(reg, 4); }
static inline uint64_t arch_iocsr_read64(uint32_t reg) { return fake_iocsr_read(reg, 8); }
static inline void arch_iocsr_write32(uint32_t reg, uint32_t value)
{
    fake_iocsr_write(reg, 4, value);
}
static inline void arch_iocsr_write64(uint32_t reg, uint64_t value)
{
    fake_iocsr_write(reg, 8, value);
}
