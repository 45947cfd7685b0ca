// SPDX-License-Identifier: BSD-2-Clause
//
// The way of a request over per-CPU lists, watermarks and accounts: golden values of the rules,
// who gets how far down, what is kept for the low zone, and that lists take the lock seldom.
//
// unit-sources: tests/unit/mm_ram.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lib/bootparam.h"
#include "core/sched/preempt.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "mm/zone.h"
#include "mm_ram.h"

#define BASE 0x40000000ULL
#define BORDER (4ULL << 30)

TABLE_DECLARE(struct boot_param, boot_param);

static void *chain; // pages in use, each holds the address of the one before

static void fresh(void)
{
    mm_ram_reset();
    chain = NULL;
}

static void bank(uint64_t base, uint64_t bytes)
{
    fresh();
    mm_ram_add(base, bytes);
    mm_ram_start();
}

static struct zone_stats zone_at(unsigned index)
{
    struct zone_stats zone;
    assert_true(page_get_zone_stats(index, &zone));
    return zone;
}

static int set_option(const char *name, const char *value)
{
    int result = -ENOENT;
    TABLE_FOREACH (struct boot_param, param, boot_param) {
        if (strcmp(param->name, name) == 0)
            result = param->set(value);
    }
    return result;
}

static bool take(unsigned gfp)
{
    void **page = page_alloc(0, gfp);
    if (!page)
        return false;
    *page = chain;
    chain = page;
    return true;
}

static void take_all(unsigned gfp)
{
    while (take(gfp)) {
    }
}

static void give_back_all(void)
{
    while (chain) {
        void *page = chain;
        chain = *(void **)page;
        page_free(page, 0);
    }
}

// ---- Golden values ----------------------------------------------------------------------------

struct rule {
    unsigned mib;
    uint64_t min, low, high;
    unsigned batch, pcp_high;
};

// One zone that has exactly so much: RAM, and the stock that the allocator keeps for descriptors.
static void one_zone(uint64_t bytes)
{
    bank(BORDER, bytes);
    uint64_t stock = bytes - (zone_at(ZONE_NORMAL).managed << PAGE_SHIFT);
    bank(BORDER, bytes + stock);
    assert_int_equal(zone_at(ZONE_NORMAL).managed << PAGE_SHIFT, bytes);
}

static void golden_rules(void **state)
{
    static const struct rule rules[] = {
        {32, 181, 226, 271, 1, 6},         {64, 256, 320, 384, 3, 18},
        {128, 362, 452, 542, 7, 42},       {256, 512, 640, 768, 15, 90},
        {512, 724, 905, 1086, 31, 186},    {1024, 1024, 1286, 1548, 31, 186},
        {2048, 1448, 1972, 2496, 31, 186}, {4096, 2048, 3096, 4144, 31, 186},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        one_zone(MIB(rules[i].mib));
        struct zone_stats zone = zone_at(ZONE_NORMAL);
        assert_int_equal(zone.min, rules[i].min);
        assert_int_equal(zone.low, rules[i].low);
        assert_int_equal(zone.high, rules[i].high);
        assert_int_equal(zone.pcp_batch, rules[i].batch);
        assert_int_equal(zone.pcp_high, rules[i].pcp_high);
    }
}

// A machine of a few MiB keeps a 32nd, not the 128 KiB that the rule has at least.
static void small_machines(void **state)
{
    (void)state;
    for (unsigned mib = 1; mib <= 16; mib++) {
        one_zone(MIB(mib));
        struct zone_stats zone = zone_at(ZONE_NORMAL);
        assert_true(zone.min >= 8 * mib - 1 && zone.min <= MIB(mib) / PAGE_SIZE / 32);
        assert_int_equal(zone.low, zone.min + zone.min / 4);
        assert_int_equal(zone.pcp_batch, 1);
        assert_int_equal(zone.pcp_high, 6);
    }
}

