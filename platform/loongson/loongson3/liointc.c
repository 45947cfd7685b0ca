// SPDX-License-Identifier: BSD-2-Clause
//
// Loongson 3's local I/O interrupt controller (Loongson 3A1000 processor user manual, volume
// 1, 9.3; Devicetree binding loongson,liointc): 32 level sources, each with a byte that routes it
// to cores (low nibble) and to outputs (high nibble), which are the CPU's IP2 to IP5. A core gets
// an output if any of its sources is pending and any source of that output is, on whichever core:
// so all use one output, and a core reads its own pending register.
//
// The routing bytes take byte accesses only, everything else 32-bit ones.

#include "core/irq/irqchip.h"
#include "core/lib/mmio.h"
#include "mm/vmalloc.h"

#define SOURCES 32
#define OUTPUTS 4
#define FIRST_LINE 2 // of the CPU: where output 0 goes

#define ROUTE 0x00 // one byte a source
#define ENABLED 0x24
#define ENABLE_SET 0x28
#define ENABLE_CLEAR 0x2c
#define PENDING_CORE0 0x40 // enabled sources that ask, of those routed to core 0

#define ROUTE_CORE0 0x01 // the boot CPU, whatever its number is
#define ROUTE_OUTPUT0 0x10

static struct {
    mmio_t regs;
    uint8_t route;
} liointc;

static void liointc_mask(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain;
    mmio_write32(liointc.regs, ENABLE_CLEAR, 1u << hwirq);
    (void)mmio_read32(liointc.regs, ENABLED); // it has arrived
}

static void liointc_unmask(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain;
    mmio_write32(liointc.regs, ENABLE_SET, 1u << hwirq);
}

// A level source is ended by its device.
static void liointc_eoi(struct irq_domain *domain, uint32_t hwirq) { (void)domain, (void)hwirq; }

static int liointc_set_trigger(struct irq_domain *domain, uint32_t hwirq, enum irq_trigger trigger)
{
    (void)domain;
    if (trigger != IRQ_LEVEL_HIGH)
        return -EINVAL;
    mmio_write8(liointc.regs, ROUTE + hwirq, liointc.route);
    return 0;
}

static const struct irq_chip liointc_chip = {
    .name = "LIOINTC",
    .mask = liointc_mask,
    .unmask = liointc_unmask,
    .eoi = liointc_eoi,
    .set_trigger = liointc_set_trigger,
};

static int liointc_translate(struct irq_domain *domain, const uint32_t *spec, unsigned cells,
                             uint32_t *hwirq, enum irq_trigger *trigger)
{
    if (cells < 2 || spec[0] >= domain->hwirq_count || (spec[1] & 0xf) != IRQ_LEVEL_HIGH)
        return -EINVAL;
    *hwirq = spec[0];
    *trigger = IRQ_LEVEL_HIGH;
    return 0;
}

static struct irq_domain domain = {
    .chip = &liointc_chip, .cells = 2, .hwirq_count = SOURCES, .translate = liointc_translate};

static enum irq_result liointc_interrupt(void *arg)
{
    (void)arg;
    uint32_t pending = mmio_read32(liointc.regs, PENDING_CORE0);
    if (!pending)
        return IRQ_NONE;
    for (; pending; pending &= pending - 1)
        irq_handle(&domain, (uint32_t)__builtin_ctz(pending));
    return IRQ_HANDLED;
}

static int liointc_init(const struct dt_node *node)
{
    paddr_t base;
    uint64_t len;
    uint32_t line;
    int err = domain.node && domain.node != node ? -EBUSY : dt_reg(node, 0, &base, &len);
    if (err)
        return err;
    if (dt_u32(node, "interrupts", &line) || line < FIRST_LINE || line >= FIRST_LINE + OUTPUTS)
        return -EINVAL;
    int parent = irq_from_dt(node, 0);
    if (parent < 0)
        return parent;
    liointc.regs = ioremap(base, len);
    if (!mmio_valid(liointc.regs))
        return -ENOMEM;
    liointc.route = (uint8_t)(ROUTE_OUTPUT0 << (line - FIRST_LINE) | ROUTE_CORE0);
    mmio_write32(liointc.regs, ENABLE_CLEAR, UINT32_MAX);
    domain.node = node;
    err = irq_domain_add(&domain);
    return err ? err : irq_request(parent, liointc_interrupt, NULL, node->name);
}
IRQCHIP_DRIVER(loongson_liointc, "loongson,liointc-1.0", liointc_init);
