// SPDX-License-Identifier: BSD-2-Clause
//
// Memory on the real page tables: sizes, areas that are apart, what is protected.

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "mm/pagetable.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "platform/platform.h"
#include "tests/guest/guest.h"

static bool kmalloc_sizes(void)
{
    for (size_t bytes = 1; bytes <= MIB(1); bytes = bytes * 3 / 2 + 1) {
        uint8_t *a = kmalloc(bytes, GFP_ZERO), *b = kmalloc(bytes, GFP_KERNEL);
        CHECK(a && b && a != b);
        CHECK(a[0] == 0 && a[bytes - 1] == 0);
        memset(b, 0xff, bytes);
        CHECK(a[bytes - 1] == 0);
        CHECK(ksize(a) >= bytes);
        kfree(a);
        kfree(b);
    }
    return true;
}

static bool vmalloc_guards(void)
{
    size_t bytes = 5 * PAGE_SIZE;
    char *area = vmalloc(bytes, GFP_ZERO);
    paddr_t pa;
    enum page_prot prot;
    CHECK(area);
    CHECK(pagetable_translate((uintptr_t)area, &pa, &prot) == 0 && prot == PROT_RW);
    CHECK(pagetable_translate((uintptr_t)area - 1, &pa, &prot) == -EFAULT);
    CHECK(pagetable_translate((uintptr_t)area + bytes, &pa, &prot) == -EFAULT);
    memset(area, 1, bytes);
    vfree(area);
    CHECK(pagetable_translate((uintptr_t)area, &pa, &prot) == -EFAULT);
    return true;
}

// A TLB may hold a page together with its neighbour, the hole beside it as well: a page mapped into
// a hole must be there even when all around it is in use.
static bool page_into_hole(void)
{
    enum { PAGES = 4 };
    char *area = vmalloc(PAGES * PAGE_SIZE, 0);
    CHECK(area);
    for (unsigned hole = 0; hole < PAGES; hole++) {
        volatile char *page = area + hole * PAGE_SIZE;
        paddr_t pa;
        enum page_prot prot;
        CHECK(pagetable_translate((uintptr_t)page, &pa, &prot) == 0);
        CHECK(pagetable_unmap((uintptr_t)page, PAGE_SIZE) == 0);
        for (unsigned i = 0; i < PAGES; i++) {
            if (i != hole)
                ((volatile char *)area)[i * PAGE_SIZE] = 1;
        }
        CHECK(pagetable_map((uintptr_t)page, pa, PAGE_SIZE, PROT_RW) == 0);
        *page = 2;
        CHECK(*page == 2);
    }
    vfree(area);
    return true;
}

extern char __text_start[], __rodata_start[], __data_start[];

// What is read-only at its link address is so in the linear map, unless that is a window without
// tables: nothing can protect what is seen through one.
static bool alias_is_protected(paddr_t pa)
{
    struct linear_start start;
    enum page_prot prot;
    platform_linear_start(&start);
    return !start.span_bytes ||
           (pagetable_translate((uintptr_t)linear_va(pa), &pa, &prot) == 0 && prot == PROT_RO);
}

static bool image_protection(void)
{
    paddr_t pa;
    enum page_prot prot;
    CHECK(pagetable_translate((uintptr_t)__text_start, &pa, &prot) == 0 && prot == PROT_RX);
    CHECK(alias_is_protected(pa));
    CHECK(pagetable_translate((uintptr_t)__rodata_start, &pa, &prot) == 0 && prot == PROT_RO);
    CHECK(alias_is_protected(pa));
    CHECK(pagetable_translate((uintptr_t)__data_start, &pa, &prot) == 0 && prot == PROT_RW);
    CHECK(pagetable_translate(0, &pa, &prot) == -EFAULT);
    return true;
}

static bool malloc_gives_back(void)
{
    struct page_stats before, after;
    page_get_stats(&before);
    for (int round = 0; round < 50; round++) {
        char *p = malloc(100000);
        CHECK(p);
        p = realloc(p, 300000);
        CHECK(p);
        free(p);
    }
    malloc_trim(0);
    page_get_stats(&after);
    CHECK(after.free_bytes + KIB(64) >= before.free_bytes);
    errno = 0;
    void *volatile huge = malloc((size_t)1 << 40); // volatile: compilers know malloc, and guess
    CHECK(huge == NULL && errno == ENOMEM);
    return true;
}

const struct guest_test memory_tests[] = {
    {"kmalloc sizes", kmalloc_sizes},         {"vmalloc guards", vmalloc_guards},
    {"image protection", image_protection},   {"page into a hole", page_into_hole},
    {"malloc gives back", malloc_gives_back}, {NULL, NULL},
};
