// SPDX-License-Identifier: BSD-2-Clause
//
// PCI devices as drivers see them (PCI Local Bus 3.0, PCI Express Base 4.0). Buses are scanned and
// addresses assigned once, at start-up, by the host bridge's driver; then each device is offered
// to the drivers of the linker table pci_driver. A device does not decode addresses nor master the
// bus until its driver says pci_enable().
//
// Everything read from configuration space is foreign: numbers and lengths are checked here, a
// driver checks the meaning of its own registers. All functions: thread context.

#pragma once

#include "core/lib/mmio.h"
#include "mm/dma.h"

#define PCI_VENDOR_ID 0x00
#define PCI_COMMAND 0x04
#define PCI_COMMAND_IO 0x0001u
#define PCI_COMMAND_MEMORY 0x0002u
#define PCI_COMMAND_MASTER 0x0004u
#define PCI_COMMAND_INTX_OFF 0x0400u

#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_EXPRESS 0x10
#define PCI_CAP_MSIX 0x11

#define PCI_BARS 6

enum pci_kind {
    PCI_NO_RESOURCE,
    PCI_IO,
    PCI_MEM,  // below 4 GiB
    PCI_PREF, // 64-bit prefetchable
};

// Addresses that a device or a bridge decodes: a BAR, or the window of a bridge.
struct pci_resource {
    uint64_t addr; // PCI address, valid when `assigned`
    uint64_t len;
    uint64_t align; // power of two
    enum pci_kind kind;
    bool wide; // 64-bit BAR: takes the next register too
    bool assigned;
};

struct pci_bus;
struct pci_driver;
struct pci_msix;

struct pci_device {
    struct pci_device *next; // on its bus, in order of device and function number
    struct pci_bus *bus;
    struct pci_bus *child; // a bridge's secondary bus, else NULL
    mmio_t config;         // 4 KiB of configuration space
    uint16_t vendor, device;
    uint32_t class_code;               // class, subclass, interface: 24 bits
    uint8_t devfn;                     // device << 3 | function
    uint8_t header;                    // layout of the header: 0 device, 1 bridge
    uint8_t int_pin;                   // 1..4 for INTA..D, 0 for none
    struct pci_resource res[PCI_BARS]; // BARs; of a bridge: two BARs, then its three windows
    struct dma_device dma;
    struct pci_msix *msix;           // what pci_msix_enable() gave; NULL: INTx
    const struct pci_driver *driver; // that took it, or NULL
    char name[12];                   // bb:dd.f
};

struct pci_driver {
    const char *name;
    uint16_t vendor, device_first, device_last;
    int (*probe)(struct pci_device *dev); // 0, or the reason for not taking it, which is logged
};
#define PCI_DRIVER(id, ...) \
    static const struct pci_driver id TABLE_ENTRY(pci_driver) = {__VA_ARGS__}

// Configuration space; `off` below 4096 and naturally aligned.
static inline uint8_t pci_read8(const struct pci_device *dev, unsigned off)
{
    return mmio_read8(dev->config, off);
}
static inline uint16_t pci_read16(const struct pci_device *dev, unsigned off)
{
    return mmio_read16(dev->config, off);
}
static inline uint32_t pci_read32(const struct pci_device *dev, unsigned off)
{
    return mmio_read32(dev->config, off);
}
static inline void pci_write8(const struct pci_device *dev, unsigned off, uint8_t value)
{
    mmio_write8(dev->config, off, value);
}
static inline void pci_write16(const struct pci_device *dev, unsigned off, uint16_t value)
{
    mmio_write16(dev->config, off, value);
}
static inline void pci_write32(const struct pci_device *dev, unsigned off, uint32_t value)
{
    mmio_write32(dev->config, off, value);
}

// Walks the capabilities of one id: start with PCI_CAP_WALK; each call returns the configuration
// offset of the next one (0x40..0xfc), or 0 at the end. A cyclic list ends as well.
struct pci_cap_walk {
    uint8_t pos, left;
};
#define PCI_CAP_WALK ((struct pci_cap_walk){0, 48})
unsigned pci_next_capability(const struct pci_device *dev, struct pci_cap_walk *walk, uint8_t id);

// Sets bits of the command register (PCI_COMMAND_*), and what the bridges above need to pass the
// device's accesses on; pci_disable clears them in the device.
void pci_enable(struct pci_device *dev, uint16_t command);
void pci_disable(struct pci_device *dev, uint16_t command);

// Maps `len` bytes at `offset` of a BAR; iounmap() undoes it. -EINVAL (no such BAR, range outside
// it), -ENODEV (no address was assigned), -ENOMEM.
int pci_map_bar(const struct pci_device *dev, unsigned bar, uint64_t offset, uint64_t len,
                mmio_t *regs);

// The irq of the device's INTx pin for irq_request(): level, possibly shared. > 0, -ENOENT (no
// pin, or none in the interrupt map), or what irq_from_specifier() returns.
int pci_irq(const struct pci_device *dev);

// Message interrupts by MSI-X instead of INTx. The device raises interrupt irqs[i] by the number i,
// which it is told in registers of its own; it needs PCI_COMMAND_MASTER to do so. To be called once
// until pci_msix_disable(). -ENOENT: the device has no MSI-X capability; -ENODEV: no interrupt
// controller takes its messages; -ENOSPC: fewer would be possible; -EINVAL, -EIO: the capability or
// its table is broken; -ENOMEM. Use pci_irq() then.
int pci_msix_enable(struct pci_device *dev, unsigned count, int *irqs);
// Back to INTx; no effect when that is used already. No handler is left on the irqs.
void pci_msix_disable(struct pci_device *dev);
