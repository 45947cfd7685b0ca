// SPDX-License-Identifier: BSD-2-Clause
//
// Caches on the real page allocator, with two CPUs and more that the test plays in turn: shapes
// with the values that the reference states, constructors, arrays of CPUs, scattered memory, bad
// frees, everything given back.
//
// unit-sources: tests/unit/mm_slab.c tests/unit/mm_ram.c tests/unit/fake_percpu.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_percpu.h"
#include "mm/account.h"
#include "mm/reclaim.h"
#include "mm/slab_internal.h"
#include "mm_ram.h"
#include "mm_slab.h"

#define OBJECTS_MAX 200000

static void *objects[OBJECTS_MAX];

static void start_with(unsigned cpus, uint64_t ram_bytes)
{
    mm_ram_reset();
    mm_ram_add(0x40000000, ram_bytes);
    mm_ram_start();
    fake_percpu_start(cpus);
    mm_slab_reset();
    assert_int_equal(slab_init(), 0);
}

static int start(void **state)
{
    (void)state;
    start_with(2, MIB(32));
    return 0;
}

static uint64_t free_bytes(void)
{
    struct page_stats stats;
    page_get_stats(&stats);
    return stats.free_bytes;
}

static struct slab_stats stats_of(const char *name)
{
    struct slab_stats stats;
    for (unsigned i = 0; slab_get_stats(i, &stats); i++) {
        if (stats.name && !strcmp(stats.name, name))
            return stats;
    }
    fail_msg("there is no cache %s", name);
    return stats;
}

// What must hold at any time.
static void check_sums(const char *name)
{
    struct slab_stats stats = stats_of(name);
    assert_true(stats.objects_used + stats.objects_cached <= stats.objects_total);
    assert_true(stats.objects_peak >= stats.objects_used);
    assert_true(stats.slabs_partial + stats.slabs_full + stats.slabs_free <= stats.pages);
}

// ---- Shapes ----------------------------------------------------------------------------------

