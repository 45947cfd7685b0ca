// SPDX-License-Identifier: BSD-2-Clause
//
// ARM64 address-space layout: 48-bit TTBR1 half, 4 KiB granule. TTBR0 is disabled, so the whole
// lower half, page 0 included, faults. Also read by assembly and the linker script.
//
//   0xffff000000000000  linear map of RAM (128 TiB)
//   0xffff800000000000  vmalloc window: stacks, ioremap, vmalloc (64 TiB)
//   0xffffd00000000000  the sanitizer's shadow of all of this, in its builds (32 TiB)
//   0xfffffd0000000000  vmemmap: page descriptors, indexed by frame number
//   0xffffffff80000000  the image, at any 2 MiB aligned physical address

#pragma once

#define ARCH_PAGE_SHIFT 12
#define ARCH_LINEAR_BASE 0xffff000000000000
#define ARCH_LINEAR_BYTES 0x0000800000000000
#define ARCH_VMALLOC_BASE 0xffff800000000000
#define ARCH_VMALLOC_BYTES 0x0000400000000000
#define ARCH_VMEMMAP_BASE 0xfffffd0000000000
#define ARCH_IMAGE_BASE 0xffffffff80000000
// Shadow of address a: a / 8 + ARCH_KASAN_OFFSET, which the compiler knows too (arm64.mk).
#define ARCH_KASAN_OFFSET 0xdffff00000000000
#define ARCH_KASAN_LINEAR 0xffffd00000000000 // that of the linear map
// No window through which all devices can be reached: ioremap() maps each.
#define ARCH_DEVICE_WINDOW 0
#define ARCH_DEVICE_WINDOW_BYTES 0
