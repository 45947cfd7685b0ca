// SPDX-License-Identifier: BSD-2-Clause
//
// Binary buddy allocator in two zones (below and above 4 GiB). All RAM starts out in extents, of
// which a 4 MiB-aligned chunk is carved when no free block fits: its page descriptors are mapped
// and cleared, its free pages go to the free lists. Buddies never lie in different chunks, so a
// merge meets only descriptors that exist.
//
// The pages behind the descriptors, and tables to map them, come from a small stock. It is filled
// before a carve from the free lists or, when those are empty, from the chunk itself; so carving
// never calls back into this allocator.

#include "mm/buddy.h"

#include <string.h>

#include "arch/pagetable.h"
#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/sync/spinlock.h"
#include "mm/memblock.h"
#include "mm/page.h"
#include "mm/pagetable.h"

#define ORDERS (BUDDY_MAX_ORDER + 1)
#define CHUNK_PAGES (1ULL << BUDDY_MAX_ORDER)
#define CHUNK_META_PAGES (CHUNK_PAGES * sizeof(struct page) / PAGE_SIZE)
#define CARVE_PAGES (CHUNK_META_PAGES + PT_LEVELS - 1) // descriptors and a path of new tables
#define EXTENTS_MAX (2 * MEMBLOCK_MAX_RANGES)
#define DMA32_END_PFN (1ULL << (32 - PAGE_SHIFT))

static_assert(CARVE_PAGES <= ARRAY_SIZE(((struct page_stock *)0)->pages), "the stock is too small");

struct extent {
    uint64_t start, end; // frame numbers
};

struct zone {
    uint32_t nonempty; // bit per order: its free list has a block
    struct list free[ORDERS];
    size_t free_count[ORDERS];
    unsigned extent_first, extent_count; // those before the first are used up
    struct extent extents[EXTENTS_MAX];  // ascending, disjoint
};

enum { ZONE_DMA32, ZONE_NORMAL, ZONES };

static struct spinlock lock = SPINLOCK_INIT; // protects all below
static struct zone zones[ZONES];
static struct page_stock stock;
static uint64_t total_pages, failures;
static bool ready;

uint64_t page_pfn_low = UINT64_MAX, page_pfn_high;

bool buddy_ready(void) { return ready; }

// ---- Free lists ------------------------------------------------------------------------------

static struct zone *zone_of(uint64_t pfn)
{
    return &zones[pfn < DMA32_END_PFN ? ZONE_DMA32 : ZONE_NORMAL];
}

static void link_free(struct zone *zone, struct page *page, unsigned order)
{
    page->kind = PAGE_FREE;
    page->order = order;
    list_add(&zone->free[order], &page->link);
    zone->free_count[order]++;
    zone->nonempty |= 1u << order;
}

static void unlink_free(struct zone *zone, struct page *page, unsigned order)
{
    page->kind = PAGE_TAIL;
    list_del(&page->link);
    if (--zone->free_count[order] == 0)
        zone->nonempty &= ~(1u << order);
}

// The smallest free block that fits, its upper halves given back until it has the right size.
static struct page *take(struct zone *zone, unsigned order)
{
    uint32_t fitting = zone->nonempty >> order;
    if (!fitting)
        return NULL;
    unsigned from = order + __builtin_ctz(fitting);
    struct page *page = list_first(&zone->free[from], struct page, link);
    unlink_free(zone, page, from);
    while (from-- > order)
        link_free(zone, page + BIT(from), from);
    page->kind = PAGE_USED;
    page->order = order;
    return page;
}

// Puts a block on its free list, merged with its buddy as long as that is free too.
static void give(struct zone *zone, uint64_t pfn, unsigned order)
{
    page_from_pfn(pfn)->kind = PAGE_TAIL;
    for (; order < BUDDY_MAX_ORDER; order++) {
        struct page *buddy = page_from_pfn(pfn ^ BIT(order));
        if (buddy->kind != PAGE_FREE || buddy->order != order)
            break;
        unlink_free(zone, buddy, order);
        pfn &= ~BIT(order);
    }
    link_free(zone, page_from_pfn(pfn), order);
}

