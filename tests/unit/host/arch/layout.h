// SPDX-License-Identifier: BSD-2-Clause
//
// Address-space layout for unit tests: the windows are where the test puts them (memory.c), the
// linear map of physical address 0 included. No host address lies in the image's window.

#pragma once

#include <stdint.h>

extern uintptr_t host_linear_base, host_vmalloc_base, host_vmemmap_base;

#define ARCH_PAGE_SHIFT 12
#define ARCH_LINEAR_BASE host_linear_base
#define ARCH_LINEAR_BYTES 0x0000800000000000
#define ARCH_VMALLOC_BASE host_vmalloc_base
#define ARCH_VMALLOC_BYTES 0x0000000041000000 // 16 MiB for areas, 1 GiB for per-CPU objects
#define ARCH_VMEMMAP_BASE host_vmemmap_base
#define ARCH_IMAGE_BASE 0xffffffff80000000
#define ARCH_DEVICE_WINDOW 0
#define ARCH_DEVICE_WINDOW_BYTES 0
