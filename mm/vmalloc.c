// SPDX-License-Identifier: BSD-2-Clause
//
// Areas of the vmalloc window in a red-black tree by address. Each area knows the gap in front of
// it and the largest gap of its subtree, so the lowest gap with room is found from the root down. A
// guard page belongs to the end of each area; the window's first page, never used, is the guard in
// front of the first. An area belongs to its caller alone, so its page tables are changed without
// the lock, after it is in and before it is out of the tree.
//
// Freed memory is unmapped at once. The area stays in the tree, with its pages, until a purge: one
// invalidation of the TLBs for all that waits. That happens when more than max(64 pages, 1/256 of
// RAM) wait, when memory, address space or an account's limit stands in the way of a request, when
// the caches are asked to give memory back, and on demand.

#include "mm/vmalloc.h"

#include "arch/layout.h"
#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/lib/rbtree.h"
#include "core/sched/preempt.h"
#include "core/sync/mutex.h"
#include "core/sync/spinlock.h"
#include "mm/account.h"
#include "mm/fault_inject.h"
#include "mm/kasan.h"
#include "mm/memblock.h"
#include "mm/page.h"
#include "mm/page_alloc.h"
#include "mm/percpu.h"
#include "mm/reclaim.h"
#include "mm/slab.h"

#define WINDOW_FIRST (ARCH_VMALLOC_BASE + PAGE_SIZE)
#define WINDOW_END PERCPU_BASE // per-CPU objects come after

#define LAZY_MIN_PAGES 64
#define LAZY_RAM_SHARE 256

enum area_kind {
    AREA_PAGES, // owns its memory
    AREA_STACK, // the same, handed out by stack_alloc
    AREA_ALIAS, // maps what is somebody else's, or devices
    AREA_LAZY,  // freed, waits for a purge
    AREA_END,   // stands at the window's end; maps nothing
};

struct area {
    struct rb_node node;
    uintptr_t start;
    uint64_t len;      // mapped bytes; the guard page behind is not counted
    uint64_t gap;      // unused bytes in front, the guard of the area before not counted
    uint64_t max_gap;  // the largest in this node's subtree
    size_t bytes;      // as asked for
    struct list pages; // PAGES, STACK, LAZY: what is mapped, in any order
    struct list lazy;  // LAZY: those that wait
    enum area_kind kind;
};

static struct spinlock lock = SPINLOCK_INIT; // protects all below
static struct rb_tree areas;
static struct area window_end;
static struct list lazy_areas;
static struct vmalloc_stats totals;
static size_t lazy_max_bytes; // constant
static struct mutex purging = MUTEX_INIT(purging);

static struct slab_cache *area_cache;
static MEM_ACCOUNT(stacks, "stacks");

// ---- Address space; with the lock held ---------------------------------------------------------

static struct area *area_of(struct rb_node *node) { return rb_entry(node, struct area, node); }

static uint64_t max_gap_of(struct rb_node *node) { return node ? area_of(node)->max_gap : 0; }

static void update_max_gap(struct rb_node *node)
{
    struct area *area = area_of(node);
    uint64_t below = MAX(max_gap_of(node->left), max_gap_of(node->right));
    area->max_gap = MAX(area->gap, below);
}

// The lowest area with a gap of `room` bytes or more in front; NULL when there is none.
static struct area *find_gap(uint64_t room)
{
    struct rb_node *node = areas.root;
    if (max_gap_of(node) < room)
        return NULL;
    for (;;) { // the subtree has one
        if (max_gap_of(node->left) >= room)
            node = node->left;
        else if (area_of(node)->gap >= room)
            return area_of(node);
        else
            node = node->right;
    }
}

static void insert_area(struct area *area)
{
    struct rb_node **link = &areas.root, *parent = NULL;
    while (*link) {
        parent = *link;
        link = area->start < area_of(parent)->start ? &parent->left : &parent->right;
    }
    rb_insert(&areas, &area->node, parent, link);
}

// The area that starts there.
static struct area *lookup(uintptr_t start)
{
    struct rb_node *node = areas.root;
    while (node && area_of(node)->start != start)
        node = start < area_of(node)->start ? node->left : node->right;
    return node ? area_of(node) : NULL;
}

