// SPDX-License-Identifier: BSD-2-Clause
//
// The C library's allocation functions on the kernel's allocators. kmalloc's classes are powers of
// two with natural alignment, so they serve every alignment; what is too large for it, or finds
// memory too scattered, comes from vmalloc with a small header in front of the object. The address
// tells which of the two it was.

#include <errno.h>
#include <malloc.h>
#include <reent.h>
#include <stdlib.h>
#include <string.h>

#include "mm/linear.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define MALLOC_ALIGN 16u // of long double (AAPCS64 and the others: quad precision)

// Stands directly in front of an object from vmalloc.
struct area_header {
    void *area;
    size_t bytes; // of the object
};
_Static_assert(sizeof(struct area_header) == MALLOC_ALIGN, "keeps the object aligned");

// Objects of kmalloc are in the linear map, never in the vmalloc window.
static bool in_area(const void *object)
{
    return (uintptr_t)object - ARCH_VMALLOC_BASE < ARCH_VMALLOC_BYTES;
}

static struct area_header *header_of(const void *object)
{
    return (struct area_header *)object - 1;
}

// The start of an area is page-aligned, so an alignment above a page costs at most that much more.
static void *area_alloc(size_t bytes, size_t align, unsigned gfp)
{
    size_t total;
    if (__builtin_add_overflow(bytes, align + sizeof(struct area_header), &total))
        return NULL;
    char *area = vmalloc(total, gfp);
    if (!area)
        return NULL;
    char *object = (char *)ALIGN_UP((uintptr_t)area + sizeof(struct area_header), align);
    *header_of(object) = (struct area_header){area, bytes};
    return object;
}

// The one allocation function behind all names. align: power of two.
static void *allocate(size_t bytes, size_t align, unsigned gfp)
{
    align = MAX(align, (size_t)MALLOC_ALIGN);
    void *object = NULL;
    if (bytes <= PTRDIFF_MAX && align <= PTRDIFF_MAX) {
        // Rounding up to the alignment picks the class that has it by nature.
        object = kmalloc(MAX(bytes, align), gfp);
        if (!object && bytes > PAGE_SIZE)
            object = area_alloc(bytes, align, gfp);
    }
    if (!object)
        _REENT_ERRNO(__getreent()) = ENOMEM;
    return object;
}

void *malloc(size_t bytes) { return allocate(bytes, 0, GFP_KERNEL); }

void *calloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        total = SIZE_MAX; // fails below
    return allocate(total, 0, GFP_KERNEL | GFP_ZERO);
}

// NULL is no vmalloc address, and kfree accepts it.
void free(void *object)
{
    if (in_area(object))
        vfree(header_of(object)->area);
    else
        kfree(object);
}

size_t malloc_usable_size(void *object)
{
    return in_area(object) ? header_of(object)->bytes : ksize(object);
}

// Whether the object may stay where it is: large enough and not wasting more than three quarters.
static bool can_stay(void *object, size_t bytes)
{
    size_t have = malloc_usable_size(object);
    return bytes <= have && (bytes >= have / 4 || have <= 64);
}

void *realloc(void *object, size_t bytes)
{
    if (!object)
        return malloc(bytes);
    if (can_stay(object, bytes))
        return object;
    void *moved = malloc(bytes);
    if (!moved)
        return NULL;
    memcpy(moved, object, MIN(bytes, malloc_usable_size(object)));
    free(object);
    return moved;
}

void *memalign(size_t align, size_t bytes)
{
    if (!IS_POWER_OF_2(align)) {
        _REENT_ERRNO(__getreent()) = EINVAL;
        return NULL;
    }
    return allocate(bytes, align, GFP_KERNEL);
}

// C11 wants a size that is a multiple of the alignment; any other is served as well (C17).
void *aligned_alloc(size_t align, size_t bytes) { return memalign(align, bytes); }

int posix_memalign(void **out, size_t align, size_t bytes)
{
    if (!IS_POWER_OF_2(align) || align < sizeof(void *))
        return EINVAL;
    void *object = allocate(bytes, align, GFP_KERNEL);
    if (!object)
        return ENOMEM;
    *out = object;
    return 0;
}

// ---- newlib's internal names: errno is the calling thread's in any case ------------------------

void *_malloc_r(struct _reent *reent, size_t bytes)
{
    (void)reent;
    return malloc(bytes);
}
void _free_r(struct _reent *reent, void *object)
{
    (void)reent;
    free(object);
}
void *_calloc_r(struct _reent *reent, size_t count, size_t bytes)
{
    (void)reent;
    return calloc(count, bytes);
}
void *_realloc_r(struct _reent *reent, void *object, size_t bytes)
{
    (void)reent;
    return realloc(object, bytes);
}
void *_memalign_r(struct _reent *reent, size_t align, size_t bytes)
{
    (void)reent;
    return memalign(align, bytes);
}
size_t _malloc_usable_size_r(struct _reent *reent, void *object)
{
    (void)reent;
    return malloc_usable_size(object);
}
