// SPDX-License-Identifier: BSD-2-Clause
//
// The IPv4 FIB against a brute-force model: edges, nesting, random changes over universes small
// enough that all forms of a chunk come and go, lack of memory, and readers across changes.
// The full-size table is in test_fib4_table.c.
//
// unit-sources: net/fib4.c net/fib4_chunk.c net/fib4_pool.c net/rib4.c
// unit-sources: tests/unit/fib4_table.c tests/unit/fib4_model.c
// unit-ldflags: -Wl,--wrap=fib4_aux

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/sync/rcu.h"
#include "fib4_model.h"
#include "fib4_table.h"
#include "host.h"
#include "net/fib4.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

struct fixture {
    struct fib4 fib;
    struct model *model;
    uint64_t random;
    size_t empty_allocations, empty_store; // right after fib4_init
};

static struct fixture fx;

static int setup(void **state)
{
    (void)state;
    fx.random = 1;
    fx.model = model_create(100000);
    host_fail_after(HOST_NEVER);
    size_t lookup_bytes, routes, before = host_allocations();
    int rc = fib4_init(&fx.fib);
    fib4_memory(&fx.fib, &lookup_bytes, &fx.empty_store, &routes);
    fx.empty_allocations = host_allocations() - before;
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    host_fail_after(HOST_NEVER);
    fib4_destroy(&fx.fib);
    host_rcu_run(); // a callback that outlives its table frees the last object
    model_destroy(fx.model);
    return host_allocations() == 0 ? 0 : -1;
}

static uint32_t random_below(uint32_t limit) { return fib4_table_random(&fx.random) % limit; }

static void add(uint32_t prefix, unsigned len, uint32_t nexthop)
{
    assert_int_equal(fib4_add(&fx.fib, prefix, len, nexthop), 0);
    model_set(fx.model, prefix, len, nexthop);
}

static void del(uint32_t prefix, unsigned len)
{
    int expected = model_get(fx.model, prefix, len) ? 0 : -ENOENT;
    assert_int_equal(fib4_del(&fx.fib, prefix, len), expected);
    model_set(fx.model, prefix, len, 0);
}

static void check(uint32_t dst)
{
    uint32_t expected = model_lookup(fx.model, dst), got = fib4_lookup(&fx.fib, dst);
    if (got != expected)
        fail_msg("%u.%u.%u.%u: got %u, expected %u", dst >> 24, dst >> 16 & 255, dst >> 8 & 255,
                 dst & 255, got, expected);
}

// The edges of a prefix, both sides of them, and the middle.
static void check_around(uint32_t prefix, unsigned len)
{
    uint32_t last = prefix | ~model_mask(len);
    check(prefix - 1);
    check(prefix);
    check(prefix + (last - prefix) / 2);
    check(last);
    check(last + 1);
}

static void check_block16(uint32_t prefix)
{
    for (uint32_t i = 0; i < 65536; i++)
        check((prefix & 0xffff0000) | i);
}

// ---- order and completeness of the walk

struct walked {
    uint64_t last;
    size_t count, stop_at;
};

static int walk_check(void *ctx, uint32_t prefix, unsigned len, uint32_t nexthop)
{
    struct walked *w = ctx;
    uint64_t key = ((uint64_t)prefix << 8 | len) + 1;
    assert_true(key > w->last);
    assert_int_equal(model_get(fx.model, prefix, len), nexthop);
    uint32_t got = 0;
    assert_int_equal(fib4_get(&fx.fib, prefix, len, &got), 0);
    assert_int_equal(got, nexthop);
    w->last = key;
    return ++w->count == w->stop_at ? 7 : 0;
}

static void check_walk(void)
{
    struct walked w = {0};
    size_t lookup_bytes, store_bytes, routes;
    assert_int_equal(fib4_walk(&fx.fib, walk_check, &w), 0);
    assert_int_equal(w.count, model_count(fx.model));
    fib4_memory(&fx.fib, &lookup_bytes, &store_bytes, &routes);
    assert_int_equal(routes, w.count);
}

// Without routes every slot comes back, so that each of the four kinds keeps one segment at most
// (and a fifth may wait for the last grace period); directories of the route store stay.
static void check_drained(void)
{
    size_t lookup_bytes, store_bytes, routes;
    for (unsigned i = 0; i < 4; i++) {
        host_rcu_run();
        add(IP(10, 1, 2, 0), 24, 1);
        del(IP(10, 1, 2, 0), 24);
    }
    fib4_memory(&fx.fib, &lookup_bytes, &store_bytes, &routes);
    size_t directories = (store_bytes - fx.empty_store) / (256 * sizeof(void *));
    assert_int_equal(routes, 0);
    assert_in_range(host_allocations(), 1, fx.empty_allocations + directories + 5);
}

