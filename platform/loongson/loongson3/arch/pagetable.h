// SPDX-License-Identifier: BSD-2-Clause
//
// The table format that the refill handler (vectors.S) walks: 16 KiB pages, three levels of 11
// bits, no blocks. An entry of the upper levels is the next table's address in the cached window,
// or 0; a leaf is what goes into EntryLo (MIPS64 Architecture, volume III, 9.5), or 0. Bit 0, G,
// tells them apart.
//
// XI is set everywhere but in text. A CPU without it ignores the bit, as the architecture wants.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arch/layout.h"

#define PT_LEVELS 3
#define PT_INDEX_BITS 11
#define PT_VA_BITS 47
#define PT_FIRST_BLOCK_LEVEL 2 // the last: no blocks

#define PTE_GLOBAL (1ULL << 0)
#define PTE_VALID (1ULL << 1)
#define PTE_WRITABLE (1ULL << 2) // "dirty"; without it a store traps
#define PTE_UNCACHED (2ULL << 3)
#define PTE_CACHED (3ULL << 3) // and coherent
#define PTE_XI (1ULL << 62)
#define PTE_PFN_SHIFT 6 // from a physical address to its frame's place in EntryLo
#define PTE_PFN_MASK 0x000003ffffffff00ULL

// Leaf attribute bits for enum page_prot (RO, RW, RX, DEVICE), in that order.
#define PT_PROT_BITS                          \
    {                                         \
        PTE_CACHED | PTE_XI,                  \
        PTE_CACHED | PTE_XI | PTE_WRITABLE,   \
        PTE_CACHED,                           \
        PTE_UNCACHED | PTE_XI | PTE_WRITABLE, \
    }
#define PT_PROT_MASK (PTE_XI | PTE_CACHED | PTE_UNCACHED | PTE_WRITABLE)

static inline bool pte_valid(uint64_t pte) { return pte != 0; }
static inline bool pte_is_table(uint64_t pte, int level)
{
    (void)pte;
    return level < PT_LEVELS - 1;
}
static inline uint64_t pte_address(uint64_t pte)
{
    return pte & PTE_GLOBAL ? (pte & PTE_PFN_MASK) << PTE_PFN_SHIFT : pte - ARCH_LINEAR_BASE;
}
static inline uint64_t pte_make_table(uint64_t pa) { return ARCH_LINEAR_BASE + pa; }
static inline uint64_t pte_make_leaf(uint64_t pa, uint64_t prot_bits, int level)
{
    (void)level;
    return pa >> PTE_PFN_SHIFT | prot_bits | PTE_VALID | PTE_GLOBAL;
}

// The address at `offset` from the start of what the first half of kernel_root_table maps: its last
// entry is the image's (early_map.c), all others are of the vmalloc segment.
static inline uint64_t pt_va(uint64_t offset)
{
    bool image = offset >> 36 == (1u << PT_INDEX_BITS) - 1;
    return image ? offset | ~0ULL << PT_VA_BITS : offset + ARCH_VMALLOC_BASE;
}
// Of a leaf's attribute bits. A CPU without XI executes all.
static inline bool pte_writable(uint64_t bits) { return bits & PTE_WRITABLE; }
static inline bool pte_executable(uint64_t bits) { return !(bits & PTE_XI); }
