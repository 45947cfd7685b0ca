// SPDX-License-Identifier: BSD-2-Clause
//
// core/lib/fmt: golden lines against what C's printf gives, edges of truncation and of numbers.
// unit-sources: core/lib/fmt.c

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/lib/fmt.h"

// Ours and the C library's must agree in text and in length.
#define SAME(...)                                              \
    do {                                                       \
        char ours[300], theirs[300];                           \
        int a = fmt_snprint(ours, sizeof(ours), __VA_ARGS__);  \
        int b = snprintf(theirs, sizeof(theirs), __VA_ARGS__); \
        assert_string_equal(ours, theirs);                     \
        assert_int_equal(a, b);                                \
    } while (0)

#define GIVES(text, ...)                                        \
    do {                                                        \
        char ours[300];                                         \
        int len = fmt_snprint(ours, sizeof(ours), __VA_ARGS__); \
        assert_string_equal(ours, text);                        \
        assert_int_equal(len, strlen(text));                    \
    } while (0)

static void test_plain(void **state)
{
    (void)state;
    SAME("%s", "");
    SAME("no conversions, 100%%");
    SAME("%c%c|%3c|%-3c|", 'a', 'b', 'c', 'd');
    SAME("%s|%8s|%-8s|%.2s|%8.2s|%-8.2s|%.0s|", "abc", "abc", "abc", "abc", "abc", "abc", "abc");
    SAME("%*d|%-*d|%.*s|", 5, 42, 5, 42, 2, "xyz");
    SAME("%*d|", -5, 42);
    SAME("%.*s|", -1, "all of it");
}

static void test_integers(void **state)
{
    (void)state;
    static const int values[] = {0, 1, -1, 9, 10, -10, 42, 99999, INT_MAX, INT_MIN};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        int v = values[i];
        SAME("%d|%i|%u|%x|%X", v, v, (unsigned)v, (unsigned)v, (unsigned)v);
        SAME("%12d|%-12d|%012d|%+d|% d|%+012d", v, v, v, v, v, v);
        SAME("%.0d|%.5d|%12.5d|%-12.5d|%012d", v, v, v, v, v);
        SAME("%#x|%#X|%#10x|%#010x|%-#10x|%#.6x", (unsigned)v, (unsigned)v, (unsigned)v,
             (unsigned)v, (unsigned)v, (unsigned)v);
    }
}

static void test_integer_lengths(void **state)
{
    (void)state;
    SAME("%ld %ld %ld", LONG_MIN, LONG_MAX, 0L);
    SAME("%lld %lld", LLONG_MIN, LLONG_MAX);
    SAME("%+lld|%25lld|%-25lld|%025lld", LLONG_MIN, LLONG_MIN, LLONG_MIN, LLONG_MIN);
    SAME("%llu %llx %llX", ULLONG_MAX, ULLONG_MAX, ULLONG_MAX);
    SAME("%zu %zd %zx", SIZE_MAX, (ssize_t)-1, SIZE_MAX);
    SAME("%td %ju", (ptrdiff_t)-5, (uintmax_t)UINT64_MAX);
    SAME("%hhd %hhu %hhx", (signed char)-1, (unsigned char)255, (unsigned char)0xab);
    SAME("%hd %hu %hx", (short)-1, (unsigned short)65535, (unsigned short)0xabcd);
}

static void test_pointers(void **state)
{
    (void)state;
    int object;
    const char *volatile nothing = NULL;
    SAME("%p", (void *)&object);
    GIVES("0x1234", "%p", (void *)0x1234);
    GIVES("0x0", "%p", NULL);
    GIVES("(null)", "%s", nothing);
}

static void test_addresses(void **state)
{
    (void)state;
    be32_t ip = be32_make(0xc0000201);
    uint8_t mac[6] = {0x52, 0x54, 0x00, 0x0a, 0xff, 0x01};
    GIVES("192.0.2.1", "%pI4", (void *)&ip);
    GIVES("[192.0.2.1      ]", "[%-15pI4]", (void *)&ip);
    GIVES("[      192.0.2.1]", "[%15pI4]", (void *)&ip);
    GIVES("52:54:00:0a:ff:01!", "%pM!", (void *)mac);
    ip = be32_make(0xffffffff);
    GIVES("255.255.255.255/32", "%pI4/%d", (void *)&ip, 32);
    GIVES("(null)", "%pI4", NULL);
    GIVES("(null)", "%pM", NULL);
}

static void test_truncation(void **state)
{
    (void)state;
    for (size_t size = 1; size < 16; size++) {
        char buf[17];
        memset(buf, '#', sizeof(buf));
        assert_int_equal(fmt_snprint(buf, size, "%s%d", "abcdef", 12345), 11);
        assert_int_equal(strlen(buf), MIN(size - 1, 11u));
        assert_memory_equal(buf, "abcdef12345", strlen(buf));
        assert_int_equal(buf[size], '#');
    }
    assert_int_equal(fmt_snprint(NULL, 0, "%d", 123), 3);
    // Text without a terminator is read up to the precision only (ASan holds it).
    char raw[3] = {'x', 'y', 'z'};
    GIVES("xyz", "%.3s", raw);
}

// A width that would overflow arithmetic is capped, not obeyed.
static void test_wild_counts(void **state)
{
    (void)state;
    char buf[8];
    volatile int wild = INT_MIN;
    assert_int_equal(fmt_snprint(buf, sizeof(buf), "%*d", (int)wild, 1), 4096);
    wild = INT_MAX;
    assert_int_equal(fmt_snprint(buf, sizeof(buf), "%.*d", (int)wild, 1), 4096);
}

static void test_parse_u64(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_int_equal(parse_u64("0", 9, &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(parse_u64("1234", 2, &v), 0);
    assert_int_equal(v, 12);
    assert_int_equal(parse_u64("0xfF", 9, &v), 0);
    assert_int_equal(v, 255);
    assert_int_equal(parse_u64("18446744073709551615", 99, &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(parse_u64("0xffffffffffffffff", 99, &v), 0);
    assert_true(v == UINT64_MAX);
    v = 7;
    assert_int_equal(parse_u64("18446744073709551616", 99, &v), -ERANGE);
    assert_int_equal(parse_u64("0x10000000000000000", 99, &v), -ERANGE);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "12a", "0x", "0xg", "x1"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(parse_u64(bad[i], 99, &v), -EINVAL);
    assert_int_equal(v, 7);
}

static void test_parse_bytes(void **state)
{
    (void)state;
    uint64_t v;
    assert_int_equal(parse_bytes("512", &v), 0);
    assert_int_equal(v, 512);
    assert_int_equal(parse_bytes("64k", &v), 0);
    assert_int_equal(v, 65536);
    assert_int_equal(parse_bytes("16M", &v), 0);
    assert_int_equal(v, 16 << 20);
    assert_int_equal(parse_bytes("0x2G", &v), 0);
    assert_int_equal(v, 2ULL << 30);
    assert_int_equal(parse_bytes("17179869184G", &v), -ERANGE);
    assert_int_equal(parse_bytes("G", &v), -EINVAL);
    assert_int_equal(parse_bytes("", &v), -EINVAL);
    assert_int_equal(parse_bytes("1KM", &v), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),           cmocka_unit_test(test_integers),
        cmocka_unit_test(test_integer_lengths), cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_addresses),       cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_wild_counts),     cmocka_unit_test(test_parse_u64),
        cmocka_unit_test(test_parse_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
