// SPDX-License-Identifier: BSD-2-Clause
//
// vmalloc, stacks, ioremap: guard pages, gaps used again, memory given back late and all at once,
// lack of memory at each step, limits of accounts, ranges that must be refused. mm_ram.c ends the
// test when an address or a page is used again before its invalidation. (Where areas are placed is
// test_vmalloc_model.c's.)
//
// unit-sources: mm/vmalloc.c core/lib/rbtree.c tests/unit/mm_ram.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sched/preempt.h"
#include "host/host.h"
#include "mm/account.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "mm/percpu.h"
#include "mm/reclaim.h"
#include "mm/vmalloc.h"
#include "mm_ram.h"
#include "platform/platform.h"

#define RAM_BASE 0x40000000ULL
#define AREAS 60

static int start(void **state)
{
    (void)state;
    mm_ram_reset();
    mm_ram_add(RAM_BASE, MIB(16));
    mm_ram_start();
    host_fail_after(HOST_NEVER);
    return vmalloc_init();
}

// Each test frees all that it had.
static int stop(void **state)
{
    (void)state;
    vmalloc_purge();
    return host_allocations() != 0;
}

static uint64_t free_bytes(void)
{
    struct page_stats stats;
    page_get_stats(&stats);
    return stats.free_bytes;
}

static struct vmalloc_stats totals(void)
{
    struct vmalloc_stats stats;
    vmalloc_get_stats(&stats);
    return stats;
}

static bool is_mapped(const void *va)
{
    paddr_t pa;
    enum page_prot prot;
    return pagetable_translate((uintptr_t)va, &pa, &prot) == 0;
}

static void guard_pages(void **state)
{
    (void)state;
    char *a = stack_alloc(KIB(32)), *b = stack_alloc(1), *c = vmalloc(PAGE_SIZE + 1, GFP_ZERO);
    assert_true(is_mapped(a) && is_mapped(a + KIB(32) - 1));
    assert_false(is_mapped(a - 1));
    assert_false(is_mapped(a + KIB(32)));
    assert_false(is_mapped(b - 1));
    assert_false(is_mapped(b + PAGE_SIZE));
    assert_false(is_mapped(c - 1));
    assert_false(is_mapped(c + 2 * PAGE_SIZE));
    for (size_t i = 0; i < 2 * PAGE_SIZE; i++)
        assert_int_equal(c[i], 0);
    assert_int_equal(totals().areas, 3);
    assert_int_equal(totals().bytes, KIB(32) + 3 * PAGE_SIZE);
    stack_free(b);
    assert_false(is_mapped(b));
    void *late = stack_alloc(PAGE_SIZE); // the gap is not one yet
    assert_true((char *)late > c);
    vmalloc_purge();
    void *wider = stack_alloc(2 * PAGE_SIZE); // would fit without its guard page
    assert_true((char *)wider > (char *)late);
    assert_ptr_equal(stack_alloc(PAGE_SIZE), b); // the first gap that fits
    stack_free(wider);
    stack_free(late);
    stack_free(a);
    stack_free(b);
    vfree(c);
    vfree(NULL);
    stack_free(NULL);
    assert_int_equal(totals().areas, 0);
}

// ---- Lazy unmapping --------------------------------------------------------------------------

// Where softirqs are off, as in callbacks of RCU, nobody may wait for a purge: the next one serves.
static void freed_with_softirqs_off(void **state)
{
    (void)state;
    void *large = vmalloc(MIB(5), GFP_KERNEL), *other = vmalloc(PAGE_SIZE, GFP_KERNEL);
    uint64_t purges = totals().purges;
    softirq_disable();
    vfree(large);
    softirq_enable();
    assert_int_equal(totals().purges, purges);
    assert_int_equal(totals().lazy_bytes, MIB(5));
    vfree(other);
    assert_int_equal(totals().purges, purges + 1);
    assert_int_equal(totals().lazy_bytes, 0);
}

