// SPDX-License-Identifier: BSD-2-Clause
//
// Frames through the whole path on the host: what is forwarded and how it looks afterwards, and
// one test for each rule of RFC 1812 (and the RFCs it leans on) about what is not. Random garbage
// at the end, with the invariants that must hold for any input.
//
// unit-sources: net/arp.c net/checksum.c net/counters.c net/egress.c net/fastpath.c
// unit-sources: net/icmp.c net/interface.c net/ip4.c net/ip4_fragment.c net/ip4_options.c
// unit-sources: net/neigh.c net/net.c net/nexthop.c net/packet.c net/ping.c net/pool.c net/port.c
// unit-sources: net/route4.c net/fib4.c net/fib4_chunk.c net/fib4_pool.c net/rib4.c
// unit-sources: core/time/timer.c core/lib/rbtree.c core/lib/fmt.c tests/unit/net_sim.c
// unit-ldflags: -Wl,--wrap=packet_alloc_bulk -Wl,--wrap=packet_free_bulk

#include "net_sim.h"

#include "net/checksum.h"
#include "net/egress.h"

#define FORWARDED_ON 1

// The frame must come out on eth1 towards the gateway, TTL less one, otherwise untouched.
static void expect_forwarded(const struct sim_packet *in)
{
    assert_int_equal(sim_sent(FORWARDED_ON), 1);
    const struct sim_frame *out = sim_frame(FORWARDED_ON, 0);
    assert_int_equal(out->len, ETH_HEADER_BYTES + be16_get(in->ip->total_len));
    assert_memory_equal(out->bytes, sim_gateway_mac, 6);
    assert_memory_equal(out->bytes + 6, sim_ports[1].mac, 6);
    assert_true(sim_ip_valid(out));
    struct ip4_header was = *in->ip, is = *sim_ip(out);
    assert_int_equal(is.ttl, was.ttl - 1);
    is.ttl = was.ttl;
    is.checksum = was.checksum;
    assert_memory_equal(&is, &was, sizeof(is));
    assert_memory_equal(sim_ip(out) + 1, in->ip + 1, out->len - ETH_HEADER_BYTES - sizeof(is));
}

// Nothing may leave, and the drop is counted once under its reason.
static void expect_dropped(const struct sim_packet *p, enum drop_reason why)
{
    sim_deliver(0, p);
    sim_expect_silence();
    assert_int_equal(sim_drops(0, why), 1);
}

static void test_forward(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned payload = 18; payload <= 1472; payload += 37) {
        sim_clear();
        sim_udp(&p, FAR_ADDR, payload);
        sim_deliver(0, &p);
        expect_forwarded(&p);
    }
    const struct port_counters *in = &sim_ports[0].counters, *out = &sim_ports[1].counters;
    assert_true(in->rx_packets > 0 && in->rx_bytes > in->rx_packets * 60);
    assert_true(out->tx_packets > 0 && out->tx_bytes > out->tx_packets * 60);
}

static void test_padding_is_trimmed(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 1);
    p.frame.len = 60;
    memset(p.l4 + 9, 0xee, 60 - 43);
    sim_deliver(0, &p);
    expect_forwarded(&p);
}

static void test_bursts_and_counters(void **state)
{
    struct sim_packet p;
    (void)state;
    uint64_t rx = sim_ports[0].counters.rx_packets, bytes = sim_ports[1].counters.tx_bytes;
    for (unsigned i = 0; i < 300; i++) {
        sim_udp(&p, FAR_ADDR + i, 18);
        sim_receive(0, p.frame.bytes, p.frame.len);
    }
    sim_run();
    assert_int_equal(sim_sent(1), 300);
    for (unsigned i = 0; i < 300; i++) // in order
        assert_int_equal(be32_get(sim_ip(sim_frame(1, i))->dst), FAR_ADDR + i);
    assert_int_equal(sim_ports[0].counters.rx_packets - rx, 300);
    assert_int_equal(sim_ports[1].counters.tx_bytes - bytes, 300 * 60);
}

static void test_transmit_full(void **state)
{
    struct sim_packet p;
    (void)state;
    uint64_t bytes = sim_ports[1].counters.tx_bytes;
    sim_udp(&p, FAR_ADDR, 18);
    for (unsigned i = 0; i < 40; i++)
        sim_receive(0, p.frame.bytes, p.frame.len);
    sim_tx_room = 10;
    sim_run();
    assert_int_equal(sim_sent(1), 10);
    assert_int_equal(sim_drops(1, DROP_TX_FULL), 30);
    assert_int_equal(sim_ports[1].counters.tx_bytes - bytes, 10 * 60);
}

// RFC 1624: every checksum value, 0x0000, 0xfffe and 0xffff among them, through the fast path.
static void test_checksum_edges(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 18);
    for (unsigned id = 0; id < 65536; id++) {
        p.ip->id = be16_make((uint16_t)id);
        sim_ip_checksum(&p);
        sim_receive(0, p.frame.bytes, p.frame.len);
        if (id % 256 == 255) {
            sim_run();
            assert_int_equal(sim_sent(1), 256);
            for (unsigned i = 0; i < 256; i++) {
                struct ip4_header ip = *sim_ip(sim_frame(1, i));
                be16_t sent = ip.checksum;
                ip.checksum = (be16_t){0};
                assert_int_equal(sent.raw, csum_finish(csum_add(&ip, sizeof(ip), 0)).raw);
            }
            sim_clear();
        }
    }
}

