// SPDX-License-Identifier: BSD-2-Clause
//
// Addresses and routes: which are accepted, what they make of the FIB, routes that wait for their
// gateway, prefixes that several sources want, lack of memory, and a random sequence against a
// model that computes every answer from the configuration.
//
// unit-sources: net/arp.c net/checksum.c net/counters.c net/egress.c net/fastpath.c
// unit-sources: net/icmp.c net/interface.c net/ip4.c net/ip4_fragment.c net/ip4_options.c
// unit-sources: net/neigh.c net/net.c net/nexthop.c net/packet.c net/ping.c net/pool.c net/port.c
// unit-sources: net/route4.c net/fib4.c net/fib4_chunk.c net/fib4_pool.c net/rib4.c
// unit-sources: core/time/timer.c core/lib/rbtree.c core/lib/fmt.c tests/unit/net_sim.c
// unit-ldflags: -Wl,--wrap=packet_alloc_bulk -Wl,--wrap=packet_free_bulk -Wl,--wrap=kfree

#include "net_sim.h"

#include <stdio.h>

#include "host.h"
#include "net/neigh_table.h"

static struct port *const eth0 = &sim_ports[0], *const eth1 = &sim_ports[1],
                          *const eth3 = &sim_ports[3];

static unsigned kind_of(uint32_t dst) { return adjacency_get(fib4_lookup(&ip4_fib, dst))->kind; }

struct listing {
    char text[4096];
    size_t len;
};

static int list_route(const struct route4 *route, void *arg)
{
    static const char kinds[] = "CLSBR";
    struct listing *listing = arg;
    listing->len += (size_t)snprintf(
        listing->text + listing->len, sizeof(listing->text) - listing->len,
        "%c%s %08x/%u %08x %s\n", kinds[route->kind], route->active ? "" : "-", route->prefix,
        route->len, route->gateway, route->port ? route->port->name : "none");
    return 0;
}

static void expect_routes(const char *expected)
{
    struct listing listing = {.len = 0};
    assert_int_equal(route4_walk(list_route, &listing), 0);
    assert_string_equal(listing.text, expected);
}

#define BASE_1 "C c0000200/24 00000000 eth0\nL c0000201/32 00000000 eth0\n"
#define BASE_2 "S c6120000/15 c6336402 eth1\n"
#define BASE_3 "C c6336400/24 00000000 eth1\nL c6336401/32 00000000 eth1\n"
#define BASE_4 "C cb007100/24 00000000 eth2\nL cb007101/32 00000000 eth2\n"
#define BASE BASE_1 BASE_2 BASE_3 BASE_4

static void test_base(void **state)
{
    (void)state;
    expect_routes(BASE);
    assert_int_equal(kind_of(ETH0_ADDR), ADJ_LOCAL);
    assert_int_equal(kind_of(HOST0_ADDR), ADJ_GLEAN);
    assert_int_equal(kind_of(IP(192, 0, 2, 0)), ADJ_BROADCAST);
    assert_int_equal(kind_of(IP(192, 0, 2, 255)), ADJ_BROADCAST);
    assert_int_equal(kind_of(FAR_ADDR), ADJ_REWRITE);
    assert_int_equal(kind_of(IP(10, 0, 0, 1)), ADJ_NONE);
    assert_true(ip4_is_local(ETH1_ADDR));
    assert_false(ip4_is_local(HOST0_ADDR));
    assert_int_equal(ip4_source_for(eth0, HOST0_ADDR), ETH0_ADDR);
    assert_int_equal(ip4_source_for(eth0, IP(10, 0, 0, 1)), ETH0_ADDR);
    assert_int_equal(ip4_source_for(eth3, HOST0_ADDR), 0);
}

