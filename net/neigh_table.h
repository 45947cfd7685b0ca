// SPDX-License-Identifier: BSD-2-Clause
//
// The neighbour table inside the network layer: lookups for the fast path, and the events that
// change an entry. Entries and their adjacencies are read under RCU; changes take the table's
// lock, so they may come from softirqs and threads alike.
//
// Life of a dynamic entry (times in net/neigh.c):
//   INCOMPLETE  asked for, no answer yet; up to NEIGH_QUEUE_MAX packets wait
//   REACHABLE   answered lately
//   STALE       not confirmed for a while; the first packet that uses it starts
//   PROBE       asking the known MAC address again; packets go on meanwhile. No answer: the entry
//               is INCOMPLETE once more
//   FAILED      no answer: packets are refused until the entry is forgotten

#pragma once

#include "core/lib/list.h"
#include "core/time/timer.h"
#include "net/adjacency.h"
#include "net/neigh.h"

struct nexthop;

struct neigh {
    struct neigh *hash_next;
    uint32_t addr;
    uint8_t state;  // enum neigh_state
    uint8_t probes; // requests sent since the last answer
    uint8_t queued;
    bool removed;
    uint8_t mac[6];
    struct port *port;
    struct adjacency *adj;   // &resolve, or a REWRITE one of its own
    struct nexthop *nexthop; // the gateway that it is, if any: never forgotten then
    struct packet *queue;    // oldest first
    struct timer timer;
    uint64_t confirmed_ns;
    struct list link; // on its port's list of unresolved or confirmed entries
    struct rcu_head rcu;
    struct adjacency resolve;
};

#define NEIGH_BUCKETS 1024
extern struct neigh *neigh_hash[NEIGH_BUCKETS];

static inline unsigned neigh_bucket(uint32_t addr) { return addr * 0x9e3779b1u >> 22; }

// An address is on one port's subnet only, so it is the whole key.
static inline struct neigh *neigh_find(uint32_t addr)
{
    struct neigh *n = rcu_dereference(neigh_hash[neigh_bucket(addr)]);
    while (n && n->addr != addr)
        n = rcu_dereference(n->hash_next);
    return n;
}

// The entry for an address on the subnet of `port`, made if need be. NULL: limits, or memory.
struct neigh *neigh_find_or_create(struct port *port, uint32_t addr);

// Takes a finished IPv4 packet for a neighbour that is not resolved: queues it and asks, or
// refuses it with ICMP host unreachable when the neighbour is known not to answer.
void neigh_enqueue(struct neigh *n, struct packet *p);
// A packet goes to an aged entry (adjacency with max_frame 0): starts to confirm it.
void neigh_confirm(struct neigh *n);

// From ARP: `mac` speaks for `addr`. `solicited`: it answers a request of ours; `create`: it asked
// for us, so an entry is worth while.
void neigh_heard(struct port *port, uint32_t addr, const uint8_t *mac, bool solicited, bool create);

// Thread context, net_config_lock held: a next hop starts or ends using its gateway's entry.
int neigh_gateway_attach(struct nexthop *nexthop);  // -ENOMEM
void neigh_gateway_detach(struct nexthop *nexthop); // unpublishes it
// After the subnets of a port changed: forgets entries that are on none, follows up static ones.
void neigh_subnets_changed(struct port *port);
// Nothing about the port's neighbours is certain any more.
void neigh_port_down(struct port *port);
// The port's own MAC or its MTU changed: adjacencies carry them.
void neigh_port_changed(struct port *port);
void neigh_init(void);
