// SPDX-License-Identifier: BSD-2-Clause
//
// The neighbour table: resolution and its failure, the queue, ageing, limits under a scan, static
// entries, and what the fast path does with each of them.
//
// unit-sources: net/arp.c net/checksum.c net/counters.c net/egress.c net/fastpath.c
// unit-sources: net/icmp.c net/interface.c net/ip4.c net/ip4_fragment.c net/ip4_options.c
// unit-sources: net/neigh.c net/net.c net/nexthop.c net/packet.c net/ping.c net/pool.c net/port.c
// unit-sources: net/route4.c net/fib4.c net/fib4_chunk.c net/fib4_pool.c net/rib4.c
// unit-sources: core/time/timer.c core/lib/rbtree.c core/lib/fmt.c tests/unit/net_sim.c
// unit-ldflags: -Wl,--wrap=packet_alloc_bulk -Wl,--wrap=packet_free_bulk

#include "net_sim.h"

#include "core/time/clock.h"
#include "host.h"

#define TARGET IP(192, 0, 2, 50)
static const uint8_t target_mac[6] = {2, 0, 0, 0, 0, 0x50};

struct search {
    uint32_t addr;
    struct neigh_info info;
    unsigned count[NEIGH_STATIC + 1];
};

static int look(const struct neigh_info *info, void *arg)
{
    struct search *search = arg;
    search->count[info->state]++;
    if (info->addr == search->addr)
        search->info = *info;
    return 0;
}

static int state_of(uint32_t addr)
{
    struct search search = {.addr = addr};
    neigh_walk(look, &search);
    return search.info.addr ? (int)search.info.state : -1;
}

static unsigned count_in(enum neigh_state state)
{
    struct search search = {0};
    neigh_walk(look, &search);
    return search.count[state];
}

// A packet from behind the gateway (into eth1) to a host on eth0.
static void send_to(uint32_t dst)
{
    struct sim_packet p;
    sim_udp(&p, dst, 40);
    memcpy(p.frame.bytes, sim_ports[1].mac, 6);
    memcpy(p.frame.bytes + 6, sim_gateway_mac, 6);
    p.ip->src = be32_make(FAR_ADDR);
    sim_ip_checksum(&p);
    sim_deliver(1, &p);
}

static void reply(uint32_t addr, const uint8_t *mac)
{
    struct sim_frame frame;
    sim_arp(&frame, 2, mac, addr, ETH0_ADDR, sim_ports[0].mac);
    sim_receive(0, frame.bytes, frame.len);
    sim_run();
}

static bool is_request(const struct sim_frame *frame, uint32_t target)
{
    return frame->len == 42 && be16_get((be16_t){load16(frame->bytes + 12)}) == ETH_TYPE_ARP &&
           frame->bytes[21] == 1 && be32_get((be32_t){load32(frame->bytes + 38)}) == target &&
           be32_get((be32_t){load32(frame->bytes + 28)}) == ETH0_ADDR;
}

static void test_resolution(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        send_to(TARGET);
    assert_int_equal(sim_sent(0), 1); // one request for all of them
    assert_true(is_request(sim_frame(0, 0), TARGET));
    assert_memory_equal(sim_frame(0, 0)->bytes, sim_broadcast, 6);
    assert_int_equal(state_of(TARGET), NEIGH_INCOMPLETE);
    reply(TARGET, target_mac);
    assert_int_equal(sim_sent(0), 4);
    for (unsigned i = 1; i < 4; i++) {
        assert_memory_equal(sim_frame(0, i)->bytes, target_mac, 6);
        assert_int_equal(sim_ip(sim_frame(0, i))->ttl, 63);
        assert_true(sim_ip_valid(sim_frame(0, i)));
    }
    assert_int_equal(state_of(TARGET), NEIGH_REACHABLE);
    send_to(TARGET); // at once now
    assert_int_equal(sim_sent(0), 5);
}

