// SPDX-License-Identifier: BSD-2-Clause
//
// IPv4 outside the fast loops: every check of RFC 1812 section 5.2.2 one by one with its own drop
// counter, forwarding in all its uncommon cases, and the output of our own packets.
//
// Choices where the RFC leaves one: a frame sent to a group MAC address is never forwarded or
// answered (5.3.4, RFC 1122 3.3.6); directed broadcasts are dropped (RFC 2644); link-local
// addresses are not forwarded (RFC 3927 section 2.7); source-routed packets are dropped (RFC 7126
// section 4.3).

#include "net/ip4.h"

#include <stdatomic.h>

#include "net/adjacency.h"
#include "net/arp.h"
#include "net/checksum.h"
#include "net/egress.h"
#include "net/icmp.h"
#include "net/interface.h"
#include "net/neigh_table.h"

struct fib4 ip4_fib;
struct ip4_filter ip4_filter;

static uint16_t next_id; // of packets of ours; one forwarding context at a time

bool ip4_martian_source(uint32_t addr)
{
    unsigned first = addr >> 24;
    return first == 0 || first == 127 || first >= 224 || addr >> 16 == 0xa9fe;
}

bool ip4_martian_destination(uint32_t addr)
{
    unsigned first = addr >> 24;
    return first == 0 || first == 127 || (first >= 240 && addr != 0xffffffff) ||
           addr >> 16 == 0xa9fe;
}

void ip4_init(void)
{
    for (unsigned first = 0; first < 256; first++) {
        // 169 stands for 169.254/16: the careful path lets the others pass.
        bool martian = first == 0 || first == 127 || first == 169 || first >= 224;
        ip4_filter.src[first] = ip4_filter.dst[first] = martian;
    }
}

// ---- input -----------------------------------------------------------------------------------

static bool mac_equal(const uint8_t *a, const uint8_t *b)
{
    return eth_mac_word(a) == eth_mac_word(b);
}

// What is wrong with the Ethernet header.
static enum drop_reason check_frame(const struct port *port, struct packet *p)
{
    const struct eth_header *eth = (const struct eth_header *)p->data;
    if (p->len < ETH_HEADER_BYTES)
        return DROP_RX_RUNT;
    if (p->len > port->mtu + ETH_HEADER_BYTES)
        return DROP_RX_OVERSIZE;
    if (eth_is_group(eth->dst))
        p->flags |= PACKET_L2_BROADCAST;
    else if (!mac_equal(eth->dst, port->mac))
        return DROP_NOT_FOR_US;
    if (eth_is_group(eth->src) || mac_equal(eth->src, port->mac))
        return DROP_SRC_MAC;
    return DROP_NONE;
}

bool ip4_input_careful(struct port *port, struct packet *p)
{
    p->port = port->number;
    p->l3 = ETH_HEADER_BYTES;
    enum drop_reason why = check_frame(port, p);
    if (why) {
        port_drop(port, why, p);
        return false;
    }
    switch (be16_get(((const struct eth_header *)p->data)->type)) {
    case ETH_TYPE_IP4:
        return ip4_receive(port, p);
    case ETH_TYPE_ARP:
        arp_input(port, p);
        return false;
    case ETH_TYPE_VLAN:
    case ETH_TYPE_SERVICE:
    case ETH_TYPE_QINQ:
        port_drop(port, DROP_VLAN, p);
        return false;
    default:
        port_drop(port, DROP_ETHERTYPE, p);
        return false;
    }
}

// RFC 1812 section 5.2.2: the five tests of a header, then the padding is cut off.
static enum drop_reason check_header(struct packet *p)
{
    const struct ip4_header *ip = ip4_header(p);
    size_t room = p->len - ETH_HEADER_BYTES;
    if (room < IP4_HEADER_BYTES)
        return DROP_RX_RUNT;
    size_t header = ip4_header_bytes(ip), total = be16_get(ip->total_len);
    if (ip->version_ihl >> 4 != 4 || header < IP4_HEADER_BYTES || header > total || total > room)
        return DROP_IP_HEADER;
    if (!csum_ok(ip, header))
        return DROP_IP_CHECKSUM;
    p->len = (uint16_t)(total + ETH_HEADER_BYTES);
    return DROP_NONE;
}

