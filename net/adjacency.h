// SPDX-License-Identifier: BSD-2-Clause
//
// Adjacencies: what the fast path needs to know to send a packet on, in one cache line. The FIB
// yields the index of a next hop, the table below its adjacency. The table's entries and
// neigh->adj are RCU-published; an adjacency is immutable once published, but for max_frame, which
// neighbour ageing sets to 0 and back with one store.

#pragma once

#include "core/sync/rcu.h"
#include "net/port.h"

enum adjacency_kind {
    ADJ_NONE,      // no route: net unreachable
    ADJ_REWRITE,   // resolved: MAC addresses known
    ADJ_RESOLVE,   // neighbour known by address only
    ADJ_GLEAN,     // connected subnet: the destination itself is the neighbour
    ADJ_LOCAL,     // one of our addresses
    ADJ_BROADCAST, // network or broadcast address of a connected subnet
    ADJ_BLACKHOLE, // dropped in silence
    ADJ_REJECT,    // host unreachable
};

struct neigh;

struct adjacency {
    uint64_t rewrite0;   // destination MAC and the first 2 bytes of ours, as stored
    uint32_t rewrite1;   // the rest of ours
    uint16_t max_frame;  // longest frame that may leave so; 0 sends packets to the slow path
    uint8_t kind;        // enum adjacency_kind
    struct port *port;   // egress; NULL for kinds without one
    struct neigh *neigh; // REWRITE and RESOLVE
    struct rcu_head rcu;
} __cacheline_aligned;
_Static_assert(sizeof(struct adjacency) == CACHE_LINE, "one cache line");

// By next-hop index; the table itself is replaced when it grows.
extern struct adjacency **adjacency_table;

static inline struct adjacency *adjacency_get(uint32_t nexthop)
{
    struct adjacency **table = rcu_dereference(adjacency_table);
    return rcu_dereference(table[nexthop]);
}
