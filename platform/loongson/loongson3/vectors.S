// SPDX-License-Identifier: BSD-2-Clause
//
// Exception vectors (MIPS64 Architecture, volume III, chapter 6) and the refill of the TLB. All of
// this file runs in KSEG0, at the alias of its link address (ARCH_UNMAPPED_OFFSET), where no
// instruction needs the TLB. Three ways in:
//
//   interrupt of a thread      frame on the thread's own stack, handlers on the interrupt stack,
//                              so the thread can be switched away from at the end
//   interrupt of an interrupt  frame and handlers on the interrupt stack
//   faults                     frame on the interrupt stack (from a thread: its own may be bad), or
//                              on the fault stack (from interrupt context)
//
// Status.CU0 tells thread (0) from interrupt context (1): to the kernel, which may use coprocessor
// 0 anyway, the bit means nothing else. Status is not brought back at the end of an interrupt: all
// of it that differs is EXL, IE and CU0. So mask bits that a handler changes stay changed, and a
// thread that comes back has the CU1 that the switch gave it.
//
// Stacks are mapped, and an interrupt's frame is written while EXL is set. If the TLB lacks the
// stack's page then, the exception comes to the general vector and leaves EPC alone. The page is
// loaded, and ERET goes back to where the interrupt was taken, which happens again: nothing but $26
// and $27 has changed. If the page is invalid, the stack has overflowed, and that is reported with
// all registers of the thread. On the way out, nothing mapped is read with EXL set but two
// neighbours in one page, which the last read before has brought into the TLB.
//
// struct trap_frame in arch/thread.h: $0..$31, hi, lo, Status, Cause, BadVAddr, EPC.

#include "arch/asm.inc"
#include "arch/layout.h"

#define UNMAPPED(symbol) (symbol - ARCH_UNMAPPED_OFFSET)

#define REG(n) ((n) * 8)
#define FRAME_HI 256
#define FRAME_LO 264
#define FRAME_STATUS 272
#define FRAME_CAUSE 280
#define FRAME_BADVADDR 288
#define FRAME_EPC 296
#define FRAME_BYTES 304

#define IDLE_BYTES 12           // from idle_start to idle_end

#define CODE_TLBL (2 << 2) // ExcCode in Cause, in its place
#define CODE_TLBS (3 << 2)
#define CODE_CACHE_ERROR (30 << 2)

// What C code may change, but $2 and $3; and $16, in which an interrupt keeps its frame.
.macro EACH_SCRATCH insn, base, offset
    .irp    n, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 31
    \insn   $\n, \offset + REG(\n)(\base)
    .endr
.endm

.macro EACH_OTHER insn, base
    .irp    n, 17, 18, 19, 20, 21, 22, 23, 28, 29, 30
    \insn   $\n, REG(\n)(\base)
    .endr
.endm

    .section .head.text, "ax"
    .balign 4096
    .global image_header
image_header:                   // +0x000: entry, and a refill vector that 64-bit mode never uses
    j       start
    nop

    .org    image_header + 0x080
// A mapped address without an entry in the TLB. Root, second level, leaves; $26 holds the address,
// rotated so that the index of the next level is in its lowest bits. The root has an index of 12
// bits, so that bit 47 needs no look: its upper half is empty but for the image.
refill:
    dmfc0   $k0, CP0_BADVADDR
    bgez    $k0, refused        // user and supervisor segments, page 0 among them
    drotr32 $k0, $k0, 36 - 32
    andi    $k1, $k0, 0xfff
    addiu   $k1, $k1, -0x7ff    // the C walker's copy of the image's entry, in the other half
    beqz    $k1, refused
    lui     $k1, %hi(UNMAPPED(kernel_root_table))
    dins    $k1, $k0, 3, 12
    ld      $k1, %lo(UNMAPPED(kernel_root_table))($k1)
    drotr32 $k0, $k0, 64 - 11 - 32
    beqz    $k1, refused
    dins    $k1, $k0, 3, 11
    ld      $k1, 0($k1)
    drotr32 $k0, $k0, 64 - 10 - 32
    beqz    $k1, refused
    dins    $k1, $k0, 4, 10
    ld      $k0, 0($k1)
    ld      $k1, 8($k1)
    dmtc0   $k0, CP0_ENTRYLO0
    dmtc0   $k1, CP0_ENTRYLO1
    ehb
    tlbwr
    eret
