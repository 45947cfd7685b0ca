// SPDX-License-Identifier: BSD-2-Clause
//
// Addresses for BARs and bridge windows. From the leaves up, each bridge's window is as long as
// what is behind it; from the root down, each bus packs its resources, largest alignment first,
// which leaves no hole between powers of two. What does not fit stays without an address and is
// named in the log.

#include "core/debug/log.h"
#include "drivers/pci/host.h"

#define PCI_BAR0 0x10
#define BRIDGE_IO_BASE 0x1c
#define BRIDGE_IO_UPPER 0x30
#define BRIDGE_MEM_BASE 0x20
#define BRIDGE_PREF_BASE 0x24
#define BRIDGE_PREF_UPPER_BASE 0x28
#define BRIDGE_PREF_UPPER_LIMIT 0x2c
#define IO_WINDOW_STEP 0x1000u // granularity of a bridge's windows
#define MEM_WINDOW_STEP 0x100000u
#define IO_FIRST 0x1000u // address 0 would read as "not assigned"

// The window that a resource is served from on this bus: 64-bit prefetchable ones may live in
// the plain memory window where there is no other.
static enum pci_kind served_from(const struct pci_bus *bus, enum pci_kind kind)
{
    return kind == PCI_PREF && !bus->has_window[PCI_PREF] ? PCI_MEM : kind;
}

static bool is_placed_in(const struct pci_bus *bus, const struct pci_resource *res,
                         enum pci_kind kind)
{
    return res->len && served_from(bus, res->kind) == kind;
}

// The largest alignment below `below` among the bus's resources of a kind; 0 when there is none.
static uint64_t next_align(const struct pci_bus *bus, enum pci_kind kind, uint64_t below)
{
    uint64_t best = 0;
    for (const struct pci_device *dev = bus->devices; dev; dev = dev->next) {
        for (unsigned i = 0; i < PCI_BARS; i++) {
            const struct pci_resource *res = &dev->res[i];
            if (is_placed_in(bus, res, kind) && res->align < below && res->align > best)
                best = res->align;
        }
    }
    return best;
}

// Places one resource at or after *cursor and before `end` (0: 2^64).
static bool place(struct pci_resource *res, uint64_t *cursor, uint64_t end)
{
    uint64_t addr = ALIGN_UP(*cursor, res->align);
    if (addr < *cursor || (end && addr >= end) || res->len > end - addr)
        return false;
    res->addr = addr;
    *cursor = addr + res->len;
    return true;
}

// Packs the bus's resources of a kind into [base, base + len); with `commit` they get their
// addresses, without only the space that they need is found out. Returns the bytes used.
static uint64_t pack(struct pci_bus *bus, enum pci_kind kind, uint64_t base, uint64_t len,
                     bool commit)
{
    uint64_t cursor = base;
    for (uint64_t align = next_align(bus, kind, UINT64_MAX); align;
         align = next_align(bus, kind, align)) {
        for (struct pci_device *dev = bus->devices; dev; dev = dev->next) {
            for (unsigned i = 0; i < PCI_BARS; i++) {
                struct pci_resource *res = &dev->res[i];
                if (!is_placed_in(bus, res, kind) || res->align != align)
                    continue;
                bool placed = place(res, &cursor, base + len);
                if (commit && !placed)
                    log_warn("pci %s: no room for resource %u of 0x%llx bytes", dev->name, i,
                             (unsigned long long)res->len);
                res->assigned = commit && placed;
            }
        }
    }
    return cursor - base;
}

static void measure(struct pci_bus *bus);

