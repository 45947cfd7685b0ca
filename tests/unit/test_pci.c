// SPDX-License-Identifier: BSD-2-Clause
//
// The PCI host driver on a device tree and a PCI hierarchy in memory: discovery behind bridges,
// every resource sized and placed inside all windows above it without overlap, INTx routing,
// message interrupts, and then damaged trees and configuration space that answers with noise.
//
// unit-sources: drivers/pci/ecam.c drivers/pci/scan.c drivers/pci/bar.c drivers/pci/assign.c
// unit-sources: drivers/pci/irq.c drivers/pci/pci.c drivers/pci/msix.c drivers/pci/msi_route.c
// unit-sources: core/lib/dt.c core/lib/fmt.c mm/dma_tree.c
// unit-sources: tests/unit/fake_pci.c
// unit-sources: out/deps/libfdt/libfdt/fdt.c out/deps/libfdt/libfdt/fdt_sw.c
// unit-sources: out/deps/libfdt/libfdt/fdt_ro.c
// unit-flags: -iquote tests/unit/fake_pci -isystem out/deps/libfdt/libfdt
// unit-flags: -Wno-sign-compare -Wno-shadow

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "core/irq/irq.h"
#include "drivers/driver.h"
#include "fake_pci.h"
#include "host.h"
#include "mm/slab.h"

#define GIC 0x8005u
#define VENDOR 0x1234u
#define ID(device) ((device) << 16 | VENDOR)
#define BRIDGE_CLASS 0x060400u
#define MEM32 0u
#define MEM64 4u
#define PREF64 0xcu
#define IO 1u

TABLE_DECLARE(struct dt_driver, dt_driver);

static struct pci_device *found[PCI_DEVICES_MAX];
static unsigned found_count;

static int take_device(struct pci_device *dev)
{
    found[found_count++] = dev;
    return dev->device == 0xdead ? -EIO : 0;
}
PCI_DRIVER(test_driver, .name = "test", .vendor = VENDOR, .device_first = 1, .device_last = 0xfffe,
           .probe = take_device);

int irq_from_specifier(const struct dt_node *controller, const uint32_t *spec, unsigned cells)
{
    assert_int_equal(controller->phandle, GIC);
    assert_int_equal(cells, 3);
    return (int)spec[1] + 32;
}

// A controller with six message interrupts.
#define MSI 0x8007u
#define MSI_ADDRESS 0x12ff00000ULL
#define MSI_FIRST 32
static unsigned msi_taken;
static uint32_t msi_device;

int msi_allocate(const struct dt_node *controller, uint32_t device_id, struct msi_vector *vectors,
                 unsigned count)
{
    if (controller->phandle != MSI)
        return -ENODEV;
    if (count > 6 - msi_taken)
        return -ENOSPC;
    for (unsigned i = 0; i < count; i++, msi_taken++)
        vectors[i] = (struct msi_vector){
            .irq = 100 + (int)i, .data = MSI_FIRST + msi_taken, .address = MSI_ADDRESS};
    msi_device = device_id;
    return 0;
}

void msi_release(const struct dt_node *controller, uint32_t device_id,
                 const struct msi_vector *vectors, unsigned count)
{
    assert_int_equal(controller->phandle, MSI);
    assert_int_equal(device_id, msi_device);
    assert_true(vectors[0].irq == 100 && count <= msi_taken);
    msi_taken -= count;
}

// ---- The tree --------------------------------------------------------------------------------

struct tree {
    const uint32_t *ranges, *bus_range, *map;
    size_t ranges_bytes, bus_range_bytes, map_bytes;
    bool no_reg;
    const uint32_t *msi_map; // or none
    size_t msi_map_bytes;
    uint32_t msi_mask, msi_parent;
};

static const uint32_t good_ranges[] = {
    0x1000000, 0,    0,          0,    0x3eff0000, 0,    0x10000,    // I/O
    0x2000000, 0,    0x10000000, 0,    0x10000000, 0,    0x2eff0000, // memory
    0x3000000, 0x80, 0,          0x80, 0,          0x80, 0,          // 64-bit memory
};
static const uint32_t good_buses[] = {0, 255};
// Pins of four device numbers rotate over four lines, as on common machines.
#define LINE(device, pin) (device) << 11, 0, 0, pin, GIC, 0, 0, 0, 3 + ((device) + (pin) - 1) % 4, 4
#define LINES(device) LINE(device, 1), LINE(device, 2), LINE(device, 3), LINE(device, 4)
static const uint32_t good_map[] = {LINES(0), LINES(1), LINES(2), LINES(3)};

