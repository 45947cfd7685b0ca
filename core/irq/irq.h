// SPDX-License-Identifier: BSD-2-Clause
//
// Interrupt lines as drivers see them: small virtual numbers (irq), mapped from the device tree's
// specifiers through the controller's domain (irqchip.h).

#pragma once

#include "core/lib/dt.h"
#include "core/lib/types.h"

#define IRQ_MAX 256 // virtual numbers; 0 is none

enum irq_result { IRQ_NONE, IRQ_HANDLED };
// Hard interrupt context, interrupts off. IRQ_NONE when the device did not ask (shared lines).
typedef enum irq_result (*irq_handler_t)(void *arg);

// The index-th interrupt of a device node (`interrupts` or `interrupts-extended`); > 0 or
// -ENOENT (no such entry), -ENODEV (controller unknown or not started), -EINVAL (bad specifier).
int irq_from_dt(const struct dt_node *node, unsigned index);
// The same for a specifier taken from elsewhere (interrupt-map): `cells` words for `controller`.
int irq_from_specifier(const struct dt_node *controller, const uint32_t *spec, unsigned cells);

// Adds a handler and unmasks the line. Lines may be shared: each handler is asked in turn.
// `name` must outlive it. Thread context. -EINVAL, -ENOMEM.
int irq_request(int irq, irq_handler_t handler, void *arg, const char *name);
void irq_free(int irq, void *arg);
// Masks and unmasks at the controller; nests. Any context.
void irq_disable(int irq);
void irq_enable(int irq);

// ---- Message interrupts (msi.c) ----------------------------------------------------------------

// One interrupt that a device raises by writing `data` to bus address `address`.
struct msi_vector {
    int irq; // for irq_request(): edge-triggered, masked until then
    uint32_t data;
    uint64_t address;
};
// Reserves `count` interrupts of the controller with this node for one device; device_id is how
// the controller knows it (the requester id of PCI, after msi-map). All or none: 0, -ENODEV (no
// such controller started), -ENOSPC (so many are not free), -ENOMEM. One call a device: release
// before the next. Thread context.
int msi_allocate(const struct dt_node *controller, uint32_t device_id, struct msi_vector *vectors,
                 unsigned count);
// Gives back what one msi_allocate() gave. The device sends none any more and no handler is left.
void msi_release(const struct dt_node *controller, uint32_t device_id,
                 const struct msi_vector *vectors, unsigned count);

struct irq_stats {
    const char *name, *chip;
    uint32_t hwirq;
    uint64_t count, unhandled;
};
bool irq_get_stats(int irq, struct irq_stats *stats); // false when the number is unused

int irq_init(void); // once, from boot.c: finds and starts the controllers
