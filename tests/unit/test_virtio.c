// SPDX-License-Identifier: BSD-2-Clause
//
// The virtio transport (VIRTIO 1.2, 3.1.1 and 4.1) on a device whose registers are here: a sound
// one, then one that is wrong in one place each, then noise. Whatever it says, an answer comes
// in bounded time and no register outside its mapped structures is touched.
//
// unit-sources: drivers/virtio/virtio.c drivers/virtio/virtio_pci.c drivers/virtio/virtqueue.c
// unit-sources: drivers/pci/pci.c core/lib/fmt.c
// unit-flags: -iquote tests/unit/fake_pci

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/time/clock.h"
#include "drivers/pci/host.h"
#include "drivers/virtio/virtio.h"
#include "host.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define CONFIG_BASE 0x100000UL
#define BAR_BASE 0x200000UL
#define BAR_BYTES 0x4000u
#define BAR_INDEX 4
#define COMMON 0x0000u
#define ISR 0x1000u
#define DEVICE 0x2000u
#define NOTIFY 0x3000u
#define CAP(n) (0x40u + 0x18u * (n))

static uint8_t config[4096], regs[BAR_BYTES];
static uint64_t offered, accepted, noise_state;
static uint32_t feature_select, driver_select;
static bool reset_hangs, refuses_features;
static unsigned delays, accesses;
static struct pci_host host;
static struct pci_bus bus;
static struct pci_device pci;
static struct virtio_device *probed;
static int probe_result;
static unsigned table_size;  // of MSI-X; 0: no such capability
static uint32_t few_vectors; // the device has no room for vectors from this one on

// ---- The device ------------------------------------------------------------------------------

static void put(uint8_t *at, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes);
void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value);

static uint8_t *locate(uintptr_t addr, unsigned bytes)
{
    assert_true(addr % bytes == 0);
    accesses++;
    if (addr >= BAR_BASE) {
        assert_true(addr - BAR_BASE + bytes <= sizeof(regs));
        assert_true(get(&config[PCI_COMMAND], 2) & PCI_COMMAND_MEMORY);
        return &regs[addr - BAR_BASE];
    }
    assert_true(addr >= CONFIG_BASE && addr - CONFIG_BASE + bytes <= 0x100);
    return &config[addr - CONFIG_BASE];
}

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes)
{
    const uint8_t *at = locate(addr, bytes);
    if (noise_state && addr >= BAR_BASE) {
        noise_state = noise_state * 6364136223846793005ULL + 1442695040888963407ULL;
        return noise_state >> 33 & (noise_state >> 40 & 1 ? UINT64_MAX : 0);
    }
    if (addr == BAR_BASE + COMMON + 0x04)
        return feature_select < 2 ? (uint32_t)(offered >> (32 * feature_select)) : 0;
    return get(at, bytes);
}

void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value)
{
    uint8_t *at = locate(addr, bytes);
    unsigned off = (unsigned)(addr - BAR_BASE);
    assert_true(addr < BAR_BASE || bytes <= 4); // 4.1.3.1
    if (off == COMMON + 0x00)
        feature_select = (uint32_t)value;
    if (off == COMMON + 0x08)
        driver_select = (uint32_t)value;
    if (off == COMMON + 0x0c)
        accepted |= value << (32 * (driver_select & 1));
    if (off == COMMON + 0x14 && value == 0 && reset_hangs)
        return;
    if ((off == COMMON + 0x10 || off == COMMON + 0x1a) && value >= few_vectors)
        value = VIRTIO_NO_VECTOR;
    if (off == COMMON + 0x14 && refuses_features)
        value &= ~(uint64_t)VIRTIO_STATUS_FEATURES_OK;
    put(at, bytes, value);
}

