// SPDX-License-Identifier: BSD-2-Clause
//
// memblock: input as bad as a device tree can make it, and random ranges against a page map.
//
// unit-sources:

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/memblock.c"
#include "mm_ram.h"

static paddr_t mapped_low, mapped_high;

bool linear_mapped(paddr_t pa, uint64_t len) { return pa >= mapped_low && pa + len <= mapped_high; }

static int start(void **state)
{
    (void)state;
    memory.count = reserved.count = 0;
    mapped_low = 0;
    mapped_high = UINT64_MAX;
    return 0;
}

static void expect_free(paddr_t base, paddr_t want_base, uint64_t want_len)
{
    uint64_t len;
    assert_true(memblock_next_free(&base, &len));
    assert_int_equal(base, want_base);
    assert_int_equal(len, want_len);
}

static void rounding_and_errors(void **state)
{
    (void)state;
    assert_int_equal(memblock_add(0x1001, 0x2fff), 0); // inwards: 0x2000..0x4000
    expect_free(0, 0x2000, 0x2000);
    assert_int_equal(memblock_add(0x10001, 0x1ffe), -EINVAL); // no whole page
    assert_int_equal(memblock_add(0x10000, 0), -EINVAL);
    assert_int_equal(memblock_add(UINT64_MAX - 0xfff, 0x1000), -EINVAL);
    assert_int_equal(memblock_add(0x1000, UINT64_MAX), -EINVAL);
    assert_int_equal(memblock_add(1ULL << 60, 0x1000), -EINVAL);
    assert_int_equal(memblock_reserve(0x3fff, 1), 0); // outwards
    expect_free(0, 0x2000, 0x1000);
    assert_int_equal(memblock_reserve(0x3000, 0), -EINVAL);
    assert_int_equal(memblock_reserve(UINT64_MAX, 2), -EINVAL);
    assert_int_equal(memblock_reserve(1ULL << 50, 0x1000), 0); // outside RAM is no error
    assert_int_equal(memblock_memory_bytes(), 0x2000);
}

static void merging(void **state)
{
    (void)state;
    memblock_add(0x8000, 0x1000);
    memblock_add(0x2000, 0x1000);
    memblock_add(0x5000, 0x1000);
    assert_int_equal(memory.count, 3);
    memblock_add(0x3000, 0x2000); // touches two
    assert_int_equal(memory.count, 2);
    expect_free(0, 0x2000, 0x4000);
    expect_free(0x6000, 0x8000, 0x1000);
    memblock_add(0x1000, 0x20000); // covers all
    assert_int_equal(memory.count, 1);
    memblock_add(0x2000, 0x1000); // inside
    assert_int_equal(memblock_memory_bytes(), 0x20000);
}

static void full_table(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MEMBLOCK_MAX_RANGES; i++)
        assert_int_equal(memblock_add(0x10000 * (i + 1ULL), 0x1000), 0);
    assert_int_equal(memblock_add(0x10000000, 0x1000), -ENOSPC);
    assert_int_equal(memblock_add(0x10000, 0x2000), 0); // merges: needs no room
    assert_int_equal(memblock_memory_bytes(), (MEMBLOCK_MAX_RANGES + 1) * 0x1000);
}

static void limit(void **state)
{
    (void)state;
    memblock_add(0x10000, 0x4000);
    memblock_add(0x40000, 0x4000);
    memblock_add(0x80000, 0x4000);
    memblock_limit(0x6fff);
    assert_int_equal(memblock_memory_bytes(), 0x6000);
    expect_free(0x20000, 0x40000, 0x2000);
    memblock_limit(UINT64_MAX);
    assert_int_equal(memblock_memory_bytes(), 0x6000);
    memblock_limit(0);
    paddr_t base = 0;
    uint64_t len;
    assert_false(memblock_next_memory(&base, &len));
}

static void allocation(void **state)
{
    (void)state;
    memblock_add(0x100000, 0x100000);
    memblock_add(0x400000, 0x100000);
    memblock_reserve(0x4ff000, 0x1000);
    assert_int_equal(memblock_alloc(1, PAGE_SIZE), 0x4fe000); // from the top, whole pages
    assert_int_equal(memblock_alloc(0x4000, 0x10000), 0x4f0000);
    assert_int_equal(memblock_alloc(0x100000, PAGE_SIZE), 0x100000);
    assert_int_equal(memblock_alloc(0x100000, PAGE_SIZE), 0);
    assert_int_equal(memblock_alloc(0, PAGE_SIZE), 0);
    assert_int_equal(memblock_alloc(0x1000, 3), 0);
    assert_int_equal(memblock_alloc(SIZE_MAX, PAGE_SIZE), 0);
    assert_int_equal(memblock_alloc(0x1000, 1ULL << 63), 0);
}

// Early on, only a stretch around the image is mapped.
static void allocation_from_what_is_mapped(void **state)
{
    (void)state;
    memblock_add(0x40000000, 0x8000000);
    memblock_reserve(0x40200000, 0x80000);
    mapped_low = 0x40200000;
    mapped_high = 0x40282000;
    assert_int_equal(memblock_alloc(0x1000, PAGE_SIZE), 0x40280000);
    assert_int_equal(memblock_alloc(0x1000, PAGE_SIZE), 0x40281000);
    assert_int_equal(memblock_alloc(0x1000, PAGE_SIZE), 0);
    mapped_low = 0x40000000; // below the image, up to it
    assert_int_equal(memblock_alloc(0x3000, PAGE_SIZE), 0x401fd000);
    mapped_high = 0x48000000;
    assert_int_equal(memblock_alloc(0x1000, PAGE_SIZE), 0x47fff000);
}

static void page_zero_is_no_answer(void **state)
{
    (void)state;
    memblock_add(0, 0x2000);
    assert_int_equal(memblock_alloc(0x1000, PAGE_SIZE), 0x1000);
    assert_int_equal(memblock_alloc(0x1000, PAGE_SIZE), 0);
}

#define PAGES 512

static void random_ranges(void **state)
{
    static int (*const changes[])(paddr_t, uint64_t) = {memblock_add, memblock_add,
                                                        memblock_reserve, memblock_remove};
    uint64_t seed = 42;
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        bool ram[PAGES] = {false}, taken[PAGES] = {false}, seen[PAGES] = {false};
        start(NULL);
        for (unsigned i = 0; i < 30; i++) {
            uint64_t random = mm_ram_random(&seed);
            unsigned first = random % PAGES, count = 1 + (random >> 16) % 40;
            count = MIN(count, PAGES - first);
            unsigned change = random >> 40 & 3;
            assert_int_equal(changes[change](first * PAGE_SIZE, count * PAGE_SIZE), 0);
            memset(change == 2 ? &taken[first] : &ram[first], change != 3, count);
        }
        paddr_t base = 0;
        uint64_t len;
        for (paddr_t last = 0; memblock_next_free(&base, &len); base += len, last = base) {
            assert_true(base >= last && len);
            memset(&seen[base / PAGE_SIZE], true, len / PAGE_SIZE);
        }
        for (unsigned i = 0; i < PAGES; i++)
            assert_int_equal(seen[i], ram[i] && !taken[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rounding_and_errors),
        TEST(merging),
        TEST(full_table),
        TEST(limit),
        TEST(allocation),
        TEST(allocation_from_what_is_mapped),
        TEST(page_zero_is_no_answer),
        TEST(random_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