static void test_checksum_all_ones(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 18);
    p.ip->id = be16_make(0);
    p.ip->checksum = (be16_t){0};
    uint16_t sum = csum_fold(csum_add(p.ip, 20, 0));
    p.ip->id.raw = (uint16_t)~sum; // the rest sums to 0xffff: 0 is right, 0xffff means the same
    p.ip->checksum.raw = 0xffff;
    sim_deliver(0, &p);
    assert_int_equal(sim_sent(1), 1);
    assert_true(sim_ip_valid(sim_frame(1, 0)));
}

static void test_ttl(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned ttl = 0; ttl <= 1; ttl++) {
        sim_fresh(state);
        sim_udp(&p, FAR_ADDR, 40);
        p.ip->ttl = (uint8_t)ttl;
        sim_ip_checksum(&p);
        sim_receive(0, p.frame.bytes, p.frame.len);
        sim_run();
        // The host is not resolved yet: the error waits for ARP.
        struct sim_frame arp;
        sim_clear();
        sim_arp(&arp, 2, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_ports[0].mac);
        sim_receive(0, arp.bytes, arp.len);
        sim_run();
        sim_expect_error(0, &p, ETH0_ADDR, ICMP_TIME_EXCEEDED, 0);
        assert_int_equal(sim_drops(0, DROP_TTL), 1);
    }
    sim_clear();
    sim_udp(&p, FAR_ADDR, 40);
    p.ip->ttl = 2;
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    expect_forwarded(&p);
}

// ---- Ethernet --------------------------------------------------------------------------------

static void test_unicast_not_for_us(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 40);
    p.frame.bytes[5] ^= 0x40;
    expect_dropped(&p, DROP_NOT_FOR_US);
    static const uint8_t vrrp[6] = {0, 0, 0x5e, 0, 1, 7};
    sim_udp(&p, FAR_ADDR, 40);
    memcpy(p.frame.bytes, vrrp, 6);
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(0, DROP_NOT_FOR_US), 2);
    sim_expect_silence();
}

static void test_source_mac(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 40);
    memcpy(p.frame.bytes + 6, sim_ports[0].mac, 6); // same as the destination: ours
    expect_dropped(&p, DROP_SRC_MAC);
    sim_udp(&p, FAR_ADDR, 40);
    p.frame.bytes[6] |= 1; // multicast
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(0, DROP_SRC_MAC), 2);
    sim_expect_silence();
    // The last four bytes alone do not make it our address.
    sim_udp(&p, FAR_ADDR, 40);
    memcpy(p.frame.bytes + 6, sim_ports[0].mac, 6);
    p.frame.bytes[7] ^= 0x55;
    sim_deliver(0, &p);
    expect_forwarded(&p);
}

static void test_types(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 40);
    store16(p.frame.bytes + 12, be16_make(0x86dd).raw);
    expect_dropped(&p, DROP_ETHERTYPE);
    for (unsigned i = 0; i < 3; i++) {
        store16(p.frame.bytes + 12, be16_make((uint16_t[]){0x8100, 0x88a8, 0x9100}[i]).raw);
        sim_deliver(0, &p);
        assert_int_equal(sim_drops(0, DROP_VLAN), i + 1);
    }
    sim_expect_silence();
}

static void test_short_and_long_frames(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 1473);
    expect_dropped(&p, DROP_RX_OVERSIZE);
    for (unsigned len = 0; len < 34; len++) {
        sim_udp(&p, FAR_ADDR, 18);
        p.frame.len = len;
        sim_deliver(0, &p);
        assert_int_equal(sim_drops(0, DROP_RX_RUNT), len + 1);
    }
    sim_expect_silence();
}

// RFC 1812 section 5.3.4, RFC 1122 section 3.3.6.
static void test_link_broadcast(void **state)
{
    struct sim_packet p;
    (void)state;
    static const uint8_t multicast[6] = {1, 0, 0x5e, 1, 2, 3};
    sim_udp(&p, FAR_ADDR, 40);
    memcpy(p.frame.bytes, sim_broadcast, 6);
    expect_dropped(&p, DROP_L2_BROADCAST);
    memcpy(p.frame.bytes, multicast, 6);
    sim_deliver(0, &p);
    sim_udp(&p, ETH0_ADDR, 40); // for us: no port unreachable either
    memcpy(p.frame.bytes, sim_broadcast, 6);
    sim_deliver(0, &p);
    sim_echo(&p, ETH0_ADDR, 40);
    memcpy(p.frame.bytes, sim_broadcast, 6);
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(0, DROP_L2_BROADCAST), 4);
    sim_expect_silence();
}

// ---- header ----------------------------------------------------------------------------------