static void orders(void **state)
{
    static const struct {
        unsigned cpus, bytes, order, objects;
    } golden[] = {
        {4, 8, 0, 512},    {4, 64, 0, 64},   {4, 128, 0, 32},  {4, 256, 0, 16},  {4, 512, 1, 16},
        {4, 1024, 2, 16},  {4, 2048, 3, 16}, {4, 4096, 3, 8},  {4, 8192, 3, 4},  {1, 256, 0, 16},
        {1, 512, 0, 8},    {1, 1024, 1, 8},  {1, 2048, 2, 8},  {1, 4096, 3, 8},  {4, 700, 2, 23},
        {4, 3000, 3, 10},  {1, 16384, 3, 2}, {1, 32768, 3, 1}, {1, 36864, 4, 1}, {1, 420, 1, 19},
        {64, 65536, 4, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
        unsigned order = slab_order(golden[i].bytes, golden[i].cpus);
        assert_int_equal(order, golden[i].order);
        assert_int_equal((PAGE_SIZE << order) / golden[i].bytes, golden[i].objects);
    }
}

static void slabs_kept(void **state)
{
    (void)state;
    for (unsigned bytes = 8; bytes <= 1024; bytes *= 2)
        assert_int_equal(slab_min_partial(bytes), 5);
    assert_int_equal(slab_min_partial(4096), 6);
    assert_int_equal(slab_min_partial(32768), 7);
    assert_int_equal(slab_min_partial(1UL << 30), 10);
}

// The multiplication says of every offset what a division says.
static void reciprocals(void **state)
{
    (void)state;
    for (uint32_t stride = 8; stride <= 32768; stride += stride < 4096 ? 8 : 1000) {
        uint32_t inverse, rotate, objects_max = KIB(128) / stride;
        slab_reciprocal(stride, &inverse, &rotate);
        for (uint32_t offset = 0; offset < KIB(128); offset += offset % 64 ? 1 : 31) {
            uint32_t number = slab_quotient(offset, inverse, rotate);
            if (offset % stride)
                assert_true(number >= objects_max);
            else
                assert_int_equal(number, offset / stride);
        }
    }
}

// ---- Caches ----------------------------------------------------------------------------------

static void named_caches(void **state)
{
    struct slab_cache *small = slab_cache_create("test-20", 20, 0, 0, NULL);
    struct slab_cache *aligned = slab_cache_create("test-aligned", 700, 512, 0, NULL);
    (void)state;
    char *a = slab_alloc(small, GFP_KERNEL), *b = slab_alloc(small, GFP_KERNEL);
    assert_int_equal(b - a, 24);
    char *c = slab_alloc(aligned, GFP_ZERO);
    assert_true(IS_ALIGNED((uintptr_t)c, 512));
    for (unsigned i = 0; i < 700; i++)
        assert_int_equal(c[i], 0);
    assert_int_equal(stats_of("test-20").objects_used, 2);
    assert_int_equal(stats_of("test-20").pages, 1);
    slab_free(small, a);
    kfree(b);
    slab_free(aligned, c);
    assert_int_equal(stats_of("test-20").objects_used, 0);
    assert_int_equal(slab_cache_destroy(small), 0);
    assert_int_equal(slab_cache_destroy(aligned), 0);
    assert_null(slab_cache_create("large", KMALLOC_SLAB_MAX + 1, 0, 0, NULL));
    assert_null(slab_cache_create("odd", 64, 24, 0, NULL));
    assert_null(slab_cache_create("wide", 64, 2 * PAGE_SIZE, 0, NULL));
}

struct made {
    uint64_t first, magic;
};
static unsigned constructed;

static void construct(void *object)
{
    *(struct made *)object = (struct made){++constructed, 0xfeedbeef};
}

// Neither the first word nor any other is used for anything else while the object is free.
static void constructor_survives(void **state)
{
    struct slab_cache *cache = slab_cache_create("made", sizeof(struct made), 0, 0, construct);
    (void)state;
    constructed = 0;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            const struct made *made = objects[i] = slab_alloc(cache, GFP_KERNEL);
            assert_int_equal(made->magic, 0xfeedbeef);
            assert_in_range(made->first, 1, constructed);
        }
        for (unsigned i = 0; i < 1000; i++)
            slab_free(cache, objects[(i * 7) % 1000]);
    }
    assert_true(constructed >= stats_of("made").objects_total);
    assert_int_equal(slab_cache_destroy(cache), 0);
}

static void destruction(void **state)
{
    struct slab_cache *cache = slab_cache_create("doomed", 100, 0, 0, NULL);
    size_t percpu = fake_percpu_objects();
    (void)state;
    void *object = slab_alloc(cache, GFP_KERNEL);
    fake_cpu(1);
    void *other = slab_alloc(cache, GFP_KERNEL);
    slab_free(cache, other);
    fake_cpu(0);
    assert_int_equal(slab_cache_destroy(cache), -EBUSY);
    assert_int_equal(stats_of("doomed").objects_used, 1); // and it still works
    slab_free(cache, object);
    assert_int_equal(slab_cache_destroy(cache), 0);
    assert_int_equal(fake_percpu_objects(), percpu - 1);
    // The place is used again.
    struct slab_cache *next = slab_cache_create("next", 100, 0, 0, NULL);
    assert_int_equal(next->index, cache->index);
    assert_int_equal(slab_cache_destroy(next), 0);
}

static void cache_limit(void **state)
{
    static struct slab_cache *made[CACHES_MAX];
    unsigned count = 0;
    (void)state;
    while (count < CACHES_MAX && (made[count] = slab_cache_create("many", 48, 0, 0, NULL)))
        count++;
    assert_in_range(count, 300, CACHES_MAX - 1);
    while (count--)
        assert_int_equal(slab_cache_destroy(made[count]), 0);
}