static const struct tree good_tree = {
    .ranges = good_ranges,
    .bus_range = good_buses,
    .map = good_map,
    .ranges_bytes = sizeof(good_ranges),
    .bus_range_bytes = sizeof(good_buses),
    .map_bytes = sizeof(good_map),
};

static char blob[16384];

static void words(const char *name, const uint32_t *values, size_t bytes)
{
    uint32_t be[256];
    for (size_t i = 0; i < DIV_ROUND_UP(bytes, 4); i++)
        be[i] = cpu_to_fdt32(values[i]);
    assert_int_equal(fdt_property(blob, name, be, (int)bytes), 0);
}
#define WORDS(name, ...) words(name, (uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}))

static void write_host(const struct tree *tree)
{
    fdt_begin_node(blob, "pcie@10000000");
    fdt_property_string(blob, "compatible", "pci-host-ecam-generic");
    fdt_property(blob, "dma-coherent", "", 0);
    WORDS("#address-cells", 3);
    WORDS("#size-cells", 2);
    WORDS("#interrupt-cells", 1);
    if (!tree->no_reg)
        WORDS("reg", FAKE_ECAM >> 32, FAKE_ECAM & UINT32_MAX, 0, FAKE_ECAM_BYTES);
    words("ranges", tree->ranges, tree->ranges_bytes);
    words("bus-range", tree->bus_range, tree->bus_range_bytes);
    WORDS("interrupt-map-mask", 0x1800, 0, 0, 7);
    words("interrupt-map", tree->map, tree->map_bytes);
    if (tree->msi_map)
        words("msi-map", tree->msi_map, tree->msi_map_bytes);
    if (tree->msi_mask)
        WORDS("msi-map-mask", tree->msi_mask);
    if (tree->msi_parent)
        WORDS("msi-parent", tree->msi_parent, 0x4711);
    fdt_end_node(blob);
}

// Writes the tree and hands its host bridge to the driver. Returns what the probe does.
static int probe(const struct tree *tree)
{
    const char *reason;
    found_count = 0;
    assert_int_equal(fdt_create(blob, sizeof(blob)), 0);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    WORDS("#address-cells", 2);
    WORDS("#size-cells", 2);
    fdt_begin_node(blob, "intc");
    WORDS("phandle", GIC);
    WORDS("#interrupt-cells", 3);
    WORDS("#address-cells", 2);
    fdt_end_node(blob);
    fdt_begin_node(blob, "msi");
    WORDS("phandle", MSI);
    fdt_end_node(blob);
    write_host(tree);
    fdt_end_node(blob);
    assert_int_equal(fdt_finish(blob), 0);
    assert_int_equal(dt_init(blob, sizeof(blob), &reason), 0);
    TABLE_FOREACH (struct dt_driver, driver, dt_driver)
        return driver->probe(dt_by_compatible(NULL, driver->compatible));
    return -ENOENT;
}

static void free_bus(struct pci_bus *bus)
{
    for (struct pci_device *dev = bus->devices, *next; dev; dev = next) {
        next = dev->next;
        if (dev->child)
            free_bus(dev->child);
        kfree(dev);
    }
    kfree(bus);
}

static void free_host(void)
{
    assert_true(found_count > 0);
    struct pci_host *host = found[0]->bus->host;
    free_bus(host->root);
    kfree(host);
    assert_int_equal(host_allocations(), 0);
}

static struct pci_device *device(unsigned id)
{
    for (unsigned i = 0; i < found_count; i++) {
        if (found[i]->device == id)
            return found[i];
    }
    fail_msg("device %04x was not found", id);
    return NULL;
}

// ---- Checks of what was assigned -------------------------------------------------------------

