// SPDX-License-Identifier: BSD-2-Clause
//
// A million operations on the areas of vmalloc against a naive model: a sorted array of areas in
// which the lowest gap is looked for from the start. Every address must be the model's, every gap
// and every largest gap of a subtree what the neighbours say. A TLB that remembers what was not
// invalidated fails the test when a page or an address in it is handed out.
//
// unit-sources: core/lib/rbtree.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/host.h"
#include "mm/vmalloc.c" // its tree is what is tested
#include "mm_ram.h"

#define RAM_PAGES 16384u
#define WINDOW_PAGES 4096u
#define SLOTS 64
#define LAZY_PAGES 100u // what may wait
#define STEPS 1000000u
#define BLOCK_PAGES 64u // as if blocks had this size

// ---- Pages and tables ------------------------------------------------------------------------

static uint32_t free_pfns[RAM_PAGES], free_count;
static uint32_t mapped[WINDOW_PAGES]; // pfn + 1
static bool stale_va[WINDOW_PAGES];   // in the TLB, unmapped
static uint16_t stale_pfn[RAM_PAGES]; // how many such entries lead there
static uint32_t stale_pages[WINDOW_PAGES], stale_count;
static uint32_t stale_frame[WINDOW_PAGES];
static unsigned invalidations;
static struct shrinker *registered;

void *page_alloc(unsigned order, unsigned gfp)
{
    (void)order, (void)gfp;
    assert_true(free_count > 0);
    uint32_t pfn = free_pfns[--free_count];
    assert_int_equal(stale_pfn[pfn], 0);
    return linear_va((paddr_t)pfn * PAGE_SIZE);
}

void page_free(void *page, unsigned order)
{
    uint32_t pfn = (uint32_t)(linear_pa(page) / PAGE_SIZE);
    (void)order;
    assert_int_equal(stale_pfn[pfn], 0);
    free_pfns[free_count++] = pfn;
}

void page_get_stats(struct page_stats *stats)
{
    *stats = (struct page_stats){.total_bytes = LAZY_PAGES * PAGE_SIZE * LAZY_RAM_SHARE};
}

int account_charge(unsigned account, uint64_t bytes)
{
    (void)account, (void)bytes;
    return 0;
}
void account_uncharge(unsigned account, uint64_t bytes) { (void)account, (void)bytes; }
void shrinker_register(struct shrinker *shrinker) { registered = shrinker; }
uint64_t pagetable_block_bytes(uint64_t len)
{
    return len >= BLOCK_PAGES * PAGE_SIZE ? BLOCK_PAGES * PAGE_SIZE : PAGE_SIZE;
}
bool memblock_next_memory(paddr_t *base, uint64_t *len)
{
    (void)base, (void)len;
    return false;
}

int pagetable_map(uintptr_t va, paddr_t pa, uint64_t len, enum page_prot prot)
{
    (void)prot;
    for (uint64_t at = 0; at < len; at += PAGE_SIZE) {
        uint64_t page = (va + at - ARCH_VMALLOC_BASE) / PAGE_SIZE;
        assert_true(page > 0 && page < WINDOW_PAGES);
        assert_false(stale_va[page]);
        assert_int_equal(mapped[page], 0);
        mapped[page] = (uint32_t)((pa + at) / PAGE_SIZE) + 1;
    }
    return 0;
}

int pagetable_unmap_lazy(uintptr_t va, uint64_t len)
{
    for (uint64_t at = 0; at < len; at += PAGE_SIZE) {
        uint64_t page = (va + at - ARCH_VMALLOC_BASE) / PAGE_SIZE;
        assert_true(mapped[page] != 0);
        uint32_t pfn = (mapped[page] - 1) % RAM_PAGES;
        mapped[page] = 0;
        stale_va[page] = true;
        stale_pfn[pfn]++;
        stale_pages[stale_count] = (uint32_t)page;
        stale_frame[stale_count++] = pfn;
    }
    return 0;
}