// ---- Arrays ----------------------------------------------------------------------------------

static void array_is_filled_in_batches(void **state)
{
    struct slab_cache *cache = slab_cache_create("batch", 64, 0, 0, NULL);
    (void)state;
    objects[0] = slab_alloc(cache, GFP_KERNEL);
    assert_int_equal(stats_of("batch").objects_cached, cache->batch - 1);
    size_t out = cache->objects_out;
    for (unsigned i = 1; i < cache->batch; i++)
        objects[i] = slab_alloc(cache, GFP_KERNEL);
    assert_int_equal(cache->objects_out, out); // all of them were in the array
    // Freed last, allocated first.
    slab_free(cache, objects[5]);
    assert_ptr_equal(slab_alloc(cache, GFP_KERNEL), objects[5]);
    for (unsigned i = 0; i < cache->batch; i++)
        slab_free(cache, objects[i]);
    check_sums("batch");
    assert_int_equal(slab_cache_destroy(cache), 0);
}

static void array_is_emptied_in_batches(void **state)
{
    struct slab_cache *cache = slab_cache_create("batch", 64, 0, 0, NULL);
    unsigned count = 3 * cache->limit;
    (void)state;
    for (unsigned i = 0; i < count; i++)
        objects[i] = slab_alloc(cache, GFP_KERNEL);
    for (unsigned i = 0; i < count; i++) {
        slab_free(cache, objects[i]);
        assert_true(stats_of("batch").objects_cached <= cache->limit);
    }
    assert_int_equal(stats_of("batch").objects_used, 0);
    assert_true(stats_of("batch").objects_cached > cache->limit / 2);
    slab_drain();
    assert_int_equal(stats_of("batch").objects_cached, 0);
    assert_int_equal(stats_of("batch").pages, 0);
    assert_int_equal(slab_cache_destroy(cache), 0);
}

// What CPU 0 allocates CPU 1 frees; nothing is lost, and the lock is taken once a batch.
static void producer_and_consumer(void **state)
{
    struct slab_cache *cache = slab_cache_create("ring", 128, 0, 0, NULL);
    unsigned slow = 0;
    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        size_t out = cache->objects_out;
        fake_cpu(0);
        unsigned char *object = slab_alloc(cache, GFP_ATOMIC);
        memset(object, 0xee, 128);
        fake_cpu(1);
        slab_free(cache, object);
        slow += cache->objects_out != out;
    }
    assert_true(slow < 100000 / 16);
    assert_true(stats_of("ring").objects_total < 1000);
    assert_int_equal(stats_of("ring").objects_used, 0);
    slab_drain();
    fake_cpu(0);
    slab_drain();
    assert_int_equal(stats_of("ring").pages, 0);
    assert_int_equal(slab_cache_destroy(cache), 0);
}

// Two CPUs never hold the same object.
static void two_cpus_share_a_cache(void **state)
{
    struct slab_cache *cache = slab_cache_create("two", 40, 0, 0, NULL);
    uint64_t seed = 77;
    unsigned count = 0;
    (void)state;
    for (unsigned step = 0; step < 200000; step++) {
        uint64_t random = mm_ram_random(&seed);
        fake_cpu(random & 1);
        if (count && (random >> 8) % 100 < (step / 20000 % 2 ? 60 : 45)) {
            unsigned i = (random >> 20) % count;
            assert_int_equal(*(uintptr_t *)objects[i], (uintptr_t)objects[i] ^ 1);
            *(uintptr_t *)objects[i] = 0;
            slab_free(cache, objects[i]);
            objects[i] = objects[--count];
        } else {
            uintptr_t *object = objects[count++] = slab_alloc(cache, GFP_KERNEL);
            assert_true(*object != ((uintptr_t)object ^ 1));
            *object = (uintptr_t)object ^ 1;
        }
    }
    assert_int_equal(stats_of("two").objects_used, count);
    check_sums("two");
    while (count)
        slab_free(cache, objects[--count]);
    fake_cpu(0);
    assert_int_equal(slab_cache_destroy(cache), 0);
}

