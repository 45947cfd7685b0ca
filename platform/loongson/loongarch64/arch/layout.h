// SPDX-License-Identifier: BSD-2-Clause
//
// LoongArch64 address-space layout: 48-bit addresses, 4 KiB pages. Two direct windows (head.S) show
// all physical addresses without tables; what else there is goes through kernel_root_table. The
// lower half, page 0 included, faults. Also read by assembly and the linker script.
//
//   0x8000000000000000  physical memory, uncached: device registers (256 TiB, direct window)
//   0x9000000000000000  linear map of RAM, cached (256 TiB, direct window)
//   0xffff800000000000  vmalloc window: stacks, ioremap, vmalloc (64 TiB)
//   0xffffc00000000000  the sanitizer's shadow of the linear map, in its builds (32 TiB)
//   0xffffe00000000000  its shadow of all that goes through tables (16 TiB)
//   0xfffffd0000000000  vmemmap: page descriptors, indexed by frame number
//   0xffffffff80000000  the image, at any 4 KiB aligned physical address

#pragma once

#define ARCH_PAGE_SHIFT 12
#define ARCH_DEVICE_WINDOW 0x8000000000000000
#define ARCH_DEVICE_WINDOW_BYTES 0x0001000000000000
#define ARCH_LINEAR_BASE 0x9000000000000000
#define ARCH_LINEAR_BYTES 0x0001000000000000
#define ARCH_VMALLOC_BASE 0xffff800000000000
#define ARCH_VMALLOC_BYTES 0x0000400000000000
#define ARCH_VMEMMAP_BASE 0xfffffd0000000000
#define ARCH_IMAGE_BASE 0xffffffff80000000
// Shadow of address a: a / 8 + ARCH_KASAN_OFFSET, which the compiler knows too (loongarch64.mk).
// The linear map is too far away for that; no stack is there, so only functions look for it.
#define ARCH_KASAN_OFFSET 0xdffff00000000000
#define ARCH_KASAN_LINEAR 0xffffc00000000000
