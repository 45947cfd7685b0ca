// SPDX-License-Identifier: BSD-2-Clause
//
// The inside of drivers/pci: host bridges, buses, and the steps that boot takes with them: scan,
// assign, probe. Thread context, once a host bridge.

#pragma once

#include "core/lib/dt.h"
#include "drivers/pci/pci.h"

#define PCI_DEVICES_MAX 256 // functions a host bridge; more are ignored
#define PCI_DEPTH_MAX 8     // bridges in a row
#define PCI_WINDOWS 3       // a bridge's: I/O, memory, prefetchable memory

#define ECAM_BUS_SHIFT 20
#define ECAM_CHUNK_SHIFT 21 // mapped in pieces of two buses: one large page each
#define ECAM_CHUNKS 128

// Addresses that the host bridge passes on to PCI.
struct pci_window {
    uint64_t pci, len; // len 0: the host has no such window
    paddr_t cpu;
};

struct pci_host {
    const struct dt_node *node;
    paddr_t ecam; // of bus_first
    uint64_t ecam_len;
    mmio_t chunks[ECAM_CHUNKS]; // invalid until the first access to one of the two buses
    unsigned bus_first, bus_last, bus_next;
    unsigned devices;
    struct pci_window windows[PCI_PREF + 1]; // by enum pci_kind
    struct dma_device dma;
    struct pci_bus *root;
};

struct pci_bus {
    struct pci_host *host;
    struct pci_device *bridge; // above it, NULL for the root bus
    struct pci_device *devices;
    uint8_t number, depth;
    bool has_window[PCI_PREF + 1]; // by enum pci_kind: reachable from the host
};

// scan.c: finds the devices of a bus and of all below it, and the sizes of their resources.
// -ENOMEM; what was found until then stays usable.
int pci_scan_bus(struct pci_bus *bus);
// bar.c: sizes the BARs (and windows, for a bridge) of one device, which must not be decoding.
void pci_size_resources(struct pci_device *dev);
// assign.c: gives addresses to everything on the root bus and below, in order of size.
void pci_assign(struct pci_host *host);
// pci.c: offers the devices of a bus and of all below it to the drivers.
void pci_probe_bus(struct pci_bus *bus);
// msi_route.c: the controller of a function's message interrupts, and the number by which it knows
// the function. -ENODEV: the tree names none.
int pci_msi_route(const struct pci_device *dev, const struct dt_node **controller,
                  uint32_t *device_id);
// ecam.c: configuration space of a function; invalid when it cannot be mapped.
mmio_t ecam_config(struct pci_host *host, unsigned bus, unsigned devfn);

static inline bool pci_is_bridge(const struct pci_device *dev) { return dev->header == 1; }
// The resource of a bridge that is its window of a kind.
static inline struct pci_resource *pci_bridge_window(struct pci_device *bridge, enum pci_kind kind)
{
    return &bridge->res[2 + kind - PCI_IO];
}
