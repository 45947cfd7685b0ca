// SPDX-License-Identifier: BSD-2-Clause
//
// See string_checks.h. Each buffer is given by its length and by what is left behind it before the
// end of the area: 0 to 15 bytes, so that both of its ends see all alignments.

#include "tests/guest/string_checks.h"

#include "tests/guest/guest.h"

enum { LENGTHS = 81, GAPS = 16, BORDER = 16, UNTOUCHED = 0xa5 };

#define for_each_length(len) for (size_t len = 0; len < LENGTHS; len++)
#define for_each_gap(gap) for (size_t gap = 0; gap < GAPS; gap++)

// Bytes that a search for zeros by words could take for one; none is zero.
static uint8_t awkward(size_t i)
{
    static const uint8_t bytes[] = {0x01, 0x80, 0x81, 0xff, 0x7f, 0x02, 0x41};
    return bytes[i % sizeof(bytes)];
}

static void fill(uint8_t *at, size_t len, size_t seed)
{
    for (size_t i = 0; i < len; i++)
        at[i] = awkward(seed + i);
}

static void fill_byte(uint8_t *at, size_t len, uint8_t byte)
{
    for (size_t i = 0; i < len; i++)
        at[i] = byte;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i])
            return false;
    }
    return true;
}

static bool all_are(const uint8_t *at, size_t len, uint8_t byte)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] != byte)
            return false;
    }
    return true;
}

static int sign(int order) { return (order > 0) - (order < 0); }

// A destination of len bytes with gap bytes behind it, and a border before it.
static uint8_t *clean(uint8_t *end, size_t len, size_t gap)
{
    fill_byte(end - gap - len - BORDER, BORDER + len + gap, UNTOUCHED);
    return end - gap - len;
}

static bool borders_hold(const uint8_t *dst, size_t len, size_t gap)
{
    return all_are(dst - BORDER, BORDER, UNTOUCHED) && all_are(dst + len, gap, UNTOUCHED);
}

// A string of len characters; its end is followed by gap bytes.
static uint8_t *string(uint8_t *end, size_t len, size_t gap, size_t seed)
{
    uint8_t *s = end - gap - len - 1;
    fill(s, len, seed);
    s[len] = 0;
    fill(s + len + 1, gap, seed + 1);
    return s;
}

static bool check_copy(void *(*copy)(void *, const void *, size_t),
                       const struct string_areas *areas, size_t len, size_t gap_a, size_t gap_b)
{
    uint8_t *src = areas->a_end - gap_a - len;
    uint8_t *dst = clean(areas->b_end, len, gap_b);
    fill(src, len, len + gap_b);
    CHECK(copy(dst, src, len) == dst);
    CHECK(same(dst, src, len) && borders_hold(dst, len, gap_b));
    return true;
}

bool check_copies(const struct string_functions *fn, const struct string_areas *areas)
{
    for_each_length(len)
    {
        for_each_gap(gap_a)
        {
            for_each_gap(gap_b)
            {
                if (!check_copy(fn->memcpy, areas, len, gap_a, gap_b) ||
                    !check_copy(fn->memmove, areas, len, gap_a, gap_b))
                    return false;
            }
        }
    }
    return true;
}

// Source and destination overlap, by many distances in both directions.
bool check_moves(const struct string_functions *fn, const struct string_areas *areas)
{
    enum { FROM = 8, TO = 24, SPAN = LENGTHS + TO };
    uint8_t *base = areas->a_end - SPAN;
    for_each_length(len)
    {
        for (size_t from = 0; from < FROM; from++) {
            for (size_t to = 0; to < TO; to++) {
                uint8_t model[SPAN];
                fill(base, SPAN, len);
                fill(model, SPAN, len);
                for (size_t i = 0; i < len; i++)
                    model[to + i] = awkward(len + from + i);
                CHECK(fn->memmove(base + to, base + from, len) == base + to);
                CHECK(same(base, model, SPAN));
            }
        }
    }
    return true;
}

bool check_memset(const struct string_functions *fn, const struct string_areas *areas)
{
    static const int values[] = {0, 0x5a, 0x1ff, -2}; // taken as unsigned char
    for_each_length(len)
    {
        for_each_gap(gap)
        {
            for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                uint8_t *dst = clean(areas->a_end, len, gap);
                CHECK(fn->memset(dst, values[i], len) == dst);
                CHECK(all_are(dst, len, (uint8_t)values[i]) && borders_hold(dst, len, gap));
            }
        }
    }
    return true;
}

static bool check_difference(const struct string_functions *fn, uint8_t *a, uint8_t *b, size_t len,
                             size_t at)
{
    uint8_t old = b[at];
    b[at] = (uint8_t)~old; // 0x7f against 0x80 among them: the order is that of unsigned bytes
    int expected = sign(a[at] - b[at]);
    CHECK(sign(fn->memcmp(a, b, len)) == expected);
    CHECK(sign(fn->memcmp(b, a, len)) == -expected);
    CHECK(fn->memcmp(a, b, at) == 0);
    b[at] = old;
    return true;
}

