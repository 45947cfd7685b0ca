// SPDX-License-Identifier: BSD-2-Clause
//
// What the device tree says of a device's DMA (Devicetree Specification v0.4, 2.3.9 dma-ranges and
// 2.3.10 dma-coherent; for PCI's addresses of three cells, the PCI bus binding to IEEE 1275). The
// windows of the buses between a device and memory are laid on top of each other until one stretch
// of addresses is left.

#include "core/debug/log.h"
#include "core/lib/dt.h"
#include "mm/dma.h"

#define CELL_BYTES 4
#define LOW_CELLS 2 // of an address with more, the last ones are the address: PCI's first is a code

// Device addresses [first, last] are, on the bus in question, `offset` less.
struct stretch {
    uint64_t first, last, offset;
};

static uint64_t read_address(const char *words, unsigned cells)
{
    unsigned skip = cells > LOW_CELLS ? cells - LOW_CELLS : 0;
    return cells ? dt_read_cells(words + skip * CELL_BYTES, cells - skip) : 0;
}

// The part of `in` that the window [child, child+len) passes, as addresses behind it.
static bool cut(const struct stretch *in, uint64_t child, uint64_t parent, uint64_t len,
                struct stretch *out)
{
    if (!len || child > UINT64_MAX - (len - 1) || parent > UINT64_MAX - (len - 1))
        return false;
    uint64_t low = MAX(in->first - in->offset, child);
    uint64_t high = MIN(in->last - in->offset, child + (len - 1));
    if (low > high)
        return false;
    *out = (struct stretch){low + in->offset, high + in->offset, in->offset + child - parent};
    return true;
}

// One bus further up: the largest part that a window of it passes. False: none does.
static bool pass_bus(const struct dt_node *bus, struct stretch *stretch)
{
    const struct dt_node *above = dt_parent(bus);
    int bytes;
    const char *entry = dt_property(bus, "dma-ranges", &bytes);
    if (!entry || !bytes || !above)
        return true; // unchanged
    unsigned child = dt_address_cells(bus), parent = dt_address_cells(above);
    unsigned size = dt_size_cells(bus), windows = 0;
    size_t stride = (child + parent + size) * CELL_BYTES;
    struct stretch best = {0}, part;
    if (!child || !parent || !size || (size_t)bytes % stride)
        return false;
    for (const char *end = entry + bytes; entry < end; entry += stride) {
        const char *up = entry + child * CELL_BYTES;
        if (!cut(stretch, read_address(entry, child), read_address(up, parent),
                 read_address(up + parent * CELL_BYTES, size), &part))
            continue;
        if (!windows++ || part.last - part.first > best.last - best.first)
            best = part;
    }
    if (windows > 1)
        log_info("dma: %s: the largest of %u windows is used", bus->name, windows);
    *stretch = best;
    return windows > 0;
}

void dma_from_tree(struct dma_device *dev, const struct dt_node *node, const struct dt_node *bus)
{
    struct stretch stretch = {0, UINT64_MAX, 0};
    *dev = (struct dma_device){.coherent = dt_dma_coherent(node)};
    for (; bus; bus = dt_parent(bus)) {
        if (pass_bus(bus, &stretch))
            continue;
        log_warn("dma: %s: dma-ranges lets nothing through", bus->name);
        dev->first = UINT64_MAX;
        dev->bus_last = 1;
        return;
    }
    dev->mask = stretch.last;
    dev->bus_last = MAX(stretch.last, 1); // 0 would be no limit
    dev->bus_offset = stretch.offset;
    dev->first = stretch.first - stretch.offset;
}
