// SPDX-License-Identifier: BSD-2-Clause
//
// Finding a virtio device behind a PCI function (VIRTIO 1.2, 4.1.2 and 4.1.4): its type, and the
// register structures that its vendor capabilities point at. Transitional devices are used
// through their modern structures; the legacy interface is not.

#include "core/debug/log.h"
#include "drivers/virtio/virtio.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define VIRTIO_VENDOR 0x1af4
#define TRANSITIONAL_FIRST 0x1000
#define MODERN_FIRST 0x1040
#define MODERN_LAST 0x107f
#define PCI_SUBSYSTEM_ID 0x2e

// The capability (4.1.4) after its two common bytes.
#define CAP_LEN 0x02
#define CAP_TYPE 0x03
#define CAP_BAR 0x04
#define CAP_OFFSET 0x08
#define CAP_LENGTH 0x0c
#define CAP_NOTIFY_MULTIPLIER 0x10
#define CAP_BYTES 16
#define CAP_NOTIFY_BYTES 20

enum structure { COMMON = 1, NOTIFY, ISR, DEVICE, STRUCTURES };

// Bounds on what is mapped of a structure: `min` makes it usable, more than `max` is never read.
struct structure_limits {
    uint32_t min, max;
    bool optional;
};
static const struct structure_limits limits[STRUCTURES] = {
    [COMMON] = {0x38, 0x40, false},
    [NOTIFY] = {2, 0x10000, false},
    [ISR] = {1, 1, false},
    [DEVICE] = {1, 0x100, true},
};

TABLE_DECLARE(struct virtio_driver, virtio_driver);

struct mapped {
    mmio_t regs;
    uint32_t len;
};

// -EINVAL: unusable; the specification has us try the next capability of the type.
static int map_structure(struct virtio_device *vdev, unsigned cap, enum structure type,
                         struct mapped *out)
{
    unsigned cap_bytes = type == NOTIFY ? CAP_NOTIFY_BYTES : CAP_BYTES;
    uint32_t offset = pci_read32(vdev->pci, cap + CAP_OFFSET);
    uint32_t len = pci_read32(vdev->pci, cap + CAP_LENGTH);
    if (pci_read8(vdev->pci, cap + CAP_LEN) < cap_bytes || len < limits[type].min ||
        !IS_ALIGNED(offset, 4))
        return -EINVAL;
    len = MIN(len, limits[type].max);
    int err = pci_map_bar(vdev->pci, pci_read8(vdev->pci, cap + CAP_BAR), offset, len, &out->regs);
    if (err)
        return err;
    out->len = len;
    if (type == NOTIFY)
        vdev->notify_multiplier = pci_read32(vdev->pci, cap + CAP_NOTIFY_MULTIPLIER);
    return 0;
}

static void unmap_structures(struct virtio_device *vdev)
{
    mmio_t *regs[] = {&vdev->common, &vdev->isr, &vdev->config, &vdev->notify};
    for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
        if (mmio_valid(*regs[i]))
            iounmap(*regs[i]);
        *regs[i] = (mmio_t){0};
    }
}

// The first usable capability of each type counts (4.1.4.1); types that are unknown are left out.
static int map_structures(struct virtio_device *vdev)
{
    struct mapped found[STRUCTURES] = {0};
    struct pci_cap_walk walk = PCI_CAP_WALK;
    unsigned cap;
    while ((cap = pci_next_capability(vdev->pci, &walk, PCI_CAP_VENDOR))) {
        unsigned type = pci_read8(vdev->pci, cap + CAP_TYPE);
        unsigned bytes = type == NOTIFY ? CAP_NOTIFY_BYTES : CAP_BYTES;
        if (cap + bytes <= 0x100 && type >= COMMON && type < STRUCTURES && !found[type].len)
            map_structure(vdev, cap, type, &found[type]);
    }
    vdev->common = found[COMMON].regs;
    vdev->notify = found[NOTIFY].regs;
    vdev->isr = found[ISR].regs;
    vdev->config = found[DEVICE].regs;
    vdev->notify_len = found[NOTIFY].len;
    vdev->config_len = found[DEVICE].len;
    for (unsigned type = COMMON; type < STRUCTURES; type++) {
        if (found[type].len || limits[type].optional)
            continue;
        log_err("virtio %s: no usable structure of type %u", vdev->pci->name, type);
        unmap_structures(vdev);
        return -ENODEV;
    }
    return 0;
}

static const struct virtio_driver *driver_for(unsigned id)
{
    TABLE_FOREACH (struct virtio_driver, driver, virtio_driver) {
        if (driver->id == id)
            return driver;
    }
    return NULL;
}

// 4.1.2: modern ids tell the type, transitional devices have it as their subsystem id.
static unsigned device_type(const struct pci_device *pci)
{
    return pci->device >= MODERN_FIRST ? pci->device - MODERN_FIRST
                                       : pci_read16(pci, PCI_SUBSYSTEM_ID);
}

// Memory decoding goes on before the first register access; bus mastering is the driver's to
// switch on, after the reset that ends whatever the device did before.
static int start_device(struct virtio_device *vdev, const struct virtio_driver *driver)
{
    // VERSION_1 is a must (virtio_negotiate), and with it 64-bit addresses everywhere. Without
    // memory for bounce buffers (-ENOMEM) what needs none still works.
    int err = dma_set_mask(&vdev->pci->dma, UINT64_MAX);
    if (!err || err == -ENOMEM)
        err = map_structures(vdev);
    if (err)
        return err;
    pci_enable(vdev->pci, PCI_COMMAND_MEMORY);
    err = virtio_reset(vdev);
    if (!err) {
        virtio_acknowledge(vdev);
        err = driver->probe(vdev);
    }
    if (err) {
        pci_disable(vdev->pci, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        unmap_structures(vdev);
    }
    return err;
}

// A virtio device that no driver wants is not an error.
static int virtio_pci_probe(struct pci_device *pci)
{
    unsigned id = device_type(pci);
    const struct virtio_driver *driver = driver_for(id);
    if (!driver) {
        log_debug("virtio %s: no driver for type %u", pci->name, id);
        return 0;
    }
    struct virtio_device *vdev = kcalloc(1, sizeof(*vdev), GFP_KERNEL);
    if (!vdev)
        return -ENOMEM;
    vdev->pci = pci;
    vdev->driver = driver->name;
    vdev->id = (uint16_t)id;
    int err = start_device(vdev, driver);
    if (err)
        kfree(vdev);
    return err;
}
PCI_DRIVER(virtio_pci_driver, .name = "virtio", .vendor = VIRTIO_VENDOR,
           .device_first = TRANSITIONAL_FIRST, .device_last = MODERN_LAST,
           .probe = virtio_pci_probe);
