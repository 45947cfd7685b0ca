// SPDX-License-Identifier: BSD-2-Clause
//
// Interrupt lines: domains, descriptors, handlers. The hot path (irq_dispatch, irq_handle) takes
// no lock: handler chains are read like RCU data, interrupts being off is the read section.

#include "core/irq/irq.h"

#include "core/debug/log.h"
#include "core/irq/irqchip.h"
#include "core/irq/softirq.h"
#include "core/sync/rcu.h"
#include "core/sync/spinlock.h"
#include "mm/slab.h"
#include "platform/platform.h"

TABLE_DECLARE(struct irqchip_driver, irqchip);

struct irq_action {
    irq_handler_t handler;
    void *arg;
    const char *name;
    struct irq_action *next;
    struct rcu_head rcu;
};

struct irq_desc {
    struct irq_domain *domain; // NULL: number unused
    uint32_t hwirq;
    unsigned disable_depth; // 0: unmasked
    struct irq_action *actions;
    uint64_t count, unhandled;
    uint64_t count_checked; // `count` at the last look of storm_check
};

#define STORM_UNHANDLED 1024 // looked at after so many unhandled ones
#define STORM_COUNT 1100     // and given up if they were nearly all there was

static struct irq_desc descs[IRQ_MAX]; // 0 stays unused
static unsigned desc_count = 1;
static struct irq_domain *domains;
static struct spinlock irq_lock; // descs' masks and chains, domains, desc_count
static void (*root_handler)(void);

static struct irq_desc *desc_of(int irq)
{
    return irq > 0 && irq < (int)desc_count ? &descs[irq] : NULL;
}

// ---- Hot path ---------------------------------------------------------------------------------

// True if one of a shared line's handlers had a reason; all are asked, more than one may have.
static bool ask_all(struct irq_action *action)
{
    enum irq_result result = IRQ_NONE;
    for (; action; action = rcu_dereference(action->next))
        result |= action->handler(action->arg);
    return result != IRQ_NONE;
}

// A level line that nobody can quieten would come again for ever: it is masked and named.
static __noinline void count_unhandled(struct irq_desc *desc)
{
    if (++desc->unhandled % STORM_UNHANDLED)
        return;
    uint64_t since = desc->count - desc->count_checked;
    desc->count_checked = desc->count;
    if (since > STORM_COUNT || !desc->domain)
        return;
    spin_lock_raw(&irq_lock);
    if (desc->disable_depth++ == 0)
        desc->domain->chip->mask(desc->domain, desc->hwirq);
    spin_unlock_raw(&irq_lock);
    log_err("irq: %s line %u: nobody handles it, masked", desc->domain->chip->name, desc->hwirq);
}

void irq_handle(struct irq_domain *domain, uint32_t hwirq)
{
    struct irq_desc *desc = &descs[hwirq < domain->hwirq_count ? domain->irq_of[hwirq] : 0];
    struct irq_action *action = rcu_dereference(desc->actions);
    desc->count++;
    if (likely(action && !action->next)) { // nearly every line has one handler
        if (unlikely(action->handler(action->arg) == IRQ_NONE))
            count_unhandled(desc);
    } else if (!ask_all(action)) {
        count_unhandled(desc);
    }
    domain->chip->eoi(domain, hwirq);
}

bool irq_dispatch(struct trap_frame *frame)
{
    (void)frame;
    struct cpu_context *ctx = this_cpu_ptr(cpu_context);
    ctx->preempt_count += HARDIRQ_ONE;
    root_handler();
    ctx->preempt_count -= HARDIRQ_ONE;
    if (ctx->preempt_count & (HARDIRQ_MASK | SOFTIRQ_MASK))
        return false;
    if (ctx->softirq_pending)
        softirq_run();
    return ctx->need_resched && ctx->preempt_count == 0;
}

// ---- Domains ----------------------------------------------------------------------------------

int irq_domain_add(struct irq_domain *domain)
{
    if (!domain->hwirq_count || !domain->chip || !domain->translate)
        return -EINVAL;
    domain->irq_of = kcalloc(domain->hwirq_count, sizeof(*domain->irq_of), GFP_KERNEL);
    if (!domain->irq_of)
        return -ENOMEM;
    irq_flags_t flags = spin_lock_irqsave(&irq_lock);
    domain->next = domains;
    domains = domain;
    spin_unlock_irqrestore(&irq_lock, flags);
    return 0;
}