static void test_empty(void **state)
{
    (void)state;
    uint32_t nexthop;
    check_around(0, 0);
    check_around(IP(10, 0, 0, 0), 8);
    assert_int_equal(fib4_del(&fx.fib, 0, 0), -ENOENT);
    assert_int_equal(fib4_del(&fx.fib, IP(10, 0, 0, 0), 24), -ENOENT);
    assert_int_equal(fib4_get(&fx.fib, IP(10, 0, 0, 0), 24, &nexthop), -ENOENT);
    check_walk();
}

static void test_invalid(void **state)
{
    (void)state;
    uint32_t nexthop;
    assert_int_equal(fib4_add(&fx.fib, 0, 33, 1), -EINVAL);
    assert_int_equal(fib4_add(&fx.fib, 0, UINT32_MAX, 1), -EINVAL);
    assert_int_equal(fib4_add(&fx.fib, 1, 0, 1), -EINVAL);
    assert_int_equal(fib4_add(&fx.fib, IP(10, 0, 0, 1), 31, 1), -EINVAL);
    assert_int_equal(fib4_add(&fx.fib, IP(10, 1, 0, 0), 15, 1), -EINVAL);
    assert_int_equal(fib4_add(&fx.fib, IP(10, 1, 0, 0), 16, 0), -EINVAL);
    assert_int_equal(fib4_add(&fx.fib, IP(10, 1, 0, 0), 16, FIB4_NEXTHOP_MAX + 1), -EINVAL);
    assert_int_equal(fib4_del(&fx.fib, 0, 33), -EINVAL);
    assert_int_equal(fib4_del(&fx.fib, IP(10, 0, 0, 1), 31), -EINVAL);
    assert_int_equal(fib4_get(&fx.fib, IP(10, 0, 0, 1), 31, &nexthop), -EINVAL);
    check_walk();
}

static void test_edges(void **state)
{
    (void)state;
    static const uint32_t hosts[] = {0,
                                     IP(0, 0, 0, 255),
                                     IP(0, 0, 255, 255),
                                     IP(10, 1, 0, 0),
                                     IP(10, 1, 1, 0),
                                     IP(10, 1, 1, 255),
                                     IP(10, 1, 255, 255),
                                     IP(10, 2, 0, 0),
                                     IP(127, 255, 255, 255),
                                     IP(128, 0, 0, 0),
                                     IP(255, 255, 255, 0),
                                     IP(255, 255, 255, 255)};
    add(0, 0, FIB4_NEXTHOP_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        add(hosts[i], 32, (uint32_t)i + 1);
        for (size_t j = 0; j < ARRAY_SIZE(hosts); j++)
            check_around(hosts[j], 32);
    }
    check_walk();
    del(0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        del(hosts[i], 32);
        for (size_t j = 0; j < ARRAY_SIZE(hosts); j++)
            check_around(hosts[j], 32);
    }
}

static void test_replace(void **state)
{
    (void)state;
    for (unsigned len = 0; len <= 32; len++) {
        uint32_t prefix = IP(203, 0, 113, 77) & model_mask(len);
        for (uint32_t nexthop = 1; nexthop <= 3; nexthop++) {
            add(prefix, len, nexthop);
            add(prefix, len, nexthop);
            check_around(prefix, len);
        }
    }
    check_walk();
}

// Every length of one address, removed in several orders.
static void test_nested(void **state)
{
    (void)state;
    static const uint32_t addresses[] = {0, UINT32_MAX, IP(192, 0, 2, 129), IP(10, 255, 255, 255)};
    for (unsigned round = 0; round < 16; round++) {
        uint32_t address = addresses[round % ARRAY_SIZE(addresses)];
        unsigned step = (unsigned[]){1, 32, 7, 10}[round / 4]; // each coprime to 33
        for (unsigned i = 0, len = 0; i <= 32; i++, len = (len + step) % 33)
            add(address & model_mask(len), len, len + 1);
        for (unsigned i = 0, len = round; i <= 32; i++, len = (len + step) % 33) {
            for (unsigned other = 0; other <= 32; other++)
                check_around(address & model_mask(other), other);
            del(address & model_mask(len), len);
        }
        check_walk();
    }
}