static void one_invalidation_for_many(void **state)
{
    void *areas[60];
    (void)state;
    uint64_t before = free_bytes();
    for (unsigned i = 0; i < ARRAY_SIZE(areas); i++)
        areas[i] = vmalloc(PAGE_SIZE, GFP_KERNEL);
    uint64_t in_use = free_bytes();
    assert_int_equal(before - in_use, sizeof(areas) / sizeof(areas[0]) * PAGE_SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(areas); i++) {
        paddr_t pa;
        enum page_prot prot;
        pagetable_translate((uintptr_t)areas[i], &pa, &prot);
        vfree(areas[i]);
        assert_true(mm_ram_is_stale(pa));
        assert_int_equal(vmalloc_size(areas[i]), 0);
    }
    assert_int_equal(free_bytes(), in_use); // nothing has come back
    assert_int_equal(mm_ram_invalidations(), 0);
    assert_int_equal(totals().areas, 0);
    assert_int_equal(totals().lazy_areas, 60);
    assert_int_equal(totals().lazy_bytes, 60 * PAGE_SIZE);
    vmalloc_purge();
    assert_int_equal(mm_ram_invalidations(), 1);
    assert_int_equal(totals().purges, 1);
    assert_int_equal(totals().lazy_areas + totals().lazy_bytes, 0);
    assert_int_equal(free_bytes(), before);
    vmalloc_purge(); // nothing to do
    assert_int_equal(mm_ram_invalidations(), 1);
}

// The threshold with 16 MiB is 64 pages.
static void purge_by_amount(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 8; i++) {
            vfree(vmalloc(8 * PAGE_SIZE, GFP_KERNEL));
            assert_int_equal(mm_ram_invalidations(), round);
        }
        vfree(vmalloc(PAGE_SIZE, GFP_KERNEL));
        assert_int_equal(mm_ram_invalidations(), round + 1);
        assert_int_equal(totals().lazy_areas, 0);
    }
}

static void purge_for_memory(void **state)
{
    void *most = NULL, *kept[16];
    (void)state;
    for (size_t bytes = MIB(16); !most; bytes -= PAGE_SIZE)
        most = vmalloc(bytes, GFP_KERNEL);
    vfree(most); // far beyond the threshold: comes back at once
    assert_int_equal(totals().lazy_bytes, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        kept[i] = vmalloc(4 * PAGE_SIZE, GFP_KERNEL);
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        vfree(kept[i]);
    unsigned before = mm_ram_invalidations();
    assert_int_equal(totals().lazy_bytes, 64 * PAGE_SIZE);
    size_t bytes = ALIGN_DOWN(free_bytes() + 32 * PAGE_SIZE, PAGE_SIZE); // needs some of it
    struct zone_stats zone;
    page_get_zone_stats(0, &zone);
    most = vmalloc(bytes - zone.min * PAGE_SIZE, GFP_KERNEL);
    assert_non_null(most);
    assert_true(mm_ram_invalidations() > before);
    vfree(most);
}

static void purge_for_address_space(void **state)
{
    (void)state;
    size_t bytes = MIB(16) - 3 * PAGE_SIZE; // all of the window but two guards and a page
    void *device = vmap(0x9000000, bytes, PROT_DEVICE);
    assert_non_null(device);
    void *page = vmalloc(1, GFP_KERNEL); // none: its guard does not fit
    assert_null(page);
    vunmap(device);
    page = vmalloc(1, GFP_KERNEL);
    vfree(page);
    assert_int_equal(totals().lazy_areas, 1);
    device = vmap(0x9000000, bytes, PROT_DEVICE);
    assert_non_null(device);
    assert_int_equal(totals().lazy_areas, 0);
    vunmap(device);
}

static void purge_by_shrinker(void **state)
{
    (void)state;
    uint64_t before = free_bytes();
    vfree(vmalloc(60 * PAGE_SIZE, GFP_KERNEL));
    assert_int_equal(before - free_bytes(), 60 * PAGE_SIZE);
    assert_true(reclaim_run(0) >= 60);
    assert_int_equal(free_bytes(), before);
    assert_int_equal(reclaim_run(0), 0);
}

// An alias is gone when vunmap returns, and takes nobody's waiting areas along.
static void aliases_wait_for_nothing(void **state)
{
    (void)state;
    vfree(vmalloc(3 * PAGE_SIZE, GFP_KERNEL));
    void *alias = vmap(0x9000000, PAGE_SIZE, PROT_DEVICE);
    vunmap(alias);
    assert_int_equal(mm_ram_invalidations(), 1);
    assert_false(mm_ram_is_stale(0x9000000));
    assert_int_equal(totals().lazy_areas, 1);
    assert_ptr_equal(vmap(0xa000000, PAGE_SIZE, PROT_DEVICE), alias);
    vunmap(alias);
    vmalloc_purge();
}

// ---- Sizes, stacks, accounts -------------------------------------------------------------------

static void sizes(void **state)
{
    (void)state;
    char *area = vmalloc(PAGE_SIZE + 1, GFP_KERNEL);
    assert_int_equal(vmalloc_size(area), 2 * PAGE_SIZE);
    assert_int_equal(vmalloc_size(area + PAGE_SIZE), 0);
    assert_int_equal(vmalloc_size(NULL), 0);
    assert_int_equal(vmalloc_size((void *)PERCPU_BASE), 0);
    assert_true(vmalloc_contains(area));
    assert_false(vmalloc_contains((void *)(ARCH_VMALLOC_BASE - 1)));
    vfree(area);
}

static void stacks(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        uint64_t *stack = stack_alloc(KIB(16));
        assert_int_equal(totals().stacks, 1);
        assert_int_equal(totals().stack_bytes, KIB(16));
        assert_int_equal(stack_high_water(stack, KIB(16)), 0);
        stack[2047] = 1;
        assert_int_equal(stack_high_water(stack, KIB(16)), 8);
        stack[100] = 1; // zeroes above do not matter
        assert_int_equal(stack_high_water(stack, KIB(16)), KIB(16) - 800);
        memset(stack, 0x55, KIB(16));
        assert_int_equal(stack_high_water(stack, KIB(16)), KIB(16));
        stack_free(stack);
        assert_int_equal(totals().stacks + totals().stack_bytes, 0);
        vmalloc_purge();
    }
    assert_int_equal(totals().peak_bytes, KIB(16));
}

