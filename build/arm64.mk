# SPDX-License-Identifier: BSD-2-Clause
#
# What the build must know of ARM64.  Every machine has such a file with these names.

PLATFORM_DIRS := platform/arm64 platform/common
CROSS         := aarch64-linux-gnu-
CLANG_TARGET  := aarch64-none-elf
NEWLIB_HOST   := aarch64-sluice-elf

# Atomics in line: the outline forms of libgcc ask the C library which CPU this is.
ARCH_FLAGS    := -march=armv8-a -mcmodel=small -mno-outline-atomics
# Code that may run in an interrupt leaves FP/SIMD registers alone.
KERNEL_FLAGS  := -mgeneral-regs-only
# Before the MMU is on, RAM is device memory: no unaligned access (platform-independent code that
# runs there is libfdt's).  The stack protector's guard has no value yet.
EARLY_FLAGS   := -mstrict-align -fno-stack-protector
EARLY_SOURCES := platform/arm64/early_%.c
LIBFDT_FLAGS  := -mstrict-align

# A flat binary behind an arm64 Image header, linked at the top 2 GiB of the address space; the
# loader may put it at any 2 MiB boundary.
IMAGE_FORMAT  := binary
IMAGE_BASE    := 0xffffffff80000000
IMAGE_LOAD    := 0
IMAGE_PAGE    := 4096
IMAGE_ENTRY   := image_header
# Cortex-A53 erratum 843419 (ADRP at the end of a page): real hosts have that CPU.
LINK_FLAGS    := -m aarch64elf -z max-page-size=4096 --fix-cortex-a53-843419
# Members of libgcc that the kernel may call: integers only (128-bit division; bit counts).
LIBGCC_KERNEL := _udivdi3 _umoddi3 _divdi3 _moddi3 _popcountdi2 _clzdi2 _ctzdi2
# The sanitizer's shadow, as in arch/layout.h.
KASAN_OFFSET  := 0xdffff00000000000
