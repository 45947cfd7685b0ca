// SPDX-License-Identifier: BSD-2-Clause
//
// MSI-X (PCI Local Bus 3.0, 6.8.2): a table in one of the device's BARs says, entry by entry, what
// to write where. Entries are filled while they and the whole function are masked, and read back
// before anything is enabled: a message that is not what the controller gave out may be somebody
// else's interrupt, or worse.

#include "core/debug/log.h"
#include "core/irq/irq.h"
#include "drivers/pci/host.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define MSIX_CONTROL 0x02
#define CONTROL_SIZE(value) (((value) & 0x7ffu) + 1)
#define CONTROL_MASK_ALL 0x4000u
#define CONTROL_ENABLE 0x8000u
#define MSIX_TABLE 0x04
#define TABLE_BAR(value) ((value) & 7u)
#define TABLE_OFFSET(value) ((value) & ~7u)
#define CAP_BYTES 12

#define ENTRY_BYTES 16
#define ENTRY_ADDRESS 0x0
#define ENTRY_DATA 0x8
#define ENTRY_CONTROL 0xc
#define ENTRY_MASKED 1u

struct pci_msix {
    unsigned cap; // in configuration space
    const struct dt_node *controller;
    uint32_t device_id;
    unsigned size;  // entries of the table; read once
    unsigned count; // of them in use
    struct msi_vector vectors[];
};

static unsigned find_capability(const struct pci_device *dev)
{
    struct pci_cap_walk walk = PCI_CAP_WALK;
    unsigned cap = pci_next_capability(dev, &walk, PCI_CAP_MSIX);
    return cap + CAP_BYTES <= 0x100 ? cap : 0;
}

static void write_entry(mmio_t entry, const struct msi_vector *vector)
{
    mmio_write32(entry, ENTRY_ADDRESS, (uint32_t)vector->address);
    mmio_write32(entry, ENTRY_ADDRESS + 4, (uint32_t)(vector->address >> 32));
    mmio_write32(entry, ENTRY_DATA, vector->data);
    mmio_write32(entry, ENTRY_CONTROL, 0);
}

static bool entry_holds(mmio_t entry, const struct msi_vector *vector)
{
    return mmio_read32(entry, ENTRY_ADDRESS) == (uint32_t)vector->address &&
           mmio_read32(entry, ENTRY_ADDRESS + 4) == (uint32_t)(vector->address >> 32) &&
           mmio_read32(entry, ENTRY_DATA) == vector->data;
}

// The function is masked as a whole meanwhile, whatever the entries' own masks do.
static int fill_table(mmio_t table, const struct pci_msix *msix)
{
    for (unsigned i = 0; i < msix->size; i++)
        mmio_write32(mmio_offset(table, (size_t)i * ENTRY_BYTES), ENTRY_CONTROL, ENTRY_MASKED);
    for (unsigned i = 0; i < msix->count; i++)
        write_entry(mmio_offset(table, (size_t)i * ENTRY_BYTES), &msix->vectors[i]);
    for (unsigned i = 0; i < msix->count; i++) {
        if (!entry_holds(mmio_offset(table, (size_t)i * ENTRY_BYTES), &msix->vectors[i]))
            return -EIO;
    }
    return 0;
}

static int start_messages(struct pci_device *dev, const struct pci_msix *msix)
{
    uint16_t control = pci_read16(dev, msix->cap + MSIX_CONTROL);
    control &= (uint16_t)~CONTROL_ENABLE;
    uint32_t where = pci_read32(dev, msix->cap + MSIX_TABLE);
    mmio_t table;
    int err = pci_map_bar(dev, TABLE_BAR(where), TABLE_OFFSET(where),
                          (uint64_t)msix->size * ENTRY_BYTES, &table);
    if (err)
        return err == -ENOMEM ? err : -EINVAL;
    pci_enable(dev, PCI_COMMAND_MEMORY);
    pci_write16(dev, msix->cap + MSIX_CONTROL, control | CONTROL_MASK_ALL);
    err = fill_table(table, msix);
    iounmap(table);
    if (err)
        return err;
    pci_write16(dev, PCI_COMMAND, pci_read16(dev, PCI_COMMAND) | PCI_COMMAND_INTX_OFF);
    control &= (uint16_t)~CONTROL_MASK_ALL;
    pci_write16(dev, msix->cap + MSIX_CONTROL, control | CONTROL_ENABLE);
    return 0;
}

static int enable(struct pci_device *dev, struct pci_msix *msix)
{
    int err = pci_msi_route(dev, &msix->controller, &msix->device_id);
    if (err)
        return err;
    msix->size = CONTROL_SIZE(pci_read16(dev, msix->cap + MSIX_CONTROL));
    if (msix->count > msix->size)
        return -ENOSPC;
    err = msi_allocate(msix->controller, msix->device_id, msix->vectors, msix->count);
    if (err)
        return err;
    err = start_messages(dev, msix);
    if (err) {
        log_warn("pci %s: MSI-X does not work (%d)", dev->name, err);
        msi_release(msix->controller, msix->device_id, msix->vectors, msix->count);
    }
    return err;
}

int pci_msix_enable(struct pci_device *dev, unsigned count, int *irqs)
{
    unsigned cap = find_capability(dev);
    if (!cap || !count)
        return -ENOENT;
    struct pci_msix *msix =
        kcalloc(1, sizeof(*msix) + count * sizeof(msix->vectors[0]), GFP_KERNEL);
    if (!msix)
        return -ENOMEM;
    msix->cap = cap;
    msix->count = count;
    int err = enable(dev, msix);
    if (err) {
        kfree(msix);
        return err;
    }
    for (unsigned i = 0; i < count; i++)
        irqs[i] = msix->vectors[i].irq;
    dev->msix = msix;
    return 0;
}

void pci_msix_disable(struct pci_device *dev)
{
    struct pci_msix *msix = dev->msix;
    if (!msix)
        return;
    uint16_t control = pci_read16(dev, msix->cap + MSIX_CONTROL);
    pci_write16(dev, msix->cap + MSIX_CONTROL, control & (uint16_t)~CONTROL_ENABLE);
    msi_release(msix->controller, msix->device_id, msix->vectors, msix->count);
    dev->msix = NULL;
    kfree(msix);
    pci_enable(dev, 0); // INTx may be used again
}
