// SPDX-License-Identifier: BSD-2-Clause
//
// Slab and kmalloc on the real page allocator, against a list of what is handed out: contents,
// alignment, sizes, no object twice, pages given back, lack of memory, bad frees.
//
// unit-sources: mm/slab.c tests/unit/mm_ram.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/buddy.h"
#include "mm/slab.h"
#include "mm_ram.h"

#define OBJECTS_MAX 4000

struct object {
    unsigned char *va;
    size_t bytes;
    unsigned char tag;
    struct slab_cache *cache; // NULL: kmalloc
};

static struct object objects[OBJECTS_MAX];
static size_t object_count;
static struct slab_cache *cache_24, *cache_320, *cache_aligned;

static int start(void **state)
{
    (void)state;
    mm_ram_reset();
    mm_ram_add(0x40000000, MIB(32));
    mm_ram_start();
    if (slab_init())
        return -1;
    cache_24 = slab_cache_create("test-24", 20, 0);
    cache_320 = slab_cache_create("test-320", 320, 64);
    cache_aligned = slab_cache_create("test-aligned", 700, 512);
    return cache_24 && cache_320 && cache_aligned ? 0 : -1;
}

static uint64_t free_bytes(void)
{
    struct buddy_stats stats;
    buddy_get_stats(&stats);
    return stats.free_bytes;
}

static size_t objects_used(size_t *slabs)
{
    struct slab_stats stats;
    size_t used = 0;
    *slabs = 0;
    for (unsigned i = 0; slab_get_stats(i, &stats); i++) {
        assert_true(stats.objects_used <= stats.objects_total);
        assert_int_equal(stats.objects_total, stats.pages * (PAGE_SIZE / stats.object_bytes));
        used += stats.objects_used;
        *slabs += stats.pages;
    }
    return used;
}

// ---- The list of objects ---------------------------------------------------------------------

// ASan does not know the slab's borders, so the whole object is filled and checked.
static void add_object(void *va, size_t bytes, struct slab_cache *cache)
{
    static unsigned char tag;
    objects[object_count++] = (struct object){va, bytes, ++tag, cache};
    memset(va, tag, bytes);
}

static void check_object(const struct object *object)
{
    for (size_t i = 0; i < object->bytes; i++) {
        if (object->va[i] != object->tag)
            fail_msg("byte %zu of %zu is not ours any more", i, object->bytes);
    }
}

static void free_object(size_t index)
{
    struct object object = objects[index];
    check_object(&object);
    if (object.cache && object.tag % 2)
        slab_free(object.cache, object.va);
    else
        kfree(object.va); // by the address alone
    objects[index] = objects[--object_count];
}

static void free_all(void)
{
    while (object_count)
        free_object(object_count - 1);
}

// ---- Tests -----------------------------------------------------------------------------------

static void classes(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= 5000; bytes++) {
        void *object = kmalloc(bytes, GFP_KERNEL);
        size_t usable = ksize(object), power = 8;
        while (power < bytes)
            power *= 2;
        assert_int_equal(usable, power);
        assert_true(IS_ALIGNED((uintptr_t)object, MIN(power, PAGE_SIZE)));
        memset(object, 0xee, usable);
        kfree(object);
    }
    void *large = kmalloc(MIB(4), GFP_KERNEL);
    assert_int_equal(ksize(large), MIB(4));
    kfree(large);
    assert_null(kmalloc(MIB(4) + 1, GFP_KERNEL));
    assert_null(kmalloc(SIZE_MAX, GFP_KERNEL));
    kfree(NULL);
    void *a = kmalloc(0, GFP_KERNEL), *b = kmalloc(0, GFP_KERNEL);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    kfree(a);
    kfree(b);
}

static void zeroing(void **state)
{
    (void)state;
    for (size_t bytes = 8; bytes <= KIB(16); bytes *= 2) {
        unsigned char *dirty = kmalloc(bytes, GFP_KERNEL);
        memset(dirty, 0xff, bytes);
        kfree(dirty);
        unsigned char *clean = kcalloc(bytes / 4, 4, GFP_ATOMIC);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(clean[i], 0);
        kfree(clean);
    }
    assert_null(kcalloc(SIZE_MAX / 2, 3, GFP_KERNEL));
    assert_null(kcalloc(1ULL << 32, 1ULL << 32, GFP_KERNEL));
}

static void realloc_keeps_contents(void **state)
{
    uint64_t seed = 5;
    unsigned char *object = NULL;
    size_t have = 0;
    (void)state;
    for (unsigned step = 0; step < 3000; step++) {
        size_t bytes = 1 + mm_ram_random(&seed) % (step % 7 ? 3000 : 40000);
        unsigned char *moved = krealloc(object, bytes, GFP_KERNEL);
        assert_non_null(moved);
        assert_true(ksize(moved) >= bytes);
        for (size_t i = 0; i < MIN(have, bytes); i++)
            assert_int_equal(moved[i], (unsigned char)(i * 7 + 1));
        for (size_t i = 0; i < bytes; i++)
            moved[i] = (unsigned char)(i * 7 + 1);
        object = moved;
        have = bytes;
    }
    assert_null(krealloc(object, MIB(4) + 1, GFP_KERNEL)); // and the old one is still there
    assert_int_equal(object[have - 1], (unsigned char)((have - 1) * 7 + 1));
    object = krealloc(object, 8, GFP_KERNEL);
    assert_int_equal(ksize(object), 8); // shrinking gives memory back
    kfree(object);
}