// Every assigned resource of a bus is aligned, in [base, base + len) of its kind's window, and
// clear of the others; the same for the buses below, with the bridges' windows.
static void check_bus(const struct pci_bus *bus, const struct pci_window *windows)
{
    for (struct pci_device *dev = bus->devices; dev; dev = dev->next) {
        for (unsigned i = 0; i < PCI_BARS; i++) {
            const struct pci_resource *r = &dev->res[i];
            if (!r->assigned)
                continue;
            const struct pci_window *w = &windows[r->kind];
            if (r->kind == PCI_PREF && !w->len)
                w = &windows[PCI_MEM];
            assert_true(r->len && r->addr % r->align == 0);
            assert_true(r->addr && r->addr >= w->pci && r->addr - w->pci <= w->len - r->len);
            for (struct pci_device *other = dev; other; other = other->next) {
                for (unsigned j = other == dev ? i + 1 : 0; j < PCI_BARS; j++) {
                    const struct pci_resource *o = &other->res[j];
                    if (o->assigned && (o->kind == PCI_IO) == (r->kind == PCI_IO))
                        assert_true(o->addr + o->len <= r->addr || r->addr + r->len <= o->addr);
                }
            }
        }
        if (dev->child) {
            struct pci_window inner[PCI_PREF + 1] = {0};
            for (enum pci_kind kind = PCI_IO; kind <= PCI_PREF; kind++) {
                const struct pci_resource *r = pci_bridge_window(dev, kind);
                if (r->assigned)
                    inner[kind] = (struct pci_window){.pci = r->addr, .len = r->len};
            }
            check_bus(dev->child, inner);
        }
    }
}

static void check_tree(void) { check_bus(found[0]->bus->host->root, found[0]->bus->host->windows); }

static void check_bar(const struct fake_function *f, unsigned id, unsigned bar, uint64_t len)
{
    const struct pci_resource *r = &device(id)->res[bar];
    assert_true(r->assigned);
    assert_int_equal(r->len, len);
    uint64_t addr = fake_pci_get(f, 0x10 + 4 * bar, 4) & ~(r->kind == PCI_IO ? 3u : 15u);
    if (r->wide)
        addr |= (uint64_t)fake_pci_get(f, 0x14 + 4 * bar, 4) << 32;
    assert_int_equal(addr, r->addr);
}

// ---- Hierarchies -----------------------------------------------------------------------------

static struct fake_function *add_root_port(unsigned devfn, unsigned device_id)
{
    uint16_t flags = 4 << 4 | 2; // root port
    struct fake_function *f = fake_pci_add(NULL, devfn, 1, ID(device_id), BRIDGE_CLASS);
    fake_pci_windows(f, true, true);
    fake_pci_cap(f, 0x54, 0x10, &flags, sizeof(flags));
    return f;
}

static struct fake_function *add_nic(struct fake_function *parent, unsigned devfn, unsigned id)
{
    struct fake_function *f = fake_pci_add(parent, devfn, 0, ID(id), 0x020000);
    fake_pci_bar(f, 0, 32, IO);
    fake_pci_bar(f, 1, 4096, MEM32);
    fake_pci_bar(f, 4, 16384, PREF64);
    return f;
}

static void test_flat(void **state)
{
    (void)state;
    fake_pci_reset();
    struct fake_function *bridge = fake_pci_add(NULL, 0, 0, 0x00081b36, 0x060000);
    fake_pci_bar(bridge, 0, 1 << 20, MEM32);
    struct fake_function *a = add_nic(NULL, 1 << 3, 1), *b = add_nic(NULL, 2 << 3, 2);
    assert_int_equal(probe(&good_tree), 0);
    assert_int_equal(found_count, 2);
    assert_ptr_equal(found[0], device(1)); // in order of discovery
    check_tree();
    check_bar(a, 1, 0, 32);
    check_bar(a, 1, 1, 4096);
    check_bar(a, 1, 4, 16384);
    check_bar(b, 2, 4, 16384);
    assert_true(device(1)->dma.coherent);
    assert_true(device(1)->res[4].addr >= 0x8000000000);
    assert_int_equal(fake_pci_get(bridge, 0x10, 4), MEM32); // a host bridge's is left alone
    assert_int_equal(fake_pci_get(a, 4, 2), 0);             // nothing decodes before its driver
    // 32 looks at device numbers, and about 20 reads for each function.
    assert_in_range(fake_pci_reads, 32, 32 + 3 * 20);
    free_host();
}