int irq_domain_map(struct irq_domain *domain, uint32_t hwirq, enum irq_trigger trigger)
{
    if (hwirq >= domain->hwirq_count)
        return -EINVAL;
    int err = domain->connect && !domain->irq_of[hwirq] ? domain->connect(domain, hwirq) : 0;
    if (err)
        return err;
    irq_flags_t flags = spin_lock_irqsave(&irq_lock);
    unsigned irq = domain->irq_of[hwirq];
    if (!irq) {
        irq = desc_count;
        err = irq < IRQ_MAX ? domain->chip->set_trigger(domain, hwirq, trigger) : -ENOMEM;
        if (!err) {
            descs[irq] = (struct irq_desc){.domain = domain, .hwirq = hwirq, .disable_depth = 1};
            domain->irq_of[hwirq] = (uint16_t)irq;
            desc_count++;
        }
    }
    spin_unlock_irqrestore(&irq_lock, flags);
    return err ? err : (int)irq;
}

void irq_set_root(void (*handler)(void)) { root_handler = handler; }

static struct irq_domain *domain_of(const struct dt_node *controller)
{
    struct irq_domain *domain = domains;
    while (domain && domain->node != controller)
        domain = domain->next;
    return domain;
}

int irq_from_specifier(const struct dt_node *controller, const uint32_t *spec, unsigned cells)
{
    struct irq_domain *domain = controller ? domain_of(controller) : NULL;
    if (!domain)
        return -ENODEV;
    uint32_t hwirq;
    enum irq_trigger trigger;
    int err = domain->translate(domain, spec, cells, &hwirq, &trigger);
    return err ? err : irq_domain_map(domain, hwirq, trigger);
}

#define SPEC_CELLS_MAX 8

// Reads `cells` words of a property from word `first` on; -ENOENT past its end.
static int read_spec(const struct dt_node *node, const char *property, unsigned first,
                     unsigned cells, uint32_t *spec)
{
    for (unsigned i = 0; i < cells; i++) {
        if (dt_u32_at(node, property, first + i, &spec[i]))
            return -ENOENT;
    }
    return 0;
}

static int cells_of(const struct dt_node *controller, uint32_t *cells)
{
    if (dt_u32(controller, "#interrupt-cells", cells) || *cells == 0 || *cells > SPEC_CELLS_MAX)
        return -EINVAL;
    return 0;
}

// `interrupts-extended`: each entry names its controller.
static int irq_from_extended(const struct dt_node *node, unsigned index)
{
    uint32_t phandle, cells = 0, spec[SPEC_CELLS_MAX];
    for (unsigned word = 0;; word += 1 + cells) {
        if (dt_u32_at(node, "interrupts-extended", word, &phandle))
            return -ENOENT;
        const struct dt_node *controller = dt_by_phandle(phandle);
        if (!controller)
            return -ENODEV;
        if (cells_of(controller, &cells))
            return -EINVAL;
        if (index-- > 0)
            continue;
        int err = read_spec(node, "interrupts-extended", word + 1, cells, spec);
        return err ? err : irq_from_specifier(controller, spec, cells);
    }
}

int irq_from_dt(const struct dt_node *node, unsigned index)
{
    if (dt_has(node, "interrupts-extended"))
        return irq_from_extended(node, index);
    const struct dt_node *controller = dt_interrupt_parent(node);
    uint32_t cells, spec[SPEC_CELLS_MAX];
    if (!controller)
        return -ENODEV;
    if (cells_of(controller, &cells))
        return -EINVAL;
    int err = read_spec(node, "interrupts", index * cells, cells, spec);
    return err ? err : irq_from_specifier(controller, spec, cells);
}

// ---- Handlers ---------------------------------------------------------------------------------

