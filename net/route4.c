// SPDX-License-Identifier: BSD-2-Clause
//
// IPv4 routes. The FIB's own store keeps what is active; beside it only the static routes that
// are not are kept ("held"): those whose gateway no connected subnet has, and those hidden by a
// route of the same prefix that an address stands for. Of one prefix the FIB gets, in this order:
// local, broadcast, connected, static (RFC 1812 section 5.2.4.3 leaves ties to the router).
//
// Context: thread, net_config_lock held.

#include <string.h>

#include "core/debug/log.h"
#include "core/lib/rbtree.h"
#include "mm/slab.h"
#include "net/ip4.h"
#include "net/nexthop.h"
#include "net/route4_system.h"
#include "net/route_memory.h"

struct held {
    struct rb_node node;
    struct held *next;       // on a list while not in the tree
    struct nexthop *nexthop; // kept by a hidden route, so that it can come back without memory
    uint32_t prefix, gateway;
    uint8_t len;
    uint8_t kind; // enum route_kind
};

static struct rb_tree held_tree;
static struct held *spare; // allocated beforehand, for changes that must not fail

// ---- held routes -----------------------------------------------------------------------------

// Order of (prefix, len).
static int compare(uint32_t prefix, unsigned len, const struct held *other)
{
    if (prefix != other->prefix)
        return prefix < other->prefix ? -1 : 1;
    return (int)len - (int)other->len;
}

