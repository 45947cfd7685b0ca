// SPDX-License-Identifier: BSD-2-Clause
//
// kmalloc on the real page allocator, against a list of what is handed out: a million operations
// over all classes, accounts and caches on two CPUs, with contents checked; sizes and alignment,
// accounts and their limits, blocks and areas, krealloc, free after a grace period.
//
// unit-sources: tests/unit/mm_slab.c tests/unit/mm_ram.c tests/unit/fake_percpu.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_percpu.h"
#include "host.h"
#include "mm/account.h"
#include "mm/slab_internal.h"
#include "mm_ram.h"
#include "mm_slab.h"

#define OBJECTS_MAX 4000
#define STEPS 1000000

static MEM_ACCOUNT(other, "other");

struct object {
    unsigned char *va;
    size_t bytes;
    unsigned char tag;
    struct slab_cache *cache; // NULL: kmalloc
};

static struct object objects[OBJECTS_MAX];
static size_t object_count;
static struct slab_cache *caches[3];
static const size_t cache_bytes[] = {20, 320, 700};

static void restart(void)
{
    mm_ram_reset();
    mm_ram_add(0x40000000, MIB(64));
    mm_ram_start();
    fake_percpu_start(2);
    mm_slab_reset();
    assert_int_equal(slab_init(), 0);
    object_count = 0;
}

static int start(void **state)
{
    (void)state;
    restart();
    caches[0] = slab_cache_create("test-20", 20, 0, 0, NULL);
    caches[1] = slab_cache_create("test-320", 320, 64, GFP_ACCOUNT(other), NULL);
    caches[2] = slab_cache_create("test-700", 700, 512, 0, NULL);
    return caches[0] && caches[1] && caches[2] ? 0 : -1;
}

static uint64_t free_bytes(void)
{
    struct page_stats stats;
    page_get_stats(&stats);
    return stats.free_bytes;
}

static size_t objects_used(void)
{
    struct slab_stats stats;
    size_t used = 0;
    for (unsigned i = 0; slab_get_stats(i, &stats); i++)
        used += stats.name && strcmp(stats.name, "slab-cache") ? stats.objects_used : 0;
    return used;
}

static void drain_all(void)
{
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        fake_cpu(1 - cpu);
        slab_drain();
        page_drain();
    }
}

// ---- The list of objects ---------------------------------------------------------------------

// Each 61 bytes and at both ends: what somebody else writes there shows.
static void paint(const struct object *object)
{
    for (size_t i = 0; i < object->bytes; i += 61)
        object->va[i] = object->tag;
    object->va[object->bytes - 1] = object->tag;
}

static void check_object(const struct object *object)
{
    bool ok = object->va[object->bytes - 1] == object->tag;
    for (size_t i = 0; i < object->bytes && ok; i += 61)
        ok = object->va[i] == object->tag;
    if (!ok)
        fail_msg("object of %zu bytes is not ours any more", object->bytes);
}

static void add_object(void *va, size_t bytes, struct slab_cache *cache)
{
    static unsigned char tag;
    struct object *object = &objects[object_count++];
    *object = (struct object){va, bytes, ++tag, cache};
    if (bytes > 200)
        paint(object);
    else
        memset(va, object->tag, bytes); // all of it
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

// ---- Sizes -----------------------------------------------------------------------------------

static size_t class_bytes(size_t bytes)
{
    size_t power = 8;
    if (bytes > 64 && bytes <= 96)
        return 96;
    if (bytes > 128 && bytes <= 192)
        return 192;
    while (power < bytes)
        power *= 2;
    return power;
}

static void classes_by_size(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= 40000; bytes += bytes < 1100 ? 1 : 97) {
        void *object = kmalloc(bytes, GFP_KERNEL);
        size_t usable = ksize(object);
        assert_int_equal(usable, bytes > 32768 ? 65536 : class_bytes(bytes));
        assert_true(IS_ALIGNED((uintptr_t)object, usable % 96 ? usable : 32));
        memset(object, 0xee, usable);
        kfree(object);
    }
    void *a = kmalloc(0, GFP_KERNEL), *b = kmalloc(0, GFP_KERNEL);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    kfree(a);
    kfree(b);
    kfree(NULL);
    assert_int_equal(ksize(NULL), 0);
}

