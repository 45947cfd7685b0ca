// SPDX-License-Identifier: BSD-2-Clause
//
// Memory and string functions with a check of what they are about to touch: the linker leads all
// calls of NAME to __wrap_NAME, and __real_NAME is what it was (ld's --wrap; build/rules.mk lists
// the names). newlib's own calls come here too, so its uninstrumented code is checked in part.

#include "mm/kasan_shadow.h"

#include <string.h>

void *__real_memcpy(void *dst, const void *src, size_t n);
void *__real_memmove(void *dst, const void *src, size_t n);
void *__real_memset(void *dst, int c, size_t n);
int __real_memcmp(const void *a, const void *b, size_t n);
void *__real_memchr(const void *s, int c, size_t n);
size_t __real_strlen(const char *s);
size_t __real_strnlen(const char *s, size_t max);
char *__real_strchr(const char *s, int c);
char *__real_strrchr(const char *s, int c);
int __real_strncmp(const char *a, const char *b, size_t n);

#define PC __builtin_return_address(0)

static void reads(const void *p, size_t n, const void *pc)
{
    kasan_check((uintptr_t)p, n, false, pc);
}
static void writes(const void *p, size_t n, const void *pc)
{
    kasan_check((uintptr_t)p, n, true, pc);
}

// ---- Memory ----------------------------------------------------------------------------------

void *__wrap_memcpy(void *dst, const void *src, size_t n);
void *__wrap_memcpy(void *dst, const void *src, size_t n)
{
    reads(src, n, PC);
    writes(dst, n, PC);
    return __real_memcpy(dst, src, n);
}

void *__wrap_memmove(void *dst, const void *src, size_t n);
void *__wrap_memmove(void *dst, const void *src, size_t n)
{
    reads(src, n, PC);
    writes(dst, n, PC);
    return __real_memmove(dst, src, n);
}

void *__wrap_memset(void *dst, int c, size_t n);
void *__wrap_memset(void *dst, int c, size_t n)
{
    writes(dst, n, PC);
    return __real_memset(dst, c, n);
}

int __wrap_memcmp(const void *a, const void *b, size_t n);
int __wrap_memcmp(const void *a, const void *b, size_t n)
{
    reads(a, n, PC);
    reads(b, n, PC);
    return __real_memcmp(a, b, n);
}

// Only what stands before the byte must be there.
void *__wrap_memchr(const void *s, int c, size_t n);
void *__wrap_memchr(const void *s, int c, size_t n)
{
    const char *found = __real_memchr(s, c, n);
    reads(s, found ? (size_t)(found - (const char *)s) + 1 : n, PC);
    return (void *)found;
}

// ---- Strings: the check comes once the length is known -----------------------------------------

size_t __wrap_strlen(const char *s);
size_t __wrap_strlen(const char *s)
{
    size_t len = __real_strlen(s);
    reads(s, len + 1, PC);
    return len;
}

size_t __wrap_strnlen(const char *s, size_t max);
size_t __wrap_strnlen(const char *s, size_t max)
{
    size_t len = __real_strnlen(s, max);
    reads(s, len < max ? len + 1 : max, PC);
    return len;
}

static int compare(const char *a, const char *b, size_t n, const void *pc)
{
    size_t same = 0;
    while (same < n && a[same] == b[same] && a[same])
        same++;
    reads(a, same < n ? same + 1 : n, pc);
    reads(b, same < n ? same + 1 : n, pc);
    return __real_strncmp(a, b, n);
}

int __wrap_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b) { return compare(a, b, SIZE_MAX, PC); }

int __wrap_strncmp(const char *a, const char *b, size_t n);
int __wrap_strncmp(const char *a, const char *b, size_t n) { return compare(a, b, n, PC); }

char *__wrap_strchr(const char *s, int c);
char *__wrap_strchr(const char *s, int c)
{
    char *found = __real_strchr(s, c);
    reads(s, (found ? (size_t)(found - s) : __real_strlen(s)) + 1, PC);
    return found;
}

char *__wrap_strrchr(const char *s, int c);
char *__wrap_strrchr(const char *s, int c)
{
    reads(s, __real_strlen(s) + 1, PC);
    return __real_strrchr(s, c);
}

// Copies `n` characters and ends them.
static char *copy(char *dst, const char *src, size_t n, const void *pc)
{
    reads(src, n, pc);
    writes(dst, n + 1, pc);
    __real_memcpy(dst, src, n);
    dst[n] = '\0';
    return dst + n;
}

char *__wrap_strcpy(char *dst, const char *src);
char *__wrap_strcpy(char *dst, const char *src)
{
    copy(dst, src, __real_strlen(src), PC);
    return dst;
}

char *__wrap_stpcpy(char *dst, const char *src);
char *__wrap_stpcpy(char *dst, const char *src) { return copy(dst, src, __real_strlen(src), PC); }

char *__wrap_strncpy(char *dst, const char *src, size_t n);
char *__wrap_strncpy(char *dst, const char *src, size_t n)
{
    size_t len = __real_strnlen(src, n);
    reads(src, len < n ? len + 1 : n, PC);
    writes(dst, n, PC);
    __real_memcpy(dst, src, len);
    __real_memset(dst + len, 0, n - len);
    return dst;
}

char *__wrap_strcat(char *dst, const char *src);
char *__wrap_strcat(char *dst, const char *src)
{
    copy(dst + __real_strlen(dst), src, __real_strlen(src), PC);
    return dst;
}

char *__wrap_strncat(char *dst, const char *src, size_t n);
char *__wrap_strncat(char *dst, const char *src, size_t n)
{
    copy(dst + __real_strlen(dst), src, __real_strnlen(src, n), PC);
    return dst;
}

size_t __wrap_strlcpy(char *dst, const char *src, size_t size);
size_t __wrap_strlcpy(char *dst, const char *src, size_t size)
{
    size_t len = __real_strlen(src);
    reads(src, len + 1, PC);
    if (size)
        copy(dst, src, MIN(len, size - 1), PC);
    return len;
}