static enum drop_reason check_addresses(const struct port *port, const struct packet *p)
{
    const struct ip4_header *ip = ip4_header(p);
    uint32_t src = be32_get(ip->src), dst = be32_get(ip->dst);
    if (!rcu_dereference(port->ip4))
        return DROP_NO_ADDRESS;
    if (ip4_martian_source(src) || ip4_is_ours(src))
        return DROP_MARTIAN_SRC;
    if (ip4_martian_destination(dst))
        return DROP_MARTIAN_DST;
    if (dst == 0xffffffff || ip4_is_multicast(dst))
        return DROP_BROADCAST;
    if (p->flags & PACKET_L2_BROADCAST)
        return adjacency_get(fib4_lookup(&ip4_fib, dst))->kind == ADJ_BROADCAST ? DROP_BROADCAST
                                                                                : DROP_L2_BROADCAST;
    return DROP_NONE;
}

// Drops packets whose options cannot be accepted; true when they can.
static bool options_acceptable(struct port *port, struct packet *p)
{
    unsigned pointer;
    enum ip4_options_result result = ip4_options_check(ip4_header(p), &pointer);
    if (result == IP4_OPTIONS_OK)
        return true;
    if (result == IP4_OPTIONS_MALFORMED)
        icmp_error(port, p, ICMP_PARAMETER, 0, pointer << 24);
    port_drop(port, DROP_IP_OPTIONS, p);
    return false;
}

bool ip4_receive(struct port *port, struct packet *p)
{
    enum drop_reason why = check_header(p);
    if (!why)
        why = check_addresses(port, p);
    if (why) {
        port_drop(port, why, p);
        return false;
    }
    const struct ip4_header *ip = ip4_header(p);
    p->dst = be32_get(ip->dst);
    bool options = ip4_header_bytes(ip) > IP4_HEADER_BYTES;
    if (options && !options_acceptable(port, p))
        return false;
    if (!options && ip->ttl > 1 && !(port->features & PORT_HOST_ONLY))
        return true;
    ip4_forward(port, p, adjacency_get(fib4_lookup(&ip4_fib, p->dst)));
    return false;
}

// ---- forwarding ------------------------------------------------------------------------------

static void refuse(struct port *port, struct packet *p, enum drop_reason why, uint8_t code)
{
    icmp_error(port, p, ICMP_UNREACHABLE, code, 0);
    port_drop(port, why, p);
}

// Deals with destinations that no adjacency leads to; true if this was one.
static bool forward_nowhere(struct port *port, struct packet *p, enum adjacency_kind kind)
{
    switch (kind) {
    case ADJ_NONE:
        refuse(port, p, DROP_NO_ROUTE, ICMP_NET);
        return true;
    case ADJ_REJECT:
        refuse(port, p, DROP_BLACKHOLE, ICMP_HOST);
        return true;
    case ADJ_BLACKHOLE:
        port_drop(port, DROP_BLACKHOLE, p);
        return true;
    case ADJ_BROADCAST:
        port_drop(port, DROP_BROADCAST, p);
        return true;
    case ADJ_LOCAL:
        local_deliver(port, p);
        return true;
    default:
        return false;
    }
}

// RFC 1812 section 5.2.7.2: the sender could have reached the next hop itself.
static void maybe_redirect(struct port *port, struct packet *p, const struct adjacency *adj)
{
    uint32_t src = be32_get(ip4_header(p)->src);
    uint32_t next = adj->neigh ? adj->neigh->addr : p->dst;
    if (ip4_same_subnet(port, src, next))
        icmp_error(port, p, ICMP_REDIRECT, ICMP_REDIRECT_HOST, next);
}

// Takes one from the TTL and enters addresses and times into options. False: dropped.
static bool age_header(struct port *port, struct packet *p, const struct adjacency *adj)
{
    struct ip4_header *ip = ip4_header(p);
    if (ip->ttl <= 1) {
        icmp_error(port, p, ICMP_TIME_EXCEEDED, 0, 0);
        port_drop(port, DROP_TTL, p);
        return false;
    }
    uint8_t *word = &ip->ttl;
    store32(word, ip4_ttl_step(load32(word)));
    unsigned pointer;
    if (ip4_header_bytes(ip) > IP4_HEADER_BYTES &&
        ip4_options_forward(ip, ip4_source_for(adj->port, p->dst), &pointer)) {
        icmp_error(port, p, ICMP_PARAMETER, 0, pointer << 24);
        port_drop(port, DROP_IP_OPTIONS, p);
        return false;
    }
    return true;
}