static void blocks_and_areas(void **state)
{
    (void)state;
    void *block = kmalloc(MIB(4), GFP_KERNEL);
    assert_int_equal(ksize(block), MIB(4));
    kfree((char *)block + PAGE_SIZE); // refused
    kfree((char *)block + 16);
    kfree(block);
    assert_null(kmalloc(MIB(4) + 1, GFP_ATOMIC)); // an area may sleep
    assert_null(kmalloc(MIB(4) + 1, GFP_DMA32));
    assert_null(kmalloc(SIZE_MAX, GFP_KERNEL));
    char *area = kmalloc(MIB(5), GFP_KERNEL);
    assert_int_equal(mm_slab_areas(), 1);
    assert_int_equal(ksize(area), MIB(5));
    area[MIB(5) - 1] = 7;
    kfree(area + 64); // refused
    area = krealloc(area, MIB(6), GFP_KERNEL);
    assert_int_equal(area[MIB(5) - 1], 7);
    area = krealloc(area, 100, GFP_KERNEL);
    assert_int_equal(mm_slab_areas(), 0);
    kfree(area);
}

static void zeroing(void **state)
{
    (void)state;
    for (size_t bytes = 8; bytes <= KIB(64); bytes *= 2) {
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
        size_t bytes = 1 + mm_ram_random(&seed) % (step % 7 ? 3000 : 80000);
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
    assert_null(krealloc(object, MIB(20), GFP_KERNEL)); // and the old one is still there
    assert_int_equal(object[have - 1], (unsigned char)((have - 1) * 7 + 1));
    object = krealloc(object, 8, GFP_KERNEL);
    assert_int_equal(ksize(object), 8); // shrinking gives memory back
    object = krealloc(object, 4000, GFP_KERNEL | GFP_ZERO);
    for (size_t i = 8; i < 4000; i++)
        assert_int_equal(object[i], 0);
    kfree(object);
}

// ---- Accounts --------------------------------------------------------------------------------

static void accounts_have_their_own(void **state)
{
    (void)state;
    drain_all();
    uint64_t before = account_mm_ram.used;
    char *mine = kmalloc(100, GFP_KERNEL | GFP_ACCOUNT(mm_ram)), *other = kmalloc(100, 0);
    assert_true(((uintptr_t)mine ^ (uintptr_t)other) >= PAGE_SIZE); // in different slabs
    assert_int_equal(account_mm_ram.used, before + PAGE_SIZE);
    char *block = kmalloc(KIB(100), GFP_KERNEL | GFP_ACCOUNT(mm_ram));
    assert_int_equal(account_mm_ram.used, before + PAGE_SIZE + KIB(128));
    kfree(block);
    kfree(mine);
    kfree(other);
    drain_all();
    assert_int_equal(account_mm_ram.used, before);
}

static void limit_of_an_account(void **state)
{
    static void *held[1000];
    unsigned count = 0;
    (void)state;
    drain_all();
    account_mm_ram.limit = account_mm_ram.used + KIB(64);
    while ((held[count] = kmalloc(1000, GFP_KERNEL | GFP_ACCOUNT(mm_ram))))
        count++;
    assert_in_range(count, 56, 64);
    assert_non_null(held[count] = kmalloc(1000, GFP_KERNEL)); // nobody else notices
    do
        kfree(held[count]);
    while (count--);
    account_mm_ram.limit = 0;
}

static void dma32_has_its_own(void **state)
{
    (void)state;
    mm_ram_reset();
    mm_ram_add(0x40000000, MIB(8));
    mm_ram_add(5ULL << 30, MIB(32));
    mm_ram_start();
    fake_percpu_start(1);
    mm_slab_reset();
    assert_int_equal(slab_init(), 0);
    for (size_t bytes = 8; bytes < KIB(64); bytes = bytes * 3 / 2) {
        void *low = kmalloc(bytes, GFP_DMA32 | GFP_ZERO), *any = kmalloc(bytes, 0);
        assert_true(linear_pa(low) + bytes <= 1ULL << 32);
        assert_true(linear_pa(any) >= 1ULL << 32);
        kfree(low);
        kfree(any);
    }
    start(state);
}

// ---- Wrong and late frees ----------------------------------------------------------------------

static void bad_frees_are_refused(void **state)
{
    char local[64];
    (void)state;
    char *object = kmalloc(64, GFP_KERNEL), *large = kmalloc(KIB(80), GFP_KERNEL);
    char *pages = page_alloc(1, GFP_KERNEL);
    size_t used = objects_used();
    kfree(object + 8); // inside an object
    kfree(object + 1);
    kfree(object + 64 * 60);  // never handed out
    kfree(large + PAGE_SIZE); // inside a block
    kfree(large + 16);
    kfree(pages); // not kmalloc's
    kfree(local); // not RAM of ours
    kfree((void *)(uintptr_t)0xdead);
    assert_int_equal(objects_used(), used);
    assert_int_equal(ksize(object + 8), 0);
    assert_int_equal(ksize(large), KIB(128)); // still there
    page_free(pages, 1);
    kfree(large);
    kfree(large); // a second time: no block any more
    kfree(object);
}

struct small {
    uint64_t data;
    struct rcu_head rcu;
};
struct wide {
    char data[3000];
    struct rcu_head rcu;
    char more[60000];
};

static void free_after_grace(void **state)
{
    (void)state;
    drain_all();
    uint64_t before = free_bytes();
    for (unsigned i = 0; i < 1000; i++) {
        struct small *small = kmalloc(sizeof(*small), GFP_KERNEL);
        kfree_rcu(small, rcu);
    }
    struct wide *wide = kmalloc(sizeof(*wide), GFP_KERNEL);
    kfree_rcu(wide, rcu);
    assert_true(objects_used() >= 1000); // not yet
    assert_int_equal(host_rcu_run(), 1001);
    drain_all();
    assert_int_equal(free_bytes(), before);
    // An offset that cannot be right.
    struct small *small = kmalloc(sizeof(*small), GFP_KERNEL);
    kfree_rcu_at(&small->rcu, 0);
    assert_int_equal(host_rcu_run(), 0);
    kfree(small);
}

// ---- At random -------------------------------------------------------------------------------

static size_t random_bytes(uint64_t random)
{
    static const size_t sizes[] = {8,   16,   32,   64,   96,   128,   192,   256,
                                   512, 1024, 2048, 4096, 8192, 16384, 32768, 50000};
    // Large ones are rare.
    unsigned class = (random >> 32) % (random % 16 ? 11 : ARRAY_SIZE(sizes));
    return 1 + (random >> 8) % sizes[class];
}

static bool random_object(uint64_t random)
{
    struct slab_cache *cache = NULL;
    size_t bytes;
    void *va;
    if (random % 5 == 0) {
        unsigned which = (random >> 32) % ARRAY_SIZE(caches);
        cache = caches[which];
        bytes = cache_bytes[which];
        va = slab_alloc(cache, GFP_ATOMIC);
    } else {
        static const unsigned accounts[] = {0, 1 << GFP_ACCOUNT_SHIFT, 2 << GFP_ACCOUNT_SHIFT};
        bytes = random_bytes(random >> 4);
        va = kmalloc(bytes, (random & 8 ? GFP_KERNEL : GFP_ATOMIC) |
                                accounts[(random >> 24) % ARRAY_SIZE(accounts)]);
    }
    if (va)
        add_object(va, bytes, cache);
    return va;
}

static void random_resize(uint64_t random)
{
    struct object *object = &objects[random % object_count];
    size_t bytes = random_bytes(random >> 3), keep = MIN(bytes, object->bytes);
    if (object->cache)
        return;
    check_object(object);
    unsigned char *moved = krealloc(object->va, bytes, GFP_KERNEL);
    if (!moved)
        return;
    assert_int_equal(moved[0], object->tag);
    assert_int_equal(moved[(keep - 1) / 61 * 61], object->tag);
    object->va = moved;
    object->bytes = bytes;
    paint(object);
    if (bytes <= 200)
        memset(moved, object->tag, bytes);
}

// Grows and shrinks in turns. The sums of all caches match the model on the way.
static void torture(void **state)
{
    uint64_t seed = 0x123456789abcdef;
    (void)state;
    drain_all();
    uint64_t before = free_bytes();
    size_t others = objects_used();
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t random = mm_ram_random(&seed);
        bool grow = random % 1000 < (step / 10000 % 2 ? 300 : 700);
        if (step % 16 == 0)
            fake_cpu(random >> 60 & 1);
        if (object_count && random % 50 == 0)
            random_resize(random >> 10);
        else if (object_count && (!grow || object_count == OBJECTS_MAX))
            free_object((random >> 20) % object_count);
        else
            assert_true(random_object(random >> 4));
        if (step % 50000 == 0) {
            size_t blocks = 0;
            for (size_t i = 0; i < object_count; i++)
                blocks += ksize(objects[i].va) > KMALLOC_SLAB_MAX;
            assert_int_equal(objects_used() - others, object_count - blocks);
        }
    }
    free_all();
    assert_int_equal(objects_used(), others);
    drain_all();
    // What the RAM that was touched for the first time needs for its descriptors stays.
    assert_true(free_bytes() + 16 * 9 * PAGE_SIZE >= before);
    struct slab_stats stats;
    for (unsigned i = 0; slab_get_stats(i, &stats); i++) {
        if (stats.name && strcmp(stats.name, "slab-cache"))
            assert_int_equal(stats.pages, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_by_size),
        cmocka_unit_test(blocks_and_areas),
        cmocka_unit_test(zeroing),
        cmocka_unit_test(realloc_keeps_contents),
        cmocka_unit_test(accounts_have_their_own),
        cmocka_unit_test(limit_of_an_account),
        cmocka_unit_test(dma32_has_its_own),
        cmocka_unit_test(bad_frees_are_refused),
        cmocka_unit_test(free_after_grace),
        cmocka_unit_test(torture),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
