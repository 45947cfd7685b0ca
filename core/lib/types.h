// SPDX-License-Identifier: BSD-2-Clause
//
// Basic types and helpers that every file may use: physical addresses, integers whose byte
// order is part of the type, and the few macros that C lacks. No state, usable from the first
// instruction.

#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A physical (bus-visible before DMA translation) address. Never dereferenced.
typedef uint64_t paddr_t;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ALIGN_UP(x, a) (((x) + ((__typeof__(x))(a) - 1)) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a) - 1)) == 0)
#define IS_POWER_OF_2(x) ((x) != 0 && (((x) & ((x) - 1)) == 0))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define BIT(n) (1UL << (n))
#define BIT64(n) (1ULL << (n))

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

#define CACHE_LINE 64
#define __cacheline_aligned __attribute__((aligned(CACHE_LINE)))
#define __must_check __attribute__((warn_unused_result))
#define __printf_like(fmt, args) __attribute__((format(printf, fmt, args)))
// C libraries have private macros of these names with the same meaning.
#undef __always_inline
#undef __unused

// C libraries' <sys/cdefs.h> may have these already; ours mean the same.
#undef __noinline
#undef __always_inline
#undef __unused
#define __noinline __attribute__((noinline))
#define __always_inline inline __attribute__((always_inline))
#define __unused __attribute__((unused))

// Places an object in the linker table `name`; read it with TABLE_FOREACH. The section is
// gathered by the linker script between __start_table_<name> and __stop_table_<name>. The
// alignment, that of its pointers, keeps compilers from choosing a larger one, which would leave
// gaps.
#define TABLE_ENTRY(name) \
    __attribute__((used, retain, section("table_" #name), aligned(sizeof(void *))))
#define TABLE_DECLARE(type, name) extern const type __start_table_##name[], __stop_table_##name[]
#define TABLE_FOREACH(type, it, name) \
    for (const type *it = __start_table_##name; it < __stop_table_##name; it++)

// Integers in a stated byte order: one-member structs, so that mixing them does not compile.
typedef struct {
    uint16_t raw;
} be16_t;
typedef struct {
    uint32_t raw;
} be32_t;
typedef struct {
    uint64_t raw;
} be64_t;
typedef struct {
    uint16_t raw;
} le16_t;
typedef struct {
    uint32_t raw;
} le32_t;
typedef struct {
    uint64_t raw;
} le64_t;

// All machines are little endian (a build for another would stop at the assertion in
// core/lib/string.c).
static inline uint16_t be16_get(be16_t v) { return __builtin_bswap16(v.raw); }
static inline uint32_t be32_get(be32_t v) { return __builtin_bswap32(v.raw); }
static inline uint64_t be64_get(be64_t v) { return __builtin_bswap64(v.raw); }
static inline be16_t be16_make(uint16_t v) { return (be16_t){__builtin_bswap16(v)}; }
static inline be32_t be32_make(uint32_t v) { return (be32_t){__builtin_bswap32(v)}; }
static inline be64_t be64_make(uint64_t v) { return (be64_t){__builtin_bswap64(v)}; }
static inline uint16_t le16_get(le16_t v) { return v.raw; }
static inline uint32_t le32_get(le32_t v) { return v.raw; }
static inline uint64_t le64_get(le64_t v) { return v.raw; }
static inline le16_t le16_make(uint16_t v) { return (le16_t){v}; }
static inline le32_t le32_make(uint32_t v) { return (le32_t){v}; }
static inline le64_t le64_make(uint64_t v) { return (le64_t){v}; }