static void test_failure(void **state)
{
    (void)state;
    send_to(TARGET);
    send_to(TARGET);
    sim_pass(2900 * NSEC_PER_MSEC);
    assert_int_equal(sim_sent(0), 3); // a request a second
    assert_int_equal(sim_sent(1), 0);
    sim_pass(NSEC_PER_SEC);
    assert_int_equal(state_of(TARGET), NEIGH_FAILED);
    assert_int_equal(sim_sent(1), 2); // RFC 1812 section 5.2.7.1: host unreachable
    const struct ip4_header *ip = sim_ip(sim_frame(1, 0));
    const struct icmp_header *icmp = (const struct icmp_header *)(ip + 1);
    assert_int_equal(icmp->type, ICMP_UNREACHABLE);
    assert_int_equal(icmp->code, ICMP_HOST);
    assert_int_equal(be32_get(ip->src), ETH1_ADDR);
    assert_int_equal(be32_get(ip->dst), FAR_ADDR);
    assert_int_equal(sim_drops(1, DROP_NEIGHBOUR), 2);
    send_to(TARGET); // known not to answer: no request, an error at once
    assert_int_equal(sim_sent(0), 3);
    assert_int_equal(sim_sent(1), 3);
    sim_pass(4 * NSEC_PER_SEC);
    assert_int_equal(state_of(TARGET), -1);
    send_to(TARGET);
    assert_int_equal(sim_sent(0), 4);
}

static void test_queue_limit(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned i = 0; i < NEIGH_QUEUE_MAX + 5; i++) {
        sim_udp(&p, TARGET, 40);
        memcpy(p.frame.bytes, sim_ports[1].mac, 6);
        p.ip->src = be32_make(FAR_ADDR);
        p.ip->id = be16_make((uint16_t)i);
        sim_ip_checksum(&p);
        sim_deliver(1, &p);
    }
    assert_int_equal(sim_drops(1, DROP_NEIGHBOUR), 5);
    reply(TARGET, target_mac);
    assert_int_equal(sim_sent(0), 1 + NEIGH_QUEUE_MAX);
    for (unsigned i = 0; i < NEIGH_QUEUE_MAX; i++) // the latest, in order
        assert_int_equal(be16_get(sim_ip(sim_frame(0, 1 + i))->id), 5 + i);
}

static void test_ageing(void **state)
{
    (void)state;
    send_to(TARGET);
    reply(TARGET, target_mac);
    sim_pass(61 * NSEC_PER_SEC);
    assert_int_equal(state_of(TARGET), NEIGH_STALE);
    sim_clear();
    sim_pass(30 * NSEC_PER_SEC);
    assert_int_equal(sim_sent(0), 0); // unused: nobody is asked
    send_to(TARGET);
    assert_int_equal(state_of(TARGET), NEIGH_PROBE);
    assert_int_equal(sim_sent(0), 2); // the packet goes, and a request to that MAC address only
    unsigned request = is_request(sim_frame(0, 0), TARGET) ? 0 : 1;
    assert_true(is_request(sim_frame(0, request), TARGET));
    assert_memory_equal(sim_frame(0, request)->bytes, target_mac, 6);
    send_to(TARGET);
    assert_int_equal(sim_sent(0), 3);
    reply(TARGET, target_mac);
    assert_int_equal(state_of(TARGET), NEIGH_REACHABLE);
    sim_pass(61 * NSEC_PER_SEC); // and gone for good when nobody uses it
    sim_pass(601 * NSEC_PER_SEC);
    assert_int_equal(state_of(TARGET), -1);
}

// A stale entry that is used and whose MAC address does not answer: after three requests to it
// everybody is asked (RFC 4861 section 7.3.3).
static void probe_in_vain(void)
{
    send_to(TARGET);
    reply(TARGET, target_mac);
    sim_pass(61 * NSEC_PER_SEC);
    sim_clear();
    send_to(TARGET);
    sim_pass(2500 * NSEC_PER_MSEC);
    assert_int_equal(state_of(TARGET), NEIGH_PROBE);
    unsigned requests = 0;
    for (unsigned i = 0; i < sim_sent(0); i++) {
        requests += is_request(sim_frame(0, i), TARGET);
        assert_memory_equal(sim_frame(0, i)->bytes, target_mac, 6);
    }
    assert_int_equal(requests, 3);
    sim_clear();
    sim_pass(NSEC_PER_SEC);
    assert_int_equal(state_of(TARGET), NEIGH_INCOMPLETE);
    assert_int_equal(sim_sent(0), 1);
    assert_true(is_request(sim_frame(0, 0), TARGET));
    assert_memory_equal(sim_frame(0, 0)->bytes, sim_broadcast, 6);
    sim_clear();
}

static void test_probe_fails(void **state)
{
    (void)state;
    probe_in_vain();
    send_to(TARGET); // waits
    assert_int_equal(sim_sent(0) + sim_sent(1), 0);
    sim_pass(3 * NSEC_PER_SEC);
    assert_int_equal(state_of(TARGET), NEIGH_FAILED);
    assert_int_equal(sim_sent(0), 2);
    assert_int_equal(sim_sent(1), 1);
    sim_clear();
    send_to(TARGET);
    assert_int_equal(sim_sent(0), 0);
    assert_int_equal(sim_sent(1), 1);
}

