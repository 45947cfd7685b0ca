// SPDX-License-Identifier: BSD-2-Clause
//
// The split virtqueue and virtio-net's data path against a device in memory: one that follows
// VIRTIO 1.2 (2.7, 5.1.6), in order or not, one that lies, and one that writes garbage. Whatever it
// does, nothing is touched out of bounds (ASan), every packet has one owner, and the pool is whole
// after a reset.
//
// unit-sources: drivers/virtio/virtqueue.c drivers/net/virtio_net_queue.c
// unit-sources: tests/unit/fake_virtio.c

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/time/clock.h"
#include "fake_virtio.h"

#define FRAME_MAX 1518u

static struct port port;
static struct vnet_queue rx, tx;
static struct fake_queue rx_dev, tx_dev;
static unsigned resets, starved;

void port_need_reset(struct port *p, const char *why)
{
    assert_ptr_equal(p, &port);
    assert_non_null(why);
    resets++;
}

void vnet_rx_starved(struct vnet_queue *q)
{
    assert_ptr_equal(q, &rx);
    starved++;
}

// A fresh pair of queues over a pool that can fill both and some more.
static void start_size(unsigned size, bool event_idx)
{
    port = (struct port){.name = "eth0"};
    resets = starved = 0;
    rx = (struct vnet_queue){.port = &port, .csum = true};
    tx = (struct vnet_queue){.port = &port, .csum = true};
    fake_attach(&rx_dev, &rx, size, event_idx);
    fake_attach(&tx_dev, &tx, size, event_idx);
    vnet_tx_start(&tx);
    vnet_rx_start(&rx, FRAME_MAX);
}

static void start(void)
{
    fake_pool_init(3 * VNET_RING_MAX);
    start_size(VNET_RING_MAX, true);
}

static void finish(void)
{
    vnet_queue_release(&rx);
    vnet_queue_release(&tx);
    assert_int_equal(fake_pool_available(), fake_pool_total());
    fake_detach(&rx_dev);
    fake_detach(&tx_dev);
    fake_pool_destroy();
}

// What the port thread does.
static void reset_port(void)
{
    vnet_queue_release(&rx);
    vnet_queue_release(&tx);
    assert_int_equal(fake_pool_available(), fake_pool_total());
    fake_reset(&rx_dev);
    fake_reset(&tx_dev);
    vnet_tx_start(&tx);
    vnet_rx_start(&rx, FRAME_MAX);
    resets = 0;
}

// Receives a burst, checks every frame, and gives it to transmit or back to the pool.
static unsigned forward(void)
{
    struct packet *burst[BURST_MAX];
    unsigned count = vnet_rx_burst(&rx, burst, BURST_MAX);
    for (unsigned i = 0; i < count; i++)
        fake_check_frame(burst[i]);
    unsigned sent = vnet_tx_burst(&tx, burst, count);
    packet_free_bulk(burst + sent, count - sent);
    return count;
}

// ---- A device that behaves -------------------------------------------------------------------

static void test_one_frame(void **state)
{
    (void)state;
    start();
    struct packet *burst[BURST_MAX];
    assert_int_equal(fake_available(&rx_dev), VNET_RING_MAX);
    assert_int_equal(vnet_rx_burst(&rx, burst, BURST_MAX), 0);
    assert_true(fake_receive(&rx_dev, 60, NULL));
    assert_int_equal(vnet_rx_burst(&rx, burst, BURST_MAX), 1);
    assert_int_equal(burst[0]->len, 60);
    assert_int_equal(burst[0]->flags, 0);
    fake_check_frame(burst[0]);
    assert_int_equal(vnet_rx_burst(&rx, burst + 1, BURST_MAX), 0);
    assert_int_equal(vnet_tx_burst(&tx, burst, 1), 1);
    assert_int_equal(fake_transmit(&tx_dev, 8), 1);
    assert_int_equal(tx_dev.last_len, 60);
    assert_int_equal(tx_dev.notifications, 1);
    finish();
}

// Far past the wrap of 16-bit indices, with bursts of every size, and all interrupts accounted for.
static void pass_many(unsigned size, bool event_idx, unsigned packets)
{
    fake_pool_init(3 * VNET_RING_MAX);
    start_size(size, event_idx);
    unsigned received = 0;
    for (unsigned round = 0; received < packets; round++) {
        unsigned burst = 1 + round % (BURST_MAX + 7), put = 0;
        while (put < burst && fake_receive(&rx_dev, 60 + (round + put) % (FRAME_MAX - 59), NULL))
            put++;
        while (put) {
            unsigned got = forward();
            assert_in_range(got, 1, put);
            put -= got;
            received += got;
        }
        fake_transmit(&tx_dev, VNET_RING_MAX);
    }
    assert_int_equal(port.counters.rx_errors, 0);
    assert_int_equal(resets, 0);
    assert_int_equal(tx_dev.frames, received);
    assert_int_equal(tx_dev.interrupts, 0);
    finish();
}

