// SPDX-License-Identifier: BSD-2-Clause
//
// ICMP: what we answer for ourselves, what errors look like, when there must be none (RFC 1812
// section 4.3), the rate limits, and ping as a client.
//
// unit-sources: net/arp.c net/checksum.c net/counters.c net/egress.c net/fastpath.c
// unit-sources: net/icmp.c net/interface.c net/ip4.c net/ip4_fragment.c net/ip4_options.c
// unit-sources: net/neigh.c net/net.c net/nexthop.c net/packet.c net/ping.c net/pool.c net/port.c
// unit-sources: net/route4.c net/fib4.c net/fib4_chunk.c net/fib4_pool.c net/rib4.c
// unit-sources: core/time/timer.c core/lib/rbtree.c core/lib/fmt.c tests/unit/net_sim.c
// unit-ldflags: -Wl,--wrap=packet_alloc_bulk -Wl,--wrap=packet_free_bulk

#include "net_sim.h"

#include "core/time/clock.h"
#include "net/checksum.h"
#include "net/ping.h"

static void resolve_host(void)
{
    struct sim_frame arp;
    sim_arp(&arp, 1, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_broadcast);
    sim_receive(0, arp.bytes, arp.len);
    sim_run();
    sim_clear();
    struct sim_packet p; // the first use asks again; the answer makes it reachable
    sim_echo(&p, ETH0_ADDR, 8);
    sim_deliver(0, &p);
    sim_arp(&arp, 2, sim_host_mac, HOST0_ADDR, ETH0_ADDR, sim_ports[0].mac);
    sim_receive(0, arp.bytes, arp.len);
    sim_run();
    sim_clear();
}

static int setup(void **state)
{
    sim_fresh(state);
    resolve_host();
    return 0;
}

// The reply to an echo, byte for byte.
static void expect_reply(const struct sim_packet *request)
{
    assert_int_equal(sim_sent(0), 1);
    const struct sim_frame *frame = sim_frame(0, 0);
    const struct ip4_header *ip = sim_ip(frame);
    size_t bytes = request->frame.len - (size_t)(request->l4 - request->frame.bytes);
    assert_true(sim_ip_valid(frame));
    assert_int_equal(be32_get(ip->src), be32_get(request->ip->dst));
    assert_int_equal(be32_get(ip->dst), be32_get(request->ip->src));
    assert_int_equal(ip->ttl, 64);
    assert_int_equal(ip->tos, request->ip->tos);
    assert_int_equal(frame->len, ETH_HEADER_BYTES + IP4_HEADER_BYTES + bytes);
    const uint8_t *icmp = (const uint8_t *)(ip + 1);
    assert_int_equal(icmp[0], ICMP_ECHO_REPLY);
    assert_true(csum_ok(icmp, bytes));
    assert_memory_equal(icmp + 4, request->l4 + 4, bytes - 4);
    assert_memory_equal(frame->bytes, sim_host_mac, 6);
    assert_memory_equal(frame->bytes + 6, sim_ports[0].mac, 6);
}

static void test_echo(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned payload = 0; payload <= 1472; payload += 23) {
        sim_clear();
        sim_echo(&p, payload % 2 ? ETH0_ADDR : ETH1_ADDR, payload); // any address of ours
        p.ip->tos = (uint8_t)payload;
        p.ip->ttl = (uint8_t)(payload % 3); // the TTL is no matter at the destination
        sim_ip_checksum(&p);
        sim_deliver(0, &p);
        expect_reply(&p);
    }
}

static void test_echo_with_options(void **state)
{
    static const uint8_t nops[40] = {[0 ... 39] = 1};
    struct sim_packet p;
    (void)state;
    sim_echo(&p, ETH0_ADDR, 100);
    sim_options(&p, nops, 40);
    sim_deliver(0, &p);
    expect_reply(&p);
}

static void test_echo_refused(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_echo(&p, ETH0_ADDR, 40);
    p.l4[10] ^= 1; // bad ICMP checksum
    sim_deliver(0, &p);
    sim_echo(&p, ETH0_ADDR, 40);
    p.ip->fragment = be16_make(IP4_MF);
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    sim_echo(&p, ETH0_ADDR, 40);
    p.ip->total_len = be16_make(27); // not even an ICMP header
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(0, DROP_LOCAL_PROTO), 3);
    sim_echo(&p, IP(192, 0, 2, 255), 40); // broadcast
    sim_deliver(0, &p);
    assert_int_equal(sim_drops(0, DROP_BROADCAST), 1);
    sim_expect_silence();
}

static void test_local_protocols(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, ETH1_ADDR, 40);
    sim_deliver(0, &p);
    sim_expect_error(0, &p, ETH0_ADDR, ICMP_UNREACHABLE, ICMP_PORT);
    static const uint8_t others[] = {IP4_TCP, 47, 89, 255};
    for (unsigned i = 0; i < sizeof(others); i++) {
        sim_clear();
        p.ip->protocol = others[i];
        sim_ip_checksum(&p);
        sim_deliver(0, &p);
        sim_expect_error(0, &p, ETH0_ADDR, ICMP_UNREACHABLE, ICMP_PROTOCOL);
    }
    assert_int_equal(sim_drops(0, DROP_LOCAL_PROTO), 5);
}

