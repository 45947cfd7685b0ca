// SPDX-License-Identifier: BSD-2-Clause
//
// Handing gathered frames to the drivers, with what a port cannot do in hardware done here.

#include "net/egress.h"

#include "net/checksum.h"
#include "net/port_table.h"

uint32_t egress_pending;
bool egress_partial;

static __noinline void finish_checksums(struct packet **packets, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (packets[i]->flags & PACKET_CSUM_PARTIAL)
            csum_finish_packet(packets[i]);
}

// Drops what the driver did not take. Frames in its hands may be gone when it returns, so all
// bytes were counted beforehand, and those of the rest are taken off again.
static __noinline void drop_rest(struct egress *egress, unsigned sent, unsigned count)
{
    struct port *port = egress->port;
    for (unsigned i = sent; i < count; i++)
        egress->bytes -= egress->packets[i]->len;
    port->counters.drops[port_usable(port) ? DROP_TX_FULL : DROP_TX_LINK] += count - sent;
    packet_free_bulk(&egress->packets[sent], count - sent);
}

static __always_inline void flush_port(struct port *port)
{
    struct egress *egress = port->egress;
    unsigned count = (unsigned)(egress->tail - egress->packets), sent = 0;
    if (unlikely(!count)) // egress_send made room meanwhile
        return;
    if (likely(port_usable(port))) {
        if (unlikely(egress_partial) && !(port->features & PORT_TX_CSUM))
            finish_checksums(egress->packets, count);
        sent = port->ops->tx_burst(port, 0, egress->packets, count);
    }
    if (unlikely(sent < count))
        drop_rest(egress, sent, count);
    port->counters.tx_packets += sent;
    port->counters.tx_bytes += egress->bytes;
    egress->bytes = 0;
    egress->tail = egress->packets;
}

void egress_flush_pending(void)
{
    uint32_t pending = egress_pending;
    egress_pending = 0;
    for (; pending; pending &= pending - 1)
        flush_port(port_table[__builtin_ctz(pending)]);
}

void egress_send(struct port *port, struct packet *p)
{
    struct egress *egress = port->egress;
    *egress->tail++ = p;
    egress->bytes += p->len;
    egress_pending |= 1u << port->number;
    // Keep room for a whole burst of the fast loop.
    if (egress->tail - egress->packets >= EGRESS_ROOM - BURST_MAX)
        flush_port(port);
}
