// SPDX-License-Identifier: BSD-2-Clause
//
// DMA and the contiguous area on a made-up machine: 32 MiB of RAM at 1 GiB and 16 MiB at 4 GiB. RAM
// exists twice: as the CPU sees it through its cache (the linear map), and as a device sees it that
// does not snoop. Only cleaning and invalidating carry lines across, so maintenance that is missing
// shows in the data. A device that snoops works on the CPU's side.
//
// unit-sources:

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "host.h"
#include "mm/cma.c"
#include "mm/dma.c"
#include "mm/dma_bounce.c"
#include "mm/memblock.c"
#include "mm_ram.h"

#define LOW 0x40000000ULL
#define LOW_BYTES MIB(32)
#define HIGH (4ULL << 30)
#define HIGH_BYTES MIB(16)
#define END (HIGH + HIGH_BYTES)
#define LOW_PAGES (LOW_BYTES / PAGE_SIZE)
#define HIGH_PAGES (HIGH_BYTES / PAGE_SIZE)

// ---- The machine -------------------------------------------------------------------------------

static char *dram; // what is behind the caches
static bool used[2][LOW_PAGES];
static bool from_top;
static int64_t charged;
static uint64_t charge_limit;

bool linear_mapped(paddr_t pa, uint64_t len) { return pa + len <= END; }

int account_charge(unsigned account, uint64_t bytes)
{
    assert_int_equal(account, gfp_account(GFP_ACCOUNT(dma)));
    if (charge_limit && charged + (int64_t)bytes > (int64_t)charge_limit)
        return -ENOMEM;
    charged += (int64_t)bytes;
    return 0;
}
void account_uncharge(unsigned account, uint64_t bytes)
{
    (void)account;
    charged -= (int64_t)bytes;
}

unsigned page_order_for(size_t bytes)
{
    unsigned order = 0;
    while (order <= PAGE_MAX_ORDER && PAGE_SIZE << order < bytes)
        order++;
    return order;
}

static bool run_is_free(const bool *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pages[i])
            return false;
    }
    return true;
}

// The lowest free block of a zone, or the highest.
static void *zone_alloc(unsigned zone, size_t pages)
{
    size_t total = zone ? HIGH_PAGES : LOW_PAGES;
    for (size_t i = 0; i < total; i += pages) {
        size_t at = from_top ? total - pages - i : i;
        if (!run_is_free(&used[zone][at], pages))
            continue;
        memset(&used[zone][at], true, pages);
        charged += (int64_t)(pages * PAGE_SIZE);
        return linear_va((zone ? HIGH : LOW) + at * PAGE_SIZE);
    }
    return NULL;
}

void *page_alloc(unsigned order, unsigned gfp)
{
    assert_int_equal(gfp_account(gfp), gfp_account(GFP_ACCOUNT(dma)));
    void *block = gfp & GFP_DMA32 ? NULL : zone_alloc(1, 1UL << order);
    return block ? block : zone_alloc(0, 1UL << order);
}

void page_free(void *pages, unsigned order)
{
    paddr_t pa = linear_pa(pages);
    unsigned zone = pa >= HIGH;
    size_t at = (pa - (zone ? HIGH : LOW)) / PAGE_SIZE;
    for (size_t i = 0; i < 1UL << order; i++) {
        assert_true(used[zone][at + i]);
        used[zone][at + i] = false;
    }
    charged -= (int64_t)(PAGE_SIZE << order);
}

static unsigned cleaned, invalidated;

static void lines(const void *mem, size_t bytes, paddr_t *first, size_t *len)
{
    paddr_t pa = linear_pa(mem);
    *first = ALIGN_DOWN(pa, CACHE_LINE);
    *len = ALIGN_UP(pa + bytes, CACHE_LINE) - *first;
}
void platform_cache_clean(const void *mem, size_t bytes)
{
    paddr_t pa;
    size_t len;
    lines(mem, bytes, &pa, &len);
    memcpy(dram + pa, linear_va(pa), len);
    cleaned++;
}
void platform_cache_invalidate(const void *mem, size_t bytes)
{
    paddr_t pa;
    size_t len;
    lines(mem, bytes, &pa, &len);
    memcpy(linear_va(pa), dram + pa, len);
    invalidated++;
}

