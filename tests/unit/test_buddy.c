// SPDX-License-Identifier: BSD-2-Clause
//
// The page allocator against a model that knows the owner of every frame: alignment, no page
// twice, exhaustion, lazy carving, zones, and after everything is freed the one state in which no
// two free buddies are left.
//
// unit-sources: tests/unit/mm_ram.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "mm_ram.h"

#define BASE 0x40000000ULL
#define CHUNK (PAGE_SIZE << PAGE_MAX_ORDER)
#define BLOCKS_MAX 20000

struct block {
    void *va;
    unsigned order;
    uint64_t tag;
};

static struct block blocks[BLOCKS_MAX];
static size_t block_count;
static bool owned[MM_RAM_END / PAGE_SIZE];

// ---- The model -------------------------------------------------------------------------------

static void fresh(void)
{
    mm_ram_reset();
    memset(owned, 0, sizeof(owned));
    block_count = 0;
}

// RAM as untidy as a device tree can make it, on both sides of 4 GiB.
static void untidy_ram(void)
{
    fresh();
    mm_ram_add(BASE + 0x1234, MIB(13));
    mm_ram_add(BASE + MIB(20), MIB(9) + 0x7000);
    mm_ram_add((4ULL << 30) - MIB(5), MIB(11) + 0x3000);
    mm_ram_reserve(BASE + MIB(2), MIB(1) + 0x5001);
    mm_ram_reserve(BASE + MIB(21), 1);
    for (unsigned i = 0; i < 20; i++)
        mm_ram_reserve(BASE + MIB(24) + i * 0x9000, 0x1000);
    mm_ram_start();
}

static void one_bank(uint64_t bytes)
{
    fresh();
    mm_ram_add(BASE, bytes);
    mm_ram_start();
}

static uint64_t pfn_of(const void *va) { return linear_pa(va) / PAGE_SIZE; }

// The pages of a block that hold its tag: a few at both ends.
static bool is_tagged(const struct block *block, unsigned page)
{
    return page < 4 || page + 4 >= 1u << block->order;
}

static void mark(const struct block *block)
{
    for (unsigned i = 0; i < 1u << block->order; i++) {
        uint64_t pfn = pfn_of(block->va) + i;
        assert_true(mm_ram_given(pfn));
        assert_false(mm_ram_is_meta(pfn));
        assert_false(owned[pfn]);
        owned[pfn] = true;
        if (!is_tagged(block, i))
            continue;
        uint64_t *page = (uint64_t *)((char *)block->va + i * PAGE_SIZE);
        page[0] = page[PAGE_SIZE / 8 - 1] = block->tag + i;
    }
}

static void unmark(const struct block *block)
{
    for (unsigned i = 0; i < 1u << block->order; i++) {
        owned[pfn_of(block->va) + i] = false;
        if (!is_tagged(block, i))
            continue;
        const uint64_t *page = (const uint64_t *)((char *)block->va + i * PAGE_SIZE);
        assert_int_equal(page[0], block->tag + i);
        assert_int_equal(page[PAGE_SIZE / 8 - 1], block->tag + i);
    }
}

static void *take(unsigned order, unsigned gfp)
{
    static uint64_t tag;
    void *va = page_alloc(order, gfp);
    if (va) {
        assert_true(IS_ALIGNED(linear_pa(va), PAGE_SIZE << order));
        assert_true(block_count < BLOCKS_MAX);
        blocks[block_count] = (struct block){va, order, tag += 2048};
        mark(&blocks[block_count++]);
    }
    return va;
}

static void give_back(size_t index)
{
    struct block block = blocks[index];
    unmark(&block);
    page_free(block.va, block.order);
    blocks[index] = blocks[--block_count];
}

static void give_back_all(void)
{
    while (block_count)
        give_back(block_count - 1);
}

static bool is_free(uint64_t pfn)
{
    return mm_ram_given(pfn) && mm_ram_is_carved(pfn) && !mm_ram_is_meta(pfn) && !owned[pfn];
}

static bool all_free(uint64_t pfn, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!is_free(pfn + i))
            return false;
    }
    return true;
}

// The free blocks per order when every possible merge has happened.
static void count_merged(uint64_t first, uint64_t count, size_t *orders)
{
    unsigned order = count == 1 ? 0 : 63 - __builtin_clzll(count);
    if (all_free(first, count)) {
        orders[order]++;
    } else if (order) {
        count_merged(first, count / 2, orders);
        count_merged(first + count / 2, count / 2, orders);
    }
}