static void named_caches(void **state)
{
    struct slab_stats stats;
    unsigned i = 0;
    (void)state;
    void *a = slab_alloc(cache_24, GFP_KERNEL), *b = slab_alloc(cache_24, GFP_KERNEL);
    assert_int_equal((char *)b - (char *)a, 24); // 20 rounded up to the alignment of 8
    void *c = slab_alloc(cache_aligned, GFP_ZERO);
    assert_true(IS_ALIGNED((uintptr_t)c, 512));
    while (slab_get_stats(i, &stats) && strcmp(stats.name, "test-24"))
        i++;
    assert_int_equal(stats.objects_used, 2);
    assert_int_equal(stats.pages, 1);
    slab_free(cache_24, a);
    slab_free(cache_24, b);
    slab_free(cache_aligned, c);
    assert_null(slab_cache_create("large", PAGE_SIZE / 2 + 1, 0));
    assert_null(slab_cache_create("odd", 64, 24));
    assert_null(slab_cache_create("wide", 64, PAGE_SIZE));
}

static void bad_frees_are_ignored(void **state)
{
    size_t slabs;
    char local[64];
    (void)state;
    char *object = kmalloc(64, GFP_KERNEL), *other = slab_alloc(cache_24, GFP_KERNEL);
    char *large = kmalloc(KIB(16), GFP_KERNEL), *pages = buddy_alloc(1, GFP_KERNEL);
    size_t used = objects_used(&slabs);
    kfree(object + 8);        // inside an object
    kfree(object + 64 * 10);  // never handed out
    kfree(large + PAGE_SIZE); // inside a block
    kfree(large + 16);
    kfree(pages);                // not kmalloc's
    kfree(local);                // not RAM of ours
    slab_free(cache_320, other); // another cache's
    slab_free(cache_24, pages);
    slab_free(cache_24, NULL);
    assert_int_equal(objects_used(&slabs), used);
    buddy_free(pages, 1);
    kfree(large);
    kfree(object);
    kfree(other);
}

static void *random_object(uint64_t random)
{
    static const size_t sizes[] = {8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 20000};
    struct slab_cache *const caches[] = {cache_24, cache_320, cache_aligned};
    static const size_t cache_bytes[] = {20, 320, 700};
    size_t bytes = 1 + (random >> 8) % sizes[(random >> 32) % ARRAY_SIZE(sizes)];
    struct slab_cache *cache = NULL;
    void *va;
    if (random % 3 == 0) {
        unsigned which = (random >> 32) % ARRAY_SIZE(caches);
        cache = caches[which];
        bytes = cache_bytes[which];
        va = slab_alloc(cache, GFP_ATOMIC);
    } else {
        va = kmalloc(bytes, random & 8 ? GFP_KERNEL : GFP_ATOMIC);
    }
    if (va)
        add_object(va, bytes, cache);
    return va;
}

static void torture(void **state)
{
    uint64_t seed = 0x123456789abcdef, before = free_bytes();
    size_t slabs, slabs_before, used_before = objects_used(&slabs_before);
    (void)state;
    for (unsigned step = 0; step < 200000; step++) {
        uint64_t random = mm_ram_random(&seed);
        bool grow = random % 1000 < (step / 10000 % 2 ? 300 : 700);
        if (object_count && (!grow || object_count == OBJECTS_MAX))
            free_object((random >> 20) % object_count);
        else
            assert_non_null(random_object(random >> 4));
    }
    free_all();
    assert_int_equal(objects_used(&slabs), used_before);
    // One empty slab a cache may stay.
    assert_in_range(slabs, slabs_before, 12);
    assert_int_equal(free_bytes() + slabs * PAGE_SIZE, before + slabs_before * PAGE_SIZE);
}

static bool slab_alloc_into_list(struct slab_cache *cache)
{
    void *va = slab_alloc(cache, GFP_ATOMIC);
    if (va)
        add_object(va, 320, cache);
    return va;
}

static void exhaustion_and_recovery(void **state)
{
    uint64_t before = free_bytes();
    void **chain = NULL, **next;
    size_t count = 0, slabs, slabs_before;
    (void)state;
    objects_used(&slabs_before);
    while ((next = kmalloc(2048, GFP_KERNEL))) {
        *next = chain;
        chain = next;
        count++;
    }
    assert_true(count * 2048 > MIB(31));
    assert_null(kmalloc(KIB(8), GFP_ATOMIC));
    while (slab_alloc_into_list(cache_320)) // its empty slab has room for some
        assert_true(object_count <= PAGE_SIZE / 320);
    free_all();
    unsigned char *object = (unsigned char *)chain;
    assert_null(krealloc(object, 2049, GFP_KERNEL));
    for (; chain; chain = next) {
        next = *chain;
        kfree(chain);
    }
    objects_used(&slabs);
    // All is back but for the descriptors of 8 chunks, the stock and an empty slab a cache.
    assert_true(free_bytes() + (8 * 8 + 16 + 12) * PAGE_SIZE > before);
    object = kmalloc(MIB(2), GFP_KERNEL);
    assert_non_null(object);
    kfree(object);
}

// What must lie low gets pages of its own, whatever its size.
static void dma32(void **state)
{
    (void)state;
    void *object = kmalloc(100, GFP_DMA32 | GFP_ZERO);
    assert_int_equal(ksize(object), PAGE_SIZE);
    kfree(object);
}

static void cache_limit(void **state)
{
    unsigned made = 0;
    (void)state;
    while (made < 100 && slab_cache_create("many", 48, 0))
        made++;
    assert_in_range(made, 32, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(zeroing),
        cmocka_unit_test(named_caches),
        cmocka_unit_test(realloc_keeps_contents),
        cmocka_unit_test(bad_frees_are_ignored),
        cmocka_unit_test(torture),
        cmocka_unit_test(dma32),
        cmocka_unit_test(exhaustion_and_recovery),
        cmocka_unit_test(cache_limit),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