static void test_header_fields(void **state)
{
    struct sim_packet p;
    (void)state;
    static const uint8_t bad[] = {0x55, 0x65, 0x05, 0x40, 0x44, 0x35, 0x4f};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        sim_udp(&p, FAR_ADDR, 18); // 46 bytes: a header of 60 does not fit
        p.ip->version_ihl = bad[i];
        p.ip->checksum = (be16_t){0};
        p.ip->checksum = csum_finish(csum_add(p.ip, 20, 0));
        sim_deliver(0, &p);
        assert_int_equal(sim_drops(0, DROP_IP_HEADER), i + 1);
    }
    sim_udp(&p, FAR_ADDR, 18);
    p.ip->total_len = be16_make(47); // more than the frame has
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    p.ip->total_len = be16_make(19); // less than a header
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(0, DROP_IP_HEADER), ARRAY_SIZE(bad) + 2);
    sim_expect_silence();
}

static void test_header_checksum(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned bit = 0; bit < 160; bit++) {
        if (bit >= 16 && bit < 32)
            continue; // total length: judged before the checksum
        sim_udp(&p, FAR_ADDR, 18);
        ((uint8_t *)p.ip)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        sim_deliver(0, &p);
        sim_expect_silence();
    }
    assert_int_equal(sim_drops(0, DROP_IP_CHECKSUM) + sim_drops(0, DROP_IP_HEADER), 144);
}

// ---- addresses -------------------------------------------------------------------------------

static void test_martian_sources(void **state)
{
    struct sim_packet p;
    (void)state;
    static const uint32_t bad[] = {
        IP(0, 0, 0, 0), IP(0, 1, 2, 3), IP(127, 0, 0, 1), IP(127, 9, 9, 9), IP(224, 0, 0, 5),
        IP(239, 1, 2, 3), IP(240, 0, 0, 1), 0xffffffff, IP(169, 254, 3, 4), ETH0_ADDR, ETH1_ADDR,
        // RFC 1812 section 4.2.2.11: edges of subnets of any port
        IP(192, 0, 2, 0), IP(192, 0, 2, 255), IP(198, 51, 100, 0), IP(198, 51, 100, 255)};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        sim_udp(&p, FAR_ADDR, 40);
        p.ip->src = be32_make(bad[i]);
        sim_ip_checksum(&p);
        sim_deliver(0, &p);
        assert_int_equal(sim_drops(0, DROP_MARTIAN_SRC), i + 1);
    }
    sim_expect_silence();
    sim_udp(&p, FAR_ADDR, 40); // 169.x outside of 169.254/16 is nothing special
    p.ip->src = be32_make(IP(169, 253, 3, 4));
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    expect_forwarded(&p);
}

// What is an edge of a subnet, and what is not, follows the addresses.
static void test_subnet_edges_as_source(void **state)
{
    struct sim_packet p;
    (void)state;
    static const struct {
        uint32_t addr;
        unsigned len;
        uint32_t first, last;
        bool edges;
    } subnets[] = {{IP(10, 3, 0, 1), 24, IP(10, 3, 0, 0), IP(10, 3, 0, 255), true},
                   {IP(10, 3, 0, 1), 30, IP(10, 3, 0, 0), IP(10, 3, 0, 3), true},
                   {IP(10, 3, 0, 1), 31, IP(10, 3, 0, 0), IP(10, 3, 0, 0), false},
                   {IP(10, 3, 0, 1), 32, IP(10, 3, 0, 0), IP(10, 3, 0, 2), false}};
    for (unsigned i = 0; i < ARRAY_SIZE(subnets); i++) {
        for (unsigned on = 0; on <= 1; on++) {
            for (unsigned last = 0; last <= 1; last++) {
                sim_fresh(state);
                if (on)
                    ip4_address_add(&sim_ports[3], subnets[i].addr, subnets[i].len);
                sim_udp(&p, FAR_ADDR, 40);
                p.ip->src = be32_make(last ? subnets[i].last : subnets[i].first);
                sim_ip_checksum(&p);
                sim_clear();
                sim_deliver(0, &p);
                bool martian = on && subnets[i].edges;
                assert_int_equal(sim_sent(1), !martian);
                assert_int_equal(sim_drops(0, DROP_MARTIAN_SRC), martian);
                if (on)
                    ip4_address_del(&sim_ports[3], subnets[i].addr, subnets[i].len);
            }
        }
    }
}

static void test_own_source_hash(void **state)
{
    struct sim_packet p;
    (void)state;
    // Sources that share a hash with an address of ours but are not: forwarded all the same.
    unsigned found = 0;
    for (uint32_t low = 2; found < 5; low++) {
        uint32_t src = IP(10, 0, 0, 0) + low;
        if (!ip4_filter.own[ip4_own_hash(be32_make(src).raw)])
            continue;
        found++;
        sim_clear();
        sim_udp(&p, FAR_ADDR, 40);
        p.ip->src = be32_make(src);
        sim_ip_checksum(&p);
        sim_deliver(0, &p);
        expect_forwarded(&p);
    }
}

