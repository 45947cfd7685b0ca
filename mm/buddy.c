// SPDX-License-Identifier: BSD-2-Clause
//
// Binary buddy allocator in two zones (below and above 4 GiB). All RAM starts out in extents, of
// which a 4 MiB-aligned chunk is carved when no free block fits: its page descriptors are mapped
// and cleared, its free pages go to the free lists. Buddies never lie in different chunks, so a
// merge meets only descriptors that exist, and those of one zone: holes have no free block.
//
// The pages behind the descriptors, and tables to map them, come from a small stock. It is filled
// before a carve from the free lists or, when those are empty, from the chunk itself; so carving
// never calls back into this allocator.

#include <string.h>

#include "arch/pagetable.h"
#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/lib/bootparam.h"
#include "core/lib/fmt.h"
#include "mm/kasan.h"
#include "mm/pagetable.h"
#include "mm/zone.h"

#define CARVE_PAGES (CHUNK_META_PAGES + PT_LEVELS - 1) // descriptors and a path of new tables

// The rule of the watermarks: see set_watermarks.
#define MIN_FREE_KIB_LEAST 128
#define MIN_FREE_KIB_MOST 65536
#define MIN_FREE_SHARE 32        // at most a 32nd of RAM: bites below 16 MiB
#define WATERMARK_SCALE 10       // distance of the marks: at least so many
#define WATERMARK_SCALE_OF 10000 // of so many pages of the zone
#define LOWMEM_RESERVE_RATIO 256

static_assert(CARVE_PAGES <= ARRAY_SIZE(((struct page_stock *)0)->pages), "the stock is too small");
static_assert(DMA32_END_PFN % CHUNK_PAGES == 0, "a chunk belongs to one zone");

struct spinlock zone_lock = SPINLOCK_INIT;
struct zone zones[ZONES];
static struct page_stock stock; // zone_lock
static unsigned chunks_carved;  // zone_lock
static uint64_t min_free_bytes; // `min_free=`, 0: by the rule

struct page_span page_span;

// ---- Free lists ------------------------------------------------------------------------------