static void test_bridges(void **state)
{
    (void)state;
    fake_pci_reset();
    struct fake_function *port = add_root_port(1 << 3, 0x10), *f[8];
    f[0] = add_nic(port, 0, 1);
    f[1] = add_nic(port, 5 << 3, 2); // impossible behind a root port: not to be found
    struct fake_function *old = fake_pci_add(NULL, 3 << 3, 1, ID(0x11), BRIDGE_CLASS);
    struct fake_function *deep = fake_pci_add(old, 7 << 3, 1, ID(0x12), BRIDGE_CLASS);
    fake_pci_windows(deep, true, true);
    f[2] = add_nic(deep, 9 << 3, 3);
    fake_pci_bar(f[2], 2, 8 << 20, MEM32);
    f[3] = fake_pci_add(old, 30 << 3, 0x80, ID(4), 0x010000);
    f[4] = fake_pci_add(old, 30 << 3 | 6, 0, ID(5), 0x010000);
    fake_pci_bar(f[4], 0, 1 << 20, MEM64);
    assert_int_equal(probe(&good_tree), 0);
    assert_int_equal(found_count, 7);
    check_tree();
    check_bar(f[0], 1, 0, 32);
    check_bar(f[0], 1, 4, 16384);
    assert_true(device(1)->res[4].addr >= 0x8000000000);
    check_bar(f[2], 3, 2, 8 << 20);
    check_bar(f[2], 3, 4, 16384);
    assert_true(device(3)->res[4].addr < UINT32_MAX); // the old bridge has no prefetchable window
    assert_false(device(3)->res[0].assigned);         // and no I/O
    check_bar(f[4], 5, 0, 1 << 20);
    assert_int_equal(fake_pci_get(port, 0x18, 3), 0x010100);
    assert_int_equal(fake_pci_get(old, 0x18, 3), 0x030200);
    assert_int_equal(fake_pci_get(deep, 0x18, 3), 0x030302);
    assert_int_equal(fake_pci_get(old, 4, 2), 0);
    pci_enable(device(3), PCI_COMMAND_MEMORY);
    assert_int_equal(fake_pci_get(f[2], 4, 2), PCI_COMMAND_MEMORY);
    assert_int_equal(fake_pci_get(deep, 4, 2), PCI_COMMAND_MEMORY);
    assert_int_equal(fake_pci_get(old, 4, 2), PCI_COMMAND_MEMORY);
    free_host();
}

// The registers of a bridge's windows say what was meant, and are closed where nothing is behind.
static void test_window_registers(void **state)
{
    (void)state;
    fake_pci_reset();
    struct fake_function *full = add_root_port(1 << 3, 0x10), *empty = add_root_port(2 << 3, 0x11);
    add_nic(full, 0, 1);
    assert_int_equal(probe(&good_tree), 0);
    check_tree();
    const struct pci_device *dev = device(0x10);
    uint32_t mem = fake_pci_get(full, 0x20, 4), pref = fake_pci_get(full, 0x24, 4);
    uint32_t io = fake_pci_get(full, 0x1c, 2);
    assert_int_equal((mem & 0xfff0) << 16, dev->res[3].addr);
    assert_int_equal((mem & 0xfff00000) + 0x100000, dev->res[3].addr + dev->res[3].len);
    assert_int_equal((uint64_t)fake_pci_get(full, 0x28, 4) << 32 | (pref & 0xfff0) << 16,
                     dev->res[4].addr);
    assert_int_equal(((uint64_t)fake_pci_get(full, 0x2c, 4) << 32 | (pref & 0xfff00000)) + 0x100000,
                     dev->res[4].addr + dev->res[4].len);
    assert_int_equal((io & 0xf0) << 8, dev->res[2].addr);
    assert_int_equal((io & 0xf000) + 0x1000, dev->res[2].addr + dev->res[2].len);
    mem = fake_pci_get(empty, 0x20, 4);
    pref = fake_pci_get(empty, 0x24, 4);
    assert_true((mem & 0xfff0) > mem >> 16 && (pref & 0xfff0) > (pref >> 16 & 0xfff0));
    assert_true((fake_pci_get(empty, 0x1c, 1) & 0xf0) > (fake_pci_get(empty, 0x1d, 1) & 0xf0));
    free_host();
}