static MEM_ACCOUNT(tested, "tested");

// The limit is for areas as a whole: one that would go over it takes no page at all.
static void limit_of_an_account(void **state)
{
    const unsigned gfp = GFP_KERNEL | GFP_ACCOUNT(tested);
    (void)state;
    account_tested.limit = 20 * PAGE_SIZE;
    void *first = vmalloc(12 * PAGE_SIZE, gfp);
    assert_int_equal(account_tested.used, 12 * PAGE_SIZE);
    uint64_t before = free_bytes();
    assert_null(vmalloc(9 * PAGE_SIZE, gfp));
    assert_int_equal(account_tested.used, 12 * PAGE_SIZE);
    assert_int_equal(account_tested.peak, 12 * PAGE_SIZE);
    assert_int_equal(account_tested.denied, 1);
    assert_int_equal(free_bytes(), before);
    void *second = vmalloc(8 * PAGE_SIZE, gfp);
    assert_non_null(second);
    vfree(first); // waits, and is charged meanwhile
    assert_int_equal(account_tested.used, 20 * PAGE_SIZE);
    first = vmalloc(12 * PAGE_SIZE, gfp); // until it stands in the way
    assert_non_null(first);
    vfree(first);
    vfree(second);
    vmalloc_purge();
    assert_int_equal(account_tested.used, 0);
}

static void random_areas(void **state)
{
    static struct {
        unsigned char *va;
        size_t bytes;
    } areas[AREAS];
    uint64_t seed = 17;
    (void)state;
    uint64_t before = free_bytes();
    for (unsigned step = 0; step < 8000; step++) {
        uint64_t random = mm_ram_random(&seed);
        unsigned i = random % AREAS;
        if (areas[i].va) {
            for (size_t at = 0; at < areas[i].bytes; at += 512)
                assert_int_equal(areas[i].va[at], i);
            vfree(areas[i].va);
            areas[i].va = NULL;
        } else {
            areas[i].bytes = 1 + (random >> 10) % KIB(90);
            areas[i].va = vmalloc(areas[i].bytes, GFP_KERNEL);
            assert_non_null(areas[i].va);
            memset(areas[i].va, (int)i, areas[i].bytes);
        }
    }
    for (unsigned i = 0; i < AREAS; i++)
        vfree(areas[i].va);
    assert_int_equal(totals().areas, 0);
    assert_int_equal(totals().bytes, 0);
    assert_true(mm_ram_invalidations() * 4 < 4000); // thousands of areas
    vmalloc_purge();
    assert_int_equal(free_bytes(), before);
}

