// SPDX-License-Identifier: BSD-2-Clause
//
// What debug builds notice of objects: double free, overrun, use after free, damage behind. Each
// must end in a panic whose report names the object, its size, and who allocated and freed it.
//
// unit-flags: -DDEBUG=1
// unit-sources: tests/unit/mm_slab.c tests/unit/mm_ram.c tests/unit/fake_percpu.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/debug/symbols.h"
#include "fake_percpu.h"
#include "host.h"
#include "mm/fault_inject.h"
#include "mm/kasan.h"
#include "mm/slab_internal.h"
#include "mm_ram.h"
#include "mm_slab.h"

// ---- What a report needs -----------------------------------------------------------------------

static char report[4096];
static jmp_buf panicked;
static const void *failing_site;

void log_write(enum log_level level, const char *fmt, ...)
{
    size_t len = strlen(report);
    va_list args;
    (void)level;
    va_start(args, fmt);
    vsnprintf(report + len, sizeof(report) - len, fmt, args);
    va_end(args);
    strncat(report, "\n", sizeof(report) - strlen(report) - 1);
}

void panic(const char *fmt, ...)
{
    size_t len = strlen(report);
    va_list args;
    va_start(args, fmt);
    vsnprintf(report + len, sizeof(report) - len, fmt, args);
    va_end(args);
    host_irqs_on = true; // the report came from inside
    longjmp(panicked, 1);
}

static void *allocate(size_t bytes);
static void release(void *object);

const char *symbol_lookup(uintptr_t addr, size_t *offset)
{
    *offset = 4;
    if (addr - (uintptr_t)allocate < 200)
        return "allocate";
    return addr - (uintptr_t)release < 200 ? "release" : "somebody";
}

bool fault_inject(const void *site) { return failing_site && site == failing_site; }

static const void *checked_site; // asked whether it may sleep
void gfp_check_context(const void *site)
{
    if (!checked_site)
        checked_site = site;
}

static __noinline void *allocate(size_t bytes)
{
    void *object = kmalloc(bytes, GFP_KERNEL);
    __asm__ volatile("" : "+r"(object));
    return object;
}

static __noinline void release(void *object)
{
    kfree(object);
    __asm__ volatile("");
}

static void restart(void)
{
    mm_ram_reset();
    mm_ram_add(0x40000000, MIB(32));
    mm_ram_start();
    fake_percpu_start(2);
    mm_slab_reset();
    assert_int_equal(slab_init(), 0);
    report[0] = 0;
}

// The statement must panic, with all of these words in the report.
#define MUST_PANIC(statement, ...)                                             \
    do {                                                                       \
        static const char *const words[] = {__VA_ARGS__};                      \
        report[0] = 0;                                                         \
        if (!setjmp(panicked)) {                                               \
            statement;                                                         \
            fail_msg("nobody noticed");                                        \
        }                                                                      \
        for (size_t i_ = 0; i_ < ARRAY_SIZE(words); i_++) {                    \
            if (!strstr(report, words[i_]))                                    \
                fail_msg("'%s' is not in the report:\n%s", words[i_], report); \
        }                                                                      \
    } while (0)

// ---- Tests -----------------------------------------------------------------------------------

static void layout(void **state)
{
    (void)state;
    restart();
    for (size_t bytes = 1; bytes <= 40000; bytes = bytes * 5 / 4 + 1) {
        unsigned char *object = allocate(bytes);
        assert_non_null(object);
        assert_int_equal(ksize(object), bytes);
        size_t align = 8;
        while (align < bytes)
            align *= 2;
        if (bytes <= 64 || (bytes > 96 && bytes <= 128) || (bytes > 192 && bytes <= 32768))
            assert_true(IS_ALIGNED((uintptr_t)object, align));
        if (bytes <= KMALLOC_SLAB_MAX) {
            for (size_t i = 0; i < bytes; i++)
                assert_int_equal(object[i], 0x5a);
        }
        memset(object, 0xff, bytes);
        release(object);
    }
}

static void double_free(void **state)
{
    (void)state;
    restart();
    void *object = allocate(100);
    release(object);
    MUST_PANIC(release(object), "double free", "kmalloc-128", "100 bytes", "allocated by allocate",
               "freed by release", "noticed by release");
}

static void double_free_of_long_ago(void **state)
{
    static void *objects[500];
    (void)state;
    restart();
    for (unsigned i = 0; i < 500; i++)
        objects[i] = allocate(40);
    for (unsigned i = 0; i < 500; i += 2)
        release(objects[i]);
    MUST_PANIC(kfree(objects[0]), "double free", "kmalloc-64", "40 bytes");
}

// One of `bytes`: the first byte behind it is written to.
static void overrun_by_one(size_t bytes)
{
    char number[32];
    snprintf(number, sizeof(number), ", %zu bytes", bytes);
    restart();
    char *object = allocate(bytes);
    object[bytes] = 'X';
    MUST_PANIC(release(object), "overrun", "allocated by allocate", "there stands 58");
    assert_non_null(strstr(report, number));
}

