// SPDX-License-Identifier: BSD-2-Clause
//
// The interrupt lines of the CPU itself (LoongArch Reference Manual vol. 1, 6.1): ESTAT shows what
// is pending and ECFG what may interrupt, line by line: 0-1 software, 2-9 from outside, 10
// performance counter, 11 timer, 12 from other CPUs. Root of the interrupt tree. All lines are
// levels, each quietened at its source.

#include "core/irq/irqchip.h"
#include "platform/loongson/loongarch64/arch/cpu.h"

#define LINES 13
#define LINES_MASK (BIT(LINES) - 1)

static struct irq_domain domain;

static void cpuintc_mask(struct irq_domain *d, uint32_t hwirq)
{
    (void)d;
    (void)ARCH_CSR_EXCHANGE(CSR_ECFG, 0, BIT(hwirq));
}

static void cpuintc_unmask(struct irq_domain *d, uint32_t hwirq)
{
    (void)d;
    (void)ARCH_CSR_EXCHANGE(CSR_ECFG, BIT(hwirq), BIT(hwirq));
}

static void cpuintc_eoi(struct irq_domain *d, uint32_t hwirq) { (void)d, (void)hwirq; }

static int cpuintc_set_trigger(struct irq_domain *d, uint32_t hwirq, enum irq_trigger trigger)
{
    (void)d, (void)hwirq;
    return trigger == IRQ_LEVEL_HIGH ? 0 : -EINVAL;
}

static const struct irq_chip cpuintc_chip = {
    .name = "CPUINTC",
    .mask = cpuintc_mask,
    .unmask = cpuintc_unmask,
    .eoi = cpuintc_eoi,
    .set_trigger = cpuintc_set_trigger,
};

// Devicetree binding loongson,cpu-interrupt-controller: one cell, the line.
static int cpuintc_translate(struct irq_domain *d, const uint32_t *spec, unsigned cells,
                             uint32_t *hwirq, enum irq_trigger *trigger)
{
    if (cells < 1 || spec[0] >= d->hwirq_count)
        return -EINVAL;
    *hwirq = spec[0];
    *trigger = IRQ_LEVEL_HIGH;
    return 0;
}

static uint64_t pending_lines(void)
{
    return ARCH_CSR_READ(CSR_ESTAT) & ARCH_CSR_READ(CSR_ECFG) & LINES_MASK;
}

static void cpuintc_handle(void)
{
    // One turn for each line that is pending now. What is left interrupts anew, after softirqs had
    // their turn: a device that keeps its line up does not own the CPU.
    for (uint64_t pending = pending_lines(); pending; pending &= pending - 1)
        irq_handle(&domain, (uint32_t)__builtin_ctzl(pending));
}

static int cpuintc_init(const struct dt_node *node)
{
    if (domain.node && domain.node != node)
        return -EBUSY; // one of its kind
    (void)ARCH_CSR_EXCHANGE(CSR_ECFG, 0, LINES_MASK);
    domain = (struct irq_domain){.chip = &cpuintc_chip,
                                 .node = node,
                                 .cells = 1,
                                 .hwirq_count = LINES,
                                 .translate = cpuintc_translate};
    int err = irq_domain_add(&domain);
    if (!err)
        irq_set_root(cpuintc_handle);
    return err;
}

IRQCHIP_DRIVER(cpuintc, "loongson,cpu-interrupt-controller", cpuintc_init);