// ---- Carving ---------------------------------------------------------------------------------

// The lowest free part of the zone below `limit`, taken off its extent up to `pages` long.
static bool cut(struct zone *zone, uint64_t limit, uint64_t pages, struct extent *part)
{
    struct extent *extent = &zone->extents[zone->extent_first];
    if (zone->extent_first == zone->extent_count || extent->start >= limit)
        return false;
    part->start = extent->start;
    part->end = MIN(MIN(extent->end, limit), extent->start + pages);
    extent->start = part->end;
    if (extent->start == extent->end)
        zone->extent_first++;
    return true;
}

// Brings the stock to what a carve can need at most. False: the chunk is used up by it.
static bool fill_stock(struct zone *zone, uint64_t chunk_end)
{
    struct extent part;
    struct page *page;
    while (stock.count < CARVE_PAGES &&
           ((page = take(&zones[ZONE_NORMAL], 0)) || (page = take(&zones[ZONE_DMA32], 0))))
        stock.pages[stock.count++] = page_pfn(page) << PAGE_SHIFT;
    while (stock.count < CARVE_PAGES) {
        if (!cut(zone, chunk_end, 1, &part))
            return false;
        stock.pages[stock.count++] = part.start << PAGE_SHIFT;
    }
    return true;
}

static int map_descriptors(uint64_t chunk)
{
    uintptr_t va = (uintptr_t)page_from_pfn(chunk);
    for (unsigned i = 0; i < CHUNK_META_PAGES; i++) {
        paddr_t pa = stock.pages[--stock.count];
        int err = pagetable_map_stock(va + i * PAGE_SIZE, pa, PAGE_SIZE, PROT_RW, &stock);
        if (err)
            return err;
    }
    memset(page_from_pfn(chunk), 0, CHUNK_META_PAGES * PAGE_SIZE);
    return 0;
}

// Frees [start, end) in the largest aligned blocks.
static void give_range(struct zone *zone, uint64_t start, uint64_t end)
{
    while (start < end) {
        unsigned order = BUDDY_MAX_ORDER;
        while (!IS_ALIGNED(start, BIT(order)) || end - start < BIT(order))
            order--;
        link_free(zone, page_from_pfn(start), order);
        start += BIT(order);
    }
}

// Carves the chunk that holds the zone's lowest free frame. False: the zone has none left.
static bool carve(struct zone *zone)
{
    if (zone->extent_first == zone->extent_count)
        return false;
    uint64_t chunk = ALIGN_DOWN(zone->extents[zone->extent_first].start, CHUNK_PAGES);
    uint64_t chunk_end = chunk + CHUNK_PAGES;
    struct extent part;
    if (!fill_stock(zone, chunk_end))
        return true;
    // The stock suffices and nothing else maps there; if it fails all the same, the chunk is lost.
    int err = map_descriptors(chunk);
    while (cut(zone, chunk_end, CHUNK_PAGES, &part)) {
        if (!err)
            give_range(zone, part.start, part.end);
    }
    return true;
}

// ---- The interface ---------------------------------------------------------------------------

static struct page *zone_alloc(struct zone *zone, unsigned order)
{
    struct page *page;
    while (!(page = take(zone, order))) {
        if (!carve(zone))
            return NULL;
    }
    return page;
}

static struct page *alloc_locked(unsigned order, unsigned gfp)
{
    struct page *page = NULL;
    if (!(gfp & GFP_DMA32))
        page = zone_alloc(&zones[ZONE_NORMAL], order);
    if (!page)
        page = zone_alloc(&zones[ZONE_DMA32], order);
    if (!page)
        failures++;
    return page;
}