void ip4_forward(struct port *port, struct packet *p, const struct adjacency *adj)
{
    p->port = port->number;
    p->l3 = ETH_HEADER_BYTES;
    p->dst = be32_get(ip4_header(p)->dst);
    if (forward_nowhere(port, p, adj->kind))
        return;
    if ((port->features | adj->port->features) & PORT_HOST_ONLY) { // as a host: RFC 1122 3.3.4.2
        port_drop(port, DROP_HOST_ONLY, p);
        return;
    }
    if (!port_usable(adj->port)) {
        // The route leads to a link that is not there: RFC 1812 section 5.2.7.1, code 1.
        icmp_error(port, p, ICMP_UNREACHABLE, ICMP_HOST, 0);
        port_drop(adj->port, DROP_TX_LINK, p);
        return;
    }
    if (adj->port == port && ip4_header(p)->ttl > 1)
        maybe_redirect(port, p, adj);
    if (age_header(port, p, adj))
        ip4_transmit(port, p, adj);
}

// ---- output ----------------------------------------------------------------------------------

static void transmit_resolved(struct packet *p, const struct adjacency *adj)
{
    store64(p->data, adj->rewrite0);
    store32(p->data + 8, adj->rewrite1);
    store16(p->data + 12, be16_make(ETH_TYPE_IP4).raw);
    if (unlikely(!adj->max_frame))
        neigh_confirm(adj->neigh);
    egress_send(adj->port, p);
}

void ip4_transmit(struct port *port, struct packet *p, const struct adjacency *adj)
{
    if (p->len > adj->port->mtu + ETH_HEADER_BYTES) {
        ip4_fragment(port, p, adj);
        return;
    }
    if (adj->kind == ADJ_GLEAN) {
        struct neigh *n = neigh_find_or_create(adj->port, p->dst);
        if (!n) {
            port_drop(port, DROP_NEIGHBOUR, p);
            return;
        }
        adj = rcu_dereference(n->adj);
    }
    if (adj->kind == ADJ_REWRITE)
        transmit_resolved(p, adj);
    else
        neigh_enqueue(adj->neigh, p);
}

void ip4_output(struct port *port, struct packet *p)
{
    p->l3 = ETH_HEADER_BYTES;
    p->dst = be32_get(ip4_header(p)->dst);
    const struct adjacency *adj = adjacency_get(fib4_lookup(&ip4_fib, p->dst));
    p->port = port->number;
    switch (adj->kind) {
    case ADJ_LOCAL:
        local_deliver(port, p);
        break;
    case ADJ_REWRITE:
    case ADJ_RESOLVE:
    case ADJ_GLEAN:
        ip4_transmit(port, p, adj);
        break;
    case ADJ_BROADCAST:
        port_drop(port, DROP_BROADCAST, p);
        break;
    case ADJ_BLACKHOLE:
    case ADJ_REJECT:
        port_drop(port, DROP_BLACKHOLE, p);
        break;
    default:
        port_drop(port, DROP_NO_ROUTE, p);
    }
}

void ip4_write_header(struct packet *p, uint32_t src, uint32_t dst, uint8_t protocol, uint8_t tos,
                      size_t payload_bytes)
{
    struct ip4_header *ip = ip4_header(p);
    *ip = (struct ip4_header){
        .version_ihl = 0x45,
        .tos = tos,
        .total_len = be16_make((uint16_t)(IP4_HEADER_BYTES + payload_bytes)),
        .id = be16_make(next_id++),
        .ttl = IP4_TTL_DEFAULT,
        .protocol = protocol,
        .src = be32_make(src),
        .dst = be32_make(dst),
    };
    ip->checksum = csum_finish(csum_add(ip, IP4_HEADER_BYTES, 0));
    p->len = (uint16_t)(ETH_HEADER_BYTES + IP4_HEADER_BYTES + payload_bytes);
    p->flags = PACKET_LOCAL;
}

// ---- local delivery --------------------------------------------------------------------------

void local_deliver(struct port *port, struct packet *p)
{
    const struct ip4_header *ip = ip4_header(p);
    // Reassembly is the host stack's; without one a fragment has no use.
    if (be16_get(ip->fragment) & (IP4_MF | IP4_OFFSET_MASK)) {
        port_drop(port, DROP_LOCAL_PROTO, p);
        return;
    }
    if (ip->protocol == IP4_ICMP) {
        icmp_input(port, p);
        return;
    }
    uint8_t code = ip->protocol == IP4_UDP ? ICMP_PORT : ICMP_PROTOCOL;
    icmp_error(port, p, ICMP_UNREACHABLE, code, 0);
    port_drop(port, DROP_LOCAL_PROTO, p);
}