mmio_t ioremap(paddr_t base, uint64_t len)
{
    assert_true(len && base >= BAR_BASE && base - BAR_BASE + len <= BAR_BYTES);
    return (mmio_t){base};
}
void iounmap(mmio_t base) { assert_true(mmio_valid(base)); }
void clock_delay_us(unsigned us) { delays += us; }
int dma_set_mask(struct dma_device *dev, uint64_t mask)
{
    assert_ptr_equal(dev, &pci.dma);
    assert_true(mask == UINT64_MAX);
    return 0;
}
void *dma_alloc(const struct dma_device *dev, size_t bytes, paddr_t *bus_addr)
{
    assert_ptr_equal(dev, &pci.dma);
    void *mem = NULL;
    if (posix_memalign(&mem, PAGE_SIZE, bytes))
        return NULL;
    *bus_addr = 0x1234567000;
    return mem;
}
void dma_free(const struct dma_device *dev, void *mem, size_t bytes)
{
    assert_true(dev && bytes);
    free(mem);
}

int pci_msix_enable(struct pci_device *dev, unsigned count, int *irqs)
{
    assert_ptr_equal(dev, &pci);
    assert_null(dev->msix);
    if (!table_size)
        return -ENOENT;
    if (count > table_size)
        return -ENOSPC;
    dev->msix = (struct pci_msix *)dev;
    for (unsigned i = 0; i < count; i++)
        irqs[i] = 50 + (int)i;
    return 0;
}
void pci_msix_disable(struct pci_device *dev) { dev->msix = NULL; }

// ---- Driver and set-up -----------------------------------------------------------------------

static int take(struct virtio_device *vdev)
{
    probed = vdev;
    return probe_result;
}
VIRTIO_DRIVER(test_driver, .name = "test", .id = VIRTIO_ID_NET, .probe = take);

TABLE_DECLARE(struct pci_driver, pci_driver);

static void set_cap(unsigned n, unsigned type, unsigned bar, uint32_t offset, uint32_t len)
{
    uint8_t *cap = &config[CAP(n)];
    cap[0] = PCI_CAP_VENDOR;
    cap[1] = n < 4 ? (uint8_t)CAP(n + 1) : 0;
    cap[2] = type == 2 ? 20 : 16;
    cap[3] = (uint8_t)type;
    cap[4] = (uint8_t)bar;
    put(cap + 8, 4, offset);
    put(cap + 12, 4, len);
    if (type == 2)
        put(cap + 16, 4, 4);
}

// A transitional device as common hypervisors make it.
static void set_up(void)
{
    memset(config, 0, sizeof(config));
    memset(regs, 0, sizeof(regs));
    offered = BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_F_EVENT_IDX) | BIT64(5) | BIT64(50);
    accepted = noise_state = 0;
    reset_hangs = refuses_features = false;
    delays = accesses = 0;
    probed = NULL;
    probe_result = 0;
    table_size = 0;
    few_vectors = UINT32_MAX;
    put(&config[0x06], 2, 0x10);
    put(&config[0x2e], 2, VIRTIO_ID_NET);
    config[0x34] = CAP(0);
    set_cap(0, 5, 0, 0, 0); // configuration access, not used
    set_cap(1, 2, BAR_INDEX, NOTIFY, 0x1000);
    set_cap(2, 4, BAR_INDEX, DEVICE, 0x1000);
    set_cap(3, 3, BAR_INDEX, ISR, 0x1000);
    set_cap(4, 1, BAR_INDEX, COMMON, 0x1000);
    put(&regs[COMMON + 0x18], 2, 256);
    put(&regs[COMMON + 0x1e], 2, 1);
    host = (struct pci_host){0};
    host.windows[PCI_MEM] = (struct pci_window){.pci = 0x1000, .len = BAR_BYTES, .cpu = BAR_BASE};
    bus = (struct pci_bus){.host = &host};
    pci = (struct pci_device){.bus = &bus,
                              .config = {CONFIG_BASE},
                              .vendor = 0x1af4,
                              .device = 0x1000,
                              .name = "00:01.0"};
    pci.res[BAR_INDEX] =
        (struct pci_resource){.addr = 0x1000, .len = BAR_BYTES, .kind = PCI_MEM, .assigned = true};
}

static int probe(void)
{
    TABLE_FOREACH (struct pci_driver, driver, pci_driver)
        return driver->probe(&pci);
    return -ENOENT;
}