static void test_martian_destinations(void **state)
{
    struct sim_packet p;
    (void)state;
    static const uint32_t bad[] = {IP(0, 0, 0, 0), IP(0, 1, 2, 3), IP(127, 0, 0, 1),
                                   IP(240, 0, 0, 1), IP(169, 254, 3, 4)};
    assert_int_equal(route4_add(0, 0, ROUTE_STATIC, GATEWAY_ADDR), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        sim_udp(&p, bad[i], 40);
        sim_deliver(0, &p);
        assert_int_equal(sim_drops(0, DROP_MARTIAN_DST), i + 1);
    }
    // Multicast and broadcasts, limited and directed, on either side: RFC 2644, no answer.
    static const uint32_t casts[] = {
        IP(224, 0, 0, 5),   IP(239, 1, 2, 3),      0xffffffff,
        IP(192, 0, 2, 255), IP(198, 51, 100, 255), IP(198, 51, 100, 0)};
    for (unsigned i = 0; i < ARRAY_SIZE(casts); i++) {
        sim_udp(&p, casts[i], 40);
        sim_deliver(0, &p);
        assert_int_equal(sim_drops(0, DROP_BROADCAST), i + 1);
    }
    sim_expect_silence();
    assert_int_equal(route4_del(0, 0), 0);
}

static void test_port_without_address(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 40);
    memcpy(p.frame.bytes, sim_ports[3].mac, 6);
    sim_deliver(3, &p);
    struct sim_frame arp;
    sim_arp(&arp, 1, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_broadcast);
    sim_receive(3, arp.bytes, arp.len);
    sim_run();
    sim_expect_silence();
    assert_int_equal(sim_drops(3, DROP_NO_ADDRESS), 2);
}

// ---- ways that lead nowhere ------------------------------------------------------------------

// A host that is resolved gets its errors at once.
static void resolve_host(void)
{
    struct sim_frame arp;
    sim_arp(&arp, 1, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_broadcast);
    sim_receive(0, arp.bytes, arp.len);
    sim_run();
    struct sim_packet p;
    sim_echo(&p, ETH0_ADDR, 8);
    sim_deliver(0, &p);
    sim_arp(&arp, 2, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_ports[0].mac);
    sim_receive(0, arp.bytes, arp.len);
    sim_run();
    sim_clear();
}

static void test_no_route(void **state)
{
    struct sim_packet p;
    (void)state;
    resolve_host();
    sim_udp(&p, IP(10, 9, 8, 7), 40);
    sim_deliver(0, &p);
    sim_expect_error(0, &p, ETH0_ADDR, ICMP_UNREACHABLE, ICMP_NET);
    assert_int_equal(sim_drops(0, DROP_NO_ROUTE), 1);
}

static void test_blackhole_and_reject(void **state)
{
    struct sim_packet p;
    (void)state;
    resolve_host();
    assert_int_equal(route4_add(IP(10, 1, 0, 0), 16, ROUTE_BLACKHOLE, 0), 0);
    assert_int_equal(route4_add(IP(10, 2, 0, 0), 16, ROUTE_REJECT, 0), 0);
    sim_udp(&p, IP(10, 1, 8, 7), 40);
    expect_dropped(&p, DROP_BLACKHOLE);
    sim_udp(&p, IP(10, 2, 8, 7), 40);
    sim_deliver(0, &p);
    sim_expect_error(0, &p, ETH0_ADDR, ICMP_UNREACHABLE, ICMP_HOST);
    assert_int_equal(route4_del(IP(10, 1, 0, 0), 16), 0);
    assert_int_equal(route4_del(IP(10, 2, 0, 0), 16), 0);
}

static void test_egress_link_down(void **state)
{
    struct sim_packet p;
    (void)state;
    resolve_host();
    port_link_change(&sim_ports[1], false);
    sim_udp(&p, FAR_ADDR, 40);
    sim_deliver(0, &p);
    sim_expect_error(0, &p, ETH0_ADDR, ICMP_UNREACHABLE, ICMP_HOST);
    assert_int_equal(sim_drops(1, DROP_TX_LINK), 1);
    port_link_change(&sim_ports[1], true);
    sim_port_thread(); // announces our address again
    assert_int_equal(sim_sent(1), 1);
    sim_clear();
    sim_deliver(0, &p);
    expect_forwarded(&p);
}

// Host-only: reachable itself, nothing goes through it, either way.
static void test_host_only(void **state)
{
    struct sim_packet p;
    (void)state;
    resolve_host();
    for (unsigned side = 0; side < 2; side++) {
        sim_ports[side].features |= PORT_HOST_ONLY;
        interface_port_changed(&sim_ports[side]);
        sim_udp(&p, FAR_ADDR, 40);
        sim_deliver(0, &p);
        sim_expect_silence();
        assert_int_equal(sim_drops(0, DROP_HOST_ONLY), side + 1);
        sim_echo(&p, ETH0_ADDR, 40);
        sim_deliver(0, &p);
        assert_int_equal(sim_sent(0), 1);
        sim_ports[side].features &= ~(uint32_t)PORT_HOST_ONLY;
        interface_port_changed(&sim_ports[side]);
        sim_clear();
    }
    sim_udp(&p, FAR_ADDR, 40);
    sim_deliver(0, &p);
    expect_forwarded(&p);
}