void pagetable_invalidate(uintptr_t va, uint64_t len)
{
    uint64_t first = (va - ARCH_VMALLOC_BASE) / PAGE_SIZE, left = 0;
    invalidations++;
    for (uint32_t i = 0; i < stale_count; i++) {
        if (stale_pages[i] - first < len / PAGE_SIZE) {
            stale_va[stale_pages[i]] = false;
            stale_pfn[stale_frame[i]]--;
        } else {
            stale_pages[left] = stale_pages[i];
            stale_frame[left++] = stale_frame[i];
        }
    }
    stale_count = (uint32_t)left;
}

int pagetable_unmap(uintptr_t va, uint64_t len)
{
    pagetable_unmap_lazy(va, len);
    pagetable_invalidate(va, len);
    return 0;
}

// ---- The model: pages of the window, sorted ----------------------------------------------------

static struct slot {
    unsigned first, pages;
    bool lazy;
} slots[SLOTS];
static unsigned slot_count, lazy_pages, model_purges;

// Where `pages` with a guard page behind go: the lowest gap that holds them at any alignment.
static unsigned model_gap(unsigned pages, unsigned align, unsigned offset, unsigned *index)
{
    unsigned start = 1;
    for (*index = 0; *index <= slot_count; ++*index) {
        unsigned end = *index < slot_count ? slots[*index].first : WINDOW_PAGES;
        if (end - start >= pages + 1 + align - 1)
            return start + (offset - start) % align;
        if (*index < slot_count)
            start = end + slots[*index].pages + 1;
    }
    return 0;
}

static void model_purge(void)
{
    unsigned left = 0;
    for (unsigned i = 0; i < slot_count; i++) {
        if (!slots[i].lazy)
            slots[left++] = slots[i];
    }
    model_purges += left < slot_count;
    slot_count = left;
    lazy_pages = 0;
}

static unsigned model_add(unsigned pages, unsigned align, unsigned offset)
{
    unsigned index, first = model_gap(pages, align, offset, &index);
    if (!first)
        first = model_gap(pages, 1, 0, &index);
    if (!first && lazy_pages) {
        model_purge();
        first = model_gap(pages, 1, 0, &index);
    }
    if (!first)
        return 0;
    memmove(&slots[index + 1], &slots[index], (slot_count - index) * sizeof(slots[0]));
    slots[index] = (struct slot){first, pages, false};
    slot_count++;
    return first;
}

static void model_remove(unsigned index, bool lazy)
{
    if (lazy) {
        slots[index].lazy = true;
        lazy_pages += slots[index].pages;
        if (lazy_pages > LAZY_PAGES)
            model_purge();
        return;
    }
    slot_count--;
    memmove(&slots[index], &slots[index + 1], (slot_count - index) * sizeof(slots[0]));
}

// ---- Operations ------------------------------------------------------------------------------

static enum area_kind kind_of[WINDOW_PAGES]; // of the area that starts there

static uintptr_t page_va_of(unsigned page) { return ARCH_VMALLOC_BASE + page * PAGE_SIZE; }

static uint64_t check_below(struct rb_node *node)
{
    if (!node)
        return 0;
    uint64_t left = check_below(node->left), right = check_below(node->right);
    uint64_t below = MAX(left, right), most = MAX(below, area_of(node)->gap);
    assert_int_equal(area_of(node)->max_gap, most);
    return most;
}

static void check_tree(void)
{
    uintptr_t free_from = WINDOW_FIRST;
    unsigned i = 0;
    for (struct rb_node *node = rb_first(&areas); node; node = rb_next(node), i++) {
        const struct area *area = area_of(node);
        assert_int_equal(area->gap, area->start - free_from);
        free_from = area->start + area->len + PAGE_SIZE;
        if (area == &window_end)
            break;
        assert_int_equal(area->start, page_va_of(slots[i].first));
        assert_int_equal(area->len, slots[i].pages * PAGE_SIZE);
        assert_int_equal(area->kind == AREA_LAZY, slots[i].lazy);
    }
    assert_int_equal(i, slot_count);
    check_below(areas.root);
}

