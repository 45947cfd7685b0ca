// SPDX-License-Identifier: BSD-2-Clause
//
// From the boot registers to kernel_start(): what EFI knows becomes a device tree.

#include "platform/loongson/loongarch64/efi.h"
#include "platform/loongson/loongarch64/internal.h"
#include "platform/platform.h"

_Noreturn void loongarch_start(paddr_t efi_table, paddr_t cmdline)
{
    const void *fdt = NULL;
    size_t bytes = 0;
    if (efi_make_fdt(efi_table, cmdline, &fdt, &bytes))
        fdt = NULL; // kernel_start() says that there is none
    kernel_start(fdt, bytes, 0);
}