void *buddy_alloc(unsigned order, unsigned gfp)
{
    if (order > BUDDY_MAX_ORDER)
        return NULL;
    irq_flags_t flags = spin_lock_irqsave(&lock);
    struct page *page = alloc_locked(order, gfp);
    spin_unlock_irqrestore(&lock, flags);
    if (!page)
        return NULL;
    void *va = page_va(page);
    if (gfp & GFP_ZERO)
        memset(va, 0, PAGE_SIZE << order);
    return va;
}

static bool free_locked(void *pages, unsigned order)
{
    struct page *page = page_of(pages);
    if (page->kind != PAGE_USED || page->order != order)
        return false;
    uint64_t pfn = page_pfn(page);
    give(zone_of(pfn), pfn, order);
    return true;
}

void buddy_free(void *pages, unsigned order)
{
    bool ok = false;
    if (page_valid(pages) && IS_ALIGNED((uintptr_t)pages, PAGE_SIZE)) {
        irq_flags_t flags = spin_lock_irqsave(&lock);
        ok = free_locked(pages, order);
        spin_unlock_irqrestore(&lock, flags);
    }
    debug_assert(ok);
    if (!ok)
        log_err("buddy: free of %p, order %u, which is no such block", pages, order);
}

unsigned buddy_order_for(size_t bytes)
{
    size_t pages = bytes ? (bytes - 1) >> PAGE_SHIFT : 0;
    return pages ? 64 - __builtin_clzll(pages) : 0;
}

void buddy_get_stats(struct buddy_stats *stats)
{
    *stats = (struct buddy_stats){0};
    irq_flags_t flags = spin_lock_irqsave(&lock);
    stats->total_bytes = total_pages << PAGE_SHIFT;
    stats->failures = failures;
    for (unsigned z = 0; z < ZONES; z++) {
        for (unsigned i = zones[z].extent_first; i < zones[z].extent_count; i++)
            stats->extent_bytes += (zones[z].extents[i].end - zones[z].extents[i].start)
                                   << PAGE_SHIFT;
        for (unsigned order = 0; order < ORDERS; order++) {
            stats->free_blocks[order] += zones[z].free_count[order];
            stats->free_bytes += zones[z].free_count[order] * (PAGE_SIZE << order);
        }
    }
    stats->free_bytes += stats->extent_bytes;
    spin_unlock_irqrestore(&lock, flags);
}

// ---- Start -----------------------------------------------------------------------------------

static void add_extent(uint64_t start, uint64_t end)
{
    struct zone *zone = zone_of(start);
    if (start >= end)
        return;
    if (zone->extent_count == EXTENTS_MAX) {
        log_warn("buddy: too many pieces of RAM, %llu pages stay unused",
                 (unsigned long long)(end - start));
        return;
    }
    zone->extents[zone->extent_count++] = (struct extent){start, end};
    total_pages += end - start;
    page_pfn_low = MIN(page_pfn_low, start);
    page_pfn_high = MAX(page_pfn_high, end);
}

static void add_free_range(paddr_t base, uint64_t len)
{
    // Frame 0 stays out: address 0 means "none" to callers that deal in bus addresses.
    uint64_t start = MAX(base >> PAGE_SHIFT, 1), end = (base + len) >> PAGE_SHIFT;
    add_extent(start, MIN(end, DMA32_END_PFN));
    add_extent(MAX(start, DMA32_END_PFN), end);
}

int buddy_init(void)
{
    paddr_t base = memblock_alloc(CARVE_PAGES * PAGE_SIZE, PAGE_SIZE);
    uint64_t len;
    if (!base)
        return -ENOMEM;
    for (unsigned i = 0; i < CARVE_PAGES; i++)
        stock.pages[stock.count++] = base + i * PAGE_SIZE;
    for (unsigned z = 0; z < ZONES; z++) {
        for (unsigned order = 0; order < ORDERS; order++)
            list_init(&zones[z].free[order]);
    }
    for (base = 0; memblock_next_free(&base, &len); base += len)
        add_free_range(base, len);
    ready = true;
    return total_pages ? 0 : -ENOMEM;
}
