// SPDX-License-Identifier: BSD-2-Clause
//
// DMA with a real device whose addresses are short: QEMU's `edu` (docs/specs/edu.rst there), which
// copies up to 4 KiB from memory into a buffer of its own and back. `edu_mask=` tells the
// machine's property of that name. It cuts off what is above its mask, so an address out of reach
// shows as wrong data, and in QEMU's own log (tests/guest/run.py looks). Machines without it are
// tested for the rest.

#include <string.h>

#include "arch/barrier.h"
#include "core/lib/bootparam.h"
#include "core/lib/fmt.h"
#include "core/time/clock.h"
#include "drivers/pci/pci.h"
#include "mm/cma.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "tests/guest/guest.h"

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define EDU_REGS_BYTES 0x100
#define EDU_BUFFER 0x40000 // the device's own address of its buffer
#define EDU_BUFFER_BYTES 4096
#define STEP_US 1000
#define LIMIT_US 2000000 // a transfer takes 100 ms

enum edu_register { DMA_SOURCE = 0x80, DMA_TARGET = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98 };
#define COMMAND_RUN 1u
#define COMMAND_TO_MEMORY 2u

static struct pci_device *edu;
static mmio_t edu_regs;
static uint64_t edu_mask = 0xfffffff; // QEMU's default

static int set_edu_mask(const char *value) { return parse_u64(value, strlen(value), &edu_mask); }
BOOT_PARAM(param_edu_mask, "edu_mask", set_edu_mask);

static int edu_probe(struct pci_device *dev)
{
    int err = dma_set_mask(&dev->dma, edu_mask);
    if (!err)
        err = pci_map_bar(dev, 0, 0, EDU_REGS_BYTES, &edu_regs);
    if (err)
        return err;
    pci_enable(dev, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    edu = dev;
    return 0;
}
PCI_DRIVER(edu_driver, .name = "edu", .vendor = EDU_VENDOR, .device_first = EDU_DEVICE,
           .device_last = EDU_DEVICE, .probe = edu_probe);

static bool edu_transfer(paddr_t source, paddr_t target, size_t bytes, unsigned direction)
{
    mmio_write64(edu_regs, DMA_SOURCE, source);
    mmio_write64(edu_regs, DMA_TARGET, target);
    mmio_write64(edu_regs, DMA_COUNT, bytes);
    dma_wmb(); // memory before the doorbell; partner: the device's reads after it
    mmio_write64(edu_regs, DMA_COMMAND, COMMAND_RUN | direction);
    for (unsigned waited = 0; mmio_read64(edu_regs, DMA_COMMAND) & COMMAND_RUN; waited += STEP_US) {
        if (waited >= LIMIT_US)
            return false;
        clock_delay_us(STEP_US);
    }
    dma_rmb(); // the end before what was written; partner: the device's writes before it
    return true;
}
static bool edu_load(paddr_t bus, size_t bytes) { return edu_transfer(bus, EDU_BUFFER, bytes, 0); }
static bool edu_store(paddr_t bus, size_t bytes)
{
    return edu_transfer(EDU_BUFFER, bus, bytes, COMMAND_TO_MEMORY);
}

static void fill(uint8_t *mem, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        mem[i] = (uint8_t)(seed + i * 13 + (i >> 8));
}
static bool is_filled(const uint8_t *mem, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++) {
        if (mem[i] != (uint8_t)(seed + i * 13 + (i >> 8)))
            return false;
    }
    return true;
}

static struct dma_stats stats(void)
{
    struct dma_stats now;
    dma_get_stats(&now);
    return now;
}

static bool in_reach(const void *mem)
{
    return linear_pa(mem) + (PAGE_SIZE << PAGE_MAX_ORDER) - 1 <= edu->dma.mask;
}

// A block of the largest size that the device does not reach. What comes before it is kept on a
// chain meanwhile.
static uint8_t *far_memory(void)
{
    void **chain = NULL, **block;
    while ((block = page_alloc(PAGE_MAX_ORDER, GFP_KERNEL)) && in_reach(block)) {
        *block = chain;
        chain = block;
    }
    while (chain) {
        void **next = *chain;
        page_free(chain, PAGE_MAX_ORDER);
        chain = next;
    }
    return (uint8_t *)block;
}