static void check_all_merged(void)
{
    size_t expected[PAGE_MAX_ORDER + 1] = {0};
    struct page_stats stats;
    uint64_t expected_free = 0;
    page_drain();
    page_get_stats(&stats);
    for (uint64_t pfn = 0; pfn < MM_RAM_END / PAGE_SIZE; pfn += CHUNK / PAGE_SIZE) {
        if (mm_ram_is_carved(pfn))
            count_merged(pfn, CHUNK / PAGE_SIZE, expected);
    }
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++)
        expected_free += expected[order] * (PAGE_SIZE << order);
    assert_memory_equal(stats.free_blocks, expected, sizeof(expected));
    assert_int_equal(stats.free_bytes - stats.extent_bytes, expected_free);
}

// ---- Tests -----------------------------------------------------------------------------------

static void order_for_sizes(void **state)
{
    (void)state;
    assert_int_equal(page_order_for(0), 0);
    assert_int_equal(page_order_for(1), 0);
    assert_int_equal(page_order_for(PAGE_SIZE), 0);
    assert_int_equal(page_order_for(PAGE_SIZE + 1), 1);
    assert_int_equal(page_order_for(3 * PAGE_SIZE), 2);
    assert_int_equal(page_order_for(MIB(4)), 10);
    assert_int_equal(page_order_for(MIB(4) + 1), 11);
    assert_true(page_order_for(SIZE_MAX) > PAGE_MAX_ORDER);
}

// Start-up touches no RAM; the first page costs one chunk, whatever the size of RAM.
static void carving_is_lazy(void **state)
{
    (void)state;
    for (unsigned mib = 128; mib <= 2048; mib *= 4) {
        struct page_stats stats;
        one_bank(MIB(mib));
        page_get_stats(&stats);
        assert_int_equal(stats.total_bytes, stats.extent_bytes);
        assert_int_equal(stats.total_bytes, stats.free_bytes);
        void *page = page_alloc(0, GFP_KERNEL);
        page_get_stats(&stats);
        assert_int_equal(stats.total_bytes - stats.extent_bytes, CHUNK);
        assert_int_equal(stats.descriptor_bytes, CHUNK / 128);
        page_free(page, 0);
        page_drain();
        page_get_stats(&stats);
        assert_int_equal(stats.free_bytes, stats.total_bytes);
        assert_int_equal(stats.free_blocks[PAGE_MAX_ORDER], 1);
    }
}

// Golden: splitting one 4 MiB block for a page leaves one block of each smaller order, and the
// page's return merges them all.
static void split_and_merge(void **state)
{
    struct page_stats stats;
    (void)state;
    one_bank(MIB(16));
    void *page = page_alloc(0, GFP_KERNEL);
    page_get_stats(&stats);
    for (unsigned order = 0; order < PAGE_MAX_ORDER; order++)
        assert_int_equal(stats.free_blocks[order], 1);
    assert_int_equal(stats.free_blocks[PAGE_MAX_ORDER], 0);
    void *other = page_alloc(0, GFP_KERNEL);
    assert_int_equal(pfn_of(other), pfn_of(page) ^ 1); // the smallest block that fits
    page_free(page, 0);
    page_drain();
    page_get_stats(&stats);
    assert_int_equal(stats.free_blocks[0], 1);
    page_free(other, 0);
    page_drain();
    page_get_stats(&stats);
    assert_int_equal(stats.free_blocks[PAGE_MAX_ORDER], 1);
    assert_int_equal(stats.free_bytes, stats.total_bytes);
}

static void zeroed(void **state)
{
    (void)state;
    one_bank(MIB(16));
    for (unsigned order = 0; order <= 4; order++) {
        char *first = page_alloc(order, GFP_KERNEL);
        memset(first, 0x5a, PAGE_SIZE << order);
        page_free(first, order);
        char *again = page_alloc(order, GFP_ZERO);
        for (size_t i = 0; i < PAGE_SIZE << order; i++)
            assert_int_equal(again[i], 0);
    }
}

static void exhaust(unsigned order)
{
    struct page_stats before, after;
    while (take(order, GFP_RESERVE)) { // the last page, too
    }
    page_get_stats(&before);
    assert_true(before.extent_bytes < PAGE_SIZE << order);
    for (unsigned i = order; i <= PAGE_MAX_ORDER; i++)
        assert_int_equal(before.free_blocks[i], 0);
    assert_null(page_alloc(order, GFP_ATOMIC));
    page_get_stats(&after);
    assert_int_equal(after.failures, before.failures + 1);
    give_back_all();
    check_all_merged();
    assert_non_null(take(order, GFP_KERNEL));
    give_back_all();
}

