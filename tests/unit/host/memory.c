// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of the address-space windows (arch/layout.h). 0 until the test sets them.

#include "arch/layout.h"
#include "mm/linear.h"

uintptr_t host_linear_base, host_vmalloc_base, host_vmemmap_base;
uintptr_t image_pa_offset;
