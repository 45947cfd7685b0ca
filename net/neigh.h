// SPDX-License-Identifier: BSD-2-Clause
//
// Neighbour table for IPv4 (ARP, RFC 826; states after RFC 4861 7.3.2): who answers on a port's
// link, for forwarded and for local traffic alike. Readers are lock-free under RCU; the fast path
// reads a published adjacency. Dynamic entries are limited per port and aged.

#pragma once

#include "net/port.h"

enum neigh_state {
    NEIGH_INCOMPLETE,
    NEIGH_REACHABLE,
    NEIGH_STALE,
    NEIGH_PROBE, // aged and in use: asked again, packets go on
    NEIGH_FAILED,
    NEIGH_STATIC,
};

struct neigh_info {
    uint32_t addr; // host order
    uint8_t mac[6];
    enum neigh_state state;
    const struct port *port;
    uint32_t age_s; // since last confirmed
};

#define NEIGH_QUEUE_MAX 8       // packets that wait for one resolution
#define NEIGH_MAX_PER_PORT 1024 // dynamic entries

// Static entries (`arp A M`): the address decides the port (its connected subnet); until the
// subnet exists the entry is kept inactive. Thread context, net_config_lock held. -EINVAL, -ENOMEM.
int neigh_static_add(uint32_t addr, const uint8_t mac[6]);
int neigh_static_del(uint32_t addr);       // -ENOENT
void neigh_flush(const struct port *port); // dynamic entries; NULL: of all ports
// In ascending order of address; visit may sleep.
int neigh_walk(int (*visit)(const struct neigh_info *info, void *arg), void *arg);
const char *neigh_state_name(enum neigh_state state);
