// SPDX-License-Identifier: BSD-2-Clause
//
// Where a function's message interrupts go (Devicetree bindings pci-msi.txt and
// interrupt-controller/msi.txt): by `msi-map` of the host bridge, which turns ranges of requester
// ids into the ids of a controller, or by `msi-parent`, which leaves them as they are.

#include "drivers/pci/host.h"

enum map_cell { MAP_RID, MAP_PHANDLE, MAP_ID, MAP_LENGTH, MAP_CELLS };

// Bus, device and function: what a controller sees of the sender.
static uint32_t requester_id(const struct pci_device *dev)
{
    return (uint32_t)dev->bus->number << 8 | dev->devfn;
}

static bool read_entry(const struct dt_node *node, unsigned index, uint32_t entry[MAP_CELLS])
{
    for (unsigned i = 0; i < MAP_CELLS; i++) {
        if (dt_u32_at(node, "msi-map", index * MAP_CELLS + i, &entry[i]))
            return false;
    }
    return true;
}

static int route_by_map(const struct dt_node *node, uint32_t rid, const struct dt_node **controller,
                        uint32_t *device_id)
{
    uint32_t mask = UINT32_MAX, entry[MAP_CELLS];
    dt_u32(node, "msi-map-mask", &mask);
    rid &= mask;
    for (unsigned i = 0; read_entry(node, i, entry); i++) {
        if (rid < entry[MAP_RID] || rid - entry[MAP_RID] >= entry[MAP_LENGTH])
            continue;
        *controller = dt_by_phandle(entry[MAP_PHANDLE]);
        *device_id = entry[MAP_ID] + (rid - entry[MAP_RID]);
        return *controller ? 0 : -ENODEV;
    }
    return -ENODEV;
}

int pci_msi_route(const struct pci_device *dev, const struct dt_node **controller,
                  uint32_t *device_id)
{
    const struct dt_node *node = dev->bus->host->node;
    uint32_t phandle;
    if (dt_has(node, "msi-map"))
        return route_by_map(node, requester_id(dev), controller, device_id);
    if (dt_u32_at(node, "msi-parent", 0, &phandle))
        return -ENODEV;
    *controller = dt_by_phandle(phandle);
    *device_id = requester_id(dev);
    return *controller ? 0 : -ENODEV;
}
