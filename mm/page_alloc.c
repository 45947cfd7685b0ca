// SPDX-License-Identifier: BSD-2-Clause
//
// page_alloc and page_free (page_alloc.h): the way of a request from this CPU's list of single
// pages over the zones' watermarks to reclaim, and the accounts. The zones themselves are buddy.c.
//
// The two functions hold only the common case, a page from or to the list of this CPU, without a
// stack frame. All else is a call of the general one.

#include "mm/page_alloc.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/sched/preempt.h"
#include "mm/account.h"
#include "mm/fault_inject.h"
#include "mm/kasan.h"
#include "mm/percpu.h"
#include "mm/reclaim.h"
#include "mm/zone.h"

// Of one CPU and zone; interrupts off. Zeroes are a valid empty list that takes no page: the
// general path sets it up.
struct page_list {
    struct list pages; // the page freed last is first
    uint32_t count, high, batch;
};

static DEFINE_PERCPU(struct page_list, page_lists[ZONES]);

// The zone that requests without GFP_DMA32 are served from first: what the common case needs.
static struct {
    uintptr_t start; // linear-map address of the first page; from there on
    uint64_t pages;  // so many, holes included
    struct page *first;
    struct page_list *list; // boot CPU's
} best = {.list = page_lists};

static _Atomic uint64_t failures;
static bool ready;

bool page_alloc_ready(void) { return ready; }

static void set_best(unsigned z)
{
    uint64_t pfn = zones[z].extents[0].start;
    best.list = &page_lists[z];
    best.first = page_from_pfn(pfn);
    best.start = (uintptr_t)page_va(best.first);
    best.pages = zones[z].extents[zones[z].extent_count - 1].end - pfn;
}

int page_alloc_init(void)
{
    int err = zones_init();
    if (err)
        return err;
    set_best(zones[ZONE_NORMAL].managed ? ZONE_NORMAL : ZONE_DMA32);
    ready = true;
    return 0;
}

unsigned page_order_for(size_t bytes)
{
    size_t pages = bytes ? (bytes - 1) >> PAGE_SHIFT : 0;
    return pages ? 64 - __builtin_clzll(pages) : 0;
}

// ---- Lists of this CPU (interrupts off) -------------------------------------------------------

static inline struct page *list_pop(struct page_list *list)
{
    struct page *page = list_first(&list->pages, struct page, link);
    list->count--;
    list->pages.next = page->link.next;
    page->link.next->prev = &list->pages;
    page->kind = PAGE_USED;
    return page;
}

static inline void list_push(struct page_list *list, struct page *page)
{
    list->count++;
    page->kind = PAGE_CACHED;
    list_add(&list->pages, &page->link);
}

static struct page_list *set_up_list(unsigned z)
{
    struct page_list *list = &this_cpu(page_lists)[z];
    if (!list->high) {
        list_init(&list->pages);
        list->batch = zones[z].pcp_batch;
        list->high = zones[z].pcp_high;
    }
    return list;
}

// The pages longest on the list go back to the zone. Zone lock held.
static void give_back(struct zone *zone, struct page_list *list, unsigned count)
{
    for (; count && list->count; count--) {
        struct page *page = list_entry(list->pages.prev, struct page, link);
        list_del(&page->link);
        list->count--;
        zone_give(zone, page, 0);
    }
}

void page_drain(void)
{
    for (unsigned z = 0; z < ZONES; z++) {
        irq_flags_t flags = spin_lock_irqsave(&zone_lock);
        struct page_list *list = &this_cpu(page_lists)[z];
        give_back(&zones[z], list, list->count);
        spin_unlock_irqrestore(&zone_lock, flags);
    }
}

static void append_singles(struct page_list *list, struct page *page, unsigned count)
{
    list->count += count;
    for (; count; count--, page++) {
        page->kind = PAGE_CACHED;
        page->order = 0;
        page->account = 0;
        list_add_tail(&list->pages, &page->link);
    }
}

// A batch for the list, as long as that neither touches what the watermark keeps nor needs a chunk
// carved. The smallest blocks go first, as if it were page by page. Zone lock held.
static void refill(unsigned z, uint64_t keep)
{
    struct zone *zone = &zones[z];
    struct page_list *list = set_up_list(z);
    if (zone->free <= keep + list->batch)
        return;
    while (list->count + 1 < list->batch && zone->nonempty) {
        unsigned missing = list->batch - 1 - list->count;
        unsigned order = MIN(__builtin_ctz(zone->nonempty), 31 - __builtin_clz(missing));
        append_singles(list, zone_take_listed(zone, order), BIT(order));
    }
}

// ---- Allocation -------------------------------------------------------------------------------

