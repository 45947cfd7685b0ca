// SPDX-License-Identifier: BSD-2-Clause
//
// mm/fault_inject: which requests fail in each mode, the table when it is full, and several
// threads that find their sites at the same time.
//
// unit-sources: mm/fault_inject.c core/lib/fmt.c core/lib/bootparam.c
// unit-flags: -DDEBUG=1

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/lib/bootparam.h"
#include "mm/fault_inject.h"

static const void *address(unsigned n) { return (const void *)(0x1000 + 4ul * n); }

// The numbers of n requests of one site that failed, as a bit set.
static unsigned pattern(const void *site, unsigned n)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < n; i++)
        bits |= (unsigned)fault_inject(site) << i;
    return bits;
}

static struct fault_site find(const void *site)
{
    struct fault_site found = {NULL, 0, 0};
    for (unsigned i = 0; i < FAULT_SITES_MAX; i++) {
        if (fault_inject_site(i, &found) && found.site == site)
            return found;
    }
    return (struct fault_site){NULL, 0, 0};
}

static unsigned number_of(const void *site)
{
    struct fault_site found;
    for (unsigned i = 0; i < FAULT_SITES_MAX; i++) {
        if (fault_inject_site(i, &found) && found.site == site)
            return i;
    }
    fail_msg("the site is not in the table");
    return 0;
}

static void test_modes(void **state)
{
    (void)state;
    const void *a = address(1), *b = address(2);
    assert_int_equal(pattern(a, 8), 0);
    fault_inject_arm(FAULT_ONCE, 0);
    assert_int_equal(pattern(a, 8), 1);
    assert_int_equal(pattern(b, 8), 1);
    assert_int_equal(pattern(a, 8), 0);
    fault_inject_arm(FAULT_ONCE, 0);
    assert_int_equal(pattern(a, 8), 1);
    fault_inject_arm(FAULT_EVERY, 3);
    assert_int_equal(pattern(a, 9), 0x124);
    assert_int_equal(pattern(a, 2), 0);
    assert_int_equal(pattern(b, 2), 1);
    fault_inject_arm(FAULT_NTH, 3);
    assert_int_equal(pattern(a, 9), 4);
    fault_inject_arm(FAULT_SITE, number_of(b));
    assert_int_equal(pattern(a, 8), 0);
    assert_int_equal(pattern(b, 8), 0xff);
    fault_inject_arm(FAULT_OFF, 0);
    assert_int_equal(pattern(b, 8), 0);
    assert_int_equal(find(a).asked, 8 * 5 + 9 + 2 + 9);
    assert_int_equal(find(a).failed, 2 + 3 + 1);
    assert_int_equal(find(b).failed, 1 + 1 + 8);
}

static void test_boot_option(void **state)
{
    (void)state;
    bootparam_parse("failalloc=once");
    assert_int_equal(pattern(address(3), 4), 1);
    bootparam_parse("failalloc=every:2");
    assert_int_equal(pattern(address(3), 4), 0xa);
    bootparam_parse("failalloc=nth:2");
    assert_int_equal(pattern(address(3), 4), 2);
    assert_null(bootparam_rejected(0));
    bootparam_parse("failalloc=off failalloc failalloc=every:0 failalloc=every:x failalloc=nth:");
    assert_non_null(bootparam_rejected(4));
    fault_inject_arm(FAULT_OFF, 0);
}

#define THREADS 4
#define ROUNDS 20000
#define SITES 100 // in all tests together less than FAULT_SITES_MAX

static void *count_all(void *arg)
{
    uint64_t *failed = arg;
    for (unsigned i = 0; i < ROUNDS; i++)
        *failed += fault_inject(address(1000 + i % SITES));
    return NULL;
}

// Each request is counted for its site, and each site fails once, whoever comes first.
static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint64_t failed[THREADS] = {0}, sum = 0;
    fault_inject_arm(FAULT_ONCE, 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_all, &failed[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        sum += failed[i];
    }
    fault_inject_arm(FAULT_OFF, 0);
    assert_int_equal(sum, SITES);
    for (unsigned i = 0; i < SITES; i++) {
        assert_int_equal(find(address(1000 + i)).asked, THREADS * ROUNDS / SITES);
        assert_int_equal(find(address(1000 + i)).failed, 1);
    }
}

// Last: it fills the table.
static void test_full_table(void **state)
{
    (void)state;
    struct fault_site found;
    unsigned there = 0;
    assert_int_equal(fault_inject_unknown(), 0);
    fault_inject_arm(FAULT_EVERY, 1);
    for (unsigned i = 0; i < FAULT_SITES_MAX; i++)
        fault_inject(address(5000 + i));
    for (unsigned i = 0; i < FAULT_SITES_MAX; i++)
        there += fault_inject_site(i, &found);
    assert_int_equal(there, FAULT_SITES_MAX);
    assert_true(fault_inject_unknown() > 0);
    assert_false(fault_inject(address(9999)));
    assert_true(fault_inject(address(1)));
    assert_false(fault_inject_site(FAULT_SITES_MAX, &found));
    fault_inject_arm(FAULT_OFF, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_boot_option),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_full_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