static void check_totals(void)
{
    struct vmalloc_stats stats;
    size_t bytes = 0, count = 0;
    vmalloc_get_stats(&stats);
    for (unsigned i = 0; i < slot_count; i++) {
        count += !slots[i].lazy;
        bytes += slots[i].lazy ? 0 : slots[i].pages * PAGE_SIZE;
    }
    assert_int_equal(stats.areas, count);
    assert_int_equal(stats.bytes, bytes);
    assert_int_equal(stats.lazy_areas, slot_count - count);
    assert_int_equal(stats.lazy_bytes, lazy_pages * PAGE_SIZE);
    assert_int_equal(stats.purges, model_purges);
}

static void add(uint64_t random)
{
    enum area_kind kind = random >> 8 & 3;
    unsigned pages = 1 + (random >> 16) % (random >> 56 ? 24 : 400);
    if (kind == AREA_LAZY)
        kind = AREA_PAGES;
    bool alias = kind == AREA_ALIAS;
    paddr_t pa = (random >> 30) % RAM_PAGES * PAGE_SIZE;
    unsigned align = alias && pages >= BLOCK_PAGES ? BLOCK_PAGES : 1;
    // The window's first page need not be aligned: what counts are addresses.
    unsigned offset = (unsigned)((pa - ARCH_VMALLOC_BASE) / PAGE_SIZE) & (align - 1);
    unsigned want = model_add(pages, align, offset);
    size_t bytes = pages * PAGE_SIZE - (random >> 40) % PAGE_SIZE;
    void *got = alias                ? vmap(pa, pages * PAGE_SIZE, PROT_RO)
                : kind == AREA_PAGES ? vmalloc(bytes, GFP_KERNEL)
                                     : stack_alloc(bytes);
    assert_int_equal((uintptr_t)got, want ? page_va_of(want) : 0);
    if (want) {
        kind_of[want] = kind;
        assert_int_equal(vmalloc_size(got), pages * PAGE_SIZE);
    }
}

static void release(unsigned index)
{
    void *start = (void *)page_va_of(slots[index].first);
    enum area_kind kind = kind_of[slots[index].first];
    if (slots[index].lazy)
        return;
    model_remove(index, kind != AREA_ALIAS);
    if (kind == AREA_ALIAS)
        vunmap(start);
    else if (kind == AREA_STACK)
        stack_free(start);
    else
        vfree(start);
}

static void step(uint64_t random)
{
    if (random % 8192 == 0) {
        model_purge();
        vmalloc_purge();
    } else if (random % 8192 == 1) {
        size_t waiting = lazy_pages;
        assert_int_equal(registered->count(registered), waiting);
        assert_int_equal(registered->scan(registered, 1), waiting ? waiting : SHRINK_STOP);
        model_purge();
    } else if (slot_count && (slot_count > SLOTS - 2 || random & 1)) {
        release((unsigned)((random >> 20) % slot_count));
    } else {
        add(random);
    }
}

static void million_operations(void **state)
{
    uint64_t seed = 4711;
    (void)state;
    for (unsigned i = 0; i < STEPS; i++) {
        step(mm_ram_random(&seed));
        check_totals();
        if (i % 64 == 0)
            check_tree();
    }
    for (unsigned n = 0; n < 2; n++) { // the second time for those that came to wait in the first
        for (unsigned i = slot_count; i > 0; i--)
            release(MIN(i - 1, slot_count - 1));
    }
    model_purge();
    vmalloc_purge();
    assert_int_equal(free_count, RAM_PAGES);
    assert_int_equal(stale_count, 0);
    assert_int_equal(host_allocations(), 0);
    assert_ptr_equal(rb_first(&areas), &window_end.node);
    assert_true(totals.purges > 1000 && totals.purges < STEPS / 8);
}

static int start(void **state)
{
    (void)state;
    // Only descriptors are touched, never the pages or the window.
    host_linear_base = 0x100000000000;
    host_vmalloc_base = 0x200000003000; // no multiple of a block
    host_vmemmap_base = (uintptr_t)calloc(RAM_PAGES, sizeof(struct page));
    while (free_count < RAM_PAGES) {
        free_pfns[free_count] = free_count;
        free_count++;
    }
    return vmalloc_init();
}

static int stop(void **state)
{
    (void)state;
    free((void *)host_vmemmap_base);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(million_operations)};
    return cmocka_run_group_tests(tests, start, stop);
}
