// SPDX-License-Identifier: BSD-2-Clause
//
// The fast path. A burst of up to 64 frames of one port goes through two loops, each of which
// leaves the common case only through an unlikely branch to out-of-line code:
//
//   classify  for us, plain IPv4, all of RFC 1812 section 5.2.2, trimmed to its total length
//   forward   FIB lookup, adjacency, MAC addresses, TTL and checksum, appended to its egress port
//
// and then the drivers get one burst per egress port. docs/fastpath.md has the figures.
//
// Context: softirq, or the forwarding thread of an isolated CPU. Table readers need no RCU
// section there: a softirq is one, and a forwarding thread passes a quiescent point each turn.

#include "net/fastpath.h"

#include "core/irq/softirq.h"
#include "net/adjacency.h"
#include "net/egress.h"
#include "net/ip4.h"
#include "net/neigh_table.h"
#include "net/port_table.h"

// IPv4's Ethernet type, version 4, header length 5, as loaded from bytes 12 to 14 of a frame.
#define PLAIN_IP4 0x450008u
// What a softirq may take before threads get their chance: packets, and turns, since a turn may
// bring no packet at all (the driver drops frames whose header is nonsense).
#define PACKET_BUDGET 512
#define TURN_BUDGET 32

// Cuts off the padding of a short frame. False when the total length cannot be.
static __always_inline bool trim(struct packet *p, unsigned total, unsigned room)
{
    if (total > room || total < IP4_HEADER_BYTES)
        return false;
    p->len = (uint16_t)(total + ETH_HEADER_BYTES);
    return true;
}

// True if the 20 header bytes sum to minus zero. Added up in 32-bit words, they do when 65535
// divides the sum (2^16 is 1 modulo 65535; the sum is not 0, since the version is part of it).
// And 65535 divides a number when its product with the inverse of 65535 modulo 2^64 is at most
// 2^64 / 65535: one multiplication and one comparison, where folding takes seven instructions.
static __always_inline bool header_sum_ok(uint64_t first, uint64_t second, uint32_t third)
{
    uint64_t sum = third;
    sum += (uint32_t)first;
    sum += first >> 32;
    sum += (uint32_t)second;
    sum += second >> 32;
    return sum * 0xfffefffefffeffffu <= 0x0001000100010001u;
}

// Frames that are plain IPv4 packets for the router stay in `burst`, in order, their padding cut
// off; the others are chained through p->next at `*odd`. Returns how many stay. No function is
// called in the loop, so that all its state lives in scratch registers. The conditions of the
// header are named first, so that the compiler has the choice: one branch behind a chain of
// conditional compares where the machine has these, else branches that compare.
static __noinline unsigned classify(struct port *port, struct packet **burst, unsigned count,
                                    struct packet **odd)
{
    const uint64_t mac = port->mac_word;
    const uint32_t mac_tail = (uint32_t)(mac >> 32);
    const unsigned span = port->mtu - IP4_HEADER_BYTES;
    struct packet **out = burst;
    uint64_t bytes = 0;

    for (struct packet **in = burst, **end = burst + count; in < end; in++) {
        struct packet *p = *in;
        const uint8_t *frame = p->data;
        const uint64_t eth0 = load64(frame), eth1 = load64(frame + 8);
        const uint64_t ip0 = load64(frame + 14), ip1 = load64(frame + 22);
        const uint32_t dst = load32(frame + 30), src = (uint32_t)(ip1 >> 32);
        const unsigned room = p->len - ETH_HEADER_BYTES;
        const unsigned total = (uint16_t)__builtin_bswap32((uint32_t)ip0);

        bytes += p->len;
        const bool not_for_us = eth0 << 16 != mac;            // or IPv4 is off
        const bool other_type = eth1 << 8 >> 40 != PLAIN_IP4; // or options
        const bool from_us = (uint32_t)eth1 == mac_tail;      // it seems
        const bool bad_sum = !header_sum_ok(ip0, ip1, dst);
        const bool bad_len = room - IP4_HEADER_BYTES > span; // too short, or too long for the MTU
        const bool old = (uint8_t)ip1 <= 1;                  // TTL

        if (unlikely(not_for_us) || unlikely(other_type) || unlikely(from_us) ||
            unlikely(bad_sum) || unlikely(bad_len) || unlikely(old) ||
            unlikely(eth0 & BIT64(48)) || // from a group address
            unlikely(ip4_filter.src[src & 0xff] | ip4_filter.dst[dst & 0xff] |
                     ip4_filter.own[ip4_own_hash(src)]) ||
            unlikely(total != room && !trim(p, total, room))) {
            *odd = p;
            odd = &p->next;
            continue;
        }
        *out++ = p;
    }
    *odd = NULL;
    port->counters.rx_packets += count;
    port->counters.rx_bytes += bytes;
    return (unsigned)(out - burst);
}

