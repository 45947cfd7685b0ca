// SPDX-License-Identifier: BSD-2-Clause
//
// ARM64 stage-1 table format for the generic walker: 4 KiB granule, four levels of 9 bits, blocks
// at levels 1 (1 GiB) and 2 (2 MiB) (Arm ARM D8.3). MAIR indices: 0 normal write-back, 1
// device-nGnRE.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PT_LEVELS 4
#define PT_INDEX_BITS 9
#define PT_VA_BITS 48
#define PT_FIRST_BLOCK_LEVEL 1 // level 0 has no blocks

#define PTE_VALID (1ULL << 0)
#define PTE_TABLE (1ULL << 1) // table at levels 0-2, page at level 3
#define PTE_ATTR_DEVICE (1ULL << 2)
#define PTE_AP_RO (1ULL << 7)
#define PTE_SH_INNER (3ULL << 8)
#define PTE_AF (1ULL << 10)
#define PTE_PXN (1ULL << 53)
#define PTE_UXN (1ULL << 54)
#define PTE_ADDR_MASK 0x0000fffffffff000ULL

// Leaf attribute bits for enum page_prot (RO, RW, RX, DEVICE), in that order.
#define PT_PROT_BITS                                           \
    {                                                          \
        PTE_AF | PTE_SH_INNER | PTE_UXN | PTE_PXN | PTE_AP_RO, \
        PTE_AF | PTE_SH_INNER | PTE_UXN | PTE_PXN,             \
        PTE_AF | PTE_SH_INNER | PTE_UXN | PTE_AP_RO,           \
        PTE_AF | PTE_UXN | PTE_PXN | PTE_ATTR_DEVICE,          \
    }
#define PT_PROT_MASK (PTE_AF | PTE_SH_INNER | PTE_UXN | PTE_PXN | PTE_AP_RO | PTE_ATTR_DEVICE)

static inline bool pte_valid(uint64_t pte) { return pte & PTE_VALID; }
static inline bool pte_is_table(uint64_t pte, int level)
{
    return level < PT_LEVELS - 1 && (pte & PTE_TABLE);
}
static inline uint64_t pte_address(uint64_t pte) { return pte & PTE_ADDR_MASK; }
static inline uint64_t pte_make_table(uint64_t pa) { return pa | PTE_TABLE | PTE_VALID; }
static inline uint64_t pte_make_leaf(uint64_t pa, uint64_t prot_bits, int level)
{
    return pa | prot_bits | (level == PT_LEVELS - 1 ? PTE_TABLE : 0) | PTE_VALID;
}

// The address at `offset` from the start of what kernel_root_table maps.
static inline uint64_t pt_va(uint64_t offset) { return offset | ~0ULL << PT_VA_BITS; }
// Of a leaf's attribute bits.
static inline bool pte_writable(uint64_t bits) { return !(bits & PTE_AP_RO); }
static inline bool pte_executable(uint64_t bits) { return !(bits & PTE_PXN); }