static void test_bad_addresses(void **state)
{
    static const struct {
        uint32_t addr;
        unsigned len;
        int err;
    } bad[] = {
        {IP(0, 1, 2, 3), 8, -EINVAL},
        {IP(127, 0, 0, 1), 8, -EINVAL},
        {IP(224, 0, 0, 1), 24, -EINVAL},
        {IP(240, 0, 0, 1), 24, -EINVAL},
        {0xffffffff, 32, -EINVAL},
        {IP(10, 0, 0, 0), 24, -EINVAL},
        {IP(10, 0, 0, 255), 24, -EINVAL},
        {IP(10, 0, 0, 1), 0, -EINVAL},
        {IP(10, 0, 0, 1), 33, -EINVAL},
        {ETH0_ADDR, 24, -EEXIST},
        {ETH0_ADDR, 32, -EEXIST},
        {IP(192, 0, 2, 9), 32, -EADDRINUSE},
        {IP(192, 0, 0, 9), 16, -EADDRINUSE},
        {IP(192, 0, 2, 130), 25, -EADDRINUSE},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(ip4_address_add(eth3, bad[i].addr, bad[i].len), bad[i].err);
    assert_int_equal(ip4_address_del(eth3, ETH0_ADDR, 24), -ENOENT);
    assert_int_equal(ip4_address_del(eth0, ETH0_ADDR, 25), -ENOENT);
    expect_routes(BASE);
}

static void test_second_address(void **state)
{
    struct ip4_address list[4];
    (void)state;
    // The same subnet again: the connected route stays until the last one goes.
    assert_int_equal(ip4_address_add(eth0, IP(192, 0, 2, 7), 24), 0);
    assert_int_equal(ip4_address_list(eth0, list, 4), 2);
    assert_int_equal(list[1].addr, IP(192, 0, 2, 7));
    assert_int_equal(ip4_address_list(eth0, list, 1), 1);
    assert_int_equal(kind_of(IP(192, 0, 2, 7)), ADJ_LOCAL);
    assert_int_equal(ip4_address_del(eth0, ETH0_ADDR, 24), 0);
    assert_int_equal(kind_of(HOST0_ADDR), ADJ_GLEAN);
    assert_int_equal(kind_of(ETH0_ADDR), ADJ_GLEAN);
    assert_int_equal(kind_of(IP(192, 0, 2, 255)), ADJ_BROADCAST);
    assert_int_equal(ip4_address_add(eth0, ETH0_ADDR, 24), 0);
    assert_int_equal(ip4_address_del(eth0, IP(192, 0, 2, 7), 24), 0);
    expect_routes(BASE);
}

static void test_short_subnets(void **state)
{
    (void)state;
    assert_int_equal(ip4_address_add(eth3, IP(10, 0, 0, 0), 31), 0); // RFC 3021
    assert_int_equal(kind_of(IP(10, 0, 0, 1)), ADJ_GLEAN);
    assert_int_equal(ip4_address_add(eth3, IP(10, 0, 1, 1), 32), 0);
    assert_int_equal(kind_of(IP(10, 0, 1, 1)), ADJ_LOCAL);
    assert_int_equal(kind_of(IP(10, 0, 1, 2)), ADJ_NONE);
    assert_int_equal(ip4_address_del(eth3, IP(10, 0, 0, 0), 31), 0);
    assert_int_equal(ip4_address_del(eth3, IP(10, 0, 1, 1), 32), 0);
    expect_routes(BASE);
    assert_int_equal(eth3->mac_word, PORT_NO_IP4);
}

static void test_bad_routes(void **state)
{
    (void)state;
    assert_int_equal(route4_add(IP(10, 0, 0, 1), 8, ROUTE_STATIC, GATEWAY_ADDR), -EINVAL);
    assert_int_equal(route4_add(0, 33, ROUTE_STATIC, GATEWAY_ADDR), -EINVAL);
    assert_int_equal(route4_add(0, 0, ROUTE_STATIC, 0), -EINVAL);
    assert_int_equal(route4_add(0, 0, ROUTE_STATIC, IP(224, 0, 0, 1)), -EINVAL);
    assert_int_equal(route4_add(0, 0, ROUTE_CONNECTED, 0), -EINVAL);
    assert_int_equal(route4_del(IP(10, 0, 0, 0), 8), -ENOENT);
    assert_int_equal(route4_del(IP(10, 0, 0, 1), 8), -ENOENT);
    assert_int_equal(route4_del(IP(192, 0, 2, 0), 24), -ENOENT); // connected
    assert_int_equal(route4_del(ETH0_ADDR, 32), -ENOENT);        // local
    expect_routes(BASE);
}

static void test_replace(void **state)
{
    struct route4 route;
    (void)state;
    assert_int_equal(route4_add(IP(10, 0, 0, 0), 8, ROUTE_STATIC, GATEWAY_ADDR), 0);
    assert_int_equal(route4_add(IP(10, 0, 0, 0), 8, ROUTE_STATIC, HOST0_ADDR), 0);
    assert_int_equal(route4_lookup(IP(10, 1, 1, 1), &route), 0);
    assert_int_equal(route.gateway, HOST0_ADDR);
    assert_ptr_equal(route.port, eth0);
    assert_int_equal(route4_add(IP(10, 0, 0, 0), 8, ROUTE_BLACKHOLE, 0), 0);
    assert_int_equal(kind_of(IP(10, 1, 1, 1)), ADJ_BLACKHOLE);
    assert_int_equal(route4_add(IP(10, 0, 0, 0), 8, ROUTE_STATIC, IP(172, 16, 0, 1)), 0);
    assert_int_equal(kind_of(IP(10, 1, 1, 1)), ADJ_NONE); // inactive now
    expect_routes("S- 0a000000/8 ac100001 none\n" BASE);
    assert_int_equal(route4_lookup(IP(10, 1, 1, 1), &route), -ENETUNREACH);
    assert_int_equal(route4_add(IP(10, 0, 0, 0), 8, ROUTE_REJECT, 0), 0);
    expect_routes("R 0a000000/8 00000000 none\n" BASE);
    assert_int_equal(route4_del(IP(10, 0, 0, 0), 8), 0);
    expect_routes(BASE);
}

static void test_gateway_comes_and_goes(void **state)
{
    (void)state;
    assert_int_equal(route4_add(0, 0, ROUTE_STATIC, IP(172, 16, 0, 9)), 0);
    assert_int_equal(route4_add(IP(10, 0, 0, 0), 8, ROUTE_STATIC, IP(172, 16, 0, 9)), 0);
    expect_routes("S- 00000000/0 ac100009 none\nS- 0a000000/8 ac100009 none\n" BASE);
    assert_int_equal(ip4_address_add(eth3, IP(172, 16, 0, 1), 24), 0);
    expect_routes("S 00000000/0 ac100009 eth3\nS 0a000000/8 ac100009 eth3\n"
                  "C ac100000/24 00000000 eth3\nL ac100001/32 00000000 eth3\n" BASE);
    assert_int_equal(kind_of(IP(8, 8, 8, 8)), ADJ_RESOLVE);
    assert_int_equal(ip4_address_del(eth3, IP(172, 16, 0, 1), 24), 0);
    expect_routes("S- 00000000/0 ac100009 none\nS- 0a000000/8 ac100009 none\n" BASE);
    assert_int_equal(kind_of(IP(8, 8, 8, 8)), ADJ_NONE);
    // Own and broadcast addresses are no gateways.
    assert_int_equal(ip4_address_add(eth3, IP(172, 16, 0, 9), 24), 0);
    assert_int_equal(kind_of(IP(8, 8, 8, 8)), ADJ_NONE);
    assert_int_equal(ip4_address_del(eth3, IP(172, 16, 0, 9), 24), 0);
    assert_int_equal(route4_del(0, 0), 0);
    assert_int_equal(route4_del(IP(10, 0, 0, 0), 8), 0);
    expect_routes(BASE);
}

// One prefix from two sources: the address's route wins while it is there.
static void test_preference(void **state)
{
    (void)state;
    assert_int_equal(route4_add(IP(172, 16, 0, 0), 24, ROUTE_STATIC, GATEWAY_ADDR), 0);
    assert_int_equal(route4_add(IP(172, 16, 0, 1), 32, ROUTE_BLACKHOLE, 0), 0);
    assert_int_equal(ip4_address_add(eth3, IP(172, 16, 0, 1), 24), 0);
    assert_int_equal(kind_of(IP(172, 16, 0, 5)), ADJ_GLEAN);
    assert_int_equal(kind_of(IP(172, 16, 0, 1)), ADJ_LOCAL);
    expect_routes("C ac100000/24 00000000 eth3\nS- ac100000/24 c6336402 none\n"
                  "L ac100001/32 00000000 eth3\nB- ac100001/32 00000000 none\n" BASE);
    assert_int_equal(route4_add(IP(172, 16, 0, 0), 24, ROUTE_REJECT, 0), 0); // while hidden
    assert_int_equal(ip4_address_del(eth3, IP(172, 16, 0, 1), 24), 0);
    assert_int_equal(kind_of(IP(172, 16, 0, 5)), ADJ_REJECT);
    assert_int_equal(kind_of(IP(172, 16, 0, 1)), ADJ_BLACKHOLE);
    assert_int_equal(route4_del(IP(172, 16, 0, 0), 24), 0);
    assert_int_equal(route4_del(IP(172, 16, 0, 1), 32), 0);
    expect_routes(BASE);
}

// Each allocation of a change fails in turn: -ENOMEM and nothing has changed, until it succeeds.
static void test_no_memory(void **state)
{
    (void)state;
    assert_int_equal(route4_add(IP(10, 0, 0, 0), 8, ROUTE_STATIC, IP(172, 16, 0, 9)), 0);
    assert_int_equal(route4_add(IP(172, 16, 0, 0), 24, ROUTE_BLACKHOLE, 0), 0);
    struct listing before = {.len = 0}, after;
    route4_walk(list_route, &before);
    int err = -ENOMEM;
    for (long n = 0; err; n++) {
        host_fail_after(n);
        err = ip4_address_add(eth3, IP(172, 16, 0, 1), 24);
        host_fail_after(HOST_NEVER);
        assert_true(!err || err == -ENOMEM);
        after = (struct listing){.len = 0};
        route4_walk(list_route, &after);
        assert_true(!err || strcmp(before.text, after.text) == 0);
    }
    route4_walk(list_route, &(struct listing){.len = 0});
    for (err = -ENOMEM; err;) {
        static long n;
        host_fail_after(n++);
        err = ip4_address_del(eth3, IP(172, 16, 0, 1), 24);
        host_fail_after(HOST_NEVER);
        assert_true(!err || err == -ENOMEM);
    }
    assert_int_equal(route4_del(IP(172, 16, 0, 0), 24), 0);
    assert_int_equal(route4_del(IP(10, 0, 0, 0), 8), 0);
    expect_routes(BASE);
}

// ---- a softirq in the middle of a change -----------------------------------------------------

void __real_kfree(const void *object);
void __wrap_kfree(const void *object);

static void (*on_kfree)(void); // a softirq that comes in as memory is freed the next time

void __wrap_kfree(const void *object)
{
    void (*softirq)(void) = on_kfree;
    if (softirq && !this_cpu(cpu_context).preempt_count) {
        on_kfree = NULL;
        softirq();
    }
    __real_kfree(object);
}

#define MOVING_GATEWAY IP(172, 16, 0, 9)
static unsigned moves;

static void gateway_moves(void)
{
    uint8_t mac[6] = {2, 0, 0, 9, (uint8_t)(++moves >> 8), (uint8_t)moves};
    neigh_heard(eth3, MOVING_GATEWAY, mac, false, false);
}

// The table of next hops grows while a gateway's MAC address changes: the new table has the new
// adjacency, not the one that is freed.
static void test_table_grows(void **state)
{
    (void)state;
    assert_int_equal(ip4_address_add(eth3, IP(172, 16, 0, 1), 16), 0);
    assert_int_equal(route4_add(IP(10, 255, 0, 0), 16, ROUTE_STATIC, MOVING_GATEWAY), 0);
    gateway_moves();
    struct adjacency **table = adjacency_table;
    unsigned grown = 0;
    for (unsigned i = 0; i < 200; i++) {
        on_kfree = gateway_moves;
        assert_int_equal(
            route4_add(IP(10, 0, 0, 0) + (i << 8), 24, ROUTE_STATIC, IP(172, 16, 1, 0) + i), 0);
        on_kfree = NULL;
        host_rcu_run();
        const struct adjacency *adj = adjacency_get(fib4_lookup(&ip4_fib, IP(10, 255, 0, 1)));
        assert_ptr_equal(adj, neigh_find(MOVING_GATEWAY)->adj);
        assert_int_equal(adj->kind, ADJ_REWRITE);
        grown += table != adjacency_table;
        table = adjacency_table;
    }
    assert_true(grown >= 2 && moves >= 2);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(route4_del(IP(10, 0, 0, 0) + (i << 8), 24), 0);
    assert_int_equal(route4_del(IP(10, 255, 0, 0), 16), 0);
    assert_int_equal(ip4_address_del(eth3, IP(172, 16, 0, 1), 16), 0);
    expect_routes(BASE);
}

// The filter of sources is as before when the same addresses come and go, whatever shares edges.
static void test_filter_counts(void **state)
{
    static const struct ip4_address list[] = {{IP(10, 0, 0, 1), 24},   {IP(10, 0, 0, 2), 24},
                                              {IP(10, 0, 0, 129), 25}, {IP(10, 0, 0, 66), 30},
                                              {IP(10, 0, 0, 255), 31}, {IP(10, 0, 0, 80), 32}};
    struct ip4_filter before = ip4_filter;
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
        assert_int_equal(ip4_address_add(eth3, list[i].addr, list[i].len), 0);
    assert_true(ip4_is_ours(IP(10, 0, 0, 255)) && ip4_is_local(IP(10, 0, 0, 255)));
    assert_true(ip4_is_ours(IP(10, 0, 0, 67)) && !ip4_is_local(IP(10, 0, 0, 67)));
    for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
        assert_int_equal(ip4_address_del(eth3, list[i].addr, list[i].len), 0);
    assert_memory_equal(&before, &ip4_filter, sizeof(before));
    assert_false(ip4_is_ours(IP(10, 0, 0, 67)));
}

static void test_many_gateways(void **state)
{
    (void)state;
    assert_int_equal(ip4_address_add(eth3, IP(172, 16, 0, 1), 16), 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(
            route4_add(IP(10, 0, 0, 0) + (i << 8), 24, ROUTE_STATIC, IP(172, 16, 1, 0) + i), 0);
    struct route4 route;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(route4_lookup(IP(10, 0, 0, 7) + (i << 8), &route), 0);
        assert_int_equal(route.gateway, IP(172, 16, 1, 0) + i);
        assert_int_equal(kind_of(IP(10, 0, 0, 7) + (i << 8)), ADJ_RESOLVE);
    }
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(route4_del(IP(10, 0, 0, 0) + (i << 8), 24), 0);
    assert_int_equal(ip4_address_del(eth3, IP(172, 16, 0, 1), 16), 0);
    expect_routes(BASE);
}

// ---- random changes against a model ----------------------------------------------------------

#define MODEL_ADDRESSES 6
#define MODEL_ROUTES 24

// Candidates that overlap in every way: nested subnets, equal prefixes, gateways that become
// local or broadcast addresses.
static const struct ip4_address candidates[MODEL_ADDRESSES] = {
    {IP(10, 0, 0, 1), 8},  {IP(10, 0, 0, 9), 24}, {IP(10, 0, 1, 255), 16},
    {IP(10, 0, 0, 2), 24}, {IP(10, 0, 2, 0), 31}, {IP(10, 0, 0, 255), 16},
};
static bool address_on[MODEL_ADDRESSES];
static struct {
    uint32_t prefix, gateway;
    unsigned len;
    enum route_kind kind;
    bool on;
} routes[MODEL_ROUTES];

static bool edge_of(uint32_t addr, const struct ip4_address *a)
{
    uint32_t mask = ip4_mask(a->len);
    return a->len < 31 && (addr == (a->addr & mask) || addr == (a->addr | ~mask));
}

static bool model_gateway_ok(uint32_t gateway)
{
    bool connected = gateway == GATEWAY_ADDR;
    for (unsigned i = 0; i < MODEL_ADDRESSES; i++) {
        if (!address_on[i])
            continue;
        if (gateway == candidates[i].addr || edge_of(gateway, &candidates[i]))
            return false;
        connected |= ip4_in_subnet(gateway, candidates[i].addr, candidates[i].len);
    }
    return connected;
}

// Kind and gateway that a destination in 10/8 must meet.
static unsigned model_lookup(uint32_t dst, uint32_t *gateway)
{
    unsigned best = ADJ_NONE;
    int best_len = -1;
    *gateway = 0;
    for (unsigned i = 0; i < MODEL_ROUTES; i++) {
        bool usable = routes[i].kind != ROUTE_STATIC || model_gateway_ok(routes[i].gateway);
        if (!routes[i].on || !usable || (int)routes[i].len <= best_len ||
            !ip4_in_subnet(dst, routes[i].prefix, routes[i].len))
            continue;
        best_len = (int)routes[i].len;
        best = routes[i].kind == ROUTE_BLACKHOLE ? ADJ_BLACKHOLE : ADJ_REWRITE;
        *gateway = routes[i].gateway;
    }
    for (unsigned i = 0; i < MODEL_ADDRESSES; i++) {
        const struct ip4_address *a = &candidates[i];
        if (address_on[i] && ip4_in_subnet(dst, a->addr, a->len) && (int)a->len >= best_len) {
            best_len = (int)a->len;
            best = ADJ_GLEAN;
        }
    }
    for (unsigned i = 0; i < MODEL_ADDRESSES; i++)
        if (address_on[i] && edge_of(dst, &candidates[i]))
            best = ADJ_BROADCAST;
    for (unsigned i = 0; i < MODEL_ADDRESSES; i++)
        if (address_on[i] && dst == candidates[i].addr)
            best = ADJ_LOCAL;
    return best;
}

static void compare(uint32_t dst)
{
    uint32_t gateway;
    unsigned expected = model_lookup(dst, &gateway);
    const struct adjacency *adj = adjacency_get(fib4_lookup(&ip4_fib, dst));
    unsigned kind = adj->kind == ADJ_RESOLVE ? (unsigned)ADJ_REWRITE : adj->kind;
    assert_int_equal(kind, expected);
    if (kind == ADJ_REWRITE) {
        struct route4 route;
        assert_int_equal(route4_lookup(dst, &route), 0);
        assert_int_equal(route.gateway, gateway);
        assert_ptr_equal(route.port, gateway == GATEWAY_ADDR ? eth1 : eth3);
    }
}

static void change_address(void)
{
    unsigned i = (unsigned)rand() % MODEL_ADDRESSES;
    int err = address_on[i] ? ip4_address_del(eth3, candidates[i].addr, candidates[i].len)
                            : ip4_address_add(eth3, candidates[i].addr, candidates[i].len);
    assert_int_equal(err, 0);
    address_on[i] = !address_on[i];
}

static void change_route(void)
{
    static const uint32_t gateways[] = {GATEWAY_ADDR,      IP(10, 0, 0, 1),  IP(10, 0, 0, 9),
                                        IP(10, 0, 1, 255), IP(10, 3, 0, 1),  IP(10, 0, 2, 1),
                                        IP(10, 0, 0, 77),  IP(10, 0, 0, 255)};
    static const uint8_t lens[] = {8, 16, 24, 24, 31, 32, 32, 9};
    unsigned i = (unsigned)rand() % MODEL_ROUTES;
    if (routes[i].on && rand() % 3) {
        assert_int_equal(route4_del(routes[i].prefix, routes[i].len), 0);
        routes[i].on = false;
        return;
    }
    if (!routes[i].on) { // each prefix belongs to one slot
        unsigned len = lens[i % 8];
        routes[i].len = len;
        routes[i].prefix = (IP(10, 0, i / 8, 0) | (len > 24 ? i % 8 : 0)) & ip4_mask(len);
        for (unsigned j = 0; j < MODEL_ROUTES; j++)
            if (routes[j].on && routes[j].prefix == routes[i].prefix && routes[j].len == len)
                return;
    }
    routes[i].kind = rand() % 4 ? ROUTE_STATIC : ROUTE_BLACKHOLE;
    routes[i].gateway = routes[i].kind == ROUTE_STATIC ? gateways[rand() % 8] : 0;
    assert_int_equal(route4_add(routes[i].prefix, routes[i].len, routes[i].kind, routes[i].gateway),
                     0);
    routes[i].on = true;
}

static void test_model(void **state)
{
    (void)state;
    srand(1);
    memset(address_on, 0, sizeof(address_on));
    memset(routes, 0, sizeof(routes));
    for (unsigned round = 0; round < 4000; round++) {
        if (rand() % 3)
            change_route();
        else
            change_address();
        for (unsigned i = 0; i < 60; i++)
            compare(IP(10, 0, rand() % 4, rand() % 4 ? rand() % 12 : 250 + rand() % 6));
        compare(IP(10, 200, 1, 1));
        compare(IP(10, 255, 255, 255));
        sim_clear();
        if (rand() % 5 == 0)
            sim_run();
    }
    for (unsigned i = 0; i < MODEL_ADDRESSES; i++)
        if (address_on[i])
            assert_int_equal(ip4_address_del(eth3, candidates[i].addr, candidates[i].len), 0);
    for (unsigned i = 0; i < MODEL_ROUTES; i++)
        if (routes[i].on)
            assert_int_equal(route4_del(routes[i].prefix, routes[i].len), 0);
    sim_run();
    expect_routes(BASE);
}

// The same sequence a second time leaves no more objects behind than the first, which has made
// the FIB's pools and the table of next hops grow.
static void test_no_leak(void **state)
{
    test_model(state);
    size_t objects = host_allocations();
    test_many_gateways(state);
    test_model(state);
    sim_run();
    assert_int_equal(host_allocations(), objects);
}

static int check(void **state)
{
    int err = sim_check_pool(state);
    sim_run();
    return err;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sim_fresh, check)
    const struct CMUnitTest tests[] = {
        TEST(test_base),
        TEST(test_bad_addresses),
        TEST(test_second_address),
        TEST(test_short_subnets),
        TEST(test_bad_routes),
        TEST(test_replace),
        TEST(test_gateway_comes_and_goes),
        TEST(test_preference),
        TEST(test_no_memory),
        TEST(test_table_grows),
        TEST(test_filter_counts),
        TEST(test_many_gateways),
        TEST(test_model),
        TEST(test_no_leak),
    };
    return cmocka_run_group_tests(tests, sim_start, NULL);
}