static void forget(void)
{
    kfree(probed);
    probed = NULL;
    assert_int_equal(host_allocations(), 0);
}

static const struct virtio_feature features[] = {
    {5, "five", NULL},
    {6, "six", NULL},
    {7, "seven", "because"},
    {VIRTIO_F_EVENT_IDX, "event_idx", NULL},
    {VIRTIO_F_VERSION_1, "version_1", NULL},
};

static int negotiate(uint64_t except)
{
    virtio_acknowledge(probed);
    return virtio_negotiate(probed, features, ARRAY_SIZE(features), except);
}

// ---- A sound device --------------------------------------------------------------------------

static void test_bring_up(void **state)
{
    (void)state;
    struct virtqueue vq = {0};
    set_up();
    assert_int_equal(probe(), 0);
    assert_non_null(probed);
    assert_int_equal(get(&config[PCI_COMMAND], 2), PCI_COMMAND_MEMORY); // no bus mastering yet
    assert_int_equal(negotiate(0), 0);
    uint64_t expected = offered & ~BIT64(50);
    assert_true(accepted == expected && probed->features == expected);
    assert_int_equal(virtio_queue_setup(probed, 3, &vq, 128, 1), 0);
    assert_int_equal(vq.size, 128);
    assert_true(vq.event_idx);
    assert_int_equal(vq.doorbell.addr, BAR_BASE + NOTIFY + 4);
    assert_int_equal(get(&regs[COMMON + 0x16], 2), 3);
    assert_int_equal(get(&regs[COMMON + 0x18], 2), 128);
    assert_int_equal(get(&regs[COMMON + 0x1c], 2), 1);
    assert_int_equal(get(&regs[COMMON + 0x20], 8), vq.bus);
    assert_int_equal(get(&regs[COMMON + 0x28], 8), vq.bus + 128 * 16);
    assert_int_equal(get(&regs[COMMON + 0x30], 8) % 8, 4);
    virtio_driver_ok(probed);
    assert_int_equal(virtio_status(probed), 15);
    // Setting up again uses the memory again; another size takes new memory.
    void *mem = vq.mem;
    assert_int_equal(virtio_queue_setup(probed, 3, &vq, 128, 1), 0);
    assert_ptr_equal(vq.mem, mem);
    put(&regs[COMMON + 0x18], 2, 64);
    assert_int_equal(virtio_queue_setup(probed, 3, &vq, 128, 1), 0);
    assert_int_equal(vq.size, 64);
    virtio_queue_free(&vq);
    assert_int_equal(virtio_reset(probed), 0);
    assert_int_equal(delays, 0);
    forget();
}

static void test_types(void **state)
{
    (void)state;
    set_up();
    pci.device = 0x1041;
    put(&config[0x2e], 2, 0x1100); // says nothing on a modern device
    assert_int_equal(probe(), 0);
    assert_non_null(probed);
    forget();
    set_up();
    pci.device = 0x1042; // no driver here: left alone
    assert_int_equal(probe(), 0);
    assert_null(probed);
    assert_int_equal(get(&config[PCI_COMMAND], 2), 0);
    set_up();
    probe_result = -EIO;
    assert_int_equal(probe(), -EIO);
    assert_int_equal(get(&config[PCI_COMMAND], 2), 0);
    assert_int_equal(host_allocations(), 0);
}

static void test_except(void **state)
{
    (void)state;
    set_up();
    offered |= BIT64(6) | BIT64(7);
    assert_int_equal(probe(), 0);
    assert_int_equal(negotiate(BIT64(6)), 0);
    assert_true(virtio_has(probed, 5) && !virtio_has(probed, 6) && !virtio_has(probed, 7));
    forget();
}

// ---- Interrupts ------------------------------------------------------------------------------