static bool copies(uint8_t *from, uint8_t *to, size_t bytes, unsigned seed)
{
    const struct dma_device *dev = &edu->dma;
    fill(from, bytes, seed);
    memset(to, 0x55, bytes + 64);
    paddr_t bus = dma_map(dev, from, bytes, DMA_TO_DEVICE);
    CHECK(bus && bus + bytes - 1 <= dev->mask);
    CHECK(edu_load(bus, bytes));
    dma_unmap(dev, bus, bytes, DMA_TO_DEVICE);
    memset(from, 0, bytes); // what comes back now comes from the device
    bus = dma_map(dev, to, bytes + 64, DMA_FROM_DEVICE);
    CHECK(bus && bus + bytes - 1 <= dev->mask);
    CHECK(edu_store(bus, bytes));
    dma_unmap(dev, bus, bytes + 64, DMA_FROM_DEVICE);
    CHECK(is_filled(to, bytes, seed));
    for (unsigned i = 0; i < 64; i++)
        CHECK(to[bytes + i] == 0x55); // the device has not written there
    return true;
}

static bool bounced_copies(void)
{
    if (!edu)
        return true;
    uint8_t *far = far_memory();
    CHECK(far);
    struct dma_stats before = stats();
    CHECK(before.bounce_bytes && !before.bounce_used);
    CHECK(copies(far, far + KIB(64), EDU_BUFFER_BYTES, 1));
    CHECK(copies(far + 1000, far + KIB(64) + 77, 3001, 2));
    struct dma_stats after = stats();
    CHECK(after.bounced == before.bounced + 4 && !after.bounce_used);
    page_free(far, PAGE_MAX_ORDER);
    return true;
}

static bool direct_copies(void)
{
    if (!edu)
        return true;
    uint8_t *near = dma_page_alloc(2, GFP_KERNEL, dma_reach(&edu->dma));
    CHECK(near);
    struct dma_stats before = stats();
    CHECK(copies(near, near + 2 * PAGE_SIZE - 100, EDU_BUFFER_BYTES - 1, 3));
    CHECK(stats().bounced == before.bounced);
    page_free(near, 2);
    return true;
}

static bool handed_back_and_forth(void)
{
    if (!edu)
        return true;
    const struct dma_device *dev = &edu->dma;
    uint8_t *far = far_memory();
    CHECK(far);
    fill(far, EDU_BUFFER_BYTES, 4);
    paddr_t bus = dma_map(dev, far, EDU_BUFFER_BYTES, DMA_BIDIRECTIONAL);
    CHECK(bus && edu_load(bus, EDU_BUFFER_BYTES));
    fill(far, 2048, 5);
    dma_sync_for_device(dev, bus, 1024, DMA_BIDIRECTIONAL);
    CHECK(edu_load(bus, 2048)); // 1 KiB new, 1 KiB as it was mapped
    memset(far, 0, EDU_BUFFER_BYTES);
    CHECK(edu_store(bus, 2048));
    dma_sync_for_cpu(dev, bus, 1024, DMA_BIDIRECTIONAL);
    CHECK(is_filled(far, 1024, 5));
    CHECK(far[1024] == 0); // that was not handed over
    dma_unmap(dev, bus, EDU_BUFFER_BYTES, DMA_BIDIRECTIONAL);
    fill(far + 8192, 2048, 4);
    CHECK(memcmp(far + 1024, far + 8192 + 1024, 1024) == 0);
    page_free(far, PAGE_MAX_ORDER);
    return true;
}

