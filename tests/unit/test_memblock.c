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
    assert_int_equal(memblock_add(ARCH_LINEAR_BYTES, 0x1000), -EINVAL);
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
    memblock_add(0x10000, 0x3000);
    assert_int_equal(memblock_remove(0x11000, 0x1000), -ENOSPC); // a hole needs room
    assert_true(memblock_is_memory(0x10000, 0x3000));
}

// Of reservations none is forgotten: the smallest gap is given up instead.
static void full_reservations(void **state)
{
    (void)state;
    memblock_add(0x10000, 0x1000000);
    for (unsigned i = 0; i < MEMBLOCK_MAX_RANGES; i++)
        assert_int_equal(memblock_reserve(0x20000 * (i + 1ULL) - (i == 9 ? 0x8000 : 0), 0x1000), 0);
    assert_int_equal(reserved.count, MEMBLOCK_MAX_RANGES);
    assert_true(memblock_is_free(0x20000 * 9 + 0x1000, 0x17000));
    assert_int_equal(memblock_reserve(0x900000, 0x2000), 0);
    assert_int_equal(reserved.count, MEMBLOCK_MAX_RANGES);
    assert_false(memblock_is_free(0x20000 * 9 + 0x1000, 0x1000)); // in that gap
    assert_true(memblock_is_free(0x20000 * 8 + 0x1000, 0x1f000));
    assert_false(memblock_is_free(0x900000, 0x1000) || memblock_is_free(0x901000, 0x1000));
    for (unsigned i = 0; i < MEMBLOCK_MAX_RANGES; i++)
        assert_false(memblock_is_free(0x20000 * (i + 1ULL) - (i == 9 ? 0x8000 : 0), 0x1000));
}

// What the linear map cannot hold is cut off.
static void clipping(void **state)
{
    (void)state;
    assert_int_equal(memblock_add(ARCH_LINEAR_BYTES - 0x3000, 0x1000000), 0);
    expect_free(0, ARCH_LINEAR_BYTES - 0x3000, 0x3000);
    assert_int_equal(memblock_memory_bytes(), 0x3000);
}

