// SPDX-License-Identifier: BSD-2-Clause
//
// Checks of memory and string functions against plain loops over bytes: each length to 80, each
// alignment, and each buffer up to the last byte before memory that is not there. The image runs
// them on what it links; a unit test runs them on newlib's files for LoongArch64.

#pragma once

#include "core/lib/types.h"

struct string_functions {
    void *(*memcpy)(void *, const void *, size_t);
    void *(*memmove)(void *, const void *, size_t);
    void *(*memset)(void *, int, size_t);
    int (*memcmp)(const void *, const void *, size_t);
    void *(*memchr)(const void *, int, size_t);
    size_t (*strlen)(const char *);
    size_t (*strnlen)(const char *, size_t);
    char *(*strchr)(const char *, int);
    int (*strcmp)(const char *, const char *);
    int (*strncmp)(const char *, const char *, size_t);
    char *(*strcpy)(char *, const char *);
    char *(*stpcpy)(char *, const char *);
};

// Two areas of at least 128 bytes: their ends, at which an access must fault.
struct string_areas {
    uint8_t *a_end, *b_end;
};

typedef bool string_check(const struct string_functions *fn, const struct string_areas *areas);
string_check check_copies, check_moves, check_memset, check_memcmp, check_scans, check_orders,
    check_string_copies;
