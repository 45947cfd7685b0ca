// SPDX-License-Identifier: BSD-2-Clause
//
// What an interrupt controller registers (platform/ and, for cascaded ones, drivers). A
// controller is found by compatible string through the linker table `irqchip`; parents start
// before children. Its domain translates device-tree specifiers into hardware numbers, each of
// which gets a virtual number on first use.
//
// A cascaded controller is a user of its parent's lines: it requests them as a driver would, and
// its handler calls irq_handle() for each of its own lines that are pending.

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
    // Optional, for cascaded ones: has the line reach the CPU, before it is first mapped. No lock
    // is held; may be called again for the same line. 0 or the error that mapping returns.
    int (*connect)(struct irq_domain *domain, uint32_t hwirq);
    struct irq_domain *next;
};

// Makes a domain known. Its fields must be filled in and stay valid. -ENOMEM, -EINVAL.
int irq_domain_add(struct irq_domain *domain);
// Virtual number of a hardware line (made on first use); > 0, -EINVAL, -ENOMEM.
int irq_domain_map(struct irq_domain *domain, uint32_t hwirq, enum irq_trigger trigger);
// From a controller's top-level or cascade handler: runs the handlers of a line and its eoi.
void irq_handle(struct irq_domain *domain, uint32_t hwirq);
// The root controller's handler, called once by irq_dispatch(): what it leaves pending interrupts
// anew.
void irq_set_root(void (*handler)(void));

// A controller that turns memory writes of devices into interrupts (GICv2m, ITS, PCH-MSI). It has
// no lines to translate: what it gives out is lines of the domain that it feeds.
struct msi_controller {
    const struct dt_node *node; // what msi-parent and msi-map name
    // As msi_allocate() and msi_release() in irq.h. Thread context; may run on several CPUs.
    int (*allocate)(struct msi_controller *msi, uint32_t device_id, struct msi_vector *vectors,
                    unsigned count);
    void (*release)(struct msi_controller *msi, uint32_t device_id,
                    const struct msi_vector *vectors, unsigned count);
    struct msi_controller *next;
};
// Makes it known. It must stay valid; node, allocate and release are filled in.
void msi_controller_add(struct msi_controller *msi);

struct irqchip_driver {
    const char *compatible;
    int (*init)(const struct dt_node *node);
};
#define IRQCHIP_DRIVER(id, compat, init_fn)                                             \
    static const struct irqchip_driver id TABLE_ENTRY(irqchip) = {.compatible = compat, \
                                                                  .init = init_fn}
