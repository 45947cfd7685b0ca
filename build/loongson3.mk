# SPDX-License-Identifier: BSD-2-Clause
#
# What the build must know of MIPS64 r2 as in Loongson 3; the names are those of arm64.mk.

PLATFORM_DIRS := platform/loongson/loongson3 platform/loongson/common platform/common
CROSS         := mips64el-linux-gnuabi64-
CLANG_TARGET  := mips64el-none-elf
NEWLIB_HOST   := mips64el-sluice-elf

# n64 without PIC calls. Nothing is addressed relative to $28 (-G0), which is the per-CPU base and
# so is barred; clang has no such option: should it take the register, the link check says so.
ARCH_FLAGS    := -EL -mabi=64 -march=mips64r2 -mno-abicalls -G0 -fno-pic \
    $(if $(call on,LLVM),,-msym32 -ffixed-28)
# See loongarch64.mk.
KERNEL_FLAGS  := $(if $(call on,LLVM),-Xclang -no-implicit-float,\
    $(addprefix -ffixed-f,$(shell seq 0 31)))
EARLY_FLAGS   := -fno-stack-protector -fno-jump-tables
EARLY_SOURCES := platform/loongson/loongson3/early%.c
LIBFDT_FLAGS  :=
# Hardware that the boot parameters do not describe.
DTS           := platform/loongson/loongson3/loongson3-virt.dts

# An ELF file that the loader puts at 2 MiB. Linked in the mapped segment CKSEG2, entered in KSEG0,
# 1 GiB below, where the same memory is reached without the TLB.
IMAGE_FORMAT  := elf
IMAGE_BASE    := 0xffffffffc0200000
IMAGE_LOAD    := 0x200000
IMAGE_PAGE    := 16384
IMAGE_ENTRY   := image_header - 0x40000000
LINK_FLAGS    := -m elf64ltsmip -z max-page-size=16384
# lld 19 breaks the jumps of its stubs for PIC functions above 0xffffffff80000000, without a word.
LLVM_LD       := $(CROSS)ld
LIBGCC_KERNEL := _udivdi3 _umoddi3 _divdi3 _moddi3 _clz _clzdi2 _ctzdi2
# Debian's libgcc is PIC: taken without that mark, and its one function that is in the way replaced.
LIBGCC_SCRIPT  := build/mips/nonpic_libgcc.py
LIBGCC_SOURCES := build/mips/divtf3.c