static void test_wrap(void **state)
{
    (void)state;
    pass_many(VNET_RING_MAX, true, 200000);
    pass_many(VNET_RING_MAX, false, 70000);
}

static void test_small_rings(void **state)
{
    (void)state;
    for (unsigned size = 1; size <= 64; size *= 2)
        pass_many(size, size & 1, 5000);
}

static void test_out_of_order(void **state)
{
    (void)state;
    start();
    rx_dev.shuffle = tx_dev.shuffle = true;
    unsigned received = 0;
    for (unsigned round = 0; received < 150000; round++) {
        for (unsigned i = 0; i < 1 + round % 97; i++)
            fake_receive(&rx_dev, 60 + round % 1400, NULL);
        fake_hold(&rx_dev, round % 5); // some stay away while later ones come back
        fake_transmit(&tx_dev, round % 50);
        received += forward();
    }
    assert_int_equal(port.counters.rx_errors, 0);
    assert_int_equal(resets, 0);
    finish();
}

static void test_tx_full(void **state)
{
    (void)state;
    start();
    struct packet *burst[VNET_RING_MAX + 1];
    assert_int_equal(packet_alloc_bulk(burst, ARRAY_SIZE(burst)), ARRAY_SIZE(burst));
    for (unsigned i = 0; i < ARRAY_SIZE(burst); i++)
        fake_make_frame(burst[i], 60);
    assert_int_equal(vnet_tx_burst(&tx, burst, ARRAY_SIZE(burst)), VNET_RING_MAX);
    assert_int_equal(vnet_tx_burst(&tx, burst + VNET_RING_MAX, 1), 0);
    assert_int_equal(fake_transmit(&tx_dev, 1), 1);
    assert_int_equal(vnet_tx_burst(&tx, burst + VNET_RING_MAX, 1), 1);
    finish();
}

static uint64_t now_ns;

uint64_t clock_monotonic_ns(void) { return now_ns; }

// A device that missed a notification is told again, but not with every packet.
static void test_tx_nudge(void **state)
{
    (void)state;
    start();
    now_ns = 1000000000;
    struct packet *burst[VNET_RING_MAX + 1];
    assert_int_equal(packet_alloc_bulk(burst, ARRAY_SIZE(burst)), ARRAY_SIZE(burst));
    for (unsigned i = 0; i < ARRAY_SIZE(burst); i++)
        fake_make_frame(burst[i], 60);
    assert_int_equal(vnet_tx_burst(&tx, burst, ARRAY_SIZE(burst)), VNET_RING_MAX);
    for (unsigned i = 0; i < 30; i++, now_ns += 1000000) {
        tx_dev.doorbell = FAKE_NO_DOORBELL;
        assert_int_equal(vnet_tx_burst(&tx, burst + VNET_RING_MAX, 1), 0);
        assert_int_equal(tx_dev.doorbell != FAKE_NO_DOORBELL, i % 10 == 0);
    }
    tx_dev.doorbell = FAKE_NO_DOORBELL;
    assert_int_equal(fake_transmit(&tx_dev, VNET_RING_MAX), VNET_RING_MAX);
    packet_free(burst[VNET_RING_MAX]);
    finish();
}

// ---- Interrupts and notifications ------------------------------------------------------------

static void test_arm(void **state)
{
    (void)state;
    for (int event_idx = 0; event_idx < 2; event_idx++) {
        fake_pool_init(3 * VNET_RING_MAX);
        start_size(VNET_RING_MAX, event_idx);
        fake_receive(&rx_dev, 60, NULL);
        assert_int_equal(rx_dev.interrupts, 0); // nobody asked
        assert_true(vnet_rx_arm(&rx));
        fake_receive(&rx_dev, 60, NULL);
        assert_int_equal(rx_dev.interrupts, 0); // it said "waiting", so it is not armed
        assert_int_equal(forward(), 2);
        assert_false(vnet_rx_arm(&rx));
        fake_receive(&rx_dev, 60, NULL);
        assert_int_equal(rx_dev.interrupts, 1);
        finish();
    }
}

