// SPDX-License-Identifier: BSD-2-Clause
//
// Image header and entry (Linux Documentation/arch/arm64/booting.rst describes the protocol: x0 =
// device tree, MMU off, any 2 MiB aligned address). Leaves EL2 for EL1, lets early_map.c build the
// tables while the MMU is off, switches it on and continues at the link address.
//
// Threads run on SP_EL0 (SPSel = 0), interrupts and faults on SP_EL1, so a thread's overflowed
// stack never hurts the report of the fault.

#include "arch/asm.inc"
#include "arch/layout.h"

    .section .head.text, "ax", %progbits
    .global image_header
image_header:
    nop                             // code0: no EFI stub
    b       entry                   // code1
    .quad   0                       // text_offset
    .quad   __image_bytes           // image_size, bss included
    .quad   0xa                     // flags: little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

#define SPSR_EL1H_MASKED 0x3c5
#define SCTLR_EL1_OFF 0x30d00800    // RES1 bits only (Arm ARM D23.2.133)
// M, C, SA, I, and WXN: nothing writable is ever executable.
#define SCTLR_EL1_ON (SCTLR_EL1_OFF | (1 << 0) | (1 << 2) | (1 << 3) | (1 << 12) | (1 << 19))
#define MAIR_VALUE 0x04ff           // 0: normal write-back, 1: device-nGnRE
// 48-bit halves, 4 KiB granules, walks write-back inner shareable.
#define TCR_VALUE ((16 << 0) | (1 << 8) | (1 << 10) | (3 << 12) | \
                   (16 << 16) | (1 << 24) | (1 << 26) | (3 << 28) | (2 << 30))
#define TCR_EPD0 (1 << 7)

entry:
    msr     daifset, #0xf
    mov     x20, x0                 // device tree
    mrs     x0, CurrentEL
    cmp     x0, #(3 << 2)
    b.eq    refuse_el3
    cmp     x0, #(2 << 2)
    b.ne    at_el1
    bl      leave_el2
at_el1:
    ldr     x0, =SCTLR_EL1_OFF
    msr     sctlr_el1, x0
    isb
    msr     spsel, #1
    ADDRESS x0, boot_stack_top
    mov     sp, x0
    mov     x0, x20
    bl      early_map               // x0: device tree address as mapped, x1: its bytes
    mov     x23, x20                // device tree: physical,
    mov     x20, x0                 // as mapped,
    mov     x21, x1                 // and its bytes

    // Translation on: the identity tables in TTBR0 carry us over the switch.
    ADDRESS x1, early_identity_root
    msr     ttbr0_el1, x1
    ADDRESS x1, kernel_root_table
    msr     ttbr1_el1, x1
    mov     x1, #MAIR_VALUE
    msr     mair_el1, x1
    ldr     x1, =TCR_VALUE
    mrs     x2, id_aa64mmfr0_el1    // physical address size, 48 bits at most
    and     x2, x2, #0xf
    mov     x3, #5
    cmp     x2, x3
    csel    x2, x2, x3, lo
    orr     x22, x1, x2, lsl #32
    msr     tcr_el1, x22
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    ldr     x1, =SCTLR_EL1_ON
    msr     sctlr_el1, x1
    isb
    ADDRESS x19, image_header       // physical load address, for image_pa_offset
    ldr     x1, =at_link_address
    br      x1

at_link_address:
    orr     x22, x22, #TCR_EPD0     // the lower half is empty from here on
    msr     tcr_el1, x22
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    ADDRESS x0, vectors
    msr     vbar_el1, x0
    msr     tpidr_el1, xzr          // per-CPU offset of the boot CPU
    msr     cpacr_el1, xzr          // FP traps until a thread uses it
    ADDRESS x0, irq_stack_top
    mov     sp, x0
    msr     spsel, #0
    isb
    msr     daifclr, #4             // SErrors have a vector now
    ADDRESS x0, boot_stack_top
    mov     sp, x0

    ADDRESS x0, __bss_start
    ADDRESS x1, __bss_end           // both 16-byte aligned by the linker script
1:  cmp     x0, x1
    b.hs    2f
    stp     xzr, xzr, [x0], #16
    b       1b
2:  ldr     x0, =ARCH_IMAGE_BASE
    sub     x0, x0, x19
    ADDRESS x1, image_pa_offset
    str     x0, [x1]
    mov     x0, x20
    mov     x1, x21
    mov     x2, x23
    mov     x29, xzr
    mov     x30, xzr
    bl      kernel_start
    b       .

refuse_el3:
    ADDRESS x0, boot_stack_top
    mov     sp, x0
    mov     x0, x20
    bl      early_refuse_el3
1:  wfi
    b       1b

// From EL2 to EL1 at the caller's return address, with EL1 owning timers, FP and the GIC.
leave_el2:
    mov     x0, #(1 << 31)          // HCR_EL2.RW: EL1 is AArch64, nothing trapped
    msr     hcr_el2, x0
    isb                             // E2H decides the layout of what follows
    mrs     x0, hcr_el2
    ldr     x2, =SCTLR_EL1_OFF
    tbz     x0, #34, 1f             // E2H stays set where FEAT_E2H0 is missing
    mov     x0, #((3 << 10) | 3)    // EL1 may use the physical counter and timer
    msr     cnthctl_el2, x0
    mov     x0, #(3 << 20)          // no FP traps
    orr     x0, x0, #(3 << 16)      // no SVE traps
    msr     cptr_el2, x0
    msr     S3_5_C1_C0_0, x2        // SCTLR_EL12
    b       2f
1:  mov     x0, #3                  // EL1 may use the physical counter and timer
    msr     cnthctl_el2, x0
    mov     x0, #0x32ff             // RES1 bits only: no FP, SVE or trace-register traps
    msr     cptr_el2, x0
    msr     sctlr_el1, x2
2:  msr     cntvoff_el2, xzr
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    mrs     x0, mdcr_el2
    and     x0, x0, #0x1f           // keep HPMN, trap no debug
    msr     mdcr_el2, x0
    mrs     x0, midr_el1
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0
    mrs     x0, id_aa64mmfr0_el1
    ubfx    x0, x0, #56, #4         // fine-grained traps, where they exist: none
    cbz     x0, 3f
    msr     S3_4_C1_C1_4, xzr       // HFGRTR_EL2
    msr     S3_4_C1_C1_5, xzr       // HFGWTR_EL2
    msr     S3_4_C1_C1_6, xzr       // HFGITR_EL2
    msr     S3_4_C3_C1_4, xzr       // HDFGRTR_EL2
    msr     S3_4_C3_C1_5, xzr       // HDFGWTR_EL2
3:  mrs     x0, id_aa64pfr0_el1
    ubfx    x0, x0, #24, #4         // GIC system registers
    cbz     x0, 4f
    mrs     x0, S3_4_C12_C9_5       // ICC_SRE_EL2: SRE and Enable
    orr     x0, x0, #1
    orr     x0, x0, #8
    msr     S3_4_C12_C9_5, x0
    isb
    mrs     x0, S3_4_C12_C9_5
    tbz     x0, #0, 4f              // a GICv3 that only plays a GICv2
    msr     S3_4_C12_C11_0, xzr     // ICH_HCR_EL2
4:  mov     x0, #SPSR_EL1H_MASKED
    msr     spsr_el2, x0
    msr     elr_el2, x30
    eret

    .ltorg