// The lowest place whose start equals `offset` modulo `align`; -ENOSPC.
static int place_area(struct area *area, uint64_t align, uint64_t offset)
{
    uint64_t taken = area->len + PAGE_SIZE;
    struct area *next = find_gap(taken + align - PAGE_SIZE);
    if (!next)
        return -ENOSPC;
    uintptr_t gap_start = next->start - next->gap;
    area->start = ALIGN_UP(gap_start - offset, align) + offset;
    area->gap = area->start - gap_start;
    next->gap -= area->gap + taken;
    insert_area(area); // below `next`, whose largest gap is computed anew with that
    return 0;
}

static void remove_area(struct area *area)
{
    struct area *next = area_of(rb_next(&area->node)); // window_end is behind all
    next->gap += area->gap + area->len + PAGE_SIZE;
    rb_remove(&areas, &area->node);
    rb_updated(&areas, &next->node);
}

static void count_area(const struct area *area, bool in)
{
    size_t len = in ? area->len : -area->len;
    totals.areas += in ? 1 : -1UL;
    totals.bytes += len;
    totals.peak_bytes = MAX(totals.peak_bytes, totals.bytes);
    if (area->kind == AREA_STACK) {
        totals.stacks += in ? 1 : -1UL;
        totals.stack_bytes += len;
    }
}

// ---- Purge -----------------------------------------------------------------------------------

static void free_pages(struct list *pages)
{
    struct page *page, *tmp;
    list_for_each_safe (page, tmp, pages, link)
        page_free(page_va(page), 0);
}

// Takes all that waits; the range that covers it.
static uint64_t take_lazy(struct list *taken, uintptr_t *start)
{
    uintptr_t low = UINTPTR_MAX, high = 0;
    spin_lock(&lock);
    while (!list_empty(&lazy_areas)) {
        struct area *area = list_first(&lazy_areas, struct area, lazy);
        list_del(&area->lazy);
        list_add_tail(taken, &area->lazy);
        low = MIN(low, area->start);
        high = MAX(high, area->start + area->len);
    }
    totals.purges += high != 0;
    spin_unlock(&lock);
    *start = low;
    return high ? high - low : 0;
}

static void free_lazy(struct area *area)
{
    free_pages(&area->pages);
    spin_lock(&lock);
    remove_area(area);
    totals.lazy_areas--;
    totals.lazy_bytes -= area->len;
    spin_unlock(&lock);
    slab_free(area_cache, area);
}

// One at a time: whoever finds a purge under way waits for what it gives back.
void vmalloc_purge(void)
{
    struct list taken = LIST_INIT(taken);
    struct area *area, *tmp;
    uintptr_t start;
    mutex_lock(&purging);
    uint64_t len = take_lazy(&taken, &start);
    if (len)
        pagetable_invalidate(start, len);
    list_for_each_safe (area, tmp, &taken, lazy)
        free_lazy(area);
    mutex_unlock(&purging);
}

// Whether a purge has given anything back: the request that failed is worth another try.
static bool purge_helps(void)
{
    spin_lock(&lock);
    bool waiting = totals.lazy_areas != 0;
    spin_unlock(&lock);
    if (waiting)
        vmalloc_purge();
    return waiting;
}

static size_t shrink_count(struct shrinker *shrinker)
{
    (void)shrinker;
    spin_lock(&lock);
    size_t pages = totals.lazy_bytes / PAGE_SIZE;
    spin_unlock(&lock);
    return pages;
}

static size_t shrink_scan(struct shrinker *shrinker, size_t count)
{
    (void)count; // one invalidation serves all
    size_t pages = shrink_count(shrinker);
    vmalloc_purge();
    return pages ? pages : SHRINK_STOP;
}

static struct shrinker lazy_shrinker = {
    .name = "vmalloc", .count = shrink_count, .scan = shrink_scan};

// ---- Areas -----------------------------------------------------------------------------------

static int place_locked(struct area *area, uint64_t align, uint64_t offset)
{
    spin_lock(&lock);
    int err = place_area(area, align, offset);
    if (!err)
        count_area(area, true);
    spin_unlock(&lock);
    return err;
}

static void area_delete(struct area *area)
{
    spin_lock(&lock);
    count_area(area, false);
    remove_area(area);
    spin_unlock(&lock);
    slab_free(area_cache, area);
}

