// SPDX-License-Identifier: BSD-2-Clause
//
// See mm_ram.h. memblock.c and all of the page allocator are included, so that their state can be
// reset; the page tables are replaced by mmap().

#define _GNU_SOURCE
#include "mm_ram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mm/account.c"
#include "mm/buddy.c"
#include "mm/memblock.c"
#include "mm/page_alloc.c"
#include "mm/reclaim.c"
#include "mm/vmalloc.h"

#define FRAMES (MM_RAM_END / PAGE_SIZE)
#define VMALLOC_PAGES (ARCH_VMALLOC_BYTES / PAGE_SIZE)
#define TABLE_SPAN MIB(2) // what one last-level table maps

MEM_ACCOUNT(mm_ram, "ram-test"); // the table of accounts must not be empty

static int ram_fd = -1;
static bool given[FRAMES], meta[FRAMES], carved[FRAMES / CHUNK_PAGES], have_table[64], have_upper;
static paddr_t vmalloc_pa[VMALLOC_PAGES]; // +1, 0: not mapped
static uint8_t vmalloc_prot[VMALLOC_PAGES];
static bool vmalloc_stale[VMALLOC_PAGES];          // unmapped, not yet invalidated
static unsigned stale_uses[FRAMES], invalidations; // of a frame: how many such entries lead to it
static long maps_left = -1;

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "mm_ram: %s\n", what);
        abort();
    }
}

static uintptr_t window(uint64_t bytes)
{
    void *va = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(va != MAP_FAILED, "no address space");
    return (uintptr_t)va;
}

static void back(uintptr_t va, paddr_t pa, uint64_t len)
{
    void *got =
        mmap((void *)va, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_fd, (off_t)pa);
    check(got == (void *)va, "cannot map");
}

static void unback(uintptr_t va, uint64_t len)
{
    mmap((void *)va, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
         0);
}

static void reset_allocator(void)
{
    memset(zones, 0, sizeof(zones));
    memset(page_lists, 0, sizeof(page_lists));
    ready = false;
    stock.count = chunks_carved = 0;
    failures = min_free_bytes = page_span.bytes = 0;
    best.list = page_lists;
    best.pages = 0;
    list_init(&shrinkers);
    thread = NULL;
    background_runs = direct_runs = freed_total = 0;
    for (struct mem_account *a = __start_table_mem_account; a < __stop_table_mem_account; a++)
        a->used = a->peak = a->denied = a->limit = 0;
}

void mm_ram_reset(void)
{
    if (ram_fd >= 0) {
        close(ram_fd);
        munmap((void *)host_linear_base, MM_RAM_END);
        munmap((void *)host_vmemmap_base, FRAMES * sizeof(struct page));
        munmap((void *)host_vmalloc_base, ARCH_VMALLOC_BYTES);
    }
    ram_fd = memfd_create("ram", 0);
    check(ram_fd >= 0 && !ftruncate(ram_fd, MM_RAM_END), "no memory file");
    host_linear_base = window(MM_RAM_END);
    host_vmemmap_base = window(FRAMES * sizeof(struct page));
    host_vmalloc_base = window(ARCH_VMALLOC_BYTES);

    memset(given, 0, sizeof(given));
    memset(meta, 0, sizeof(meta));
    memset(carved, 0, sizeof(carved));
    memset(have_table, 0, sizeof(have_table));
    memset(vmalloc_pa, 0, sizeof(vmalloc_pa));
    memset(vmalloc_stale, 0, sizeof(vmalloc_stale));
    memset(stale_uses, 0, sizeof(stale_uses));
    invalidations = 0;
    reset_allocator();
    have_upper = false;
    memory.count = reserved.count = 0;
    maps_left = -1;
}

void mm_ram_add(paddr_t base, uint64_t len)
{
    check(memblock_add(base, len) == 0, "memblock_add");
    back(host_linear_base + ALIGN_UP(base, PAGE_SIZE), ALIGN_UP(base, PAGE_SIZE),
         ALIGN_DOWN(base + len, PAGE_SIZE) - ALIGN_UP(base, PAGE_SIZE));
}

void mm_ram_reserve(paddr_t base, uint64_t len)
{
    check(memblock_reserve(base, len) == 0, "memblock_reserve");
}

void mm_ram_start(void)
{
    check(page_alloc_init() == 0, "page_alloc_init");
    paddr_t base = 0;
    uint64_t len;
    for (; memblock_next_free(&base, &len); base += len)
        memset(&given[base / PAGE_SIZE], true, len / PAGE_SIZE);
}

bool mm_ram_reclaim(void) { return reclaim_to_high(); }