// While nothing is armed, no number of packets makes an interrupt, at the index wrap neither.
static void test_unarmed_is_quiet(void **state)
{
    (void)state;
    start();
    assert_false(vnet_rx_arm(&rx));
    fake_receive(&rx_dev, 60, NULL);
    assert_int_equal(rx_dev.interrupts, 1);
    for (unsigned received = 0; received < 140000;) {
        fake_receive(&rx_dev, 60, NULL);
        received += forward();
        fake_transmit(&tx_dev, VNET_RING_MAX);
    }
    assert_int_equal(rx_dev.interrupts + tx_dev.interrupts, 1);
    finish();
}

// Driver and device as two threads that sleep whenever the event index lets them. A barrier too
// weak on either side ends in both asleep.
#define RACE_PACKETS 30000u
static _Atomic bool race_over;

static void *device_thread(void *arg)
{
    (void)arg;
    unsigned put = 0;
    while (!race_over) {
        rx_dev.doorbell = tx_dev.doorbell = FAKE_NO_DOORBELL;
        bool idle = true;
        while (put < RACE_PACKETS && put - tx_dev.frames < 40 && fake_receive(&rx_dev, 60, NULL)) {
            put++;
            idle = false;
        }
        idle &= !fake_transmit(&tx_dev, 16);
        if (idle && !fake_want_notify(&tx_dev) && !fake_want_notify(&rx_dev)) {
            while (tx_dev.doorbell == FAKE_NO_DOORBELL && rx_dev.doorbell == FAKE_NO_DOORBELL &&
                   !race_over)
                sched_yield();
        }
    }
    return NULL;
}

static bool sleep_until_interrupt(unsigned seen, time_t limit)
{
    while (rx_dev.interrupts == seen) {
        if (time(NULL) > limit)
            return false;
        sched_yield();
    }
    return true;
}

static void test_no_lost_wakeup(void **state)
{
    (void)state;
    start();
    pthread_t thread;
    race_over = false;
    assert_int_equal(pthread_create(&thread, NULL, device_thread, NULL), 0);
    unsigned received = 0;
    bool stalled = false;
    time_t limit = time(NULL) + 60;
    while (received < RACE_PACKETS && !stalled) {
        unsigned seen = rx_dev.interrupts, got = forward();
        received += got;
        if (!got && !vnet_rx_arm(&rx))
            stalled = !sleep_until_interrupt(seen, limit);
    }
    race_over = true;
    pthread_join(thread, NULL);
    assert_false(stalled);
    assert_int_equal(resets, 0);
    finish();
}

// ---- Checksum offload ------------------------------------------------------------------------

struct offload_case {
    struct vnet_header header;
    bool kept;
    uint16_t flags;
};

#define HEADER(f, gso, start, offset)                                                     \
    {                                                                                     \
        .flags = (f), .gso_type = (gso), .csum_start = {start}, .csum_offset = { offset } \
    }
static const struct offload_case offload_cases[] = {
    {HEADER(1, 0, 34, 16), true, PACKET_CSUM_PARTIAL},
    {HEADER(1, 0, 82, 16), true, PACKET_CSUM_PARTIAL}, // ends with the frame of 100 bytes
    {HEADER(1, 0, 83, 16), false, 0},
    {HEADER(1, 0, 65535, 65535), false, 0},
    {HEADER(1, 0, 0, 65535), false, 0},
    {HEADER(1, 0, 34, 0), true, PACKET_CSUM_PARTIAL},
    {HEADER(1, 0, 33, 17), false, 0}, // in front of the end of an IPv4 header
    {HEADER(1, 0, 14, 2), false, 0},  // its total length
    {HEADER(1, 0, 0, 16), false, 0},
    {HEADER(2, 0, 0, 0), true, PACKET_CSUM_VALID},
    {HEADER(0, 1, 34, 16), false, 0}, // segments were not negotiated
    {HEADER(0xf8, 0, 0, 0), true, 0}, // bits without a meaning
};