// ---- random changes

struct universe {
    const char *name;
    uint32_t base;
    unsigned min_len, max_len;
    uint32_t vary; // bits of the address that vary
    unsigned changes;
    unsigned keep; // about so many routes at a time
};

static const struct universe universes[] = {
    {"all lengths", IP(0, 0, 0, 0), 0, 32, IP(0xc0, 0x0f, 0x07, 0x83), 30000, 400},
    {"short ones", IP(0, 0, 0, 0), 0, 16, IP(0xff, 0xff, 0, 0), 2000, 300},
    {"one /16, few routes", IP(10, 7, 0, 0), 15, 32, IP(0, 1, 0xff, 0xff), 30000, 6},
    {"one /16, around the change of form", IP(10, 7, 0, 0), 16, 32, 0xffff, 30000, 14},
    {"one /16, dense", IP(10, 7, 0, 0), 17, 32, 0xffff, 20000, 300},
    {"one /24, few routes", IP(10, 7, 9, 0), 17, 32, 0x0100 | 0xff, 20000, 12},
    {"one /24, dense", IP(10, 7, 9, 0), 17, 32, 0xff, 20000, 80},
    {"top of the space", IP(255, 255, 254, 0), 0, 32, 0x1ff, 20000, 60},
};

static void random_prefix(const struct universe *u, uint32_t *prefix, unsigned *len)
{
    *len = u->min_len + random_below(u->max_len - u->min_len + 1);
    *prefix = (u->base | ((uint32_t)fib4_table_random(&fx.random) & u->vary)) & model_mask(*len);
}

static void random_change(const struct universe *u, uint32_t *prefix, unsigned *len)
{
    random_prefix(u, prefix, len);
    bool full = model_count(fx.model) > u->keep;
    if (random_below(100) < (full ? 35u : 60u))
        add(*prefix, *len, 1 + random_below(4)); // few next hops: equal neighbours matter
    else
        del(*prefix, *len);
}

static int collect_route(void *ctx, uint32_t prefix, unsigned len, uint32_t nexthop)
{
    uint64_t **next = ctx;
    (void)nexthop;
    *(*next)++ = (uint64_t)prefix << 8 | len;
    return 0;
}

// Withdraws routes in random order until `keep` are left.
static void thin_out(size_t keep)
{
    size_t count = model_count(fx.model);
    uint64_t *routes = calloc(count + 1, sizeof(*routes)), *next = routes;
    fib4_walk(&fx.fib, collect_route, &next);
    for (; count > keep; count--) {
        size_t i = random_below((uint32_t)count);
        uint64_t route = routes[i];
        routes[i] = routes[count - 1];
        del((uint32_t)(route >> 8), route & 0xff);
        check_around((uint32_t)(route >> 8), route & 0xff);
    }
    free(routes);
}

static void run_universe(const struct universe *u)
{
    for (unsigned i = 1; i <= u->changes; i++) {
        uint32_t prefix;
        unsigned len;
        random_change(u, &prefix, &len);
        check_around(prefix, len);
        check(u->base | ((uint32_t)fib4_table_random(&fx.random) & u->vary));
        if (random_below(8) == 0)
            host_rcu_run();
        if (model_count(fx.model) > 2 * u->keep)
            thin_out(i % 3 == 0 ? 0 : u->keep / 2);
        if (i % 4000 == 0) {
            check_walk();
            check_block16(u->base);
        }
    }
    thin_out(0);
    check_walk();
    check_drained();
}

static void test_random(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(universes); i++)
        run_universe(&universes[i]);
}

// All /24s of a /16, all /32s of two /24s, with a shorter route below and above.
static void test_full_blocks(void **state)
{
    (void)state;
    add(IP(172, 16, 0, 0), 12, 9);
    for (uint32_t i = 0; i < 256; i++)
        add(IP(172, 16, i, 0), 24, 1 + i % 2);
    for (uint32_t i = 0; i < 512; i++)
        add(IP(172, 16, 4, 0) + i, 32, 3 + i % 3);
    check_block16(IP(172, 16, 0, 0));
    add(IP(172, 16, 0, 0), 12, 10);
    add(IP(172, 16, 4, 0), 23, 11);
    for (uint32_t i = 0; i < 256; i++)
        del(IP(172, 16, i, 0), 24);
    check_block16(IP(172, 16, 0, 0));
    for (uint32_t i = 0; i < 512; i++)
        del(IP(172, 16, 4, 0) + (i ^ 0x55), 32);
    check_block16(IP(172, 16, 0, 0));
    check_walk();
}

