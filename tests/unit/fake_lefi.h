// SPDX-License-Identifier: BSD-2-Clause
//
// Firmware of a Loongson-3 machine for tests and the fuzzer: the boot parameters in ROM and the
// argument area, laid out as QEMU 10's loongson3-virt does with 512 MiB and one CPU, and a small
// tree to be patched.

#pragma once

#include "core/lib/types.h"
#include "platform/loongson/loongson3/lefi.h"

#define FAKE_LEFI_ROM_BYTES 0xd60u // from the boot parameters to the end of the memory map
#define FAKE_LEFI_ARGS_BYTES 0xa00u
#define FAKE_LEFI_ROOM 0x1000u

// Offsets in the ROM part.
#define FAKE_LEFI_OFFSETS 0x28u
#define FAKE_LEFI_CPU (FAKE_LEFI_OFFSETS + 0x98u)
#define FAKE_LEFI_MEMORY (FAKE_LEFI_OFFSETS + 0x118u)
#define FAKE_LEFI_MAP (FAKE_LEFI_MEMORY + 10)
#define FAKE_LEFI_STRIDE 24u

extern struct lefi_input fake_lefi; // argc, argv, params as the entry point gets them
extern size_t fake_lefi_room;       // in the tree for what is added
extern void *fake_lefi_tree;        // patched, in a block of fake_lefi_tree_bytes
extern size_t fake_lefi_tree_bytes;

void fake_lefi_reset(void); // the sound state, with no argument but the name
void fake_lefi_free(void);
// Adds an argument after those there are.
void fake_lefi_argument(const char *text);
// Changes bytes: in the ROM part, in the array of argument addresses, in the argument area.
void fake_lefi_put(unsigned offset, unsigned bytes, uint64_t value);
void fake_lefi_put_argv(unsigned index, uint32_t address);
void fake_lefi_put_args(unsigned offset, uint8_t value);
void fake_lefi_fill_args(char c); // behind the array of addresses
// lefi_patch_tree() on a fresh tree.
int fake_lefi_patch(void);