static void note_free(struct zone *zone, struct page *page, unsigned order)
{
    page->kind = PAGE_FREE;
    page->order = order;
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

static void link_free(struct zone *zone, struct page *page, unsigned order)
{
    list_add(&zone->free_list[order], &page->link);
    note_free(zone, page, order);
}

static void lower_free(struct zone *zone, uint64_t pages)
{
    zone->free -= pages;
    zone->least_free = MIN(zone->least_free, zone->free);
}

// Its upper halves go back until the block has the right size.
struct page *zone_take_listed(struct zone *zone, unsigned order)
{
    uint32_t fitting = zone->nonempty >> order;
    if (!fitting)
        return NULL;
    unsigned from = order + __builtin_ctz(fitting);
    struct page *page = list_first(&zone->free_list[from], struct page, link);
    unlink_free(zone, page, from);
    while (from-- > order)
        link_free(zone, page + BIT(from), from);
    page->kind = PAGE_USED;
    page->order = order;
    page->account = 0;
    lower_free(zone, BIT(order));
    return page;
}

static bool is_free_block(const struct page *page, unsigned order)
{
    return page->kind == PAGE_FREE && page->order == order;
}

// If the block's buddy's neighbours are free already, the buddy is all that is missing for the next
// size: at the tail of its list the block has the best chance to wait for it.
static bool may_merge_soon(uint64_t pfn, unsigned order)
{
    uint64_t pair = pfn & ~BIT(order);
    return order < PAGE_MAX_ORDER - 1 &&
           is_free_block(page_from_pfn(pair ^ BIT(order + 1)), order + 1);
}

void zone_give(struct zone *zone, struct page *page, unsigned order)
{
    uint64_t pfn = page_pfn(page);
    page->kind = PAGE_TAIL;
    zone->free += BIT(order);
    for (; order < PAGE_MAX_ORDER; order++) {
        struct page *buddy = page_from_pfn(pfn ^ BIT(order));
        if (!is_free_block(buddy, order))
            break;
        unlink_free(zone, buddy, order);
        pfn &= ~BIT(order);
    }
    page = page_from_pfn(pfn);
    if (may_merge_soon(pfn, order))
        list_add_tail(&zone->free_list[order], &page->link);
    else
        list_add(&zone->free_list[order], &page->link);
    note_free(zone, page, order);
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
    while (stock.count < CARVE_PAGES && ((page = zone_take_listed(&zones[ZONE_NORMAL], 0)) ||
                                         (page = zone_take_listed(&zones[ZONE_DMA32], 0)))) {
        kasan_unpoison(page_va(page), PAGE_SIZE);
        stock.pages[stock.count++] = page_pfn(page) << PAGE_SHIFT;
    }
    while (stock.count < CARVE_PAGES) {
        if (!cut(zone, chunk_end, 1, &part))
            return false;
        lower_free(zone, 1);
        kasan_unpoison(linear_va(part.start << PAGE_SHIFT), PAGE_SIZE);
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

// Lists [start, end) in the largest aligned blocks.
static void list_range(struct zone *zone, uint64_t start, uint64_t end)
{
    while (start < end) {
        unsigned order = PAGE_MAX_ORDER;
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
    chunks_carved++;
    while (cut(zone, chunk_end, CHUNK_PAGES, &part)) {
        if (err)
            lower_free(zone, part.end - part.start);
        else
            list_range(zone, part.start, part.end);
    }
    return true;
}

uint64_t zones_descriptor_bytes(void)
{
    return (uint64_t)chunks_carved * CHUNK_META_PAGES * PAGE_SIZE;
}

struct page *zone_take(struct zone *zone, unsigned order)
{
    struct page *page;
    while (!(page = zone_take_listed(zone, order))) {
        if (!carve(zone))
            return NULL;
    }
    return page;
}

// ---- Watermarks ------------------------------------------------------------------------------

bool zone_has(const struct zone *zone, unsigned order, uint64_t mark, uint64_t reserve,
              unsigned gfp)
{
    if (gfp & GFP_ATOMIC) { // half for being urgent, and a quarter of the rest for having no choice
        mark -= mark / 2;
        mark -= mark / 4;
    }
    if (gfp & GFP_RESERVE)
        mark = reserve = 0;
    if (zone->free < BIT(order) || zone->free - (BIT(order) - 1) <= mark + reserve)
        return false;
    return zone->nonempty >> order || zone->extent_first < zone->extent_count;
}

bool zones_above(enum watermark mark)
{
    bool above = true;
    irq_flags_t flags = spin_lock_irqsave(&zone_lock);
    for (unsigned z = 0; z < ZONES; z++)
        above = above && (!zones[z].managed || zones[z].free > zones[z].mark[mark]);
    spin_unlock_irqrestore(&zone_lock, flags);
    return above;
}

static uint64_t square_root(uint64_t n)
{
    uint64_t root = 0;
    for (unsigned bit = 32; bit-- > 0;) {
        uint64_t next = root | BIT64(bit);
        if (next * next <= n)
            root = next;
    }
    return root;
}

// Pages that GFP_KERNEL leaves: grows with the root of RAM, in KiB: 4 * sqrt(KiB), within limits.
// A machine of a few MiB cannot spare the lower limit; it keeps a fixed share.
static uint64_t min_free_pages(uint64_t total)
{
    uint64_t kib = total << (PAGE_SHIFT - 10);
    uint64_t least = square_root(16 * kib);
    least = MIN(MAX(least, MIN_FREE_KIB_LEAST), MIN_FREE_KIB_MOST);
    least = MIN(least, kib / MIN_FREE_SHARE);
    if (min_free_bytes)
        least = MIN(min_free_bytes >> 10, kib / 2);
    return least >> (PAGE_SHIFT - 10);
}

static void set_watermarks(struct zone *zone, uint64_t min)
{
    uint64_t step = MAX(min / 4, zone->managed * WATERMARK_SCALE / WATERMARK_SCALE_OF);
    zone->mark[WMARK_MIN] = min;
    zone->mark[WMARK_LOW] = min + step;
    zone->mark[WMARK_HIGH] = min + 2 * step;
}

// Per-CPU lists: filled and emptied by a 4096th of the zone, at most 128 KiB, one less than a power
// of two; six times as much at most on them. The rule gives 0 for a zone below 32 MiB: 1.
static void set_list_size(struct zone *zone)
{
    uint64_t batch = MIN(zone->managed / 1024, KIB(512) / PAGE_SIZE) / 4;
    batch = MAX(batch, 1);
    batch += batch / 2;
    batch = BIT(63 - __builtin_clzll(batch)) - 1;
    zone->pcp_batch = MAX(batch, 1);
    zone->pcp_high = 6 * zone->pcp_batch;
}

static int set_min_free(const char *value) { return parse_bytes(value, &min_free_bytes); }
BOOT_PARAM(param_min_free, "min_free", set_min_free);

// ---- Start -----------------------------------------------------------------------------------

static void add_extent(uint64_t start, uint64_t end)
{
    if (start >= end)
        return;
    struct zone *zone = &zones[zone_index(start)];
    if (zone->extent_count == EXTENTS_MAX) {
        log_warn("mm: too many pieces of RAM, %llu pages stay unused",
                 (unsigned long long)(end - start));
        return;
    }
    zone->extents[zone->extent_count++] = (struct extent){start, end};
    zone->managed += end - start;
}

static void add_free_range(paddr_t base, uint64_t len)
{
    // Frame 0 stays out: address 0 means "none" to callers that deal in bus addresses.
    uint64_t start = MAX(base >> PAGE_SHIFT, 1), end = (base + len) >> PAGE_SHIFT;
    add_extent(start, MIN(end, DMA32_END_PFN));
    add_extent(MAX(start, DMA32_END_PFN), end);
}

// Extents come in ascending order, the zones' as well.
static void set_span(void)
{
    const struct zone *low = &zones[zones[ZONE_DMA32].managed ? ZONE_DMA32 : ZONE_NORMAL];
    const struct zone *high = &zones[zones[ZONE_NORMAL].managed ? ZONE_NORMAL : ZONE_DMA32];
    if (!low->managed)
        return;
    uint64_t start = low->extents[0].start, end = high->extents[high->extent_count - 1].end;
    page_span.start = (uintptr_t)linear_va(start << PAGE_SHIFT);
    page_span.bytes = (end - start) << PAGE_SHIFT;
}

static void set_rules(void)
{
    uint64_t total = zones[ZONE_DMA32].managed + zones[ZONE_NORMAL].managed;
    uint64_t min = min_free_pages(total);
    for (unsigned z = 0; z < ZONES && total; z++) {
        struct zone *zone = &zones[z];
        zone->free = zone->least_free = zone->managed;
        set_watermarks(zone, min * zone->managed / total);
        set_list_size(zone);
    }
    zones[ZONE_DMA32].lowmem_reserve = zones[ZONE_NORMAL].managed / LOWMEM_RESERVE_RATIO;
}

int zones_init(void)
{
    paddr_t base = memblock_alloc(CARVE_PAGES * PAGE_SIZE, PAGE_SIZE);
    uint64_t len;
    if (!base)
        return -ENOMEM;
    for (unsigned i = 0; i < CARVE_PAGES; i++)
        stock.pages[stock.count++] = base + i * PAGE_SIZE;
    for (unsigned z = 0; z < ZONES; z++) {
        for (unsigned order = 0; order < ORDERS; order++)
            list_init(&zones[z].free_list[order]);
    }
    for (base = 0; memblock_next_free(&base, &len); base += len)
        add_free_range(base, len);
    set_span();
    set_rules();
    return zones[ZONE_DMA32].managed + zones[ZONE_NORMAL].managed ? 0 : -ENOMEM;
}