static struct page *take_cached(unsigned z)
{
    irq_flags_t flags = arch_irq_save();
    struct page_list *list = &this_cpu(page_lists)[z];
    struct page *page = list->count ? list_pop(list) : NULL;
    arch_irq_restore(flags);
    return page;
}

// Urgent requests go below the min watermark only: the low one is where others are waked.
static struct page *take_from_zone(unsigned z, unsigned order, unsigned gfp, enum watermark mark)
{
    struct zone *zone = &zones[z];
    uint64_t reserve = gfp & GFP_DMA32 ? 0 : zone->lowmem_reserve;
    unsigned urgency = mark == WMARK_MIN ? gfp : 0;
    struct page *page = NULL;
    irq_flags_t flags = spin_lock_irqsave(&zone_lock);
    if (zone_has(zone, order, zone->mark[mark], reserve, urgency))
        page = zone_take(zone, order);
    if (page && order == 0)
        refill(z, zone->mark[WMARK_LOW] + reserve);
    spin_unlock_irqrestore(&zone_lock, flags);
    return page;
}

static struct page *try_zones(unsigned order, unsigned gfp, enum watermark mark)
{
    struct page *page = NULL;
    unsigned above = gfp & GFP_DMA32 ? ZONE_DMA32 + 1 : ZONES;
    while (!page && above-- > 0) {
        if (!zones[above].managed)
            continue;
        if (order == 0)
            page = take_cached(above);
        if (!page)
            page = take_from_zone(above, order, gfp, mark);
    }
    return page;
}

static bool may_reclaim(unsigned gfp)
{
    return gfp_may_sleep(gfp) && preemptible() && !reclaim_is_mine();
}

// Memory is short: the thread is waked, then down to the min watermark, then what this CPU's lists
// hold back, then, for who may sleep, what others can give back, with more pressure each time.
static struct page *alloc_slowly(unsigned order, unsigned gfp)
{
    reclaim_wake();
    struct page *page = try_zones(order, gfp, WMARK_MIN);
    if (page)
        return page;
    page_drain();
    page = try_zones(order, gfp, WMARK_MIN);
    if (page || !may_reclaim(gfp))
        return page;
    for (unsigned priority = RECLAIM_PRIORITY_MAX + 1; !page && priority-- > 0;) {
        reclaim_run(priority);
        page_drain();
        page = try_zones(order, gfp, WMARK_MIN);
    }
    return page;
}

static struct page *alloc_pages(unsigned order, unsigned gfp)
{
    struct page *page = try_zones(order, gfp, WMARK_LOW);
    if (!page)
        page = alloc_slowly(order, gfp);
    if (!page)
        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
    return page;
}

// What the sanitizer keeps in quarantine is charged still: with it, a second try comes after that.
static bool charge(unsigned account, size_t bytes, unsigned gfp)
{
    if (account_charge(account, bytes) == 0)
        return true;
    return KASAN_ENABLED && may_reclaim(gfp) && reclaim_run(0) &&
           account_charge(account, bytes) == 0;
}

static __noinline void *alloc_general(unsigned order, unsigned gfp)
{
    if (order > PAGE_MAX_ORDER)
        return NULL;
    unsigned account = gfp_account(gfp);
    size_t bytes = PAGE_SIZE << order;
    if (!charge(account, bytes, gfp))
        return NULL;
    struct page *page = alloc_pages(order, gfp);
    if (!page) {
        account_uncharge(account, bytes);
        return NULL;
    }
    page->account = account;
    void *va = page_va(page);
    kasan_unpoison(va, bytes);
    if (gfp & GFP_ZERO)
        memset(va, 0, bytes);
    return va;
}

void *page_alloc(unsigned order, unsigned gfp)
{
    gfp_check(gfp, __builtin_return_address(0));
    if (FAULT_INJECT())
        return NULL;
    if (unlikely(order | gfp >> GFP_URGENCY_BITS))
        return alloc_general(order, gfp);
    irq_flags_t flags = arch_irq_save();
    struct page_list *list = this_cpu_of(best.list);
    if (unlikely(!list->count)) {
        arch_irq_restore(flags);
        return alloc_general(order, gfp);
    }
    struct page *page = list_pop(list);
    arch_irq_restore(flags);
    kasan_unpoison(page_va(page), PAGE_SIZE);
    return page_va(page);
}

// ---- Free -------------------------------------------------------------------------------------

static void free_single(struct page *page)
{
    unsigned z = zone_index(page_pfn(page));
    irq_flags_t flags = spin_lock_irqsave(&zone_lock);
    struct page_list *list = set_up_list(z);
    if (list->count >= list->high)
        give_back(&zones[z], list, list->batch);
    list_push(list, page);
    spin_unlock_irqrestore(&zone_lock, flags);
}

