// SPDX-License-Identifier: BSD-2-Clause
//
// The memory and string functions that our patches give newlib for LoongArch64. They are C without
// anything of that machine, so they run here, under other names. The areas come from mmap(): the
// functions read whole aligned words, which ASan would not let pass in memory that it watches.
//
// unit-sources: tests/guest/string_checks.c
// unit-flags: -Iout/deps/newlib/newlib/libc/machine/loongarch

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/guest/guest.h"
#include "tests/guest/string_checks.h"

#define memchr newlib_memchr
#define memcmp newlib_memcmp
#define memcpy newlib_memcpy
#define memmove newlib_memmove
#define memset newlib_memset
#define stpcpy newlib_stpcpy
#define strchr newlib_strchr
#define strcmp newlib_strcmp
#define strcpy newlib_strcpy
#define strlen newlib_strlen
#define strncmp newlib_strncmp
#define strnlen newlib_strnlen
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include <memchr.c>
#include <memcmp.c>
#include <memcpy.c>
#include <memmove.c>
#include <memset.c>
#include <stpcpy.c>
#include <strchr.c>
#include <strcmp.c>
#include <strcpy.c>
#include <strlen.c>
#include <strncmp.c>
#include <strnlen.c>

// In the order of the structure: these names are macros here.
static const struct string_functions newlib = {memcpy,  memmove, memset, memcmp,  memchr, strlen,
                                               strnlen, strchr,  strcmp, strncmp, strcpy, stpcpy};

bool guest_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    return false;
}

enum { PAGE = 4096 };

// Two pages between two that cannot be accessed; returns their end.
static uint8_t *guarded_pages(void)
{
    uint8_t *at = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(at != MAP_FAILED);
    assert_int_equal(mprotect(at + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
    return at + 3 * PAGE;
}

// At the end of what is mapped, and across the border of two mapped pages.
static void run(string_check *check)
{
    uint8_t *a = guarded_pages(), *b = guarded_pages();
    assert_true(check(&newlib, &(struct string_areas){a, b}));
    assert_true(check(&newlib, &(struct string_areas){a - PAGE + 40, b - PAGE + 50}));
}

#define TEST(check)                        \
    static void test_##check(void **state) \
    {                                      \
        (void)state;                       \
        run(check_##check);                \
    }
TEST(copies)
TEST(moves)
TEST(memset)
TEST(memcmp)
TEST(scans)
TEST(orders)
TEST(string_copies)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_memset),        cmocka_unit_test(test_memcmp),
        cmocka_unit_test(test_scans),         cmocka_unit_test(test_orders),
        cmocka_unit_test(test_string_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
