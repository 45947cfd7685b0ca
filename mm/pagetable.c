// SPDX-License-Identifier: BSD-2-Clause
//
// Kernel page tables: a generic walker over arch/pagetable.h. Tables are reached through the
// linear map. Level 0 is the root; an entry of level n covers level_bytes(n).
//
// Rules kept here: a table is zeroed, and the zeroes made visible, before it is linked; entries
// that become valid are published; entries that change size or memory type go through invalid
// with an invalidation in between; tables are never freed, so a walker never meets a stale one.

#include "mm/pagetable.h"

#include <string.h>

#include "arch/pagetable.h"
#include "core/debug/log.h"
#include "core/sync/spinlock.h"
#include "mm/account.h"
#include "mm/linear.h"
#include "mm/memblock.h"
#include "mm/page.h"
#include "platform/platform.h"

#define PT_ENTRIES (1u << PT_INDEX_BITS)
#define PT_LAST (PT_LEVELS - 1)

// Protects all tables, except those below the entries that pagetable_map_stock's caller owns.
static struct spinlock table_lock = SPINLOCK_INIT;

static const uint64_t prot_bits[] = PT_PROT_BITS;
static MEM_ACCOUNT(page_tables, "page-tables");

static uint64_t level_bytes(int level)
{
    return 1ULL << (PAGE_SHIFT + PT_INDEX_BITS * (PT_LAST - level));
}

static uint64_t *entry_in(uint64_t *table, uintptr_t va, int level)
{
    return &table[va / level_bytes(level) & (PT_ENTRIES - 1)];
}

static uint64_t *table_below(uint64_t pte) { return linear_va(pte_address(pte)); }

static bool is_leaf(uint64_t pte, int level) { return pte_valid(pte) && !pte_is_table(pte, level); }

// The walker reads entries while we write them: one plain store, never torn or repeated.
static void entry_set(uint64_t *entry, uint64_t pte) { *(volatile uint64_t *)entry = pte; }

// Whether an entry has room for the address of this page: others would change its attributes, or
// become the address of something else.
static bool pa_fits(paddr_t pa) { return pte_address(pte_make_leaf(pa, 0, PT_LAST)) == pa; }

static bool range_ok(uintptr_t va, paddr_t pa, uint64_t len)
{
    uint64_t end;
    return len && IS_ALIGNED(va | pa | len, PAGE_SIZE) &&
           !__builtin_add_overflow(va, len - 1, &end) &&
           !__builtin_add_overflow(pa, len - 1, &end) && pa_fits(pa + len - PAGE_SIZE);
}

// ---- Table pages -----------------------------------------------------------------------------

static paddr_t page_from_allocator(void)
{
    if (!page_alloc_ready())
        return memblock_alloc(PAGE_SIZE, PAGE_SIZE);
    void *page = page_alloc(0, GFP_ATOMIC | GFP_ACCOUNT(page_tables));
    return page ? linear_pa(page) : 0;
}

// An empty table that the hardware sees as such once it is linked; 0 when there is no page.
static paddr_t table_new(struct page_stock *stock)
{
    paddr_t pa = 0;
    if (!stock)
        pa = page_from_allocator();
    else if (stock->count)
        pa = stock->pages[--stock->count];
    if (pa) {
        memset(linear_va(pa), 0, PAGE_SIZE);
        platform_pagetable_publish(0, 0);
    }
    return pa;
}

// ---- Walking ---------------------------------------------------------------------------------

// The entry that maps `va` or, where nothing does, the invalid one at which the walk ended.
static uint64_t *walk(uintptr_t va, int *level)
{
    uint64_t *table = platform_pagetable_root();
    for (*level = 0;; (*level)++) {
        uint64_t *entry = entry_in(table, va, *level);
        if (!pte_is_table(*entry, *level) || !pte_valid(*entry))
            return entry;
        table = table_below(*entry);
    }
}

// Bytes from `va` to the end of its entry at `level`, no more than `left`.
static uint64_t step_bytes(uintptr_t va, int level, uint64_t left)
{
    uint64_t rest = level_bytes(level) - (va & (level_bytes(level) - 1));
    return MIN(rest, left);
}

static bool block_fits(uintptr_t va, paddr_t pa, uint64_t len, int level)
{
    return level >= PT_FIRST_BLOCK_LEVEL && len >= level_bytes(level) &&
           IS_ALIGNED(va | pa, level_bytes(level));
}

// ---- Mapping ---------------------------------------------------------------------------------

