// SPDX-License-Identifier: BSD-2-Clause
//
// The image's memory and string functions, the kernel's (core/lib/string.c) and newlib's, in areas
// with a guard page behind them; and newlib's rarer ones by example.

#include <string.h>

#include "mm/vmalloc.h"
#include "tests/guest/guest.h"
#include "tests/guest/string_checks.h"

static const struct string_functions libc = {
    .memcpy = memcpy,
    .memmove = memmove,
    .memset = memset,
    .memcmp = memcmp,
    .memchr = memchr,
    .strlen = strlen,
    .strnlen = strnlen,
    .strchr = strchr,
    .strcmp = strcmp,
    .strncmp = strncmp,
    .strcpy = strcpy,
    .stpcpy = stpcpy,
};

// At the end of what is mapped, and across the border of two mapped pages.
static bool between_guards(string_check *check)
{
    enum { BYTES = 2 * PAGE_SIZE };
    uint8_t *a = vmalloc(BYTES, GFP_KERNEL), *b = vmalloc(BYTES, GFP_KERNEL);
    bool good = a && b && check(&libc, &(struct string_areas){a + BYTES, b + BYTES}) &&
                check(&libc, &(struct string_areas){a + PAGE_SIZE + 40, b + PAGE_SIZE + 50});
    vfree(a);
    vfree(b);
    return good;
}

static bool copies(void) { return between_guards(check_copies); }
static bool moves(void) { return between_guards(check_moves); }
static bool sets(void) { return between_guards(check_memset); }
static bool compares(void) { return between_guards(check_memcmp); }
static bool scans(void) { return between_guards(check_scans); }
static bool orders(void) { return between_guards(check_orders); }
static bool copies_strings(void) { return between_guards(check_string_copies); }

// Through volatile pointers: the compiler must not know the strings.
static const char *volatile abc = "abc", *volatile digits = "0123456789", *volatile xyz = "-xyz";

static bool builds_strings(void)
{
    char text[24];
    memset(text, '#', sizeof(text));
    CHECK(strncpy(text, abc, 6) == text && memcmp(text, "abc\0\0\0#", 7) == 0);
    CHECK(strncpy(text, digits, 4) == text && memcmp(text, "0123\0\0#", 7) == 0);
    CHECK(strcat(text, xyz) == text && strcmp(text, "0123-xyz") == 0);
    CHECK(strncat(text, abc, 2) == text && strcmp(text, "0123-xyzab") == 0);
    return true;
}

static bool takes_strings_apart(void)
{
    char text[] = "port=eth0,,mtu=1500", *rest = NULL;
    CHECK(strrchr(text, '=') == text + 14 && strrchr(text, 'z') == NULL);
    CHECK(strstr(text, "mtu=") == text + 11 && strstr(text, "mtu:") == NULL);
    CHECK(strspn(text, "portx") == 4 && strcspn(text, ",=") == 4);
    CHECK(strcmp(strtok_r(text, ",", &rest), "port=eth0") == 0);
    CHECK(strcmp(strtok_r(NULL, ",", &rest), "mtu=1500") == 0);
    CHECK(strtok_r(NULL, ",", &rest) == NULL);
    return true;
}

const struct guest_test libc_string_tests[] = {
    {"strings: memcpy, memmove", copies},
    {"strings: overlapping memmove", moves},
    {"strings: memset", sets},
    {"strings: memcmp", compares},
    {"strings: strlen, strnlen, strchr, memchr", scans},
    {"strings: strcmp, strncmp", orders},
    {"strings: strcpy, stpcpy", copies_strings},
    {"strings: strncpy, strcat", builds_strings},
    {"strings: strstr, strtok", takes_strings_apart},
    {NULL, NULL},
};
