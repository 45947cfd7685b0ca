// SPDX-License-Identifier: BSD-2-Clause
//
// Message interrupts: which controller serves a device-tree node. See irq.h and irqchip.h.

#include "core/irq/irq.h"
#include "core/irq/irqchip.h"

static struct msi_controller *controllers; // changed by irq_init only, before there are threads

void msi_controller_add(struct msi_controller *msi)
{
    msi->next = controllers;
    controllers = msi;
}

static struct msi_controller *controller_of(const struct dt_node *node)
{
    struct msi_controller *msi = controllers;
    while (msi && msi->node != node)
        msi = msi->next;
    return msi;
}

int msi_allocate(const struct dt_node *controller, uint32_t device_id, struct msi_vector *vectors,
                 unsigned count)
{
    struct msi_controller *msi = controller_of(controller);
    return msi ? msi->allocate(msi, device_id, vectors, count) : -ENODEV;
}

void msi_release(const struct dt_node *controller, uint32_t device_id,
                 const struct msi_vector *vectors, unsigned count)
{
    struct msi_controller *msi = controller_of(controller);
    if (msi)
        msi->release(msi, device_id, vectors, count);
}