// The address has moved to another machine.
static void test_probe_finds_new_mac(void **state)
{
    static const uint8_t new_mac[6] = {2, 9, 9, 9, 9, 9};
    (void)state;
    probe_in_vain();
    send_to(TARGET);
    reply(TARGET, new_mac);
    assert_int_equal(state_of(TARGET), NEIGH_REACHABLE);
    assert_int_equal(sim_sent(0), 1);
    assert_memory_equal(sim_frame(0, 0)->bytes, new_mac, 6);
}

// The same with a gateway, which is on no list.
static void test_probe_of_gateway(void **state)
{
    (void)state;
    assert_int_equal(route4_add(IP(10, 9, 0, 0), 16, ROUTE_STATIC, TARGET), 0);
    probe_in_vain();
    send_to(IP(10, 9, 1, 1));
    reply(TARGET, target_mac);
    assert_int_equal(sim_sent(0), 1);
    assert_int_equal(route4_del(IP(10, 9, 0, 0), 16), 0);
}

// Many stale entries whose hosts are gone do not exceed the limit of unresolved ones.
static void test_probe_of_many(void **state)
{
    (void)state;
    assert_int_equal(ip4_address_add(&sim_ports[0], IP(10, 7, 0, 1), 16), 0);
    for (unsigned i = 0; i < 400; i++) {
        struct sim_frame frame;
        sim_arp(&frame, 1, target_mac, IP(10, 7, 1, 0) + i, IP(10, 7, 0, 1), sim_broadcast);
        sim_receive(0, frame.bytes, frame.len);
        sim_run();
        send_to(IP(10, 7, 1, 0) + i);
    }
    assert_int_equal(count_in(NEIGH_PROBE), 400);
    sim_clear();
    for (unsigned i = 0; i < 3; i++) {
        sim_pass(NSEC_PER_SEC);
        for (unsigned j = 0; j < 8; j++) // a softirq runs some of the timers only
            sim_pass(NSEC_PER_MSEC);
    }
    assert_int_equal(count_in(NEIGH_INCOMPLETE), 256);
    assert_int_equal(count_in(NEIGH_PROBE), 0);
    assert_int_equal(ip4_address_del(&sim_ports[0], IP(10, 7, 0, 1), 16), 0);
}

static void test_mac_change(void **state)
{
    static const uint8_t new_mac[6] = {2, 9, 9, 9, 9, 9};
    (void)state;
    send_to(TARGET);
    reply(TARGET, target_mac);
    reply(TARGET, new_mac);
    sim_clear();
    send_to(TARGET);
    assert_memory_equal(sim_frame(0, sim_sent(0) - 1)->bytes, new_mac, 6);
}

// A scan through the router, and one on the link: hosts that have answered stay.
static void test_scan(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        send_to(IP(192, 0, 2, 100 + i));
        reply(IP(192, 0, 2, 100 + i), target_mac);
    }
    assert_int_equal(ip4_address_add(&sim_ports[0], IP(10, 7, 0, 1), 16), 0);
    for (unsigned i = 2; i < 20000; i++) {
        send_to(IP(10, 7, 0, 0) + i);
        if (i % 16 == 0)
            sim_pass(NSEC_PER_MSEC);
        sim_clear();
    }
    assert_true(count_in(NEIGH_INCOMPLETE) <= 256);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(state_of(IP(192, 0, 2, 100 + i)), NEIGH_REACHABLE);
    assert_true(sim_drops(1, DROP_NEIGHBOUR) > 15000);
    // A host that is there is found in the middle of it.
    sim_pass(NSEC_PER_SEC / 4);
    send_to(TARGET);
    reply(TARGET, target_mac);
    assert_int_equal(state_of(TARGET), NEIGH_REACHABLE);
    assert_int_equal(ip4_address_del(&sim_ports[0], IP(10, 7, 0, 1), 16), 0);
    sim_run();
    assert_int_equal(count_in(NEIGH_INCOMPLETE) + count_in(NEIGH_FAILED), 0);
}

static size_t packets_out(void)
{
    struct packet_pool_stats stats;
    packet_pool_get_stats(&stats);
    return stats.total - stats.available;
}