refused:                        // Cause, EPC and BadVAddr are those of the access
    b       fault
    nop

    .org    image_header + 0x100
cache_error:                    // at the uncached alias; where it happened is in ErrorEPC
    dmfc0   $k0, CP0_ERROREPC
    dmtc0   $k0, CP0_EPC
    mfc0    $k0, CP0_STATUS
    ori     $k0, $k0, ST_ERL | ST_EXL
    xori    $k0, $k0, ST_ERL
    mtc0    $k0, CP0_STATUS
    ehb
    b       fault_with_cause
    li      $k1, CODE_CACHE_ERROR

    .org    image_header + 0x180
general:
    mfc0    $k1, CP0_CAUSE
    andi    $k1, $k1, 0x7c
    bnez    $k1, synchronous
    mfc0    $k0, CP0_STATUS

    // An interrupt. $k0 = Status, with EXL and IE set. The stack pointer moves last.
    EACH_SCRATCH sd, $sp, -FRAME_BYTES
    sd      $v0, REG(2) - FRAME_BYTES($sp)
    sd      $v1, REG(3) - FRAME_BYTES($sp)
    mfhi    $k1                 // by $k1 alone: a miss on any of these stores starts anew
    sd      $k1, FRAME_HI - FRAME_BYTES($sp)
    mflo    $k1
    sd      $k1, FRAME_LO - FRAME_BYTES($sp)
    dmfc0   $k1, CP0_EPC
    sd      $k1, FRAME_EPC - FRAME_BYTES($sp)
    daddiu  $s0, $sp, -FRAME_BYTES
    lui     $v0, ST_HIGH_CU0
    or      $v0, $v0, $k0
    xori    $v0, $v0, ST_EXL | ST_IE
    mtc0    $v0, CP0_STATUS
    sll     $k0, $k0, 31 - ST_CU0_SHIFT
    ehb
    bltz    $k0, nested
    move    $a0, $s0
    lui     $sp, %hi(irq_stack_top)
    CALL_MAPPED irq_dispatch
    daddiu  $sp, $sp, %lo(irq_stack_top)
    andi    $v0, $v0, 1         // a bool: the other bits mean nothing
    beqz    $v0, 1f
    move    $sp, $s0
    mfc0    $v0, CP0_STATUS     // on the thread's stack, below its frame: thread context
    ins     $v0, $zero, ST_CU0_SHIFT, 1
    mtc0    $v0, CP0_STATUS
    ehb
    CALL_MAPPED preempt_interrupted
    nop
1:  mfc0    $v1, CP0_STATUS
    ld      $v0, FRAME_EPC($sp)
    sll     $a0, $v0, 1         // bit 30: 1 in mapped addresses of the image
    bgez    $a0, at_unmapped
    ins     $v1, $zero, ST_CU0_SHIFT, 1

// $v0 = EPC, $v1 = Status to be, without EXL and IE.
restore:
    ld      $a0, FRAME_HI($sp)
    ld      $a1, FRAME_LO($sp)
    mthi    $a0
    mtlo    $a1
    ori     $v1, $v1, ST_EXL | ST_IE
    EACH_SCRATCH ld, $sp, 0
    ld      $k0, REG(2)($sp)    // that page is in the TLB now, whatever became of the others
    mtc0    $v1, CP0_STATUS
    dmtc0   $v0, CP0_EPC
    ld      $v0, REG(2)($sp)
    ld      $v1, REG(3)($sp)
    daddiu  $sp, $sp, FRAME_BYTES
    ehb
    eret

