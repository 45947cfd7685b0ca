// SPDX-License-Identifier: BSD-2-Clause
//
// ARP: who is answered, who is believed, and what malformed messages do (nothing).
//
// unit-sources: net/arp.c net/checksum.c net/counters.c net/egress.c net/fastpath.c
// unit-sources: net/icmp.c net/interface.c net/ip4.c net/ip4_fragment.c net/ip4_options.c
// unit-sources: net/neigh.c net/net.c net/nexthop.c net/packet.c net/ping.c net/pool.c net/port.c
// unit-sources: net/route4.c net/fib4.c net/fib4_chunk.c net/fib4_pool.c net/rib4.c
// unit-sources: core/time/timer.c core/lib/rbtree.c core/lib/fmt.c tests/unit/net_sim.c
// unit-ldflags: -Wl,--wrap=packet_alloc_bulk -Wl,--wrap=packet_free_bulk

#include "net_sim.h"

#define ARP_REQUEST 1
#define ARP_REPLY 2

static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x99};

static void receive_arp(unsigned operation, const uint8_t *mac, uint32_t sender, uint32_t target,
                        const uint8_t *frame_dst)
{
    struct sim_frame frame;
    sim_arp(&frame, operation, mac, sender, target, frame_dst);
    sim_receive(0, frame.bytes, frame.len);
    sim_run();
}

struct search {
    uint32_t addr;
    struct neigh_info info;
};

static int match(const struct neigh_info *info, void *arg)
{
    struct search *search = arg;
    if (info->addr != search->addr)
        return 0;
    search->info = *info;
    return 1;
}

static bool known(uint32_t addr, struct neigh_info *info)
{
    struct search search = {.addr = addr};
    bool found = neigh_walk(match, &search);
    if (info)
        *info = search.info;
    return found;
}

static void test_answer(void **state)
{
    struct neigh_info info;
    (void)state;
    receive_arp(ARP_REQUEST, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_broadcast);
    assert_int_equal(sim_sent(0), 1);
    const struct sim_frame *frame = sim_frame(0, 0);
    const uint8_t *arp = frame->bytes + 14;
    assert_int_equal(frame->len, 42);
    assert_memory_equal(frame->bytes, sim_host_mac, 6);
    assert_memory_equal(frame->bytes + 6, sim_ports[0].mac, 6);
    static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 2};
    assert_memory_equal(arp, head, 8);
    assert_memory_equal(arp + 8, sim_ports[0].mac, 6);
    assert_int_equal(be32_get((be32_t){load32(arp + 14)}), ETH0_ADDR);
    assert_memory_equal(arp + 18, sim_host_mac, 6);
    assert_int_equal(be32_get((be32_t){load32(arp + 24)}), HOST0_ADDR);
    assert_true(known(HOST0_ADDR, &info));
    assert_int_equal(info.state, NEIGH_STALE);
    assert_memory_equal(info.mac, sim_host_mac, 6);
    assert_ptr_equal(info.port, &sim_ports[0]);
}

static void test_no_answer(void **state)
{
    (void)state;
    // Not for us; for an address of ours on another port; from outside of the subnet; from its
    // network and broadcast address.
    receive_arp(ARP_REQUEST, sim_host_mac, HOST0_ADDR, IP(192, 0, 2, 33), sim_broadcast);
    receive_arp(ARP_REQUEST, sim_host_mac, HOST0_ADDR, ETH1_ADDR, sim_broadcast);
    receive_arp(ARP_REQUEST, sim_host_mac, IP(10, 0, 0, 1), ETH0_ADDR, sim_broadcast);
    receive_arp(ARP_REQUEST, sim_host_mac, IP(192, 0, 2, 255), ETH0_ADDR, sim_broadcast);
    receive_arp(ARP_REQUEST, sim_host_mac, IP(192, 0, 2, 0), ETH0_ADDR, sim_broadcast);
    sim_expect_silence();
    assert_false(known(HOST0_ADDR, NULL));
    assert_false(known(IP(10, 0, 0, 1), NULL));
    assert_int_equal(sim_drops(0, DROP_ARP), 3);
}

static void test_probe(void **state)
{
    (void)state;
    receive_arp(ARP_REQUEST, sim_host_mac, 0, ETH0_ADDR, sim_broadcast); // RFC 5227
    assert_int_equal(sim_sent(0), 1);
    receive_arp(ARP_REQUEST, sim_host_mac, 0, IP(192, 0, 2, 33), sim_broadcast);
    assert_int_equal(sim_sent(0), 1);
    assert_false(known(0, NULL));
}

