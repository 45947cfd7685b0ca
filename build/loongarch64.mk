# SPDX-License-Identifier: BSD-2-Clause
#
# What the build must know of LoongArch64; the names are those of arm64.mk.

PLATFORM_DIRS := platform/loongson/loongarch64 platform/loongson/common platform/common
CROSS         := loongarch64-linux-gnu-
CLANG_TARGET  := loongarch64-unknown-none-elf
NEWLIB_HOST   := loongarch64-sluice-elf

# LSX is on by default in la64v1.0, and no thread here has such registers. No linker relaxation:
# it would move functions between the two links. Data of other files is reached directly, not
# through a GOT, which both compilers would use even in code that is not position-independent.
ARCH_FLAGS    := -march=la64v1.0 -mabi=lp64d -mno-lsx \
    $(if $(call on,LLVM),-fdirect-access-external-data,-mno-relax -mdirect-extern-access)
# The hard-float ABI holds everywhere, so the kernel's registers are barred one by one. clang cannot
# do that, but uses none where nothing is a floating-point number; the link check proves both.
KERNEL_FLAGS  := $(if $(call on,LLVM),-Xclang -no-implicit-float,\
    $(addprefix -ffixed-f,$(shell seq 0 31)))
# Runs at its physical address: no table of code addresses, and the guard has no value yet.
EARLY_FLAGS   := -mstrict-align -fno-stack-protector -fno-jump-tables
EARLY_SOURCES := platform/loongson/loongarch64/early%.c
LIBFDT_FLAGS  := -mstrict-align

# An ELF file that the loader puts at 2 MiB; it enters at the physical address.
IMAGE_FORMAT  := elf
IMAGE_BASE    := 0xffffffff80000000
IMAGE_LOAD    := 0x200000
IMAGE_PAGE    := 4096
IMAGE_ENTRY   := image_header - $(IMAGE_BASE) + $(IMAGE_LOAD)
LINK_FLAGS    := -m elf64loongarch -z max-page-size=4096 --no-relax
# Not _popcountsi2: Debian's uses LSX.
LIBGCC_KERNEL := _udivdi3 _umoddi3 _divdi3 _moddi3 _clz _clzdi2 _ctzdi2
# The sanitizer's shadow, as in arch/layout.h.
KASAN_OFFSET  := 0xdffff00000000000
