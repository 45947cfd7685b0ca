// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up of the network layer, and the size of the packet pool.

#include "net/net.h"

#include "core/debug/log.h"
#include "mm/buddy.h"
#include "net/fastpath.h"
#include "net/ip4.h"
#include "net/neigh_table.h"
#include "net/nexthop.h"

// A port has a receive ring full of packets, as many again in flight or with its user, and a
// transmit ring; ARP, ICMP and neighbour queues share what is left.
#define RING_PACKETS 256
#define PORT_PACKETS (3 * RING_PACKETS)
#define SHARED_PACKETS 256
#define NEEDED_PACKETS 64 // beside full receive rings: with fewer nothing can be sent
#define PACKET_BYTES (sizeof(struct packet) + PACKET_BUFFER_BYTES + sizeof(struct packet *))

// At most a quarter of the memory that is free: a machine of 16 MiB keeps room for the rest.
static size_t pool_size(void)
{
    struct buddy_stats memory;
    buddy_get_stats(&memory);
    size_t wanted = port_count() * PORT_PACKETS + SHARED_PACKETS;
    return MIN(wanted, memory.free_bytes / 4 / PACKET_BYTES);
}

int net_init(void)
{
    size_t packets = pool_size();
    if (packets < port_count() * RING_PACKETS + NEEDED_PACKETS)
        log_warn("net: memory for %zu packet buffers only, too few for %u ports", packets,
                 port_count());
    int err = packet_pool_init(packets);
    if (err) {
        log_err("net: no memory for %zu packets", packets);
        return err;
    }
    err = fib4_init(&ip4_fib);
    if (!err)
        err = nexthop_init();
    if (err) {
        log_err("net: no memory for the forwarding table");
        return err;
    }
    ip4_init();
    neigh_init();
    err = fastpath_init();
    return err ? err : port_init();
}