static void min_free_option(void **state)
{
    (void)state;
    fresh();
    assert_int_equal(set_option("min_free", "8M"), 0);
    mm_ram_add(BORDER, MIB(512));
    mm_ram_start();
    struct zone_stats zone = zone_at(ZONE_NORMAL);
    assert_int_equal(zone.min, 2048);
    assert_int_equal(zone.low, 2048 + 512);
    assert_int_equal(zone.high, 2048 + 1024);
    assert_int_equal(set_option("min_free", "much"), -EINVAL);
    fresh();
    assert_int_equal(set_option("min_free", "1G"), 0); // more than there is
    mm_ram_add(BORDER, MIB(16));
    mm_ram_start();
    zone = zone_at(ZONE_NORMAL);
    assert_int_equal(zone.min, zone.managed / 2);
}

// Both zones share the reserve by their size; the low one keeps a 256th of the high one.
static void two_zones(void **state)
{
    (void)state;
    bank(BORDER - MIB(64), MIB(64) + MIB(256));
    struct zone_stats low = zone_at(ZONE_DMA32), high = zone_at(ZONE_NORMAL);
    uint64_t total = low.managed + high.managed;
    uint64_t min = 2289; // KiB: 4 * sqrt(320 * 1024 - 40)
    assert_int_equal(low.managed, MIB(64) / PAGE_SIZE);
    assert_int_equal(low.min, min / 4 * low.managed / total);
    assert_int_equal(high.min, min / 4 * high.managed / total);
    assert_int_equal(low.lowmem_reserve, high.managed / 256);
    assert_int_equal(high.lowmem_reserve, 0);
    assert_string_equal(low.name, "DMA32");
    struct zone_stats none;
    assert_false(page_get_zone_stats(ZONES, &none));
}

// ---- The watermark test -----------------------------------------------------------------------

struct vector {
    uint64_t free;
    unsigned order;
    uint64_t mark, reserve;
    unsigned gfp;
    uint32_t nonempty; // orders with a free block
    bool extents, ok;
};

static void watermark_vectors(void **state)
{
    static const struct vector vectors[] = {
        {101, 0, 100, 0, GFP_KERNEL, 1, false, true},
        {100, 0, 100, 0, GFP_KERNEL, 1, false, false}, // equal is not enough
        {100, 0, 100, 0, GFP_NOWAIT, 1, false, false},
        {99, 0, 100, 0, GFP_KERNEL, 1, false, false},
        {39, 0, 100, 0, GFP_ATOMIC, 1, false, true}, // 100 - 50 = 50, 50 - 12 = 38
        {38, 0, 100, 0, GFP_ATOMIC, 1, false, false},
        {25, 0, 64, 0, GFP_ATOMIC, 1, false, true}, // 3/8 of it
        {24, 0, 64, 0, GFP_ATOMIC, 1, false, false},
        {1, 0, 100, 0, GFP_RESERVE, 1, false, true}, // the last one
        {0, 0, 100, 0, GFP_RESERVE, 1, false, false},
        {1, 0, 0, 0, GFP_KERNEL, 1, false, true},
        {0, 0, 0, 0, GFP_KERNEL, 1, false, false},
        {151, 0, 100, 50, GFP_KERNEL, 1, false, true}, // the low zone's reserve comes on top
        {150, 0, 100, 50, GFP_KERNEL, 1, false, false},
        {89, 0, 100, 50, GFP_ATOMIC, 1, false, true}, // and is not halved
        {88, 0, 100, 50, GFP_ATOMIC, 1, false, false},
        {1, 0, 100, 50, GFP_RESERVE, 1, false, true},
        {108, 3, 100, 0, GFP_KERNEL, 8, false, true}, // 108 - 7 > 100
        {107, 3, 100, 0, GFP_KERNEL, 8, false, false},
        {500, 3, 100, 0, GFP_KERNEL, 7, false, false}, // only smaller blocks
        {500, 3, 100, 0, GFP_KERNEL, 0x10, false, true},
        {500, 3, 100, 0, GFP_RESERVE, 7, false, false},
        {500, 3, 100, 0, GFP_KERNEL, 7, true, true}, // but one may be carved
        {7, 3, 0, 0, GFP_RESERVE, 8, false, false},  // less than a block
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const struct vector *v = &vectors[i];
        static struct zone zone;
        zone.free = v->free;
        zone.nonempty = v->nonempty;
        zone.extent_count = v->extents;
        if (zone_has(&zone, v->order, v->mark, v->reserve, v->gfp) != v->ok)
            fail_msg("vector %zu", i);
    }
}

