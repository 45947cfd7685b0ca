// SPDX-License-Identifier: BSD-2-Clause
//
// Entry (LEFI: a0 = argc, a1 = argv of 32-bit pointers, a2 = boot parameters), in KSEG0, with
// nothing sure of the CPU's state: QEMU enters with Status 0, hence without 64-bit addresses. Sets
// up the CPU, then has early_map.c build the image's tables at its link address already, by means
// of one TLB entry of two 4 MiB pages, and continues there with the final ones.
//
// MIPS64 Architecture, volume III: 9.29 Status, 9.39 EBase, 9.11 PageGrain, 9.40 Config.

#include "arch/asm.inc"
#include "arch/layout.h"

#define UNMAPPED(symbol) (symbol - ARCH_UNMAPPED_OFFSET)
#define UNCACHED(symbol) (symbol - ARCH_UNMAPPED_OFFSET + 0x20000000)

#define PAGEMASK_16K 0x6000
#define PAGEMASK_4M 0x7fe000
#define PTE_ALL 0x1f            // cached, writable, valid, global
#define K0_CACHED 3
#define CONFIG3_RXI_SHIFT 12
#define PAGEGRAIN_HIGH_RXI 0xc800 // RIE, XIE, and IEC: with causes of their own, where there are

FUNCTION start
    lui     $t0, ST_HIGH_FR | ST_HIGH_BEV // the firmware's vectors until ours are set
    ori     $t0, $t0, ST_64BIT
    mtc0    $t0, CP0_STATUS
    mtc0    $zero, CP0_CAUSE    // one vector for interrupts and the rest
    ehb
    move    $s0, $a0
    move    $s1, $a1
    move    $s2, $a2
    move    $gp, $zero          // per-CPU base of the boot CPU

    // KSEG0 becomes cached, which must not be changed from within.
    ADDRESS $t0, UNCACHED(1f)
    jr.hb   $t0
    nop
1:  mfc0    $t0, CP0_CONFIG
    li      $t1, K0_CACHED
    ins     $t0, $t1, 0, 3
    mtc0    $t0, CP0_CONFIG
    ehb
    ADDRESS $t0, UNMAPPED(2f)
    jr.hb   $t0
    nop

2:  ADDRESS $t0, UNMAPPED(image_header)
    mtc0    $t0, CP0_EBASE      // the loader has written the vectors, and caches are coherent
    lui     $t0, ST_HIGH_FR
    ori     $t0, $t0, ST_64BIT
    mtc0    $t0, CP0_STATUS
    mfc0    $t0, CP0_CONFIG3
    ext     $t0, $t0, CONFIG3_RXI_SHIFT, 1
    beqz    $t0, 3f
    lui     $t1, PAGEGRAIN_HIGH_RXI
    mfc0    $t0, CP0_PAGEGRAIN  // the rest stays, ELPA above all
    or      $t0, $t0, $t1
    mtc0    $t0, CP0_PAGEGRAIN
3:  li      $t0, PAGEMASK_16K
    mtc0    $t0, CP0_PAGEMASK
    mtc0    $zero, CP0_WIRED
    ehb
    jal     loongson3_tlb_reset
    nop

    // 8 MiB from physical address 0, so the image at its link address.
    li      $t0, PAGEMASK_4M
    mtc0    $t0, CP0_PAGEMASK
    lui     $t1, 0xc000
    dmtc0   $t1, CP0_ENTRYHI
    li      $t1, PTE_ALL
    dmtc0   $t1, CP0_ENTRYLO0
    li      $t2, 0x400000 >> 6 | PTE_ALL
    dmtc0   $t2, CP0_ENTRYLO1
    li      $t1, 1
    mtc0    $zero, CP0_INDEX
    mtc0    $t1, CP0_WIRED
    ehb
    tlbwi
    li      $t0, PAGEMASK_16K
    mtc0    $t0, CP0_PAGEMASK
    ehb
    ADDRESS $sp, boot_stack_top
    CALL_MAPPED early_map
    nop
    mtc0    $zero, CP0_WIRED
    jal     loongson3_tlb_reset // the tables take over
    nop

    ADDRESS $t0, at_link_address
    jr.hb   $t0
    nop
at_link_address:
    ADDRESS $t0, __bss_start
    ADDRESS $t1, __bss_end      // both 64-byte aligned by the linker script
4:  beq     $t0, $t1, 5f
    nop
    sd      $zero, 0($t0)
    sd      $zero, 8($t0)
    b       4b
    daddiu  $t0, $t0, 16
5:  move    $a0, $s0
    move    $a1, $s1
    move    $a2, $s2
    move    $fp, $zero
    ADDRESS $t9, loongson3_start
    jr      $t9
    move    $ra, $zero
END_FUNCTION start
