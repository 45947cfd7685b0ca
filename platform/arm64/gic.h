// SPDX-License-Identifier: BSD-2-Clause
//
// What GICv2 and GICv3 share: the distributor's layout (Arm IHI 0048, IHI 0069) and the device
// tree's three-cell specifiers.

#pragma once

#include "core/irq/irqchip.h"
#include "core/lib/mmio.h"

#define GICD_CTLR 0x000
#define GICD_TYPER 0x004
#define GICD_IGROUPR 0x080
#define GICD_ISENABLER 0x100
#define GICD_ICENABLER 0x180
#define GICD_ICPENDR 0x280
#define GICD_ICACTIVER 0x380
#define GICD_IPRIORITYR 0x400
#define GICD_ITARGETSR 0x800
#define GICD_ICFGR 0xc00

#define GIC_SGI_FIRST 0
#define GIC_PPI_FIRST 16
#define GIC_SPI_FIRST 32
#define GIC_SPECIAL_FIRST 1020 // 1020-1023: nothing to acknowledge
#define GIC_PRIORITY_DEFAULT 0xa0a0a0a0

// Number of interrupt ids that the distributor implements (at most 1020).
unsigned gic_line_count(mmio_t distributor);
// irq_domain.translate for `interrupts = <type number flags>`.
int gic_translate(struct irq_domain *domain, const uint32_t *spec, unsigned cells, uint32_t *hwirq,
                  enum irq_trigger *trigger);
// Puts lines [first, first+count) of a distributor or redistributor block into a known state:
// disabled, not pending, not active, group as given, default priority.
void gic_reset_lines(mmio_t base, unsigned first, unsigned count, uint32_t group);
// Edge or level in ICFGR.
int gic_configure(mmio_t base, uint32_t hwirq, enum irq_trigger trigger);
// Waits until `mask` clears in the register, at most 10 ms. -ETIMEDOUT.
int gic_wait_clear(mmio_t base, size_t reg, uint32_t mask);
