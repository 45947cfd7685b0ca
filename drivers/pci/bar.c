// SPDX-License-Identifier: BSD-2-Clause
//
// Sizes of what a function decodes: base address registers (PCI Local Bus 3.0, 6.2.5.1) and the
// windows that a bridge implements (PCI-to-PCI Bridge Architecture 1.2, 3.2.5). The function must
// not be decoding. A length is the lowest writable address bit, so it is a power of two whatever
// the device answers.

#include "drivers/pci/host.h"
#include "mm/gfp.h"

#define PCI_BAR0 0x10
#define BAR_IO 0x1u
#define BAR_IO_FLAGS 0x3u
#define BAR_TYPE(v) (((v) >> 1) & 0x3u)
#define BAR_TYPE_32 0u
#define BAR_TYPE_64 2u
#define BAR_PREFETCHABLE 0x8u
#define BAR_MEM_FLAGS 0xfu

#define BRIDGE_IO_BASE 0x1c
#define BRIDGE_MEM_BASE 0x20
#define BRIDGE_PREF_BASE 0x24
#define BRIDGE_PREF_64 0x1u // in the low bits of the base register
#define CLASS_HOST_BRIDGE 0x060000

static uint32_t probe_register(const struct pci_device *dev, unsigned off)
{
    pci_write32(dev, off, UINT32_MAX);
    uint32_t mask = pci_read32(dev, off);
    pci_write32(dev, off, 0);
    return mask;
}

static void set_resource(struct pci_resource *res, enum pci_kind kind, uint64_t mask,
                         uint64_t align)
{
    if (!mask)
        return;
    res->kind = kind;
    res->len = mask & -mask;
    res->align = MAX(res->len, align);
}

static void size_io_bar(struct pci_resource *res, uint32_t mask)
{
    // Devices may leave the upper half of an I/O BAR unimplemented.
    set_resource(res, PCI_IO, mask & ~BAR_IO_FLAGS, 1);
}

// Each memory BAR starts on a page of its own, so that mapping one does not expose another.
static void size_mem_bar(const struct pci_device *dev, struct pci_resource *res, unsigned index,
                         unsigned count, uint32_t low)
{
    if (BAR_TYPE(low) == BAR_TYPE_32) {
        set_resource(res, PCI_MEM, low & ~BAR_MEM_FLAGS, PAGE_SIZE);
    } else if (BAR_TYPE(low) == BAR_TYPE_64) {
        res->wide = true;
        if (index + 1 >= count)
            return; // its upper half would be outside the BARs: a broken device
        uint64_t high = probe_register(dev, PCI_BAR0 + 4 * (index + 1));
        set_resource(res, low & BAR_PREFETCHABLE ? PCI_PREF : PCI_MEM,
                     high << 32 | (low & ~BAR_MEM_FLAGS), PAGE_SIZE);
    }
}

static void size_bars(struct pci_device *dev, unsigned count)
{
    for (unsigned i = 0; i < count; i += dev->res[i].wide ? 2 : 1) {
        uint32_t mask = probe_register(dev, PCI_BAR0 + 4 * i);
        if (mask & BAR_IO)
            size_io_bar(&dev->res[i], mask);
        else if (mask)
            size_mem_bar(dev, &dev->res[i], i, count, mask);
    }
}

// Optional windows are there if their base register can be written. The sizes are known only
// when everything behind the bridge is.
static void find_windows(struct pci_device *bridge)
{
    pci_write16(bridge, BRIDGE_IO_BASE, 0x00f0); // base above limit: closed
    if (pci_read16(bridge, BRIDGE_IO_BASE))
        pci_bridge_window(bridge, PCI_IO)->kind = PCI_IO;
    pci_write32(bridge, BRIDGE_MEM_BASE, 0x0000fff0);
    pci_bridge_window(bridge, PCI_MEM)->kind = PCI_MEM;
    pci_write32(bridge, BRIDGE_PREF_BASE, 0x0000fff0);
    if (pci_read32(bridge, BRIDGE_PREF_BASE) & BRIDGE_PREF_64)
        pci_bridge_window(bridge, PCI_PREF)->kind = PCI_PREF;
}

// A host bridge's own BARs, if any, describe its view of RAM: left alone.
void pci_size_resources(struct pci_device *dev)
{
    if (pci_is_bridge(dev)) {
        size_bars(dev, 2);
        find_windows(dev);
    } else if (dev->class_code != CLASS_HOST_BRIDGE) {
        size_bars(dev, PCI_BARS);
    }
}