static void test_gratuitous(void **state)
{
    struct neigh_info info;
    (void)state;
    // Not learned, in or out of the subnet, as request or reply...
    for (unsigned operation = 1; operation <= 2; operation++) {
        receive_arp(operation, sim_host_mac, HOST0_ADDR, HOST0_ADDR, sim_broadcast);
        receive_arp(operation, sim_host_mac, IP(10, 0, 0, 1), IP(10, 0, 0, 1), sim_broadcast);
    }
    assert_false(known(HOST0_ADDR, NULL));
    assert_false(known(IP(10, 0, 0, 1), NULL));
    sim_expect_silence();
    // ... but an entry that exists follows (a standby takes over an address).
    receive_arp(ARP_REQUEST, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_broadcast);
    receive_arp(ARP_REQUEST, other_mac, HOST0_ADDR, HOST0_ADDR, sim_broadcast);
    assert_true(known(HOST0_ADDR, &info));
    assert_memory_equal(info.mac, other_mac, 6);
    assert_int_equal(info.state, NEIGH_STALE);
}

static void test_unasked_reply(void **state)
{
    (void)state;
    receive_arp(ARP_REPLY, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_ports[0].mac);
    assert_false(known(HOST0_ADDR, NULL));
    sim_expect_silence();
}

static void test_conflict(void **state)
{
    (void)state;
    receive_arp(ARP_REQUEST, other_mac, ETH0_ADDR, ETH0_ADDR, sim_broadcast);
    receive_arp(ARP_REPLY, other_mac, ETH0_ADDR, ETH0_ADDR, sim_ports[0].mac);
    assert_false(known(ETH0_ADDR, NULL));
    assert_int_equal(sim_drops(0, DROP_ARP), 2);
    sim_expect_silence();
}

static void test_static_stays(void **state)
{
    struct neigh_info info;
    struct sim_frame frame;
    (void)state;
    sim_arp(&frame, ARP_REQUEST, other_mac, GATEWAY_ADDR, ETH1_ADDR, sim_broadcast);
    sim_receive(1, frame.bytes, frame.len);
    sim_run();
    assert_true(known(GATEWAY_ADDR, &info));
    assert_int_equal(info.state, NEIGH_STATIC);
    assert_memory_equal(info.mac, sim_gateway_mac, 6);
    assert_int_equal(sim_sent(1), 1); // answered all the same
}

static void test_wrong_port(void **state)
{
    struct sim_frame frame;
    (void)state;
    sim_arp(&frame, ARP_REQUEST, other_mac, HOST0_ADDR, ETH1_ADDR, sim_broadcast);
    sim_receive(1, frame.bytes, frame.len);
    sim_run();
    assert_false(known(HOST0_ADDR, NULL));
    sim_expect_silence();
}

static void test_malformed(void **state)
{
    static const struct {
        unsigned at;
        uint8_t value;
    } bad[] = {{15, 2}, {16, 9}, {18, 8}, {19, 16}, {21, 3}, {21, 0}, {20, 1}, {22, 3}};
    struct sim_frame frame;
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        sim_arp(&frame, ARP_REQUEST, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_broadcast);
        frame.bytes[bad[i].at] = bad[i].value;
        sim_receive(0, frame.bytes, frame.len);
        sim_run();
        assert_int_equal(sim_drops(0, DROP_ARP), i + 1);
    }
    for (unsigned len = 14; len < 42; len++) {
        sim_arp(&frame, ARP_REQUEST, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_broadcast);
        sim_receive(0, frame.bytes, len);
        sim_run();
    }
    assert_int_equal(sim_drops(0, DROP_ARP), ARRAY_SIZE(bad) + 28);
    sim_expect_silence();
    assert_false(known(HOST0_ADDR, NULL));
}

static void test_announce(void **state)
{
    (void)state;
    assert_int_equal(ip4_address_add(&sim_ports[0], IP(10, 20, 0, 1), 16), 0);
    unsigned sent = sim_sent(0);
    assert_int_equal(sent, 2); // both addresses of the port
    const uint8_t *arp = sim_frame(0, 1)->bytes + 14;
    assert_int_equal(be32_get((be32_t){load32(arp + 14)}), IP(10, 20, 0, 1));
    assert_int_equal(be32_get((be32_t){load32(arp + 24)}), IP(10, 20, 0, 1));
    assert_memory_equal(sim_frame(0, 1)->bytes, sim_broadcast, 6);
    assert_int_equal(ip4_address_del(&sim_ports[0], IP(10, 20, 0, 1), 16), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sim_fresh, sim_check_pool)
    const struct CMUnitTest tests[] = {
        TEST(test_answer),       TEST(test_no_answer),     TEST(test_probe),
        TEST(test_gratuitous),   TEST(test_unasked_reply), TEST(test_conflict),
        TEST(test_static_stays), TEST(test_wrong_port),    TEST(test_malformed),
        TEST(test_announce),
    };
    return cmocka_run_group_tests(tests, sim_start, NULL);
}