static void test_vectors(void **state)
{
    (void)state;
    struct virtqueue vq = {0};
    int irqs[3];
    set_up();
    put(&regs[COMMON + 0x10], 2, 0x1234);
    put(&regs[COMMON + 0x1a], 2, 0x1234);
    assert_int_equal(probe(), 0);
    assert_int_equal(negotiate(0), 0);
    assert_int_equal(virtio_vectors_enable(probed, 2, irqs), -ENOENT);
    assert_int_equal(virtio_config_vector(probed, 0), 0);
    assert_int_equal(virtio_queue_setup(probed, 0, &vq, 128, 1), 0);
    assert_int_equal(get(&regs[COMMON + 0x10], 2), 0x1234); // with INTx they mean nothing
    assert_int_equal(get(&regs[COMMON + 0x1a], 2), 0x1234);
    table_size = 2;
    assert_int_equal(virtio_vectors_enable(probed, 3, irqs), -ENOSPC);
    assert_int_equal(probed->vectors, 0);
    assert_int_equal(virtio_vectors_enable(probed, 2, irqs), 0);
    assert_true(probed->vectors == 2 && irqs[1] == 51);
    assert_int_equal(virtio_config_vector(probed, 0), 0);
    assert_int_equal(virtio_queue_setup(probed, 0, &vq, 128, 1), 0);
    assert_int_equal(get(&regs[COMMON + 0x10], 2), 0);
    assert_int_equal(get(&regs[COMMON + 0x1a], 2), 1);
    assert_int_equal(virtio_queue_setup(probed, 1, &vq, 128, VIRTIO_NO_VECTOR), 0);
    assert_int_equal(get(&regs[COMMON + 0x1a], 2), VIRTIO_NO_VECTOR);
    virtio_vectors_disable(probed);
    assert_true(!probed->vectors && !pci.msix);
    virtio_queue_free(&vq);
    forget();
}

// A queue without its vector is not enabled.
static void test_vectors_refused(void **state)
{
    (void)state;
    struct virtqueue vq = {0};
    int irqs[2];
    set_up();
    table_size = 2;
    few_vectors = 1;
    assert_int_equal(probe(), 0);
    assert_int_equal(negotiate(0), 0);
    assert_int_equal(virtio_vectors_enable(probed, 2, irqs), 0);
    assert_int_equal(virtio_config_vector(probed, 1), -EBUSY);
    assert_int_equal(virtio_config_vector(probed, 0), 0);
    assert_int_equal(virtio_queue_setup(probed, 0, &vq, 128, 1), -EBUSY);
    assert_int_equal(get(&regs[COMMON + 0x1c], 2), 0);
    assert_int_equal(virtio_queue_setup(probed, 0, &vq, 128, 0), 0);
    assert_int_equal(get(&regs[COMMON + 0x1c], 2), 1);
    virtio_vectors_disable(probed);
    virtio_queue_free(&vq);
    forget();
}

// ---- Wrong in one place ----------------------------------------------------------------------

struct bad_cap {
    unsigned n, type, bar;
    uint32_t offset, len;
};

static const struct bad_cap bad_caps[] = {
    {4, 9, BAR_INDEX, COMMON, 0x1000},         // no common structure at all
    {4, 1, 6, COMMON, 0x1000},                 // reserved BAR
    {4, 1, 3, COMMON, 0x1000},                 // a BAR that does not exist
    {4, 1, BAR_INDEX, BAR_BYTES, 0x1000},      // behind the BAR's end
    {4, 1, BAR_INDEX, BAR_BYTES - 0x20, 0x40}, // across it
    {4, 1, BAR_INDEX, 0xfffffffc, 0x1000},
    {4, 1, BAR_INDEX, 0x1002, 0x1000}, // misaligned
    {4, 1, BAR_INDEX, COMMON, 0x37},   // too short
    {1, 2, BAR_INDEX, NOTIFY, 1},
    {3, 3, BAR_INDEX, ISR, 0},
};

