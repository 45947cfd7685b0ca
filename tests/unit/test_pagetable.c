// SPDX-License-Identifier: BSD-2-Clause
//
// The page-table walker against an array of what each page should map to. A model of the TLB goes
// along: it caches translations whenever the walker publishes or invalidates, as a speculating
// CPU may, and fails the test when a stale one outlives the call or when a block changes size or
// memory type without having been invalid and invalidated in between.
//
// unit-sources: mm/pagetable.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/pagetable.h"
#include "mm/linear.h"
#include "mm/memblock.h"
#include "mm/page.h"
#include "mm/page_alloc.h"
#include "mm/pagetable.h"
#include "mm_ram.h"
#include "platform/platform.h"

#define TABLE_PAGES 512
#define TABLES_PA 0x40000000ULL
#define WINDOW 0xffff800040000000ULL // 1 GiB-aligned
#define PAGES 8192                   // 32 MiB
#define TLB_ENTRIES 64
#define ENTRIES 512

static char *arena;
static unsigned arena_used;
static long tables_left;
static uint64_t root[ENTRIES] __attribute__((aligned(4096)));
static const uint64_t all_prot_bits[] = PT_PROT_BITS;

static struct {
    bool mapped;
    paddr_t pa;
    enum page_prot prot;
} model[PAGES];

// ---- What pagetable.c needs ------------------------------------------------------------------

uint64_t *platform_pagetable_root(void) { return root; }
bool page_alloc_ready(void) { return true; }
paddr_t memblock_alloc(size_t bytes, size_t align)
{
    (void)bytes, (void)align;
    fail_msg("memblock is not to be used any more");
    return 0;
}

void *page_alloc(unsigned order, unsigned gfp)
{
    assert_int_equal(gfp_account(gfp), 1); // the only one of this program: page tables
    assert_int_equal(order, 0);
    if (tables_left == 0)
        return NULL;
    tables_left -= tables_left > 0;
    assert_true(arena_used < TABLE_PAGES);
    return memset(arena + PAGE_SIZE * arena_used++, 0xa7, PAGE_SIZE); // valid-looking rubbish
}

// ---- The TLB ---------------------------------------------------------------------------------

static struct cached {
    bool valid;
    uintptr_t va; // of a page
    uint64_t pte;
    int level;
} tlb[TLB_ENTRIES];
static uint64_t tlb_seed = 99;
static unsigned invalidations;

// A walk of our own: the leaf for `va`, 0 when there is none.
static uint64_t hardware_walk(uintptr_t va, int *level)
{
    const uint64_t *table = root;
    for (*level = 0; *level < PT_LEVELS; (*level)++) {
        uint64_t pte = table[va >> (39 - 9 * *level) & (ENTRIES - 1)];
        if (!(pte & PTE_VALID))
            return 0;
        if (*level == PT_LEVELS - 1 || !(pte & PTE_TABLE))
            return pte;
        uint64_t pa = pte & PTE_ADDR_MASK;
        assert_in_range(pa, TABLES_PA, TABLES_PA + TABLE_PAGES * PAGE_SIZE - 1);
        table = (const uint64_t *)(arena + (pa - TABLES_PA));
    }
    return 0;
}

static void check_no_conflict(const struct cached *entry)
{
    int level;
    uint64_t pte = hardware_walk(entry->va, &level);
    if (!pte)
        return;
    assert_int_equal(level, entry->level);
    assert_int_equal(pte & PTE_ADDR_MASK, entry->pte & PTE_ADDR_MASK);
    assert_int_equal(pte & PTE_ATTR_DEVICE, entry->pte & PTE_ATTR_DEVICE);
}

static void speculate(void)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        if (tlb[i].valid)
            check_no_conflict(&tlb[i]);
    }
    for (unsigned n = 0; n < 8; n++) {
        struct cached *entry = &tlb[mm_ram_random(&tlb_seed) % TLB_ENTRIES];
        if (entry->valid)
            continue;
        entry->va = WINDOW + mm_ram_random(&tlb_seed) % PAGES * PAGE_SIZE;
        entry->pte = hardware_walk(entry->va, &entry->level);
        entry->valid = entry->pte != 0;
    }
}

void platform_pagetable_publish(uintptr_t va, uint64_t len)
{
    (void)va, (void)len;
    speculate();
}

void platform_tlb_invalidate(uintptr_t va, uint64_t len)
{
    invalidations++;
    speculate();
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        // An entry goes when any part of what it maps is named.
        uint64_t bytes = 1ULL << (39 - 9 * tlb[i].level);
        uintptr_t start = ALIGN_DOWN(tlb[i].va, bytes);
        if (tlb[i].valid && start < va + len && va < start + bytes)
            tlb[i].valid = false;
    }
    speculate(); // what is still valid may come back at once
}

