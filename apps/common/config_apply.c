// SPDX-License-Identifier: BSD-2-Clause
//
// From one configuration to the next: the difference as a list of steps, made in full before the
// first is done, so that a failure undoes the steps done so far in reverse order and memory for
// the list itself is no way to fail halfway.
//
// Order: addresses leave before others come, since subnets of two ports may not overlap even for
// a moment; addresses of a port leave from the end, so that undoing restores their order. Routes
// come before others leave, so that a failure for lack of memory has taken nothing away yet.

#include <string.h>

#include "apps/common/config_rules.h"
#include "apps/common/errors.h"
#include "apps/common/memory.h"
#include "core/debug/log.h"
#include "core/lib/fmt.h"
#include "core/sync/rcu.h"
#include "mm/slab.h"
#include "net/neigh.h"

// Each ADD is its DEL + 1: undoing flips the lowest bit. A SET replaces in one store, so packets
// never meet the gap between the old and the new; undoing sets what was.
enum step_kind {
    STEP_ADDRESS_DEL,
    STEP_ADDRESS_ADD,
    STEP_NEIGHBOUR_DEL,
    STEP_NEIGHBOUR_ADD,
    STEP_ROUTE_DEL,
    STEP_ROUTE_ADD,
    STEP_PORT,
    STEP_NEIGHBOUR_SET,
    STEP_ROUTE_SET,
};

struct step {
    uint8_t kind; // enum step_kind
    uint8_t port;
    uint8_t len;
    uint8_t route_kind, was_kind;
    uint8_t mac[6], was_mac[6];
    uint32_t addr, gateway, was_gateway;
};

struct plan {
    const struct config *from, *to;
    struct step *steps; // NULL while counting
    size_t count;
};

// All guarded by net_config_lock.
static struct config *running;     // NULL before the first one
static uint16_t own_mtu[PORT_MAX]; // what the port came with; 0: not changed so far
static int boot_log_level = -1;    // before a configuration set another

uint16_t config_port_mtu(const struct port *port)
{
    return own_mtu[port->number] ? own_mtu[port->number] : port->mtu;
}

// ---- Planning --------------------------------------------------------------------------------

// Planning runs twice over the same two models: once to count, once to fill.
static void plan_step(struct plan *plan, const struct step *step)
{
    if (plan->steps)
        plan->steps[plan->count] = *step;
    plan->count++;
}

static bool port_used(const struct config_interface *interface)
{
    return interface->present && !interface->shutdown;
}

// The addresses in force: a port that is shut down has none, so no route leads to it.
static unsigned addresses_in_force(const struct config_interface *interface)
{
    return port_used(interface) ? interface->address_count : 0;
}

// How many addresses both begin with.
static unsigned addresses_kept(const struct config_interface *from,
                               const struct config_interface *to)
{
    unsigned most = MIN(addresses_in_force(from), addresses_in_force(to)), same = 0;
    while (same < most && from->addresses[same].addr == to->addresses[same].addr &&
           from->addresses[same].len == to->addresses[same].len)
        same++;
    return same;
}

static void plan_address(struct plan *plan, enum step_kind kind, unsigned port,
                         const struct ip4_address *address)
{
    plan_step(plan, &(struct step){.kind = (uint8_t)kind,
                                   .port = (uint8_t)port,
                                   .addr = address->addr,
                                   .len = address->len});
}

// From the last one back to where the lists part: undone in reverse, each returns to its place.
static void plan_addresses_del(struct plan *plan, unsigned port)
{
    const struct config_interface *from = &plan->from->interfaces[port];
    unsigned kept = addresses_kept(from, &plan->to->interfaces[port]);
    for (unsigned i = addresses_in_force(from); i > kept; i--)
        plan_address(plan, STEP_ADDRESS_DEL, port, &from->addresses[i - 1]);
}

static void plan_addresses_add(struct plan *plan, unsigned port)
{
    const struct config_interface *to = &plan->to->interfaces[port];
    unsigned kept = addresses_kept(&plan->from->interfaces[port], to);
    for (unsigned i = kept; i < addresses_in_force(to); i++)
        plan_address(plan, STEP_ADDRESS_ADD, port, &to->addresses[i]);
}

