// SPDX-License-Identifier: BSD-2-Clause
//
// core/lib/bootparam: words, quotes, the application's part, what nobody takes.
// unit-sources: core/lib/bootparam.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/lib/bootparam.h"

static char seen[256];

static int take_alpha(const char *value)
{
    snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "alpha<%s>", value);
    return 0;
}
static int take_beta(const char *value)
{
    snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "beta<%s>", value);
    return strcmp(value, "bad") == 0 ? -EINVAL : 0;
}
BOOT_PARAM(alpha_param, "alpha", take_alpha);
BOOT_PARAM(beta_param, "beta", take_beta);

static void parse(const char *cmdline)
{
    seen[0] = '\0';
    bootparam_parse(cmdline);
}

static void test_options(void **state)
{
    (void)state;
    parse("  alpha=1\tbeta  alpha=a=b \n");
    assert_string_equal(seen, "alpha<1>beta<>alpha<a=b>");
    assert_null(bootparam_rejected(0));
    assert_int_equal(bootparam_argc(), 1);
    assert_string_equal(bootparam_argv()[0], "app");
    assert_null(bootparam_argv()[1]);
}

static void test_quotes(void **state)
{
    (void)state;
    parse("alpha=\"a b\" \"beta=c  d\" alpha=\"unclosed --");
    assert_string_equal(seen, "alpha<a b>beta<c  d>alpha<unclosed -->");
    parse("alpha=\"\"");
    assert_string_equal(seen, "alpha<>");
}

static void test_rejected(void **state)
{
    (void)state;
    parse("alpha=1 gamma=7 beta=bad alph=x alphabet");
    assert_string_equal(bootparam_rejected(0), "gamma=7");
    assert_string_equal(bootparam_rejected(1), "beta=bad");
    assert_string_equal(bootparam_rejected(2), "alph=x");
    assert_string_equal(bootparam_rejected(3), "alphabet");
    assert_null(bootparam_rejected(4));
    parse("");
    assert_null(bootparam_rejected(0));
}

static void test_application_part(void **state)
{
    (void)state;
    parse("alpha=1 -- beta=2 \"two words\" -- -v");
    assert_string_equal(seen, "alpha<1>");
    assert_int_equal(bootparam_argc(), 5);
    assert_string_equal(bootparam_argv()[1], "beta=2");
    assert_string_equal(bootparam_argv()[2], "two words");
    assert_string_equal(bootparam_argv()[3], "--");
    assert_string_equal(bootparam_argv()[4], "-v");
    assert_null(bootparam_argv()[5]);
}

static void test_limits(void **state)
{
    (void)state;
    static char line[8000];
    memset(line, 'x', sizeof(line) - 1);
    parse(line);
    assert_non_null(strstr(bootparam_rejected(0), "2047"));
    assert_null(bootparam_rejected(1)); // half a word is not taken for one
    memcpy(line, "-- ", 3);
    for (size_t i = 3; i + 1 < sizeof(line); i++)
        line[i] = i % 2 ? 'y' : ' ';
    parse(line);
    assert_int_equal(bootparam_argc(), 64);
    assert_null(bootparam_argv()[64]);
    for (size_t i = 0; i + 1 < sizeof(line); i++)
        line[i] = i % 2 ? 'y' : ' ';
    parse(line);
    assert_non_null(bootparam_rejected(15));
    assert_null(bootparam_rejected(16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),  cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_rejected), cmocka_unit_test(test_application_part),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