static void test_redirect(void **state)
{
    struct sim_packet p;
    struct sim_frame arp;
    (void)state;
    resolve_host();
    sim_arp(&arp, 1, sim_gateway_mac, IP(192, 0, 2, 20), ETH0_ADDR, sim_broadcast);
    sim_receive(0, arp.bytes, arp.len);
    sim_run();
    sim_clear();
    sim_udp(&p, IP(192, 0, 2, 20), 40); // back out of eth0, to its own subnet
    sim_deliver(0, &p);
    unsigned redirects = 0, forwarded = 0;
    for (unsigned i = 0; i < sim_sent(0); i++) {
        const struct ip4_header *ip = sim_ip(sim_frame(0, i));
        const struct icmp_header *icmp = (const struct icmp_header *)(ip + 1);
        if (be16_get(((const struct eth_header *)sim_frame(0, i)->bytes)->type) != ETH_TYPE_IP4)
            continue;
        if (be32_get(ip->dst) == IP(192, 0, 2, 20)) {
            forwarded++;
        } else if (icmp->type == ICMP_REDIRECT) {
            assert_int_equal(icmp->code, ICMP_REDIRECT_HOST);
            assert_int_equal(be32_get(icmp->rest), IP(192, 0, 2, 20));
            redirects++;
        }
    }
    assert_int_equal(forwarded, 1);
    assert_int_equal(redirects, 1);
}

// ---- fragments and sizes ---------------------------------------------------------------------

static void resolve_on(unsigned port, uint32_t addr)
{
    struct sim_frame arp;
    sim_arp(&arp, 1, sim_gateway_mac, addr, port == 2 ? ETH2_ADDR : ETH1_ADDR, sim_broadcast);
    sim_receive(port, arp.bytes, arp.len);
    sim_run();
    sim_clear();
}

static void test_dont_fragment(void **state)
{
    struct sim_packet p;
    (void)state;
    resolve_host();
    sim_udp(&p, IP(203, 0, 113, 9), 1000);
    p.ip->fragment = be16_make(IP4_DF);
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    const struct icmp_header *icmp =
        sim_expect_error(0, &p, ETH0_ADDR, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED);
    assert_int_equal(be32_get(icmp->rest), 600);
    assert_int_equal(sim_drops(0, DROP_DF), 1);
}

// Puts the fragments of `in` on eth2 together again and compares.
static void expect_reassembled(const struct sim_packet *in)
{
    uint8_t payload[2000] = {0};
    size_t header = ip4_header_bytes(in->ip), total = 0, seen = 0;
    unsigned base = be16_get(in->ip->fragment), sent = sim_sent(2);
    size_t bytes = be16_get(in->ip->total_len) - header;
    for (unsigned i = 0; i < sent; i++) {
        const struct sim_frame *frame = sim_frame(2, i);
        const struct ip4_header *ip = sim_ip(frame);
        if (be16_get(((const struct eth_header *)frame->bytes)->type) != ETH_TYPE_IP4)
            continue;
        assert_true(sim_ip_valid(frame));
        assert_true(be16_get(ip->total_len) <= 600);
        assert_int_equal(ip->ttl, in->ip->ttl - 1);
        assert_int_equal(ip->id.raw, in->ip->id.raw);
        size_t mine = ip4_header_bytes(ip), piece = be16_get(ip->total_len) - mine;
        size_t offset =
            ((be16_get(ip->fragment) & IP4_OFFSET_MASK) - (base & IP4_OFFSET_MASK)) * 8u;
        bool last = offset + piece == bytes;
        assert_int_equal(!!(be16_get(ip->fragment) & IP4_MF), !last || (base & IP4_MF));
        memcpy(payload + offset, (const uint8_t *)ip + mine, piece);
        total += piece;
        seen++;
    }
    assert_true(seen >= 2);
    assert_int_equal(total, bytes);
    assert_memory_equal(payload, (const uint8_t *)in->ip + header, bytes);
}

static void test_fragmentation(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned payload = 574; payload <= 1472; payload += 31) {
        sim_fresh(state);
        resolve_on(2, IP(203, 0, 113, 9));
        sim_udp(&p, IP(203, 0, 113, 9), payload);
        sim_deliver(0, &p);
        expect_reassembled(&p);
    }
}

static void test_fragment_of_fragment(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned more = 0; more <= 1; more++) {
        sim_fresh(state);
        resolve_on(2, IP(203, 0, 113, 9));
        sim_udp(&p, IP(203, 0, 113, 9), 1192 - 8);
        p.ip->fragment = be16_make((uint16_t)((more ? IP4_MF : 0) | 50));
        sim_ip_checksum(&p);
        sim_deliver(0, &p);
        expect_reassembled(&p);
    }
}