// After a call nothing stale may be left, permissions included.
static void check_tlb(void)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        int level;
        if (tlb[i].valid)
            assert_int_equal(hardware_walk(tlb[i].va, &level), tlb[i].pte);
    }
}

// ---- The model -------------------------------------------------------------------------------

static int start(void **state)
{
    (void)state;
    if (!arena && posix_memalign((void **)&arena, PAGE_SIZE, TABLE_PAGES * PAGE_SIZE))
        return -1;
    host_linear_base = (uintptr_t)arena - TABLES_PA;
    arena_used = 0;
    tables_left = -1;
    memset(root, 0, sizeof(root));
    memset(tlb, 0, sizeof(tlb));
    memset(model, 0, sizeof(model));
    return 0;
}

static uintptr_t page_at(unsigned page) { return WINDOW + page * PAGE_SIZE; }

static void check_page(unsigned page)
{
    paddr_t pa;
    enum page_prot prot;
    int err = pagetable_translate(page_at(page) + 0x123, &pa, &prot);
    assert_int_equal(err, model[page].mapped ? 0 : -EFAULT);
    if (!err) {
        assert_int_equal(pa, model[page].pa + 0x123);
        assert_int_equal(prot, model[page].prot);
    }
}

static void check_pages(unsigned first, unsigned count)
{
    for (unsigned page = first; page < first + count; page++)
        check_page(page);
    check_tlb();
}

static unsigned count_mapped(unsigned first, unsigned count)
{
    unsigned mapped = 0;
    for (unsigned i = 0; i < count; i++)
        mapped += model[first + i].mapped;
    return mapped;
}

static int map(unsigned first, unsigned count, paddr_t pa, enum page_prot prot)
{
    int err = pagetable_map(page_at(first), pa, count * PAGE_SIZE, prot);
    for (unsigned i = 0; i < count && !err; i++) {
        assert_false(model[first + i].mapped);
        model[first + i].mapped = true;
        model[first + i].pa = pa + i * PAGE_SIZE;
        model[first + i].prot = prot;
    }
    return err;
}

// Late: leaves alone first; what the TLB keeps until the invalidation must not matter.
static int unmap(unsigned first, unsigned count, bool late)
{
    int err = late ? pagetable_unmap_lazy(page_at(first), count * PAGE_SIZE)
                   : pagetable_unmap(page_at(first), count * PAGE_SIZE);
    if (!err && late) {
        unsigned before = invalidations;
        speculate();
        pagetable_invalidate(page_at(first), count * PAGE_SIZE);
        assert_int_equal(invalidations, before + 1);
    }
    for (unsigned i = 0; i < count && !err; i++)
        model[first + i].mapped = false;
    return err;
}

static int protect(unsigned first, unsigned count, enum page_prot prot)
{
    int err = pagetable_protect(page_at(first), count * PAGE_SIZE, prot);
    for (unsigned i = 0; i < count && !err; i++)
        model[first + i].prot = prot;
    return err;
}

static void count_leaves(const uint64_t *table, int level, unsigned *leaves)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (!(table[i] & PTE_VALID))
            continue;
        if (level < PT_LEVELS - 1 && table[i] & PTE_TABLE)
            count_leaves((uint64_t *)linear_va(table[i] & PTE_ADDR_MASK), level + 1, leaves);
        else
            leaves[level]++;
    }
}

static void expect_leaves(unsigned level1, unsigned level2, unsigned level3)
{
    unsigned leaves[PT_LEVELS] = {0};
    count_leaves(root, 0, leaves);
    assert_int_equal(leaves[0], 0);
    assert_int_equal(leaves[1], level1);
    assert_int_equal(leaves[2], level2);
    assert_int_equal(leaves[3], level3);
}

// ---- Tests -----------------------------------------------------------------------------------

static void protections(void **state)
{
    (void)state;
    for (unsigned prot = PROT_RO; prot <= PROT_DEVICE; prot++)
        assert_int_equal(map(prot, 1, 0x80000000 + prot * 0x5000, prot), 0);
    check_pages(0, 8);
    for (unsigned prot = PROT_RO; prot <= PROT_DEVICE; prot++) { // writable means not executable
        int level;
        uint64_t pte = hardware_walk(page_at(prot), &level);
        assert_true(pte & PTE_AP_RO || pte & PTE_PXN);
        assert_true(pte & PTE_UXN);
        assert_int_equal(pte & PT_PROT_MASK, all_prot_bits[prot]);
    }
}