// A cache without arrays works, and gets them when there is memory for them.
static void arrays_come_later(void **state)
{
    (void)state;
    fake_percpu_fail(true);
    struct slab_cache *cache = slab_cache_create("late", 64, 0, 0, NULL);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        fake_cpu(cpu);
        for (unsigned i = 0; i < 500; i++)
            objects[i] = slab_alloc(cache, GFP_KERNEL);
        assert_int_equal(stats_of("late").objects_used, 500);
        assert_int_equal(stats_of("late").objects_cached, 0);
        for (unsigned i = 0; i < 500; i++)
            slab_free(cache, objects[i]);
    }
    fake_percpu_fail(false);
    fake_cpu(0);
    for (unsigned i = 0; i < 100; i++)
        objects[i] = slab_alloc(cache, GFP_KERNEL);
    assert_true(stats_of("late").objects_cached);
    for (unsigned i = 0; i < 100; i++)
        slab_free(cache, objects[i]);
    assert_int_equal(slab_cache_destroy(cache), 0);
}

// ---- Memory ----------------------------------------------------------------------------------

static void free_slabs_are_bounded(void **state)
{
    static const unsigned sizes[] = {64, 256, 1024, 4096, 32768};
    (void)state;
    for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
        struct slab_cache *cache = slab_cache_create("bound", sizes[s], 0, 0, NULL);
        unsigned count = MIN(MIB(10) / sizes[s], 10000);
        for (unsigned i = 0; i < count; i++)
            assert_non_null(objects[i] = slab_alloc(cache, GFP_KERNEL));
        for (unsigned i = 0; i < count; i++)
            slab_free(cache, objects[i]);
        struct slab_stats stats = stats_of("bound");
        assert_true(stats.slabs_free <= slab_min_partial(sizes[s]));
        assert_int_equal(stats.slabs_full * (size_t)cache->objects[1] > stats.objects_cached, 0);
        assert_in_range(stats.objects_peak, count - cache->limit, count);
        assert_int_equal(slab_cache_destroy(cache), 0);
    }
}

static void chain_up(size_t bytes, void ***chain, size_t *count)
{
    void **next;
    while ((next = kmalloc(bytes, GFP_ATOMIC))) {
        *next = *chain;
        *chain = next;
        ++*count;
    }
}

static void unchain(void **chain)
{
    while (chain) {
        void **next = *chain;
        kfree(chain);
        chain = next;
    }
}

static void exhaustion_and_recovery(void **state)
{
    struct slab_cache *cache = slab_cache_create("last", 320, 64, 0, NULL);
    void **chain = NULL;
    size_t count = 0, last = 0;
    (void)state;
    slab_drain();
    page_drain();
    uint64_t before = free_bytes();
    chain_up(2048, &chain, &count);
    chain_up(8, &chain, &count);
    assert_true(count * 2048 > MIB(29));
    assert_null(kmalloc(KIB(8), GFP_ATOMIC));
    while ((objects[last] = slab_alloc(cache, GFP_ATOMIC)))
        last++;
    assert_true(last < 100);
    while (last)
        slab_free(cache, objects[--last]);
    unchain(chain);
    slab_drain();
    page_drain();
    // All is back but for the descriptors of 8 chunks and a stock.
    assert_true(free_bytes() + (8 * 8 + 24) * PAGE_SIZE > before);
    void *block = kmalloc(MIB(2), GFP_KERNEL);
    assert_non_null(block);
    kfree(block);
    assert_int_equal(slab_cache_destroy(cache), 0);
}