static void test_fragment_options(void **state)
{
    // Router alert has the copy bit, record route has not.
    static const uint8_t options[] = {148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0};
    struct sim_packet p;
    (void)state;
    resolve_on(2, IP(203, 0, 113, 9));
    sim_udp(&p, IP(203, 0, 113, 9), 1200);
    sim_options(&p, options, sizeof(options));
    sim_deliver(0, &p);
    unsigned ip_frames = 0;
    for (unsigned i = 0; i < sim_sent(2); i++) {
        const struct ip4_header *ip = sim_ip(sim_frame(2, i));
        if (be16_get(((const struct eth_header *)sim_frame(2, i)->bytes)->type) != ETH_TYPE_IP4)
            continue;
        assert_true(sim_ip_valid(sim_frame(2, i)));
        assert_int_equal(ip4_header_bytes(ip), ip_frames++ ? 24 : 32);
        assert_int_equal(((const uint8_t *)(ip + 1))[0], 148);
    }
    assert_int_equal(ip_frames, 3);
}

// RFC 1858: the offsets of pieces of a fragment at the very end would begin anew at 0.
static void test_fragment_beyond_the_end(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned offset = 8191; offset > 8191 - 8; offset--) {
        sim_fresh(state);
        resolve_on(2, IP(203, 0, 113, 9));
        sim_udp(&p, IP(203, 0, 113, 9), 1192 - 8);
        p.ip->fragment = be16_make((uint16_t)offset);
        sim_ip_checksum(&p);
        sim_deliver(0, &p);
        sim_expect_silence();
        assert_int_equal(sim_drops(0, DROP_IP_HEADER), 1);
    }
    // Up to the last byte a datagram can have: a length of 65,535 less 8 x 8043.
    sim_fresh(state);
    resolve_on(2, IP(203, 0, 113, 9));
    sim_udp(&p, IP(203, 0, 113, 9), 65535 - 8 * 8043 - 8);
    p.ip->fragment = be16_make(8043);
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    expect_reassembled(&p);
    sim_clear();
    p.ip->fragment = be16_make(8044);
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    sim_expect_silence();
}

static void test_fragments_pass(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 64);
    p.ip->fragment = be16_make(IP4_MF | 100);
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    expect_forwarded(&p);
}

// ---- options ---------------------------------------------------------------------------------

static void test_source_routes(void **state)
{
    static const uint8_t routes[2][8] = {{131, 7, 4, 10, 0, 0, 1, 0}, {137, 7, 4, 10, 0, 0, 1, 0}};
    struct sim_packet p;
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        sim_udp(&p, FAR_ADDR, 40);
        sim_options(&p, routes[i], 8);
        sim_deliver(0, &p);
        assert_int_equal(sim_drops(0, DROP_IP_OPTIONS), i + 1);
    }
    sim_expect_silence();
}

static void test_record_route(void **state)
{
    static const uint8_t options[] = {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 40);
    sim_options(&p, options, sizeof(options));
    sim_deliver(0, &p);
    assert_int_equal(sim_sent(1), 1);
    const uint8_t *out = (const uint8_t *)(sim_ip(sim_frame(1, 0)) + 1);
    assert_true(sim_ip_valid(sim_frame(1, 0)));
    assert_int_equal(out[2], 8);
    assert_int_equal(be32_get((be32_t){load32(out + 3)}), ETH1_ADDR);
    sim_clear(); // full: passes as it is
    p.l4[-10] = 12;
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    assert_int_equal(sim_sent(1), 1);
    assert_memory_equal(sim_ip(sim_frame(1, 0)) + 1, p.ip + 1, 12);
}

static void test_timestamp(void **state)
{
    static const uint8_t options[] = {68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 40);
    sim_options(&p, options, sizeof(options));
    sim_deliver(0, &p);
    const uint8_t *out = (const uint8_t *)(sim_ip(sim_frame(1, 0)) + 1);
    assert_int_equal(out[2], 13);
    assert_int_equal(be32_get((be32_t){load32(out + 4)}), ETH1_ADDR);
    assert_true(load32(out + 8) != 0);
    sim_clear(); // full: the overflow count goes up
    p.l4[-10] = 13;
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    out = (const uint8_t *)(sim_ip(sim_frame(1, 0)) + 1);
    assert_int_equal(out[3], 0x11);
    assert_true(sim_ip_valid(sim_frame(1, 0)));
}

static void test_malformed_options(void **state)
{
    static const struct {
        uint8_t options[4], pointer;
    } bad[] = {{{7, 0, 4, 0}, 21},  {{7, 1, 4, 0}, 21},   {{7, 5, 4, 0}, 21},  {{7, 3, 3, 0}, 22},
               {{68, 4, 4, 0}, 22}, {{1, 1, 1, 130}, 23}, {{1, 68, 2, 0}, 22}, {{68, 3, 5, 0}, 22}};
    struct sim_packet p;
    (void)state;
    resolve_host();
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        sim_clear();
        sim_udp(&p, FAR_ADDR, 40);
        sim_options(&p, bad[i].options, 4);
        sim_deliver(0, &p);
        const struct icmp_header *icmp = sim_expect_error(0, &p, ETH0_ADDR, ICMP_PARAMETER, 0);
        assert_int_equal(be32_get(icmp->rest) >> 24, bad[i].pointer);
        assert_int_equal(sim_drops(0, DROP_IP_OPTIONS), i + 1);
    }
}

