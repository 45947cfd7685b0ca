// SPDX-License-Identifier: BSD-2-Clause
//
// Control and status registers of LoongArch (LoongArch Reference Manual vol. 1, chapter 7) and the
// bits of them that the kernel uses. Nothing but numbers: assembly reads it as well.

#pragma once

#define CSR_CRMD 0x0
#define CRMD_IE 0x4
#define CRMD_DA 0x8 // addresses are physical
#define CRMD_PG 0x10
#define CRMD_CACHED 0xa0 // DATF, DATM: fetches and accesses are coherent cached while DA is set
#define CSR_PRMD 0x1
#define PRMD_PIE 0x4
#define CSR_EUEN 0x2
#define EUEN_FPE 0x1
#define CSR_ECFG 0x4 // interrupt lines enabled, bits as in ESTAT; vector spacing (0: one vector)
#define CSR_ESTAT 0x5
#define CSR_ERA 0x6
#define CSR_BADV 0x7
#define CSR_EENTRY 0xc

#define CSR_ASID 0x18
#define CSR_PGDL 0x19
#define CSR_PGDH 0x1a
#define CSR_PGD 0x1b // of the two, the one for the address that faulted
#define CSR_PWCL 0x1c
#define CSR_PWCH 0x1d
#define CSR_STLBPS 0x1e
#define CSR_RVACFG 0x1f
#define CSR_TLBRENTRY 0x88
#define CSR_TLBRBADV 0x89
#define CSR_TLBRSAVE 0x8b
#define CSR_TLBRELO0 0x8c
#define CSR_TLBRELO1 0x8d
#define CSR_TLBREHI 0x8e
#define CSR_DMW0 0x180
#define CSR_DMW1 0x181
#define CSR_DMW2 0x182
#define CSR_DMW3 0x183

#define CSR_CPUID 0x20
#define CSR_TCFG 0x41
#define CSR_TICLR 0x44

// Scratch registers, and what this kernel keeps in them.
#define CSR_SAVE_T0 0x30     // vectors.S: $t0 until there is a frame
#define CSR_IRQ_STACK 0x33   // top of this CPU's interrupt stack
#define CSR_FAULT_STACK 0x34 // top of this CPU's fault stack
