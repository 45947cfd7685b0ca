// SPDX-License-Identifier: BSD-2-Clause
//
// A port is a network device: queue pairs, bursts, link state, counters. Drivers fill a struct
// port and register it; eth0 is the first in discovery order.
//
// Life: registered (probed, nothing negotiated) -> started (features negotiated, buffers posted,
// bursts allowed) -> stopped. port_start and port_stop: thread context, serialised by the caller.
// Bursts: softirq context or an isolated CPU, one CPU at a time per queue.
//
// Ownership: rx_burst gives its packets to the caller. tx_burst takes the first `n` it returns;
// the rest stay the caller's (who drops or retries). A driver frees sent packets itself.
//
// Counting: packets and bytes of both directions and drops are counted by the network layer; a
// driver counts rx_errors only. On receive a driver sets data, len, flags and, with
// PACKET_CSUM_PARTIAL, csum_start and csum_offset; the rest is the network layer's.

#pragma once

#include <stdatomic.h>

#include "net/packet.h"

#define PORT_MAX 16
#define PORT_NAME_MAX 16
#define BURST_MAX 64

enum port_features {
    PORT_TX_CSUM = 1,   // finishes PACKET_CSUM_PARTIAL in hardware
    PORT_HOST_ONLY = 2, // never forwards: large receive allowed
    PORT_RX_WHOLE = 4,  // never receives PACKET_CSUM_PARTIAL
};

// Why a packet was dropped; one 64-bit counter each and port. The names are in net/counters.c.
enum drop_reason {
    DROP_NONE,
    DROP_RX_RUNT,     // shorter than its headers
    DROP_RX_OVERSIZE, // longer than the port's MTU allows
    DROP_NOT_FOR_US,  // unicast frame to another MAC
    DROP_SRC_MAC,     // source MAC is multicast, or ours
    DROP_ETHERTYPE,   // neither IPv4 nor ARP
    DROP_VLAN,        // tagged frame on an untagged port
    DROP_IP_HEADER,   // version, header length, total length
    DROP_IP_CHECKSUM,
    DROP_IP_OPTIONS, // source route or malformed options
    DROP_MARTIAN_SRC,
    DROP_MARTIAN_DST,
    DROP_TTL,
    DROP_NO_ROUTE,
    DROP_NEIGHBOUR,    // resolution failed or its queue was full
    DROP_DF,           // too big and must not be fragmented
    DROP_FRAGMENT,     // could not be fragmented (no buffer)
    DROP_L2_BROADCAST, // broadcast frame with unicast destination, or not to be forwarded
    DROP_BROADCAST,    // directed broadcast or multicast
    DROP_BLACKHOLE,
    DROP_ARP,         // malformed or not acceptable ARP
    DROP_NO_ADDRESS,  // port has no address
    DROP_LOCAL_PROTO, // for us, nobody listens
    DROP_ICMP_RATE,   // an ICMP error that the limiter refused
    DROP_TX_FULL,
    DROP_TX_LINK, // egress port down
    DROP_NO_BUFFER,
    DROP_HOST_ONLY, // would be forwarded from or to a host-only port
    DROP_REASONS,
};

struct port_counters {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
    uint64_t rx_errors; // the device's lies: bad index, id or length
    uint64_t resets;    // recoveries of the device
    uint64_t drops[DROP_REASONS];
};

struct port;
struct ip4_config;
struct egress;

#define PORT_NO_IP4 1u // no MAC address reads so: its low 16 bits are 0

struct port_ops {
    // Thread context, softirqs enabled: a driver disables them around its pool calls.
    int (*start)(struct port *port); // -EIO, -ENOMEM, -ETIMEDOUT; leaves the port stopped
    void (*stop)(struct port *port); // returns every packet to its pool
    unsigned (*rx_burst)(struct port *port, unsigned queue, struct packet **packets, unsigned max);
    unsigned (*tx_burst)(struct port *port, unsigned queue, struct packet **packets,
                         unsigned count);
    // Asks for an interrupt at the next received packet. True: packets are waiting already and
    // nothing was armed (so no edge can be lost); the caller polls again.
    bool (*rx_arm)(struct port *port, unsigned queue);
};

struct port {
    const struct port_ops *ops;
    void *driver; // the driver's own
    uint8_t mac[6];
    uint16_t number;   // index; set by port_register
    uint16_t mtu;      // network-layer bytes, 1500 by default; then interface_port_changed
    uint16_t queues;   // queue pairs in use
    uint16_t ring_max; // packets that a ring of the device holds at most; power of two
    const struct dma_device *dma; // the device: what memory it reaches
    uint32_t features;            // enum port_features
    bool started;
    _Atomic bool link_up;
    char name[PORT_NAME_MAX];      // ethN; set by port_register
    const char *model;             // e.g. "virtio-net"
    struct port_counters counters; // of the CPU that polls; read by anyone

    // Set by the network layer before the first start: the most packets that the driver may have
    // in a receive or transmit ring, a power of two. The pool is made for that (net/pool.c), so a
    // port that holds as much as it may takes nothing from another. 0: not to be started.
    uint16_t ring;

    // The network layer's own; zero before port_register, no business of drivers.
    uint64_t mac_word;          // MAC in the upper 48 bits; PORT_NO_IP4: nothing matches
    volatile bool rx_pending;   // not armed: to be polled
    volatile bool reset_wanted; // waits for recovery, not to be used
    bool wanted;                // port_start was called last, not port_stop
    volatile bool link_changed; // for the port thread to follow up
    const char *reset_why;
    uint64_t reset_at_ns;    // recovery not before
    uint64_t reset_delay_ns; // back-off of the next recovery
    struct ip4_config *ip4;  // addresses, RCU; NULL: none (net/interface.c)
    struct egress *egress;   // frames on their way out (net/egress.h)
} __cacheline_aligned;

// How many packets may wait for neighbours on the port's link.
static inline unsigned port_waiting_max(const struct port *port) { return port->ring / 2; }

// From a driver's probe, thread context. Gives number and name. -ENOSPC, -ENOMEM.
int port_register(struct port *port);
unsigned port_count(void);
struct port *port_get(unsigned number);      // NULL past the last
struct port *port_by_name(const char *name); // NULL when there is none
int port_start(struct port *port);
void port_stop(struct port *port);

// From a driver's interrupt handler: the port wants to be polled (raises SOFTIRQ_NET).
void port_rx_ready(struct port *port);
// From a driver, any context: link changed (state that is no change is ignored).
void port_link_change(struct port *port, bool up);
// From a driver: the device misbehaved; a thread stops and starts the port.
void port_need_reset(struct port *port, const char *why);
int port_init(void); // starts the recovery thread

static inline void port_drop(struct port *port, enum drop_reason why, struct packet *p)
{
    port->counters.drops[why]++;
    packet_free(p);
}
const char *drop_reason_name(enum drop_reason why); // short, for tables
