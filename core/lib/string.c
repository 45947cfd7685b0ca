// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's own memory and string functions, with C's names and contracts (C11 7.24). They
// use general registers only, so that interrupt and softirq context may call them; they win
// over newlib's of the same name, whose ARM64 versions use vector registers.

#include <string.h>

#include "core/lib/types.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the byte-order types assume it");

// A word that may alias anything and need not be aligned: the compiler emits one plain access.
typedef uint64_t __attribute__((may_alias, aligned(1))) word_t;

// Keeps the compiler from recognising a loop as the very function it implements.
#define KEEP_LOOP() __asm__ volatile("")

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    char *d = dst;
    const char *s = src;
    for (; n >= 16; n -= 16, d += 16, s += 16) {
        uint64_t a = *(const word_t *)s, b = *(const word_t *)(s + 8);
        *(word_t *)d = a;
        *(word_t *)(d + 8) = b;
        KEEP_LOOP();
    }
    if (n & 8) {
        *(word_t *)d = *(const word_t *)s;
        d += 8, s += 8;
    }
    for (n &= 7; n; n--) {
        *d++ = *s++;
        KEEP_LOOP();
    }
    return dst;
}

static void copy_backward(char *d, const char *s, size_t n)
{
    for (; n >= 8; n -= 8)
        *(word_t *)(d + n - 8) = *(const word_t *)(s + n - 8);
    for (; n; n--) {
        d[n - 1] = s[n - 1];
        KEEP_LOOP();
    }
}

void *memmove(void *dst, const void *src, size_t n)
{
    // Forward copying is safe unless dst lies inside [src, src + n); memcpy above goes forward.
    if ((uintptr_t)dst - (uintptr_t)src >= n)
        return memcpy(dst, src, n);
    copy_backward(dst, src, n);
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    char *d = dst;
    uint64_t word = (uint8_t)c * 0x0101010101010101ULL;
    for (; n >= 64; n -= 64, d += 64) { // whole pages are cleared with this
        word_t *w = (word_t *)d;
        w[0] = w[1] = w[2] = w[3] = w[4] = w[5] = w[6] = w[7] = word;
        KEEP_LOOP();
    }
    for (; n >= 8; n -= 8, d += 8) {
        *(word_t *)d = word;
        KEEP_LOOP();
    }
    for (; n; n--) {
        *d++ = (char)c;
        KEEP_LOOP();
    }
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;
    for (; n; n--, p++, q++) {
        if (*p != *q)
            return *p - *q;
    }
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    for (const uint8_t *p = s; n; n--, p++) {
        if (*p == (uint8_t)c)
            return (void *)p;
    }
    return NULL;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n])
        n++;
    return n;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    for (; s[n]; n++)
        KEEP_LOOP();
    return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++) {
        if (*a != *b)
            return (uint8_t)*a - (uint8_t)*b;
        if (!*a)
            return 0;
    }
    return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}

char *strrchr(const char *s, int c)
{
    const char *last = NULL;
    for (;; s++) {
        if (*s == (char)c)
            last = s;
        if (!*s)
            return (char *)last;
    }
}
