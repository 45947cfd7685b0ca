// SPDX-License-Identifier: BSD-2-Clause
//
// The address space of both machines, as common code asks about it: direct windows, in which all
// RAM and all devices are seen without page tables; TLBs that no other CPU reaches.

#include "arch/layout.h"
#include "platform/loongson/common/shootdown.h"
#include "platform/platform.h"

#define EARLY_DEVICE_BYTES 4096

void platform_linear_start(struct linear_start *start)
{
    *start = (struct linear_start){.low = 0, .high = ARCH_LINEAR_BYTES};
}

mmio_t platform_early_device(paddr_t base)
{
    if (base > ARCH_DEVICE_WINDOW_BYTES - EARLY_DEVICE_BYTES)
        return (mmio_t){0};
    return (mmio_t){ARCH_DEVICE_WINDOW + base};
}

void (*loongson_tlb_shootdown)(uintptr_t va, uint64_t len);

void platform_tlb_invalidate(uintptr_t va, uint64_t len)
{
    loongson_tlb_drop(va, len);
    if (loongson_tlb_shootdown)
        loongson_tlb_shootdown(va, len);
}