static void largest_blocks(void **state)
{
    uint64_t gib = 1ULL << 30, len = 2 * gib + MIB(2) + PAGE_SIZE;
    (void)state;
    assert_int_equal(pagetable_map(WINDOW, 4 * gib, len, PROT_RW), 0);
    expect_leaves(2, 1, 1);
    assert_int_equal(pagetable_unmap(WINDOW, len), 0);
    expect_leaves(0, 0, 0);
    // From 2 MiB below a GiB, odd ends: 511 pages, 1 block, 1 GiB, 3 pages.
    uintptr_t va = WINDOW + gib - MIB(4) + PAGE_SIZE;
    len = MIB(4) - PAGE_SIZE + gib + 3 * PAGE_SIZE;
    assert_int_equal(pagetable_map(va, va & (gib - 1), len, PROT_RO), 0);
    expect_leaves(1, 1, 511 + 3);
    assert_int_equal(pagetable_unmap(va, len), 0);
    // Differently aligned: no block is possible.
    assert_int_equal(pagetable_map(WINDOW, 0x1000, MIB(4), PROT_RW), 0);
    expect_leaves(0, 0, 1024);
    assert_int_equal(pagetable_block_bytes(PAGE_SIZE), PAGE_SIZE);
    assert_int_equal(pagetable_block_bytes(MIB(2) - 1), PAGE_SIZE);
    assert_int_equal(pagetable_block_bytes(MIB(2)), MIB(2));
    assert_int_equal(pagetable_block_bytes(3 * gib), gib);
}

static void splitting(void **state)
{
    (void)state;
    assert_int_equal(map(0, 1024, 0x80000000, PROT_RW), 0);
    expect_leaves(0, 2, 0);
    assert_int_equal(protect(100, 5, PROT_RX), 0);
    expect_leaves(0, 1, 512);
    assert_int_equal(unmap(512, 512, false), 0); // a whole block: nothing to split
    expect_leaves(0, 0, 512);
    check_pages(0, 2048);
    // 1 GiB into 511 blocks of 2 MiB and 511 pages, for one page.
    start(NULL);
    assert_int_equal(pagetable_map(WINDOW, 1ULL << 30, 1ULL << 30, PROT_RW), 0);
    assert_int_equal(pagetable_unmap(WINDOW + MIB(100), PAGE_SIZE), 0);
    expect_leaves(0, 511, 511);
}

static void bad_ranges(void **state)
{
    (void)state;
    assert_int_equal(pagetable_map(WINDOW + 1, 0, PAGE_SIZE, PROT_RO), -EINVAL);
    assert_int_equal(pagetable_map(WINDOW, 8, PAGE_SIZE, PROT_RO), -EINVAL);
    assert_int_equal(pagetable_map(WINDOW, 0, 100, PROT_RO), -EINVAL);
    assert_int_equal(pagetable_map(WINDOW, 0, 0, PROT_RO), -EINVAL);
    assert_int_equal(pagetable_map(0 - PAGE_SIZE, 0, 2 * PAGE_SIZE, PROT_RO), -EINVAL);
    assert_int_equal(pagetable_map(WINDOW, 0 - PAGE_SIZE, 2 * PAGE_SIZE, PROT_RO), -EINVAL);
    // No entry has room for so high an address: it would be something else's, or attributes.
    assert_int_equal(pagetable_map(WINDOW, 1ULL << 53, PAGE_SIZE, PROT_RW), -EINVAL);
    assert_int_equal(pagetable_map(WINDOW, (1ULL << 48) - PAGE_SIZE, 2 * PAGE_SIZE, PROT_RW),
                     -EINVAL);
    assert_int_equal(pagetable_unmap(WINDOW, 0), -EINVAL);
    assert_int_equal(pagetable_protect(WINDOW, 5, PROT_RO), -EINVAL);
    assert_int_equal(arena_used, 0);
    // The very last page of the address space is a page like others.
    assert_int_equal(pagetable_map(0 - PAGE_SIZE, 0x5000, PAGE_SIZE, PROT_RO), 0);
    assert_int_equal(pagetable_unmap(0 - PAGE_SIZE, PAGE_SIZE), 0);
}

static void existing_mapping_stays(void **state)
{
    (void)state;
    map(700, 1, 0x90000000, PROT_RO);
    assert_int_equal(map(0, 2048, 0x80000000, PROT_RW), -EEXIST);
    check_pages(0, 2048);
    expect_leaves(0, 0, 1);
    assert_int_equal(protect(700, 2, PROT_RW), -EFAULT);
    check_pages(0, 2048);
    assert_int_equal(unmap(0, 2048, false), 0); // holes are allowed
    check_pages(0, 2048);
}