int irq_request(int irq, irq_handler_t handler, void *arg, const char *name)
{
    struct irq_desc *desc = desc_of(irq);
    if (!desc || !handler)
        return -EINVAL;
    struct irq_action *action = kmalloc(sizeof(*action), GFP_KERNEL);
    if (!action)
        return -ENOMEM;
    irq_flags_t flags = spin_lock_irqsave(&irq_lock);
    bool first = !desc->actions;
    *action =
        (struct irq_action){.handler = handler, .arg = arg, .name = name, .next = desc->actions};
    rcu_assign_pointer(desc->actions, action);
    if (first && --desc->disable_depth == 0)
        desc->domain->chip->unmask(desc->domain, desc->hwirq);
    spin_unlock_irqrestore(&irq_lock, flags);
    return 0;
}

static void action_free(struct rcu_head *head)
{
    kfree(container_of(head, struct irq_action, rcu));
}

void irq_free(int irq, void *arg)
{
    struct irq_desc *desc = desc_of(irq);
    if (!desc)
        return;
    irq_flags_t flags = spin_lock_irqsave(&irq_lock);
    struct irq_action **link = &desc->actions;
    while (*link && (*link)->arg != arg)
        link = &(*link)->next;
    struct irq_action *action = *link;
    if (action)
        rcu_assign_pointer(*link, action->next);
    if (action && !desc->actions && desc->disable_depth++ == 0)
        desc->domain->chip->mask(desc->domain, desc->hwirq);
    spin_unlock_irqrestore(&irq_lock, flags);
    if (action)
        call_rcu(&action->rcu, action_free);
}

void irq_disable(int irq)
{
    struct irq_desc *desc = desc_of(irq);
    if (!desc)
        return;
    irq_flags_t flags = spin_lock_irqsave(&irq_lock);
    if (desc->disable_depth++ == 0)
        desc->domain->chip->mask(desc->domain, desc->hwirq);
    spin_unlock_irqrestore(&irq_lock, flags);
}

void irq_enable(int irq)
{
    struct irq_desc *desc = desc_of(irq);
    if (!desc)
        return;
    irq_flags_t flags = spin_lock_irqsave(&irq_lock);
    if (desc->disable_depth && --desc->disable_depth == 0)
        desc->domain->chip->unmask(desc->domain, desc->hwirq);
    spin_unlock_irqrestore(&irq_lock, flags);
}

bool irq_get_stats(int irq, struct irq_stats *stats)
{
    struct irq_desc *desc = desc_of(irq);
    if (!desc)
        return false;
    irq_flags_t flags = spin_lock_irqsave(&irq_lock);
    *stats = (struct irq_stats){.name = desc->actions ? desc->actions->name : "",
                                .chip = desc->domain->chip->name,
                                .hwirq = desc->hwirq,
                                .count = desc->count,
                                .unhandled = desc->unhandled};
    spin_unlock_irqrestore(&irq_lock, flags);
    return true;
}

// ---- Start ------------------------------------------------------------------------------------

#define CASCADE_MAX 8

// Controllers between this one and the CPU. What a cycle leads round is too deep to be started.
static unsigned depth_of(const struct dt_node *node)
{
    unsigned depth = 0;
    while (depth < CASCADE_MAX && (node = dt_interrupt_parent(node)))
        depth++;
    return depth;
}

// Starts the controllers at `depth` that a driver is for; returns the greatest depth among all.
static unsigned start_controllers(const struct irqchip_driver *driver, unsigned depth)
{
    unsigned deepest = 0;
    const struct dt_node *node = NULL;
    while ((node = dt_by_compatible(node, driver->compatible))) {
        if (!dt_is_available(node))
            continue;
        unsigned own_depth = depth_of(node);
        deepest = MAX(deepest, own_depth);
        if (own_depth != depth || domain_of(node))
            continue;
        int err = driver->init(node);
        if (err)
            log_err("irq: %s: controller did not start: error %d", node->name, err);
    }
    return deepest;
}

// One round a level of the cascade: parents before children, whatever the order of the drivers.
int irq_init(void)
{
    unsigned deepest = 0;
    for (unsigned depth = 0; depth <= deepest && depth < CASCADE_MAX; depth++) {
        TABLE_FOREACH (struct irqchip_driver, driver, irqchip) {
            unsigned below = start_controllers(driver, depth);
            deepest = MAX(deepest, below);
        }
    }
    return root_handler ? 0 : -ENODEV;
}