bool mm_ram_given(uint64_t pfn) { return given[pfn]; }
bool mm_ram_is_meta(uint64_t pfn)
{
    for (unsigned i = 0; i < stock.count; i++) {
        if (stock.pages[i] / PAGE_SIZE == pfn)
            return true;
    }
    return meta[pfn];
}
bool mm_ram_is_carved(uint64_t pfn) { return carved[pfn / CHUNK_PAGES]; }
void mm_ram_fail_map_after(long count) { maps_left = count; }

// ---- What the platform and pagetable.c do ----------------------------------------------------

bool linear_mapped(paddr_t pa, uint64_t len)
{
    (void)pa, (void)len;
    return true;
}

static void use_table(struct page_stock *tables, bool *have)
{
    if (*have)
        return;
    check(tables->count > 0, "the stock has no page for a table");
    paddr_t pa = tables->pages[--tables->count];
    meta[pa / PAGE_SIZE] = true;
    memset(linear_va(pa), 0, PAGE_SIZE);
    *have = true;
}

int pagetable_map_stock(uintptr_t va, paddr_t pa, uint64_t len, enum page_prot prot,
                        struct page_stock *tables)
{
    uint64_t offset = va - host_vmemmap_base;
    check(len == PAGE_SIZE && prot == PROT_RW && !meta[pa / PAGE_SIZE], "strange descriptor page");
    if (!have_upper)
        use_table(tables, &(bool){false});
    use_table(tables, &have_upper);
    use_table(tables, &have_table[offset / TABLE_SPAN]);
    meta[pa / PAGE_SIZE] = true;
    carved[offset / (CHUNK_META_PAGES * PAGE_SIZE)] = true;
    back(va, pa, len);
    return 0;
}

static uint64_t vmalloc_index(uintptr_t va)
{
    check(va >= host_vmalloc_base && va < host_vmalloc_base + ARCH_VMALLOC_BYTES, "not vmalloc's");
    return (va - host_vmalloc_base) / PAGE_SIZE;
}

int pagetable_map(uintptr_t va, paddr_t pa, uint64_t len, enum page_prot prot)
{
    if (maps_left == 0)
        return -ENOMEM;
    maps_left -= maps_left > 0;
    for (uint64_t at = 0; at < len; at += PAGE_SIZE) {
        uint64_t index = vmalloc_index(va + at);
        check(!vmalloc_stale[index], "address used before its invalidation");
        check(!vmalloc_pa[index], "mapped twice");
        check(pa >= MM_RAM_END || !stale_uses[(pa + at) / PAGE_SIZE],
              "memory used before its invalidation");
        vmalloc_pa[index] = pa + at + 1;
        vmalloc_prot[index] = prot;
    }
    back(va, pa, len);
    return 0;
}

// The entries stay in the TLB: what they lead to can still be reached.
int pagetable_unmap_lazy(uintptr_t va, uint64_t len)
{
    for (uint64_t at = 0; at < len; at += PAGE_SIZE) {
        uint64_t index = vmalloc_index(va + at);
        if (!vmalloc_pa[index])
            continue;
        if (vmalloc_pa[index] < MM_RAM_END)
            stale_uses[vmalloc_pa[index] / PAGE_SIZE]++;
        vmalloc_stale[index] = true;
    }
    return 0;
}

void pagetable_invalidate(uintptr_t va, uint64_t len)
{
    invalidations++;
    for (uint64_t at = 0; at < len; at += PAGE_SIZE) {
        uint64_t index = vmalloc_index(va + at);
        if (!vmalloc_stale[index])
            continue;
        if (vmalloc_pa[index] < MM_RAM_END)
            stale_uses[vmalloc_pa[index] / PAGE_SIZE]--;
        vmalloc_stale[index] = false;
        vmalloc_pa[index] = 0;
        unback(va + at, PAGE_SIZE);
    }
}

int pagetable_unmap(uintptr_t va, uint64_t len)
{
    pagetable_unmap_lazy(va, len);
    pagetable_invalidate(va, len);
    return 0;
}

bool mm_ram_is_stale(paddr_t pa) { return stale_uses[pa / PAGE_SIZE]; }
unsigned mm_ram_invalidations(void) { return invalidations; }

int pagetable_translate(uintptr_t va, paddr_t *pa, enum page_prot *prot)
{
    uint64_t index = vmalloc_index(va);
    if (!vmalloc_pa[index] || vmalloc_stale[index])
        return -EFAULT;
    *pa = vmalloc_pa[index] - 1;
    *prot = vmalloc_prot[index];
    return 0;
}

uint64_t pagetable_block_bytes(uint64_t len) { return len >= MIB(2) ? MIB(2) : PAGE_SIZE; }
