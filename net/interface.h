// SPDX-License-Identifier: BSD-2-Clause
//
// The IPv4 side of ports: addresses and what follows from them (connected and local routes).
// Writers: thread context, holding net_config_lock. Readers are lock-free under RCU.

#pragma once

#include "core/sync/mutex.h"
#include "net/port.h"

#define IP4_ADDRESSES_MAX 16 // per port

struct ip4_address {
    uint32_t addr; // host order
    uint8_t len;
};

// Serialises every change of addresses, routes, static neighbours and port starts.
extern struct mutex net_config_lock;

// -EEXIST (this address on any port), -EINVAL (not a host address of its subnet: network or
// broadcast address with len < 31, loopback, multicast, 0/8, class E), -EADDRINUSE (overlaps the
// subnet of another port), -ENOSPC, -ENOMEM.
int ip4_address_add(struct port *port, uint32_t addr, unsigned len);
int ip4_address_del(struct port *port, uint32_t addr, unsigned len); // -ENOENT
// Copies up to `max` addresses of the port, primary first; returns how many.
unsigned ip4_address_list(const struct port *port, struct ip4_address *out, unsigned max);
// Address of ours to use towards a port or a destination; 0 if the port has none.
uint32_t ip4_source_for(const struct port *port, uint32_t dst);
bool ip4_is_local(uint32_t addr); // one of ours, on any port
// One of ours, or the network or broadcast address of a connected subnet: no packet comes from
// there (RFC 1812 sections 4.2.2.11 and 5.3.7).
bool ip4_is_ours(uint32_t addr);
// Both addresses are on one connected subnet of the port.
bool ip4_same_subnet(const struct port *port, uint32_t a, uint32_t b);
// `addr` could be a host on a connected subnet of the port: not ours, not network or broadcast.
bool ip4_is_neighbour(const struct port *port, uint32_t addr);
bool ip4_is_own(const struct port *port, uint32_t addr); // one of this port's addresses
// The port on a subnet of which `addr` could be a host, or NULL. net_config_lock held.
struct port *ip4_port_towards(uint32_t addr);
// port->mac, mtu or PORT_HOST_ONLY may have changed: the fast path and adjacencies follow. Thread
// context; port_start calls it.
void interface_port_changed(struct port *port);

// Routes: thread context and net_config_lock held, for every route4 function, those that only read
// included.
//
// Static routes. The gateway must be on a connected subnet, else the route is kept inactive and
// becomes active when the subnet appears. gateway 0 with kind set: blackhole or reject.
enum route_kind { ROUTE_CONNECTED, ROUTE_LOCAL, ROUTE_STATIC, ROUTE_BLACKHOLE, ROUTE_REJECT };

struct route4 {
    uint32_t prefix, gateway; // host order
    uint8_t len;
    enum route_kind kind;
    bool active;
    const struct port *port; // NULL when inactive or without one
};

// Adds a static, blackhole or reject route, or changes the one of the same prefix. -EINVAL (host
// bits, kind, or a gateway that no host can have), -ENOMEM, -ENOSPC (too many gateways).
int route4_add(uint32_t prefix, unsigned len, enum route_kind kind, uint32_t gateway);
int route4_del(uint32_t prefix, unsigned len); // -ENOENT; static, blackhole and reject ones only
// All routes in order, connected and local ones included; stops when visit returns non-zero. visit
// may print or sleep, but must not change routes.
int route4_walk(int (*visit)(const struct route4 *route, void *arg), void *arg);
// The route that a destination takes; -ENETUNREACH. It reads the writers' store and not the table
// that packets see, so neither RCU nor softirq context is enough: packets use fib4_lookup().
int route4_lookup(uint32_t dst, struct route4 *route);