nested:
    CALL_MAPPED irq_dispatch    // never asks for preemption
    move    $sp, $s0
    mfc0    $v1, CP0_STATUS
    b       restore
    ld      $v0, FRAME_EPC($sp)

// An interrupt that came before WAIT has been dealt with: the thread goes on behind it.
at_unmapped:
    ADDRESS $a0, UNMAPPED(idle_end)
    dsubu   $a0, $a0, $v0
    sltiu   $a1, $a0, IDLE_BYTES + 1
    movz    $a0, $zero, $a1
    b       restore
    daddu   $v0, $v0, $a0

// $k1 = ExcCode << 2. A page that the TLB lacks is a case for the refill: the stack of an interrupt
// (see above), or one whose entry was replaced since the fault.
synchronous:
    daddiu  $k1, $k1, -CODE_TLBL
    sltiu   $k1, $k1, CODE_TLBS - CODE_TLBL + 1
    beqz    $k1, fault
    nop
    tlbp                        // for the address in EntryHi, where the exception put it
    ehb
    mfc0    $k1, CP0_INDEX
    bltz    $k1, refill
    nop
fault:
    mfc0    $k1, CP0_CAUSE
fault_with_cause:
    mfc0    $k0, CP0_STATUS
    sll     $k0, $k0, 31 - ST_CU0_SHIFT
    bltz    $k0, 1f
    lui     $k0, %hi(UNMAPPED(fault_stack_top) - FRAME_BYTES)
    lui     $k0, %hi(UNMAPPED(irq_stack_top) - FRAME_BYTES)
    b       2f
    daddiu  $k0, $k0, %lo(UNMAPPED(irq_stack_top) - FRAME_BYTES)
1:  daddiu  $k0, $k0, %lo(UNMAPPED(fault_stack_top) - FRAME_BYTES)
2:  sd      $k1, FRAME_CAUSE($k0)
    EACH_SCRATCH sd, $k0, 0
    EACH_OTHER sd, $k0
    sd      $v0, REG(2)($k0)
    sd      $v1, REG(3)($k0)
    move    $s0, $k0
    mfhi    $v0
    mflo    $v1
    sd      $v0, FRAME_HI($s0)
    sd      $v1, FRAME_LO($s0)
    dmfc0   $v0, CP0_BADVADDR
    dmfc0   $v1, CP0_EPC
    sd      $v0, FRAME_BADVADDR($s0)
    sd      $v1, FRAME_EPC($s0)
    mfc0    $v0, CP0_STATUS
    sd      $v0, FRAME_STATUS($s0)
    lui     $v1, ST_HIGH_CU0
    or      $v0, $v0, $v1
    ori     $v0, $v0, ST_EXL | ST_IE
    xori    $v0, $v0, ST_EXL | ST_IE
    mtc0    $v0, CP0_STATUS
    lui     $a0, ARCH_UNMAPPED_OFFSET >> 16
    daddu   $sp, $s0, $a0       // the frame at its mapped address, with the guard page below
    ehb
    CALL_MAPPED loongson3_fault
    move    $a0, $sp

    // To be repeated. The saved Status has EXL set.
    ld      $v0, FRAME_STATUS($s0)
    mtc0    $v0, CP0_STATUS
    ehb
    ld      $v1, FRAME_EPC($s0)
    dmtc0   $v1, CP0_EPC
    ld      $v0, FRAME_HI($s0)
    ld      $v1, FRAME_LO($s0)
    mthi    $v0
    mtlo    $v1
    move    $k0, $s0
    EACH_SCRATCH ld, $k0, 0
    ld      $v0, REG(2)($k0)
    ld      $v1, REG(3)($k0)
    ld      $sp, REG(29)($k0)
    ehb
    eret

// ---- Called from C at their unmapped addresses -------------------------------------------------