// The forward loop keeps the tail of the array it appends to, and the bytes appended, in
// registers; `port` (NULL: none yet) gets them back here.
static __always_inline void save(struct port *port, struct packet **tail, uint64_t bytes)
{
    if (port) {
        port->egress->tail = tail;
        port->egress->bytes += bytes;
    }
}

// The tail to append to for `port`. NULL when nothing can or may leave there, or when the packet
// would leave as it came (the careful path tells its sender of the better way).
static __always_inline struct packet **choose(const struct port *port, const struct port *ingress)
{
    if (port == ingress || !port_usable(port) || port->features & PORT_HOST_ONLY)
        return NULL;
    egress_pending |= 1u << port->number;
    return port->egress->tail;
}

// The rest of a packet's way when it is not the common one. It may append to any array, that of
// `to` included: returns the tail of that one.
static __noinline struct packet **careful(struct port *ingress, struct packet *p,
                                          const struct adjacency *adj, struct port *to,
                                          struct packet **tail, uint64_t bytes)
{
    save(to, tail, bytes);
    ip4_forward(ingress, p, adj);
    return to ? to->egress->tail : NULL;
}

static __noinline void forward(struct port *port, struct packet **burst, unsigned count)
{
    struct adjacency *const *table = rcu_dereference(adjacency_table);
    struct port *to = NULL;
    struct packet **tail = NULL;
    uint64_t bytes = 0;

    for (struct packet **end = burst + count; burst < end; burst++) {
        struct packet *p = *burst;
        uint8_t *frame = p->data;
        const uint32_t dst = __builtin_bswap32(load32(frame + 30));
        const struct adjacency *adj = rcu_dereference(table[fib4_lookup(&ip4_fib, dst)]);
        const unsigned len = p->len;
        if (unlikely(len > adj->max_frame)) {
            const struct neigh *n = adj->kind == ADJ_GLEAN ? neigh_find(dst) : NULL;
            if (n)
                adj = rcu_dereference(n->adj);
        }
        if (unlikely(len > adj->max_frame))
            goto uncommon;
        if (unlikely(adj->port != to)) {
            save(to, tail, bytes);
            bytes = 0;
            tail = choose(adj->port, port);
            to = tail ? adj->port : NULL;
            if (!tail)
                goto uncommon;
        }
        uint8_t *ttl = frame + ETH_HEADER_BYTES + IP4_TTL_WORD;
        store64(frame, adj->rewrite0);
        store32(frame + 8, adj->rewrite1);
        store32(ttl, ip4_ttl_step(load32(ttl)));
        bytes += len;
        *tail++ = p;
        continue;
    uncommon:
        tail = careful(port, p, adj, to, tail, bytes);
        bytes = 0;
    }
    save(to, tail, bytes);
}

// Frames that the classifier did not like, in order. Those that turn out to be plain join the end
// of the burst: all packets of a flow look alike, so none overtakes another of its flow.
static __noinline unsigned classify_odd(struct port *port, struct packet *odd,
                                        struct packet **burst, unsigned count)
{
    for (struct packet *next; odd; odd = next) {
        next = odd->next;
        if (ip4_input_careful(port, odd))
            burst[count++] = odd;
    }
    return count;
}

struct fastpath_turn fastpath_turn;

// Arming follows a burst at once when the ring was drained: it finds what came meanwhile just as
// an empty turn would, so there are no empty turns.
static __always_inline void arm(struct port *port, unsigned count)
{
    port->rx_pending = false; // before arming: the interrupt sets it
    if (count == BURST_MAX || port->ops->rx_arm(port, 0)) {
        port->rx_pending = !port->reset_wanted;
        fastpath_turn.again = true;
    }
}

static __always_inline unsigned poll_port(struct port *port)
{
    struct packet **burst = port->egress->received, **odd = &port->egress->odd;
    unsigned count = port->ops->rx_burst(port, 0, burst, BURST_MAX);
    if (count) {
        unsigned plain = classify(port, burst, count, odd);
        if (unlikely(*odd))
            plain = classify_odd(port, *odd, burst, plain);
        if (plain)
            forward(port, burst, plain);
        egress_flush();
    }
    arm(port, count);
    return count;
}

__noinline unsigned fastpath_poll(void)
{
    unsigned taken = 0;
    fastpath_turn.again = false;
    for (struct port **at = port_table, **end = at + port_table_used; at < end; at++)
        if ((*at)->rx_pending)
            taken += poll_port(*at);
    fastpath_turn.taken = taken;
    return taken;
}

static void net_softirq(void)
{
    unsigned taken = 0, turns = 0;
    do {
        taken += fastpath_poll();
    } while (fastpath_turn.again && taken < PACKET_BUDGET && ++turns < TURN_BUDGET);
    if (fastpath_turn.again)
        softirq_raise(SOFTIRQ_NET);
}

int fastpath_init(void)
{
    softirq_register(SOFTIRQ_NET, net_softirq);
    return 0;
}