static void test_rx_offload(void **state)
{
    (void)state;
    start();
    unsigned bad = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(offload_cases); i++) {
        const struct offload_case *c = &offload_cases[i];
        struct packet *burst[4];
        fake_receive(&rx_dev, 60, NULL);
        fake_receive(&rx_dev, 100, &c->header);
        fake_receive(&rx_dev, 61, NULL);
        unsigned count = vnet_rx_burst(&rx, burst, 4);
        assert_int_equal(count, c->kept ? 3 : 2);
        assert_int_equal(burst[0]->len, 60);
        assert_int_equal(burst[count - 1]->len, 61);
        assert_int_equal(burst[count - 1]->flags, 0);
        if (c->kept)
            assert_int_equal(burst[1]->flags, c->flags);
        if (c->flags & PACKET_CSUM_PARTIAL) {
            assert_int_equal(burst[1]->csum_start, c->header.csum_start.raw);
            assert_int_equal(burst[1]->csum_offset, c->header.csum_offset.raw);
        }
        bad += !c->kept;
        assert_int_equal(port.counters.rx_errors, bad);
        packet_free_bulk(burst, count);
    }
    assert_int_equal(resets, 0); // another machine's lie, not the device's
    finish();
}

static void test_tx_offload(void **state)
{
    (void)state;
    start();
    struct packet *p = packet_alloc();
    fake_make_frame(p, 100);
    p->data[14] = 0x45;
    tx_dev.any_content = true;
    p->flags = PACKET_CSUM_PARTIAL;
    p->csum_start = 34;
    p->csum_offset = 6;
    assert_int_equal(vnet_tx_burst(&tx, &p, 1), 1);
    assert_int_equal(fake_transmit(&tx_dev, 1), 1);
    assert_int_equal(tx_dev.last_header.flags, VNET_HDR_NEEDS_CSUM);
    assert_int_equal(tx_dev.last_header.csum_start.raw, 34);
    assert_int_equal(tx_dev.last_header.csum_offset.raw, 6);
    finish();
}

// The frame is not as it was received: trimmed, or it has options that reach behind the mark.
static void test_tx_offload_stale(void **state)
{
    static const struct {
        unsigned len;
        uint8_t version_ihl;
        uint16_t start, offset;
    } stale[] = {{41, 0x45, 34, 6}, {34, 0x45, 34, 6}, {100, 0x45, 14, 2}, {60, 0x45, 34, 65535}};
    (void)state;
    start();
    tx_dev.any_content = true;
    for (unsigned i = 0; i < ARRAY_SIZE(stale); i++) {
        struct packet *p = packet_alloc();
        fake_make_frame(p, stale[i].len);
        p->data[14] = stale[i].version_ihl;
        p->flags = PACKET_CSUM_PARTIAL;
        p->csum_start = stale[i].start;
        p->csum_offset = stale[i].offset;
        assert_int_equal(vnet_tx_burst(&tx, &p, 1), 1);
        fake_transmit(&tx_dev, 1);
        assert_int_equal(tx_dev.last_header.flags, 0);
        assert_int_equal(tx_dev.last_header.csum_start.raw, 0);
    }
    finish();
}

// ---- A device that lies ----------------------------------------------------------------------

struct lie {
    const char *what;
    uint32_t id, len; // of the element
    int index_step;   // added to the used index
    bool on_tx;       // the length means nothing there
};

static const struct lie lies[] = {
    {"id just past the ring", 256, 72, 1, true},
    {"id far outside", 0xffffffff, 72, 1, true},
    {"id of another slot twice", 7, 72, 2, true},
    {"id that came back before", 3, 72, 1, true},
    {"length shorter than the header", 4, 11, 1, false},
    {"length 0", 4, 0, 1, false},
    {"length one more than the buffer", 4, FRAME_MAX + 13, 1, false},
    {"length 4 GiB", 4, 0xffffffff, 1, false},
    {"index past what was posted", 4, 72, 257, true},
    {"index backwards", 4, 72, -1, true},
};

// Four good elements, so that id 4 is next and 3 is back, then the lie in the next ones.
static void tell(struct fake_queue *dev, const struct lie *lie)
{
    for (int i = 0; i < MAX(lie->index_step, 1) && i < VNET_RING_MAX; i++)
        fake_poke(dev, i, lie->id, lie->len);
    fake_step(dev, lie->index_step);
}

static void lie_on_rx(const struct lie *lie)
{
    start();
    struct packet *burst[BURST_MAX];
    for (unsigned i = 0; i < 4; i++)
        fake_receive(&rx_dev, 60, NULL);
    unsigned count = vnet_rx_burst(&rx, burst, BURST_MAX);
    assert_int_equal(count, 4);
    packet_free_bulk(burst, count);
    tell(&rx_dev, lie);
    count = vnet_rx_burst(&rx, burst, BURST_MAX);
    packet_free_bulk(burst, count);
    // An id may be true once; then the frame is the garbage of a buffer that was not written.
    assert_true(count <= 1);
    assert_in_range(port.counters.rx_errors, 1, 2);
    assert_int_equal(resets, 1);
    assert_int_equal(vnet_rx_burst(&rx, burst, BURST_MAX), 0);
    assert_false(vnet_rx_arm(&rx));
    reset_port();
    assert_true(fake_receive(&rx_dev, 60, NULL));
    assert_int_equal(forward(), 1);
    assert_int_equal(fake_transmit(&tx_dev, 9), 1);
    finish();
}