// Where no gap has room for the alignment of an alias, which only serves large blocks, pages have
// to do.
static struct area *area_new(size_t bytes, enum area_kind kind, uint64_t align, uint64_t offset)
{
    if (!bytes || bytes > WINDOW_END - WINDOW_FIRST)
        return NULL;
    struct area *area = slab_alloc(area_cache, GFP_KERNEL);
    if (!area)
        return NULL;
    area->bytes = bytes;
    area->len = ALIGN_UP(bytes, PAGE_SIZE);
    area->kind = kind;
    list_init(&area->pages);
    const uint64_t least = kind == AREA_ALIAS ? PAGE_SIZE : align;
    if (place_locked(area, align, offset) && place_locked(area, least, 0) &&
        (!purge_helps() || place_locked(area, least, 0))) {
        slab_free(area_cache, area);
        return NULL;
    }
    if (kasan_map_area((void *)area->start, bytes)) {
        area_delete(area);
        return NULL;
    }
    return area;
}

static struct area *area_find(const void *start, enum area_kind kind)
{
    spin_lock(&lock);
    struct area *area = lookup((uintptr_t)start);
    spin_unlock(&lock);
    if (area && area->kind == kind)
        return area;
    log_err("vmalloc: %p is no area of that kind", start);
    debug_assert(!"free of what is no area");
    return NULL;
}

// ---- Memory ----------------------------------------------------------------------------------

// Unmaps an area that owns pages and lets it wait for a purge.
static void retire(struct area *area)
{
    kasan_unmap_area((void *)area->start, area->bytes);
    pagetable_unmap_lazy(area->start, area->len); // cannot fail: pages are not split
    spin_lock(&lock);
    count_area(area, false);
    area->kind = AREA_LAZY;
    list_add_tail(&lazy_areas, &area->lazy);
    totals.lazy_areas++;
    totals.lazy_bytes += area->len;
    bool enough = totals.lazy_bytes > lazy_max_bytes;
    spin_unlock(&lock);
    if (enough && !in_interrupt()) // as in callbacks of RCU; the next purge takes it along
        vmalloc_purge();
}

// All pages before the first is mapped: lack of memory, the likely failure, has nothing to unmap.
static int take_pages(struct area *area, unsigned gfp)
{
    for (uint64_t at = 0; at < area->len; at += PAGE_SIZE) {
        void *page = page_alloc(0, gfp);
        if (!page)
            return -ENOMEM;
        list_add_tail(&area->pages, &page_of(page)->link);
    }
    return 0;
}

static int map_pages(const struct area *area)
{
    struct page *page;
    uintptr_t va = area->start;
    int err = 0;
    list_for_each (page, &area->pages, link) {
        err = pagetable_map(va, page_pfn(page) << PAGE_SHIFT, PAGE_SIZE, PROT_RW);
        if (err)
            break;
        va += PAGE_SIZE;
    }
    return err;
}

// An account's limit is for the whole area: one that would go over it does not take a page.
static bool within_limit(uint64_t len, unsigned gfp)
{
    if (account_charge(gfp_account(gfp), len))
        return false;
    account_uncharge(gfp_account(gfp), len); // page_alloc charges page by page
    return true;
}

static struct area *area_with_pages(size_t bytes, enum area_kind kind, size_t align, unsigned gfp)
{
    if (bytes > WINDOW_END - WINDOW_FIRST || !within_limit(ALIGN_UP(bytes, PAGE_SIZE), gfp))
        return NULL;
    struct area *area = area_new(bytes, kind, align, 0);
    if (!area)
        return NULL;
    if (take_pages(area, gfp)) {
        kasan_unmap_area((void *)area->start, area->bytes);
        free_pages(&area->pages);
        area_delete(area);
        return NULL;
    }
    if (map_pages(area)) {
        retire(area);
        return NULL;
    }
    return area;
}

static void *allocate(size_t bytes, enum area_kind kind, size_t align, unsigned gfp)
{
    struct area *area = area_with_pages(bytes, kind, align, gfp);
    if (!area && purge_helps())
        area = area_with_pages(bytes, kind, align, gfp);
    return area ? (void *)area->start : NULL;
}

void *vmalloc(size_t bytes, unsigned gfp)
{
    return FAULT_INJECT() ? NULL : allocate(bytes, AREA_PAGES, PAGE_SIZE, gfp);
}

void *vmalloc_aligned(size_t bytes, size_t align, unsigned gfp)
{
    if (FAULT_INJECT() || align > WINDOW_END - WINDOW_FIRST)
        return NULL;
    return allocate(bytes, AREA_PAGES, MAX(align, PAGE_SIZE), gfp);
}

void vfree(const void *start)
{
    struct area *area = start ? area_find(start, AREA_PAGES) : NULL;
    if (area)
        retire(area);
}

