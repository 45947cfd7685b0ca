// SPDX-License-Identifier: BSD-2-Clause
//
// Drivers that the device tree names: found by compatible string through the linker table
// dt_driver and probed in order of `stage`, then of the tree. PCI and virtio drivers have tables
// of their own (drivers/pci/pci.h, drivers/virtio/virtio.h).

#pragma once

#include "core/lib/dt.h"

enum driver_stage {
    DRIVER_EARLY, // console, clocks, firmware configuration
    DRIVER_BUS,   // buses that discover further devices
    DRIVER_DEVICE,
    DRIVER_STAGES,
};

struct dt_driver {
    const char *compatible;
    enum driver_stage stage;
    int (*probe)(const struct dt_node *node); // thread context; 0 or the reason, which is logged
};
#define DT_DRIVER(id, compat, stage_, probe_fn)                 \
    static const struct dt_driver id TABLE_ENTRY(dt_driver) = { \
        .compatible = compat, .stage = stage_, .probe = probe_fn}

void drivers_probe(enum driver_stage stage);
