// SPDX-License-Identifier: BSD-2-Clause
//
// LEFI, the tables that Loongson-3 firmware hands over instead of a device tree ("LEFI" interface
// specification of Loongson's firmware; fields as platform firmware and QEMU's loongson3-virt lay
// them out): memory map, CPUs, and a command line of the C kind. They are foreign: every field is
// copied by bytes from where it may be, and checked.

#pragma once

#include "core/lib/types.h"

// What the entry point was given, and how to reach it.
struct lefi_input {
    int argc;
    uint64_t argv;   // address of argc 32-bit addresses, each to be sign-extended
    uint64_t params; // address of the boot parameters
    // Copies len bytes from such an address; false where there is nothing to read.
    bool (*read)(uint64_t address, void *buf, size_t len);
};

// Adds to an opened tree (libfdt, with some 4 KiB of room) what the input says: memory nodes, CPU
// nodes, /chosen's bootargs and linux,initrd-*. What is damaged is left out, and logged: the tree
// is good for a console in any case. 0, or a libfdt error: no room, or no /cpus or /chosen.
int lefi_patch_tree(void *tree, const struct lefi_input *input);

// Physical address of `len` bytes at a kernel address of the firmware's (KSEG0 or KSEG1), if they
// lie whole in low RAM or in the boot ROM.
bool lefi_physical(uint64_t address, size_t len, paddr_t *pa);

// The machine's tree: the built-in one with what LEFI adds, in a static buffer. The arguments are
// those of the entry point. At the link address, before kernel_start, once. 0, or -EINVAL when the
// built-in tree does not fit (*fdt is NULL then).
int lefi_make_fdt(int argc, uintptr_t argv, uintptr_t params, const void **fdt, size_t *bytes);
