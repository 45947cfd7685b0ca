// SPDX-License-Identifier: BSD-2-Clause
//
// Device registers. A mapped register block is an mmio_t, which cannot be dereferenced: the
// accessors below are the only way in. Each is exactly one load or store of a general register
// with a plain base address (arch/mmio.h), the form that a hypervisor can emulate from the
// syndrome alone (KVM: no pair, no writeback, no vector register). The link check reads every
// recorded site back from the image.
//
// Ordering: accesses to one device stay in program order (device memory). They are NOT ordered
// against normal memory; use dma_wmb()/dma_rmb()/dma_mb() of arch/barrier.h around doorbells
// and status reads, as the driver's comment at that place says.

#pragma once

#include "core/lib/types.h"

typedef struct {
    uintptr_t addr;
} mmio_t;

#include "arch/mmio.h"

static inline mmio_t mmio_offset(mmio_t base, size_t offset)
{
    return (mmio_t){base.addr + offset};
}
static inline bool mmio_valid(mmio_t base) { return base.addr != 0; }

// Little-endian registers (PCI, virtio, UART, GIC); foreign order is the caller's matter.
static inline uint8_t mmio_read8(mmio_t b, size_t off) { return arch_mmio_read8(b.addr + off); }
static inline uint16_t mmio_read16(mmio_t b, size_t off) { return arch_mmio_read16(b.addr + off); }
static inline uint32_t mmio_read32(mmio_t b, size_t off) { return arch_mmio_read32(b.addr + off); }
static inline uint64_t mmio_read64(mmio_t b, size_t off) { return arch_mmio_read64(b.addr + off); }
static inline void mmio_write8(mmio_t b, size_t off, uint8_t v)
{
    arch_mmio_write8(b.addr + off, v);
}
static inline void mmio_write16(mmio_t b, size_t off, uint16_t v)
{
    arch_mmio_write16(b.addr + off, v);
}
static inline void mmio_write32(mmio_t b, size_t off, uint32_t v)
{
    arch_mmio_write32(b.addr + off, v);
}
static inline void mmio_write64(mmio_t b, size_t off, uint64_t v)
{
    arch_mmio_write64(b.addr + off, v);
}
