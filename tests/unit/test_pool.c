// SPDX-License-Identifier: BSD-2-Clause
//
// The size of the packet pool: for any number of ports and any amount of memory, what one port may
// hold is never another's, and no more memory is taken than the rule says.
//
// unit-sources: net/pool.c net/packet.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "host.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "net/pool.h"
#include "net/port.h"

#define BLOCKS_MAX 4096
#define PACKET_WHOLE (sizeof(struct packet) + PACKET_BUFFER_BYTES)

// ---- ports and pages -------------------------------------------------------------------------

static struct port ports[PORT_MAX];
static unsigned ports_used;

unsigned port_count(void) { return ports_used; }
struct port *port_get(unsigned number) { return number < ports_used ? &ports[number] : NULL; }

static const struct dma_device everywhere = {.mask = UINT64_MAX};

static uint64_t free_bytes;      // what page_get_stats says
static uint64_t room;            // what page_alloc gives
static unsigned order_max;       // its largest block
static paddr_t asked_last;       // the last request's limit
static void *blocks[BLOCKS_MAX]; // out there
static unsigned blocks_used;
static uint64_t blocks_bytes;

void page_get_stats(struct page_stats *stats)
{
    *stats = (struct page_stats){.free_bytes = free_bytes};
}

unsigned page_order_for(size_t bytes)
{
    unsigned order = 0;
    while (PAGE_SIZE << order < bytes)
        order++;
    return order;
}

void *dma_page_alloc(unsigned order, unsigned gfp, paddr_t last)
{
    const size_t bytes = PAGE_SIZE << order;
    assert_true(order <= PAGE_MAX_ORDER);
    assert_int_not_equal(gfp >> GFP_ACCOUNT_SHIFT, 0);
    asked_last = last;
    if (order > order_max || bytes > room)
        return NULL;
    void *block = NULL;
    assert_int_equal(posix_memalign(&block, PAGE_SIZE, bytes), 0);
    assert_true(blocks_used < BLOCKS_MAX);
    blocks[blocks_used++] = block;
    blocks_bytes += bytes;
    room -= bytes;
    return block;
}

// Without an offset on the bus.
paddr_t dma_reach(const struct dma_device *dev) { return dev->bus_offset ? 0 : dev->mask; }

static void fresh(unsigned count, uint64_t bytes)
{
    while (blocks_used)
        free(blocks[--blocks_used]);
    blocks_bytes = 0;
    ports_used = count;
    for (unsigned i = 0; i < count; i++)
        ports[i] = (struct port){.number = (uint16_t)i, .ring_max = 256, .dma = &everywhere};
    free_bytes = room = bytes;
    order_max = PAGE_MAX_ORDER;
}

static int clean_up(void **state)
{
    (void)state;
    fresh(0, 0);
    packet_pool_init(0, 0); // lets go of the last one's array
    return 0;
}

static size_t total(void)
{
    struct packet_pool_stats stats;
    packet_pool_get_stats(&stats);
    return stats.total;
}

static size_t held_by(const struct port *port) { return 2u * port->ring + port_waiting_max(port); }

// All ports hold all they may, and a burst is in hand.
static size_t at_worst(void)
{
    size_t packets = 0, burst = 0;
    for (unsigned i = 0; i < ports_used; i++) {
        packets += held_by(&ports[i]);
        burst = MAX(burst, MIN((size_t)ports[i].ring, BURST_MAX));
    }
    return packets + burst;
}

// ---- tests -----------------------------------------------------------------------------------

static void test_figures(void **state)
{
    (void)state;
    fresh(2, MIB(100));
    assert_int_equal(pool_init(), 0);
    assert_int_equal(total(), 2 * (256 + 256 + 128) + 128);
    assert_int_equal(ports[0].ring, 256);
    assert_true(asked_last == UINT64_MAX);
    assert_true(blocks_bytes < total() * PACKET_WHOLE * 105 / 100); // hardly a byte idle
}

static void test_any_machine(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= PORT_MAX; count++) {
        for (uint64_t bytes = KIB(600); bytes < MIB(200); bytes += bytes / 3) {
            fresh(count, bytes);
            assert_int_equal(pool_init(), 0);
            assert_true(blocks_bytes <= bytes / 4 + KIB(32));
            for (unsigned i = 1; i < count; i++)
                assert_int_equal(ports[i].ring, ports[0].ring);
            unsigned ring = count ? ports[0].ring : 256;
            assert_true(IS_POWER_OF_2(ring) && ring >= 8 && ring <= 256);
            if (ring > 8) // else it was said that they are too few
                assert_true(at_worst() <= total());
            // No larger than it must be, no smaller than it could be.
            size_t twice = count * 5 * ring + 2 * MIN(2 * ring, BURST_MAX);
            assert_true(ring == 256 || twice > bytes / 4 / (PACKET_WHOLE + sizeof(void *)));
        }
    }
}

