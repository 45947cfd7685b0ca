// SPDX-License-Identifier: BSD-2-Clause
//
// Virtual memory on the real page tables and TLBs: per-CPU places, areas that are unmapped late and
// used again, the whole table looked at.

#include <string.h>

#include "arch/layout.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "mm/pagetable.h"
#include "mm/percpu.h"
#include "mm/vmalloc.h"
#include "tests/guest/guest.h"

extern char __percpu_start[], __percpu_end[], __percpu_pristine[];
extern char __text_start[], __kernel_text_end[];

static DEFINE_PERCPU(unsigned, marked) = 0x51c3;

static bool percpu_objects(void)
{
    struct percpu_stats before, after;
    paddr_t pa;
    enum page_prot prot;
    percpu_get_stats(&before);
    CHECK(before.cpus >= 1 && before.used_bytes <= before.backed_bytes);
    unsigned *counter = percpu_alloc(sizeof(*counter), 0, GFP_KERNEL);
    char *page = percpu_alloc(PAGE_SIZE, PAGE_SIZE, GFP_KERNEL);
    CHECK(counter && page && IS_ALIGNED((uintptr_t)page, PAGE_SIZE));
    CHECK((uintptr_t)page - PERCPU_BASE < PERCPU_ROOM);
    CHECK(pagetable_translate((uintptr_t)page, &pa, &prot) == 0 && prot == PROT_RW);
    ++*this_cpu_of(counter);
    CHECK(*per_cpu_of(counter, this_cpu_number()) == 1);
    for (size_t i = 0; i < PAGE_SIZE; i++)
        CHECK(page[i] == 0);
    memset(page, 0x5a, PAGE_SIZE);
    percpu_free(page);
    page = percpu_alloc(PAGE_SIZE, PAGE_SIZE, GFP_ATOMIC); // the pages stayed
    CHECK(page && page[0] == 0 && page[PAGE_SIZE - 1] == 0);
    percpu_free(page);
    percpu_free(counter);
    percpu_get_stats(&after);
    CHECK(after.used_bytes == before.used_bytes);
    return true;
}

// The values that the image was loaded with are kept for CPUs that start later.
static bool percpu_first_values(void)
{
    this_cpu(marked) = 1;
    const unsigned *kept =
        (const unsigned *)(__percpu_pristine + ((char *)&marked - __percpu_start));
    CHECK(*kept == 0x51c3);
    CHECK(__percpu_end - __percpu_start > 64);
    return true;
}

// Where another CPU's copies of the static variables come to be must be reachable.
static bool percpu_static_places(void)
{
    static const unsigned cpus[] = {1, 3, MAX_CPUS - 1};
    for (unsigned i = 0; i < ARRAY_SIZE(cpus); i++) {
        uintptr_t place = ALIGN_DOWN((uintptr_t)__percpu_start, PAGE_SIZE);
        char *memory = page_alloc(0, GFP_ZERO);
        volatile char *va = (char *)place + cpus[i] * PERCPU_STRIDE;
        CHECK(memory);
        CHECK(pagetable_map((uintptr_t)va, linear_pa(memory), PAGE_SIZE, PROT_RW) == 0);
        memory[5] = 17;
        CHECK(va[5] == 17);
        va[PAGE_SIZE - 1] = 18;
        CHECK(pagetable_unmap((uintptr_t)va, PAGE_SIZE) == 0);
        CHECK(memory[PAGE_SIZE - 1] == 18);
        page_free(memory, 0);
    }
    return true;
}

// Areas come and go, far more than wait at a time: what is at an address is always the last area's.
static bool areas_used_again(void)
{
    enum { KEPT = 8, PAGES = 5, ROUNDS = 2000 };
    struct vmalloc_stats before, after;
    uint64_t *areas[KEPT] = {NULL};
    vmalloc_purge();
    vmalloc_get_stats(&before);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t **area = &areas[round % KEPT];
        for (size_t page = 0; *area && page < PAGES; page++)
            CHECK((*area)[page * PAGE_SIZE / 8] == ((uint64_t)(round - KEPT) << 8 | page));
        vfree(*area);
        *area = vmalloc(PAGES * PAGE_SIZE, GFP_KERNEL);
        CHECK(*area);
        for (size_t page = 0; page < PAGES; page++)
            (*area)[page * PAGE_SIZE / 8] = (uint64_t)round << 8 | page;
    }
    for (unsigned i = 0; i < KEPT; i++)
        vfree(areas[i]);
    vmalloc_get_stats(&after);
    CHECK(after.areas == before.areas && after.bytes == before.bytes);
    CHECK(after.purges - before.purges < ROUNDS / 4); // many areas each
    vmalloc_purge();
    vmalloc_get_stats(&after);
    CHECK(after.lazy_areas == 0 && after.lazy_bytes == 0);
    return true;
}

struct seen {
    uint64_t text; // bytes of it
    unsigned runs;
    uintptr_t last;
    bool ordered;
};

static int look(const struct page_run *run, void *arg)
{
    struct seen *seen = arg;
    uintptr_t text = ALIGN_DOWN((uintptr_t)__text_start, PAGE_SIZE);
    if (run->va >= text && run->va < (uintptr_t)__kernel_text_end)
        seen->text += run->len;
    seen->ordered = seen->ordered && (!seen->runs || run->va > seen->last);
    seen->last = run->va + run->len - 1;
    seen->runs++;
    return 0;
}

static bool whole_table(void)
{
    struct seen seen = {.ordered = true};
    CHECK(pagetable_check_wx() == 0);
    CHECK(pagetable_visit(look, &seen) == 0);
    CHECK(seen.ordered && seen.runs > 3);
    CHECK(seen.text >= (uint64_t)(__kernel_text_end - __text_start));
    return true;
}

const struct guest_test virtual_tests[] = {
    {"per-CPU objects", percpu_objects},
    {"per-CPU first values", percpu_first_values},
    {"per-CPU static places", percpu_static_places},
    {"areas used again", areas_used_again},
    {"nothing writable and executable", whole_table},
    {NULL, NULL},
};
