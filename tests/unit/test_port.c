// SPDX-License-Identifier: BSD-2-Clause
//
// Ports: registry, start and stop, recovery of a device that lies with its back-off, the poll and
// arm protocol, and the packet pool.
//
// unit-sources: net/arp.c net/checksum.c net/counters.c net/egress.c net/fastpath.c
// unit-sources: net/icmp.c net/interface.c net/ip4.c net/ip4_fragment.c net/ip4_options.c
// unit-sources: net/neigh.c net/net.c net/nexthop.c net/packet.c net/ping.c net/pool.c net/port.c
// unit-sources: net/route4.c net/fib4.c net/fib4_chunk.c net/fib4_pool.c net/rib4.c
// unit-sources: core/time/timer.c core/lib/rbtree.c core/lib/fmt.c tests/unit/net_sim.c
// unit-ldflags: -Wl,--wrap=packet_alloc_bulk -Wl,--wrap=packet_free_bulk

#include "net_sim.h"

#include "core/time/clock.h"
#include "net/egress.h"

static struct port *const eth0 = &sim_ports[0];

static void test_registry(void **state)
{
    (void)state;
    assert_int_equal(port_count(), SIM_PORTS);
    assert_ptr_equal(port_get(2), &sim_ports[2]);
    assert_null(port_get(SIM_PORTS));
    assert_ptr_equal(port_by_name("eth1"), &sim_ports[1]);
    assert_null(port_by_name("eth9"));
    assert_null(port_by_name(""));
    for (int why = 0; why < DROP_REASONS; why++)
        assert_string_not_equal(drop_reason_name((enum drop_reason)why), "unknown");
    assert_string_equal(drop_reason_name(DROP_REASONS), "unknown");
}

static void test_reset(void **state)
{
    struct sim_packet p;
    (void)state;
    uint64_t resets = eth0->counters.resets;
    sim_starts = sim_stops = 0;
    sim_udp(&p, FAR_ADDR, 18);
    port_need_reset(eth0, "test");
    port_need_reset(eth0, "test"); // once is enough
    sim_deliver(0, &p);            // not polled while it waits
    assert_int_equal(sim_sent(1), 0);
    sim_port_thread();
    assert_int_equal(sim_starts, 1);
    assert_int_equal(sim_stops, 1);
    assert_int_equal(eth0->counters.resets, resets + 1);
    sim_run();
    assert_int_equal(sim_sent(1), 1); // traffic goes on
    sim_pass(60 * NSEC_PER_SEC);
}

// A device that lies at each start is tried less and less often.
static void test_back_off(void **state)
{
    (void)state;
    sim_starts = 0;
    for (unsigned i = 0; i < 10000; i++) {
        port_need_reset(eth0, "test");
        sim_port_thread();
        sim_pass(NSEC_PER_MSEC);
    }
    assert_true(sim_starts >= 5 && sim_starts <= 11); // 10 s: 10 ms, 20 ms, 40 ms, ...
    sim_pass(60 * NSEC_PER_SEC);
    sim_starts = 0;
    port_need_reset(eth0, "test"); // calm for a while: at once again
    sim_port_thread();
    assert_int_equal(sim_starts, 1);
    assert_false(eth0->reset_wanted);
    sim_pass(60 * NSEC_PER_SEC);
}

static void test_start_fails_after_reset(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_start_result = -EIO;
    sim_starts = 0;
    port_need_reset(eth0, "test");
    for (unsigned i = 0; i < 100; i++) {
        sim_port_thread();
        sim_pass(10 * NSEC_PER_MSEC);
    }
    assert_true(sim_starts >= 4 && sim_starts <= 8);
    assert_false(eth0->started);
    sim_start_result = 0;
    sim_pass(20 * NSEC_PER_SEC);
    sim_port_thread();
    assert_true(eth0->started);
    sim_udp(&p, FAR_ADDR, 18);
    sim_deliver(0, &p);
    assert_true(sim_sent(1) >= 1);
    sim_pass(60 * NSEC_PER_SEC);
}

static void test_stop(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, FAR_ADDR, 18);
    port_stop(&sim_ports[1]);
    sim_deliver(0, &p);
    assert_int_equal(sim_sent(1), 0);
    assert_int_equal(sim_drops(1, DROP_TX_LINK), 1);
    sim_starts = 0;
    port_need_reset(&sim_ports[1], "test"); // a stopped port is not recovered
    sim_port_thread();
    assert_int_equal(sim_starts, 0);
    assert_int_equal(port_start(&sim_ports[1]), 0);
    assert_int_equal(port_start(&sim_ports[1]), 0); // already
    assert_int_equal(sim_starts, 1);
    sim_run();
    sim_port_thread();
    sim_clear();
    sim_deliver(0, &p);
    assert_int_equal(sim_sent(1), 1);
}