static void test_no_room(void **state)
{
    (void)state;
    mmio_t regs;
    fake_pci_reset();
    struct fake_function *f = fake_pci_add(NULL, 1 << 3, 0, ID(1), 0x030000);
    fake_pci_bar(f, 0, 1U << 31, MEM32);
    fake_pci_bar(f, 1, 8192, MEM32);
    fake_pci_bar(f, 2, 1ULL << 63, PREF64);
    fake_pci_bar(f, 4, 1U << 16, IO);
    fake_pci_bar(f, 5, 4096, MEM64); // its upper half would be beyond the BARs
    assert_int_equal(probe(&good_tree), 0);
    check_tree();
    const struct pci_device *dev = device(1);
    assert_int_equal(pci_map_bar(dev, 0, 0, 16, &regs), -ENODEV);
    assert_int_equal(pci_map_bar(dev, 1, 4096, 4096, &regs), 0);
    assert_int_equal(pci_map_bar(dev, 1, 4096, 4097, &regs), -EINVAL);
    assert_int_equal(pci_map_bar(dev, 1, UINT64_MAX, 2, &regs), -EINVAL);
    assert_int_equal(pci_map_bar(dev, 1, 0, 0, &regs), -EINVAL);
    assert_int_equal(pci_map_bar(dev, 2, 0, 16, &regs), -ENODEV);
    assert_int_equal(pci_map_bar(dev, 4, 0, 16, &regs), -ENODEV);
    assert_int_equal(pci_map_bar(dev, 5, 0, 16, &regs), -EINVAL);
    assert_int_equal(pci_map_bar(dev, 6, 0, 16, &regs), -EINVAL);
    assert_int_equal(pci_map_bar(dev, 255, 0, 16, &regs), -EINVAL);
    free_host();
}

static void test_interrupts(void **state)
{
    (void)state;
    fake_pci_reset();
    add_nic(NULL, 2 << 3, 1);
    add_nic(NULL, 7 << 3, 2)->config[0x3d] = 3;
    struct fake_function *outer = fake_pci_add(NULL, 1 << 3, 1, ID(0x10), BRIDGE_CLASS);
    struct fake_function *inner = fake_pci_add(outer, 6 << 3, 1, ID(0x11), BRIDGE_CLASS);
    add_nic(inner, 3 << 3, 3);
    add_nic(NULL, 8 << 3, 4)->config[0x3d] = 0;
    add_nic(NULL, 9 << 3, 5)->config[0x3d] = 9;
    assert_int_equal(probe(&good_tree), 0);
    assert_int_equal(pci_irq(device(1)), 35 + 2);
    assert_int_equal(pci_irq(device(2)), 35 + (7 + 2) % 4);
    assert_int_equal(pci_irq(device(3)), 35 + (3 + 6 + 1) % 4);
    assert_int_equal(pci_irq(device(4)), -ENOENT);
    assert_int_equal(pci_irq(device(5)), -ENOENT);
    free_host();
}

static void test_capabilities(void **state)
{
    (void)state;
    uint8_t body[4] = {0};
    fake_pci_reset();
    struct fake_function *f = add_nic(NULL, 1 << 3, 1);
    fake_pci_cap(f, 0x40, PCI_CAP_VENDOR, body, sizeof(body));
    fake_pci_cap(f, 0x60, PCI_CAP_MSIX, body, sizeof(body));
    fake_pci_cap(f, 0xfc, PCI_CAP_VENDOR, body, 2);
    assert_int_equal(probe(&good_tree), 0);
    struct pci_cap_walk walk = PCI_CAP_WALK;
    assert_int_equal(pci_next_capability(device(1), &walk, PCI_CAP_VENDOR), 0xfc);
    assert_int_equal(pci_next_capability(device(1), &walk, PCI_CAP_VENDOR), 0x40);
    assert_int_equal(pci_next_capability(device(1), &walk, PCI_CAP_VENDOR), 0);
    assert_int_equal(pci_next_capability(device(1), &walk, PCI_CAP_VENDOR), 0);
    f->config[0x41] = 0x60; // a circle
    unsigned visits = 0;
    walk = PCI_CAP_WALK;
    while (pci_next_capability(device(1), &walk, PCI_CAP_VENDOR))
        visits++;
    assert_in_range(visits, 2, 48);
    free_host();
}

// ---- Message interrupts ----------------------------------------------------------------------

#define MSIX_CAP 0x80
#define MSIX_ENTRIES 4
#define MSIX_OFFSET 0x800 // in BAR 1
#define CONTROL_ENABLE 0x8000u
#define CONTROL_MASK_ALL 0x4000u

static uint32_t table[MSIX_ENTRIES * 4];

