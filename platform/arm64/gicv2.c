// SPDX-License-Identifier: BSD-2-Clause
//
// GICv2 (Arm IHI 0048): memory-mapped CPU interface. We run as the non-secure world, or on a
// machine that has only one: the group bits are then not ours, and bit 0 enables what is.

#include "mm/vmalloc.h"
#include "platform/arm64/gic.h"

#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define GICC_IAR 0x0c
#define GICC_EOIR 0x10

static struct {
    mmio_t dist, cpu;
    struct irq_domain domain;
    uint32_t acknowledged; // GICC_IAR as read: EOIR wants the source CPU of an SGI back
    uint8_t boot_target;   // bit of the boot CPU's interface
} gic;

static void gicv2_mask(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain;
    mmio_write32(gic.dist, GICD_ICENABLER + hwirq / 32 * 4, 1u << (hwirq % 32));
}

static void gicv2_unmask(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain;
    mmio_write32(gic.dist, GICD_ISENABLER + hwirq / 32 * 4, 1u << (hwirq % 32));
}

static void gicv2_eoi(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain, (void)hwirq;
    mmio_write32(gic.cpu, GICC_EOIR, gic.acknowledged);
}

static int gicv2_set_trigger(struct irq_domain *domain, uint32_t hwirq, enum irq_trigger trigger)
{
    (void)domain;
    if (hwirq >= GIC_SPI_FIRST)
        mmio_write8(gic.dist, GICD_ITARGETSR + hwirq, gic.boot_target);
    return gic_configure(gic.dist, hwirq, trigger);
}

static const struct irq_chip gicv2_chip = {
    .name = "GICv2",
    .mask = gicv2_mask,
    .unmask = gicv2_unmask,
    .eoi = gicv2_eoi,
    .set_trigger = gicv2_set_trigger,
};

static void gicv2_handle(void)
{
    for (;;) {
        gic.acknowledged = mmio_read32(gic.cpu, GICC_IAR);
        uint32_t hwirq = gic.acknowledged & 0x3ff;
        if (hwirq >= GIC_SPECIAL_FIRST)
            return;
        irq_handle(&gic.domain, hwirq);
    }
}

// The targets of the private lines read as the reader's own interface (IHI 0048 4.3.12).
static uint8_t own_target(void)
{
    uint32_t targets =
        mmio_read32(gic.dist, GICD_ITARGETSR) | mmio_read32(gic.dist, GICD_ITARGETSR + 4);
    targets |= targets >> 16;
    targets = (targets | targets >> 8) & 0xff;
    return targets ? (uint8_t)targets : 1; // reads as zero on a single-CPU implementation
}

static mmio_t map_reg(const struct dt_node *node, unsigned index)
{
    paddr_t base;
    uint64_t len;
    if (dt_reg(node, index, &base, &len))
        return (mmio_t){0};
    return ioremap(base, len);
}

static int gicv2_init(const struct dt_node *node)
{
    if (gic.domain.node)
        return -EBUSY; // one of its kind
    gic.dist = map_reg(node, 0);
    gic.cpu = map_reg(node, 1);
    if (!mmio_valid(gic.dist) || !mmio_valid(gic.cpu))
        return -EINVAL;
    unsigned lines = gic_line_count(gic.dist);
    gic.boot_target = own_target();
    mmio_write32(gic.dist, GICD_CTLR, 0);
    gic_reset_lines(gic.dist, 0, lines, 0);
    mmio_write32(gic.cpu, GICC_PMR, 0xff);
    mmio_write32(gic.cpu, GICC_CTLR, 1);
    mmio_write32(gic.dist, GICD_CTLR, 1);
    gic.domain = (struct irq_domain){.chip = &gicv2_chip,
                                     .node = node,
                                     .cells = 3,
                                     .hwirq_count = lines,
                                     .translate = gic_translate};
    irq_set_root(gicv2_handle);
    return irq_domain_add(&gic.domain);
}

IRQCHIP_DRIVER(gicv2_a15, "arm,cortex-a15-gic", gicv2_init);
IRQCHIP_DRIVER(gicv2_400, "arm,gic-400", gicv2_init);