// Writes equal leaves into one table while they fit and the entries are free. A tight loop: the
// linear map of all RAM goes through it at the start. Returns the bytes that it mapped.
static uint64_t fill(uint64_t *entry, uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits,
                     int level)
{
    const uint64_t step = level_bytes(level);
    const uint64_t room = PT_ENTRIES - ((va / step) & (PT_ENTRIES - 1));
    const uint64_t *first = entry, *end = entry + MIN(room, len / step);
    uint64_t pte = pte_make_leaf(pa, bits, level);
    const uint64_t pte_step = pte_make_leaf(pa + step, bits, level) - pte;
    for (; entry < end && !pte_valid(*entry); entry++, pte += pte_step)
        entry_set(entry, pte);
    return (uint64_t)(entry - first) * step;
}

// Maps blocks of the largest size that fits at the start of the range; *done is how much.
static int map_some(uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits, struct page_stock *stock,
                    uint64_t *done)
{
    int level;
    uint64_t *entry = walk(va, &level);
    if (pte_valid(*entry))
        return -EEXIST;
    for (; !block_fits(va, pa, len, level); level++) {
        paddr_t table = table_new(stock);
        if (!table)
            return -ENOMEM;
        entry_set(entry, pte_make_table(table));
        entry = entry_in(linear_va(table), va, level + 1);
    }
    *done = fill(entry, va, pa, len, bits, level);
    return 0;
}

// Clears all leaves of the range, whose ends cut none.
static void clear_leaves(uintptr_t va, uint64_t len)
{
    int level;
    for (uint64_t at = 0; at < len; at += step_bytes(va + at, level, len - at)) {
        uint64_t *entry = walk(va + at, &level);
        if (pte_valid(*entry))
            entry_set(entry, 0);
    }
}

static int map_range(uintptr_t va, paddr_t pa, uint64_t len, enum page_prot prot,
                     struct page_stock *stock)
{
    uint64_t at = 0, done;
    int err = 0;
    for (; at < len && !err; at += err ? 0 : done)
        err = map_some(va + at, pa + at, len - at, prot_bits[prot], stock, &done);
    if (err && at) {
        clear_leaves(va, at);
        platform_tlb_invalidate(va, at);
    }
    platform_pagetable_publish(va, len);
    return err;
}

int pagetable_map(uintptr_t va, paddr_t pa, uint64_t len, enum page_prot prot)
{
    if (!range_ok(va, pa, len))
        return -EINVAL;
    spin_lock(&table_lock);
    int err = map_range(va, pa, len, prot, NULL);
    spin_unlock(&table_lock);
    return err;
}

int pagetable_map_stock(uintptr_t va, paddr_t pa, uint64_t len, enum page_prot prot,
                        struct page_stock *stock)
{
    return range_ok(va, pa, len) ? map_range(va, pa, len, prot, stock) : -EINVAL;
}

// ---- Splitting -------------------------------------------------------------------------------

// Replaces a block by a table of smaller ones with the same translation. The hole between break
// and make is why no interrupt may come in between: its handler may touch the block.
static int split(uint64_t *entry, uintptr_t va, int level)
{
    uint64_t old = *entry;
    paddr_t table = table_new(NULL);
    if (!table)
        return -ENOMEM;
    uint64_t *entries = linear_va(table);
    for (unsigned i = 0; i < PT_ENTRIES; i++)
        entries[i] = pte_make_leaf(pte_address(old) + i * level_bytes(level + 1),
                                   old & PT_PROT_MASK, level + 1);
    platform_pagetable_publish(0, 0);

    irq_flags_t flags = arch_irq_save();
    entry_set(entry, 0);
    platform_tlb_invalidate(ALIGN_DOWN(va, level_bytes(level)), level_bytes(level));
    entry_set(entry, pte_make_table(table));
    platform_pagetable_publish(ALIGN_DOWN(va, level_bytes(level)), level_bytes(level));
    arch_irq_restore(flags);
    return 0;
}

// Makes `va` a border between leaves.
static int split_at(uintptr_t va)
{
    for (;;) {
        int level;
        uint64_t *entry = walk(va, &level);
        if (!is_leaf(*entry, level) || IS_ALIGNED(va, level_bytes(level)))
            return 0;
        int err = split(entry, va, level);
        if (err)
            return err;
    }
}

static int split_ends(uintptr_t va, uint64_t len)
{
    int err = split_at(va);
    return err ? err : split_at(va + len);
}

// ---- Unmapping and changing ------------------------------------------------------------------

int pagetable_unmap_lazy(uintptr_t va, uint64_t len)
{
    if (!range_ok(va, 0, len))
        return -EINVAL;
    spin_lock(&table_lock);
    int err = split_ends(va, len);
    if (!err)
        clear_leaves(va, len);
    spin_unlock(&table_lock);
    return err;
}

// Without the lock: whoever waits for other CPUs must not keep them waiting.
void pagetable_invalidate(uintptr_t va, uint64_t len) { platform_tlb_invalidate(va, len); }

int pagetable_unmap(uintptr_t va, uint64_t len)
{
    int err = pagetable_unmap_lazy(va, len);
    if (!err)
        pagetable_invalidate(va, len);
    return err;
}