static void test_walk_stops(void **state)
{
    (void)state;
    for (unsigned len = 0; len <= 32; len++)
        add(IP(192, 0, 2, 1) & model_mask(len), len, 1);
    for (size_t stop = 1; stop <= 33; stop++) {
        struct walked w = {.stop_at = stop};
        assert_int_equal(fib4_walk(&fx.fib, walk_check, &w), 7);
        assert_int_equal(w.count, stop);
    }
}

// ---- lack of memory

// Tries a change with 0, 1, 2... allocations succeeding; each failure must leave no trace.
static void add_with_failures(uint32_t prefix, unsigned len, uint32_t nexthop)
{
    int rc = -ENOMEM;
    for (long successes = 0; rc; successes++) {
        host_fail_after(successes);
        rc = fib4_add(&fx.fib, prefix, len, nexthop);
        host_fail_after(HOST_NEVER);
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_true(successes < 10);
        if (rc == 0)
            model_set(fx.model, prefix, len, nexthop);
        check_around(prefix, len);
        uint32_t got = 0;
        fib4_get(&fx.fib, prefix, len, &got);
        assert_int_equal(got, model_get(fx.model, prefix, len));
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(universes); n++) {
        const struct universe *u = &universes[n];
        for (unsigned i = 1; i <= 2000; i++) {
            uint32_t prefix;
            unsigned len;
            random_prefix(u, &prefix, &len);
            add_with_failures(prefix, len, 1 + random_below(4));
            random_prefix(u, &prefix, &len);
            host_fail_after(0); // a withdrawal needs no memory
            del(prefix, len);
            host_fail_after(HOST_NEVER);
            check_around(prefix, len);
            if (model_count(fx.model) > u->keep) {
                host_fail_after(0);
                thin_out(u->keep / 3);
                host_fail_after(HOST_NEVER);
            }
        }
        check_walk();
        check_block16(u->base);
        thin_out(0);
        check_drained();
    }
}

// A child table without its child must not stay behind.
static void test_no_memory_for_child(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 30; i++)
        add(IP(10, 1, 2 * i, 0), 24, 1);
    size_t before = host_allocations();
    for (unsigned i = 0; i < 8; i++) {
        host_fail_after(i == 0 ? 1 : 0); // the first time the table's segment, later nothing
        assert_int_equal(fib4_add(&fx.fib, IP(10, 1, 2, 3), 32, 2), -ENOMEM);
        host_fail_after(HOST_NEVER);
        check_around(IP(10, 1, 2, 3), 32);
        host_rcu_run();
    }
    add(IP(10, 1, 2, 3), 32, 2);
    check_around(IP(10, 1, 2, 3), 32);
    assert_int_equal(host_allocations(), before + 2); // one segment of tables, one of children
}

static void test_init_no_memory(void **state)
{
    (void)state;
    int rc = -ENOMEM;
    size_t before = host_allocations();
    struct fib4 fib;
    for (long successes = 0; rc; successes++) {
        assert_true(successes < 20);
        host_fail_after(successes);
        rc = fib4_init(&fib);
        host_fail_after(HOST_NEVER);
        assert_true(rc == 0 || host_allocations() == before);
    }
    fib4_destroy(&fib);
    assert_int_equal(host_allocations(), before);
}

// ---- readers and grace periods

// A reader that has loaded a root entry keeps a valid chunk until a grace period is over,
// whatever the writer does: it sees its state when it was replaced.
static void test_old_chunk_stays(void **state)
{
    (void)state;
    uint32_t dst = IP(10, 1, 2, 3);
    add(IP(10, 0, 0, 0), 8, 5);
    for (uint32_t routes = 1; routes <= 20; routes++) {
        for (uint32_t i = 0; i < routes; i++)
            add(IP(10, 1, 2 * i + 8, 0), 24, 6);
        add(IP(10, 1, 2, 0), 24, 1);
        uint32_t ref = atomic_load(&fx.fib.root[dst >> 16]);
        for (uint32_t i = 0; i <= 255; i++)
            add(IP(10, 1, 2, i), 32, 2);
        for (uint32_t i = 0; i <= 255; i++)
            del(IP(10, 1, 2, i), 32);
        for (uint32_t i = 0; i < routes; i++)
            del(IP(10, 1, 2 * i + 8, 0), 24);
        uint32_t now = atomic_load(&fx.fib.root[dst >> 16]);
        assert_int_not_equal(now, ref);
        assert_int_equal(fib4_lookup_chunk(&fx.fib, ref, dst), 1);
        assert_int_equal(fib4_lookup_chunk(&fx.fib, now, dst), 1);
        host_rcu_run();
    }
}

