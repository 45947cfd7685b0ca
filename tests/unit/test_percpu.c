// SPDX-License-Identifier: BSD-2-Clause
//
// Per-CPU memory with three CPUs: distances of copies, static copies with the linked values, room
// against a model of every granule, callers that cannot wait, lack of memory at each page.
//
// unit-sources: mm/percpu.c
// unit-ldflags: -Wl,--defsym=__percpu_start=arena_static -Wl,--defsym=__percpu_end=arena_end

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "mm/account.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "mm/pagetable.h"
#include "mm/percpu.h"
#include "mm_ram.h"

#define CPUS 3
#define RAM_PAGES 1024
#define GRANULES (PERCPU_ROOM / 16)
#define OBJECTS 200

// The image and, behind it, the places of the other CPUs' static copies: those of cpu_number, which
// is in front of it, as well. The static variables begin in the middle of a page.
#define STATIC_PAGES 2
asm(".bss\n.balign 4096\n.global arena_static, arena_end\n"
    ".skip 1024\narena_static: .skip 5000\narena_end: .skip 4096 * 2 - 6024 + 3 * 16777216\n"
    ".previous");
extern char arena_static[], arena_end[];
char __percpu_pristine[5000];

static int ram_fd = -1;
static long pages_left;
static bool page_is_used[RAM_PAGES];
static unsigned pages_used;
static struct {
    uintptr_t va;
    paddr_t pa;
} maps[RAM_PAGES];

// ---- What percpu.c needs ---------------------------------------------------------------------

void *page_alloc(unsigned order, unsigned gfp)
{
    assert_int_equal(order, 0);
    assert_int_equal(gfp_account(gfp), 1);
    assert_true(host_irqs_on);
    if (pages_left == 0)
        return NULL;
    pages_left -= pages_left > 0;
    for (unsigned i = 0; i < RAM_PAGES; i++) {
        if (!page_is_used[i]) {
            page_is_used[i] = true;
            pages_used++;
            return memset(linear_va(i * PAGE_SIZE), 0xa7, PAGE_SIZE);
        }
    }
    return NULL;
}

void page_free(void *page, unsigned order)
{
    unsigned index = (unsigned)(linear_pa(page) / PAGE_SIZE);
    assert_int_equal(order, 0);
    assert_true(page_is_used[index]);
    page_is_used[index] = false;
    pages_used--;
}

static unsigned map_at(uintptr_t va)
{
    unsigned i = 0;
    while (i < RAM_PAGES && maps[i].va != va)
        i++;
    return i;
}

int pagetable_map(uintptr_t va, paddr_t pa, uint64_t len, enum page_prot prot)
{
    assert_int_equal(len, PAGE_SIZE);
    assert_int_equal(prot, PROT_RW);
    assert_int_equal(map_at(va), RAM_PAGES);
    unsigned i = map_at(0);
    maps[i].va = va;
    maps[i].pa = pa;
    assert_ptr_equal(
        mmap((void *)va, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_fd, (off_t)pa),
        va);
    return 0;
}

int pagetable_unmap(uintptr_t va, uint64_t len)
{
    unsigned i = map_at(va);
    assert_true(i < RAM_PAGES);
    maps[i].va = 0;
    mmap((void *)va, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return 0;
}

int pagetable_translate(uintptr_t va, paddr_t *pa, enum page_prot *prot)
{
    unsigned i = map_at(va);
    if (i == RAM_PAGES)
        return -EFAULT;
    *pa = maps[i].pa;
    *prot = PROT_RW;
    return 0;
}

// ---- Start: once, as in the image; each test leaves no object behind
// -----------------------------

static int start(void **state)
{
    uintptr_t window;
    (void)state;
    ram_fd = memfd_create("ram", 0);
    if (ram_fd < 0 || ftruncate(ram_fd, RAM_PAGES * PAGE_SIZE))
        return -1;
    host_linear_base =
        (uintptr_t)mmap(NULL, RAM_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
    window = (uintptr_t)mmap(NULL, ARCH_VMALLOC_BYTES, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    host_vmalloc_base = window;
    for (char *p = arena_static; p < arena_end; p++)
        *p = (char)(p - arena_static);
    percpu_keep_static();
    memset(arena_static, 0xee, (size_t)(arena_end - arena_static)); // the boot CPU went on
    pages_left = -1;
    return 0;
}

static struct percpu_stats stats(void)
{
    struct percpu_stats now;
    percpu_get_stats(&now);
    return now;
}

static void fill(void *object, size_t bytes, unsigned value)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        memset(per_cpu_of((char *)object, cpu), (int)(value * CPUS + cpu), bytes);
}

static void expect_fill(void *object, size_t bytes, unsigned value)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        const unsigned char *copy = per_cpu_of((unsigned char *)object, cpu);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(copy[i], (value * CPUS + cpu) & 0xff);
    }
}