// The length and alignment of a bridge's windows, from what is behind it.
static void measure_bridge(struct pci_device *bridge)
{
    struct pci_bus *child = bridge->child;
    for (enum pci_kind kind = PCI_IO; kind <= PCI_PREF; kind++)
        child->has_window[kind] =
            bridge->bus->has_window[kind] && pci_bridge_window(bridge, kind)->kind == kind;
    measure(child);
    for (enum pci_kind kind = PCI_IO; kind <= PCI_PREF; kind++) {
        struct pci_resource *window = pci_bridge_window(bridge, kind);
        uint64_t step = kind == PCI_IO ? IO_WINDOW_STEP : MEM_WINDOW_STEP;
        if (!child->has_window[kind])
            continue;
        window->len = ALIGN_UP(pack(child, kind, 0, UINT64_MAX, false), step);
        window->align = MAX(step, next_align(child, kind, UINT64_MAX));
    }
}

static void measure(struct pci_bus *bus)
{
    for (struct pci_device *dev = bus->devices; dev; dev = dev->next) {
        if (dev->child)
            measure_bridge(dev);
    }
}

static void write_bars(const struct pci_device *dev)
{
    unsigned count = pci_is_bridge(dev) ? 2 : PCI_BARS;
    for (unsigned i = 0; i < count; i++) {
        const struct pci_resource *res = &dev->res[i];
        if (!res->assigned)
            continue;
        pci_write32(dev, PCI_BAR0 + 4 * i, (uint32_t)res->addr);
        if (res->wide)
            pci_write32(dev, PCI_BAR0 + 4 * (i + 1), (uint32_t)(res->addr >> 32));
    }
}

// Base in the lower half, limit in the upper one, both with the address bits from 20 up.
static uint32_t mem_window_register(const struct pci_resource *window)
{
    uint64_t last = window->addr + window->len - 1;
    return (uint32_t)((last & 0xfff00000) | (window->addr >> 16 & 0xfff0));
}

// Windows without an address stay closed, as pci_size_resources() left them.
static void write_windows(struct pci_device *bridge)
{
    const struct pci_resource *io = pci_bridge_window(bridge, PCI_IO);
    const struct pci_resource *mem = pci_bridge_window(bridge, PCI_MEM);
    const struct pci_resource *pref = pci_bridge_window(bridge, PCI_PREF);
    if (io->assigned) {
        uint32_t last = (uint32_t)(io->addr + io->len - 1);
        pci_write16(bridge, BRIDGE_IO_BASE, (uint16_t)((last & 0xf000) | (io->addr >> 8 & 0x00f0)));
        pci_write32(bridge, BRIDGE_IO_UPPER,
                    (last & 0xffff0000) | (uint32_t)(io->addr >> 16 & 0xffff));
    }
    if (mem->assigned)
        pci_write32(bridge, BRIDGE_MEM_BASE, mem_window_register(mem));
    if (pref->assigned) {
        uint64_t last = pref->addr + pref->len - 1;
        pci_write32(bridge, BRIDGE_PREF_UPPER_BASE, (uint32_t)(pref->addr >> 32));
        pci_write32(bridge, BRIDGE_PREF_UPPER_LIMIT, (uint32_t)(last >> 32));
        pci_write32(bridge, BRIDGE_PREF_BASE, mem_window_register(pref));
    }
}

static void assign_below(struct pci_bus *bus)
{
    for (struct pci_device *dev = bus->devices; dev; dev = dev->next) {
        write_bars(dev);
        if (!dev->child)
            continue;
        for (enum pci_kind kind = PCI_IO; kind <= PCI_PREF; kind++) {
            const struct pci_resource *window = pci_bridge_window(dev, kind);
            if (window->assigned)
                pack(dev->child, kind, window->addr, window->len, true);
        }
        write_windows(dev);
        assign_below(dev->child);
    }
}

void pci_assign(struct pci_host *host)
{
    struct pci_bus *root = host->root;
    measure(root);
    for (enum pci_kind kind = PCI_IO; kind <= PCI_PREF; kind++) {
        struct pci_window window = host->windows[kind];
        uint64_t skip = kind == PCI_IO && window.pci < IO_FIRST ? IO_FIRST - window.pci : 0;
        if (window.len > skip)
            pack(root, kind, window.pci + skip, window.len - skip, true);
    }
    assign_below(root);
}
