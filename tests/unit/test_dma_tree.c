// SPDX-License-Identifier: BSD-2-Clause
//
// What of dma-coherent, dma-noncoherent and dma-ranges reaches a device: on its bus or on one
// above, several windows, offsets that add up, PCI's addresses, and windows that make no sense.
//
// unit-sources: mm/dma_tree.c core/lib/dt.c
// unit-sources: out/deps/libfdt/libfdt/fdt.c out/deps/libfdt/libfdt/fdt_sw.c
// unit-sources: out/deps/libfdt/libfdt/fdt_ro.c
// unit-flags: -isystem out/deps/libfdt/libfdt -Wno-sign-compare -Wno-shadow

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "core/lib/dt.h"
#include "mm/dma.h"
#include "mm_ram.h"
#include "write_tree.h"

#define BLOB_MAX 8192

static char room[BLOB_MAX] __attribute__((aligned(8)));

// A bus with one cell of address and size; `ranges` follow.
static void open_bus(const char *name, uint32_t cells)
{
    fdt_begin_node(blob, name);
    WORDS("#address-cells", cells);
    WORDS("#size-cells", 1);
}

static void open_tree(void)
{
    blob = room;
    fdt_create(blob, BLOB_MAX);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    WORDS("#address-cells", 2);
    WORDS("#size-cells", 2);
}

static struct dma_device seen_at(const char *device)
{
    const char *reason;
    struct dma_device dev;
    assert_int_equal(fdt_finish(blob), 0);
    assert_int_equal(dt_init(blob, BLOB_MAX, &reason), 0);
    const struct dt_node *node = dt_by_path(device);
    assert_non_null(node);
    dma_from_tree(&dev, node, dt_parent(node));
    return dev;
}

static void end_levels(unsigned levels)
{
    while (levels--)
        fdt_end_node(blob);
}

static void nothing_said(void **state)
{
    (void)state;
    open_tree();
    open_bus("bus", 1);
    fdt_property(blob, "dma-ranges", "", 0); // unchanged
    fdt_begin_node(blob, "device");
    end_levels(3);
    struct dma_device dev = seen_at("/bus/device");
    assert_true(dev.mask == UINT64_MAX && !dev.bus_offset && !dev.first);
    assert_false(dev.coherent);
}

// On the device, on its bus, on one above; a nearer word counts more, a neighbour's not at all.
static void coherence(void **state)
{
    (void)state;
    open_tree();
    open_bus("snooping", 1);
    fdt_property(blob, "dma-coherent", "", 0);
    open_bus("inner", 1);
    fdt_begin_node(blob, "device");
    end_levels(1);
    fdt_begin_node(blob, "apart");
    fdt_property(blob, "dma-noncoherent", "", 0);
    end_levels(3);
    fdt_begin_node(blob, "alone");
    fdt_property(blob, "dma-coherent", "", 0);
    end_levels(1);
    fdt_begin_node(blob, "plain");
    end_levels(2);
    assert_true(seen_at("/snooping/inner/device").coherent);
    const struct dt_node *nodes[] = {dt_by_path("/snooping/inner/apart"), dt_by_path("/alone"),
                                     dt_by_path("/plain")};
    for (unsigned i = 0; i < ARRAY_SIZE(nodes); i++) {
        struct dma_device dev;
        dma_from_tree(&dev, nodes[i], dt_parent(nodes[i]));
        assert_int_equal(dev.coherent, i == 1);
    }
}

static void one_window(void **state)
{
    (void)state;
    open_tree();
    open_bus("bus", 1);
    WORDS("dma-ranges", 0xc0000000, 0, 0x40000000, 0x3fffffff);
    fdt_begin_node(blob, "device");
    end_levels(3);
    struct dma_device dev = seen_at("/bus/device");
    assert_int_equal(dev.mask, 0xfffffffe);
    assert_int_equal(dev.bus_last, 0xfffffffe);
    assert_int_equal(dev.first, 0x40000000);
    assert_int_equal(dev.bus_offset, 0x80000000);
}

// Two buses: the outer passes a part of what the inner makes of an address.
static void windows_on_top_of_each_other(void **state)
{
    (void)state;
    open_tree();
    open_bus("outer", 1);
    WORDS("dma-ranges", 0x10000000, 1, 0x40000000, 0x10000000, 0x30000000, 0, 0, 0x1000);
    open_bus("inner", 1);
    WORDS("dma-ranges", 0, 0x18000000, 0x20000000);
    fdt_begin_node(blob, "device");
    end_levels(4);
    struct dma_device dev = seen_at("/outer/inner/device");
    assert_int_equal(dev.first, 0x148000000); // device address 0
    assert_int_equal(dev.bus_last, 0x7ffffff);
    assert_true(dev.bus_offset == 0 - 0x148000000ULL);
}

