// SPDX-License-Identifier: BSD-2-Clause
//
// The C library's allocation functions on the kernel's allocators: kmalloc up to 32 KiB, whole
// pages above. A large object is a block of pages where that fits well, else an area of single
// pages; the address tells which, so nothing stands in front of an object. All of it is charged to
// the account "app" (mm/account.h), and goes back to the page allocator when it is freed.
//
// Any thread, any number of them. Names and results: C11 section 7.22.3, POSIX.1-2017 for
// posix_memalign, and malloc.h of newlib for the rest. Of newlib's own allocator nothing may be
// linked; there is no _sbrk, so that whatever name would bring it in is an error at the link.

#include <errno.h>
#include <malloc.h>
#include <reent.h>
#include <stdlib.h>
#include <string.h>

#include "mm/account.h"
#include "mm/page_alloc.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define MALLOC_ALIGN 16u // of long double (AAPCS64 and the others: quad precision)
#define OBJECT_MAX ((size_t)PTRDIFF_MAX)

static MEM_ACCOUNT(app, "app");
// GFP_KERNEL and the account's index, which takes a division; 0: not worked out yet.
static unsigned app_gfp;

static __always_inline unsigned gfp_of_app(void)
{
    if (unlikely(!app_gfp))
        app_gfp = GFP_KERNEL | GFP_ACCOUNT(app);
    return app_gfp;
}

static size_t round_up_power(size_t bytes)
{
    return bytes <= 1 ? 1 : (size_t)1 << (64 - __builtin_clzl(bytes - 1));
}

static void *no_memory(void)
{
    _REENT_ERRNO(__getreent()) = ENOMEM;
    return NULL;
}

// A block has a power of two of pages: taken when no more than a quarter of it would be idle.
static bool fits_block(size_t bytes)
{
    return bytes <= KMALLOC_MAX && bytes >= round_up_power(bytes) / 4 * 3;
}

// Classes and blocks of a power of two are aligned by nature, areas to a page or as asked for.
// Memory may be too scattered for the slab or the block, but enough in single pages; and the other
// way round for address space.
static void *any_alloc(size_t bytes, size_t align, unsigned gfp)
{
    void *object = NULL;
    size_t size = MAX(bytes, align);
    const bool pages = size > PAGE_SIZE; // would do
    if (size <= KMALLOC_SLAB_MAX || fits_block(size)) {
        size_t whole = align > MALLOC_ALIGN ? round_up_power(size) : size;
        object = whole <= KMALLOC_MAX ? kmalloc(whole, gfp) : NULL;
    }
    return object || !pages ? object : vmalloc_aligned(MAX(bytes, 1), align, gfp);
}

// What free() has left in caches counts as ours: over a limit it must make room for other sizes.
static void let_go(void)
{
    slab_drain();
    vmalloc_purge();
}

// What kmalloc alone does not do, or did not have. align: a power of two, at least MALLOC_ALIGN.
static __noinline void *allocate_slowly(size_t bytes, size_t align, unsigned zero)
{
    if (bytes > OBJECT_MAX || align > OBJECT_MAX)
        return no_memory();
    void *object = any_alloc(bytes, align, gfp_of_app() | zero);
    if (!object && account_app.limit) {
        let_go();
        object = any_alloc(bytes, align, gfp_of_app() | zero);
    }
    return object ? object : no_memory();
}

static __always_inline void *allocate(size_t bytes, unsigned zero)
{
    if (likely(bytes <= KMALLOC_SLAB_MAX)) {
        void *object = kmalloc(MAX(bytes, (size_t)MALLOC_ALIGN), gfp_of_app() | zero);
        if (likely(object))
            return object;
    }
    return allocate_slowly(bytes, MALLOC_ALIGN, zero);
}

void *malloc(size_t bytes) { return allocate(bytes, 0); }

void *calloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return no_memory();
    return allocate(total, GFP_ZERO);
}

// NULL is no vmalloc address, and kfree accepts it.
void free(void *object)
{
    if (unlikely(vmalloc_contains(object)))
        vfree(object);
    else
        kfree(object);
}

size_t malloc_usable_size(void *object)
{
    return vmalloc_contains(object) ? vmalloc_size(object) : ksize(object);
}

// True when the object may stay where it is: large enough, not wasting more than three quarters.
static bool can_stay(size_t have, size_t bytes)
{
    return bytes <= have && (bytes >= have / 4 || have <= 64);
}

void *realloc(void *object, size_t bytes)
{
    if (!object)
        return malloc(bytes);
    size_t have = malloc_usable_size(object);
    if (can_stay(have, bytes))
        return object;
    void *moved = malloc(bytes);
    if (!moved)
        return bytes <= have ? object : NULL; // to shrink never fails
    memcpy(moved, object, MIN(bytes, have));
    free(object);
    return moved;
}

// ---- alignment -------------------------------------------------------------------------------

static void *aligned(size_t bytes, size_t align)
{
    return align <= MALLOC_ALIGN ? malloc(bytes) : allocate_slowly(bytes, align, 0);
}

void *memalign(size_t align, size_t bytes)
{
    if (!IS_POWER_OF_2(align)) {
        _REENT_ERRNO(__getreent()) = EINVAL;
        return NULL;
    }
    return aligned(bytes, align);
}

// C11 wants a size that is a multiple of the alignment; any other is served as well (C17).
void *aligned_alloc(size_t align, size_t bytes) { return memalign(align, bytes); }

// errno stays as it was.
int posix_memalign(void **out, size_t align, size_t bytes)
{
    if (!IS_POWER_OF_2(align) || align < sizeof(void *))
        return EINVAL;
    int *error = &_REENT_ERRNO(__getreent()), before = *error;
    void *object = aligned(bytes, align);
    *error = before;
    if (!object)
        return ENOMEM;
    *out = object;
    return 0;
}

void *valloc(size_t bytes) { return aligned(bytes, PAGE_SIZE); }

void *pvalloc(size_t bytes)
{
    return bytes > OBJECT_MAX ? no_memory() : aligned(ALIGN_UP(bytes, PAGE_SIZE), PAGE_SIZE);
}

// ---- the heap as a whole ---------------------------------------------------------------------

// What is kept for the next allocation becomes free pages. Says whether anything did.
int malloc_trim(size_t pad)
{
    (void)pad; // of the top of a heap that does not exist
    uint64_t before = account_app.used;
    let_go();
    page_drain();
    return account_app.used < before;
}

// Charged pages; how much of the slabs among them is idle is known by slab only (`show memory`).
struct mallinfo mallinfo(void)
{
    return (struct mallinfo){.arena = account_app.used, .uordblks = account_app.used};
}

// No parameter exists; 0 is the answer for that.
int mallopt(int parameter, int value)
{
    (void)parameter, (void)value;
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