// No slot is left: the answer is 0, and when they come back all works again.
static bool bounce_exhaustion(void)
{
    static paddr_t bus[256];
    if (!edu)
        return true;
    const struct dma_device *dev = &edu->dma;
    uint8_t *far = far_memory();
    CHECK(far);
    unsigned count = 0;
    struct dma_stats before = stats();
    while (count < ARRAY_SIZE(bus) && (bus[count] = dma_map(dev, far, 60000, DMA_TO_DEVICE)))
        count++;
    CHECK(count && count < ARRAY_SIZE(bus));
    CHECK(stats().refused == before.refused + 1);
    for (unsigned i = 0; i < count; i++)
        dma_unmap(dev, bus[i], 60000, DMA_TO_DEVICE);
    CHECK(!stats().bounce_used);
    CHECK(copies(far, far + KIB(64), 500, 6));
    page_free(far, PAGE_MAX_ORDER);
    return true;
}

// A block larger than the page allocator has: its first and last bytes through the device, if it
// reaches the contiguous area.
static bool contiguous_area(void)
{
    static const struct dma_device everywhere = {.mask = UINT64_MAX, .coherent = true};
    const struct dma_device *dev = &everywhere;
    struct cma_stats area;
    paddr_t bus;
    cma_get_stats(&area);
    size_t bytes = (PAGE_SIZE << PAGE_MAX_ORDER) + PAGE_SIZE;
    if (edu && area.base + area.bytes - 1 <= edu->dma.mask)
        dev = &edu->dma;
    uint8_t *mem = dma_alloc(dev, bytes, &bus);
    if (area.bytes < bytes) {
        CHECK(!mem);
        return true;
    }
    CHECK(mem && bus >= area.base && bus + bytes <= area.base + area.bytes);
    for (size_t i = 0; i < bytes; i += 1000)
        CHECK(mem[i] == 0);
    fill(mem, 4096, 7);
    if (dev != &everywhere) {
        CHECK(edu_load(bus, 4096) && edu_store(bus + bytes - 4096, 4096));
        CHECK(is_filled(mem + bytes - 4096, 4096, 7));
    }
    dma_free(dev, mem, bytes);
    cma_get_stats(&area);
    CHECK(area.used == 0 && area.peak >= bytes);
    return true;
}

static bool coherent_memory(void)
{
    static const struct dma_device everywhere = {.mask = UINT64_MAX};
    const struct dma_device *dev = edu ? &edu->dma : &everywhere;
    paddr_t bus;
    uint8_t *ring = dma_alloc(dev, 5000, &bus);
    CHECK(ring && bus + 5000 - 1 <= dev->mask);
    for (unsigned i = 0; i < 5000; i++)
        CHECK(ring[i] == 0);
    fill(ring, 4096, 8);
    if (edu) {
        CHECK(edu_load(bus, 4096));
        memset(ring, 0, 4096);
        CHECK(edu_store(bus, 4096));
    }
    CHECK(is_filled(ring, 4096, 8));
    dma_free(dev, ring, 5000);
    return true;
}

const struct guest_test dma_tests[] = {
    {"dma: coherent memory", coherent_memory},
    {"dma: contiguous area", contiguous_area},
    {"dma: within reach", direct_copies},
    {"dma: bounced", bounced_copies},
    {"dma: handed back and forth", handed_back_and_forth},
    {"dma: no buffer left", bounce_exhaustion},
    {NULL, NULL},
};

// Every byte that the allocator can hand out is written once, so that from outside shows what it
// has, and what it has not (tests/system/test_memory_map.py). The marks stay in free memory.
static bool write_everything(void)
{
    void *chain = NULL;
    for (unsigned order = PAGE_MAX_ORDER + 1; order-- > 0;) {
        for (void **block; (block = page_alloc(order, GFP_RESERVE)); chain = block) {
            memset(block, 0xa5, PAGE_SIZE << order);
            block[0] = chain;
            block[1] = (void *)(uintptr_t)order;
        }
    }
    CHECK(chain);
    while (chain) {
        void **block = chain;
        chain = block[0];
        page_free(block, (unsigned)(uintptr_t)block[1]);
    }
    return true;
}

const struct guest_test fill_tests[] = {{"every free byte written", write_everything},
                                        {NULL, NULL}};
