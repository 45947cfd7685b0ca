// SPDX-License-Identifier: BSD-2-Clause
//
// vmalloc, stacks, ioremap and DMA memory: guard pages, gaps used again, memory given back, lack
// of memory at each step, ranges that must be refused.
//
// unit-sources: mm/vmalloc.c mm/dma.c mm/slab.c core/lib/rbtree.c tests/unit/mm_ram.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/buddy.h"
#include "mm/dma.h"
#include "mm/linear.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "mm_ram.h"
#include "platform/platform.h"

#define RAM_BASE 0x40000000ULL
#define AREAS 60

static unsigned cleaned, invalidated;

void platform_cache_clean(const void *mem, size_t bytes)
{
    (void)mem;
    cleaned += bytes;
}
void platform_cache_invalidate(const void *mem, size_t bytes)
{
    (void)mem;
    invalidated += bytes;
}

static int start(void **state)
{
    (void)state;
    mm_ram_reset();
    mm_ram_add(RAM_BASE, MIB(16));
    mm_ram_start();
    return slab_init() || vmalloc_init();
}

static uint64_t free_bytes(void)
{
    struct buddy_stats stats;
    buddy_get_stats(&stats);
    return stats.free_bytes;
}

static struct vmalloc_stats totals(void)
{
    struct vmalloc_stats stats;
    vmalloc_get_stats(&stats);
    return stats;
}

static bool is_mapped(const void *va)
{
    paddr_t pa;
    enum page_prot prot;
    return pagetable_translate((uintptr_t)va, &pa, &prot) == 0;
}

static void guard_pages(void **state)
{
    (void)state;
    char *a = stack_alloc(KIB(32)), *b = stack_alloc(1), *c = vmalloc(PAGE_SIZE + 1, GFP_ZERO);
    assert_true(is_mapped(a) && is_mapped(a + KIB(32) - 1));
    assert_false(is_mapped(a - 1));
    assert_false(is_mapped(a + KIB(32)));
    assert_false(is_mapped(b - 1));
    assert_false(is_mapped(b + PAGE_SIZE));
    assert_false(is_mapped(c - 1));
    assert_false(is_mapped(c + 2 * PAGE_SIZE));
    for (size_t i = 0; i < 2 * PAGE_SIZE; i++)
        assert_int_equal(c[i], 0);
    assert_int_equal(totals().areas, 3);
    assert_int_equal(totals().bytes, KIB(32) + 3 * PAGE_SIZE);
    stack_free(b);
    void *wider = stack_alloc(2 * PAGE_SIZE); // would fit without its guard page
    assert_true((char *)wider > c);
    stack_free(wider);
    assert_ptr_equal(stack_alloc(PAGE_SIZE), b); // the first gap that fits
    stack_free(a);
    stack_free(b);
    vfree(c);
    vfree(NULL);
    assert_int_equal(totals().areas, 0);
}

static void random_areas(void **state)
{
    static struct {
        unsigned char *va;
        size_t bytes;
    } areas[AREAS];
    uint64_t seed = 17;
    (void)state;
    void *first = vmalloc(1, 0); // what stays in use below: descriptors, an empty slab
    vfree(first);
    for (unsigned step = 0; step < 8000; step++) {
        uint64_t random = mm_ram_random(&seed);
        unsigned i = random % AREAS;
        if (areas[i].va) {
            for (size_t at = 0; at < areas[i].bytes; at += 512)
                assert_int_equal(areas[i].va[at], i);
            vfree(areas[i].va);
            areas[i].va = NULL;
        } else {
            areas[i].bytes = 1 + (random >> 10) % KIB(90);
            areas[i].va = vmalloc(areas[i].bytes, GFP_KERNEL);
            assert_non_null(areas[i].va);
            memset(areas[i].va, (int)i, areas[i].bytes);
        }
    }
    for (unsigned i = 0; i < AREAS; i++)
        vfree(areas[i].va);
    assert_int_equal(totals().areas, 0);
    assert_int_equal(totals().bytes, 0);
}

static void lack_of_memory(void **state)
{
    (void)state;
    vfree(vmalloc(1, 0));
    uint64_t before = free_bytes();
    assert_null(vmalloc(MIB(17), GFP_KERNEL)); // more than the window
    assert_null(vmalloc(SIZE_MAX, GFP_KERNEL));
    assert_null(vmalloc(0, GFP_KERNEL));
    for (long n = 0; n < 8; n++) {
        mm_ram_fail_map_after(n);
        assert_null(vmalloc(9 * PAGE_SIZE, GFP_KERNEL));
        assert_null(vmap(RAM_BASE, 0, PROT_RW));
    }
    mm_ram_fail_map_after(0);
    assert_false(mmio_valid(ioremap(0x9000000, 0x1000)));
    mm_ram_fail_map_after(-1);
    assert_int_equal(free_bytes(), before);
    assert_int_equal(totals().areas, 0);
    // Address space is left, RAM is not.
    void *most = vmalloc(MIB(8), GFP_KERNEL), *block;
    void **chain = NULL, **next;
    while ((block = buddy_alloc(0, GFP_KERNEL))) {
        *(void **)block = chain;
        chain = block;
    }
    assert_null(vmalloc(MIB(1), GFP_KERNEL));
    for (; chain; chain = next) {
        next = *chain;
        buddy_free(chain, 0);
    }
    vfree(most);
    assert_int_equal(totals().areas, 0);
}

