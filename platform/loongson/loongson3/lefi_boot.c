// SPDX-License-Identifier: BSD-2-Clause
//
// The device tree that kernel_start() gets on this machine (contract in lefi.h): the built-in one,
// copied to where it can grow, with what LEFI adds.

#include <libfdt.h>
#include <string.h>

#include "arch/layout.h"
#include "core/debug/log.h"
#include "platform/loongson/loongson3/lefi.h"

// Built in, from loongson3-virt.dts.
extern const char loongson3_virt_dtb[], loongson3_virt_dtb_end[];

static uint64_t tree[KIB(16) / sizeof(uint64_t)]; // libfdt wants 8-byte alignment

static bool read_firmware(uint64_t address, void *buf, size_t len)
{
    paddr_t pa;
    if (!lefi_physical(address, len, &pa))
        return false;
    memcpy(buf, (const void *)(ARCH_LINEAR_BASE + pa), len);
    return true;
}

int lefi_make_fdt(int argc, uintptr_t argv, uintptr_t params, const void **fdt, size_t *bytes)
{
    struct lefi_input input = {.argc = argc, .argv = argv, .params = params, .read = read_firmware};
    *fdt = NULL;
    *bytes = 0;
    if (fdt_open_into(loongson3_virt_dtb, tree, sizeof(tree)))
        return -EINVAL;
    int err = lefi_patch_tree(tree, &input);
    if (err)
        log_err("LEFI: device tree: %s", fdt_strerror(err));
    *fdt = tree;
    *bytes = sizeof(tree);
    return 0;
}
