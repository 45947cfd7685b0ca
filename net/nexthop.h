// SPDX-License-Identifier: BSD-2-Clause
//
// Next hops: the objects that FIB indices stand for, shared by all routes that use them. Writers
// only; the fast path reads the adjacency table.
//
// Context: thread, net_config_lock held, except for nexthop_publish.

#pragma once

#include "net/adjacency.h"

struct nexthop {
    struct nexthop *hash_next;
    struct neigh *neigh; // of a gateway
    struct port *port;
    uint32_t gateway; // host order; 0 without one
    uint32_t refs;    // routes in the FIB that use it
    uint16_t index;
    uint8_t kind;         // enum adjacency_kind; ADJ_REWRITE stands for a gateway
    bool lost;            // gateway no longer connected (net/route4.c)
    struct adjacency adj; // of kinds without a neighbour
};

// The next hop of this kind, made if need be, with one reference more. `port` for glean and
// gateway kinds. -ENOMEM, -ENOSPC (FIB4_NEXTHOP_MAX of them exist).
int nexthop_get(enum adjacency_kind kind, struct port *port, uint32_t gateway,
                struct nexthop **out);
// Drops a reference; the last one frees it after a grace period (and may wait for that).
void nexthop_put(struct nexthop *nexthop);
struct nexthop *nexthop_by_index(uint32_t index);
// First next hop at or after *index that is in use; false at the end.
bool nexthop_iterate(uint32_t *index, struct nexthop **out);
// One pointer store; neighbour lock held, softirq context allowed.
void nexthop_publish(struct nexthop *nexthop, struct adjacency *adj);
void nexthop_unpublish(struct nexthop *nexthop); // as if there were no route
int nexthop_init(void);