static void test_bad_capabilities(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad_caps); i++) {
        const struct bad_cap *c = &bad_caps[i];
        set_up();
        set_cap(c->n, c->type, c->bar, c->offset, c->len);
        assert_int_equal(probe(), -ENODEV);
        assert_null(probed);
        assert_int_equal(host_allocations(), 0);
    }
    set_up(); // an unusable one is passed over when a usable one follows (4.1.4.1)
    set_cap(0, 1, 0, 0, 0x1000);
    assert_int_equal(probe(), 0);
    forget();
    set_up(); // no device configuration: its fields read as 0
    set_cap(2, 9, BAR_INDEX, DEVICE, 0x1000);
    assert_int_equal(probe(), 0);
    assert_int_equal(virtio_config16(probed, 0), 0);
    forget();
    set_up(); // a capability that would end outside configuration space
    config[0x34] = 0xfc;
    config[0xfc] = PCI_CAP_VENDOR;
    config[0xff] = 1;
    assert_int_equal(probe(), -ENODEV);
}

static void test_reset_hangs(void **state)
{
    (void)state;
    set_up();
    regs[COMMON + 0x14] = 0x80;
    reset_hangs = true;
    assert_int_equal(probe(), -ETIMEDOUT);
    assert_in_range(delays, 1000, 1000000);
    assert_int_equal(host_allocations(), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    set_up();
    refuses_features = true;
    assert_int_equal(probe(), 0);
    assert_int_equal(negotiate(0), -EIO);
    forget();
    set_up();
    offered &= ~BIT64(VIRTIO_F_VERSION_1);
    assert_int_equal(probe(), 0);
    assert_int_equal(negotiate(0), -EIO);
    assert_int_equal(accepted, 0);
    forget();
}

static void test_queue_registers(void **state)
{
    (void)state;
    static const struct {
        unsigned size, notify_off;
        int err;
        unsigned chosen;
    } cases[] = {
        {0, 0, -ENOENT, 0},   {1, 0, 0, 1},          {3, 0, 0, 2},           {65535, 0, 0, 256},
        {256, 0x3ff, 0, 256}, {256, 0x400, -EIO, 0}, {256, 0xffff, -EIO, 0},
    };
    set_up();
    assert_int_equal(probe(), 0);
    assert_int_equal(negotiate(0), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct virtqueue vq = {0};
        put(&regs[COMMON + 0x18], 2, cases[i].size);
        put(&regs[COMMON + 0x1c], 2, 0);
        put(&regs[COMMON + 0x1e], 2, cases[i].notify_off);
        assert_int_equal(virtio_queue_setup(probed, 0, &vq, 256, 1), cases[i].err);
        assert_int_equal(get(&regs[COMMON + 0x1c], 2), cases[i].err == 0);
        if (!cases[i].err)
            assert_int_equal(vq.size, cases[i].chosen);
        virtio_queue_free(&vq);
    }
    probed->notify_multiplier = 0x80000001; // no doorbell at odd addresses, none after a wrap
    struct virtqueue vq = {0};
    put(&regs[COMMON + 0x18], 2, 256);
    put(&regs[COMMON + 0x1e], 2, 2);
    assert_int_equal(virtio_queue_setup(probed, 0, &vq, 256, 1), -EIO);
    put(&regs[COMMON + 0x1e], 2, 1);
    assert_int_equal(virtio_queue_setup(probed, 0, &vq, 256, 1), -EIO);
    virtio_queue_free(&vq);
    forget();
}

static void test_noise(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < 2000; seed++) {
        struct virtqueue vq = {0};
        set_up();
        srand(seed);
        for (unsigned i = 0; i < 40 && seed & 1; i++)
            config[0x34 + rand() % 0xc0] = (uint8_t)rand();
        put(&config[PCI_COMMAND], 2, 0);
        noise_state = seed;
        table_size = seed % 3;
        if (probe() == 0 && probed) {
            int irqs[2];
            negotiate(0);
            virtio_vectors_enable(probed, 1, irqs);
            virtio_config_vector(probed, 0);
            virtio_queue_setup(probed, (unsigned)rand(), &vq, 256, 1);
            virtio_reset(probed);
            virtio_vectors_disable(probed);
            virtio_queue_free(&vq);
        }
        assert_in_range(accesses, 1, 20000);
        forget();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bring_up),        cmocka_unit_test(test_types),
        cmocka_unit_test(test_except),          cmocka_unit_test(test_bad_capabilities),
        cmocka_unit_test(test_reset_hangs),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_queue_registers), cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_vectors_refused), cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
