// SPDX-License-Identifier: BSD-2-Clause
//
// The distributor parts that GICv2 and GICv3 have in common.

#include "platform/arm64/gic.h"

#include "core/time/clock.h"

unsigned gic_line_count(mmio_t distributor)
{
    unsigned lines = ((mmio_read32(distributor, GICD_TYPER) & 0x1f) + 1) * 32;
    return MIN(lines, (unsigned)GIC_SPECIAL_FIRST);
}

// Devicetree binding arm,gic.yaml: type 0 SPI, 1 PPI; flags bits 3:0 are the trigger.
int gic_translate(struct irq_domain *domain, const uint32_t *spec, unsigned cells, uint32_t *hwirq,
                  enum irq_trigger *trigger)
{
    static const struct {
        uint32_t first, count;
    } types[] = {{GIC_SPI_FIRST, GIC_SPECIAL_FIRST - GIC_SPI_FIRST}, {GIC_PPI_FIRST, 16}};
    if (cells < 3 || spec[0] >= ARRAY_SIZE(types) || spec[1] >= types[spec[0]].count)
        return -EINVAL;
    *hwirq = types[spec[0]].first + spec[1];
    *trigger = (spec[2] & 0xf) ? (enum irq_trigger)(spec[2] & 0xf) : IRQ_LEVEL_HIGH;
    return *hwirq < domain->hwirq_count ? 0 : -EINVAL;
}

void gic_reset_lines(mmio_t base, unsigned first, unsigned count, uint32_t group)
{
    for (unsigned line = first; line < first + count; line += 32) {
        size_t word = line / 32 * 4;
        mmio_write32(base, GICD_ICENABLER + word, ~0u);
        mmio_write32(base, GICD_ICPENDR + word, ~0u);
        mmio_write32(base, GICD_ICACTIVER + word, ~0u);
        mmio_write32(base, GICD_IGROUPR + word, group);
    }
    for (unsigned line = first; line < first + count; line += 4)
        mmio_write32(base, GICD_IPRIORITYR + line, GIC_PRIORITY_DEFAULT);
}

int gic_configure(mmio_t base, uint32_t hwirq, enum irq_trigger trigger)
{
    if (trigger == IRQ_EDGE_FALLING || trigger == IRQ_LEVEL_LOW)
        return hwirq < GIC_SPI_FIRST ? 0 : -EINVAL; // PPI trees say "low" for what is wired so
    size_t reg = GICD_ICFGR + hwirq / 16 * 4;
    uint32_t bit = 2u << (hwirq % 16 * 2), old = mmio_read32(base, reg);
    uint32_t new = trigger == IRQ_EDGE_RISING ? old | bit : old & ~bit;
    if (new != old)
        mmio_write32(base, reg, new);
    return 0;
}

int gic_wait_clear(mmio_t base, size_t reg, uint32_t mask)
{
    for (int i = 0; i < 1000; i++) {
        if (!(mmio_read32(base, reg) & mask))
            return 0;
        clock_delay_us(10);
    }
    return -ETIMEDOUT;
}