// Mappings without caching show what is behind the caches.
static unsigned vmaps;
static bool vmap_fails;
void *vmap(paddr_t pa, uint64_t len, enum page_prot prot)
{
    (void)len;
    assert_int_equal(prot, PROT_DEVICE);
    vmaps += !vmap_fails;
    return vmap_fails ? NULL : dram + pa;
}
void vunmap(const void *area_start)
{
    (void)area_start;
    vmaps--;
}
int pagetable_translate(uintptr_t va, paddr_t *pa, enum page_prot *prot)
{
    *pa = va - (uintptr_t)dram;
    *prot = PROT_DEVICE;
    return *pa < END ? 0 : -EFAULT;
}

// What the device does, through its own idea of addresses.
static char *side(const struct dma_device *dev) { return dev->coherent ? linear_va(0) : dram; }
static void device_read(const struct dma_device *dev, paddr_t bus, void *to, size_t bytes)
{
    assert_true(bus && bus + bytes - 1 <= dev->mask);
    memcpy(to, side(dev) + (bus - dev->bus_offset), bytes);
}
static void device_write(const struct dma_device *dev, paddr_t bus, const void *from, size_t bytes)
{
    assert_true(bus && bus + bytes - 1 <= dev->mask);
    memcpy(side(dev) + (bus - dev->bus_offset), from, bytes);
}