static void finding(void **state)
{
    (void)state;
    memblock_add(0x100000, 0x100000);
    memblock_add(0x400000, 0x100000);
    memblock_reserve(0x480000, 0x1000);
    assert_int_equal(memblock_find(0x1000, PAGE_SIZE, 0, UINT64_MAX), 0x4ff000);
    assert_int_equal(memblock_find(0x1000, PAGE_SIZE, 0, 0x4ffffe), 0x4fe000);
    assert_int_equal(memblock_find(0x1000, PAGE_SIZE, 0, 0x480fff), 0x47f000);
    assert_int_equal(memblock_find(0x80000, PAGE_SIZE, 0, UINT64_MAX), 0x400000);
    assert_int_equal(memblock_find(0x80000, PAGE_SIZE, 0x400001, UINT64_MAX), 0);
    assert_int_equal(memblock_find(0x80000, PAGE_SIZE, 0x101000, 0x400000), 0x180000);
    assert_int_equal(memblock_find(0x100000, PAGE_SIZE, 0, 0x1fffff), 0x100000);
    assert_int_equal(memblock_find(0x100000, PAGE_SIZE, 0, 0x1ffffe), 0);
    assert_int_equal(memblock_find(0x1000, 0x200000, 0, UINT64_MAX), 0x400000);
    assert_int_equal(memblock_find(0x1000, 0x3000, 0, UINT64_MAX), 0);
    assert_int_equal(memblock_find(0, PAGE_SIZE, 0, UINT64_MAX), 0);
    assert_int_equal(memblock_find(UINT64_MAX, PAGE_SIZE, 0, UINT64_MAX), 0);
    assert_int_equal(memblock_find(0x1000, 1ULL << 63, 0, UINT64_MAX), 0);
    assert_true(memblock_is_memory(0x480000, 0x80000));
    assert_false(memblock_is_memory(0x480000, 0x80001));
    assert_false(memblock_is_memory(0xfffff, 1));
    assert_true(memblock_is_free(0x400000, 0x80000));
    assert_false(memblock_is_free(0x400000, 0x80001));
    assert_int_equal(memblock_find(0x1000, PAGE_SIZE, 0, 0x100ffe), 0);
    assert_int_equal(memblock_find(0x1000, PAGE_SIZE, 0, 0x100fff), 0x100000);
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
#define ROUNDS 4000 // of 30 changes and 8 questions each

// What memblock must hold, a flag a page.
static bool ram[PAGES], taken[PAGES];

static bool is_run(unsigned first, unsigned count, bool only_free)
{
    for (unsigned i = first; i < first + count; i++) {
        if (i >= PAGES || !ram[i] || (only_free && taken[i]))
            return false;
    }
    return true;
}

static void check_question(uint64_t random)
{
    unsigned first = random % PAGES, count = 1 + (random >> 16) % 40;
    unsigned align = 1u << ((random >> 24) % 6), last = (random >> 32) % PAGES;
    paddr_t base = first * PAGE_SIZE;
    assert_int_equal(memblock_is_memory(base, count * PAGE_SIZE), is_run(first, count, false));
    assert_int_equal(memblock_is_free(base, count * PAGE_SIZE), is_run(first, count, true));
    unsigned best = 0;
    for (unsigned at = align; at + count <= last + 1; at += align) {
        if (at >= first && is_run(at, count, true))
            best = at;
    }
    assert_int_equal(
        memblock_find(count * PAGE_SIZE, align * PAGE_SIZE, base, (last + 1) * PAGE_SIZE - 1),
        best * PAGE_SIZE);
}

// Ranges are sorted, apart from each other, and not empty.
static void check_table(const struct table *table)
{
    for (unsigned i = 0; i < table->count; i++) {
        assert_true(table->ranges[i].len > 0);
        assert_true(!i || table->ranges[i].base > range_end(&table->ranges[i - 1]));
    }
}

static void check_walk(bool (*next)(paddr_t *, uint64_t *), bool only_free)
{
    bool seen[PAGES] = {false};
    paddr_t base = 0;
    uint64_t len;
    for (paddr_t last = 0; next(&base, &len); base += len, last = base) {
        assert_true(base >= last && len);
        memset(&seen[base / PAGE_SIZE], true, len / PAGE_SIZE);
    }
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(seen[i], is_run(i, 1, only_free));
}

// One of the three changes, to both.
static void change(uint64_t random)
{
    static int (*const changes[])(paddr_t, uint64_t) = {memblock_add, memblock_add,
                                                        memblock_reserve, memblock_remove};
    unsigned first = random % PAGES, count = MIN(1 + (random >> 16) % 40, PAGES - first);
    unsigned which = random >> 40 & 3;
    assert_int_equal(changes[which](first * PAGE_SIZE, count * PAGE_SIZE), 0);
    memset(which == 2 ? &taken[first] : &ram[first], which != 3, count);
}

static void random_ranges(void **state)
{
    uint64_t seed = 42;
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        start(NULL);
        memset(ram, false, sizeof(ram));
        memset(taken, false, sizeof(taken));
        for (unsigned i = 0; i < 30; i++)
            change(mm_ram_random(&seed));
        check_table(&memory);
        check_table(&reserved);
        check_walk(memblock_next_free, true);
        check_walk(memblock_next_memory, false);
        for (unsigned i = 0; i < 8; i++)
            check_question(mm_ram_random(&seed));
    }
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rounding_and_errors),
        TEST(merging),
        TEST(full_table),
        TEST(full_reservations),
        TEST(clipping),
        TEST(finding),
        TEST(limit),
        TEST(allocation),
        TEST(allocation_from_what_is_mapped),
        TEST(page_zero_is_no_answer),
        TEST(random_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