// void loongson3_idle(void): waits with interrupts on until one came. WAIT never ends while they
// are off.
    .global loongson3_idle
loongson3_idle:
idle_start:
    ei
    ehb
    wait
idle_end:
    di
    ehb
    jr      $ra
    nop

// void loongson3_tlb_drop(uintptr_t va, uint64_t invalid): the pair of pages that `va` lies in.
// `invalid` is EntryHi of an entry 0 that never matches. Interrupts off.
    .global loongson3_tlb_drop
loongson3_tlb_drop:
    dsrl    $a0, $a0, ARCH_PAGE_SHIFT + 1
    dsll    $a0, $a0, ARCH_PAGE_SHIFT + 1
    dmtc0   $a0, CP0_ENTRYHI
    ehb
    tlbp
    ehb
    mfc0    $v0, CP0_INDEX
    bltz    $v0, 1f
    sll     $v0, $v0, ARCH_PAGE_SHIFT + 1
    daddu   $v0, $v0, $a1
    dmtc0   $v0, CP0_ENTRYHI
    dmtc0   $zero, CP0_ENTRYLO0
    dmtc0   $zero, CP0_ENTRYLO1
    ehb
    tlbwi
    dmtc0   $zero, CP0_ENTRYHI
1:  jr.hb   $ra
    nop

// void loongson3_tlb_reset(void): every entry an invalid one of its own, in KSEG0, where none is
// ever looked for. Where there are more than Config1 can count (FTLB), TLBINVF empties the rest,
// set by set. Interrupts off. Also from head.S without a stack.
#define CONFIG4_IE_SHIFT 29     // 2 and 3: there is TLBINVF
#define CONFIG4_MMU_DEF_SHIFT 14 // 2 and 3: there is an FTLB; 3: and Config4 extends Config1's size
#define TLBINVF .word 0x42000004
    .global loongson3_tlb_reset
loongson3_tlb_reset:
    mfc0    $v0, CP0_CONFIG1
    ext     $v0, $v0, 25, 6     // index of the last entry
    lui     $a0, 0x8000
    dmtc0   $zero, CP0_ENTRYLO0
    dmtc0   $zero, CP0_ENTRYLO1
1:  sll     $v1, $v0, ARCH_PAGE_SHIFT + 1
    daddu   $v1, $v1, $a0
    dmtc0   $v1, CP0_ENTRYHI
    mtc0    $v0, CP0_INDEX
    ehb
    tlbwi
    bnez    $v0, 1b
    addiu   $v0, $v0, -1
    dmtc0   $zero, CP0_ENTRYHI
    mfc0    $v0, CP0_CONFIG3
    bgez    $v0, 3f             // no Config4
    mfc0    $a0, CP0_CONFIG4
    ext     $v0, $a0, CONFIG4_IE_SHIFT + 1, 1
    ext     $v1, $a0, CONFIG4_MMU_DEF_SHIFT + 1, 1
    and     $v0, $v0, $v1
    beqz    $v0, 3f
    ext     $v1, $a0, CONFIG4_MMU_DEF_SHIFT, 1
    ext     $a1, $a0, 24, 4     // further bits of the size, in steps of 64
    movz    $a1, $zero, $v1
    sll     $a1, $a1, 6
    mfc0    $v0, CP0_CONFIG1
    ext     $v0, $v0, 25, 6
    addu    $a1, $a1, $v0       // index of the last entry before the FTLB
    ext     $v0, $a0, 0, 4
    li      $v1, 1
    sllv    $v1, $v1, $v0       // sets
2:  addiu   $v1, $v1, -1
    addu    $v0, $a1, $v1
    addiu   $v0, $v0, 1
    mtc0    $v0, CP0_INDEX
    ehb
    TLBINVF
    bnez    $v1, 2b
    nop
    mtc0    $zero, CP0_INDEX    // and what Config1 could not count
    ehb
    TLBINVF
3:  jr.hb   $ra
    nop