// ---- Who gets how far -------------------------------------------------------------------------

static void levels_of_urgency(void **state)
{
    (void)state;
    bank(BASE, MIB(64));
    struct zone_stats zone = zone_at(ZONE_DMA32);
    uint64_t min = zone.min;
    take_all(GFP_NOWAIT);
    assert_int_equal(zone_at(ZONE_DMA32).free, min);
    assert_false(take(GFP_KERNEL));
    take_all(GFP_ATOMIC);
    assert_int_equal(zone_at(ZONE_DMA32).free, min - min / 2 - (min - min / 2) / 4);
    assert_null(page_alloc(0, GFP_KERNEL));
    take_all(GFP_RESERVE);
    zone = zone_at(ZONE_DMA32);
    assert_int_equal(zone.free + zone.per_cpu, 0);
    assert_int_equal(zone.least_free, 0);
    give_back_all();
    assert_true(take(GFP_KERNEL));
    give_back_all();
    assert_int_equal(zone_at(ZONE_DMA32).least_free, 0); // a mark of high water
}

// A block takes no more than its size out of the reserve, and finds none below the mark.
static void blocks_keep_the_reserve(void **state)
{
    (void)state;
    bank(BASE, MIB(64));
    uint64_t min = zone_at(ZONE_DMA32).min;
    while (page_alloc(4, GFP_KERNEL)) {
    }
    assert_in_range(zone_at(ZONE_DMA32).free, min, min + 16);
    assert_non_null(page_alloc(4, GFP_ATOMIC));
}

// Requests that can be served above leave the low zone what only it can give. Descriptors of chunks
// that are carved meanwhile may come out of either reserve.
#define SLACK 20

static void low_zone_is_kept(void **state)
{
    (void)state;
    bank(BORDER - MIB(64), MIB(64) + MIB(256));
    take_all(GFP_KERNEL);
    struct zone_stats low = zone_at(ZONE_DMA32), high = zone_at(ZONE_NORMAL);
    uint64_t kept = low.min + low.lowmem_reserve;
    assert_in_range(high.free, high.min - SLACK, high.min);
    assert_in_range(low.free, kept - SLACK, kept);
    assert_true(take(GFP_KERNEL | GFP_DMA32));
    take_all(GFP_DMA32);
    assert_in_range(zone_at(ZONE_DMA32).free, low.min - SLACK, low.min);
    take_all(GFP_RESERVE);
    assert_int_equal(zone_at(ZONE_DMA32).free + zone_at(ZONE_NORMAL).free, 0);
    give_back_all();
    page_drain();
    assert_int_equal(zone_at(ZONE_DMA32).per_cpu + zone_at(ZONE_NORMAL).per_cpu, 0);
}

static void failures_are_counted(void **state)
{
    struct page_stats stats;
    (void)state;
    bank(BASE, MIB(16));
    assert_null(page_alloc(PAGE_MAX_ORDER + 1, GFP_KERNEL));
    page_get_stats(&stats);
    assert_int_equal(stats.failures, 0); // it can never be served
    take_all(GFP_KERNEL);
    page_get_stats(&stats);
    assert_int_equal(stats.failures, 1);
    give_back_all();
}

// ---- Lists of single pages --------------------------------------------------------------------

