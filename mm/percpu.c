// SPDX-License-Identifier: BSD-2-Clause
//
// Per-CPU storage. Static copies: the boot CPU uses the linked ones; those of another CPU are made
// from the values that the loader brought, which are copied away before anything changes them.
// Dynamic objects are handed out by two bitmaps of 16-byte granules, in use and last of an object;
// a page of the region is backed, for all CPUs, when the first object comes to lie in it, and
// stays. No allocator with objects is used: the slab allocator takes its per-CPU arrays from here.
//
// A page that is being backed is claimed: until that is over nobody else looks for room in it, so
// nobody waits for anybody, and pages are asked for without a lock held.

#include "mm/percpu.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/sync/spinlock.h"
#include "mm/account.h"
#include "mm/fault_inject.h"
#include "mm/kasan.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "mm/pagetable.h"

#define GRANULE 16u
#define GRANULES ((unsigned)(PERCPU_ROOM / GRANULE))
#define PAGE_GRANULES ((unsigned)(PAGE_SIZE / GRANULE))
#define ROOM_PAGES ((unsigned)(PERCPU_ROOM / PAGE_SIZE))
#define WORD_BITS 64u

// Backed pages without an object, kept for callers that cannot wait for one (two pages of 4 KiB).
#define MARGIN_PAGES ((unsigned)DIV_ROUND_UP(KIB(8), PAGE_SIZE))

static MEM_ACCOUNT(percpu, "per-cpu");

extern char __percpu_start[], __percpu_end[], __percpu_pristine[];

uintptr_t percpu_offsets[MAX_CPUS];
DEFINE_PERCPU(unsigned, cpu_number);

static unsigned cpus;

static struct spinlock lock = SPINLOCK_INIT; // interrupts off; protects all below
static uint64_t used[GRANULES / WORD_BITS];  // granules of objects
static uint64_t last[GRANULES / WORD_BITS];  // the last granule of each object
static uint16_t page_used[ROOM_PAGES];       // used granules in a page
static bool backed[ROOM_PAGES];
static bool claimed[ROOM_PAGES]; // being backed: hands off
static unsigned empty_pages;     // backed, without an object
static unsigned first_free;      // no granule below is free

// ---- Bitmaps ---------------------------------------------------------------------------------

static bool bit_test(const uint64_t *map, unsigned bit)
{
    return map[bit / WORD_BITS] >> (bit % WORD_BITS) & 1;
}

// The bits of the word that holds `at` which lie in [at, end).
static uint64_t word_mask(unsigned at, unsigned end)
{
    unsigned first = at % WORD_BITS, count = MIN(end - at, WORD_BITS - first);
    return (~0ULL >> (WORD_BITS - count)) << first;
}

static void bits_flip(uint64_t *map, unsigned at, unsigned end)
{
    for (; at < end; at = ALIGN_DOWN(at, WORD_BITS) + WORD_BITS)
        map[at / WORD_BITS] ^= word_mask(at, end);
}

// The first bit in [at, end) that is `value`; `end` if none is.
static unsigned bits_find(const uint64_t *map, unsigned at, unsigned end, bool value)
{
    for (; at < end; at = ALIGN_DOWN(at, WORD_BITS) + WORD_BITS) {
        uint64_t word = map[at / WORD_BITS];
        uint64_t hits = (value ? word : ~word) & word_mask(at, end);
        if (hits)
            return ALIGN_DOWN(at, WORD_BITS) + (unsigned)__builtin_ctzll(hits);
    }
    return end;
}

// ---- Room; all with the lock held -------------------------------------------------------------

// Whether an object may lie in this page: an unbacked one is for those who can back it.
static bool page_usable(unsigned page, bool may_back)
{
    return backed[page] || (may_back && !claimed[page]);
}

// First fit; GRANULES if there is no room.
static unsigned find_room(unsigned count, unsigned align, bool may_back)
{
    unsigned at = ALIGN_UP(first_free, align);
    while (at < GRANULES && count <= GRANULES - at) {
        unsigned end = at + count, taken = bits_find(used, at, end, true);
        unsigned page = at / PAGE_GRANULES;
        while (page * PAGE_GRANULES < end && page_usable(page, may_back))
            page++;
        if (taken == end && page * PAGE_GRANULES >= end)
            return at;
        at = taken < end ? bits_find(used, taken, GRANULES, false) : (page + 1) * PAGE_GRANULES;
        at = ALIGN_UP(at, align);
    }
    return GRANULES;
}

