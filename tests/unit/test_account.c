// SPDX-License-Identifier: BSD-2-Clause
//
// Accounts by themselves: charges, limits to the byte, peaks, several threads at once, and the
// boot option `memlimit`. What is charged when pages are handed out: test_page_alloc.c.
//
// unit-sources: tests/unit/mm_ram.c

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lib/bootparam.h"
#include "mm_ram.h"

TABLE_DECLARE(struct boot_param, boot_param);

MEM_ACCOUNT(one, "one");
MEM_ACCOUNT(two, "two");

#define ONE gfp_account(GFP_ACCOUNT(one))
#define TWO gfp_account(GFP_ACCOUNT(two))

static void charges(void **state)
{
    (void)state;
    mm_ram_reset();
    assert_true(account_charge(ONE, 100) == 0);
    assert_true(account_charge(TWO, 50) == 0);
    assert_true(account_charge(ONE, 20) == 0);
    account_uncharge(ONE, 100);
    assert_true(account_charge(ONE, 10) == 0);
    assert_int_equal(account_one.used, 30);
    assert_int_equal(account_one.peak, 120);
    assert_int_equal(account_two.used, 50);
}

static void limit_to_the_byte(void **state)
{
    (void)state;
    mm_ram_reset();
    account_one.limit = 100;
    assert_true(account_charge(ONE, 101) == -ENOMEM);
    assert_true(account_charge(ONE, 60) == 0);
    assert_true(account_charge(ONE, 41) == -ENOMEM);
    assert_true(account_charge(ONE, UINT64_MAX) == -ENOMEM);
    assert_true(account_charge(ONE, 40) == 0);
    assert_true(account_charge(ONE, 1) == -ENOMEM);
    assert_int_equal(account_one.used, 100);
    assert_int_equal(account_one.peak, 100);
    assert_int_equal(account_one.denied, 4);
    account_uncharge(ONE, 100);
    assert_true(account_charge(ONE, 100) == 0);
}

// "kernel" and what no account has are nobody's to charge.
static void strange_indices(void **state)
{
    (void)state;
    mm_ram_reset();
    assert_true(account_charge(0, 100) == 0);
    assert_true(account_charge(1000, 100) == 0);
    account_uncharge(1000, 100);
    assert_null(account_at(1000));
    unsigned count = 0;
    while (account_at(count))
        count++;
    assert_int_equal(count, 1 + 3); // the kernel's, ours, and mm_ram's
    assert_string_equal(account_at(0)->name, "kernel");
    assert_ptr_equal(account_at(ONE), &account_one);
}

static void *hammer(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t bytes = 1 + (seed = seed * 1664525 + 1013904223) % 64;
        if (account_charge(ONE, bytes) == 0) {
            uint64_t used = account_one.used;
            if (used > 100)
                return arg;
            account_uncharge(ONE, bytes);
        }
    }
    return NULL;
}

static void many_at_once(void **state)
{
    pthread_t threads[4];
    unsigned seeds[4] = {1, 2, 3, 4};
    (void)state;
    mm_ram_reset();
    account_one.limit = 100;
    for (unsigned i = 0; i < 4; i++)
        assert_true(pthread_create(&threads[i], NULL, hammer, &seeds[i]) == 0);
    for (unsigned i = 0; i < 4; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        assert_null(bad);
    }
    assert_int_equal(account_one.used, 0);
    assert_in_range(account_one.peak, 64, 100);
}

static int memlimit(const char *value)
{
    int result = -ENOENT;
    TABLE_FOREACH (struct boot_param, param, boot_param) {
        if (strcmp(param->name, "memlimit") == 0)
            result = param->set(value);
    }
    return result;
}

static void option(void **state)
{
    (void)state;
    mm_ram_reset();
    assert_true(memlimit("one:2M") == 0);
    assert_int_equal(account_one.limit, MIB(2));
    assert_true(memlimit("two:64K,one:0x1000") == 0);
    assert_int_equal(account_one.limit, 4096);
    assert_int_equal(account_two.limit, KIB(64));
}

// One wrong item, and nothing of it counts.
static void wrong_options(void **state)
{
    static const char *const wrong[] = {
        "",
        "one",
        "one:",
        "one:lots",
        "one:0",
        ":1M",
        "three:1M",
        "kernel:1M",
        "one:1M,",
        ",one:1M",
        "one:1M,,",
        "ON:1M",
        "one :1M",
        "one:1M two:1M",
        "one:1M,x",
        "two:1M,z:1",
        "one:1M:2",
        "one:99999999999G",
        "one:1234567890123456789012345678901234567890123456789012345678901234567890",
    };
    (void)state;
    mm_ram_reset();
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        if (memlimit(wrong[i]) >= 0)
            fail_msg("'%s' was taken", wrong[i]);
        assert_int_equal(account_one.limit, 0);
        assert_int_equal(account_two.limit, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charges),         cmocka_unit_test(limit_to_the_byte),
        cmocka_unit_test(strange_indices), cmocka_unit_test(many_at_once),
        cmocka_unit_test(option),          cmocka_unit_test(wrong_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