static void list_of_pages(void **state)
{
    (void)state;
    bank(BASE, MIB(128));
    struct page_stats before, after;
    page_get_stats(&before);
    void *page = page_alloc(0, GFP_KERNEL);
    struct zone_stats zone = zone_at(ZONE_DMA32);
    assert_int_equal(zone.per_cpu, zone.pcp_batch - 1);
    page_free(page, 0);
    assert_ptr_equal(page_alloc(0, GFP_ATOMIC), page); // freed last, used first
    page_free(page, 0);
    for (unsigned i = 0; i < 500; i++)
        take(GFP_KERNEL);
    give_back_all();
    zone = zone_at(ZONE_DMA32);
    assert_in_range(zone.per_cpu, zone.pcp_high - zone.pcp_batch, zone.pcp_high);
    page_get_stats(&after);
    assert_int_equal(after.total_bytes - after.free_bytes,
                     before.total_bytes - before.free_bytes); // they count as free
    page_drain();
    assert_int_equal(zone_at(ZONE_DMA32).per_cpu, 0);
}

// Below the low watermark a refill takes one page, not a batch.
static void no_batch_from_the_reserve(void **state)
{
    (void)state;
    bank(BASE, MIB(128));
    struct zone_stats zone = zone_at(ZONE_DMA32);
    while (zone_at(ZONE_DMA32).free > zone.low)
        take(GFP_KERNEL);
    page_drain();
    while (zone_at(ZONE_DMA32).per_cpu || zone_at(ZONE_DMA32).free > zone.low)
        take(GFP_KERNEL);
    uint64_t free = zone_at(ZONE_DMA32).free;
    take(GFP_KERNEL);
    assert_int_equal(zone_at(ZONE_DMA32).free, free - 1);
    assert_int_equal(zone_at(ZONE_DMA32).per_cpu, 0);
    give_back_all();
}

static uint16_t tickets(void) { return zone_lock.next; }

static void lock_is_taken_seldom(void **state)
{
    (void)state;
    bank(BASE, MIB(128));
    unsigned batch = (unsigned)zone_at(ZONE_DMA32).pcp_batch;
    for (unsigned round = 0; round < 20; round++) {
        uint16_t start = tickets();
        for (unsigned i = 0; i < 1000; i++)
            take(GFP_KERNEL);
        give_back_all();
        assert_true((uint16_t)(tickets() - start) <= 2 * (1000 / batch + 10));
    }
    uint16_t start = tickets();
    for (unsigned i = 0; i < 1000; i++)
        page_free(page_alloc(0, GFP_KERNEL), 0);
    assert_true((uint16_t)(tickets() - start) <= 1);
}

// Pages of the other zone find their own list.
static void lists_of_both_zones(void **state)
{
    (void)state;
    bank(BORDER - MIB(64), MIB(64) + MIB(128));
    void *low = page_alloc(0, GFP_DMA32), *high = page_alloc(0, GFP_KERNEL);
    page_drain();
    assert_true(linear_pa(low) < BORDER && linear_pa(high) >= BORDER);
    page_free(low, 0);
    assert_int_equal(zone_at(ZONE_DMA32).per_cpu, 1);
    assert_int_equal(zone_at(ZONE_NORMAL).per_cpu, 0);
    page_free(high, 0);
    assert_int_equal(zone_at(ZONE_NORMAL).per_cpu, 1);
    assert_ptr_equal(page_alloc(0, GFP_KERNEL), high);
    assert_ptr_equal(page_alloc(0, GFP_DMA32 | GFP_ZERO), low);
}

static void irqs_come_back(void **state)
{
    (void)state;
    bank(BASE, MIB(64));
    void *page = page_alloc(0, GFP_KERNEL), *block = page_alloc(3, GFP_KERNEL);
    page_free(page, 0);
    page = page_alloc(0, GFP_KERNEL);
    assert_true(arch_irqs_enabled());
    page_free(page, 0);
    page_free(block, 3);
    page_drain();
    assert_true(arch_irqs_enabled());
    arch_irq_disable();
    page_free(page_alloc(0, GFP_ATOMIC), 0);
    assert_false(arch_irqs_enabled());
    arch_irq_enable();
}

// ---- Accounts ---------------------------------------------------------------------------------

#define ACCOUNT GFP_ACCOUNT(mm_ram)

