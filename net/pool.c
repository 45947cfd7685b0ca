// SPDX-License-Identifier: BSD-2-Clause
//
// The size of the packet pool: what all ports may hold at the same time, so that no port can take
// from another, however its device or its peer behaves. Where memory is short, rings get smaller
// until that holds. docs/ports.md has the rule and its figures.

#include "net/pool.h"

#include "core/debug/log.h"
#include "mm/page_alloc.h"
#include "net/port.h"

#define RING_MAX 1024
#define RING_MIN 8
#define POOL_PART 4 // of the free memory, at most one in so many bytes
#define PACKET_BYTES (sizeof(struct packet) + PACKET_BUFFER_BYTES + sizeof(struct packet *))

static unsigned ring_of(const struct port *port, unsigned ring)
{
    return MIN(ring, (unsigned)port->ring_max);
}

// With rings of up to `ring` packets. A port holds two, and what waits for its neighbours. Beyond
// that packets are in hand within a turn only: a burst, and as many that it makes us send.
static size_t packets_for(unsigned ring)
{
    size_t packets = 2 * MIN(ring, BURST_MAX);
    for (unsigned i = 0; i < port_count(); i++) {
        const unsigned own = ring_of(port_get(i), ring);
        packets += 2 * own + own / 2;
    }
    return packets;
}

// The largest rings for which so many packets are enough.
static unsigned ring_for(size_t packets)
{
    unsigned ring = RING_MAX;
    while (ring > RING_MIN && packets_for(ring) > packets)
        ring /= 2;
    return ring;
}

// The highest address that all ports reach, so that a packet can go from any to any. A port behind
// a bus that changes addresses has no part in it, and is not started.
static paddr_t ports_reach(void)
{
    paddr_t reach = UINT64_MAX;
    for (unsigned i = 0; i < port_count(); i++) {
        struct port *port = port_get(i);
        const paddr_t own = dma_reach(port->dma);
        if (own) {
            reach = MIN(reach, own);
        } else {
            log_err("%s: does not reach the packets, and is not used", port->name);
            port->ring_max = 0;
        }
    }
    return reach;
}

// Returns the largest.
static unsigned set_rings(unsigned ring)
{
    unsigned largest = 0;
    for (unsigned i = 0; i < port_count(); i++) {
        struct port *port = port_get(i);
        port->ring = (uint16_t)ring_of(port, ring);
        largest = MAX(largest, (unsigned)port->ring);
    }
    return largest;
}

int pool_init(void)
{
    struct page_stats memory;
    struct packet_pool_stats pool;
    page_get_stats(&memory);
    const paddr_t reach = ports_reach();
    const size_t affordable = memory.free_bytes / POOL_PART / PACKET_BYTES;
    int err = packet_pool_init(MIN(packets_for(ring_for(affordable)), affordable), reach);
    if (err)
        return err;
    packet_pool_get_stats(&pool); // memory in pieces, or a limit: it may have become less
    const unsigned ring = ring_for(pool.total);
    if (packets_for(ring) > pool.total)
        log_warn("net: memory for %zu packet buffers only, too few for %u ports", pool.total,
                 port_count());
    log_info("net: %zu packet buffers, rings of up to %u", pool.total, set_rings(ring));
    return 0;
}