static void exhaustion(void **state)
{
    (void)state;
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++) {
        untidy_ram();
        exhaust(order);
    }
    one_bank(MIB(16));
    exhaust(0);
}

// Descriptors and tables may take 1.6 % of RAM at most, and every other page is handed out.
static void nothing_is_lost(void **state)
{
    (void)state;
    one_bank(MIB(64));
    while (take(0, GFP_RESERVE)) {
    }
    uint64_t handed = block_count * PAGE_SIZE, rest = MIB(64) - handed;
    assert_in_range(rest, MIB(64) / 128, MIB(64) * 16 / 1000);
    give_back_all();
}

// 4 MiB blocks stay whole: their descriptors come from another chunk, one in a hundred.
static void large_blocks(void **state)
{
    (void)state;
    one_bank(MIB(1024));
    while (take(PAGE_MAX_ORDER, GFP_KERNEL)) {
    }
    assert_in_range(block_count, 252, 255);
    give_back_all();
    check_all_merged();
}

static void zones(void **state)
{
    uint64_t border = 1ULL << 32;
    (void)state;
    fresh();
    mm_ram_add(border - MIB(8), MIB(16));
    mm_ram_start();
    assert_true(linear_pa(take(0, GFP_KERNEL)) >= border);
    assert_true(linear_pa(take(3, GFP_DMA32)) < border);
    while (take(0, GFP_DMA32 | GFP_RESERVE))
        assert_true(linear_pa(blocks[block_count - 1].va) < border);
    assert_true(linear_pa(take(0, GFP_KERNEL)) >= border);
    give_back_all();
    while (take(0, GFP_RESERVE)) {
    }
    assert_true(block_count * PAGE_SIZE > MIB(15)); // the low zone serves when the high is empty
    give_back_all();
    check_all_merged();
}

// Golden: with 513 MiB the block at frame 0x60000 has its buddy, 0x60100, outside of RAM.
static void edge_of_ram(void **state)
{
    struct page_stats stats;
    (void)state;
    one_bank(MIB(513));
    while (take(PAGE_MAX_ORDER, GFP_RESERVE) || take(0, GFP_RESERVE)) {
    }
    give_back_all();
    page_get_stats(&stats);
    assert_int_equal(stats.extent_bytes, 0);
    assert_false(mm_ram_given(0x60100));
    check_all_merged();
}

// Order-1 blocks, so that no list of single pages comes in between.
static void tail_of_list(void **state)
{
    char *at[8];
    (void)state;
    one_bank(MIB(16));
    char *block = page_alloc(4, GFP_KERNEL);
    page_free(block, 4);
    for (unsigned i = 0; i < 8; i++) {
        at[i] = page_alloc(1, GFP_KERNEL);
        assert_ptr_equal(at[i], block + i * 2 * PAGE_SIZE);
    }
    page_free(at[4], 1); // its buddy, 5, and the pair 6, 7 stay in use
    page_free(at[2], 1); // 2 and 3 make an order-2 block
    page_free(at[3], 1);
    page_free(at[0], 1); // when 1 comes, 0 to 3 merge: to the tail
    assert_ptr_equal(page_alloc(1, GFP_KERNEL), at[4]);
    assert_ptr_equal(page_alloc(1, GFP_KERNEL), at[0]);
    page_free(at[0], 1);
    page_free(at[1], 1);
    assert_ptr_equal(page_alloc(3, GFP_KERNEL), at[0]);
    page_free(at[0], 3);
    page_free(at[6], 1); // nothing to wait for: to the head
    page_free(at[4], 1);
    assert_ptr_equal(page_alloc(1, GFP_KERNEL), at[4]);
}

static void bad_requests(void **state)
{
    struct page_stats before, after;
    (void)state;
    one_bank(MIB(16));
    assert_null(page_alloc(PAGE_MAX_ORDER + 1, GFP_KERNEL));
    char *block = page_alloc(3, GFP_KERNEL);
    page_get_stats(&before);
    page_free(block, 2);             // wrong order
    page_free(block, 0);             // not a single page
    page_free(block + PAGE_SIZE, 0); // inside
    page_free(block + 8, 3);         // not a page
    page_free(&before, 0);           // not RAM
    page_free(NULL, 0);
    page_get_stats(&after);
    assert_memory_equal(&before, &after, sizeof(before));
    page_free(block, 3);
    page_get_stats(&before);
    page_free(block, 3); // twice
    page_get_stats(&after);
    assert_memory_equal(&before, &after, sizeof(before));
}

