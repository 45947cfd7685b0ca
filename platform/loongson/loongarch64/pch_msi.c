// SPDX-License-Identifier: BSD-2-Clause
//
// Message interrupts on Loongson machines: a device writes the number of an EIOINTC vector to one
// address of the bridge (Devicetree binding loongson,pch-msi). The vectors that the tree sets aside
// are the only numbers that are ever given out: lower ones belong to the bridge's own lines, and
// a machine may take offence at a message with such a number.

#include "core/irq/irqchip.h"
#include "core/sync/spinlock.h"
#include "mm/slab.h"

#define VECTORS 256

struct pch_msi {
    struct msi_controller controller;
    const struct dt_node *parent;
    paddr_t address;
    uint32_t first, count;
    struct spinlock lock;         // protects `taken`
    uint64_t taken[VECTORS / 64]; // by vector
};

static bool take(struct pch_msi *msi, uint32_t vector)
{
    uint64_t bit = BIT64(vector % 64);
    irq_flags_t flags = spin_lock_irqsave(&msi->lock);
    bool free = !(msi->taken[vector / 64] & bit);
    msi->taken[vector / 64] |= bit;
    spin_unlock_irqrestore(&msi->lock, flags);
    return free;
}

static void give_back(struct pch_msi *msi, uint32_t vector)
{
    irq_flags_t flags = spin_lock_irqsave(&msi->lock);
    msi->taken[vector / 64] &= ~BIT64(vector % 64);
    spin_unlock_irqrestore(&msi->lock, flags);
}

static void pch_msi_release(struct msi_controller *controller, uint32_t device_id,
                            const struct msi_vector *vectors, unsigned count)
{
    struct pch_msi *msi = container_of(controller, struct pch_msi, controller);
    (void)device_id;
    for (unsigned i = 0; i < count; i++)
        give_back(msi, vectors[i].data);
}

// The next free vector from *vector on; -ENOSPC.
static int allocate_one(struct pch_msi *msi, uint32_t *vector, struct msi_vector *out)
{
    while (*vector < msi->first + msi->count && !take(msi, *vector))
        ++*vector;
    if (*vector >= msi->first + msi->count)
        return -ENOSPC;
    int irq = irq_from_specifier(msi->parent, vector, 1);
    if (irq < 0) {
        give_back(msi, *vector);
        return irq;
    }
    *out = (struct msi_vector){.irq = irq, .data = *vector, .address = msi->address};
    return 0;
}

static int pch_msi_allocate(struct msi_controller *controller, uint32_t device_id,
                            struct msi_vector *vectors, unsigned count)
{
    struct pch_msi *msi = container_of(controller, struct pch_msi, controller);
    uint32_t vector = msi->first;
    for (unsigned i = 0; i < count; i++) {
        int err = allocate_one(msi, &vector, &vectors[i]);
        if (err) {
            pch_msi_release(controller, device_id, vectors, i);
            return err;
        }
    }
    return 0;
}

static int read_node(struct pch_msi *msi, const struct dt_node *node)
{
    uint64_t len;
    int err = dt_reg(node, 0, &msi->address, &len);
    if (err)
        return err;
    if (dt_u32(node, "loongson,msi-base-vec", &msi->first) ||
        dt_u32(node, "loongson,msi-num-vecs", &msi->count) || len < sizeof(uint32_t) ||
        !msi->count || msi->first >= VECTORS || msi->count > VECTORS - msi->first)
        return -EINVAL;
    msi->parent = dt_interrupt_parent(node);
    return msi->parent ? 0 : -ENODEV;
}

static int pch_msi_init(const struct dt_node *node)
{
    struct pch_msi *msi = kcalloc(1, sizeof(*msi), GFP_KERNEL);
    if (!msi)
        return -ENOMEM;
    int err = read_node(msi, node);
    if (err) {
        kfree(msi);
        return err;
    }
    msi->controller = (struct msi_controller){
        .node = node, .allocate = pch_msi_allocate, .release = pch_msi_release};
    msi_controller_add(&msi->controller);
    return 0;
}

IRQCHIP_DRIVER(pch_msi, "loongson,pch-msi-1.0", pch_msi_init);
