// SPDX-License-Identifier: BSD-2-Clause
//
// From the boot registers to kernel_start(): the firmware's tables become a device tree.

#include "platform/loongson/loongson3/internal.h"
#include "platform/loongson/loongson3/lefi.h"
#include "platform/platform.h"

_Noreturn void loongson3_start(int argc, uintptr_t argv, uintptr_t lefi)
{
    const void *fdt = NULL;
    size_t bytes = 0;
    if (lefi_make_fdt(argc, argv, lefi, &fdt, &bytes))
        fdt = NULL; // kernel_start() says that there is none
    kernel_start(fdt, bytes, 0);
}