static void lack_of_memory(void **state)
{
    (void)state;
    uint64_t before = free_bytes();
    assert_null(vmalloc(MIB(17), GFP_KERNEL)); // more than the window
    assert_null(vmalloc(SIZE_MAX, GFP_KERNEL));
    assert_null(vmalloc(0, GFP_KERNEL));
    for (long n = 0; n < 8; n++) {
        mm_ram_fail_map_after(n);
        assert_null(vmalloc(9 * PAGE_SIZE, GFP_KERNEL));
        assert_null(vmap(RAM_BASE, 0, PROT_RW));
    }
    mm_ram_fail_map_after(0);
    assert_false(mmio_valid(ioremap(0x9000000, 0x1000)));
    mm_ram_fail_map_after(-1);
    host_fail_after(0);
    assert_null(vmalloc(1, GFP_KERNEL));
    assert_null(vmap(RAM_BASE, PAGE_SIZE, PROT_RW));
    host_fail_after(HOST_NEVER);
    vmalloc_purge();
    assert_int_equal(free_bytes(), before);
    assert_int_equal(totals().areas, 0);
    // Address space is left, RAM is not.
    void *most = vmalloc(MIB(8), GFP_KERNEL), *block;
    void **chain = NULL, **next;
    while ((block = page_alloc(0, GFP_KERNEL))) {
        *(void **)block = chain;
        chain = block;
    }
    assert_null(vmalloc(MIB(1), GFP_KERNEL));
    for (; chain; chain = next) {
        next = *chain;
        page_free(chain, 0);
    }
    vfree(most);
    assert_int_equal(totals().areas, 0);
}

static void device_ranges(void **state)
{
    paddr_t pa;
    enum page_prot prot;
    (void)state;
    mmio_t uart = ioremap(0x9000018, 8), again = ioremap(0x9000018, 8);
    assert_true(mmio_valid(uart) && mmio_valid(again) && uart.addr != again.addr);
    assert_int_equal(pagetable_translate(uart.addr, &pa, &prot), 0);
    assert_int_equal(pa & ~0xfffULL, 0x9000000);
    assert_int_equal(uart.addr & 0xfff, 0x18);
    assert_int_equal(prot, PROT_DEVICE);
    mmio_t wide = ioremap(0x10ff8, 0x10); // across a page
    assert_true(is_mapped((void *)(wide.addr + 15)));
    mmio_t large = ioremap(0x10300000, MIB(4)); // placed so that 2 MiB blocks fit
    assert_int_equal(large.addr % MIB(2), MIB(1));
    assert_false(mmio_valid(ioremap(0x9000000, 0)));
    assert_false(mmio_valid(ioremap(UINT64_MAX - 5, 10)));
    assert_false(mmio_valid(ioremap(UINT64_MAX - 5, 5)));
    assert_false(mmio_valid(ioremap(RAM_BASE, 0x1000)));
    assert_false(mmio_valid(ioremap(RAM_BASE - 0x1000, 0x1001)));
    assert_false(mmio_valid(ioremap(RAM_BASE + MIB(16) - 1, 1)));
    assert_false(mmio_valid(ioremap(0, 1ULL << 40)));
    iounmap(uart);
    assert_false(is_mapped((void *)uart.addr));
    assert_true(is_mapped((void *)again.addr));
    iounmap(again);
    iounmap(wide);
    iounmap(large);
    iounmap((mmio_t){0});
    mmio_t below = ioremap(RAM_BASE - 0x1000, 0x1000), above = ioremap(RAM_BASE + MIB(16), 1);
    assert_true(mmio_valid(below) && mmio_valid(above));
    iounmap(below);
    iounmap(above);
    assert_int_equal(totals().areas, 0);
}

static void wrong_frees(void **state)
{
    (void)state;
    char *area = vmalloc(KIB(8), GFP_KERNEL);
    void *alias = vmap(0x9000000, PAGE_SIZE, PROT_DEVICE);
    vfree(area + PAGE_SIZE);
    vfree(alias);
    vunmap(area);
    assert_int_equal(totals().areas, 2);
    vfree(area);
    vfree(area); // twice
    vunmap(alias);
    assert_int_equal(totals().areas, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(guard_pages),
        TEST(freed_with_softirqs_off),
        TEST(one_invalidation_for_many),
        TEST(purge_by_amount),
        TEST(purge_for_memory),
        TEST(purge_for_address_space),
        TEST(purge_by_shrinker),
        TEST(aliases_wait_for_nothing),
        TEST(sizes),
        TEST(stacks),
        TEST(limit_of_an_account),
        TEST(random_areas),
        TEST(lack_of_memory),
        TEST(device_ranges),
        TEST(wrong_frees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