static struct held *held_find(uint32_t prefix, unsigned len)
{
    struct rb_node *node = held_tree.root;
    while (node) {
        struct held *held = rb_entry(node, struct held, node);
        int order = compare(prefix, len, held);
        if (!order)
            return held;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

static void held_insert(struct held *fresh)
{
    struct rb_node *parent = NULL, **link = &held_tree.root;
    while (*link) {
        parent = *link;
        bool left = compare(fresh->prefix, fresh->len, rb_entry(parent, struct held, node)) < 0;
        link = left ? &parent->left : &parent->right;
    }
    rb_insert(&held_tree, &fresh->node, parent, link);
}

static void held_let_go(struct held *held)
{
    if (held->nexthop)
        nexthop_put(held->nexthop);
    held->nexthop = NULL;
}

static void held_remove(struct held *held)
{
    rb_remove(&held_tree, &held->node);
    held_let_go(held);
    kfree(held);
}

static struct held *held_alloc(uint32_t prefix, unsigned len, enum route_kind kind,
                               uint32_t gateway)
{
    struct held *held = spare;
    if (held)
        spare = held->next;
    else
        held = kmalloc(sizeof(*held), GFP_ROUTES);
    if (held)
        *held = (struct held){
            .prefix = prefix, .gateway = gateway, .len = (uint8_t)len, .kind = (uint8_t)kind};
    return held;
}

static void spare_free(void)
{
    for (struct held *next; spare; spare = next) {
        next = spare->next;
        kfree(spare);
    }
}

// ---- the FIB ---------------------------------------------------------------------------------

static struct nexthop *fib_get(uint32_t prefix, unsigned len)
{
    uint32_t index;
    return fib4_get(&ip4_fib, prefix, len, &index) ? NULL : nexthop_by_index(index);
}

// Takes over the caller's reference to `nexthop`, in case of an error too.
static int fib_set(uint32_t prefix, unsigned len, struct nexthop *nexthop)
{
    struct nexthop *old = fib_get(prefix, len);
    int err = fib4_add(&ip4_fib, prefix, len, nexthop->index);
    if (err)
        nexthop_put(nexthop);
    else if (old)
        nexthop_put(old);
    return err;
}

static void fib_clear(uint32_t prefix, unsigned len)
{
    struct nexthop *old = fib_get(prefix, len);
    if (old && fib4_del(&ip4_fib, prefix, len) == 0)
        nexthop_put(old);
}

// Stands for an address, not for a configured route.
static bool is_system(const struct nexthop *nexthop)
{
    return nexthop->kind == ADJ_LOCAL || nexthop->kind == ADJ_BROADCAST ||
           nexthop->kind == ADJ_GLEAN;
}

static enum route_kind route_kind_of(const struct nexthop *nexthop)
{
    switch (nexthop->kind) {
    case ADJ_LOCAL:
        return ROUTE_LOCAL;
    case ADJ_GLEAN:
        return ROUTE_CONNECTED;
    case ADJ_BLACKHOLE:
        return ROUTE_BLACKHOLE;
    case ADJ_REJECT:
        return ROUTE_REJECT;
    default:
        return ROUTE_STATIC;
    }
}

// The next hop of a configured route. -ENETUNREACH: its gateway is not connected.
static int static_nexthop(enum route_kind kind, uint32_t gateway, struct nexthop **out)
{
    if (kind == ROUTE_BLACKHOLE)
        return nexthop_get(ADJ_BLACKHOLE, NULL, 0, out);
    if (kind == ROUTE_REJECT)
        return nexthop_get(ADJ_REJECT, NULL, 0, out);
    struct port *port = ip4_port_towards(gateway);
    return port ? nexthop_get(ADJ_REWRITE, port, gateway, out) : -ENETUNREACH;
}

// ---- configured routes -----------------------------------------------------------------------

static bool route_valid(uint32_t prefix, unsigned len, enum route_kind kind, uint32_t gateway)
{
    if (len > 32 || (prefix & ~ip4_mask(len)))
        return false;
    if (kind == ROUTE_STATIC)
        return !ip4_martian_source(gateway);
    return kind == ROUTE_BLACKHOLE || kind == ROUTE_REJECT;
}

// Keeps the route aside; an active one that it replaces leaves the FIB.
static int hold(uint32_t prefix, unsigned len, enum route_kind kind, uint32_t gateway)
{
    struct held *held = held_find(prefix, len);
    if (held) {
        held_let_go(held);
        held->kind = (uint8_t)kind;
        held->gateway = gateway;
        return 0;
    }
    held = held_alloc(prefix, len, kind, gateway);
    if (!held)
        return -ENOMEM;
    struct nexthop *active = fib_get(prefix, len);
    if (active && !is_system(active))
        fib_clear(prefix, len);
    held_insert(held);
    return 0;
}

int route4_add(uint32_t prefix, unsigned len, enum route_kind kind, uint32_t gateway)
{
    if (kind != ROUTE_STATIC)
        gateway = 0;
    if (!route_valid(prefix, len, kind, gateway))
        return -EINVAL;
    struct nexthop *active = fib_get(prefix, len), *nexthop;
    if (active && is_system(active))
        return hold(prefix, len, kind, gateway);
    int err = static_nexthop(kind, gateway, &nexthop);
    if (err == -ENETUNREACH)
        return hold(prefix, len, kind, gateway);
    if (!err)
        err = fib_set(prefix, len, nexthop);
    struct held *held = err ? NULL : held_find(prefix, len);
    if (held)
        held_remove(held);
    return err;
}

int route4_del(uint32_t prefix, unsigned len)
{
    if (len > 32 || (prefix & ~ip4_mask(len)))
        return -ENOENT;
    struct held *held = held_find(prefix, len);
    if (held) {
        held_remove(held);
        return 0;
    }
    struct nexthop *active = fib_get(prefix, len);
    if (!active || is_system(active))
        return -ENOENT;
    fib_clear(prefix, len);
    return 0;
}

// Puts a held route into the FIB if its gateway allows; false: it stays as it is.
static bool activate(struct held *held)
{
    struct nexthop *nexthop = held->nexthop;
    int err = nexthop ? 0 : static_nexthop(held->kind, held->gateway, &nexthop);
    held->nexthop = NULL;
    if (!err)
        err = fib_set(held->prefix, held->len, nexthop);
    if (err && err != -ENETUNREACH) {
        be32_t prefix = be32_make(held->prefix);
        log_err("route %pI4/%u stays inactive (%d)", &prefix, held->len, err);
    }
    if (err)
        return false;
    held_remove(held);
    return true;
}

// ---- routes that addresses stand for ---------------------------------------------------------

// What the addresses say about one prefix: the kind of next hop, ADJ_NONE for nothing.
static enum adjacency_kind system_kind(uint32_t prefix, unsigned len, struct port **port)
{
    enum adjacency_kind kind = ADJ_NONE;
    const struct ip4_address *a;
    struct port *owner;
    for (unsigned cursor = 0; (a = ip4_address_next(&cursor, &owner));) {
        uint32_t mask = ip4_mask(a->len);
        if (len == 32 && a->addr == prefix) {
            *port = owner;
            return ADJ_LOCAL;
        }
        bool edge =
            len == 32 && a->len < 31 && (prefix == (a->addr & mask) || prefix == (a->addr | ~mask));
        if (edge || (len == a->len && (a->addr & mask) == prefix)) {
            kind = edge ? ADJ_BROADCAST : ADJ_GLEAN;
            *port = owner;
        }
    }
    return kind;
}

// Gives a prefix to its address, a configured route of it steps back and keeps its next hop.
static int system_set(uint32_t prefix, unsigned len, enum adjacency_kind kind, struct port *port)
{
    struct nexthop *active = fib_get(prefix, len), *nexthop;
    struct held *held = NULL;
    if (active && !is_system(active)) {
        held = held_alloc(prefix, len, route_kind_of(active), active->gateway);
        if (!held)
            return -ENOMEM;
        active->refs++;
    }
    int err = nexthop_get(kind, port, 0, &nexthop);
    if (!err)
        err = fib_set(prefix, len, nexthop);
    if (held && !err) {
        held->nexthop = active;
        held_insert(held);
    } else if (held) {
        active->refs--; // never the last: the FIB has it still
        kfree(held);
    }
    return err;
}

static int refresh(uint32_t prefix, unsigned len)
{
    struct port *port = NULL;
    enum adjacency_kind kind = system_kind(prefix, len, &port);
    if (kind != ADJ_NONE)
        return system_set(prefix, len, kind, port);
    struct nexthop *active = fib_get(prefix, len);
    if (!active || !is_system(active))
        return 0;
    struct held *held = held_find(prefix, len);
    if (!held || !activate(held))
        fib_clear(prefix, len);
    return 0;
}

int route4_address_changed(struct port *port, const struct ip4_address *address)
{
    (void)port;
    uint32_t mask = ip4_mask(address->len);
    int err = refresh(address->addr, 32);
    if (!err && address->len < 32)
        err = refresh(address->addr & mask, address->len);
    if (!err && address->len < 31)
        err = refresh(address->addr & mask, 32);
    if (!err && address->len < 31)
        err = refresh(address->addr | ~mask, 32);
    return err;
}

// ---- gateways that come and go ---------------------------------------------------------------

struct affected {
    const struct port *port;
    const struct ip4_address *address;
    int err;
};

static int reserve_one(void *ctx, uint32_t prefix, unsigned len, uint32_t index)
{
    struct affected *affected = ctx;
    const struct nexthop *nexthop = nexthop_by_index(index);
    (void)prefix, (void)len;
    if (nexthop->kind != ADJ_REWRITE || nexthop->port != affected->port ||
        !ip4_in_subnet(nexthop->gateway, affected->address->addr, affected->address->len))
        return 0;
    struct held *held = kmalloc(sizeof(*held), GFP_ROUTES);
    if (!held)
        return affected->err = -ENOMEM;
    held->next = spare;
    spare = held;
    return 0;
}

int route4_gateways_prepare(const struct port *port, const struct ip4_address *address)
{
    struct affected affected = {.port = port, .address = address};
    fib4_walk(&ip4_fib, reserve_one, &affected);
    if (affected.err)
        spare_free();
    return affected.err;
}

static bool gateway_lost(const struct nexthop *nexthop)
{
    return nexthop->kind == ADJ_REWRITE && ip4_port_towards(nexthop->gateway) != nexthop->port;
}

// Notes a route that has lost its gateway; the table must not change during the walk.
static int note_lost(void *ctx, uint32_t prefix, unsigned len, uint32_t index)
{
    struct held **lost = ctx;
    const struct nexthop *nexthop = nexthop_by_index(index);
    if (!nexthop->lost)
        return 0;
    struct held *held = held_alloc(prefix, len, ROUTE_STATIC, nexthop->gateway);
    if (!held)
        return -ENOMEM; // the rest stays active and unreachable until the next change
    held->next = *lost;
    *lost = held;
    return 0;
}

static void deactivate_lost(void)
{
    struct held *lost = NULL;
    struct nexthop *nexthop;
    bool any = false;
    for (uint32_t i = 0; nexthop_iterate(&i, &nexthop); i++)
        any |= nexthop->lost = gateway_lost(nexthop);
    for (struct rb_node *node = any ? rb_first(&held_tree) : NULL; node; node = rb_next(node)) {
        struct held *held = rb_entry(node, struct held, node);
        if (held->nexthop && held->nexthop->lost)
            held_let_go(held);
    }
    if (any && fib4_walk(&ip4_fib, note_lost, &lost))
        log_err("no memory to deactivate all routes of a gateway");
    for (struct held *held = lost, *next; held; held = next) {
        next = held->next;
        fib_clear(held->prefix, held->len);
        held_insert(held);
    }
}

static void activate_found(void)
{
    for (struct rb_node *node = rb_first(&held_tree), *next; node; node = next) {
        struct held *held = rb_entry(node, struct held, node);
        next = rb_next(node);
        if (!fib_get(held->prefix, held->len)) // else an address has the prefix
            activate(held);
    }
}

void route4_gateways_changed(void)
{
    deactivate_lost();
    spare_free();
    activate_found();
}

// ---- listing ---------------------------------------------------------------------------------

struct walk {
    int (*visit)(const struct route4 *route, void *arg);
    void *arg;
    struct rb_node *next_held;
};

static int visit_held(struct walk *walk)
{
    const struct held *held = rb_entry(walk->next_held, struct held, node);
    walk->next_held = rb_next(walk->next_held);
    return walk->visit(
        &(struct route4){
            .prefix = held->prefix, .gateway = held->gateway, .len = held->len, .kind = held->kind},
        walk->arg);
}

static struct route4 route_of(uint32_t prefix, unsigned len, const struct nexthop *nexthop)
{
    return (struct route4){.prefix = prefix,
                           .gateway = nexthop->gateway,
                           .len = (uint8_t)len,
                           .kind = route_kind_of(nexthop),
                           .active = true,
                           .port = nexthop->port};
}

static int visit_active(void *ctx, uint32_t prefix, unsigned len, uint32_t index)
{
    struct walk *walk = ctx;
    const struct nexthop *nexthop = nexthop_by_index(index);
    int result = 0;
    while (!result && walk->next_held &&
           compare(prefix, len, rb_entry(walk->next_held, struct held, node)) > 0)
        result = visit_held(walk);
    if (result || nexthop->kind == ADJ_BROADCAST)
        return result;
    struct route4 route = route_of(prefix, len, nexthop);
    return walk->visit(&route, walk->arg);
}

int route4_walk(int (*visit)(const struct route4 *route, void *arg), void *arg)
{
    struct walk walk = {.visit = visit, .arg = arg, .next_held = rb_first(&held_tree)};
    int result = fib4_walk(&ip4_fib, visit_active, &walk);
    while (!result && walk.next_held)
        result = visit_held(&walk);
    return result;
}

int route4_lookup(uint32_t dst, struct route4 *route)
{
    for (unsigned len = 33; len-- > 0;) {
        uint32_t prefix = dst & ip4_mask(len);
        const struct nexthop *nexthop = fib_get(prefix, len);
        if (!nexthop)
            continue;
        if (nexthop->kind == ADJ_BROADCAST)
            return -ENETUNREACH;
        *route = route_of(prefix, len, nexthop);
        return 0;
    }
    return -ENETUNREACH;
}
