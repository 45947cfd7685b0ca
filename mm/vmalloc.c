// SPDX-License-Identifier: BSD-2-Clause
//
// Areas of the vmalloc window in a red-black tree by address. A new area goes into the first gap
// that has room for it and a guard page behind it; the page before is the guard of the area
// below or the window's first page, which is never used. An area belongs to its caller alone, so
// its page tables are changed without the lock, after it is in and before it is out of the tree.

#include "mm/vmalloc.h"

#include "arch/layout.h"
#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/lib/rbtree.h"
#include "core/sync/spinlock.h"
#include "mm/buddy.h"
#include "mm/memblock.h"
#include "mm/page.h"
#include "mm/slab.h"

#define WINDOW_FIRST (ARCH_VMALLOC_BASE + PAGE_SIZE)
#define WINDOW_END (ARCH_VMALLOC_BASE + ARCH_VMALLOC_BYTES)

enum area_kind {
    AREA_PAGES, // owns its memory
    AREA_ALIAS, // maps what is somebody else's, or devices
};

struct area {
    struct rb_node node;
    uintptr_t start; // mapped bytes; the guard page behind is not counted
    uint64_t len;
    enum area_kind kind;
};

static struct spinlock lock = SPINLOCK_INIT; // protects all below
static struct rb_tree areas;
static struct vmalloc_stats totals;
static struct slab_cache *area_cache;

// ---- Address space ---------------------------------------------------------------------------

static struct area *area_of(struct rb_node *node) { return rb_entry(node, struct area, node); }

// The lowest address from `from` on that equals `offset` modulo `align`.
static uintptr_t align_to(uintptr_t from, uint64_t align, uint64_t offset)
{
    return ALIGN_UP(from - offset, align) + offset;
}

static void insert_area(struct area *area)
{
    struct rb_node **link = &areas.root, *parent = NULL;
    while (*link) {
        parent = *link;
        link = area->start < area_of(parent)->start ? &parent->left : &parent->right;
    }
    rb_insert(&areas, &area->node, parent, link);
    totals.areas++;
    totals.bytes += area->len;
}

// First fit, with the area's start equal to `offset` modulo `align`. Lock held.
static bool place_area(struct area *area, uint64_t align, uint64_t offset)
{
    uint64_t room = area->len + PAGE_SIZE;
    uintptr_t start = align_to(WINDOW_FIRST, align, offset);
    for (struct rb_node *node = rb_first(&areas); node; node = rb_next(node)) {
        const struct area *next = area_of(node);
        if (next->start >= start && next->start - start >= room)
            break;
        start = align_to(next->start + next->len + PAGE_SIZE, align, offset);
    }
    if (start >= WINDOW_END || WINDOW_END - start < room)
        return false;
    area->start = start;
    insert_area(area);
    return true;
}

static struct area *area_new(uint64_t len, enum area_kind kind, uint64_t align, uint64_t offset)
{
    if (!len || len > ARCH_VMALLOC_BYTES)
        return NULL;
    struct area *area = slab_alloc(area_cache, GFP_KERNEL);
    if (!area)
        return NULL;
    area->len = len;
    area->kind = kind;
    spin_lock(&lock);
    bool placed = place_area(area, align, offset);
    spin_unlock(&lock);
    if (!placed) {
        slab_free(area_cache, area);
        return NULL;
    }
    return area;
}

static void area_delete(struct area *area)
{
    spin_lock(&lock);
    rb_remove(&areas, &area->node);
    totals.areas--;
    totals.bytes -= area->len;
    spin_unlock(&lock);
    slab_free(area_cache, area);
}

static struct area *area_find(uintptr_t start, enum area_kind kind)
{
    spin_lock(&lock);
    struct rb_node *node = areas.root;
    while (node && area_of(node)->start != start)
        node = start < area_of(node)->start ? node->left : node->right;
    spin_unlock(&lock);
    if (node && area_of(node)->kind == kind)
        return area_of(node);
    log_err("vmalloc: %p is no area of that kind", (void *)start);
    debug_assert(!"free of what is no area");
    return NULL;
}

// ---- Memory ----------------------------------------------------------------------------------

// Unmaps the first `len` bytes of an area and frees the pages behind them. A page may be used
// again only when no CPU can reach it through here, hence the list in between.
static void release_pages(const struct area *area, uint64_t len)
{
    struct list pages = LIST_INIT(pages);
    struct page *page, *tmp;
    enum page_prot prot;
    paddr_t pa;
    for (uint64_t at = 0; at < len; at += PAGE_SIZE) {
        if (!pagetable_translate(area->start + at, &pa, &prot))
            list_add(&pages, &page_from_pfn(pa >> PAGE_SHIFT)->link);
    }
    if (len)
        pagetable_unmap(area->start, len); // cannot fail: pages are not split
    list_for_each_safe (page, tmp, &pages, link)
        buddy_free(page_va(page), 0);
}

static int fill_area(const struct area *area, unsigned gfp)
{
    for (uint64_t at = 0; at < area->len; at += PAGE_SIZE) {
        void *page = buddy_alloc(0, gfp);
        int err =
            page ? pagetable_map(area->start + at, linear_pa(page), PAGE_SIZE, PROT_RW) : -ENOMEM;
        if (err) {
            if (page)
                buddy_free(page, 0);
            release_pages(area, at);
            return err;
        }
    }
    return 0;
}

void *vmalloc(size_t bytes, unsigned gfp)
{
    if (bytes > ARCH_VMALLOC_BYTES)
        return NULL;
    struct area *area = area_new(ALIGN_UP(bytes, PAGE_SIZE), AREA_PAGES, PAGE_SIZE, 0);
    if (!area)
        return NULL;
    if (fill_area(area, gfp)) {
        area_delete(area);
        return NULL;
    }
    return (void *)area->start;
}

void vfree(const void *start)
{
    struct area *area = start ? area_find((uintptr_t)start, AREA_PAGES) : NULL;
    if (area) {
        release_pages(area, area->len);
        area_delete(area);
    }
}

void *stack_alloc(size_t bytes) { return vmalloc(bytes, GFP_KERNEL); }
void stack_free(void *stack) { vfree(stack); }

// ---- Aliases and devices ---------------------------------------------------------------------

void *vmap(paddr_t pa, uint64_t len, enum page_prot prot)
{
    uint64_t align = pagetable_block_bytes(len);
    struct area *area = area_new(len, AREA_ALIAS, align, pa & (align - 1));
    if (!area)
        return NULL;
    if (pagetable_map(area->start, pa, len, prot)) {
        area_delete(area);
        return NULL;
    }
    return (void *)area->start;
}

void vunmap(const void *start)
{
    struct area *area = start ? area_find((uintptr_t)start, AREA_ALIAS) : NULL;
    if (area) {
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
    area_cache = slab_cache_create("vm-area", sizeof(struct area), 0);
    return area_cache ? 0 : -ENOMEM;
}