static void expect_zero(void *object, size_t bytes)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        const unsigned char *copy = per_cpu_of((unsigned char *)object, cpu);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(copy[i], 0);
    }
}

// ---- Tests -----------------------------------------------------------------------------------

static void start_up(void **state)
{
    (void)state;
    assert_int_equal(percpu_init(0), -EINVAL);
    assert_int_equal(percpu_init(MAX_CPUS + 1), -EINVAL);
    assert_int_equal(percpu_init(CPUS), 0);
    assert_int_equal(percpu_cpus(), CPUS);
    assert_int_equal(stats().static_bytes, 5000);
    assert_int_equal(stats().used_bytes, 0);
    assert_int_equal(stats().backed_bytes, 2 * PAGE_SIZE); // the margin
    assert_int_equal(pages_used, (CPUS - 1) * STATIC_PAGES + CPUS * 2);
}

static void static_copies(void **state)
{
    (void)state;
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        const char *copy = arena_static + cpu * PERCPU_STRIDE;
        assert_int_equal(percpu_offsets[cpu], cpu * PERCPU_STRIDE);
        for (unsigned i = 0; i < 5000; i++)
            assert_int_equal(copy[i], (char)i);
        assert_int_equal(per_cpu(cpu_number, cpu), cpu);
    }
    assert_int_equal(percpu_offsets[0], 0);
    assert_int_equal(cpu_number, 0);
    assert_int_equal(arena_static[1], (char)0xee);
}

static void copies_are_apart(void **state)
{
    (void)state;
    uint64_t *a = percpu_alloc(24, 0, GFP_KERNEL), *b = percpu_alloc(1, 0, GFP_KERNEL);
    assert_ptr_equal(a, PERCPU_BASE);
    assert_ptr_equal(b, (char *)a + 32);
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        assert_ptr_equal(per_cpu_of(a, cpu), (char *)a + cpu * PERCPU_STRIDE);
        *per_cpu_of(a, cpu) = 1000 + cpu;
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        assert_int_equal(*per_cpu_of(a, cpu), 1000 + cpu);
    assert_ptr_equal(this_cpu_of(a), a); // the boot CPU
    assert_int_equal(stats().used_bytes, 48);
    percpu_free(a);
    percpu_free(b);
    percpu_free(NULL);
    assert_int_equal(stats().used_bytes, 0);
}

static void wrong_requests(void **state)
{
    (void)state;
    assert_null(percpu_alloc(0, 0, GFP_KERNEL));
    assert_null(percpu_alloc(PERCPU_ROOM + 1, 0, GFP_KERNEL));
    assert_null(percpu_alloc(SIZE_MAX, 0, GFP_KERNEL));
    assert_null(percpu_alloc(8, 24, GFP_KERNEL));
    assert_null(percpu_alloc(8, 2 * PAGE_SIZE, GFP_KERNEL));
    char *object = percpu_alloc(100, PAGE_SIZE, GFP_KERNEL);
    assert_true(IS_ALIGNED((uintptr_t)object, PAGE_SIZE));
    percpu_free(object + 16); // in the middle
    percpu_free(object + 8);
    percpu_free(object - 16);
    percpu_free(object + PERCPU_STRIDE); // another CPU's
    percpu_free((char *)PERCPU_BASE - 16);
    assert_int_equal(stats().used_bytes, 112);
    percpu_free(object);
    percpu_free(object); // twice
    assert_int_equal(stats().used_bytes, 0);
}

// Only what is backed; the margin comes back with the next caller who can wait.
static void callers_that_cannot_wait(void **state)
{
    static const unsigned flags[] = {GFP_ATOMIC, GFP_NOWAIT, GFP_RESERVE};
    void *objects[64];
    (void)state;
    for (unsigned f = 0; f < ARRAY_SIZE(flags); f++) {
        size_t backed = stats().backed_bytes;
        unsigned count = 0, before = pages_used;
        host_irqs_on = false;
        while ((objects[count] = percpu_alloc(1024, 0, flags[f])))
            count++;
        host_irqs_on = true;
        assert_int_equal(count, backed / 1024);
        assert_int_equal(pages_used, before);
        objects[count++] = percpu_alloc(16, 0, GFP_KERNEL);
        assert_non_null(objects[count - 1]);
        assert_int_equal(stats().backed_bytes, backed + 3 * PAGE_SIZE);
        objects[count++] = percpu_alloc(2 * PAGE_SIZE, 0, flags[f]);
        assert_non_null(objects[count - 1]);
        while (count)
            percpu_free(objects[--count]);
    }
}