// A flapping route takes memory for one grace period, not more.
static void test_flap_is_bounded(void **state)
{
    (void)state;
    size_t before, after, store, routes;
    for (uint32_t i = 0; i < 4; i++)
        add(IP(10, 1, 2 * i, 0), 24, 1);
    for (unsigned i = 0; i < 20000; i++) {
        if (i == 100)
            fib4_memory(&fx.fib, &before, &store, &routes);
        add(IP(10, 1, 9, 0), 25, 2);
        del(IP(10, 1, 9, 0), 25);
        host_rcu_run();
    }
    fib4_memory(&fx.fib, &after, &store, &routes);
    assert_int_equal(before, after);
}

// Long routes in a /16 that stays dense: children and their table go with them.
static void test_children_go(void **state)
{
    (void)state;
    size_t before = 0;
    for (uint32_t i = 0; i < 40; i++)
        add(IP(10, 1, 2 * i, 0), 24, 1);
    for (unsigned round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < (round ? 256 : 1); i++)
            add(IP(10, 1, i, 7), 32, 2);
        for (uint32_t i = 0; i < 256; i++)
            del(IP(10, 1, i, 7), 32);
        for (unsigned i = 0; i < 3; i++) {
            host_rcu_run();
            add(IP(10, 1, 9, 0), 25, 2);
            del(IP(10, 1, 9, 0), 25);
        }
        before = round ? before : host_allocations();
        // A kind may keep an empty segment beside one in use; what leaks fills more than two.
        assert_in_range(host_allocations(), 1, before + 2);
        check_block16(IP(10, 1, 0, 0));
    }
}

static void test_destroy_in_grace_period(void **state)
{
    (void)state;
    struct fib4 fib;
    for (unsigned finished = 0; finished < 2; finished++) {
        size_t before = host_allocations();
        assert_int_equal(fib4_init(&fib), 0);
        for (uint32_t i = 0; i < 10; i++)
            assert_int_equal(fib4_add(&fib, IP(10, 1, i, 0), 24, 1), 0);
        if (finished)
            host_rcu_run();
        fib4_destroy(&fib);
        host_rcu_run();
        assert_int_equal(host_allocations(), before);
    }
}

// A reader on another CPU: always one of the two routes, whichever is changed (the longer one
// is there before the shorter goes), and never a value out of a slot that was used again.
static _Atomic unsigned long reader_turns;
static _Atomic bool reader_stop;
static _Atomic uint32_t reader_wrong;

static void *reader(void *arg)
{
    (void)arg;
    while (!atomic_load(&reader_stop)) {
        for (unsigned i = 0; i < 64; i++) {
            uint32_t got = fib4_lookup(&fx.fib, IP(10, 1, 2, i));
            if (got != 100 && got != 200)
                atomic_store(&reader_wrong, got + 1);
        }
        atomic_fetch_add(&reader_turns, 1); // a quiescent point
    }
    return NULL;
}

static void grace_period(void)
{
    unsigned long turns = atomic_load(&reader_turns);
    while (atomic_load(&reader_turns) < turns + 2)
        sched_yield();
    host_rcu_run();
}

static void test_reader_sees_no_gap(void **state)
{
    (void)state;
    pthread_t thread;
    static const unsigned lens[] = {17, 23, 24, 25, 26};
    add(IP(10, 0, 0, 0), 8, 100);
    assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
    for (unsigned i = 0; i < 600; i++) {
        unsigned len = lens[i % ARRAY_SIZE(lens)];
        for (uint32_t n = 0; i % 3 && n < 12 * (i % 3); n++) // sparse, dense, and a dense child
            add(IP(10, 1, i & 1 ? 64 + n : 2, i & 1 ? 0 : 128 + 2 * n), i & 1 ? 24 : 31, 7);
        add(IP(10, 1, 2, 0) & model_mask(len), len, 200);
        del(IP(10, 0, 0, 0), 8);
        add(IP(10, 0, 0, 0), 8, 100);
        del(IP(10, 1, 2, 0) & model_mask(len), len);
        for (uint32_t n = 0; i % 3 && n < 12 * (i % 3); n++)
            del(IP(10, 1, i & 1 ? 64 + n : 2, i & 1 ? 0 : 128 + 2 * n), i & 1 ? 24 : 31);
        if (i % 4 == 0)
            grace_period();
    }
    atomic_store(&reader_stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&reader_wrong), 0);
}