// Counts the object's granules in or out of its pages.
static void count_pages(unsigned at, unsigned end, bool in)
{
    for (unsigned page = at / PAGE_GRANULES; at < end; page++) {
        unsigned stop = MIN(end, (page + 1) * PAGE_GRANULES);
        if (in && !page_used[page])
            empty_pages -= backed[page];
        page_used[page] += (uint16_t)(in ? stop - at : at - stop);
        if (!in && !page_used[page])
            empty_pages += backed[page];
        at = stop;
    }
}

static void claim_pages(unsigned at, unsigned end, bool claim)
{
    for (unsigned page = at / PAGE_GRANULES; page * PAGE_GRANULES < end; page++)
        claimed[page] = claim && !backed[page];
}

static void take_room(unsigned at, unsigned end)
{
    bits_flip(used, at, end);
    bits_flip(last, end - 1, end);
    count_pages(at, end, true);
    claim_pages(at, end, true);
    if (at == first_free)
        first_free = end;
}

static void give_room(unsigned at, unsigned end)
{
    bits_flip(used, at, end);
    bits_flip(last, end - 1, end);
    count_pages(at, end, false);
    first_free = MIN(first_free, at);
}

// ---- Backing; without the lock -----------------------------------------------------------------

static uintptr_t page_address(unsigned page, unsigned cpu)
{
    return PERCPU_BASE + page * PAGE_SIZE + cpu * PERCPU_STRIDE;
}

// A page of its own for `va`.
static int map_page(uintptr_t va, unsigned gfp)
{
    void *memory = page_alloc(0, gfp | GFP_ACCOUNT(percpu));
    if (!memory)
        return -ENOMEM;
    int err = kasan_map_area((void *)va, PAGE_SIZE);
    if (!err)
        err = pagetable_map(va, linear_pa(memory), PAGE_SIZE, PROT_RW);
    if (err)
        page_free(memory, 0);
    return err;
}

static void unmap_page(uintptr_t va)
{
    paddr_t pa;
    enum page_prot prot;
    kasan_unmap_area((void *)va, PAGE_SIZE);
    if (pagetable_translate(va, &pa, &prot) == 0 && pagetable_unmap(va, PAGE_SIZE) == 0)
        page_free(linear_va(pa), 0);
}

// Nobody's memory, for the sanitizer.
static void poison(unsigned at, unsigned end)
{
    char *start = (char *)(PERCPU_BASE + (uintptr_t)at * GRANULE);
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        kasan_poison(per_cpu_of(start, cpu), (end - at) * GRANULE, KASAN_SLAB_FREE);
}

// Backs a claimed page for all CPUs, or for none: it stays claimed then.
static int back_page(unsigned page, unsigned gfp)
{
    int err = 0;
    unsigned cpu = 0;
    for (; cpu < cpus && !err; cpu += !err)
        err = map_page(page_address(page, cpu), gfp);
    while (err && cpu > 0)
        unmap_page(page_address(page, --cpu));
    if (err)
        return err;
    poison(page * PAGE_GRANULES, (page + 1) * PAGE_GRANULES);
    irq_flags_t flags = spin_lock_irqsave(&lock);
    claimed[page] = false;
    backed[page] = true;
    empty_pages += !page_used[page];
    spin_unlock_irqrestore(&lock, flags);
    return 0;
}

// Backs what the object's pages lack.
static int back_room(unsigned at, unsigned end, unsigned gfp)
{
    int err = 0;
    for (unsigned page = at / PAGE_GRANULES; page * PAGE_GRANULES < end; page++) {
        if (!err && claimed[page]) // by us: nobody else has room there
            err = back_page(page, gfp);
    }
    return err;
}

// Claims a page for the margin; ROOM_PAGES if it needs none, or there is none.
static unsigned claim_margin(void)
{
    unsigned page = 0;
    irq_flags_t flags = spin_lock_irqsave(&lock);
    while (page < ROOM_PAGES && (backed[page] || claimed[page]))
        page++;
    if (empty_pages >= MARGIN_PAGES)
        page = ROOM_PAGES;
    if (page < ROOM_PAGES)
        claimed[page] = true;
    spin_unlock_irqrestore(&lock, flags);
    return page;
}

// Brings the margin up to what it should be, if memory is there.
static void restock(void)
{
    unsigned page;
    while (empty_pages < MARGIN_PAGES && (page = claim_margin()) < ROOM_PAGES) {
        if (back_page(page, GFP_NOWAIT) == 0)
            continue;
        irq_flags_t flags = spin_lock_irqsave(&lock);
        claimed[page] = false;
        spin_unlock_irqrestore(&lock, flags);
        break;
    }
}

// ---- Objects ---------------------------------------------------------------------------------

