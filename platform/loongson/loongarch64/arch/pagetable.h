// SPDX-License-Identifier: BSD-2-Clause
//
// LoongArch64 table format for the generic walker: 4 KiB pages, four levels of 9 bits (LoongArch
// Reference Manual vol. 1, 5.4.5 and 7.5.7). Leaves are TLB entries, as the refill handler loads
// them; upper entries are plain addresses of tables, as LDDIR wants them. Blocks are not used.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PT_LEVELS 4
#define PT_INDEX_BITS 9
#define PT_VA_BITS 48
#define PT_FIRST_BLOCK_LEVEL 3 // pages only

#define PTE_VALID (1ULL << 0)
#define PTE_DIRTY (1ULL << 1)  // writable
#define PTE_CACHED (1ULL << 4) // MAT: coherent cached; 0 is strongly ordered uncached
#define PTE_NX (1ULL << 62)
#define PTE_ADDR_MASK 0x0000fffffffff000ULL

// Leaf attribute bits for enum page_prot (RO, RW, RX, DEVICE), in that order. All for privilege
// level 0 and, as there is just one address-space number, none marked global.
#define PT_PROT_BITS                     \
    {                                    \
        PTE_CACHED | PTE_NX,             \
        PTE_CACHED | PTE_NX | PTE_DIRTY, \
        PTE_CACHED,                      \
        PTE_NX | PTE_DIRTY,              \
    }
#define PT_PROT_MASK (PTE_CACHED | PTE_NX | PTE_DIRTY)

static inline bool pte_valid(uint64_t pte) { return pte != 0; }
static inline bool pte_is_table(uint64_t pte, int level)
{
    return level < PT_LEVELS - 1 && pte != 0;
}
static inline uint64_t pte_address(uint64_t pte) { return pte & PTE_ADDR_MASK; }
static inline uint64_t pte_make_table(uint64_t pa) { return pa; }
static inline uint64_t pte_make_leaf(uint64_t pa, uint64_t prot_bits, int level)
{
    (void)level;
    return pa | prot_bits | PTE_VALID;
}

// The address at `offset` from the start of what kernel_root_table maps.
static inline uint64_t pt_va(uint64_t offset) { return offset | ~0ULL << PT_VA_BITS; }
// Of a leaf's attribute bits.
static inline bool pte_writable(uint64_t bits) { return bits & PTE_DIRTY; }
static inline bool pte_executable(uint64_t bits) { return !(bits & PTE_NX); }