static void set_msix(struct fake_function *f, unsigned entries, uint32_t where)
{
    uint8_t body[10] = {(uint8_t)(entries - 1), (uint8_t)((entries - 1) >> 8)};
    memcpy(body + 2, &where, sizeof(where));
    fake_pci_cap(f, MSIX_CAP, PCI_CAP_MSIX, body, sizeof(body));
    f->writable[MSIX_CAP + 3] = 0xc0;
}

// One device with a table full of nonsense, behind a host bridge as `tree` describes it.
static struct pci_device *set_up_msix(const struct tree *tree, uint64_t stuck)
{
    fake_pci_reset();
    struct fake_function *f = add_nic(NULL, 2 << 3, 1);
    set_msix(f, MSIX_ENTRIES, MSIX_OFFSET | 1);
    assert_int_equal(probe(tree), 0);
    memset(table, 0x5a, sizeof(table));
    fake_pci_memory(device(1)->res[1].addr + MSIX_OFFSET, table, sizeof(table), stuck);
    msi_taken = 0;
    return device(1);
}

static uint16_t control_of(const struct pci_device *dev) { return pci_read16(dev, MSIX_CAP + 2); }

static void check_intx(const struct pci_device *dev)
{
    assert_null(dev->msix);
    assert_int_equal(control_of(dev) & CONTROL_ENABLE, 0);
    assert_int_equal(pci_read16(dev, PCI_COMMAND) & PCI_COMMAND_INTX_OFF, 0);
    assert_int_equal(msi_taken, 0);
}

static const uint32_t whole_map[] = {0, MSI, 0x100, 0x10000};
static const struct tree msi_tree = {
    .ranges = good_ranges,
    .bus_range = good_buses,
    .map = good_map,
    .ranges_bytes = sizeof(good_ranges),
    .bus_range_bytes = sizeof(good_buses),
    .map_bytes = sizeof(good_map),
    .msi_map = whole_map,
    .msi_map_bytes = sizeof(whole_map),
};

