// SPDX-License-Identifier: BSD-2-Clause
//
// Between the files of the sanitizer, all of which are compiled without it. Shadow is kept for the
// image (a static part of it, mapped by early_map.c), for RAM in the linear map (from kasan_init
// on), and for what kasan_map_area() was told in the windows of vmalloc and per-CPU data, in pages
// that cover SHADOW_SPAN bytes each. Everything else (devices, descriptors) is not checked.

#pragma once

#include "arch/layout.h"
#include "mm/kasan.h"

_Static_assert(ARCH_KASAN_OFFSET == KASAN_SHADOW_OFFSET, "layout.h and the machine's .mk differ");

#define GRANULE 8UL                       // bytes that a shadow byte stands for
#define SHADOW_SPAN (PAGE_SIZE * GRANULE) // bytes that a page of shadow stands for

// What the compilers write into the shadow of a frame.
enum { STACK_LEFT = 0xf1, STACK_MIDDLE = 0xf2, STACK_RIGHT = 0xf3, STACK_SCOPE = 0xf8 };

extern bool kasan_active; // checks are on

// The shadow byte of an address, which need not be mapped: < 0: none of the 8 bytes may be touched,
// 0: all, n: the first n.
static inline int8_t *shadow_of(uintptr_t addr)
{
    if (addr - ARCH_LINEAR_BASE < ARCH_LINEAR_BYTES)
        return (int8_t *)(ARCH_KASAN_LINEAR + (addr - ARCH_LINEAR_BASE) / GRANULE);
    return (int8_t *)(addr / GRANULE + ARCH_KASAN_OFFSET);
}

// Whether shadow is kept for an address outside the image.
bool shadow_is_mapped(uintptr_t addr);

extern char __image_start[], __image_end[];
static inline bool shadow_exists(uintptr_t addr)
{
    return addr - (uintptr_t)__image_start < (uintptr_t)(__image_end - __image_start) ||
           shadow_is_mapped(addr);
}

// The first byte of [addr, addr+bytes) that must not be touched; 0: all may be.
uintptr_t shadow_first_bad(uintptr_t addr, size_t bytes);

// Checks an access and reports a bad one; `pc` is the return address into the code that makes it.
void kasan_check(uintptr_t addr, size_t bytes, bool write, const void *pc);
void kasan_report(uintptr_t addr, size_t bytes, bool write, uintptr_t bad, const void *pc);

// What the compilers say of a global object.
struct kasan_global {
    const void *start;
    size_t bytes, bytes_with_redzone;
    const char *name, *file;
    uintptr_t has_dynamic_init;
    const void *location, *odr_indicator;
};
// The registered object nearest to an address; NULL when there is none.
const struct kasan_global *kasan_global_near(uintptr_t addr);

void kasan_quarantine_init(uint64_t ram_bytes);