size_t vmalloc_size(const void *start)
{
    size_t bytes = 0;
    spin_lock(&lock);
    const struct area *area = lookup((uintptr_t)start);
    if (area && area->kind < AREA_LAZY) // with the sanitizer, no byte more than was asked for
        bytes = KASAN_ENABLED ? area->bytes : area->len;
    spin_unlock(&lock);
    return bytes;
}

// ---- Stacks ----------------------------------------------------------------------------------

void *stack_alloc(size_t bytes)
{
    if (FAULT_INJECT())
        return NULL;
    return allocate(ALIGN_UP(bytes, PAGE_SIZE), AREA_STACK, PAGE_SIZE,
                    GFP_KERNEL | GFP_ZERO | GFP_ACCOUNT(stacks));
}

void stack_free(void *stack)
{
    struct area *area = stack ? area_find(stack, AREA_STACK) : NULL;
    if (area)
        retire(area);
}

// Red zones between variables are no reason not to read. They grow down from the end.
__attribute__((no_sanitize_address)) size_t stack_high_water(const void *stack, size_t bytes)
{
    const uint64_t *word = stack, *end = word + bytes / sizeof(*word);
    while (word < end && !*word)
        word++;
    return (size_t)((const char *)end - (const char *)word);
}

// ---- Aliases and devices ---------------------------------------------------------------------

void *vmap(paddr_t pa, uint64_t len, enum page_prot prot)
{
    uint64_t align = pagetable_block_bytes(len);
    struct area *area = FAULT_INJECT() ? NULL : area_new(len, AREA_ALIAS, align, pa & (align - 1));
    if (!area)
        return NULL;
    if (pagetable_map(area->start, pa, len, prot)) {
        kasan_unmap_area((void *)area->start, len);
        area_delete(area);
        return NULL;
    }
    return (void *)area->start;
}

void vunmap(const void *start)
{
    struct area *area = start ? area_find(start, AREA_ALIAS) : NULL;
    if (area) {
        kasan_unmap_area(start, area->bytes);
        pagetable_unmap(area->start, area->len); // whole blocks of its own: nothing to split
        area_delete(area);
    }
}

static bool overlaps_ram(paddr_t base, uint64_t len)
{
    paddr_t ram = base;
    uint64_t ram_len;
    return memblock_next_memory(&ram, &ram_len) && ram - base < len;
}

mmio_t ioremap(paddr_t base, uint64_t len)
{
    paddr_t end, first = ALIGN_DOWN(base, PAGE_SIZE);
    if (!len || __builtin_add_overflow(base, len, &end) || end > ALIGN_DOWN(UINT64_MAX, PAGE_SIZE))
        return (mmio_t){0};
    end = ALIGN_UP(end, PAGE_SIZE);
    if (overlaps_ram(first, end - first))
        return (mmio_t){0};
    if (end <= ARCH_DEVICE_WINDOW_BYTES)
        return (mmio_t){ARCH_DEVICE_WINDOW + base};
    void *va = vmap(first, end - first, PROT_DEVICE);
    return (mmio_t){va ? (uintptr_t)va + (base - first) : 0};
}

void iounmap(mmio_t base)
{
    if (base.addr - ARCH_VMALLOC_BASE < ARCH_VMALLOC_BYTES) // else: none, or in the device window
        vunmap((void *)ALIGN_DOWN(base.addr, PAGE_SIZE));
}

// ---- The rest --------------------------------------------------------------------------------

void vmalloc_get_stats(struct vmalloc_stats *stats)
{
    spin_lock(&lock);
    *stats = totals;
    spin_unlock(&lock);
}

int vmalloc_init(void)
{
    area_cache = slab_cache_create("vm-area", sizeof(struct area), 0, 0, NULL);
    if (!area_cache)
        return -ENOMEM;
    struct page_stats ram;
    page_get_stats(&ram);
    lazy_max_bytes = MAX(LAZY_MIN_PAGES * PAGE_SIZE, ram.total_bytes / LAZY_RAM_SHARE);
    totals = (struct vmalloc_stats){0};
    list_init(&lazy_areas);
    areas = (struct rb_tree){.update = update_max_gap};
    window_end =
        (struct area){.start = WINDOW_END, .gap = WINDOW_END - WINDOW_FIRST, .kind = AREA_END};
    insert_area(&window_end);
    shrinker_register(&lazy_shrinker);
    return 0;
}