static void test_poll_and_arm(void **state)
{
    struct sim_packet p;
    (void)state;
    assert_false(eth0->rx_pending); // armed
    sim_udp(&p, FAR_ADDR, 18);
    for (unsigned i = 0; i < 130; i++)
        sim_receive(0, p.frame.bytes, p.frame.len);
    assert_true(eth0->rx_pending);
    assert_int_equal(fastpath_poll(), 64); // one burst a port and turn
    assert_int_equal(fastpath_poll(), 64);
    assert_true(eth0->rx_pending);
    assert_int_equal(fastpath_poll(), 2);
    assert_false(eth0->rx_pending); // drained: armed
    assert_int_equal(fastpath_poll(), 0);
    sim_run();
    assert_int_equal(sim_sent(1), 130);
}

static void test_mtu_follows_start(void **state)
{
    struct sim_packet p;
    (void)state;
    port_stop(&sim_ports[1]);
    sim_ports[1].mtu = 500;
    assert_int_equal(port_start(&sim_ports[1]), 0);
    sim_run();
    sim_port_thread();
    sim_clear();
    sim_udp(&p, FAR_ADDR, 900);
    sim_deliver(0, &p);
    assert_int_equal(sim_sent(1), 2);
    port_stop(&sim_ports[1]);
    sim_ports[1].mtu = 1500;
    assert_int_equal(port_start(&sim_ports[1]), 0);
    sim_run();
    sim_port_thread();
    sim_clear();
    sim_deliver(0, &p);
    assert_int_equal(sim_sent(1), 1);
}

static void test_pool(void **state)
{
    struct packet_pool_stats before, after;
    struct packet *all[8192];
    (void)state;
    packet_pool_get_stats(&before);
    assert_int_equal(before.available, before.total);
    unsigned got = packet_alloc_bulk(all, ARRAY_SIZE(all));
    assert_int_equal(got, before.total);
    assert_int_equal(packet_alloc_bulk(all + got, 1), 0);
    assert_null(packet_alloc());
    packet_pool_get_stats(&after);
    assert_int_equal(after.available, 0);
    assert_int_equal(after.exhausted, before.exhausted + 3);
    for (unsigned i = 0; i < got; i++) {
        memset(packet_buffer(all[i]), (int)i, PACKET_BUFFER_BYTES);
        assert_int_equal((uintptr_t)all[i] % CACHE_LINE, 0);
        assert_non_null(all[i]->pool);
        packet_reset(all[i]);
        assert_ptr_equal(all[i]->data, packet_buffer(all[i]) + PACKET_HEADROOM);
    }
    for (unsigned i = 0; i < got; i++) // no two share a byte
        assert_int_equal(packet_buffer(all[i])[PACKET_BUFFER_BYTES - 1], (uint8_t)i);
    packet_free_bulk(all, got);
}

// No packet left anywhere: what needs one of its own is given up, counted, and nothing leaks.
static void test_out_of_packets(void **state)
{
    struct packet *all[8192];
    struct sim_packet p;
    (void)state;
    unsigned got = packet_alloc_bulk(all, ARRAY_SIZE(all));
    packet_free_bulk(&all[--got], 1); // one, for the frame itself
    sim_udp(&p, IP(10, 0, 0, 1), 40); // an error about it
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(0, DROP_NO_BUFFER), 1);
    sim_udp(&p, IP(203, 0, 113, 9), 1200); // fragments of it
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(0, DROP_FRAGMENT), 1);
    sim_udp(&p, IP(203, 0, 113, 9), 40); // a request for its neighbour
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(2, DROP_NO_BUFFER), 1);
    sim_expect_silence();
    packet_free_bulk(all, got);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sim_fresh, sim_check_pool)
    const struct CMUnitTest tests[] = {
        TEST(test_registry),
        TEST(test_reset),
        TEST(test_back_off),
        TEST(test_start_fails_after_reset),
        TEST(test_stop),
        TEST(test_poll_and_arm),
        TEST(test_mtu_follows_start),
        TEST(test_pool),
        TEST(test_out_of_packets),
    };
    return cmocka_run_group_tests(tests, sim_start, NULL);
}