// Large slabs are a wish: single pages, all that is left, will do.
static void scattered_memory(void **state)
{
    struct slab_cache *cache = slab_cache_create("odd", 700, 0, 0, NULL);
    static void *pages[MIB(32) / PAGE_SIZE];
    unsigned count = 0, made = 0;
    (void)state;
    assert_true(cache->order > cache->least_order);
    while ((pages[count] = page_alloc(0, GFP_RESERVE)))
        count++;
    for (unsigned i = 0; i < count; i++) {
        if (linear_pa(pages[i]) & PAGE_SIZE)
            page_free(pages[i], 0);
    }
    page_drain();
    for (; made < 1000; made++) {
        assert_non_null(objects[made] = slab_alloc(cache, GFP_KERNEL));
        memset(objects[made], made, 700);
    }
    // Nearly all slabs are single pages.
    assert_true(stats_of("odd").objects_total < stats_of("odd").pages * (PAGE_SIZE / 700) + 30);
    slab_free(cache, (char *)objects[0] + 8); // refused
    assert_int_equal(stats_of("odd").objects_used, made);
    for (unsigned i = 0; i < made; i++) {
        for (unsigned at = 0; at < 700; at += 100)
            assert_int_equal(((unsigned char *)objects[i])[at], i & 0xff);
        slab_free(cache, objects[i]);
    }
    assert_int_equal(stats_of("odd").objects_used, 0);
    for (unsigned i = 0; i < count; i++) {
        if (!(linear_pa(pages[i]) & PAGE_SIZE))
            page_free(pages[i], 0);
    }
    assert_int_equal(slab_cache_destroy(cache), 0);
}

static void shrinker_gives_back(void **state)
{
    struct slab_cache *cache = slab_cache_create("idle", 1024, 0, 0, NULL);
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        objects[i] = slab_alloc(cache, GFP_KERNEL);
    for (unsigned i = 0; i < 200; i++)
        slab_free(cache, objects[i]);
    assert_true(stats_of("idle").pages);
    assert_true(reclaim_run(0));
    assert_int_equal(stats_of("idle").pages, 0);
    assert_int_equal(reclaim_run(0), 0);
    assert_int_equal(slab_cache_destroy(cache), 0);
}

static void account_is_charged(void **state)
{
    unsigned gfp = GFP_ACCOUNT(mm_ram);
    (void)state;
    struct slab_cache *cache = slab_cache_create("mine", 256, 0, gfp, NULL);
    assert_int_equal(account_mm_ram.used, 0);
    void *object = slab_alloc(cache, GFP_KERNEL);
    assert_int_equal(account_mm_ram.used, stats_of("mine").pages * PAGE_SIZE);
    assert_int_equal(stats_of("mine").account, gfp_account(gfp));
    slab_free(cache, object);
    assert_int_equal(slab_cache_destroy(cache), 0);
    assert_int_equal(account_mm_ram.used, 0);
}

static void dma32(void **state)
{
    (void)state;
    mm_ram_reset();
    mm_ram_add(0x40000000, MIB(8));
    mm_ram_add(5ULL << 30, MIB(32));
    mm_ram_start();
    fake_percpu_start(1);
    mm_slab_reset();
    assert_int_equal(slab_init(), 0);
    struct slab_cache *low = slab_cache_create("low", 64, 0, GFP_DMA32, NULL);
    struct slab_cache *any = slab_cache_create("any", 64, 0, 0, NULL);
    void *a = slab_alloc(low, GFP_KERNEL), *b = slab_alloc(any, GFP_KERNEL);
    assert_true(linear_pa(a) < 1ULL << 32);
    assert_true(linear_pa(b) >= 1ULL << 32);
    slab_free(low, a);
    slab_free(any, b);
    start(state);
}