static void lie_on_tx(const struct lie *lie)
{
    start();
    struct packet *burst[BURST_MAX];
    packet_alloc_bulk(burst, BURST_MAX);
    for (unsigned i = 0; i < BURST_MAX; i++)
        fake_make_frame(burst[i], 60);
    assert_int_equal(vnet_tx_burst(&tx, burst, 40), 40);
    fake_transmit(&tx_dev, 4);
    vnet_tx_reap(&tx);
    tell(&tx_dev, lie);
    assert_int_equal(vnet_tx_burst(&tx, burst + 40, 24), 0);
    packet_free_bulk(burst + 40, 24);
    assert_int_equal(port.counters.rx_errors, 1);
    assert_int_equal(resets, 1);
    reset_port();
    assert_true(fake_receive(&rx_dev, 60, NULL));
    assert_int_equal(forward(), 1);
    assert_int_equal(fake_transmit(&tx_dev, 9), 1);
    finish();
}

static void test_lies(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
        print_message("  %s\n", lies[i].what);
        lie_on_rx(&lies[i]);
        if (lies[i].on_tx)
            lie_on_tx(&lies[i]);
    }
}

// Anything at all in the used rings, mixed with proper work, until it is noticed.
static void garbage_round(unsigned seed)
{
    struct packet *burst[BURST_MAX];
    srand(seed);
    rx_dev.shuffle = tx_dev.shuffle = rand() & 1;
    for (unsigned step = 0; step < 60 && !resets; step++) {
        for (int i = rand() % 40; i > 0; i--)
            fake_receive(&rx_dev, 60 + (unsigned)rand() % 1400, NULL);
        fake_transmit(&tx_dev, (unsigned)rand() % 40);
        if (rand() % 4 == 0)
            fake_scribble(rand() & 1 ? &rx_dev : &tx_dev);
        unsigned count = vnet_rx_burst(&rx, burst, 1 + (unsigned)rand() % BURST_MAX);
        for (unsigned i = 0; i < count; i++)
            assert_true(fake_is_owned(burst[i]) && burst[i]->len <= FRAME_MAX);
        unsigned sent = vnet_tx_burst(&tx, burst, count);
        packet_free_bulk(burst + sent, count - sent);
        if (rand() % 8 == 0)
            vnet_rx_arm(&rx);
    }
    reset_port();
}

static void test_garbage(void **state)
{
    (void)state;
    start();
    tx_dev.any_content = true;
    for (unsigned seed = 1; seed < 3000; seed++)
        garbage_round(seed);
    assert_in_range(port.counters.rx_errors, 1000, UINT32_MAX); // it was noticed, mostly
    assert_int_equal(forward(), 0);
    fake_receive(&rx_dev, 60, NULL);
    assert_int_equal(forward(), 1);
    finish();
}

// ---- Too few packets -------------------------------------------------------------------------

static void test_starved(void **state)
{
    (void)state;
    fake_pool_init(40);
    start_size(VNET_RING_MAX, true);
    assert_int_equal(fake_available(&rx_dev), 40);
    struct packet *held[40];
    for (unsigned i = 0; i < 40; i++)
        assert_true(fake_receive(&rx_dev, 60, NULL));
    assert_false(fake_receive(&rx_dev, 60, NULL));
    assert_int_equal(vnet_rx_burst(&rx, held, 40), 40);
    assert_int_equal(fake_available(&rx_dev), 0);
    assert_true(starved > 0); // else nobody would ever ask again
    packet_free_bulk(held, 40);
    assert_int_equal(vnet_rx_burst(&rx, held, 40), 0);
    assert_int_equal(fake_available(&rx_dev), 40);
    assert_true(fake_receive(&rx_dev, 60, NULL));
    assert_int_equal(forward(), 1);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_frame),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_small_rings),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_tx_full),
        cmocka_unit_test(test_tx_nudge),
        cmocka_unit_test(test_arm),
        cmocka_unit_test(test_unarmed_is_quiet),
        cmocka_unit_test(test_no_lost_wakeup),
        cmocka_unit_test(test_rx_offload),
        cmocka_unit_test(test_tx_offload),
        cmocka_unit_test(test_tx_offload_stale),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_starved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
