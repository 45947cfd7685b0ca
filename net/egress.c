// SPDX-License-Identifier: BSD-2-Clause
//
// Handing gathered frames to the drivers, with what a port cannot do in hardware done here.

#include "net/egress.h"

#include "net/checksum.h"
#include "net/port_table.h"

uint32_t egress_pending;

static void finish_checksums(struct packet **packets, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (packets[i]->flags & PACKET_CSUM_PARTIAL)
            csum_finish_packet(packets[i]);
}

// Uncounts and drops the frames from `from` on.
static void drop_rest(struct egress *egress, unsigned from, unsigned count, enum drop_reason why)
{
    egress->port->counters.drops[why] += count - from;
    for (unsigned i = from; i < count; i++)
        egress->bytes -= egress->packets[i]->len;
    packet_free_bulk(&egress->packets[from], count - from);
}

static void flush_port(struct egress *egress)
{
    struct port *port = egress->port;
    unsigned count = (unsigned)(egress->tail - egress->packets), sent = 0;
    enum drop_reason why = DROP_TX_LINK;
    if (!count)
        return;
    if (likely(port_usable(port))) {
        if (!(port->features & PORT_TX_CSUM))
            finish_checksums(egress->packets, count);
        // Frames in the driver's hands may be gone when it returns: their bytes are counted
        // already, and only those that stay are taken off again.
        sent = port->ops->tx_burst(port, 0, egress->packets, count);
        why = DROP_TX_FULL;
    }
    if (unlikely(sent < count))
        drop_rest(egress, sent, count, why);
    port->counters.tx_packets += sent;
    port->counters.tx_bytes += egress->bytes;
    egress->bytes = 0;
    egress->tail = egress->packets;
}

void egress_flush_pending(void)
{
    while (egress_pending) {
        unsigned number = (unsigned)__builtin_ctz(egress_pending);
        egress_pending &= egress_pending - 1;
        flush_port(port_table[number]->egress);
    }
}

void egress_send(struct port *port, struct packet *p)
{
    struct egress *egress = port->egress;
    *egress->tail++ = p;
    egress->bytes += p->len;
    egress_pending |= 1u << port->number;
    // Keep room for a whole burst of the fast loop.
    if (egress->tail - egress->packets >= EGRESS_ROOM - BURST_MAX)
        flush_port(egress);
}
