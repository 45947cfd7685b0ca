// SPDX-License-Identifier: BSD-2-Clause
//
// Loongson-3 (MIPS64) address-space layout (MIPS64 Architecture, volume III, chapter 4). Mapped
// addresses have 47 bits: 16 KiB pages and three levels of 11 bits; the refill handler turns away
// the user and supervisor segments and everything with bit 47 set but the image. Also read by
// assembly and the linker script.
//
//   0x9000000000000000  XKPHYS, uncached: device registers
//   0x9800000000000000  XKPHYS, cached: the linear map of RAM
//   0xc000000000000000  XKSEG, mapped: vmalloc window (stacks, vmalloc)
//   0xc000400000000000  vmemmap: page descriptors, indexed by frame number
//   0xffffffff80000000  KSEG0: 512 MiB of RAM without the TLB, where exceptions are taken
//   0xffffffffc0200000  CKSEG2, mapped: the image, at physical address 0x200000
//
// Through XKPHYS and KSEG0 all RAM can be read, written and executed, the image's text included.

#pragma once

#define ARCH_PAGE_SHIFT 14
#define ARCH_LINEAR_BASE 0x9800000000000000
#define ARCH_LINEAR_BYTES 0x0001000000000000
#define ARCH_VMALLOC_BASE 0xc000000000000000
#define ARCH_VMALLOC_BYTES 0x0000400000000000
#define ARCH_VMEMMAP_BASE 0xc000400000000000
#define ARCH_IMAGE_BASE 0xffffffffc0200000
#define ARCH_DEVICE_WINDOW 0x9000000000000000
#define ARCH_DEVICE_WINDOW_BYTES 0x0001000000000000

// The image is reached in KSEG0 as well, this far below its link address. What runs while the TLB
// must not be needed runs there.
#define ARCH_UNMAPPED_OFFSET 0x40000000
#define ARCH_IMAGE_LOAD 0x200000
