// SPDX-License-Identifier: BSD-2-Clause
//
// Entry (Linux Documentation/arch/loongarch/booting.rst describes the registers: $a0 = 1 if $a2 is
// the physical address of an EFI system table, $a1 = that of the command line; translation off, the
// image as linked from any 4 KiB boundary of RAM). Lets early_map.c build the tables, opens the
// direct windows, switches translation on and continues at the link address in start.c.
//
// LoongArch Reference Manual vol. 1: 5.2 address translation modes, 7.5 its registers.

#include "arch/asm.inc"
#include "arch/csr.h"
#include "arch/layout.h"

#define DMW0_VALUE 0x8000000000000001   // privilege level 0, strongly ordered uncached
#define DMW1_VALUE 0x9000000000000011   // privilege level 0, coherent cached
// Where the index of each level is in an address, and its width, as LDDIR and LDPTE use them.
#define PWCL_VALUE (12 | (9 << 5) | (21 << 10) | (9 << 15) | (30 << 20) | (9 << 25))
#define PWCH_VALUE (39 | (9 << 6))

.macro WRITE_CSR csr, value
    li.d    $t0, \value
    csrwr   $t0, \csr
.endm

    .section .head.text, "ax"
    .global image_header
image_header:
    WRITE_CSR CSR_CRMD, CRMD_DA | CRMD_CACHED   // interrupts off
    WRITE_CSR CSR_ECFG, 0
    WRITE_CSR CSR_EUEN, 0           // floating point traps until a thread uses it
    maskeqz $s0, $a2, $a0           // EFI system table, 0 without one
    move    $s1, $a1                // command line
    la.pcrel $s2, image_header      // load address
    la.pcrel $sp, boot_stack_top
    bl      early_map

    WRITE_CSR CSR_DMW0, DMW0_VALUE
    WRITE_CSR CSR_DMW1, DMW1_VALUE
    WRITE_CSR CSR_DMW2, 0
    WRITE_CSR CSR_DMW3, 0
    WRITE_CSR CSR_ASID, 0           // the only one
    WRITE_CSR CSR_RVACFG, 0
    WRITE_CSR CSR_STLBPS, ARCH_PAGE_SHIFT
    WRITE_CSR CSR_TLBREHI, ARCH_PAGE_SHIFT  // page size where a refill finds no table
    WRITE_CSR CSR_PWCL, PWCL_VALUE
    WRITE_CSR CSR_PWCH, PWCH_VALUE
    la.pcrel $t0, kernel_root_table
    csrwr   $t0, CSR_PGDH
    la.pcrel $t0, empty_root_table
    csrwr   $t0, CSR_PGDL
    la.pcrel $t0, tlb_refill        // entered with translation off: a physical address
    csrwr   $t0, CSR_TLBRENTRY
    invtlb  0, $zero, $zero

    // The switch itself runs in the cached window, whose addresses work on both sides of it.
    la.pcrel $t0, 1f
    li.d    $t1, ARCH_LINEAR_BASE
    or      $t0, $t0, $t1
    jr      $t0
1:  WRITE_CSR CSR_CRMD, CRMD_PG | CRMD_CACHED
    li.d    $s3, ARCH_IMAGE_BASE
    sub.d   $s3, $s3, $s2           // from physical to link addresses
    la.pcrel $t0, at_link_address
    bstrpick.d $t0, $t0, 47, 0
    add.d   $t0, $t0, $s3
    jr      $t0

at_link_address:
    la.pcrel $t0, vectors
    csrwr   $t0, CSR_EENTRY
    la.pcrel $t0, irq_stack_top
    csrwr   $t0, CSR_IRQ_STACK
    la.pcrel $t0, fault_stack_top
    csrwr   $t0, CSR_FAULT_STACK
    la.pcrel $sp, boot_stack_top

    la.pcrel $t0, __bss_start
    la.pcrel $t1, __bss_end         // both 64-byte aligned by the linker script
1:  bgeu    $t0, $t1, 2f
    st.d    $zero, $t0, 0
    addi.d  $t0, $t0, 8
    b       1b
2:  la.pcrel $t0, image_pa_offset
    st.d    $s3, $t0, 0
    move    $r21, $zero             // per-CPU offset of the boot CPU
    move    $tp, $zero
    move    $a0, $s0
    move    $a1, $s1
    move    $fp, $zero
    move    $ra, $zero
    bl      loongarch_start
    b       .