static void test_msix(void **state)
{
    (void)state;
    int irqs[MSIX_ENTRIES + 1] = {0};
    struct pci_device *dev = set_up_msix(&msi_tree, 0);
    assert_int_equal(pci_msix_enable(dev, MSIX_ENTRIES + 1, irqs), -ENOSPC);
    check_intx(dev);
    assert_int_equal(pci_msix_enable(dev, 2, irqs), 0);
    assert_true(irqs[0] == 100 && irqs[1] == 101);
    assert_int_equal(msi_device, 0x110);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(table[4 * i], MSI_ADDRESS & UINT32_MAX);
        assert_int_equal(table[4 * i + 1], MSI_ADDRESS >> 32);
        assert_int_equal(table[4 * i + 2], MSI_FIRST + i);
        assert_int_equal(table[4 * i + 3], 0);
    }
    assert_true((table[11] & 1) && (table[15] & 1)); // entries that are not used stay masked
    assert_int_equal(control_of(dev) & 0xc000, CONTROL_ENABLE);
    assert_int_equal(pci_read16(dev, PCI_COMMAND), PCI_COMMAND_INTX_OFF | PCI_COMMAND_MEMORY);
    pci_enable(dev, PCI_COMMAND_MASTER); // does not bring INTx back
    assert_true(pci_read16(dev, PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
    pci_msix_disable(dev);
    check_intx(dev);
    pci_msix_disable(dev);
    assert_int_equal(pci_msix_enable(dev, 4, irqs), 0); // and once more
    pci_msix_disable(dev);
    free_host();
}

// A device that does not hold what is written is not enabled.
static void test_msix_stuck(void **state)
{
    (void)state;
    int irqs[2];
    for (unsigned word = 0; word < 8; word++) {
        struct pci_device *dev = set_up_msix(&msi_tree, BIT64(word));
        assert_int_equal(pci_msix_enable(dev, 2, irqs), word % 4 == 3 ? 0 : -EIO);
        if (word % 4 == 3)
            pci_msix_disable(dev);
        check_intx(dev);
        free_host();
    }
}

static void test_msix_bad_table(void **state)
{
    (void)state;
    int irqs[2];
    static const struct {
        unsigned entries;
        uint32_t where;
        int err;
    } cases[] = {
        {4, MSIX_OFFSET | 1, 0},  {4, 0xfc0 | 1, 0},   {4, 0xfc8 | 1, -EINVAL},
        {5, 0xfc0 | 1, -EINVAL},  {2048, 1, -EINVAL},  {4, 0xfffffff8 | 1, -EINVAL},
        {4, 0x1000 | 1, -EINVAL}, {4, 0 | 2, -EINVAL}, {4, 0 | 6, -EINVAL},
        {4, 0 | 7, -EINVAL},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct pci_device *dev = set_up_msix(&msi_tree, 0);
        struct fake_function *f = fake_pci_function(NULL, 2 << 3);
        set_msix(f, cases[i].entries, cases[i].where);
        fake_pci_memory(dev->res[1].addr + (cases[i].where & ~7u), table, sizeof(table), 0);
        assert_int_equal(pci_msix_enable(dev, 2, irqs), cases[i].err);
        pci_msix_disable(dev);
        check_intx(dev);
        free_host();
    }
}

static int route(const struct tree *tree, uint32_t *id)
{
    const struct dt_node *controller = NULL;
    set_up_msix(tree, 0);
    int err = pci_msi_route(device(1), &controller, id);
    if (!err)
        assert_int_equal(controller->phandle, MSI);
    free_host();
    return err;
}

static void test_msi_route(void **state)
{
    (void)state;
    uint32_t id;
    struct tree tree = msi_tree;
    assert_int_equal(route(&tree, &id), 0);
    assert_int_equal(id, 0x110);
    tree.msi_map = (const uint32_t[]){0, GIC, 0, 0x10, 0x10, MSI, 0x7000, 1, 0x10, GIC, 0, 9};
    tree.msi_map_bytes = 48;
    assert_int_equal(route(&tree, &id), 0);
    assert_int_equal(id, 0x7000);
    tree.msi_map_bytes = 31; // cut
    assert_int_equal(route(&tree, &id), -ENODEV);
    tree.msi_map = (const uint32_t[]){8, MSI, 0x50, 1};
    tree.msi_map_bytes = 16;
    assert_int_equal(route(&tree, &id), -ENODEV);
    tree.msi_mask = 0xef;
    tree.msi_map = (const uint32_t[]){0, MSI, 0x50, 1};
    assert_int_equal(route(&tree, &id), 0);
    assert_int_equal(id, 0x50);
    tree.msi_map = (const uint32_t[]){0, 0x4712, 0, 0x10000}; // no such controller
    assert_int_equal(route(&tree, &id), -ENODEV);
    tree.msi_map = NULL;
    assert_int_equal(route(&tree, &id), -ENODEV);
    tree.msi_parent = MSI;
    assert_int_equal(route(&tree, &id), 0);
    assert_int_equal(id, 0x10);
    tree.msi_parent = 0x4712;
    assert_int_equal(route(&tree, &id), -ENODEV);
}

static void test_no_msix(void **state)
{
    (void)state;
    int irqs[2];
    struct tree tree = good_tree;
    struct pci_device *dev = set_up_msix(&tree, 0);
    assert_int_equal(pci_msix_enable(dev, 2, irqs), -ENODEV);
    check_intx(dev);
    free_host();
    tree.msi_parent = GIC; // known, but takes no messages
    dev = set_up_msix(&tree, 0);
    assert_int_equal(pci_msix_enable(dev, 2, irqs), -ENODEV);
    free_host();
    dev = set_up_msix(&msi_tree, 0);
    msi_taken = 5;
    assert_int_equal(pci_msix_enable(dev, 2, irqs), -ENOSPC);
    host_fail_after(0);
    assert_int_equal(pci_msix_enable(dev, 1, irqs), -ENOMEM);
    host_fail_after(HOST_NEVER);
    msi_taken = 0;
    assert_int_equal(pci_msix_enable(dev, 0, irqs), -ENOENT);
    check_intx(dev);
    free_host();
    fake_pci_reset();
    add_nic(NULL, 1 << 3, 1); // no capability
    assert_int_equal(probe(&msi_tree), 0);
    assert_int_equal(pci_msix_enable(device(1), 1, irqs), -ENOENT);
    struct fake_function *f = fake_pci_function(NULL, 1 << 3);
    fake_pci_cap(f, 0xf8, PCI_CAP_MSIX, (uint8_t[6]){0}, 6); // ends outside
    assert_int_equal(pci_msix_enable(device(1), 1, irqs), -ENOENT);
    free_host();
}

// ---- Damage ----------------------------------------------------------------------------------

static void test_noise(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 300; seed++) {
        fake_pci_reset();
        fake_pci_noise = seed;
        assert_int_equal(probe(&good_tree), 0);
        check_tree();
        free_host();
    }
}