// Every port but one holds what it may; the last one starts then, and has all that it needs.
static void test_late_port(void **state)
{
    static struct packet *out[16384];
    (void)state;
    for (unsigned count = 1; count <= PORT_MAX; count++) {
        fresh(count, MIB(4));
        assert_int_equal(pool_init(), 0);
        size_t held = 0;
        for (unsigned i = 0; i + 1 < count; i++) {
            for (size_t part = held_by(&ports[i]); part; part--)
                assert_int_equal(packet_alloc_bulk(&out[held++], 1), 1);
        }
        const unsigned ring = ports[0].ring;
        for (unsigned i = 0; i < 2 * ring; i++)
            assert_int_equal(packet_alloc_bulk(&out[held++], 1), 1);
        assert_int_equal(packet_alloc_bulk(&out[held], MIN(ring, BURST_MAX)), MIN(ring, BURST_MAX));
        packet_free_bulk(out, (unsigned)held + MIN(ring, BURST_MAX));
    }
}

// The memory is there, but in pieces, or an account's limit is below the share.
static void test_less_than_planned(void **state)
{
    (void)state;
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++) {
        for (uint64_t bytes = KIB(128); bytes <= MIB(4); bytes *= 2) {
            fresh(4, MIB(64));
            order_max = order;
            room = bytes;
            int err = pool_init();
            assert_true(blocks_bytes <= bytes);
            assert_int_equal(err, PAGE_SIZE << order < KIB(32) ? -ENOMEM : 0);
            if (!err && ports[0].ring > 8)
                assert_true(at_worst() <= total());
        }
    }
}

static void test_mixed_rings(void **state)
{
    (void)state;
    fresh(3, MIB(64));
    ports[0].ring_max = 1024;
    ports[2].ring_max = 64;
    assert_int_equal(pool_init(), 0);
    assert_int_equal(ports[0].ring, 1024);
    assert_int_equal(ports[1].ring, 256);
    assert_int_equal(ports[2].ring, 64);
    assert_true(at_worst() <= total());
    fresh(3, MIB(5)); // the large ones give way first
    ports[0].ring_max = 1024;
    ports[2].ring_max = 64;
    assert_int_equal(pool_init(), 0);
    assert_int_equal(ports[0].ring, ports[1].ring);
    assert_int_equal(ports[2].ring, 64);
    assert_true(at_worst() <= total());
}

// Packets are where all ports reach them; a port that cannot use addresses as they are stays out.
static void test_reach(void **state)
{
    static const struct dma_device low = {.mask = UINT32_MAX},
                                   shifted = {.mask = UINT64_MAX, .bus_offset = MIB(512)};
    (void)state;
    fresh(3, MIB(64));
    ports[1].dma = &low;
    assert_int_equal(pool_init(), 0);
    assert_true(asked_last == UINT32_MAX);
    fresh(3, MIB(64));
    ports[1].dma = &shifted;
    assert_int_equal(pool_init(), 0);
    assert_true(asked_last == UINT64_MAX);
    assert_int_equal(ports[0].ring, 256);
    assert_int_equal(ports[1].ring, 0);
    assert_int_equal(total(), 2 * (256 + 256 + 128) + 128);
}

// What the statistics say of use.
static void test_least(void **state)
{
    struct packet *out[100];
    struct packet_pool_stats stats;
    (void)state;
    fresh(1, MIB(64));
    assert_int_equal(pool_init(), 0);
    assert_int_equal(packet_alloc_bulk(out, 100), 100);
    packet_free_bulk(out, 100);
    assert_int_equal(packet_alloc_bulk(out, 7), 7);
    packet_pool_get_stats(&stats);
    assert_int_equal(stats.available, stats.total - 7);
    assert_int_equal(stats.least, stats.total - 100);
    assert_int_equal(stats.exhausted, 0);
    packet_free_bulk(out, 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, clean_up)
    const struct CMUnitTest tests[] = {
        TEST(test_figures),     TEST(test_any_machine),
        TEST(test_late_port),   TEST(test_less_than_planned),
        TEST(test_mixed_rings), TEST(test_reach),
        TEST(test_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