// The same without luck: a lookup in a hole or in a child reads a chunk's aux in mid-course, and
// there the writer strikes.
static void (*strike)(void);
static unsigned strike_countdown;

struct fib4_aux *__real_fib4_aux(void *const _Atomic *segments, uint32_t ref);
struct fib4_aux *__wrap_fib4_aux(void *const _Atomic *segments, uint32_t ref);

struct fib4_aux *__wrap_fib4_aux(void *const _Atomic *segments, uint32_t ref)
{
    void (*now)(void) = strike;
    if (now && --strike_countdown == 0) {
        strike = NULL;
        now();
    }
    return __real_fib4_aux(segments, ref);
}

static void strike_longer_then_shorter(void)
{
    add(IP(10, 1, 2, 0), 25, 200);
    del(IP(10, 0, 0, 0), 8);
}

static void strike_remove_child(void)
{
    for (uint32_t n = 0; n < 40; n++)
        del(IP(10, 1, 2, 2 * n), 31);
    add(IP(10, 1, 2, 0), 24, 200);
}

static void strike_move_child(void)
{
    for (uint32_t n = 0; n < 40; n++)
        del(IP(10, 1, 2, 2 * n), 31);
    add(IP(10, 1, 3, 0), 31, 9); // a table again, but without our /24
    add(IP(10, 1, 2, 0), 24, 200);
    del(IP(10, 0, 0, 0), 8);
}

static void test_writer_strikes(void **state)
{
    (void)state;
    static void (*const strikes[])(void) = {strike_longer_then_shorter, strike_remove_child,
                                            strike_move_child};
    static const uint32_t wide[] = {0, 4, 40}, narrow[] = {0, 1, 4, 40};
    uint32_t dst = IP(10, 1, 2, 100), seen_after = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(strikes) * 3 * 4 * 3; i++) {
        add(IP(10, 0, 0, 0), 8, 100);
        add(IP(10, 1, 250, 0), 24, 7);
        for (uint32_t n = 0; n < wide[i / 3 % 3]; n++)
            add(IP(10, 1, 10 + n, 0), 24, 7);
        for (uint32_t n = 0; n < narrow[i / 9 % 4]; n++)
            add(IP(10, 1, 2, 2 * n), 31, 7);
        strike_countdown = 1 + i % 3;
        strike = strikes[i / 36];
        uint32_t got = fib4_lookup(&fx.fib, dst);
        if (got != 100 && got != 200)
            fail_msg("round %u: got %u", i, got);
        seen_after += got == 200;
        strike = NULL;
        check(dst);
        host_rcu_run();
        thin_out(0);
    }
    assert_true(seen_after > 10);
}

// ---- limits of a small table

static void test_one_route_is_small(void **state)
{
    (void)state;
    static const unsigned lens[] = {0, 8, 15, 16, 17, 24, 32};
    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        size_t base = host_allocated_bytes(), lookup_bytes, store_bytes, routes;
        struct fib4 fib;
        assert_int_equal(fib4_init(&fib), 0);
        assert_int_equal(fib4_add(&fib, IP(198, 18, 0, 0) & model_mask(lens[i]), lens[i], 1), 0);
        fib4_memory(&fib, &lookup_bytes, &store_bytes, &routes);
        assert_int_equal(routes, 1);
        assert_true(lookup_bytes < 300 * 1024);
        assert_true(store_bytes < 16 * 1024);
        // What is reported is what was taken, but for the small change (the grace object).
        assert_in_range(host_allocated_bytes() - base, lookup_bytes + store_bytes,
                        lookup_bytes + store_bytes + 64);
        fib4_destroy(&fib);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_invalid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_edges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nested, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walk_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_for_child, setup, teardown),
        cmocka_unit_test_setup_teardown(test_init_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_chunk_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reader_sees_no_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_writer_strikes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flap_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_children_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_destroy_in_grace_period, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_route_is_small, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