static void largest_window(void **state)
{
    (void)state;
    open_tree();
    open_bus("bus", 1);
    WORDS("dma-ranges", 0, 0, 0, 0x1000, 0x80000000, 0, 0x40000000, 0x40000000, 0x1000, 0, 0,
          0x1000);
    fdt_begin_node(blob, "device");
    end_levels(3);
    struct dma_device dev = seen_at("/bus/device");
    assert_int_equal(dev.first, 0x40000000);
    assert_int_equal(dev.bus_last, 0xbfffffff);
}

// A host bridge speaks for the devices behind it; the first cell of an address is a code.
static void pci_window(void **state)
{
    const char *reason;
    struct dma_device dev;
    (void)state;
    open_tree();
    fdt_begin_node(blob, "pcie");
    WORDS("#address-cells", 3);
    WORDS("#size-cells", 2);
    WORDS("dma-ranges", 0x42000000, 0, 0x80000000, 0, 0, 0, 0x80000000);
    fdt_property(blob, "dma-coherent", "", 0);
    end_levels(2);
    assert_int_equal(fdt_finish(blob), 0);
    assert_int_equal(dt_init(blob, BLOB_MAX, &reason), 0);
    const struct dt_node *host = dt_by_path("/pcie");
    dma_from_tree(&dev, host, host);
    assert_true(dev.coherent);
    assert_int_equal(dev.first, 0);
    assert_int_equal(dev.bus_offset, 0x80000000);
    assert_int_equal(dev.mask, 0xffffffff);
}

static void expect_nothing(const struct dma_device *dev)
{
    assert_true(dev->first == UINT64_MAX && !dev->mask && dev->bus_last);
}

static void senseless_windows(void **state)
{
    static const uint32_t bad[][4] = {
        {0x1000, 0, 0, 0},                        // empty
        {0xfffff000, 0, 0, 0x2000},               // no: 32 bits of address, 33 of end
        {0x1000, 0xffffffff, 0xfffff000, 0x2000}, // its parent side wraps
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        open_tree();
        open_bus("bus", 1);
        words("dma-ranges", 4, bad[i]);
        fdt_begin_node(blob, "device");
        end_levels(3);
        struct dma_device dev = seen_at("/bus/device");
        if (i == 1)
            assert_int_equal(dev.bus_last, 0x100000fff);
        else
            expect_nothing(&dev);
    }
    open_tree();
    open_bus("bus", 1);
    WORDS("dma-ranges", 1, 2, 3); // no whole window
    fdt_begin_node(blob, "device");
    end_levels(3);
    struct dma_device dev = seen_at("/bus/device");
    expect_nothing(&dev);
    open_tree();
    open_bus("bus", 0); // no cells
    WORDS("dma-ranges", 1, 2, 3);
    fdt_begin_node(blob, "device");
    end_levels(3);
    dev = seen_at("/bus/device");
    expect_nothing(&dev);
}

// Random windows: whatever comes out, an address inside leads where the words say.
static void random_windows(void **state)
{
    uint64_t seed = 11;
    (void)state;
    for (unsigned round = 0; round < 5000; round++) {
        uint32_t inner[8], outer[8];
        for (unsigned i = 0; i < 8; i++) {
            inner[i] = (uint32_t)mm_ram_random(&seed) & ((i & 3) == 1 ? 1 : 0xffffffff);
            outer[i] = (uint32_t)mm_ram_random(&seed) & ((i & 3) == 1 ? 3 : 0xffffffff);
        }
        open_tree();
        open_bus("outer", 1);
        words("dma-ranges", 8, outer);
        fdt_begin_node(blob, "inner");
        WORDS("#address-cells", 1);
        WORDS("#size-cells", 1);
        words("dma-ranges", 3, inner);
        fdt_begin_node(blob, "device");
        end_levels(4);
        struct dma_device dev = seen_at("/outer/inner/device");
        if (dev.first == UINT64_MAX)
            continue;
        uint64_t at = dev.first + dev.bus_offset, middle = at - inner[0] + inner[1];
        assert_true(at >= inner[0] && dev.bus_last >= at);
        assert_true(dev.bus_last <= (uint64_t)inner[0] + inner[2] - 1);
        bool right = false;
        for (unsigned i = 0; i < 8; i += 4)
            right = right || (middle >= outer[i] && middle - outer[i] < outer[i + 3] &&
                              dev.first == ((uint64_t)outer[i + 1] << 32 | outer[i + 2]) +
                                               (middle - outer[i]));
        assert_true(right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said),      cmocka_unit_test(coherence),
        cmocka_unit_test(one_window),        cmocka_unit_test(windows_on_top_of_each_other),
        cmocka_unit_test(largest_window),    cmocka_unit_test(pci_window),
        cmocka_unit_test(senseless_windows), cmocka_unit_test(random_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
