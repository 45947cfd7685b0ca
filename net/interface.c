// SPDX-License-Identifier: BSD-2-Clause
//
// Addresses of ports. The list of a port is one immutable object, replaced as a whole, so readers
// see the old or the new one. What follows from an address (routes, neighbours, filters) is
// brought about by net/route4.c and net/neigh.c after the list has changed.

#include "net/interface.h"

#include "core/irq/softirq.h"
#include "core/sync/rcu.h"
#include "mm/slab.h"
#include "net/adjacency.h"
#include "net/arp.h"
#include "net/egress.h"
#include "net/ethernet.h"
#include "net/ip4.h"
#include "net/neigh_table.h"
#include "net/route4_system.h"

struct mutex net_config_lock = MUTEX_INIT(net_config_lock);

struct ip4_config {
    struct rcu_head rcu;
    unsigned count; // at least 1
    struct ip4_address addresses[];
};

// ---- readers ---------------------------------------------------------------------------------

static bool is_subnet_edge(uint32_t addr, const struct ip4_address *a)
{
    uint32_t mask = ip4_mask(a->len);
    return a->len < 31 && (addr == (a->addr & mask) || addr == (a->addr | ~mask));
}

bool ip4_is_own(const struct port *port, uint32_t addr)
{
    const struct ip4_config *config = rcu_dereference(port->ip4);
    for (unsigned i = 0; config && i < config->count; i++)
        if (config->addresses[i].addr == addr)
            return true;
    return false;
}

bool ip4_is_neighbour(const struct port *port, uint32_t addr)
{
    const struct ip4_config *config = rcu_dereference(port->ip4);
    bool connected = false;
    for (unsigned i = 0; config && i < config->count; i++) {
        const struct ip4_address *a = &config->addresses[i];
        if (a->addr == addr || is_subnet_edge(addr, a))
            return false;
        connected |= ip4_in_subnet(addr, a->addr, a->len);
    }
    return connected;
}

bool ip4_same_subnet(const struct port *port, uint32_t a, uint32_t b)
{
    const struct ip4_config *config = rcu_dereference(port->ip4);
    for (unsigned i = 0; config && i < config->count; i++) {
        const struct ip4_address *own = &config->addresses[i];
        if (ip4_in_subnet(a, own->addr, own->len) && ip4_in_subnet(b, own->addr, own->len))
            return true;
    }
    return false;
}

uint32_t ip4_source_for(const struct port *port, uint32_t dst)
{
    const struct ip4_config *config = rcu_dereference(port->ip4);
    for (unsigned i = 0; config && i < config->count; i++)
        if (ip4_in_subnet(dst, config->addresses[i].addr, config->addresses[i].len))
            return config->addresses[i].addr;
    return config ? config->addresses[0].addr : 0;
}

unsigned ip4_address_list(const struct port *port, struct ip4_address *out, unsigned max)
{
    unsigned count = 0;
    rcu_read_lock();
    const struct ip4_config *config = rcu_dereference(port->ip4);
    for (; config && count < config->count && count < max; count++)
        out[count] = config->addresses[count];
    rcu_read_unlock();
    return count;
}

// What the routes of our addresses say about one. The hash is exact for "no"; behind a "maybe" the
// FIB knows. ADJ_NONE: nothing to do with them.
static enum adjacency_kind own_kind(uint32_t addr)
{
    if (!ip4_filter.own[ip4_own_hash(be32_make(addr).raw)])
        return ADJ_NONE;
    return (enum adjacency_kind)adjacency_get(fib4_lookup(&ip4_fib, addr))->kind;
}

bool ip4_is_local(uint32_t addr) { return own_kind(addr) == ADJ_LOCAL; }

bool ip4_is_ours(uint32_t addr)
{
    enum adjacency_kind kind = own_kind(addr);
    return kind == ADJ_LOCAL || kind == ADJ_BROADCAST;
}

struct port *ip4_port_towards(uint32_t addr)
{
    for (unsigned i = 0; i < port_count(); i++)
        if (ip4_is_neighbour(port_get(i), addr))
            return port_get(i);
    return NULL;
}

const struct ip4_address *ip4_address_next(unsigned *cursor, struct port **port)
{
    // The cursor counts over the addresses of all ports in turn.
    unsigned index = *cursor;
    for (unsigned i = 0; i < port_count(); i++) {
        const struct ip4_config *config = port_get(i)->ip4;
        unsigned count = config ? config->count : 0;
        if (index < count) {
            (*cursor)++;
            *port = port_get(i);
            return &config->addresses[index];
        }
        index -= count;
    }
    return NULL;
}

// ---- changes ---------------------------------------------------------------------------------

static bool host_address_ok(uint32_t addr, unsigned len)
{
    unsigned first = addr >> 24;
    if (len < 1 || len > 32 || first == 0 || first == 127 || first >= 224)
        return false;
    return !is_subnet_edge(addr, &(struct ip4_address){addr, (uint8_t)len});
}

