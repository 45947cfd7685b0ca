// SPDX-License-Identifier: BSD-2-Clause
//
// Damage to memory that a sanitizer build must report; tests/guest/run.py knows what each report
// must say. One boot a case. Indices and sizes are hidden from the compilers, which would refuse.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sched/thread.h"
#include "mm/kasan.h"
#include "mm/linear.h"
#include "mm/memblock.h"
#include "mm/page_alloc.h"
#include "mm/percpu.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "tests/guest/guest.h"

// The value, as far as the compiler knows any.
static __noinline size_t hidden(size_t value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

static __noinline char load(const char *p, size_t index)
{
    char value = p[index];
    __asm__ volatile("" : : "r"(value));
    return value;
}

static __noinline void store(char *p, size_t index)
{
    p[index] = 'x';
    __asm__ volatile("");
}

// Behind the last call of a function: not a jump, so that the report can name the function.
#define STAY() __asm__ volatile("")

// The object's address where the compiler no longer knows whose it is.
#define of(object) ((void *)hidden((uintptr_t)(object)))

// ---- Objects of slabs --------------------------------------------------------------------------

static void kmalloc_read_behind(void) { load(kmalloc(128, GFP_KERNEL), 128); }
static void kmalloc_write_behind(void) { store(kmalloc(128, GFP_KERNEL), 128); }
static void kmalloc_read_before(void)
{
    char *a = kmalloc(128, GFP_KERNEL), *b = kmalloc(128, GFP_KERNEL);
    load(MAX(a, b), (size_t)-1); // not the first of its slab
}
static void kmalloc_in_class(void) { store(kmalloc(13, GFP_KERNEL), 13); }
static void kcalloc_behind(void) { store(kcalloc(3, 20, GFP_KERNEL), 60); }
static void large_behind(void) { store(kmalloc(40000, GFP_KERNEL), 40000); }

static __noinline uint32_t load_unaligned(const char *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

static void edge_unaligned(void) { hidden(load_unaligned((char *)kmalloc(16, GFP_KERNEL) + 13)); }

static void *freed(size_t bytes)
{
    void *object = of(kmalloc(bytes, GFP_KERNEL));
    kfree(object);
    return object;
}

static void free_read(void) { load(freed(128), 5); }
static void free_write(void) { store(freed(128), 5); }

static void free_write_late(void)
{
    char *object = freed(128);
    for (int i = 0; i < 200; i++) // nobody gets it meanwhile
        (void)of(kmalloc(128, GFP_KERNEL));
    store(object, 5);
}

static void free_twice(void)
{
    kfree(freed(128));
    STAY();
}
static void free_inside(void)
{
    kfree((char *)kmalloc(128, GFP_KERNEL) + hidden(32));
    STAY();
}

static void krealloc_old(void)
{
    char *old = of(kmalloc(64, GFP_KERNEL));
    if (krealloc(old, 1000, GFP_KERNEL))
        load(old, 0);
}

static struct slab_cache *test_cache(void)
{
    return slab_cache_create("damage", 40, 0, GFP_KERNEL, NULL);
}

static void cache_behind(void) { store(slab_alloc(test_cache(), GFP_KERNEL), 40); }

static void cache_free(void)
{
    struct slab_cache *cache = test_cache();
    char *object = of(slab_alloc(cache, GFP_KERNEL));
    slab_free(cache, object);
    load(object, 8);
}

// ---- Pages, areas, per-CPU objects --------------------------------------------------------------

static void page_after_free(void)
{
    char *page = of(page_alloc(0, GFP_KERNEL));
    page_free(page, 0);
    store(page, 100);
}

static void block_after_free(void)
{
    char *block = of(page_alloc(4, GFP_KERNEL));
    page_free(block, 4);
    load(block, 9 * PAGE_SIZE);
}

static void vmalloc_behind(void) { store(vmalloc(5000, GFP_KERNEL), 5000); }

static void vmalloc_after_free(void)
{
    char *area = of(vmalloc(5000, GFP_KERNEL));
    vfree(area);
    load(area, 0);
}

static void percpu_behind(void) { store(percpu_alloc(24, 0, GFP_KERNEL), 24); }

static int leave_address(void *out)
{
    char local[32];
    *(void **)out = of(local);
    return 0;
}

static void stack_of_the_dead(void)
{
    struct thread *thread;
    static void *address;
    thread_create(&thread, leave_address, &address, &(struct thread_options){.name = "short"});
    thread_join(thread, NULL);
    load(address, 0);
}

static void wild(void)
{
    paddr_t base = 0;
    uint64_t len;
    for (; memblock_next_memory(&base, &len); base += len) {
        for (paddr_t pa = base; pa < base + len; pa += MIB(1)) {
            if (!kasan_accessible(linear_va(pa), 1))
                store(linear_va(pa), 0);
        }
    }
}

// ---- Stack and global objects -------------------------------------------------------------------

static void stack_behind(void)
{
    char buffer[13] = "";
    store(of(buffer), 13);
}

static void stack_before(void)
{
    char buffer[16] = "";
    load(of(buffer), (size_t)-1);
}

static void stack_scope(void)
{
    char *outside;
    {
        char inside[16] = "";
        outside = of(inside);
    }
    load(outside, 0);
}

char damage_before[16], damage_global[10], damage_after[16];

static void global_behind(void) { store(of(damage_global), 10); }
static void global_before(void) { load(of(damage_global), (size_t)-1); }

static void static_behind(void)
{
    static char counters[24];
    store(of(counters), 24);
}

static void rodata_behind(void)
{
    static const char word[] = "abcde";
    load(of(word), 6);
}

// ---- Memory and string functions, newlib, the application's heap --------------------------------

static void memcpy_source(void)
{
    char to[64];
    memcpy(of(to), kmalloc(48, GFP_ZERO), hidden(64));
}

static const char plenty[64];

static void memcpy_target(void)
{
    memcpy(kmalloc(48, GFP_KERNEL), of(plenty), hidden(50));
    STAY();
}
static void memset_behind(void)
{
    memset(kmalloc(100, GFP_KERNEL), 0, hidden(101));
    STAY();
}
static void memmove_behind(void)
{
    char *object = kmalloc(32, GFP_ZERO);
    memmove(object + 1, object, hidden(32));
    STAY();
}

static void strcpy_target(void)
{
    strcpy(kmalloc(4, GFP_KERNEL), of("four"));
    STAY();
}

static void strlen_source(void)
{
    char *text = kmalloc(8, GFP_KERNEL);
    memset(text, 'a', 8);
    hidden(strlen(of(text)));
}

static void malloc_behind(void) { store(malloc(hidden(30)), 30); }

static void malloc_after_free(void)
{
    char *object = malloc(hidden(30)), *stale = of(object);
    free(object);
    load(stale, 1);
}

static void snprintf_target(void)
{
    char *text = malloc(hidden(8));
    snprintf(of(text), hidden(64), "%s", (char *)of("longer than what it goes to"));
    STAY();
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"kmalloc-read-behind", kmalloc_read_behind},
    {"kmalloc-write-behind", kmalloc_write_behind},
    {"kmalloc-read-before", kmalloc_read_before},
    {"kmalloc-in-class", kmalloc_in_class},
    {"kcalloc-behind", kcalloc_behind},
    {"large-behind", large_behind},
    {"edge-unaligned", edge_unaligned},
    {"free-read", free_read},
    {"free-write", free_write},
    {"free-write-late", free_write_late},
    {"free-twice", free_twice},
    {"free-inside", free_inside},
    {"krealloc-old", krealloc_old},
    {"cache-behind", cache_behind},
    {"cache-free", cache_free},
    {"page-free", page_after_free},
    {"block-free", block_after_free},
    {"vmalloc-behind", vmalloc_behind},
    {"vmalloc-free", vmalloc_after_free},
    {"percpu-behind", percpu_behind},
    {"stack-of-the-dead", stack_of_the_dead},
    {"wild", wild},
    {"stack-behind", stack_behind},
    {"stack-before", stack_before},
    {"stack-scope", stack_scope},
    {"global-behind", global_behind},
    {"global-before", global_before},
    {"static-behind", static_behind},
    {"rodata-behind", rodata_behind},
    {"memcpy-source", memcpy_source},
    {"memcpy-target", memcpy_target},
    {"memset-behind", memset_behind},
    {"memmove-behind", memmove_behind},
    {"strcpy-target", strcpy_target},
    {"strlen-source", strlen_source},
    {"malloc-behind", malloc_behind},
    {"malloc-free", malloc_after_free},
    {"snprintf-target", snprintf_target},
};

void guest_damage_case(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (strcmp(cases[i].name, name) == 0)
            cases[i].run();
    }
}