static char *window(void)
{
    void *va =
        mmap(NULL, END, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(va, MAP_FAILED);
    return va;
}

static int start(void **state)
{
    (void)state;
    if (!dram) {
        host_linear_base = (uintptr_t)window();
        dram = window();
    }
    memset(used, 0, sizeof(used));
    from_top = vmap_fails = false;
    charged = 0;
    charge_limit = cleaned = invalidated = vmaps = 0;
    for (unsigned i = 0; i < pool_count; i++)
        kfree(pools[i].slots);
    memset(pools, 0, sizeof(pools));
    memset(&numbers, 0, sizeof(numbers));
    pool_count = 0;
    while (!list_empty(&area.blocks)) {
        struct cma_block *block = container_of(area.blocks.next, struct cma_block, link);
        list_del(&block->link);
        kfree(block);
    }
    area.base = area.end = area.used = area.peak = 0;
    memory.count = reserved.count = 0;
    memblock_add(LOW, LOW_BYTES);
    memblock_add(HIGH, HIGH_BYTES);
    host_fail_after(HOST_NEVER);
    return 0;
}

static const struct dma_device everywhere = {.mask = UINT64_MAX, .coherent = true};
static const struct dma_device deaf = {.mask = UINT64_MAX};

static void fill(void *mem, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)mem)[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

static struct dma_stats stats(void)
{
    struct dma_stats now;
    dma_get_stats(&now);
    return now;
}

// Memory out of reach of whoever has 32 bits.
static char *high_memory(size_t bytes)
{
    char *mem = page_alloc(page_order_for(bytes), GFP_ACCOUNT(dma));
    assert_true(linear_pa(mem) >= HIGH);
    return mem;
}

// ---- Coherent memory ---------------------------------------------------------------------------

static void coherent_within_the_mask(void **state)
{
    const struct dma_device narrow = {.mask = UINT32_MAX, .coherent = true};
    const struct dma_device low = {.mask = LOW + MIB(8) - 1, .coherent = true};
    const struct dma_device none = {.mask = LOW - 1, .coherent = true};
    paddr_t bus;
    (void)state;
    char *ring = dma_alloc(&everywhere, 5000, &bus);
    assert_int_equal(bus, HIGH);
    assert_ptr_equal(ring, linear_va(bus));
    memset(ring, 0xff, 8192);
    dma_free(&everywhere, ring, 5000);
    ring = dma_alloc(&everywhere, 5000, &bus);
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(ring[i], 0);
    assert_int_equal(cleaned + invalidated, 0);
    char *second = dma_alloc(&narrow, 100, &bus);
    assert_int_equal(bus, LOW);
    from_top = true; // 12 blocks are out of reach: they are put aside meanwhile, and come back
    char *third = dma_alloc(&low, MIB(2), &bus);
    assert_int_equal(bus, LOW + MIB(6));
    assert_null(dma_alloc(&low, 100, &bus)); // 6,144 pages are too many to put aside
    assert_true(run_is_free(&used[0][MIB(8) / PAGE_SIZE], MIB(24) / PAGE_SIZE));
    from_top = false;
    assert_null(dma_alloc(&none, 1, &(paddr_t){0}));
    assert_null(dma_alloc(&everywhere, 0, &bus));
    dma_free(&everywhere, ring, 5000);
    dma_free(&narrow, second, 100);
    dma_free(&low, third, MIB(2));
    dma_free(&low, NULL, 1);
    assert_int_equal(charged, 0);
}

// The device and the CPU see the same without any maintenance.
static void coherent_for_the_deaf(void **state)
{
    paddr_t bus;
    char seen[64];
    (void)state;
    memset(linear_va(HIGH), 0x77, PAGE_SIZE); // left in the cache by somebody
    char *ring = dma_alloc(&deaf, 5000, &bus);
    assert_ptr_equal(ring, dram + bus);
    assert_int_equal(vmaps, 1);
    device_read(&deaf, bus, seen, sizeof(seen));
    for (unsigned i = 0; i < sizeof(seen); i++)
        assert_int_equal(seen[i], 0);
    fill(ring, 64, 1);
    device_read(&deaf, bus, seen, sizeof(seen));
    assert_memory_equal(seen, ring, 64);
    dma_free(&deaf, ring, 5000);
    assert_int_equal(vmaps, 0);
    vmap_fails = true;
    assert_null(dma_alloc(&deaf, 5000, &bus));
    assert_int_equal(charged, 0);
}

static void large_from_the_area(void **state)
{
    const struct dma_device narrow = {.mask = UINT32_MAX, .coherent = true};
    paddr_t bus;
    struct cma_stats now;
    (void)state;
    assert_null(dma_alloc(&everywhere, MIB(5), &bus)); // there is no area
    cma_set_area(LOW + MIB(20), MIB(12));
    assert_int_equal(cma_init(), 0);
    memset(linear_va(LOW + MIB(20)), 0xee, MIB(12));
    char *large = dma_alloc(&narrow, MIB(5) + 1, &bus);
    assert_int_equal(bus, LOW + MIB(20));
    for (size_t i = 0; i < MIB(5) + PAGE_SIZE; i += 512)
        assert_int_equal(large[i], 0);
    assert_int_equal(charged, MIB(5) + PAGE_SIZE);
    assert_null(dma_alloc(&narrow, MIB(8), &bus));
    cma_get_stats(&now);
    assert_int_equal(now.used, MIB(5) + PAGE_SIZE);
    char *uncached = dma_alloc(&deaf, MIB(5), &bus);
    assert_ptr_equal(uncached, dram + bus);
    dma_free(&narrow, large, MIB(5) + 1);
    dma_free(&deaf, uncached, MIB(5));
    assert_int_equal(charged, 0);
    // A small block, when pages within the mask have run out.
    const struct dma_device tail = {.mask = LOW + MIB(22) - 1, .coherent = true};
    memset(used, true, sizeof(used));
    char *small = dma_alloc(&tail, 100, &bus);
    assert_int_equal(bus, LOW + MIB(20));
    dma_free(&tail, small, 100);
    assert_null(dma_alloc(&tail, MIB(3), &bus)); // across the mask
    charge_limit = MIB(4);
    assert_null(dma_alloc(&everywhere, MIB(5), &bus));
}

// ---- The contiguous area -----------------------------------------------------------------------

static void area_edges(void **state)
{
    struct cma_stats now;
    (void)state;
    assert_null(cma_alloc(PAGE_SIZE, PAGE_SIZE, UINT64_MAX));
    assert_false(cma_free(linear_va(LOW), PAGE_SIZE));
    cma_set_area(LOW + PAGE_SIZE, MIB(4));
    char *aligned = cma_alloc(1, MIB(1), UINT64_MAX);
    assert_ptr_equal(aligned, linear_va(LOW + MIB(1)));
    char *first = cma_alloc(MIB(1) - PAGE_SIZE, 0, UINT64_MAX); // fills the gap exactly
    assert_ptr_equal(first, linear_va(LOW + PAGE_SIZE));
    assert_null(cma_alloc(PAGE_SIZE, PAGE_SIZE, LOW + MIB(1) + PAGE_SIZE + PAGE_SIZE - 2));
    char *limited = cma_alloc(PAGE_SIZE, PAGE_SIZE, LOW + MIB(1) + PAGE_SIZE + PAGE_SIZE - 1);
    assert_ptr_equal(limited, linear_va(LOW + MIB(1) + PAGE_SIZE));
    assert_null(cma_alloc(PAGE_SIZE, PAGE_SIZE, LOW));
    assert_null(cma_alloc(PAGE_SIZE, 3, UINT64_MAX));
    assert_null(cma_alloc(PAGE_SIZE, 1UL << 63, UINT64_MAX));
    assert_null(cma_alloc(0, PAGE_SIZE, UINT64_MAX));
    assert_null(cma_alloc(SIZE_MAX, PAGE_SIZE, UINT64_MAX));
    assert_null(cma_alloc(MIB(4), PAGE_SIZE, UINT64_MAX));
    // What is no block is refused: wrong size, inside a block, outside the area.
    assert_true(cma_free(first, PAGE_SIZE));
    assert_true(cma_free(first + PAGE_SIZE, MIB(1) - 2 * PAGE_SIZE));
    assert_false(cma_free(linear_va(LOW), PAGE_SIZE));
    assert_false(cma_free(linear_va(LOW + PAGE_SIZE + MIB(4)), PAGE_SIZE));
    cma_get_stats(&now);
    assert_int_equal(now.used, MIB(1) + PAGE_SIZE);
    host_fail_after(0);
    assert_null(cma_alloc(PAGE_SIZE, PAGE_SIZE, UINT64_MAX));
    host_fail_after(HOST_NEVER);
    cma_free(first, MIB(1) - PAGE_SIZE);
    cma_free(limited, PAGE_SIZE);
    cma_free(aligned, 1);
    cma_free(aligned, 1); // twice
    cma_get_stats(&now);
    assert_int_equal(now.used, 0);
    assert_int_equal(now.peak, MIB(1) + PAGE_SIZE);
    assert_int_equal(charged, 0);
}

#define AREA_PAGES 512
#define BLOCKS 40
#define AREA_STEPS 100000

// Against a map of pages: no overlap, always the lowest place, NULL only when there is none.
static void area_model(void **state)
{
    static struct {
        unsigned first, pages;
    } blocks[BLOCKS];
    bool map[AREA_PAGES] = {false};
    uint64_t seed = 7;
    (void)state;
    memset(blocks, 0, sizeof(blocks));
    cma_set_area(LOW, AREA_PAGES * PAGE_SIZE);
    for (unsigned step = 0; step < AREA_STEPS; step++) {
        uint64_t random = mm_ram_random(&seed);
        unsigned i = random % BLOCKS, pages = 1 + (random >> 8) % 60;
        unsigned align = 1u << ((random >> 16) % 6), limit = (random >> 24) % AREA_PAGES;
        if (blocks[i].pages) {
            assert_true(cma_free(linear_va(LOW + blocks[i].first * PAGE_SIZE),
                                 blocks[i].pages * PAGE_SIZE));
            memset(&map[blocks[i].first], false, blocks[i].pages);
            blocks[i].pages = 0;
            continue;
        }
        char *mem = cma_alloc(pages * PAGE_SIZE - random % 3, align * PAGE_SIZE,
                              LOW + (limit + 1) * PAGE_SIZE - 1);
        unsigned at = 0;
        while (at + pages <= limit + 1 && !run_is_free(&map[at], pages))
            at += align;
        if (at + pages > limit + 1) {
            assert_null(mem);
            continue;
        }
        assert_ptr_equal(mem, linear_va(LOW + at * PAGE_SIZE));
        memset(&map[at], true, pages);
        blocks[i].first = at;
        blocks[i].pages = pages;
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (blocks[i].pages)
            cma_free(linear_va(LOW + blocks[i].first * PAGE_SIZE), blocks[i].pages * PAGE_SIZE);
    }
    assert_true(list_empty(&area.blocks));
    assert_int_equal(charged, 0);
}

// ---- Streaming, within reach -------------------------------------------------------------------

static void mask_to_the_byte(void **state)
{
    (void)state;
    char *mem = high_memory(PAGE_SIZE);
    const struct dma_device edge = {.mask = HIGH + 199, .coherent = true};
    assert_int_equal(dma_map(&edge, mem, 200, DMA_TO_DEVICE), HIGH);
    assert_int_equal(dma_map(&edge, mem, 201, DMA_TO_DEVICE), 0);
    assert_int_equal(dma_map(&edge, mem + 200, 1, DMA_TO_DEVICE), 0);
    assert_int_equal(dma_map(&everywhere, mem + 100, 200, DMA_TO_DEVICE), HIGH + 100);
    assert_int_equal(dma_map(&everywhere, mem, 0, DMA_TO_DEVICE), 0);
    assert_int_equal(cleaned + invalidated, 0); // a device that snoops costs no maintenance
    assert_int_equal(stats().bounced, 0);
    assert_int_equal(stats().refused, 2);
}

static void maintenance_by_direction(void **state)
{
    char data[256], seen[256];
    (void)state;
    char *mem = high_memory(PAGE_SIZE);
    fill(mem, 256, 3);
    paddr_t bus = dma_map(&deaf, mem, 256, DMA_TO_DEVICE);
    device_read(&deaf, bus, seen, 256);
    assert_memory_equal(seen, mem, 256);
    dma_unmap(&deaf, bus, 256, DMA_TO_DEVICE);
    assert_int_equal(invalidated, 0);

    memset(mem, 0, 256);
    bus = dma_map(&deaf, mem, 256, DMA_FROM_DEVICE);
    fill(data, 256, 9);
    device_write(&deaf, bus, data, 256);
    dma_sync_for_cpu(&deaf, bus, 128, DMA_FROM_DEVICE);
    assert_memory_equal(mem, data, 128);
    assert_int_equal(mem[128], 0); // not handed over yet
    memset(mem, 0, 64);            // the CPU writes there while it may
    dma_sync_for_device(&deaf, bus, 128, DMA_FROM_DEVICE);
    device_write(&deaf, bus, data, 256);
    dma_unmap(&deaf, bus, 256, DMA_FROM_DEVICE);
    assert_memory_equal(mem, data, 256);

    bus = dma_map(&deaf, mem, 256, DMA_BIDIRECTIONAL);
    fill(data, 256, 17);
    device_write(&deaf, bus, data, 128);
    dma_unmap(&deaf, bus, 256, DMA_BIDIRECTIONAL);
    assert_memory_equal(mem, data, 128);
}

// A bus that adds a constant, and passes on a part of memory.
static void bus_offset(void **state)
{
    struct dma_device dev = {.mask = 0x1fffffff,
                             .coherent = true,
                             .bus_last = 0x1fffffff,
                             .bus_offset = 0 - (LOW - 0x10000000),
                             .first = LOW};
    paddr_t bus;
    char seen[16];
    (void)state;
    assert_int_equal(dma_reach(&dev), 0);
    assert_int_equal(dma_reach(&everywhere), UINT64_MAX);
    char *ring = dma_alloc(&dev, 100, &bus);
    assert_int_equal(bus, 0x10000000);
    assert_ptr_equal(ring, linear_va(LOW));
    assert_int_equal(dma_set_mask(&dev, UINT64_MAX), 0);
    assert_int_equal(dev.mask, 0x1fffffff);
    char *mem = high_memory(PAGE_SIZE);
    fill(mem, 16, 5);
    bus = dma_map(&dev, mem, 16, DMA_TO_DEVICE); // through a slot
    assert_true(bus > 0x10000000 && bus < 0x10000000 + LOW_BYTES);
    device_read(&dev, bus, seen, 16);
    assert_memory_equal(seen, mem, 16);
    dma_unmap(&dev, bus, 16, DMA_TO_DEVICE);
    assert_int_equal(stats().bounce_used, 0);
    dma_free(&dev, ring, 100);
    assert_int_equal(dma_set_mask(&dev, 0xfffffff), -EIO); // below the bus's first address
    assert_null(dma_alloc(&dev, 100, &bus));
}

// A window at the end of the bus's addresses, that of a tree that lies: nothing behind it is within
// reach because its bus address has wrapped. A port's packets need no window that starts below RAM.
static void odd_windows(void **state)
{
    (void)state;
    struct dma_device dev = {
        .mask = UINT64_MAX, .bus_last = UINT64_MAX, .bus_offset = 0 - 0x10000ULL, .first = 0};
    assert_true(dma_reaches(&dev, 0x8000, 0x1000));
    assert_false(dma_reaches(&dev, 0x20000, 0x1000));
    dev = (struct dma_device){.mask = UINT32_MAX, .first = LOW};
    assert_int_equal(dma_reach(&dev), UINT32_MAX);
    dev.first = LOW + PAGE_SIZE;
    assert_int_equal(dma_reach(&dev), 0);
}

// ---- Bounce buffers ----------------------------------------------------------------------------

static void no_pool_without_need(void **state)
{
    struct dma_device dev = {.coherent = true};
    (void)state;
    assert_int_equal(dma_set_mask(&dev, END - 1), 0);
    assert_int_equal(pool_count, 0);
    assert_int_equal(dma_set_mask(&dev, LOW - 1), -EIO);
    assert_int_equal(dma_set_mask(&dev, END - 2), 0);
    assert_int_equal(pool_count, 1);
    assert_int_equal(dma_set_mask(&dev, HIGH + MIB(8)), 0); // the same does
    assert_int_equal(dma_set_mask(&dev, UINT32_MAX), 0);
    assert_int_equal(pool_count, 2); // the first one was high
    assert_int_equal(stats().bounce_bytes, 2 * POOL_BYTES);
}

static void both_directions(const struct dma_device *dev)
{
    static char data[10000], seen[10000];
    char *mem = high_memory(sizeof(data));
    fill(mem, sizeof(data), 1);
    paddr_t bus = dma_map(dev, mem, sizeof(data), DMA_TO_DEVICE);
    assert_true(bus && bus != linear_pa(mem));
    device_read(dev, bus, seen, sizeof(seen));
    assert_memory_equal(seen, mem, sizeof(seen));
    memset(mem, 0, sizeof(data)); // after its unmapping nothing comes back
    dma_unmap(dev, bus, sizeof(data), DMA_TO_DEVICE);
    assert_int_equal(mem[0] | mem[9999], 0);

    // The device writes a part; the rest stays, and nothing of the transfer before shows.
    fill(mem, sizeof(data), 50);
    bus = dma_map(dev, mem, sizeof(data), DMA_FROM_DEVICE);
    fill(data, sizeof(data), 99);
    device_write(dev, bus, data, 5000);
    dma_unmap(dev, bus, sizeof(data), DMA_FROM_DEVICE);
    assert_memory_equal(mem, data, 5000);
    fill(data, sizeof(data), 50);
    assert_memory_equal(mem + 5000, data + 5000, 5000);

    // Handed back and forth in parts.
    bus = dma_map(dev, mem, sizeof(data), DMA_BIDIRECTIONAL);
    mem[4096] = 'c';
    dma_sync_for_device(dev, bus + 4096, 1, DMA_BIDIRECTIONAL);
    device_read(dev, bus + 4096, seen, 1);
    assert_int_equal(seen[0], 'c');
    device_write(dev, bus + 6000, "device", 6);
    dma_sync_for_cpu(dev, bus + 6000, 3, DMA_BIDIRECTIONAL);
    assert_memory_equal(mem + 6000, "dev", 3);
    assert_memory_not_equal(mem + 6003, "ice", 3);
    dma_sync_for_cpu(dev, bus, sizeof(data), DMA_TO_DEVICE); // it has written nothing
    assert_memory_not_equal(mem + 6003, "ice", 3);
    dma_unmap(dev, bus, sizeof(data), DMA_BIDIRECTIONAL);
    assert_memory_equal(mem + 6003, "ice", 3);
    assert_int_equal(stats().bounce_used, 0);
    page_free(mem, page_order_for(sizeof(data)));
}

static void bounced_both_ways(void **state)
{
    struct dma_device snoops = {.coherent = true}, does_not = {0};
    (void)state;
    assert_int_equal(dma_set_mask(&snoops, UINT32_MAX), 0);
    assert_int_equal(dma_set_mask(&does_not, UINT32_MAX), 0);
    assert_int_equal(pool_count, 1);
    both_directions(&snoops);
    assert_int_equal(cleaned + invalidated, 0);
    both_directions(&does_not);
    assert_int_equal(stats().bounced, 6);
    assert_int_equal(stats().bounce_peak, 5 * SLOT_BYTES);
}

static void exhaustion(void **state)
{
    struct dma_device dev = {.coherent = true};
    static paddr_t bus[POOL_BYTES / SLOT_BYTES];
    unsigned count = 0;
    (void)state;
    dma_set_mask(&dev, UINT32_MAX);
    char *mem = high_memory(MIB(1));
    assert_int_equal(dma_map(&dev, mem, DMA_BOUNCE_MAX + 1, DMA_TO_DEVICE), 0);
    assert_int_equal(stats().refused, 1);
    while ((bus[count] = dma_map(&dev, mem, DMA_BOUNCE_MAX, DMA_TO_DEVICE)))
        count++;
    assert_int_equal(count, POOL_BYTES / DMA_BOUNCE_MAX);
    assert_int_equal(dma_map(&dev, mem, 1, DMA_TO_DEVICE), 0);
    assert_int_equal(stats().refused, 3);
    dma_unmap(&dev, bus[3], DMA_BOUNCE_MAX, DMA_TO_DEVICE);
    paddr_t again = dma_map(&dev, mem, DMA_BOUNCE_MAX - SLOT_BYTES, DMA_TO_DEVICE);
    assert_int_equal(again, bus[3]);
    assert_int_equal(dma_map(&dev, mem, SLOT_BYTES + 1, DMA_TO_DEVICE), 0);
    assert_int_equal(dma_map(&dev, mem, SLOT_BYTES, DMA_TO_DEVICE),
                     bus[3] + DMA_BOUNCE_MAX - SLOT_BYTES);
    // Memory within reach needs none.
    assert_int_equal(dma_map(&dev, linear_va(LOW + MIB(9)), 1, DMA_TO_DEVICE), LOW + MIB(9));
}

// What was never mapped, or not so, is refused and changes nothing.
static void wrong_unmaps(void **state)
{
    struct dma_device dev = {.coherent = true};
    (void)state;
    dma_set_mask(&dev, UINT32_MAX);
    char *mem = high_memory(PAGE_SIZE);
    fill(mem, 3000, 1);
    paddr_t bus = dma_map(&dev, mem, 3000, DMA_FROM_DEVICE);
    device_write(&dev, bus, "xxxx", 4);
    char before = mem[0];
    dma_unmap(&dev, bus + SLOT_BYTES, 3000 - SLOT_BYTES, DMA_FROM_DEVICE);
    dma_unmap(&dev, bus, 2999, DMA_FROM_DEVICE);
    dma_unmap(&dev, bus, 3001, DMA_FROM_DEVICE);
    dma_unmap(&dev, bus, 0, DMA_FROM_DEVICE);
    dma_unmap(&dev, bus + 64 * SLOT_BYTES, 0, DMA_FROM_DEVICE);
    dma_sync_for_cpu(&dev, bus + 2999, 2, DMA_FROM_DEVICE);
    dma_sync_for_cpu(&dev, bus + 4000, 1, DMA_FROM_DEVICE);
    dma_sync_for_cpu(&dev, bus + 64 * SLOT_BYTES, 1, DMA_FROM_DEVICE);
    assert_int_equal(mem[0], before);
    assert_int_equal(stats().bounce_used, 2 * SLOT_BYTES);
    dma_unmap(&dev, bus, 3000, DMA_FROM_DEVICE);
    assert_int_equal(mem[0], 'x');
    assert_int_equal(stats().bounce_used, 0);
    dma_unmap(&dev, bus, 3000, DMA_FROM_DEVICE); // twice
    assert_int_equal(stats().bounce_used, 0);
}

static void pools_when_memory_is_scarce(void **state)
{
    struct dma_device dev = {.coherent = true};
    (void)state;
    memset(used[0], true, sizeof(used[0]));
    assert_int_equal(dma_set_mask(&dev, UINT32_MAX), -ENOMEM);
    assert_int_equal(charged, 0);
    memset(&used[0][64], false, 32); // 128 KiB are the least that does
    assert_int_equal(dma_set_mask(&dev, UINT32_MAX), 0);
    assert_int_equal(stats().bounce_bytes, POOL_BYTES_MIN);
    assert_int_equal(dma_set_mask(&dev, LOW + MIB(1)), 0);
    assert_int_equal(pool_count, 1);
    assert_int_equal(dma_set_mask(&dev, LOW + 65 * PAGE_SIZE), -ENOMEM);
    // The contiguous area helps out.
    memset(used, true, sizeof(used));
    cma_set_area(LOW, KIB(256));
    assert_int_equal(dma_set_mask(&dev, LOW + 65 * PAGE_SIZE), 0);
    assert_int_equal(pools[1].base, LOW);
    host_fail_after(0);
    cma_set_area(LOW + MIB(1), MIB(1));
    pool_count = 0;
    int64_t before = charged;
    assert_int_equal(dma_set_mask(&dev, LOW + MIB(2)), -ENOMEM); // no memory for its table
    assert_int_equal(charged, before);
    pool_count = 2;
}

#define MAPPINGS 127
#define MAP_STEPS 100000

// Many mappings at a time: each keeps to its own, and at the end all slots are free and one.
static void bounce_model(void **state)
{
    static struct {
        paddr_t bus;
        size_t bytes;
        char *mem;
    } maps[MAPPINGS];
    static char data[DMA_BOUNCE_MAX];
    struct dma_device dev = {.coherent = true};
    uint64_t seed = 99;
    (void)state;
    memset(maps, 0, sizeof(maps));
    dma_set_mask(&dev, UINT32_MAX);
    char *memory_high = high_memory(MAPPINGS * DMA_BOUNCE_MAX);
    for (unsigned step = 0; step < MAP_STEPS; step++) {
        uint64_t random = mm_ram_random(&seed);
        unsigned i = random % MAPPINGS;
        if (maps[i].bus) {
            // Its own number stands at both ends, as the device has left it there.
            dma_unmap(&dev, maps[i].bus, maps[i].bytes, DMA_FROM_DEVICE);
            assert_int_equal(maps[i].mem[0], (char)i);
            assert_int_equal(maps[i].mem[maps[i].bytes - 1], (char)i);
            maps[i].bus = 0;
            continue;
        }
        maps[i].bytes = 1 + (random >> 8) % (random >> 40 & 1 ? 3000 : DMA_BOUNCE_MAX);
        maps[i].mem = memory_high + i * DMA_BOUNCE_MAX;
        maps[i].bus = dma_map(&dev, maps[i].mem, maps[i].bytes, DMA_FROM_DEVICE);
        if (maps[i].bus) {
            data[0] = data[1] = (char)i;
            device_write(&dev, maps[i].bus, data, 1);
            device_write(&dev, maps[i].bus + maps[i].bytes - 1, data, 1);
        }
    }
    for (unsigned i = 0; i < MAPPINGS; i++) {
        if (maps[i].bus)
            dma_unmap(&dev, maps[i].bus, maps[i].bytes, DMA_FROM_DEVICE);
    }
    assert_int_equal(stats().bounce_used, 0);
    for (unsigned i = 0; i < POOL_WORDS; i++)
        assert_true(pools[0].free[i] == UINT64_MAX);
    assert_true(stats().refused > 0 && stats().bounced > MAP_STEPS / 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(coherent_within_the_mask),
        TEST(coherent_for_the_deaf),
        TEST(large_from_the_area),
        TEST(area_edges),
        TEST(area_model),
        TEST(mask_to_the_byte),
        TEST(maintenance_by_direction),
        TEST(bus_offset),
        TEST(odd_windows),
        TEST(no_pool_without_need),
        TEST(bounced_both_ways),
        TEST(exhaustion),
        TEST(wrong_unmaps),
        TEST(pools_when_memory_is_scarce),
        TEST(bounce_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
