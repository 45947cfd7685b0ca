// SPDX-License-Identifier: BSD-2-Clause
//
// Between head.S, the early files (MMU off) and memory.c: the device tree's window and the tables
// that early_map() built.

#pragma once

#include "arch/cpu.h"
#include "core/lib/types.h"

// In the same 1 GiB as the image, out of its way, and out of that of the static per-CPU copies, one
// every 16 MiB with the same place in it as in the image (mm/percpu.h).
#define EARLY_DEVICE_BASE 0xffffffffa0800000
#define EARLY_FDT_BASE 0xffffffffa0c00000

struct early_fdt {
    uint64_t va;    // 0: none, or not readable as one
    uint64_t bytes; // what its header claims
};

// MMU off. `fdt` is what the loader passed in x0.
struct early_fdt early_map(paddr_t fdt);
// MMU off, EL3: says on the device tree's console why this image does not run there.
void early_refuse_el3(const void *fdt);

extern uint64_t kernel_root_table[512];
extern uint64_t early_image_l2[512]; // covers the image and the two windows above
extern uint64_t early_identity_root[512];