static void free_block(struct page *page, unsigned order)
{
    irq_flags_t flags = spin_lock_irqsave(&zone_lock);
    zone_give(&zones[zone_index(page_pfn(page))], page, order);
    spin_unlock_irqrestore(&zone_lock, flags);
}

static __noinline void free_general(void *pages, unsigned order)
{
    struct page *page = page_of(pages);
    bool ok = page_valid(pages) && IS_ALIGNED((uintptr_t)pages, PAGE_SIZE) &&
              page->kind == PAGE_USED && page->order == order;
    debug_assert(ok);
    if (!ok) {
        log_err("mm: free of %p, order %u, which is no such block", pages, order);
        return;
    }
    account_uncharge(page->account, PAGE_SIZE << order);
    page->account = 0;
    kasan_poison(pages, PAGE_SIZE << order, KASAN_FREE_PAGE);
    if (order)
        free_block(page, order);
    else
        free_single(page);
}

// A single page in use that no account is charged for.
static inline bool is_plain(const struct page *page)
{
    uint32_t state;
    static_assert(offsetof(struct page, order) == offsetof(struct page, account) + 3, "a word");
    memcpy(&state, &page->account, sizeof(state));
    return state == (uint32_t)PAGE_USED << 16;
}

// Takes back a single page of the best zone that no account is charged for, if the list has room.
static __always_inline bool free_quickly(void *pages, unsigned order)
{
    // Turned right, the distance of what is no page's address becomes a large number.
    uintptr_t distance = (uintptr_t)pages - best.start;
    if (order || (distance >> PAGE_SHIFT | distance << (64 - PAGE_SHIFT)) >= best.pages)
        return false;
    struct page *page = (struct page *)((uintptr_t)best.first + (distance >> PAGE_VA_SHIFT));
    __asm__("" : "+r"(page)); // one value: the compiler would carry its two parts along
    if (!is_plain(page))
        return false;
    irq_flags_t flags = arch_irq_save();
    struct page_list *list = this_cpu_of(best.list);
    bool room = list->count < list->high;
    if (likely(room)) {
        kasan_poison(pages, PAGE_SIZE, KASAN_FREE_PAGE);
        list_push(list, page);
    }
    arch_irq_restore(flags);
    return room;
}

void page_free(void *pages, unsigned order)
{
    if (unlikely(!free_quickly(pages, order)))
        free_general(pages, order);
}

// ---- What there is ----------------------------------------------------------------------------

// Others' lists change meanwhile: near enough for a look.
static uint64_t pages_on_lists(unsigned z)
{
    uint64_t pages = 0;
    for (unsigned cpu = 0; cpu < MAX(percpu_cpus(), 1); cpu++)
        pages += per_cpu(page_lists, cpu)[z].count;
    return pages;
}

static uint64_t extent_pages(const struct zone *zone)
{
    uint64_t pages = 0;
    for (unsigned i = zone->extent_first; i < zone->extent_count; i++)
        pages += zone->extents[i].end - zone->extents[i].start;
    return pages;
}

bool page_get_zone_stats(unsigned index, struct zone_stats *stats)
{
    static const char *const names[ZONES] = {"DMA32", "normal"};
    if (index >= ZONES)
        return false;
    irq_flags_t flags = spin_lock_irqsave(&zone_lock);
    const struct zone *zone = &zones[index];
    *stats = (struct zone_stats){
        .name = names[index],
        .managed = zone->managed,
        .free = zone->free,
        .extent = extent_pages(zone),
        .least_free = zone->least_free,
        .min = zone->mark[WMARK_MIN],
        .low = zone->mark[WMARK_LOW],
        .high = zone->mark[WMARK_HIGH],
        .lowmem_reserve = zone->lowmem_reserve,
        .per_cpu = pages_on_lists(index),
        .pcp_batch = zone->pcp_batch,
        .pcp_high = zone->pcp_high,
    };
    memcpy(stats->free_blocks, zone->free_count, sizeof(stats->free_blocks));
    spin_unlock_irqrestore(&zone_lock, flags);
    return true;
}

void page_get_stats(struct page_stats *stats)
{
    struct zone_stats zone;
    *stats = (struct page_stats){0};
    for (unsigned z = 0; page_get_zone_stats(z, &zone); z++) {
        stats->total_bytes += zone.managed << PAGE_SHIFT;
        stats->free_bytes += (zone.free + zone.per_cpu) << PAGE_SHIFT;
        stats->extent_bytes += zone.extent << PAGE_SHIFT;
        for (unsigned order = 0; order < ORDERS; order++)
            stats->free_blocks[order] += zone.free_blocks[order];
    }
    stats->descriptor_bytes = zones_descriptor_bytes();
    stats->failures = atomic_load_explicit(&failures, memory_order_relaxed);
}
