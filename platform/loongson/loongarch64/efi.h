// SPDX-License-Identifier: BSD-2-Clause
//
// What a LoongArch boot loader hands over (Linux boot protocol, arch/loongarch/booting: a command
// line and an EFI system table, both by physical address), turned into the device tree that
// kernel_start() wants. Everything that is read here is foreign.
//
// No allocator and no log are needed: this runs before either. The EFI memory map is not looked
// at: the tree's memory nodes are, later.

#pragma once

#include "core/lib/types.h"

// How the tables are reached: a pointer to the `len` bytes at a physical address, or NULL if they
// are not memory that can be read.
typedef const void *(*efi_memory_t)(paddr_t pa, size_t len);

struct efi_boot {
    paddr_t table;   // EFI system table; 0: there is none
    paddr_t cmdline; // NUL-terminated text, which may well lie at address 0
    efi_memory_t memory;
};

#define EFI_CMDLINE_MAX 511 // characters; what follows is cut off

// Copies the tree that the system table names into `buffer` (8-byte aligned) and adds to /chosen:
// bootargs from the command line, unless that is empty, and linux,initrd-start and -end where the
// table names an initrd. Returns the bytes of the buffer that are then used, or
//   -ENODEV  there is no system table with a device tree in it
//   -EINVAL  the tree's header is damaged, or its blocks are not in memory
//   -ENOSPC  it does not fit the buffer
// A tree that is damaged inside comes without additions; the checks of dt_init() are for that.
int efi_build_fdt(const struct efi_boot *boot, void *buffer, size_t size);

// The same from this machine's RAM into a buffer of its own that stays valid. *fdt is NULL on an
// error. Once, on the boot CPU, with the linear map on.
int efi_make_fdt(paddr_t efi_table, paddr_t cmdline, const void **fdt, size_t *bytes);