// A hierarchy whose registers hold noise where a device may put what it likes.
static void test_lying_devices(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < 300; seed++) {
        fake_pci_reset();
        srand(seed);
        struct fake_function *parent = NULL;
        for (unsigned i = 0; i < 30; i++) {
            struct fake_function *f =
                fake_pci_add(parent, (unsigned)rand() & 0xf8, rand() & 1, ID(1 + i), BRIDGE_CLASS);
            for (unsigned at = 0x10; at < 0x100; at++) {
                f->config[at] = (uint8_t)rand();
                f->writable[at] = (uint8_t)rand();
            }
            memset(&f->writable[0x18], 0xff, 3);
            f->config[0x06] = 0x10;
            parent = rand() % 3 ? parent : f;
        }
        add_nic(NULL, 1 << 3 | 0, 0x40);
        int err = probe(&good_tree);
        assert_int_equal(err, 0);
        if (found_count) {
            int irqs[2];
            for (unsigned i = 0; i < found_count; i++) {
                pci_irq(found[i]);
                assert_true(pci_msix_enable(found[i], 2, irqs) < 0);
            }
            check_tree();
            free_host();
        }
    }
}

static void expect_failure(const struct tree *tree)
{
    fake_pci_reset();
    add_nic(NULL, 1 << 3, 1);
    assert_true(probe(tree) < 0);
    assert_int_equal(found_count, 0);
    assert_int_equal(host_allocations(), 0);
}

static void test_bad_trees(void **state)
{
    (void)state;
    struct tree tree = good_tree;
    tree.ranges_bytes = 0;
    expect_failure(&tree);
    tree.ranges_bytes = 7 * 4; // I/O alone
    expect_failure(&tree);
    tree = good_tree;
    tree.bus_range = (const uint32_t[]){7, 3};
    expect_failure(&tree);
    tree.bus_range = (const uint32_t[]){256, 300};
    expect_failure(&tree);
    tree.bus_range_bytes = 4;
    expect_failure(&tree);
    tree = good_tree;
    tree.no_reg = true;
    expect_failure(&tree);
}

// A cut or lying interrupt map costs the interrupt, nothing else.
static void test_bad_maps(void **state)
{
    (void)state;
    uint32_t map[ARRAY_SIZE(good_map)];
    struct tree tree = good_tree;
    tree.map = map;
    for (size_t bytes = 0; bytes <= sizeof(good_map); bytes++) {
        fake_pci_reset();
        add_nic(NULL, 3 << 3, 1)->config[0x3d] = 4; // the last entry
        memcpy(map, good_map, sizeof(map));
        tree.map_bytes = bytes;
        assert_int_equal(probe(&tree), 0);
        if (bytes < sizeof(good_map))
            assert_true(pci_irq(device(1)) < 0);
        else
            assert_int_equal(pci_irq(device(1)), 35 + 2);
        free_host();
    }
    for (size_t at = 0; at < ARRAY_SIZE(map); at++) {
        fake_pci_reset();
        add_nic(NULL, 3 << 3, 1)->config[0x3d] = 4;
        memcpy(map, good_map, sizeof(map));
        map[at] ^= 0xffff;
        tree.map_bytes = sizeof(map);
        assert_int_equal(probe(&tree), 0);
        pci_irq(device(1));
        free_host();
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (long left = 0; left < 8; left++) {
        fake_pci_reset();
        struct fake_function *port = add_root_port(1 << 3, 0x10);
        add_nic(port, 0, 1);
        add_nic(NULL, 2 << 3, 2);
        if (left == 2)
            continue; // a host bridge without a device, which nothing here could free
        host_fail_after(left);
        int err = probe(&good_tree);
        host_fail_after(HOST_NEVER);
        assert_int_equal(err, left < 2 ? -ENOMEM : 0);
        if (left >= 2)
            free_host();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat),
        cmocka_unit_test(test_bridges),
        cmocka_unit_test(test_window_registers),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_msix),
        cmocka_unit_test(test_msix_stuck),
        cmocka_unit_test(test_msix_bad_table),
        cmocka_unit_test(test_msi_route),
        cmocka_unit_test(test_no_msix),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_lying_devices),
        cmocka_unit_test(test_bad_trees),
        cmocka_unit_test(test_bad_maps),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