static void bad_single_frees(void **state)
{
    struct page_stats before, after;
    (void)state;
    one_bank(MIB(16));
    char *page = page_alloc(0, GFP_KERNEL);
    page_get_stats(&before);
    page_free(page + 1, 0);
    page_free(page + PAGE_SIZE - 8, 0);
    page_free(page, 1);
    page_free(linear_va(BASE - PAGE_SIZE), 0);
    page_free(linear_va(BASE + MIB(16)), 0);
    page_get_stats(&after);
    assert_memory_equal(&before, &after, sizeof(before));
    page_free(page, 0);
    page_get_stats(&before);
    page_free(page, 0); // on this CPU's list
    page_get_stats(&after);
    assert_memory_equal(&before, &after, sizeof(before));
    page_drain();
    page_get_stats(&before);
    page_free(page, 0); // in the zone
    page_get_stats(&after);
    assert_memory_equal(&before, &after, sizeof(before));
}

static unsigned random_order(uint64_t random)
{
    static const unsigned char orders[] = {0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 9, 10};
    return orders[random % sizeof(orders)];
}

static uint64_t pages_in_use(void)
{
    uint64_t pages = 0;
    for (size_t i = 0; i < block_count; i++)
        pages += 1ULL << blocks[i].order;
    return pages;
}

// Every page is handed out, on a list of a CPU, free in its zone, or holds descriptors or tables.
static void check_sums(void)
{
    struct zone_stats zone;
    uint64_t managed = 0, free = 0, meta = 0, first = MM_RAM_END / PAGE_SIZE;
    for (unsigned z = 0; page_get_zone_stats(z, &zone); z++) {
        uint64_t listed = zone.extent;
        for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++)
            listed += zone.free_blocks[order] << order;
        assert_int_equal(listed, zone.free);
        assert_true(zone.least_free <= zone.free);
        assert_true(zone.per_cpu <= zone.pcp_high);
        managed += zone.managed;
        free += zone.free + zone.per_cpu;
    }
    for (uint64_t pfn = 0; pfn < first; pfn++)
        meta += mm_ram_given(pfn) && mm_ram_is_meta(pfn);
    assert_int_equal(managed, free + pages_in_use() + meta);
}

static unsigned random_gfp(uint64_t random)
{
    static const unsigned char flags[] = {GFP_KERNEL, GFP_KERNEL,  GFP_ATOMIC,
                                          GFP_NOWAIT, GFP_RESERVE, GFP_ATOMIC | GFP_ZERO,
                                          GFP_DMA32,  GFP_KERNEL};
    return flags[random % sizeof(flags)];
}

static void torture(uint64_t seed, unsigned steps)
{
    for (unsigned step = 0; step < steps; step++) {
        uint64_t random = mm_ram_random(&seed);
        bool grow = random % 1000 < (step / 2000 % 2 ? 400 : 600); // ebb and flow
        if (grow || !block_count)
            take(random_order(random >> 10), random_gfp(random >> 40));
        else
            give_back((random >> 20) % block_count);
        if (step % 32768 == 0) {
            check_sums();
            check_all_merged(); // free buddies are merged at any time, not only at the end
        }
    }
    check_sums();
    give_back_all();
    check_all_merged();
    check_sums();
}

static void random_untidy(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        untidy_ram();
        torture(seed * 0x9e3779b97f4a7c15, 200000);
    }
}

static void random_small(void **state)
{
    (void)state;
    one_bank(MIB(16));
    torture(77, 400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_for_sizes), cmocka_unit_test(carving_is_lazy),
        cmocka_unit_test(split_and_merge), cmocka_unit_test(zeroed),
        cmocka_unit_test(exhaustion),      cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(large_blocks),    cmocka_unit_test(zones),
        cmocka_unit_test(edge_of_ram),     cmocka_unit_test(tail_of_list),
        cmocka_unit_test(bad_requests),    cmocka_unit_test(bad_single_frees),
        cmocka_unit_test(random_untidy),   cmocka_unit_test(random_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