// The n-th page is missing: nothing is lost, what is backed stays so, and the next attempt works.
static void lack_of_memory(void **state)
{
    (void)state;
    size_t backed = stats().backed_bytes, bytes = backed + 4 * PAGE_SIZE;
    unsigned before = pages_used;
    for (unsigned n = 0; n < 2 * CPUS; n++) {
        pages_left = n;
        assert_null(percpu_alloc(bytes, 0, GFP_KERNEL));
        assert_int_equal(stats().used_bytes, 0);
        unsigned more = n < CPUS ? 0 : n - CPUS + 1; // for all CPUs or for none
        assert_int_equal(stats().backed_bytes, backed + more * PAGE_SIZE);
        assert_int_equal(pages_used, before + more * CPUS);
    }
    pages_left = CPUS; // for the last page, and none for the margin
    char *object = percpu_alloc(bytes, 0, GFP_KERNEL);
    assert_non_null(object);
    expect_zero(object, bytes);
    assert_null(percpu_alloc(1, 0, GFP_KERNEL));
    pages_left = -1;
    char *last = percpu_alloc(1, 0, GFP_KERNEL);
    assert_non_null(last);
    percpu_free(object);
    percpu_free(last);
}

static void exhaustion(void **state)
{
    (void)state;
    char *all = percpu_alloc(PERCPU_ROOM, 0, GFP_KERNEL);
    assert_ptr_equal(all, PERCPU_BASE);
    assert_null(percpu_alloc(1, 0, GFP_KERNEL));
    assert_null(percpu_alloc(1, 0, GFP_ATOMIC));
    fill(all, PERCPU_ROOM, 1);
    percpu_free(all);
    all = percpu_alloc(PERCPU_ROOM, 0, GFP_ATOMIC); // pages stay
    assert_non_null(all);
    expect_zero(all, PERCPU_ROOM);
    percpu_free(all);
}

// First fit, by a plain search over every granule.
static uint8_t model[GRANULES]; // object's number, 0: free

static size_t model_place(unsigned count, unsigned align)
{
    for (size_t at = 0; at + count <= GRANULES; at += align) {
        unsigned i = 0;
        while (i < count && !model[at + i])
            i++;
        if (i == count)
            return at;
    }
    return GRANULES;
}

static void random_objects(void **state)
{
    static struct {
        void *at;
        size_t bytes;
    } objects[OBJECTS + 1];
    uint64_t seed = 5;
    size_t sum = 0;
    (void)state;
    memset(model, 0, sizeof(model));
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t random = mm_ram_random(&seed);
        unsigned i = 1 + random % OBJECTS;
        if (objects[i].at) {
            size_t first = ((uintptr_t)objects[i].at - PERCPU_BASE) / 16;
            expect_fill(objects[i].at, MIN(objects[i].bytes, (size_t)64), i);
            percpu_free(objects[i].at);
            memset(model + first, 0, DIV_ROUND_UP(objects[i].bytes, 16));
            sum -= ALIGN_UP(objects[i].bytes, 16);
            objects[i].at = NULL;
            continue;
        }
        size_t bytes = 1 + (random >> 8) % (random >> 60 ? 2000 : 30000);
        unsigned align = 1u << (random >> 40) % 9; // of granules
        size_t at = model_place(DIV_ROUND_UP(bytes, 16), align);
        objects[i].at = percpu_alloc(bytes, align * 16, GFP_KERNEL);
        objects[i].bytes = bytes;
        if (at == GRANULES) {
            assert_null(objects[i].at);
            continue;
        }
        assert_ptr_equal(objects[i].at, PERCPU_BASE + at * 16);
        if (step % 16 == 0)
            expect_zero(objects[i].at, bytes);
        fill(objects[i].at, MIN(bytes, (size_t)64), i);
        memset(model + at, (int)i, DIV_ROUND_UP(bytes, 16));
        sum += ALIGN_UP(bytes, 16);
        assert_int_equal(stats().used_bytes, sum);
    }
    for (unsigned i = 1; i <= OBJECTS; i++)
        percpu_free(objects[i].at);
    assert_int_equal(stats().used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_up),
        cmocka_unit_test(static_copies),
        cmocka_unit_test(copies_are_apart),
        cmocka_unit_test(wrong_requests),
        cmocka_unit_test(callers_that_cannot_wait),
        cmocka_unit_test(lack_of_memory),
        cmocka_unit_test(random_objects),
        cmocka_unit_test(exhaustion),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