// RFC 1812 section 4.3.2.3: as much as fits 576 bytes.
static void test_quote_lengths(void **state)
{
    struct sim_packet p;
    (void)state;
    for (unsigned payload = 0; payload <= 1472; payload += 13) {
        sim_clear();
        sim_pass(NSEC_PER_SEC / 2);
        sim_udp(&p, IP(10, 0, 0, 1), payload);
        sim_deliver(0, &p);
        sim_expect_error(0, &p, ETH0_ADDR, ICMP_UNREACHABLE, ICMP_NET);
    }
}

// What quotes a packet with a partial checksum quotes it finished.
static void test_quote_of_partial(void **state)
{
    struct sim_packet p, whole;
    (void)state;
    sim_udp(&whole, IP(10, 0, 0, 1), 40);
    p = whole;
    uint64_t pseudo =
        csum_add(&whole.ip->src, 8, 0) + be16_make(IP4_UDP).raw + load16(whole.l4 + 4);
    store16(p.frame.bytes + 40, csum_fold(pseudo));
    sim_rx_partial = true;
    sim_deliver(0, &p);
    sim_expect_error(0, &whole, ETH0_ADDR, ICMP_UNREACHABLE, ICMP_NET);
}

// Time exceeded for an echo (RFC 1812 section 5.3.1), none for an error, whatever its code.
static void test_errors_about_icmp(void **state)
{
    static const struct {
        uint8_t type;
        bool answered;
    } types[] = {{0, true},   {3, false}, {4, false}, {5, false}, {8, true},   {11, false},
                 {12, false}, {13, true}, {14, true}, {17, true}, {30, false}, {255, false}};
    struct sim_packet p;
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        sim_clear();
        sim_echo(&p, FAR_ADDR, 40);
        p.l4[0] = types[i].type;
        p.ip->ttl = 1;
        sim_ip_checksum(&p);
        sim_deliver(0, &p);
        if (types[i].answered)
            sim_expect_error(0, &p, ETH0_ADDR, ICMP_TIME_EXCEEDED, 0);
        else
            sim_expect_silence();
        assert_int_equal(sim_drops(0, DROP_TTL), i + 1);
    }
    sim_clear();
    sim_echo(&p, FAR_ADDR, 0); // an ICMP packet without its type
    p.ip->total_len = be16_make(20);
    p.ip->ttl = 1;
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    sim_expect_silence();
}

static void test_no_errors(void **state)
{
    struct sim_packet p;
    (void)state;
    sim_udp(&p, IP(10, 0, 0, 1), 40); // a later fragment
    p.ip->fragment = be16_make(33);
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    sim_expect_silence();
    p.ip->fragment = be16_make(IP4_MF); // the first one: may be answered
    sim_ip_checksum(&p);
    sim_deliver(0, &p);
    sim_expect_error(0, &p, ETH0_ADDR, ICMP_UNREACHABLE, ICMP_NET);
    sim_clear();
    static const uint32_t sources[] = {IP(192, 0, 2, 255), IP(198, 51, 100, 255), IP(192, 0, 2, 0)};
    for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) { // broadcast addresses as source
        sim_udp(&p, IP(10, 0, 0, 1), 40);
        p.ip->src = be32_make(sources[i]);
        sim_ip_checksum(&p);
        sim_deliver(0, &p);
    }
    sim_expect_silence();
}

// RFC 1812 section 4.3.2.7: nor about a packet to a broadcast address, on either side, even if it
// would be malformed for everybody.
static void test_no_errors_about_broadcasts(void **state)
{
    static const uint32_t destinations[] = {IP(192, 0, 2, 255), IP(192, 0, 2, 0),
                                            IP(198, 51, 100, 255)};
    static const uint8_t options[4] = {7, 1, 4, 0};
    struct sim_packet p;
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(destinations); i++) {
        sim_udp(&p, destinations[i], 40);
        sim_options(&p, options, sizeof(options));
        sim_deliver(0, &p);
    }
    sim_expect_silence();
    sim_udp(&p, IP(198, 51, 100, 254), 40); // a host there may be answered
    sim_options(&p, options, sizeof(options));
    sim_deliver(0, &p);
    sim_expect_error(0, &p, ETH0_ADDR, ICMP_PARAMETER, 0);
}

static unsigned burst_of_errors(unsigned count)
{
    struct sim_packet p;
    unsigned answered = 0;
    for (unsigned i = 0; i < count; i++) {
        sim_clear();
        sim_udp(&p, IP(10, 0, 0, 1), 40);
        sim_deliver(0, &p);
        answered += sim_sent(0);
    }
    return answered;
}

static void test_rate_limit(void **state)
{
    (void)state;
    sim_pass(10 * NSEC_PER_SEC);
    assert_int_equal(burst_of_errors(1000), ICMP_BURST_PORT);
    assert_int_equal(sim_drops(0, DROP_ICMP_RATE), 1000 - ICMP_BURST_PORT);
    sim_pass(NSEC_PER_SEC / 10);
    assert_int_equal(burst_of_errors(1000), ICMP_RATE_PORT / 10);
    sim_pass(NSEC_PER_SEC);
    assert_int_equal(burst_of_errors(1000), ICMP_BURST_PORT); // saves up no more than the burst
}