static void bad_frees_are_refused(void **state)
{
    struct slab_cache *cache = slab_cache_create("good", 24, 0, 0, NULL);
    struct slab_cache *other = slab_cache_create("other", 24, 0, 0, NULL);
    char local[64];
    (void)state;
    char *object = slab_alloc(cache, GFP_KERNEL);
    void *pages = page_alloc(1, GFP_KERNEL);
    struct slab_stats before = stats_of("good");
    slab_free(cache, object + 8);        // inside an object
    slab_free(cache, object + 24 * 100); // never left the slab
    slab_free(cache, (void *)(((uintptr_t)object & -PAGE_SIZE) + PAGE_SIZE - 16)); // the rest
    slab_free(other, object);
    slab_free(cache, pages);
    slab_free(cache, NULL);
    slab_free(cache, local);
    slab_free(cache, (void *)(uintptr_t)8);
    struct slab_stats after = stats_of("good");
    assert_memory_equal(&before, &after, sizeof(before));
    page_free(pages, 1);
    slab_free(cache, pages); // a free page
    slab_free(cache, object);
    assert_int_equal(slab_cache_destroy(other), 0);
    assert_int_equal(slab_cache_destroy(cache), 0);
    slab_free(cache, object); // in a slab that is gone
}

// Somebody writes to a freed object, over the chain: what the chain held is lost, and only that.
static void broken_chain(void **state)
{
    struct slab_cache *cache = slab_cache_create("hurt", 64, 0, 0, NULL);
    const unsigned count = cache->objects[1];
    (void)state;
    for (unsigned i = 0; i < count; i++)
        objects[i] = slab_alloc(cache, GFP_KERNEL);
    for (unsigned i = 1; i < count; i++)
        slab_free(cache, objects[i]);
    slab_drain();
    assert_int_equal(stats_of("hurt").slabs_partial, 1);
    for (unsigned i = 1; i < count; i++)
        *(uint64_t *)objects[i] = 0x123456789abcdef0;
    for (unsigned i = 1; i < 4 * count; i++) {
        assert_non_null(objects[i] = slab_alloc(cache, GFP_KERNEL));
        for (unsigned k = 0; k < i; k++)
            assert_ptr_not_equal(objects[k], objects[i]);
    }
    for (unsigned i = 0; i < 4 * count; i++)
        slab_free(cache, objects[i]);
    check_sums("hurt");
    assert_int_equal(stats_of("hurt").objects_used, count - 2); // no one will ever free them
    assert_int_equal(slab_cache_destroy(cache), -EBUSY);
}

// A cache whose objects are in use is found by their addresses at any moment of the attempt.
static void destruction_leaves_what_is_used(void **state)
{
    struct slab_cache *cache = slab_cache_create("busy", 100, 0, 0, NULL);
    (void)state;
    void *object = slab_alloc(cache, GFP_KERNEL), *cached = slab_alloc(cache, GFP_KERNEL);
    slab_free(cache, cached);
    struct slab_stats before = stats_of("busy");
    assert_int_equal(slab_cache_destroy(cache), -EBUSY);
    struct slab_stats after = stats_of("busy");
    assert_memory_equal(&before, &after, sizeof(before)); // CPUs' arrays are theirs
    slab_free(cache, object);
    assert_int_equal(slab_cache_destroy(cache), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders),
        cmocka_unit_test(slabs_kept),
        cmocka_unit_test(reciprocals),
        cmocka_unit_test(named_caches),
        cmocka_unit_test(constructor_survives),
        cmocka_unit_test(destruction),
        cmocka_unit_test(destruction_leaves_what_is_used),
        cmocka_unit_test(cache_limit),
        cmocka_unit_test(array_is_filled_in_batches),
        cmocka_unit_test(array_is_emptied_in_batches),
        cmocka_unit_test(producer_and_consumer),
        cmocka_unit_test(two_cpus_share_a_cache),
        cmocka_unit_test(arrays_come_later),
        cmocka_unit_test(free_slabs_are_bounded),
        cmocka_unit_test(scattered_memory),
        cmocka_unit_test(shrinker_gives_back),
        cmocka_unit_test(account_is_charged),
        cmocka_unit_test(dma32),
        cmocka_unit_test(bad_frees_are_refused),
        cmocka_unit_test(exhaustion_and_recovery),
        cmocka_unit_test(broken_chain),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
