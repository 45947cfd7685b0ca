// SPDX-License-Identifier: BSD-2-Clause
//
// What an interrupt controller registers (platform/ and, for cascaded ones, drivers). A
// controller is found by compatible string through the linker table `irqchip`; parents start
// before children. Its domain translates device-tree specifiers into hardware numbers, each of
// which gets a virtual number on first use.

#pragma once

#include "core/irq/irq.h"

enum irq_trigger {
    IRQ_EDGE_RISING = 1,
    IRQ_EDGE_FALLING = 2,
    IRQ_LEVEL_HIGH = 4,
    IRQ_LEVEL_LOW = 8
};

struct irq_domain;

// All are called with the line's lock held and interrupts off.
struct irq_chip {
    const char *name;
    void (*mask)(struct irq_domain *domain, uint32_t hwirq);
    void (*unmask)(struct irq_domain *domain, uint32_t hwirq);
    // End of interrupt after the handlers ran (drop priority and deactivate).
    void (*eoi)(struct irq_domain *domain, uint32_t hwirq);
    int (*set_trigger)(struct irq_domain *domain, uint32_t hwirq, enum irq_trigger trigger);
};

struct irq_domain {
    const struct irq_chip *chip;
    const struct dt_node *node;
    unsigned cells;       // #interrupt-cells
    uint32_t hwirq_count; // hardware numbers are below it
    void *data;           // the controller's own
    uint16_t *irq_of;     // hwirq -> virtual number, filled by the core
    // Specifier to hardware number and trigger; -EINVAL.
    int (*translate)(struct irq_domain *domain, const uint32_t *spec, unsigned cells,
                     uint32_t *hwirq, enum irq_trigger *trigger);
    struct irq_domain *next;
};

// Makes a domain known. Its fields must be filled in and stay valid. -ENOMEM, -EINVAL.
int irq_domain_add(struct irq_domain *domain);
// Virtual number of a hardware line (made on first use); > 0, -EINVAL, -ENOMEM.
int irq_domain_map(struct irq_domain *domain, uint32_t hwirq, enum irq_trigger trigger);
// From a controller's top-level handler: runs the handlers of a line and its eoi.
void irq_handle(struct irq_domain *domain, uint32_t hwirq);
// The root controller's handler, called by irq_dispatch() until nothing is pending.
void irq_set_root(void (*handler)(void));

struct irqchip_driver {
    const char *compatible;
    int (*init)(const struct dt_node *node);
};
#define IRQCHIP_DRIVER(id, compat, init_fn)                                             \
    static const struct irqchip_driver id TABLE_ENTRY(irqchip) = {.compatible = compat, \
                                                                  .init = init_fn}