// -EEXIST for the same address anywhere, -EADDRINUSE for a subnet that another port has a part of.
static int check_conflicts(const struct port *port, uint32_t addr, unsigned len)
{
    const struct ip4_address *a;
    struct port *other;
    int result = 0;
    for (unsigned cursor = 0; (a = ip4_address_next(&cursor, &other));) {
        if (a->addr == addr)
            return -EEXIST;
        if (other != port && ip4_in_subnet(addr, a->addr, MIN(len, a->len)))
            result = -EADDRINUSE;
    }
    return result;
}

static void config_free(struct rcu_head *head)
{
    kfree(container_of(head, struct ip4_config, rcu));
}

static void config_publish(struct port *port, struct ip4_config *config)
{
    struct ip4_config *old = port->ip4;
    rcu_assign_pointer(port->ip4, config);
    if (old)
        call_rcu(&old->rcu, config_free);
}

// A copy of the port's list with one address more, or without `skip`. NULL without memory.
static struct ip4_config *config_copy(const struct port *port, const struct ip4_address *add,
                                      const struct ip4_address *skip)
{
    const struct ip4_config *old = port->ip4;
    unsigned count = old ? old->count : 0;
    struct ip4_config *config =
        kmalloc(sizeof(*config) + (count + 1) * sizeof(struct ip4_address), GFP_KERNEL);
    if (!config)
        return NULL;
    config->count = 0;
    for (unsigned i = 0; i < count; i++)
        if (&old->addresses[i] != skip)
            config->addresses[config->count++] = old->addresses[i];
    if (add)
        config->addresses[config->count++] = *add;
    return config;
}

static void filter_add(uint32_t addr, int count)
{
    uint16_t *own = &ip4_filter.own[ip4_own_hash(be32_make(addr).raw)];
    *own = (uint16_t)(*own + count);
}

// Counts an address and the edges of its subnet in the fast path's filter, or takes them out.
static void filter_change(const struct ip4_address *a, int count)
{
    uint32_t mask = ip4_mask(a->len);
    filter_add(a->addr, count);
    if (a->len < 31) {
        filter_add(a->addr & mask, count);
        filter_add(a->addr | ~mask, count);
    }
}

static void set_mac_word(struct port *port)
{
    // Nothing that comes in on a host-only port is for the fast path.
    bool forwards = port->ip4 && !(port->features & PORT_HOST_ONLY);
    port->mac_word = forwards ? eth_mac_word(port->mac) << 16 : PORT_NO_IP4;
}

void interface_port_changed(struct port *port)
{
    set_mac_word(port);
    neigh_port_changed(port);
}

static void announce(struct port *port)
{
    if (!port_usable(port))
        return;
    softirq_disable();
    arp_announce(port);
    egress_flush();
    softirq_enable();
}

int ip4_address_add(struct port *port, uint32_t addr, unsigned len)
{
    if (!host_address_ok(addr, len))
        return -EINVAL;
    int err = check_conflicts(port, addr, len);
    if (err)
        return err;
    if (port->ip4 && port->ip4->count >= IP4_ADDRESSES_MAX)
        return -ENOSPC;
    struct ip4_address address = {addr, (uint8_t)len};
    struct ip4_config *config = config_copy(port, &address, NULL);
    struct ip4_config *undo = config_copy(port, NULL, NULL);
    if (!config || !undo) {
        kfree(config);
        kfree(undo);
        return -ENOMEM;
    }
    if (!undo->count) {
        kfree(undo);
        undo = NULL;
    }
    config_publish(port, config);
    err = route4_address_changed(port, &address);
    if (err) {
        config_publish(port, undo);
        route4_address_changed(port, &address); // only takes away: needs no memory
        return err;
    }
    kfree(undo);
    filter_change(&address, 1);
    set_mac_word(port);
    neigh_subnets_changed(port);
    route4_gateways_changed();
    announce(port);
    return 0;
}

int ip4_address_del(struct port *port, uint32_t addr, unsigned len)
{
    const struct ip4_config *old = port->ip4;
    const struct ip4_address *found = NULL;
    for (unsigned i = 0; old && i < old->count; i++)
        if (old->addresses[i].addr == addr && old->addresses[i].len == len)
            found = &old->addresses[i];
    if (!found)
        return -ENOENT;
    struct ip4_address address = *found;
    struct ip4_config *config = config_copy(port, NULL, found);
    int err = config ? route4_gateways_prepare(port, &address) : -ENOMEM;
    if (err) {
        kfree(config);
        return err;
    }
    if (!config->count) {
        kfree(config);
        config = NULL;
    }
    filter_change(&address, -1);
    config_publish(port, config);
    set_mac_word(port);
    route4_gateways_changed();
    route4_address_changed(port, &address);
    neigh_subnets_changed(port);
    return 0;
}