static void overrun(void **state)
{
    static const size_t sizes[] = {1, 8, 13, 64, 90, 96, 100, 128, 192, 1000, 4096, 32768};
    (void)state;
    for (volatile size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        overrun_by_one(sizes[i]);
}

static void written_after_free(unsigned at)
{
    restart();
    char *object = allocate(200);
    release(object);
    object[at] = 7;
    MUST_PANIC(allocate(200), "use after free", "kmalloc-256", "allocated by allocate",
               "freed by release", "noticed by allocate", "07");
}

static void use_after_free(void **state)
{
    (void)state;
    written_after_free(0);
    written_after_free(199);
    written_after_free(255); // behind what was asked for
}

static void damage_behind(void **state)
{
    (void)state;
    restart();
    char *object = allocate(64);
    memset(object + 64, 0, 60); // far beyond
    MUST_PANIC(release(object), "damage behind an object");
    restart();
    object = allocate(64);
    release(object);
    memset(object + 64, 0, 60);
    MUST_PANIC(allocate(64), "damage behind a free object");
}

static void wrong_address(void **state)
{
    (void)state;
    restart();
    char *object = allocate(100);
    MUST_PANIC(kfree(object + 8), "no object");
    MUST_PANIC(kfree(&state), "no object");
}

static void shrunk_in_place(void **state)
{
    (void)state;
    restart();
    char *object = allocate(100);
    assert_ptr_equal(krealloc(object, 50, GFP_KERNEL), object);
    assert_int_equal(ksize(object), 50);
    object[50] = 'X';
    MUST_PANIC(release(object), "overrun", "50 bytes");
}

static void construct(void *object) { *(uint64_t *)object = 0x1234; }

static void constructed_objects(void **state)
{
    (void)state;
    restart();
    struct slab_cache *cache = slab_cache_create("made", 40, 0, 0, construct);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t *object = slab_alloc(cache, GFP_KERNEL);
        assert_int_equal(*object, 0x1234);
        slab_free(cache, object);
    }
    char *object = slab_alloc(cache, GFP_KERNEL);
    object[40] = 1;
    MUST_PANIC(slab_free(cache, object), "overrun", "made", "40 bytes");
}

static void description(void **state)
{
    struct slab_object found;
    (void)state;
    restart();
    checked_site = NULL;
    char *object = allocate(100);
    assert_true(slab_describe(object + 117, &found)); // next to it
    assert_ptr_equal(found.start, object);
    assert_int_equal(found.bytes, 100);
    assert_string_equal(found.cache, "kmalloc-128");
    assert_true((uintptr_t)found.allocated - (uintptr_t)allocate < 200);
    assert_null(found.freed);
    assert_ptr_equal(checked_site, found.allocated);
    release(object);
    assert_true(slab_describe(object, &found));
    assert_true((uintptr_t)found.freed - (uintptr_t)release < 200);
    char *block = allocate(100000);
    assert_true(slab_describe(block + 99999, &found));
    assert_ptr_equal(found.start, block);
    assert_int_equal(found.bytes, 100000);
    kfree(block);
    assert_false(slab_describe(block, &found));
    assert_false(slab_describe(&found, &found));
}

static void failures_on_purpose(void **state)
{
    (void)state;
    restart();
    struct slab_object found;
    slab_describe(allocate(8), &found);
    failing_site = found.allocated; // the site is the allocator's caller
    assert_null(allocate(8));
    void *object = kmalloc(8, GFP_KERNEL); // another site
    assert_non_null(object);
    failing_site = NULL;
    kfree(object);
}

// Everything goes back in a debug build as well.
static void random_use(void **state)
{
    static struct {
        unsigned char *va;
        size_t bytes;
    } held[300];
    uint64_t seed = 99;
    (void)state;
    restart();
    for (unsigned step = 0; step < 100000; step++) {
        uint64_t random = mm_ram_random(&seed);
        unsigned i = random % ARRAY_SIZE(held);
        fake_cpu(random >> 40 & 1);
        if (held[i].va) {
            assert_int_equal(held[i].va[held[i].bytes - 1], (unsigned char)i);
            release(held[i].va);
            held[i].va = NULL;
        } else {
            held[i].bytes = 1 + (random >> 16) % (random % 50 ? 600 : 9000);
            held[i].va = allocate(held[i].bytes);
            memset(held[i].va, i, held[i].bytes);
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(held); i++)
        release(held[i].va);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        fake_cpu(1 - cpu);
        slab_drain();
    }
    struct slab_stats stats;
    for (unsigned i = 1; slab_get_stats(i, &stats); i++)
        assert_int_equal(stats.pages, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),
        cmocka_unit_test(double_free),
        cmocka_unit_test(double_free_of_long_ago),
        cmocka_unit_test(overrun),
        cmocka_unit_test(use_after_free),
        cmocka_unit_test(damage_behind),
        cmocka_unit_test(wrong_address),
        cmocka_unit_test(shrunk_in_place),
        cmocka_unit_test(constructed_objects),
        cmocka_unit_test(description),
        cmocka_unit_test(failures_on_purpose),
        cmocka_unit_test(random_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