static bool all_mapped(uintptr_t va, uint64_t len)
{
    int level;
    for (uint64_t at = 0; at < len; at += step_bytes(va + at, level, len - at)) {
        if (!pte_valid(*walk(va + at, &level)))
            return false;
    }
    return true;
}

// A change of permission alone may be written over the old entry; one of the memory type may not.
static void change_leaf(uint64_t *entry, uintptr_t va, int level, uint64_t bits)
{
    uint64_t old = *entry;
    bool was_device = (old & PT_PROT_MASK) == prot_bits[PROT_DEVICE];
    if (was_device != (bits == prot_bits[PROT_DEVICE])) {
        entry_set(entry, 0);
        platform_tlb_invalidate(va, level_bytes(level));
    }
    entry_set(entry, pte_make_leaf(pte_address(old), bits, level));
}

static int protect_range(uintptr_t va, uint64_t len, uint64_t bits)
{
    if (!all_mapped(va, len))
        return -EFAULT;
    int level, err = split_ends(va, len);
    if (err)
        return err;
    for (uint64_t at = 0; at < len; at += level_bytes(level)) {
        uint64_t *entry = walk(va + at, &level);
        change_leaf(entry, va + at, level, bits);
    }
    platform_pagetable_publish(va, len);
    platform_tlb_invalidate(va, len);
    return 0;
}

int pagetable_protect(uintptr_t va, uint64_t len, enum page_prot prot)
{
    if (!range_ok(va, 0, len))
        return -EINVAL;
    spin_lock(&table_lock);
    int err = protect_range(va, len, prot_bits[prot]);
    spin_unlock(&table_lock);
    return err;
}

// ---- Looking ---------------------------------------------------------------------------------

static enum page_prot prot_of(uint64_t pte)
{
    for (unsigned i = 0; i < ARRAY_SIZE(prot_bits); i++) {
        if ((pte & PT_PROT_MASK) == prot_bits[i])
            return i;
    }
    return PROT_RO; // not one of ours: the least that it can be
}

int pagetable_translate(uintptr_t va, paddr_t *pa, enum page_prot *prot)
{
    int level;
    spin_lock(&table_lock);
    uint64_t pte = *walk(va, &level);
    spin_unlock(&table_lock);
    if (!pte_valid(pte))
        return -EFAULT;
    *pa = pte_address(pte) + (va & (level_bytes(level) - 1));
    *prot = prot_of(pte);
    return 0;
}

uint64_t pagetable_block_bytes(uint64_t len)
{
    for (int level = PT_FIRST_BLOCK_LEVEL; level < PT_LAST; level++) {
        if (len >= level_bytes(level))
            return level_bytes(level);
    }
    return PAGE_SIZE;
}

// The next run at or after `offset`, a distance from the lowest mapped address; false at the end.
static bool next_run(uint64_t offset, struct page_run *run)
{
    int level;
    uint64_t pte = 0;
    for (; offset < 1ULL << PT_VA_BITS; offset += step_bytes(offset, level, UINT64_MAX)) {
        pte = *walk(offset, &level);
        if (pte_valid(pte))
            break;
    }
    if (offset >= 1ULL << PT_VA_BITS)
        return false;
    *run = (struct page_run){.va = pt_va(offset),
                             .pa = pte_address(pte),
                             .leaf_bytes = level_bytes(level),
                             .bits = pte & PT_PROT_MASK};
    do {
        run->len += run->leaf_bytes;
        if (offset + run->len >= 1ULL << PT_VA_BITS)
            break;
        pte = *walk(offset + run->len, &level);
    } while (is_leaf(pte, level) && level_bytes(level) == run->leaf_bytes &&
             pte_address(pte) == run->pa + run->len && (pte & PT_PROT_MASK) == run->bits);
    return true;
}

int pagetable_visit(int (*visit)(const struct page_run *run, void *arg), void *arg)
{
    struct page_run run;
    int stop = 0;
    spin_lock(&table_lock);
    for (uint64_t offset = 0; !stop && next_run(offset, &run);
         offset = (run.va & ((1ULL << PT_VA_BITS) - 1)) + run.len)
        stop = visit(&run, arg);
    spin_unlock(&table_lock);
    return stop;
}

static int check_run(const struct page_run *run, void *arg)
{
    unsigned *found = arg;
    if (!pte_writable(run->bits) || !pte_executable(run->bits))
        return 0;
    (*found)++;
    log_err("page table: 0x%llx-0x%llx is writable and executable", (unsigned long long)run->va,
            (unsigned long long)(run->va + run->len - 1));
    return 0;
}

unsigned pagetable_check_wx(void)
{
    unsigned found = 0;
    pagetable_visit(check_run, &found);
    return found;
}