// Packets for 250 hosts that do not answer: what waits is the port's share, everybody is asked.
static void test_queues_in_total(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        sim_pass(NSEC_PER_SEC);
        sim_clear();
        for (unsigned i = 0; i < 250 * NEIGH_QUEUE_MAX; i++)
            send_to(IP(192, 0, 2, 2) + i / NEIGH_QUEUE_MAX);
        assert_int_equal(packets_out(), port_waiting_max(&sim_ports[0]));
        assert_int_equal(sim_sent(0), 250);
        sim_clear();
        reply(IP(192, 0, 2, 251), target_mac); // nothing waited, and it works now
        send_to(IP(192, 0, 2, 251));
        assert_int_equal(sim_sent(0), 1);
        // An early one has its latest packets; what gives way is its own.
        uint64_t before = sim_drops(1, DROP_NEIGHBOUR);
        send_to(IP(192, 0, 2, 2));
        assert_int_equal(sim_drops(1, DROP_NEIGHBOUR), before + 1);
        sim_clear();
        reply(IP(192, 0, 2, 2), target_mac);
        assert_int_equal(sim_sent(0), NEIGH_QUEUE_MAX);
        if (round == 1)
            sim_pass(4 * NSEC_PER_SEC); // all are refused
        else
            neigh_flush(NULL);
        assert_int_equal(packets_out(), 0);
        neigh_flush(NULL);
    }
}

// What waits for one port's hosts takes no room from another's.
static void test_queues_of_ports(void **state)
{
    (void)state;
    const unsigned share = port_waiting_max(&sim_ports[0]);
    for (unsigned i = 0; i < 100 * NEIGH_QUEUE_MAX; i++)
        send_to(IP(192, 0, 2, 2) + i / NEIGH_QUEUE_MAX);
    assert_int_equal(packets_out(), share);
    uint64_t before = sim_drops(1, DROP_NEIGHBOUR);
    for (unsigned i = 0; i < NEIGH_QUEUE_MAX; i++)
        send_to(IP(203, 0, 113, 77));
    assert_int_equal(packets_out(), share + NEIGH_QUEUE_MAX);
    assert_int_equal(sim_drops(1, DROP_NEIGHBOUR), before);
    neigh_flush(&sim_ports[0]);
    assert_int_equal(packets_out(), NEIGH_QUEUE_MAX);
    neigh_flush(NULL);
    assert_int_equal(packets_out(), 0);
}

static void test_link_flood(void **state)
{
    struct sim_frame frame;
    (void)state;
    send_to(TARGET);
    reply(TARGET, target_mac);
    assert_int_equal(ip4_address_add(&sim_ports[0], IP(10, 7, 0, 1), 16), 0);
    for (unsigned i = 2; i < 5000; i++) { // everybody on the link asks for us
        sim_arp(&frame, 1, sim_host_mac, IP(10, 7, 0, 0) + i, IP(10, 7, 0, 1), sim_broadcast);
        sim_receive(0, frame.bytes, frame.len);
        sim_run();
        sim_clear();
    }
    assert_int_equal(count_in(NEIGH_STALE) + count_in(NEIGH_REACHABLE), NEIGH_MAX_PER_PORT);
    assert_int_equal(state_of(TARGET), NEIGH_REACHABLE);
    assert_int_equal(ip4_address_del(&sim_ports[0], IP(10, 7, 0, 1), 16), 0);
}

static void test_static(void **state)
{
    (void)state;
    assert_int_equal(neigh_static_add(TARGET, target_mac), 0);
    assert_int_equal(state_of(TARGET), NEIGH_STATIC);
    send_to(TARGET);
    assert_int_equal(sim_sent(0), 1);
    assert_memory_equal(sim_frame(0, 0)->bytes, target_mac, 6);
    reply(TARGET, sim_host_mac); // not believed
    neigh_flush(NULL);           // not flushed
    sim_pass(1000 * NSEC_PER_SEC);
    sim_clear();
    send_to(TARGET);
    assert_memory_equal(sim_frame(0, 0)->bytes, target_mac, 6);
    assert_int_equal(neigh_static_add(TARGET, sim_host_mac), 0); // changed
    sim_clear();
    send_to(TARGET);
    assert_memory_equal(sim_frame(0, 0)->bytes, sim_host_mac, 6);
    assert_int_equal(neigh_static_del(TARGET), 0);
    assert_int_equal(neigh_static_del(TARGET), -ENOENT);
    assert_int_equal(state_of(TARGET), -1);
    static const uint8_t group[6] = {1}, zero[6];
    assert_int_equal(neigh_static_add(TARGET, group), -EINVAL);
    assert_int_equal(neigh_static_add(TARGET, zero), -EINVAL);
}