// One step for all settings of a port, since several of them together cost one restart.
static void plan_port(struct plan *plan, unsigned port)
{
    const struct config_interface *from = &plan->from->interfaces[port];
    const struct config_interface *to = &plan->to->interfaces[port];
    if (port_used(from) != port_used(to) || from->mtu != to->mtu ||
        from->host_only != to->host_only)
        plan_step(plan, &(struct step){.kind = STEP_PORT, .port = (uint8_t)port});
}

static int compare(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

// One of the two may be NULL: it comes or leaves.
static void plan_neighbour(struct plan *plan, const struct config_neighbour *before,
                           const struct config_neighbour *after)
{
    const struct config_neighbour *now = after ? after : before, *was = before ? before : after;
    enum step_kind kind = before && after ? STEP_NEIGHBOUR_SET
                          : before        ? STEP_NEIGHBOUR_DEL
                                          : STEP_NEIGHBOUR_ADD;
    struct step step = {.kind = (uint8_t)kind, .addr = now->addr};
    memcpy(step.mac, now->mac, sizeof(step.mac));
    memcpy(step.was_mac, was->mac, sizeof(step.was_mac));
    plan_step(plan, &step);
}

// Both lists are sorted: one merging walk finds what left, came and changed.
static void plan_neighbours(struct plan *plan)
{
    const struct config *from = plan->from, *to = plan->to;
    for (size_t i = 0, j = 0; i < from->neighbour_count || j < to->neighbour_count;) {
        int order = i == from->neighbour_count ? 1
                    : j == to->neighbour_count
                        ? -1
                        : compare(from->neighbours[i].addr, to->neighbours[j].addr);
        const struct config_neighbour *before = order <= 0 ? &from->neighbours[i++] : NULL;
        const struct config_neighbour *after = order >= 0 ? &to->neighbours[j++] : NULL;
        if (before && after && memcmp(before->mac, after->mac, sizeof(after->mac)) == 0)
            continue;
        plan_neighbour(plan, before, after);
    }
}

static void plan_route(struct plan *plan, const struct config_route *before,
                       const struct config_route *after)
{
    const struct config_route *route = after ? after : before, *was = before ? before : after;
    enum step_kind kind = before && after ? STEP_ROUTE_SET
                          : before        ? STEP_ROUTE_DEL
                                          : STEP_ROUTE_ADD;
    plan_step(plan, &(struct step){.kind = (uint8_t)kind,
                                   .addr = route->prefix,
                                   .len = route->len,
                                   .route_kind = route->kind,
                                   .gateway = route->gateway,
                                   .was_kind = was->kind,
                                   .was_gateway = was->gateway});
}

// The same walk for routes: first those that come or change, in a second call those that leave.
static void plan_routes(struct plan *plan, bool leaving)
{
    const struct config *from = plan->from, *to = plan->to;
    for (size_t i = 0, j = 0; i < from->route_count || j < to->route_count;) {
        int order = i == from->route_count ? 1 : j == to->route_count ? -1 : 0;
        if (!order)
            order = compare((uint64_t)from->routes[i].prefix << 8 | from->routes[i].len,
                            (uint64_t)to->routes[j].prefix << 8 | to->routes[j].len);
        const struct config_route *before = order <= 0 ? &from->routes[i++] : NULL;
        const struct config_route *after = order >= 0 ? &to->routes[j++] : NULL;
        bool same =
            before && after && before->gateway == after->gateway && before->kind == after->kind;
        if (!same && leaving == !after)
            plan_route(plan, before, after);
    }
}

static void plan_all(struct plan *plan)
{
    plan->count = 0;
    for (unsigned port = 0; port < PORT_MAX; port++)
        plan_addresses_del(plan, port);
    for (unsigned port = 0; port < PORT_MAX; port++)
        plan_port(plan, port);
    for (unsigned port = 0; port < PORT_MAX; port++)
        plan_addresses_add(plan, port);
    plan_neighbours(plan);
    plan_routes(plan, false);
    plan_routes(plan, true);
}

// ---- Doing -----------------------------------------------------------------------------------

// The MTU of received packets is one aligned store that the fast path reads; that of sent ones is
// part of the neighbours' adjacencies, which are made anew. Neither needs a restart.
static void port_settings(struct port *port, const struct config_interface *interface)
{
    if (!own_mtu[port->number])
        own_mtu[port->number] = port->mtu;
    uint16_t mtu = interface->mtu ? interface->mtu : own_mtu[port->number];
    bool changed = mtu != port->mtu;
    port->mtu = mtu;
    if (changed)
        interface_port_changed(port);
    port->features &= ~(uint32_t)PORT_HOST_ONLY;
    port->features |= interface->host_only ? PORT_HOST_ONLY : 0;
}

// The features of a port are negotiated at its start, so a change of them restarts it.
static int port_change(unsigned number, const struct config *from, const struct config *to)
{
    const struct config_interface *before = &from->interfaces[number];
    const struct config_interface *after = &to->interfaces[number];
    struct port *port = port_get(number);
    bool keep = port_used(before) && port_used(after) && before->host_only == after->host_only;
    if (port_used(before) && !keep)
        port_stop(port);
    port_settings(port, after);
    int err = port_used(after) && !keep ? port_start(port) : 0;
    if (!err)
        return 0;
    port_settings(port, before);
    if (port_used(before) && port_start(port))
        log_err("%s: could not be started again", port->name);
    return err;
}

static int step_call(const struct plan *plan, const struct step *step, enum step_kind kind,
                     bool undo)
{
    switch (kind) {
    case STEP_ADDRESS_DEL:
        return ip4_address_del(port_get(step->port), step->addr, step->len);
    case STEP_ADDRESS_ADD:
        return ip4_address_add(port_get(step->port), step->addr, step->len);
    case STEP_NEIGHBOUR_DEL:
        return neigh_static_del(step->addr);
    case STEP_NEIGHBOUR_ADD:
        return neigh_static_add(step->addr, step->mac);
    case STEP_ROUTE_DEL:
        return route4_del(step->addr, step->len);
    case STEP_ROUTE_ADD:
        return route4_add(step->addr, step->len, (enum route_kind)step->route_kind, step->gateway);
    case STEP_NEIGHBOUR_SET:
        return neigh_static_add(step->addr, undo ? step->was_mac : step->mac);
    case STEP_ROUTE_SET:
        return undo ? route4_add(step->addr, step->len, (enum route_kind)step->was_kind,
                                 step->was_gateway)
                    : route4_add(step->addr, step->len, (enum route_kind)step->route_kind,
                                 step->gateway);
    default:
        return undo ? port_change(step->port, plan->to, plan->from)
                    : port_change(step->port, plan->from, plan->to);
    }
}

static int step_run(const struct plan *plan, const struct step *step, bool undo)
{
    enum step_kind kind = (enum step_kind)(step->kind ^ (step->kind < STEP_PORT && undo));
    int err = step_call(plan, step, kind, undo);
    // What an undoing without memory could not bring back is gone already.
    return err == -ENOENT && kind < STEP_PORT && !(kind & 1) ? 0 : err;
}

// What a step is about, for the report of its failure.
static void step_describe(const struct step *step, char *buf, size_t size)
{
    static const char *const verbs[] = {"remove", "add"};
    const char *verb = step->kind < STEP_PORT ? verbs[step->kind & 1] : "change";
    char prefix[PREFIX4_TEXT_MAX];
    ip4_format_prefix(step->addr, step->len, prefix);
    switch (step->kind) {
    case STEP_ADDRESS_DEL:
    case STEP_ADDRESS_ADD:
        fmt_snprint(buf, size, "%s address %s of %s", verb, prefix, port_get(step->port)->name);
        break;
    case STEP_NEIGHBOUR_DEL:
    case STEP_NEIGHBOUR_ADD:
    case STEP_NEIGHBOUR_SET:
        fmt_snprint(buf, size, "%s neighbour %s", verb, ip4_format(step->addr, prefix));
        break;
    case STEP_ROUTE_DEL:
    case STEP_ROUTE_ADD:
    case STEP_ROUTE_SET:
        fmt_snprint(buf, size, "%s route %s", verb, prefix);
        break;
    default:
        fmt_snprint(buf, size, "change %s", port_get(step->port)->name);
    }
}

// Undoing may need the very memory that ran out; what the undone steps freed comes back after a
// grace period.
static void plan_undo(const struct plan *plan, size_t done)
{
    while (done-- > 0) {
        const struct step *step = &plan->steps[done];
        int err = step_run(plan, step, true);
        if (err == -ENOMEM) {
            synchronize_rcu();
            err = step_run(plan, step, true);
        }
        if (err) {
            char what[80];
            step_describe(step, what, sizeof(what));
            log_err("config: undoing '%s' failed: %s", what, error_text(err));
        }
    }
}

static int plan_run(const struct plan *plan, struct config_report *report)
{
    for (size_t i = 0; i < plan->count; i++) {
        int err = step_run(plan, &plan->steps[i], false);
        if (!err)
            continue;
        char what[80];
        step_describe(&plan->steps[i], what, sizeof(what));
        config_complain(report, CONFIG_ERROR, 0, "cannot %s: %s", what, error_text(err));
        plan_undo(plan, i);
        return err;
    }
    return 0;
}

// The list is a few megabytes at the most (64 K routes, each replaced): it fits one allocation.
static int transition(const struct config *from, const struct config *to,
                      struct config_report *report)
{
    struct plan plan = {.from = from, .to = to};
    plan_all(&plan);
    if (!plan.count)
        return 0;
    plan.steps = kmalloc(plan.count * sizeof(*plan.steps), GFP_CONFIG);
    if (!plan.steps) {
        config_complain(report, CONFIG_ERROR, 0, "out of memory");
        return -ENOMEM;
    }
    plan_all(&plan);
    int err = plan_run(&plan, report);
    kfree(plan.steps);
    return err;
}

// Only when the line changed: a level set at the prompt survives commits about other things.
static void apply_log_level(const struct config *from, const struct config *to)
{
    if (boot_log_level < 0)
        boot_log_level = (int)log_get_level();
    if (from->log_level != to->log_level)
        log_set_level((enum log_level)(to->log_level < 0 ? boot_log_level : to->log_level));
}

int config_apply(struct config *config, struct config_report *report)
{
    mutex_lock(&net_config_lock);
    struct config *before = running ? running : config_new();
    int err = before ? transition(before, config, report) : -ENOMEM;
    if (!err) {
        apply_log_level(before, config);
        running = config;
    }
    if (!err || before != running)
        config_free(before);
    mutex_unlock(&net_config_lock);
    return err;
}

// Readers get copies: the lock is not held while they print or edit.
struct config *config_copy_running(void)
{
    mutex_lock(&net_config_lock);
    struct config *copy = running ? config_copy(running) : config_new();
    mutex_unlock(&net_config_lock);
    return copy;
}

void config_running_hostname(char buf[static CONFIG_HOSTNAME_MAX])
{
    mutex_lock(&net_config_lock);
    if (running)
        memcpy(buf, running->hostname, CONFIG_HOSTNAME_MAX);
    else
        memcpy(buf, CONFIG_HOSTNAME_DEFAULT, sizeof(CONFIG_HOSTNAME_DEFAULT));
    mutex_unlock(&net_config_lock);
}

void config_running_description(unsigned port, char buf[static CONFIG_DESCRIPTION_MAX])
{
    buf[0] = '\0';
    mutex_lock(&net_config_lock);
    if (running && port < PORT_MAX)
        memcpy(buf, running->interfaces[port].description, CONFIG_DESCRIPTION_MAX);
    mutex_unlock(&net_config_lock);
}
