// SPDX-License-Identifier: BSD-2-Clause
//
// Discovery of PCI functions, depth first, so that bus numbers of a bridge's subtree are
// contiguous (PCI-to-PCI Bridge Architecture 1.2, 12.1). One read tells that a device number is
// empty; functions 1 to 7 are asked only of a multi-function device, and below a PCI Express
// downstream port only device 0 can exist (PCI Express Base 4.0, 7.3.1).

#include "core/debug/log.h"
#include "core/lib/fmt.h"
#include "drivers/pci/host.h"
#include "mm/slab.h"

#define PCI_CLASS_REVISION 0x08
#define PCI_HEADER_TYPE 0x0e
#define PCI_PRIMARY_BUS 0x18
#define PCI_INT_PIN 0x3d
#define HEADER_MULTI 0x80u
#define HEADER_LAYOUT 0x7fu
#define HEADER_BRIDGE 1

#define EXPRESS_FLAGS 0x02
#define EXPRESS_TYPE(flags) (((flags) >> 4) & 0xfu)
#define EXPRESS_ROOT_PORT 4u
#define EXPRESS_DOWNSTREAM_PORT 6u

static bool is_downstream_port(const struct pci_device *bridge)
{
    struct pci_cap_walk walk = PCI_CAP_WALK;
    unsigned cap = pci_next_capability(bridge, &walk, PCI_CAP_EXPRESS);
    if (!cap)
        return false;
    unsigned type = EXPRESS_TYPE(pci_read16(bridge, cap + EXPRESS_FLAGS));
    return type == EXPRESS_ROOT_PORT || type == EXPRESS_DOWNSTREAM_PORT;
}

// The latency timer shares the register; it means nothing on PCI Express but does on old bridges.
static void set_buses(struct pci_device *bridge, unsigned secondary, unsigned subordinate)
{
    uint32_t latency = pci_read32(bridge, PCI_PRIMARY_BUS) & 0xff000000u;
    pci_write32(bridge, PCI_PRIMARY_BUS,
                latency | subordinate << 16 | secondary << 8 | bridge->bus->number);
}

// While its subtree is scanned a bridge claims all bus numbers that are left.
static int scan_behind(struct pci_device *bridge)
{
    struct pci_bus *parent = bridge->bus;
    struct pci_host *host = parent->host;
    if (parent->depth + 1 >= PCI_DEPTH_MAX || host->bus_next > host->bus_last) {
        log_warn("pci %s: bridge not followed: too deep, or no bus number left", bridge->name);
        return 0;
    }
    struct pci_bus *bus = kcalloc(1, sizeof(*bus), GFP_KERNEL);
    if (!bus)
        return -ENOMEM;
    bus->host = host;
    bus->bridge = bridge;
    bus->depth = (uint8_t)(parent->depth + 1);
    bus->number = (uint8_t)host->bus_next++;
    bridge->child = bus;
    set_buses(bridge, bus->number, host->bus_last);
    int err = pci_scan_bus(bus);
    set_buses(bridge, bus->number, host->bus_next - 1);
    return err;
}

static void fill_device(struct pci_device *dev, uint32_t id, unsigned header)
{
    dev->vendor = (uint16_t)id;
    dev->device = (uint16_t)(id >> 16);
    dev->class_code = pci_read32(dev, PCI_CLASS_REVISION) >> 8;
    dev->header = (uint8_t)(header & HEADER_LAYOUT);
    dev->dma = dev->bus->host->dma;
    // Until its driver says more: what every device's address registers hold.
    dev->dma.mask = MIN(dev->dma.mask, UINT32_MAX);
    unsigned pin = pci_read8(dev, PCI_INT_PIN);
    dev->int_pin = (uint8_t)(pin <= 4 ? pin : 0);
    fmt_snprint(dev->name, sizeof(dev->name), "%02x:%02x.%u", dev->bus->number, dev->devfn >> 3,
                dev->devfn & 7u);
    log_debug("pci %s: %04x:%04x class %06x", dev->name, dev->vendor, dev->device,
              (unsigned)dev->class_code);
}

// Takes one function in. Its decoders are off from here until a driver wants them, so that
// sizing does not disturb other devices.
static int add_function(struct pci_bus *bus, struct pci_device ***tail, uint32_t id, unsigned devfn,
                        unsigned header)
{
    if (bus->host->devices++ >= PCI_DEVICES_MAX)
        return -ENOSPC;
    struct pci_device *dev = kcalloc(1, sizeof(*dev), GFP_KERNEL);
    if (!dev)
        return -ENOMEM;
    dev->bus = bus;
    dev->devfn = (uint8_t)devfn;
    dev->config = ecam_config(bus->host, bus->number, devfn);
    fill_device(dev, id, header);
    **tail = dev;
    *tail = &dev->next;
    pci_disable(dev, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    pci_size_resources(dev);
    return pci_is_bridge(dev) ? scan_behind(dev) : 0;
}

// The header type of a function, or -ENODEV where there is none that we know how to handle.
static int look_at(struct pci_bus *bus, unsigned devfn, uint32_t *id)
{
    mmio_t config = ecam_config(bus->host, bus->number, devfn);
    if (!mmio_valid(config))
        return -ENODEV;
    *id = mmio_read32(config, PCI_VENDOR_ID);
    uint16_t vendor = (uint16_t)*id;
    if (vendor == 0xffff || vendor == 0)
        return -ENODEV;
    return mmio_read8(config, PCI_HEADER_TYPE);
}

static int scan_slot(struct pci_bus *bus, struct pci_device ***tail, unsigned slot)
{
    unsigned functions = 1;
    for (unsigned function = 0; function < functions; function++) {
        uint32_t id;
        unsigned devfn = slot << 3 | function;
        int header = look_at(bus, devfn, &id);
        if (header < 0)
            continue; // a multi-function device may have gaps
        if (function == 0 && ((unsigned)header & HEADER_MULTI))
            functions = 8;
        if (((unsigned)header & HEADER_LAYOUT) > HEADER_BRIDGE)
            continue;
        int err = add_function(bus, tail, id, devfn, (unsigned)header);
        if (err)
            return err;
    }
    return 0;
}

int pci_scan_bus(struct pci_bus *bus)
{
    struct pci_device **tail = &bus->devices;
    unsigned slots = bus->bridge && is_downstream_port(bus->bridge) ? 1 : 32;
    for (unsigned slot = 0; slot < slots; slot++) {
        int err = scan_slot(bus, &tail, slot);
        if (err)
            return err;
    }
    return 0;
}