// The first record route gets our address, the second has room for a part of one: the quote of
// the error is a header whose checksum is right.
static void test_options_error_quote(void **state)
{
    static const uint8_t options[] = {7, 7, 4, 0, 0, 0, 0, 7, 5, 4, 0, 0};
    struct sim_packet p;
    (void)state;
    resolve_host();
    sim_udp(&p, FAR_ADDR, 40);
    sim_options(&p, options, sizeof(options));
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(0, DROP_IP_OPTIONS), 1);
    assert_int_equal(sim_sent(0), 1);
    const struct ip4_header *ip = sim_ip(sim_frame(0, 0));
    const struct icmp_header *icmp = (const struct icmp_header *)(ip + 1);
    const struct ip4_header *quote = (const struct ip4_header *)(icmp + 1);
    assert_int_equal(icmp->type, ICMP_PARAMETER);
    assert_int_equal(be32_get(icmp->rest) >> 24, 29);
    assert_int_equal(ip4_header_bytes(quote), 32);
    assert_true(csum_ok(quote, 32));
}

// ---- the softirq -----------------------------------------------------------------------------

static unsigned empty_turns;

static unsigned receive_nothing(struct port *port, unsigned queue, struct packet **out,
                                unsigned max)
{
    (void)port, (void)queue, (void)out, (void)max;
    empty_turns++;
    return 0;
}

static bool always_more(struct port *port, unsigned queue)
{
    (void)port, (void)queue;
    return empty_turns < 1000;
}

// A driver that drops all it gets always has more: other softirqs and threads get their turn.
static void test_empty_turns_end(void **state)
{
    (void)state;
    const struct port_ops *ops = sim_ports[0].ops;
    struct port_ops dropping = *ops;
    dropping.rx_burst = receive_nothing;
    dropping.rx_arm = always_more;
    sim_ports[0].ops = &dropping;
    empty_turns = 0;
    unsigned before = sim_softirqs;
    port_rx_ready(&sim_ports[0]);
    sim_run();
    sim_ports[0].ops = ops;
    assert_int_equal(empty_turns, 1000);
    assert_in_range(sim_softirqs - before, 1000 / 64, 1000);
}

// ---- partial checksums -----------------------------------------------------------------------

static void make_partial(struct sim_packet *p)
{
    uint64_t pseudo = csum_add(&p->ip->src, 8, 0) + be16_make(IP4_UDP).raw + load16(p->l4 + 4);
    store16(p->l4 + 6, csum_fold(pseudo));
}

static void test_partial_checksum(void **state)
{
    struct sim_packet p, whole;
    (void)state;
    sim_rx_partial = true;
    for (unsigned payload = 18; payload < 60; payload++) {
        sim_clear();
        sim_udp(&whole, FAR_ADDR, payload);
        p = whole;
        p.ip = sim_ip(&p.frame);
        p.l4 = (uint8_t *)(p.ip + 1);
        make_partial(&p);
        sim_deliver(0, &p); // eth1 cannot finish it: done in software
        assert_memory_equal(sim_ip(sim_frame(1, 0)) + 1, whole.ip + 1, 8 + payload);
    }
    sim_clear();
    sim_ports[1].features |= PORT_TX_CSUM; // now it can, and gets it as it came
    sim_deliver(0, &p);
    assert_memory_equal(sim_ip(sim_frame(1, 0)) + 1, p.ip + 1, 60);
    sim_ports[1].features &= ~(uint32_t)PORT_TX_CSUM;
    // Marks that point outside of the frame do no harm.
    sim_clear();
    sim_udp(&p, FAR_ADDR, 0);
    p.frame.len = 60;
    p.ip->total_len = be16_make(20);
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    expect_forwarded(&p);
}

// Marks into the headers: what was checked there stays as it was, whatever is done to the packet.
static void test_partial_in_header(void **state)
{
    static const uint32_t ways[] = {FAR_ADDR, IP(203, 0, 113, 9), ETH0_ADDR, IP(10, 0, 0, 1)};
    struct sim_packet p;
    (void)state;
    for (unsigned field = 0; field < 34; field++) {
        for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
            sim_fresh(state);
            resolve_host();
            resolve_on(2, IP(203, 0, 113, 9));
            sim_rx_partial = sim_rx_marks = true;
            sim_csum_start = (uint16_t)(field < 14 ? 0 : 14);
            sim_csum_offset = (uint16_t)(field - sim_csum_start);
            sim_udp(&p, ways[i], 1000);
            if (ways[i] == ETH0_ADDR)
                sim_echo(&p, ETH0_ADDR, 1000);
            store16(p.l4 + 100, 0xbaf5);
            if (ways[i] == ETH0_ADDR) {
                store16(p.l4 + 2, 0);
                store16(p.l4 + 2, csum_finish(csum_add(p.l4, 1008, 0)).raw);
            }
            sim_deliver(0, &p);
            if (i == 0)
                expect_forwarded(&p);
            else if (i == 1)
                expect_reassembled(&p);
            else
                assert_true(sim_sent(0) == 1 && sim_ip_valid(sim_frame(0, 0)));
        }
    }
}

// ---- garbage ---------------------------------------------------------------------------------