static void device_ranges(void **state)
{
    paddr_t pa;
    enum page_prot prot;
    (void)state;
    mmio_t uart = ioremap(0x9000018, 8), again = ioremap(0x9000018, 8);
    assert_true(mmio_valid(uart) && mmio_valid(again) && uart.addr != again.addr);
    assert_int_equal(pagetable_translate(uart.addr, &pa, &prot), 0);
    assert_int_equal(pa & ~0xfffULL, 0x9000000);
    assert_int_equal(uart.addr & 0xfff, 0x18);
    assert_int_equal(prot, PROT_DEVICE);
    mmio_t wide = ioremap(0x10ff8, 0x10); // across a page
    assert_true(is_mapped((void *)(wide.addr + 15)));
    mmio_t large = ioremap(0x10300000, MIB(4)); // placed so that 2 MiB blocks fit
    assert_int_equal(large.addr % MIB(2), MIB(1));
    assert_false(mmio_valid(ioremap(0x9000000, 0)));
    assert_false(mmio_valid(ioremap(UINT64_MAX - 5, 10)));
    assert_false(mmio_valid(ioremap(UINT64_MAX - 5, 5)));
    assert_false(mmio_valid(ioremap(RAM_BASE, 0x1000)));
    assert_false(mmio_valid(ioremap(RAM_BASE - 0x1000, 0x1001)));
    assert_false(mmio_valid(ioremap(RAM_BASE + MIB(16) - 1, 1)));
    assert_false(mmio_valid(ioremap(0, 1ULL << 40)));
    iounmap(uart);
    assert_false(is_mapped((void *)uart.addr));
    assert_true(is_mapped((void *)again.addr));
    iounmap(again);
    iounmap(wide);
    iounmap(large);
    iounmap((mmio_t){0});
    mmio_t below = ioremap(RAM_BASE - 0x1000, 0x1000), above = ioremap(RAM_BASE + MIB(16), 1);
    assert_true(mmio_valid(below) && mmio_valid(above));
    iounmap(below);
    iounmap(above);
    assert_int_equal(totals().areas, 0);
}

static void wrong_frees(void **state)
{
    (void)state;
    char *area = vmalloc(KIB(8), GFP_KERNEL);
    void *alias = vmap(0x9000000, PAGE_SIZE, PROT_DEVICE);
    vfree(area + PAGE_SIZE);
    vfree(alias);
    vunmap(area);
    assert_int_equal(totals().areas, 2);
    vfree(area);
    vfree(area); // twice
    vunmap(alias);
    assert_int_equal(totals().areas, 0);
}

static void dma_memory(void **state)
{
    const struct dma_device any = {.mask = UINT64_MAX, .coherent = true};
    const struct dma_device deaf = {.mask = UINT32_MAX}, tiny = {.mask = 0xffffff};
    paddr_t bus;
    (void)state;
    char *ring = dma_alloc(&any, 5000, &bus);
    assert_ptr_equal(ring, linear_va(bus));
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(ring[i], 0);
    assert_int_equal(dma_map(&any, ring + 100, 200, DMA_TO_DEVICE), bus + 100);
    assert_int_equal(cleaned + invalidated, 0); // a coherent device costs no maintenance
    assert_int_equal(dma_map(&tiny, ring, 200, DMA_TO_DEVICE), 0);
    const struct dma_device edge = {.mask = bus + 199, .coherent = true};
    assert_int_equal(dma_map(&edge, ring, 200, DMA_TO_DEVICE), bus);
    assert_int_equal(dma_map(&edge, ring, 201, DMA_TO_DEVICE), 0);
    dma_free(&any, ring, 5000);
    assert_null(dma_alloc(&tiny, 100, &bus));
    assert_null(dma_alloc(&any, 0, &bus));
    assert_null(dma_alloc(&any, MIB(5), &bus));

    ring = dma_alloc(&deaf, 5000, &bus);
    assert_ptr_not_equal(ring, linear_va(bus));
    assert_true(cleaned >= 5000 && invalidated >= 5000);
    paddr_t pa;
    enum page_prot prot;
    assert_int_equal(pagetable_translate((uintptr_t)ring, &pa, &prot), 0);
    assert_int_equal(pa, bus);
    assert_int_equal(prot, PROT_DEVICE);
    dma_free(&deaf, ring, 5000);
    cleaned = invalidated = 0;
    char *packet = kmalloc(2048, GFP_KERNEL);
    bus = dma_map(&deaf, packet, 2048, DMA_FROM_DEVICE);
    assert_int_equal(cleaned, 2048);
    dma_unmap(&deaf, bus, 2048, DMA_FROM_DEVICE);
    assert_int_equal(invalidated, 2048);
    kfree(packet);
    assert_int_equal(totals().areas, 0);
}

// Above 4 GiB first, below where the device asks for it.
static void dma_below_4g(void **state)
{
    const struct dma_device narrow = {.mask = UINT32_MAX, .coherent = true};
    paddr_t bus;
    (void)state;
    mm_ram_reset();
    mm_ram_add((4ULL << 30) - MIB(8), MIB(16));
    mm_ram_start();
    void *high = buddy_alloc(0, GFP_KERNEL), *low = dma_alloc(&narrow, 100, &bus);
    assert_true(linear_pa(high) >> 32);
    assert_int_equal(bus >> 32, 0);
    assert_int_equal(dma_map(&narrow, high, 100, DMA_BIDIRECTIONAL), 0);
    dma_free(&narrow, low, 100);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(guard_pages), TEST(random_areas), TEST(lack_of_memory), TEST(device_ranges),
        TEST(wrong_frees), TEST(dma_memory),   TEST(dma_below_4g),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