// ---- ping ------------------------------------------------------------------------------------

static struct sim_packet answer;

// The far side: answers the echo request that came out of eth1.
static void answer_ping(void)
{
    if (!sim_sent(1))
        return;
    const struct sim_frame *frame = sim_frame(1, 0);
    const struct ip4_header *ip = sim_ip(frame);
    assert_true(sim_ip_valid(frame));
    assert_int_equal(be32_get(ip->src), ETH1_ADDR);
    answer.frame = *frame;
    memcpy(answer.frame.bytes, sim_ports[1].mac, 6);
    memcpy(answer.frame.bytes + 6, sim_gateway_mac, 6);
    answer.ip = sim_ip(&answer.frame);
    answer.ip->src = ip->dst;
    answer.ip->dst = ip->src;
    answer.ip->ttl = 61;
    answer.l4 = (uint8_t *)(answer.ip + 1);
    size_t bytes = be16_get(ip->total_len) - IP4_HEADER_BYTES;
    assert_true(csum_ok(answer.l4, bytes));
    answer.l4[0] = ICMP_ECHO_REPLY;
    store16(answer.l4 + 2, 0);
    store16(answer.l4 + 2, csum_finish(csum_add(answer.l4, bytes, 0)).raw);
    sim_ip_checksum(&answer);
    sim_pass(5 * NSEC_PER_MSEC);
    sim_deliver(1, &answer);
}

static void test_ping(void **state)
{
    struct ping_result result;
    (void)state;
    sim_on_sleep = answer_ping;
    for (unsigned bytes = 0; bytes <= 1400; bytes += 100) {
        sim_clear();
        assert_int_equal(ping4(FAR_ADDR, 7, bytes, NSEC_PER_SEC, &result), 0);
        assert_int_equal(result.from, FAR_ADDR);
        assert_int_equal(result.ttl, 61);
        assert_int_equal(result.icmp_type, ICMP_ECHO_REPLY);
        assert_int_equal(result.rtt_ns, 5 * NSEC_PER_MSEC);
    }
    assert_int_equal(ping4(FAR_ADDR, 7, 1401, NSEC_PER_SEC, &result), -EINVAL);
}

static void answer_unreachable(void)
{
    struct sim_packet p;
    if (!sim_sent(1))
        return;
    const struct ip4_header *ip = sim_ip(sim_frame(1, 0));
    sim_echo(&p, ETH1_ADDR, 28);
    memcpy(p.frame.bytes, sim_ports[1].mac, 6);
    p.ip->src = be32_make(IP(198, 18, 0, 1));
    p.l4[0] = ICMP_UNREACHABLE;
    p.l4[1] = ICMP_HOST;
    memcpy(p.l4 + 8, ip, 28);
    store16(p.l4 + 2, 0);
    store16(p.l4 + 2, csum_finish(csum_add(p.l4, 36, 0)).raw);
    sim_ip_checksum(&p);
    sim_deliver(1, &p);
}

static void test_ping_error_answer(void **state)
{
    struct ping_result result;
    (void)state;
    sim_on_sleep = answer_unreachable;
    assert_int_equal(ping4(FAR_ADDR, 1, 56, NSEC_PER_SEC, &result), 0);
    assert_int_equal(result.icmp_type, ICMP_UNREACHABLE);
    assert_int_equal(result.icmp_code, ICMP_HOST);
    assert_int_equal(result.from, IP(198, 18, 0, 1));
}

static void test_ping_fails(void **state)
{
    struct ping_result result;
    (void)state;
    assert_int_equal(ping4(IP(10, 0, 0, 1), 1, 56, NSEC_PER_SEC, &result), -ENETUNREACH);
    assert_int_equal(ping4(IP(192, 0, 2, 255), 1, 56, NSEC_PER_SEC, &result), -ENETUNREACH);
    assert_int_equal(ping4(FAR_ADDR, 1, 56, NSEC_PER_SEC, &result), -ETIMEDOUT);
    sim_deliver(1, &answer);                                             // too late
    assert_int_equal(ping4(ETH1_ADDR, 3, 56, NSEC_PER_SEC, &result), 0); // ourselves
    assert_int_equal(result.from, ETH1_ADDR);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, sim_check_pool)
    const struct CMUnitTest tests[] = {
        TEST(test_echo),
        TEST(test_echo_with_options),
        TEST(test_echo_refused),
        TEST(test_local_protocols),
        TEST(test_quote_lengths),
        TEST(test_quote_of_partial),
        TEST(test_errors_about_icmp),
        TEST(test_no_errors),
        TEST(test_no_errors_about_broadcasts),
        TEST(test_rate_limit),
        TEST(test_ping),
        TEST(test_ping_error_answer),
        TEST(test_ping_fails),
    };
    return cmocka_run_group_tests(tests, sim_start, NULL);
}