// The n-th table page is missing: nothing has changed, and the next attempt works.
static void no_memory_while_mapping(void **state)
{
    (void)state;
    for (unsigned n = 0;; n++) {
        start(NULL);
        tables_left = n;
        int err = map(300, 1900, 0x80000000 + 300 * PAGE_SIZE, PROT_RW);
        check_pages(0, 4096);
        if (!err) {
            assert_in_range(n, 4, 5);
            break;
        }
        assert_int_equal(err, -ENOMEM);
        expect_leaves(0, 0, 0);
        tables_left = -1;
        assert_int_equal(map(300, 1900, 0x80000000 + 300 * PAGE_SIZE, PROT_RW), 0);
        check_pages(0, 4096);
    }
}

static void no_memory_while_splitting(void **state)
{
    (void)state;
    map(0, 2048, 0x80000000, PROT_RW);
    tables_left = 0;
    assert_int_equal(unmap(5, 1, false), -ENOMEM);
    assert_int_equal(protect(5, 600, PROT_RO), -ENOMEM);
    check_pages(0, 2048);
    tables_left = 1; // one end can be split, the other not
    assert_int_equal(unmap(5, 600, false), -ENOMEM);
    check_pages(0, 2048);
    tables_left = -1;
    assert_int_equal(unmap(5, 600, false), 0);
    check_pages(0, 2048);
}

static void from_a_stock(void **state)
{
    struct page_stock stock = {.count = 2};
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        stock.pages[i] = linear_pa(page_alloc(0, 1 << GFP_ACCOUNT_SHIFT));
    tables_left = 0;
    assert_int_equal(pagetable_map_stock(page_at(0), 0x5000, PAGE_SIZE, PROT_RW, &stock), -ENOMEM);
    check_pages(0, 4);
    stock.count = 3;
    start(NULL);
    arena_used = 3;
    tables_left = 0;
    assert_int_equal(pagetable_map_stock(page_at(0), 0x5000, PAGE_SIZE, PROT_RW, &stock), 0);
    assert_int_equal(stock.count, 0);
    expect_leaves(0, 0, 1);
}

static paddr_t random_pa(uint64_t random, unsigned first)
{
    paddr_t pa = 0x100000000 + (random >> 40) % 64 * MIB(2);
    return random >> 20 & 3 ? pa + first % 512 * PAGE_SIZE : pa + (random >> 22) % 512 * PAGE_SIZE;
}

static void random_step(uint64_t random)
{
    unsigned first = (random >> 3) % PAGES, count = 1 + (random >> 17) % (random & 1 ? 16 : 2500);
    enum page_prot prot = (random >> 30) % 4;
    if (random >> 50 & 1)
        first = ALIGN_DOWN(first, 512);
    count = MIN(count, PAGES - first);
    unsigned mapped = count_mapped(first, count);
    tables_left = random >> 52 & 7 ? -1 : (long)(random >> 55 & 1);
    int err, want;
    if (random % 10 < 4) {
        err = map(first, count, random_pa(random, first), prot);
        want = mapped ? -EEXIST : 0;
    } else if (random % 10 < 7) {
        err = unmap(first, count, random >> 56 & 1);
        want = 0;
    } else {
        err = protect(first, count, prot);
        want = mapped == count ? 0 : -EFAULT;
    }
    if (err != -ENOMEM || tables_left != 0)
        assert_int_equal(err, want);
    check_pages(first, count);
}

// ---- Looking at all of it ----------------------------------------------------------------------

static struct {
    unsigned next, runs; // the page after the last run
    struct page_run last;
} visited;

static int visit_run(const struct page_run *run, void *arg)
{
    assert_ptr_equal(arg, &visited);
    unsigned first = (unsigned)((run->va - WINDOW) / PAGE_SIZE);
    for (; visited.next < first; visited.next++)
        assert_false(model[visited.next].mapped);
    assert_true(run->len % run->leaf_bytes == 0 && run->va % run->leaf_bytes == 0);
    for (uint64_t at = 0; at < run->len; at += PAGE_SIZE, visited.next++) {
        assert_true(model[visited.next].mapped);
        assert_int_equal(model[visited.next].pa, run->pa + at);
        assert_int_equal(all_prot_bits[model[visited.next].prot], run->bits);
    }
    const struct page_run *last = &visited.last; // would it have been part of this?
    assert_false(visited.runs && last->va + last->len == run->va && last->bits == run->bits &&
                 last->pa + last->len == run->pa && last->leaf_bytes == run->leaf_bytes);
    visited.last = *run;
    visited.runs++;
    return 0;
}

