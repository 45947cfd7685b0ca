// SPDX-License-Identifier: BSD-2-Clause
//
// The direct windows of both machines, as common code asks about them: all RAM and all devices are
// seen without page tables.

#include "arch/layout.h"
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
