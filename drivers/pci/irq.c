// SPDX-License-Identifier: BSD-2-Clause
//
// Where a function's INTx pin goes: through the bridges above it (PCI-to-PCI Bridge Architecture
// 1.2, 9.1: the pins rotate with the device number), then through the host bridge's interrupt-map
// (Devicetree Specification 0.4, 2.4.3).

#include "core/irq/irq.h"
#include "drivers/pci/host.h"

#define CHILD_ADDRESS_CELLS 3
#define CHILD_CELLS 4 // address and pin
#define MAX_SPEC_CELLS 8

// Remaining part of the interrupt-map property.
struct map_reader {
    const uint8_t *at;
    size_t cells;
};

static bool take_cells(struct map_reader *reader, uint32_t *out, unsigned count)
{
    if (reader->cells < count)
        return false;
    for (unsigned i = 0; i < count; i++, reader->at += 4) {
        if (out)
            out[i] = (uint32_t)dt_read_cells(reader->at, 1);
    }
    reader->cells -= count;
    return true;
}

struct map_entry {
    uint32_t child[CHILD_CELLS];
    const struct dt_node *controller;
    uint32_t spec[MAX_SPEC_CELLS];
    uint32_t spec_cells;
};

// -EINVAL: malformed, or a controller that cannot be measured: what follows is unreadable.
static int take_entry(struct map_reader *reader, struct map_entry *entry)
{
    uint32_t phandle, address_cells = 0;
    if (!take_cells(reader, entry->child, CHILD_CELLS) || !take_cells(reader, &phandle, 1))
        return -EINVAL;
    entry->controller = dt_by_phandle(phandle);
    if (!entry->controller || dt_u32(entry->controller, "#interrupt-cells", &entry->spec_cells) ||
        entry->spec_cells < 1 || entry->spec_cells > MAX_SPEC_CELLS)
        return -EINVAL;
    // Absent in a controller, this property means 0, not the 2 of buses.
    if (dt_has(entry->controller, "#address-cells") &&
        dt_u32(entry->controller, "#address-cells", &address_cells))
        return -EINVAL;
    if (address_cells > 4 || !take_cells(reader, NULL, address_cells) ||
        !take_cells(reader, entry->spec, entry->spec_cells))
        return -EINVAL;
    return 0;
}

static void read_mask(const struct dt_node *node, uint32_t *mask)
{
    for (unsigned i = 0; i < CHILD_CELLS; i++) {
        if (dt_u32_at(node, "interrupt-map-mask", i, &mask[i]))
            mask[i] = UINT32_MAX;
    }
}

// The first entry whose masked address and pin are the function's. Entries differ in length by
// controller, so each must be read to find the next.
static int map_pin(const struct dt_node *node, unsigned devfn, unsigned bus, unsigned pin)
{
    uint32_t cells, mask[CHILD_CELLS];
    uint32_t wanted[CHILD_CELLS] = {bus << 16 | devfn << 8, 0, 0, pin};
    int bytes;
    struct map_reader reader = {.at = dt_property(node, "interrupt-map", &bytes)};
    if (!reader.at || dt_u32(node, "#interrupt-cells", &cells) || cells != 1)
        return -ENOENT;
    reader.cells = (size_t)bytes / 4;
    read_mask(node, mask);
    while (reader.cells) {
        struct map_entry entry;
        int err = take_entry(&reader, &entry);
        if (err)
            return err;
        unsigned same = 0;
        while (same < CHILD_CELLS && !((wanted[same] ^ entry.child[same]) & mask[same]))
            same++;
        if (same == CHILD_CELLS)
            return irq_from_specifier(entry.controller, entry.spec, entry.spec_cells);
    }
    return -ENOENT;
}

// Bridges have no say in it: their own interrupt pins are for themselves.
int pci_irq(const struct pci_device *dev)
{
    unsigned pin = dev->int_pin;
    if (!pin)
        return -ENOENT;
    while (dev->bus->bridge) {
        pin = ((pin - 1 + (dev->devfn >> 3)) & 3) + 1;
        dev = dev->bus->bridge;
    }
    return map_pin(dev->bus->host->node, dev->devfn, dev->bus->number, pin);
}
