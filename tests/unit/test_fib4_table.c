// SPDX-License-Identifier: BSD-2-Clause
//
// The IPv4 FIB at full size: the reference table's shape, its memory, lookups against the model,
// and random withdrawals and additions in it.
//
// unit-sources: net/fib4.c net/fib4_chunk.c net/fib4_pool.c net/rib4.c
// unit-sources: tests/unit/fib4_table.c tests/unit/fib4_model.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fib4_model.h"
#include "fib4_table.h"
#include "host.h"
#include "net/fib4.h"

static struct fib4_table_route *table;
static struct model *model;
static struct fib4 fib;
static uint64_t random_state = 42;

static void check(uint32_t dst)
{
    uint32_t expected = model_lookup(model, dst), got = fib4_lookup(&fib, dst);
    if (got != expected)
        fail_msg("%08x: got %u, expected %u", (unsigned)dst, got, expected);
}

// Addresses of random routes, and any addresses.
static void check_some(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t n = fib4_table_random(&random_state);
        const struct fib4_table_route *r = &table[n % FIB4_TABLE_ROUTES];
        check(i % 4 ? fib4_table_address(r, &random_state) : (uint32_t)(n >> 32));
        check(r->prefix - 1);
        check((r->prefix | ~model_mask(r->len)) + 1);
    }
}

static size_t lookup_bytes(void)
{
    size_t lookup, store, routes;
    fib4_memory(&fib, &lookup, &store, &routes);
    return lookup;
}

static void test_shape(void **state)
{
    (void)state;
    static uint8_t block[65536];
    size_t of_len[33] = {0}, blocks = 0, short_ones = 0;
    for (size_t i = 0; i < FIB4_TABLE_ROUTES; i++) {
        const struct fib4_table_route *r = &table[i];
        of_len[r->len]++;
        assert_int_equal(r->prefix & ~model_mask(r->len), 0);
        assert_in_range(r->nexthop, 1, FIB4_TABLE_NEXTHOPS);
        if (r->len >= 16)
            block[r->prefix >> 16] = 1;
        if (r->len < 20)
            short_ones++;
    }
    for (size_t i = 0; i < 65536; i++)
        blocks += block[i];
    assert_int_equal(blocks, FIB4_TABLE_BLOCKS);
    assert_int_equal(model_count(model), FIB4_TABLE_ROUTES); // all distinct
    assert_int_equal(of_len[24], 600000);
    assert_int_equal(of_len[23], 120000);
    assert_int_equal(of_len[22], 120000);
    assert_int_equal(of_len[21], 50000);
    assert_int_equal(of_len[20], 50000);
    assert_int_equal(short_ones, 59000);
    assert_int_equal(of_len[0] + of_len[7], 0);
}

static void test_load(void **state)
{
    (void)state;
    size_t lookup, store, routes, before = host_allocated_bytes();
    for (size_t i = 0; i < FIB4_TABLE_ROUTES; i++) {
        assert_int_equal(fib4_add(&fib, table[i].prefix, table[i].len, table[i].nexthop), 0);
        if (i % 64 == 0)
            host_rcu_run();
    }
    fib4_memory(&fib, &lookup, &store, &routes);
    printf("lookup %.2f MiB, store %.2f MiB\n", (double)lookup / MIB(1), (double)store / MIB(1));
    assert_int_equal(routes, FIB4_TABLE_ROUTES);
    assert_true(lookup <= MIB(24));
    assert_true(store <= 24 * routes);
    assert_true(host_allocated_bytes() - before <= lookup + store);
    check_some(100000);
}

static void test_change(void **state)
{
    (void)state;
    size_t before = lookup_bytes();
    for (unsigned i = 0; i < 40000; i++) {
        const struct fib4_table_route *r =
            &table[fib4_table_random(&random_state) % FIB4_TABLE_ROUTES];
        bool there = model_get(model, r->prefix, r->len) != 0;
        uint32_t nexthop = there && i % 4 ? 0 : 1 + i % FIB4_TABLE_NEXTHOPS;
        model_set(model, r->prefix, r->len, nexthop);
        assert_int_equal(nexthop ? fib4_add(&fib, r->prefix, r->len, nexthop)
                                 : fib4_del(&fib, r->prefix, r->len),
                         0);
        check(r->prefix);
        check(fib4_table_address(r, &random_state));
        check((r->prefix | ~model_mask(r->len)) + 1);
        host_rcu_run();
    }
    check_some(20000);
    assert_true(lookup_bytes() <= before + KIB(256));
}

// A default route reaches every hole in every /16, and leaves nothing behind.
static void test_default_route(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fib4_add(&fib, 0, 0, 1000 + i), 0);
        model_set(model, 0, 0, 1000 + i);
        check_some(10000);
    }
    assert_int_equal(fib4_del(&fib, 0, 0), 0);
    model_set(model, 0, 0, 0);
    check_some(10000);
}

static void test_unload(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIB4_TABLE_ROUTES; i++) {
        int expected = model_get(model, table[i].prefix, table[i].len) ? 0 : -ENOENT;
        assert_int_equal(fib4_del(&fib, table[i].prefix, table[i].len), expected);
        if (i % 64 == 0)
            host_rcu_run();
    }
    // Twice: slots retired during the last grace period wait for one of their own.
    for (unsigned i = 0; i < 3; i++) {
        host_rcu_run();
        assert_int_equal(fib4_add(&fib, 0x0a000000, 24, 1), 0);
        assert_int_equal(fib4_del(&fib, 0x0a000000, 24), 0);
    }
    size_t lookup, store, routes;
    fib4_memory(&fib, &lookup, &store, &routes);
    assert_int_equal(routes, 0);
    assert_true(lookup <= KIB(256 + 16 + 3 * 128)); // a segment of each kind may stay
    assert_true(store <= KIB(600));                 // and the directories
}

static int setup(void **state)
{
    (void)state;
    table = calloc(FIB4_TABLE_ROUTES, sizeof(*table));
    fib4_table_generate(table, FIB4_TABLE_SEED);
    model = model_create(FIB4_TABLE_ROUTES + 1);
    for (size_t i = 0; i < FIB4_TABLE_ROUTES; i++)
        model_set(model, table[i].prefix, table[i].len, table[i].nexthop);
    return fib4_init(&fib);
}

static int teardown(void **state)
{
    (void)state;
    fib4_destroy(&fib);
    host_rcu_run();
    model_destroy(model);
    free(table);
    return host_allocations() == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),  cmocka_unit_test(test_load),
        cmocka_unit_test(test_change), cmocka_unit_test(test_default_route),
        cmocka_unit_test(test_unload),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