static void test_static_before_subnet(void **state)
{
    (void)state;
    assert_int_equal(neigh_static_add(IP(10, 7, 0, 9), target_mac), 0);
    assert_int_equal(state_of(IP(10, 7, 0, 9)), -1);
    assert_int_equal(ip4_address_add(&sim_ports[3], IP(10, 7, 0, 1), 16), 0);
    assert_int_equal(state_of(IP(10, 7, 0, 9)), NEIGH_STATIC);
    assert_int_equal(ip4_address_del(&sim_ports[3], IP(10, 7, 0, 1), 16), 0);
    assert_int_equal(state_of(IP(10, 7, 0, 9)), -1);
    assert_int_equal(neigh_static_del(IP(10, 7, 0, 9)), 0);
}

// Static over dynamic with packets waiting: they leave.
static void test_static_resolves_queue(void **state)
{
    (void)state;
    send_to(TARGET);
    assert_int_equal(neigh_static_add(TARGET, target_mac), 0);
    assert_int_equal(sim_sent(0), 2);
    assert_memory_equal(sim_frame(0, 1)->bytes, target_mac, 6);
    assert_int_equal(neigh_static_del(TARGET), 0);
}

// A gateway without a static entry: resolved at the first packet, never forgotten, asked again.
static void test_gateway(void **state)
{
    struct sim_packet p;
    (void)state;
    assert_int_equal(route4_add(IP(10, 9, 0, 0), 16, ROUTE_STATIC, TARGET), 0);
    assert_int_equal(state_of(TARGET), NEIGH_INCOMPLETE);
    send_to(IP(10, 9, 1, 1));
    assert_true(is_request(sim_frame(0, 0), TARGET));
    sim_pass(4 * NSEC_PER_SEC);
    assert_int_equal(state_of(TARGET), NEIGH_FAILED);
    sim_pass(4 * NSEC_PER_SEC);
    assert_int_equal(state_of(TARGET), NEIGH_INCOMPLETE);
    sim_clear();
    send_to(IP(10, 9, 1, 1));
    reply(TARGET, target_mac);
    assert_int_equal(sim_sent(0), 2);
    sim_pass(700 * NSEC_PER_SEC);
    assert_int_equal(state_of(TARGET), NEIGH_STALE);
    sim_clear();
    send_to(IP(10, 9, 1, 1));
    assert_int_equal(state_of(TARGET), NEIGH_PROBE);
    neigh_flush(&sim_ports[0]);
    assert_int_equal(state_of(TARGET), NEIGH_INCOMPLETE);
    sim_udp(&p, IP(10, 9, 1, 1), 40);
    assert_int_equal(route4_del(IP(10, 9, 0, 0), 16), 0);
    sim_run();
    assert_int_equal(state_of(TARGET), -1);
}

static void test_link_down_ages(void **state)
{
    (void)state;
    send_to(TARGET);
    reply(TARGET, target_mac);
    port_link_change(&sim_ports[0], false);
    sim_port_thread();
    assert_int_equal(state_of(TARGET), NEIGH_STALE);
    port_link_change(&sim_ports[0], true);
    sim_port_thread();
}

// Without memory for an adjacency packets wait or are dropped; nothing is lost or stuck.
static void test_no_memory(void **state)
{
    (void)state;
    host_fail_after(0);
    send_to(TARGET);
    assert_int_equal(state_of(TARGET), -1);
    assert_int_equal(sim_drops(1, DROP_NEIGHBOUR), 1);
    host_fail_after(HOST_NEVER);
    send_to(TARGET);
    host_fail_after(0);
    reply(TARGET, target_mac);
    assert_int_equal(state_of(TARGET), NEIGH_INCOMPLETE);
    host_fail_after(HOST_NEVER);
    reply(TARGET, target_mac);
    assert_int_equal(state_of(TARGET), NEIGH_REACHABLE);
    assert_int_equal(sim_sent(0), 2);
}

static int no_entries(void **state)
{
    int result = sim_check_pool(state);
    sim_run();
    if (count_in(NEIGH_STATIC) != 1) // the gateway of net_sim
        print_error("static entries are left\n");
    return result;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sim_fresh, no_entries)
    const struct CMUnitTest tests[] = {
        TEST(test_resolution),
        TEST(test_failure),
        TEST(test_queue_limit),
        TEST(test_ageing),
        TEST(test_probe_fails),
        TEST(test_probe_finds_new_mac),
        TEST(test_probe_of_gateway),
        TEST(test_probe_of_many),
        TEST(test_mac_change),
        TEST(test_scan),
        TEST(test_queues_in_total),
        TEST(test_queues_of_ports),
        TEST(test_link_flood),
        TEST(test_static),
        TEST(test_static_before_subnet),
        TEST(test_static_resolves_queue),
        TEST(test_gateway),
        TEST(test_link_down_ages),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, sim_start, NULL);
}
