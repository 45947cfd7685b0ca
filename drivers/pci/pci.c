// SPDX-License-Identifier: BSD-2-Clause
//
// What drivers call, and the matching of devices with them. See pci.h.

#include "core/debug/log.h"
#include "drivers/pci/host.h"
#include "mm/vmalloc.h"

#define PCI_STATUS 0x06
#define STATUS_CAPABILITIES 0x0010u
#define PCI_CAPABILITIES 0x34
#define FIRST_CAPABILITY 0x40

TABLE_DECLARE(struct pci_driver, pci_driver);

unsigned pci_next_capability(const struct pci_device *dev, struct pci_cap_walk *walk, uint8_t id)
{
    if (!walk->pos && !(pci_read16(dev, PCI_STATUS) & STATUS_CAPABILITIES))
        return 0;
    // Each capability takes a double word at least, so 48 of them fill the space.
    while (walk->left) {
        walk->left--;
        unsigned link = walk->pos ? walk->pos + 1u : PCI_CAPABILITIES;
        walk->pos = pci_read8(dev, link) & 0xfc;
        if (walk->pos < FIRST_CAPABILITY)
            break;
        if (pci_read8(dev, walk->pos) == id)
            return walk->pos;
    }
    walk->left = 0;
    return 0;
}

// A write only where something changes, for each is an exit to the hypervisor.
static void change_command(struct pci_device *dev, uint16_t clear, uint16_t set)
{
    uint16_t old = pci_read16(dev, PCI_COMMAND);
    uint16_t command = (uint16_t)((old & ~clear) | set);
    if (command != old)
        pci_write16(dev, PCI_COMMAND, command);
}

// Bridges pass accesses on with the same bits: I/O and memory downwards, mastering upwards.
void pci_enable(struct pci_device *dev, uint16_t command)
{
    change_command(dev, dev->msix ? 0 : PCI_COMMAND_INTX_OFF, command);
    for (struct pci_device *up = dev->bus->bridge; up; up = up->bus->bridge)
        change_command(up, 0, command);
}

void pci_disable(struct pci_device *dev, uint16_t command) { change_command(dev, command, 0); }

// CPU address of a range that the host bridge passes on; false if it passes no such range.
static bool cpu_address(const struct pci_host *host, const struct pci_resource *res, paddr_t *cpu)
{
    for (enum pci_kind kind = PCI_IO; kind <= PCI_PREF; kind++) {
        const struct pci_window *window = &host->windows[kind];
        if ((kind == PCI_IO) != (res->kind == PCI_IO) || res->addr < window->pci)
            continue;
        uint64_t offset = res->addr - window->pci;
        if (offset < window->len && res->len <= window->len - offset) {
            *cpu = window->cpu + offset;
            return true;
        }
    }
    return false;
}

int pci_map_bar(const struct pci_device *dev, unsigned bar, uint64_t offset, uint64_t len,
                mmio_t *regs)
{
    paddr_t cpu;
    if (bar >= (pci_is_bridge(dev) ? 2 : PCI_BARS))
        return -EINVAL;
    const struct pci_resource *res = &dev->res[bar];
    if (!res->len || !len || offset >= res->len || len > res->len - offset)
        return -EINVAL;
    if (!res->assigned || !cpu_address(dev->bus->host, res, &cpu))
        return -ENODEV;
    *regs = ioremap(cpu + offset, len);
    return mmio_valid(*regs) ? 0 : -ENOMEM;
}

static const struct pci_driver *driver_for(const struct pci_device *dev)
{
    TABLE_FOREACH (struct pci_driver, driver, pci_driver) {
        if (dev->vendor == driver->vendor && dev->device >= driver->device_first &&
            dev->device <= driver->device_last)
            return driver;
    }
    return NULL;
}

// A device whose driver fails stays as it is after the scan: silent.
static void probe_device(struct pci_device *dev)
{
    const struct pci_driver *driver = driver_for(dev);
    if (!driver)
        return;
    int err = driver->probe(dev);
    if (err)
        log_warn("pci %s: driver %s failed (%d)", dev->name, driver->name, err);
    else
        dev->driver = driver;
}

// In the order of the scan, which gives ports their numbers.
void pci_probe_bus(struct pci_bus *bus)
{
    for (struct pci_device *dev = bus->devices; dev; dev = dev->next) {
        probe_device(dev);
        if (dev->child)
            pci_probe_bus(dev->child);
    }
}