static void pages_are_charged(void **state)
{
    (void)state;
    bank(BASE, MIB(64));
    void *page = page_alloc(0, GFP_KERNEL | ACCOUNT), *block = page_alloc(3, ACCOUNT | GFP_ZERO);
    void *others = page_alloc(2, GFP_KERNEL);
    assert_int_equal(account_mm_ram.used, 9 * PAGE_SIZE);
    page_free(page, 0);
    assert_int_equal(account_mm_ram.used, 8 * PAGE_SIZE);
    assert_ptr_equal(page_alloc(0, GFP_KERNEL), page); // now the kernel's
    assert_int_equal(account_mm_ram.used, 8 * PAGE_SIZE);
    page_free(page, 0);
    page_free(others, 2);
    page_free(block, 3);
    page_free(block, 3); // refused, and not credited again
    assert_int_equal(account_mm_ram.used, 0);
    assert_int_equal(account_mm_ram.peak, 9 * PAGE_SIZE);
}

static void limits_refuse(void **state)
{
    struct page_stats stats;
    (void)state;
    bank(BASE, MIB(64));
    account_mm_ram.limit = 10 * PAGE_SIZE;
    void *block = page_alloc(3, ACCOUNT);
    assert_non_null(block);
    assert_null(page_alloc(2, ACCOUNT));
    assert_null(page_alloc(2, ACCOUNT | GFP_RESERVE));
    assert_true(take(ACCOUNT) && take(ACCOUNT) && !take(ACCOUNT));
    assert_true(take(GFP_KERNEL)); // nobody else notices
    assert_int_equal(account_mm_ram.used, 10 * PAGE_SIZE);
    assert_int_equal(account_mm_ram.denied, 3);
    page_get_stats(&stats);
    assert_int_equal(stats.failures, 0);
    page_free(block, 3);
    assert_true(take(ACCOUNT));
    give_back_all();
    assert_int_equal(account_mm_ram.used, 0);
}

static void failures_are_not_charged(void **state)
{
    (void)state;
    bank(BASE, MIB(16));
    take_all(GFP_RESERVE);
    assert_null(page_alloc(0, ACCOUNT));
    assert_null(page_alloc(PAGE_MAX_ORDER + 1, ACCOUNT));
    assert_int_equal(account_mm_ram.used, 0);
    assert_int_equal(account_mm_ram.denied, 0);
    give_back_all();
}

static void kernel_has_the_rest(void **state)
{
    struct page_stats stats;
    (void)state;
    bank(BASE, MIB(64));
    void *mine = page_alloc(4, ACCOUNT), *kernels = page_alloc(5, GFP_KERNEL);
    const struct mem_account *kernel = account_at(0);
    page_get_stats(&stats);
    assert_string_equal(kernel->name, "kernel");
    assert_int_equal(kernel->used, stats.total_bytes - stats.free_bytes - 16 * PAGE_SIZE);
    assert_true(kernel->used >= 32 * PAGE_SIZE);
    page_free(kernels, 5);
    page_free(mine, 4);
    assert_true(account_at(0)->used < 32 * PAGE_SIZE);
    assert_true(kernel->peak >= 32 * PAGE_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_rules),
        cmocka_unit_test(small_machines),
        cmocka_unit_test(min_free_option),
        cmocka_unit_test(two_zones),
        cmocka_unit_test(watermark_vectors),
        cmocka_unit_test(levels_of_urgency),
        cmocka_unit_test(blocks_keep_the_reserve),
        cmocka_unit_test(low_zone_is_kept),
        cmocka_unit_test(failures_are_counted),
        cmocka_unit_test(list_of_pages),
        cmocka_unit_test(no_batch_from_the_reserve),
        cmocka_unit_test(lock_is_taken_seldom),
        cmocka_unit_test(lists_of_both_zones),
        cmocka_unit_test(irqs_come_back),
        cmocka_unit_test(pages_are_charged),
        cmocka_unit_test(limits_refuse),
        cmocka_unit_test(failures_are_not_charged),
        cmocka_unit_test(kernel_has_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
