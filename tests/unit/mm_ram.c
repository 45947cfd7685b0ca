// SPDX-License-Identifier: BSD-2-Clause
//
// See mm_ram.h. memblock.c and buddy.c are included, so that their state can be reset; the page
// tables are replaced by mmap().

#define _GNU_SOURCE
#include "mm_ram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mm/buddy.c"
#include "mm/memblock.c"
#include "mm/vmalloc.h"

#define FRAMES (MM_RAM_END / PAGE_SIZE)
#define VMALLOC_PAGES (ARCH_VMALLOC_BYTES / PAGE_SIZE)
#define TABLE_SPAN MIB(2) // what one last-level table maps

static int ram_fd = -1;
static bool given[FRAMES], meta[FRAMES], carved[FRAMES / CHUNK_PAGES], have_table[64], have_upper;
static paddr_t vmalloc_pa[VMALLOC_PAGES]; // +1, 0: not mapped
static uint8_t vmalloc_prot[VMALLOC_PAGES];
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
    memset(zones, 0, sizeof(zones));
    have_upper = ready = false;
    stock.count = memory.count = reserved.count = 0;
    total_pages = failures = page_pfn_high = 0;
    page_pfn_low = UINT64_MAX;
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
    check(buddy_init() == 0, "buddy_init");
    paddr_t base = 0;
    uint64_t len;
    for (; memblock_next_free(&base, &len); base += len)
        memset(&given[base / PAGE_SIZE], true, len / PAGE_SIZE);
}

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
        check(!vmalloc_pa[index], "mapped twice");
        vmalloc_pa[index] = pa + at + 1;
        vmalloc_prot[index] = prot;
    }
    back(va, pa, len);
    return 0;
}

int pagetable_unmap(uintptr_t va, uint64_t len)
{
    for (uint64_t at = 0; at < len; at += PAGE_SIZE)
        vmalloc_pa[vmalloc_index(va + at)] = 0;
    unback(va, len);
    return 0;
}

int pagetable_translate(uintptr_t va, paddr_t *pa, enum page_prot *prot)
{
    uint64_t index = vmalloc_index(va);
    if (!vmalloc_pa[index])
        return -EFAULT;
    *pa = vmalloc_pa[index] - 1;
    *prot = vmalloc_prot[index];
    return 0;
}

uint64_t pagetable_block_bytes(uint64_t len) { return len >= MIB(2) ? MIB(2) : PAGE_SIZE; }