static uint32_t random_state = 1;
static uint32_t random32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    return random_state ^= random_state << 5;
}

static void spoil(struct sim_packet *p)
{
    for (unsigned n = random32() % 4; n; n--)
        p->frame.bytes[random32() % 64] = (uint8_t)random32();
    if (random32() % 4 == 0)
        p->frame.len = random32() % 1600;
    if (random32() % 2 == 0 && p->frame.len >= 34 && ip4_header_bytes(p->ip) >= 20)
        sim_ip_checksum(p);
}

// A good packet, one with random options, or an ARP message; then some bytes are spoilt.
static void make_garbage(struct sim_packet *p)
{
    static const uint32_t destinations[] = {FAR_ADDR,           ETH0_ADDR,          ETH1_ADDR,
                                            IP(203, 0, 113, 9), IP(192, 0, 2, 255), IP(10, 0, 0, 1),
                                            IP(192, 0, 2, 77)};
    uint32_t dst = destinations[random32() % ARRAY_SIZE(destinations)];
    unsigned payload = random32() % 1400;
    uint8_t options[40];
    for (unsigned i = 0; i < sizeof(options); i++)
        options[i] = random32() % 2 ? (uint8_t)random32()
                                    : (uint8_t[]){7, 68, 131, 148, 4, 8, 11, 5}[random32() % 8];
    if (random32() % 2)
        sim_udp(p, dst, payload);
    else
        sim_echo(p, dst, payload);
    if (random32() % 3 == 0)
        sim_options(p, options, 4 * (random32() % 11));
    if (random32() % 8 == 0)
        sim_arp(&p->frame, 1 + random32() % 2, sim_host_mac, IP(192, 0, 2, random32() % 256),
                random32() % 2 ? ETH0_ADDR : HOST0_ADDR,
                random32() % 2 ? sim_broadcast : sim_ports[0].mac);
    spoil(p);
}

static void check_output(const struct sim_frame *frame)
{
    uint16_t type = be16_get(((const struct eth_header *)frame->bytes)->type);
    assert_true(frame->len >= 34);
    assert_true(type == ETH_TYPE_ARP || type == ETH_TYPE_IP4);
    if (type != ETH_TYPE_IP4)
        return;
    if (!sim_ip_valid(frame)) {
        for (unsigned i = 0; i < frame->len; i++)
            print_error("%02x%s", frame->bytes[i], i % 16 == 15 ? "\n" : " ");
        fail_msg("bad header sent");
    }
    assert_true(sim_ip(frame)->ttl >= 1);
    uint32_t dst = be32_get(sim_ip(frame)->dst);
    assert_false(ip4_martian_destination(dst) || ip4_is_multicast(dst) || dst == 0xffffffff);
    assert_false(frame->bytes[0] & 1);
}

static void test_garbage(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        make_garbage(&p);
        sim_receive(random32() % SIM_PORTS, p.frame.bytes, MIN(p.frame.len, 1856u));
        if (round % 50)
            continue;
        sim_rx_partial = random32() % 4 == 0;
        sim_rx_marks = random32() % 2;
        sim_csum_start = (uint16_t)(random32() % 64);
        sim_csum_offset = (uint16_t)(random32() % (random32() % 8 ? 32 : 65536));
        sim_run();
        sim_pass(random32() % 1000000000);
        for (unsigned port = 0; port < SIM_PORTS; port++)
            for (unsigned i = 0; i < sim_sent(port); i++)
                check_output(sim_frame(port, i));
        sim_clear();
    }
    sim_run();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sim_fresh, sim_check_pool)
    const struct CMUnitTest tests[] = {
        TEST(test_forward),
        TEST(test_padding_is_trimmed),
        TEST(test_bursts_and_counters),
        TEST(test_transmit_full),
        TEST(test_checksum_edges),
        TEST(test_checksum_all_ones),
        TEST(test_ttl),
        TEST(test_unicast_not_for_us),
        TEST(test_source_mac),
        TEST(test_types),
        TEST(test_short_and_long_frames),
        TEST(test_link_broadcast),
        TEST(test_header_fields),
        TEST(test_header_checksum),
        TEST(test_martian_sources),
        TEST(test_subnet_edges_as_source),
        TEST(test_own_source_hash),
        TEST(test_martian_destinations),
        TEST(test_port_without_address),
        TEST(test_no_route),
        TEST(test_blackhole_and_reject),
        TEST(test_egress_link_down),
        TEST(test_host_only),
        TEST(test_redirect),
        TEST(test_dont_fragment),
        TEST(test_fragmentation),
        TEST(test_fragment_of_fragment),
        TEST(test_fragment_options),
        TEST(test_fragment_beyond_the_end),
        TEST(test_fragments_pass),
        TEST(test_source_routes),
        TEST(test_record_route),
        TEST(test_timestamp),
        TEST(test_malformed_options),
        TEST(test_options_error_quote),
        TEST(test_empty_turns_end),
        TEST(test_partial_checksum),
        TEST(test_partial_in_header),
        TEST(test_garbage),
    };
    return cmocka_run_group_tests(tests, sim_start, NULL);
}