static void *zeroed(unsigned at, size_t bytes)
{
    char *object = (char *)(PERCPU_BASE + (uintptr_t)at * GRANULE);
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        kasan_unpoison(per_cpu_of(object, cpu), bytes);
        memset(per_cpu_of(object, cpu), 0, bytes);
    }
    return object;
}

void *percpu_alloc(size_t bytes, size_t align, unsigned gfp)
{
    if (FAULT_INJECT() || !bytes || bytes > PERCPU_ROOM || align > PAGE_SIZE ||
        (align && !IS_POWER_OF_2(align)))
        return NULL;
    bool may_back = gfp_may_sleep(gfp);
    // The sanitizer wants something between two objects.
    unsigned count = (unsigned)DIV_ROUND_UP(bytes, GRANULE) + KASAN_ENABLED;
    irq_flags_t flags = spin_lock_irqsave(&lock);
    unsigned at = find_room(count, (unsigned)MAX(align / GRANULE, 1u), may_back), end = at + count;
    if (at < GRANULES)
        take_room(at, end);
    spin_unlock_irqrestore(&lock, flags);
    if (at == GRANULES)
        return NULL;
    if (may_back && back_room(at, end, gfp & GFP_FLAGS & ~(unsigned)GFP_ZERO)) {
        flags = spin_lock_irqsave(&lock);
        claim_pages(at, end, false);
        give_room(at, end);
        spin_unlock_irqrestore(&lock, flags);
        return NULL;
    }
    if (may_back)
        restock();
    return zeroed(at, bytes);
}

// The end of the object that starts at granule `at`, 0 if none does. Lock held.
static unsigned object_end(uintptr_t at)
{
    if (at >= GRANULES || !bit_test(used, (unsigned)at))
        return 0;
    if (at && bit_test(used, (unsigned)at - 1) && !bit_test(last, (unsigned)at - 1))
        return 0;
    return bits_find(last, (unsigned)at, GRANULES, true) + 1;
}

void percpu_free(void *object)
{
    if (!object)
        return;
    uintptr_t offset = (uintptr_t)object - PERCPU_BASE;
    irq_flags_t flags = spin_lock_irqsave(&lock);
    unsigned end = IS_ALIGNED(offset, GRANULE) ? object_end(offset / GRANULE) : 0;
    if (end) {
        poison((unsigned)(offset / GRANULE), end);
        give_room((unsigned)(offset / GRANULE), end);
    }
    spin_unlock_irqrestore(&lock, flags);
    if (!end) {
        log_err("percpu: %p is no object", object);
        debug_assert(!"free of what is no per-CPU object");
    }
}

// ---- Static copies, start --------------------------------------------------------------------

void percpu_keep_static(void)
{
    memcpy(__percpu_pristine, __percpu_start, (size_t)(__percpu_end - __percpu_start));
}

// Static copy of another CPU, with the values that the image was loaded with.
static int map_static(unsigned cpu)
{
    uintptr_t first = ALIGN_DOWN((uintptr_t)__percpu_start, PAGE_SIZE);
    int err = 0;
    for (uintptr_t page = first; !err && page < (uintptr_t)__percpu_end; page += PAGE_SIZE)
        err = map_page(page + percpu_offsets[cpu], GFP_KERNEL);
    if (err)
        return err; // of boot: whoever asked gives up
    memcpy(__percpu_start + percpu_offsets[cpu], __percpu_pristine,
           (size_t)(__percpu_end - __percpu_start));
    per_cpu(cpu_number, cpu) = cpu;
    return 0;
}

int percpu_init(unsigned count)
{
    int err = count && count <= MAX_CPUS ? 0 : -EINVAL;
    for (unsigned cpu = 0; !err && cpu < count; cpu++) {
        percpu_offsets[cpu] = cpu * PERCPU_STRIDE;
        err = cpu ? map_static(cpu) : 0;
    }
    if (err)
        return err;
    cpus = count;
    restock();
    return empty_pages ? 0 : -ENOMEM;
}

unsigned percpu_cpus(void) { return cpus; }

void percpu_get_stats(struct percpu_stats *stats)
{
    irq_flags_t flags = spin_lock_irqsave(&lock);
    *stats = (struct percpu_stats){.static_bytes = (size_t)(__percpu_end - __percpu_start),
                                   .cpus = cpus};
    for (unsigned page = 0; page < ROOM_PAGES; page++) {
        stats->used_bytes += (size_t)page_used[page] * GRANULE;
        stats->backed_bytes += backed[page] ? PAGE_SIZE : 0;
    }
    spin_unlock_irqrestore(&lock, flags);
}
