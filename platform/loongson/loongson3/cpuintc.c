// SPDX-License-Identifier: BSD-2-Clause
//
// The CPU's interrupt lines as the root controller (MIPS64 Architecture, volume III, 6.1): IP2 to
// IP5 are the liointc's outputs, IP6 is the inter-processor interrupt, IP7 the timer. All are
// level. A line's mask is its IM bit in Status, which belongs to the CPU and not to what it
// executes: the exit of an exception keeps the live bits and takes none from the saved Status.

#include "core/irq/irqchip.h"
#include "platform/loongson/loongson3/cp0.h"

#define LINES 8

static uint32_t mask_bit(uint32_t hwirq) { return 1u << (CP0_IP_SHIFT + hwirq); }

static void cpuintc_mask(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain;
    cp0_set_status(cp0_status() & ~mask_bit(hwirq));
}

static void cpuintc_unmask(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain;
    cp0_set_status(cp0_status() | mask_bit(hwirq));
}

// A level line is ended by what drives it.
static void cpuintc_eoi(struct irq_domain *domain, uint32_t hwirq) { (void)domain, (void)hwirq; }

static int cpuintc_set_trigger(struct irq_domain *domain, uint32_t hwirq, enum irq_trigger trigger)
{
    (void)domain, (void)hwirq;
    return trigger == IRQ_LEVEL_HIGH ? 0 : -EINVAL;
}

static const struct irq_chip cpuintc_chip = {
    .name = "CPU",
    .mask = cpuintc_mask,
    .unmask = cpuintc_unmask,
    .eoi = cpuintc_eoi,
    .set_trigger = cpuintc_set_trigger,
};

static int cpuintc_translate(struct irq_domain *domain, const uint32_t *spec, unsigned cells,
                             uint32_t *hwirq, enum irq_trigger *trigger)
{
    if (cells < 1 || spec[0] >= domain->hwirq_count)
        return -EINVAL;
    *hwirq = spec[0];
    *trigger = IRQ_LEVEL_HIGH;
    return 0;
}

static struct irq_domain domain = {
    .chip = &cpuintc_chip, .cells = 1, .hwirq_count = LINES, .translate = cpuintc_translate};

// One turn for each line that is pending now, the highest first: timer and IPI before devices. What
// is left interrupts anew, after softirqs had their turn: a device that keeps its line up does not
// own the CPU.
static void cpuintc_handle(void)
{
    uint32_t pending = cp0_cause() & cp0_status() & CP0_IP_ALL;
    while (pending) {
        unsigned bit = 31 - (unsigned)__builtin_clz(pending);
        pending &= ~BIT(bit);
        irq_handle(&domain, bit - CP0_IP_SHIFT);
    }
}

static int cpuintc_init(const struct dt_node *node)
{
    if (domain.node && domain.node != node)
        return -EBUSY; // one of its kind
    cp0_set_status(cp0_status() & ~CP0_IP_ALL);
    domain.node = node;
    int err = irq_domain_add(&domain);
    if (!err)
        irq_set_root(cpuintc_handle);
    return err;
}
IRQCHIP_DRIVER(mips_cpuintc, "mti,cpu-interrupt-controller", cpuintc_init);