static void check_visit(void)
{
    memset(&visited, 0, sizeof(visited));
    assert_int_equal(pagetable_visit(visit_run, &visited), 0);
    for (; visited.next < PAGES; visited.next++)
        assert_false(model[visited.next].mapped);
}

static int stop_at_second(const struct page_run *run, void *arg)
{
    (void)run;
    return ++*(int *)arg == 2 ? -EINTR : 0;
}

static void visiting(void **state)
{
    int runs = 0;
    (void)state;
    assert_int_equal(pagetable_visit(stop_at_second, &runs), 0);
    assert_int_equal(runs, 0);
    map(0, 512, 0x80000000, PROT_RW);          // a block
    map(512, 5, 0x80000000 + MIB(2), PROT_RW); // pages, all adjoining
    map(517, 3, 0x90000000, PROT_RW);          // elsewhere
    map(520, 3, 0x90000000 + 0x3000, PROT_RO); // other protection
    map(600, 1, 0x90000000 + 0x6000, PROT_RO); // behind a hole
    map(8191, 1, 0x90000000, PROT_DEVICE);
    check_visit();
    assert_int_equal(visited.runs, 6);
    assert_int_equal(pagetable_visit(stop_at_second, &runs), -EINTR);
    assert_int_equal(runs, 2);
    // Both ends of the address space.
    start(NULL);
    pagetable_map(0xffff000000000000, 0, PAGE_SIZE, PROT_RW);
    pagetable_map(0 - PAGE_SIZE, 0x5000, PAGE_SIZE, PROT_RO);
    runs = 10;
    assert_int_equal(pagetable_visit(stop_at_second, &runs), 0);
    assert_int_equal(runs, 12);
}

static void writable_and_executable(void **state)
{
    int level;
    (void)state;
    for (unsigned prot = PROT_RO; prot <= PROT_DEVICE; prot++)
        map(prot * 600, 550, 0x80000000 + prot * MIB(4), prot);
    assert_int_equal(pagetable_check_wx(), 0);
    // Planted, since there is no name for it: a page, and the block of 2 MiB in front.
    uintptr_t places[] = {page_at(PROT_RW * 600 + 500), page_at(0)};
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        uint64_t *table = root, pte = hardware_walk(places[i], &level);
        for (int n = 0; n < level; n++)
            table = linear_va(table[places[i] >> (39 - 9 * n) & (ENTRIES - 1)] & PTE_ADDR_MASK);
        table[places[i] >> (39 - 9 * level) & (ENTRIES - 1)] = pte & ~(PTE_PXN | PTE_AP_RO);
        assert_int_equal(pagetable_check_wx(), i + 1);
    }
}

// Nothing but the leaves goes before the invalidation; the same answers as unmap.
static void late_unmapping(void **state)
{
    (void)state;
    map(0, 1024, 0x80000000, PROT_RW);
    unsigned before = invalidations;
    for (unsigned page = 0; page < 1024; page += 512)
        assert_int_equal(pagetable_unmap_lazy(page_at(page), MIB(2)), 0);
    assert_int_equal(invalidations, before);
    pagetable_invalidate(page_at(0), MIB(4)); // one for both
    assert_int_equal(invalidations, before + 1);
    memset(model, 0, sizeof(model));
    check_pages(0, 2048);
    assert_int_equal(pagetable_unmap_lazy(WINDOW, 0), -EINVAL);
    map(0, 512, 0x80000000, PROT_RW);
    tables_left = 0;
    assert_int_equal(pagetable_unmap_lazy(page_at(5), PAGE_SIZE), -ENOMEM);
    check_pages(0, 2048);
}

static void random_walk(void **state)
{
    uint64_t seed = 0xfeedface;
    (void)state;
    for (unsigned step = 0; step < 8000; step++) {
        random_step(mm_ram_random(&seed));
        if (step % 100 == 0) {
            check_pages(0, PAGES);
            check_visit();
        }
    }
    assert_in_range(arena_used, 3, 2 + PAGES / 512 + 2000);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(protections),
        TEST(largest_blocks),
        TEST(splitting),
        TEST(bad_ranges),
        TEST(existing_mapping_stays),
        TEST(no_memory_while_mapping),
        TEST(no_memory_while_splitting),
        TEST(from_a_stock),
        TEST(late_unmapping),
        TEST(visiting),
        TEST(writable_and_executable),
        TEST(random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