bool check_memcmp(const struct string_functions *fn, const struct string_areas *areas)
{
    for_each_length(len)
    {
        for_each_gap(gap_a)
        {
            for_each_gap(gap_b)
            {
                uint8_t *a = areas->a_end - gap_a - len, *b = areas->b_end - gap_b - len;
                fill(a, len + gap_a, len);
                fill(b, len, len);
                fill_byte(b + len, gap_b, 0); // differs, but does not count
                CHECK(fn->memcmp(a, b, len) == 0);
                if (len && (!check_difference(fn, a, b, len, (gap_a * 5 + gap_b) % len) ||
                            !check_difference(fn, a, b, len, len - 1)))
                    return false;
            }
        }
    }
    return true;
}

static bool check_lengths(const struct string_functions *fn, const char *s, size_t len)
{
    CHECK(fn->strlen(s) == len);
    for (size_t max = 0; max < len + GAPS; max++)
        CHECK(fn->strnlen(s, max) == (max < len ? max : len));
    CHECK(fn->strnlen(s, SIZE_MAX) == len);
    return true;
}

// The character at `at` is the only one of its kind.
static bool check_search(const struct string_functions *fn, uint8_t *s, size_t len, size_t at)
{
    uint8_t old = s[at], wanted = 0xc3;
    s[at] = wanted;
    CHECK(fn->strchr((char *)s, wanted) == (char *)s + at);
    CHECK(fn->strchr((char *)s, (signed char)wanted) == (char *)s + at);
    CHECK(fn->memchr(s, wanted, len) == s + at);
    CHECK(fn->memchr(s, wanted + 256, at + 1) == s + at);
    CHECK(fn->memchr(s, wanted, at) == NULL);
    s[at] = old;
    return true;
}

// Searches end at the string's end, and memchr() does not go on when it has found the byte.
bool check_scans(const struct string_functions *fn, const struct string_areas *areas)
{
    for_each_length(len)
    {
        for_each_gap(gap)
        {
            uint8_t *s = string(areas->a_end, len, gap, len);
            if (!check_lengths(fn, (char *)s, len))
                return false;
            CHECK(fn->strchr((char *)s, 0) == (char *)s + len);
            CHECK(fn->strchr((char *)s, 'z') == NULL);
            CHECK(fn->memchr(s, 0, SIZE_MAX) == s + len);
            CHECK(fn->memchr(s, 'z', len + 1) == NULL);
            for (size_t at = 0; at < len; at++) {
                if (!check_search(fn, s, len, at))
                    return false;
            }
        }
    }
    return true;
}

static bool check_order(const struct string_functions *fn, char *a, char *b, size_t len, size_t at)
{
    char old = b[at];
    b[at] = (char)(uint8_t)~old;
    int expected = sign((uint8_t)a[at] - (uint8_t)b[at]);
    CHECK(sign(fn->strcmp(a, b)) == expected && sign(fn->strcmp(b, a)) == -expected);
    CHECK(sign(fn->strncmp(a, b, len + 1)) == expected);
    CHECK(sign(fn->strncmp(a, b, at + 1)) == expected);
    CHECK(fn->strncmp(a, b, at) == 0);
    b[at] = 0; // and what is only the beginning comes first
    CHECK(fn->strcmp(a, b) > 0 && fn->strncmp(b, a, SIZE_MAX) < 0);
    b[at] = old;
    return true;
}

// strncmp() looks at no more than it is told: the second pair has no end.
bool check_orders(const struct string_functions *fn, const struct string_areas *areas)
{
    for_each_length(len)
    {
        for_each_gap(gap_a)
        {
            for_each_gap(gap_b)
            {
                char *a = (char *)string(areas->a_end, len, gap_a, len);
                char *b = (char *)string(areas->b_end, len, gap_b, len);
                CHECK(fn->strcmp(a, b) == 0 && fn->strncmp(a, b, SIZE_MAX) == 0);
                if (len && (!check_order(fn, a, b, len, (gap_a * 5 + gap_b) % len) ||
                            !check_order(fn, a, b, len, len - 1)))
                    return false;
                fill(areas->a_end - gap_a - len, len, len);
                fill(areas->b_end - gap_b - len, len, len);
                CHECK(fn->strncmp((char *)areas->a_end - gap_a - len,
                                  (char *)areas->b_end - gap_b - len, len) == 0);
            }
        }
    }
    return true;
}

bool check_string_copies(const struct string_functions *fn, const struct string_areas *areas)
{
    for_each_length(len)
    {
        for_each_gap(gap_a)
        {
            for_each_gap(gap_b)
            {
                uint8_t *src = string(areas->a_end, len, gap_a, len + gap_b);
                uint8_t *dst = clean(areas->b_end, len + 1, gap_b);
                CHECK(fn->strcpy((char *)dst, (char *)src) == (char *)dst);
                CHECK(same(dst, src, len + 1) && borders_hold(dst, len + 1, gap_b));
                dst = clean(areas->b_end, len + 1, gap_b);
                CHECK(fn->stpcpy((char *)dst, (char *)src) == (char *)dst + len);
                CHECK(same(dst, src, len + 1) && borders_hold(dst, len + 1, gap_b));
            }
        }
    }
    return true;
}
