// SPDX-License-Identifier: BSD-2-Clause
//
// The simulated machine of net_sim.h: fake ports, clock, softirqs, threads, packet memory.

#include "net_sim.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>

#include "core/irq/softirq.h"
#include "core/lib/fmt.h"
#include "core/sync/mutex.h"
#include "core/time/clock.h"
#include "core/time/timer.h"
#include "host.h"
#include "mm/page_alloc.h"
#include "net/checksum.h"
#include "net/egress.h"
#include "net/net.h"

#define QUEUE_MAX 512
#define CAPTURE_MAX 4096

const uint8_t sim_host_mac[6] = {2, 0, 0, 0, 0, 0x10};
const uint8_t sim_gateway_mac[6] = {2, 0, 0, 0, 1, 2};
const uint8_t sim_broadcast[6] = {255, 255, 255, 255, 255, 255};

struct port sim_ports[SIM_PORTS];
unsigned sim_tx_room = UINT32_MAX;
bool sim_rx_partial, sim_rx_marks;
uint16_t sim_csum_start, sim_csum_offset;
unsigned sim_softirqs;
int sim_start_result;
unsigned sim_starts, sim_stops;
void (*sim_on_sleep)(void);

static struct {
    struct sim_frame *queue[QUEUE_MAX];
    unsigned queued;
    struct sim_frame *captured[CAPTURE_MAX];
    unsigned sent;
} sides[SIM_PORTS];

static uint64_t now_ns = 1000 * NSEC_PER_SEC;
static void (*softirqs[SOFTIRQ_COUNT])(void);
static unsigned pending;
static uint64_t drops_before[SIM_PORTS][DROP_REASONS];

// ---- kernel services -------------------------------------------------------------------------

uint64_t clock_monotonic_ns(void) { return now_ns; }
uint64_t clock_realtime_ns(void) { return now_ns; }
uint64_t clock_ns_to_counter(uint64_t ns) { return ns; }

void softirq_register(enum softirq nr, void (*handler)(void)) { softirqs[nr] = handler; }
void softirq_raise(enum softirq nr) { pending |= 1u << nr; }

void mutex_init(struct mutex *mutex) { (void)mutex; }
void mutex_lock(struct mutex *mutex) { (void)mutex; }
void mutex_unlock(struct mutex *mutex) { (void)mutex; }
bool mutex_is_mine(struct mutex *mutex) { return mutex; }

void *dma_page_alloc(unsigned order, unsigned gfp, paddr_t last)
{
    void *pages = NULL;
    (void)gfp, (void)last;
    return posix_memalign(&pages, PAGE_SIZE << order, PAGE_SIZE << order) ? NULL : pages;
}
paddr_t dma_reach(const struct dma_device *dev)
{
    (void)dev;
    return UINT64_MAX;
}
unsigned page_order_for(size_t bytes)
{
    unsigned order = 0;
    while (PAGE_SIZE << order < bytes)
        order++;
    return order;
}
void page_get_stats(struct page_stats *stats)
{
    *stats = (struct page_stats){.free_bytes = MIB(64)};
}

static int (*thread_entry)(void *arg);
static jmp_buf thread_end;
static bool in_port_thread;
static uint64_t thread_deadline; // survives the thread's function, which begins anew each time

int thread_create(struct thread **out, int (*entry)(void *arg), void *arg,
                  const struct thread_options *options)
{
    (void)out, (void)arg, (void)options;
    thread_entry = entry;
    return 0;
}

void wait_prepare(struct wait_queue *queue, struct waiter *waiter) { (void)queue, (void)waiter; }
void wait_finish(struct wait_queue *queue, struct waiter *waiter) { (void)queue, (void)waiter; }
void wake_all(struct wait_queue *queue) { (void)queue; }

int wait_sleep(uint64_t deadline_ns)
{
    if (in_port_thread && thread_deadline && now_ns >= thread_deadline) {
        thread_deadline = 0;
        return -ETIMEDOUT;
    }
    if (in_port_thread) { // nothing is due: the thread's turn is over
        thread_deadline = deadline_ns ? deadline_ns : thread_deadline;
        longjmp(thread_end, 1);
    }
    if (sim_on_sleep) {
        sim_on_sleep();
        return 0;
    }
    if (deadline_ns > now_ns)
        sim_pass(deadline_ns - now_ns);
    return -ETIMEDOUT;
}

void sim_port_thread(void)
{
    in_port_thread = true;
    if (!setjmp(thread_end))
        thread_entry(NULL);
    in_port_thread = false;
}

// ---- packet memory ---------------------------------------------------------------------------

unsigned __real_packet_alloc_bulk(struct packet **out, unsigned count);
void __real_packet_free_bulk(struct packet **packets, unsigned count);
unsigned __wrap_packet_alloc_bulk(struct packet **out, unsigned count);
void __wrap_packet_free_bulk(struct packet **packets, unsigned count);

#define FREE_MARK 0xdeadu // in scratch[0] of a free packet

unsigned __wrap_packet_alloc_bulk(struct packet **out, unsigned count)
{
    unsigned got = __real_packet_alloc_bulk(out, count);
    for (unsigned i = 0; i < got; i++) {
        out[i]->scratch[0] = 0;
        ASAN_UNPOISON_MEMORY_REGION(packet_buffer(out[i]), PACKET_BUFFER_BYTES);
        memset(packet_buffer(out[i]), 0x5a, PACKET_BUFFER_BYTES);
    }
    return got;
}

void __wrap_packet_free_bulk(struct packet **packets, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (packets[i]->scratch[0] == FREE_MARK)
            fail_msg("packet freed twice");
        packets[i]->scratch[0] = FREE_MARK;
        ASAN_POISON_MEMORY_REGION(packet_buffer(packets[i]), PACKET_BUFFER_BYTES);
    }
    __real_packet_free_bulk(packets, count);
}

int sim_check_pool(void **state)
{
    struct packet_pool_stats stats;
    (void)state;
    neigh_flush(NULL); // lets go of what waits for an answer
    sim_clear();
    packet_pool_get_stats(&stats);
    if (stats.available != stats.total)
        print_error("%zu of %zu packets are lost\n", stats.total - stats.available, stats.total);
    return stats.available == stats.total ? 0 : -1;
}

// ---- ports -----------------------------------------------------------------------------------

static unsigned rx_burst(struct port *port, unsigned queue, struct packet **packets, unsigned max)
{
    unsigned number = port->number, count = MIN(sides[number].queued, max);
    (void)queue;
    count = packet_alloc_bulk(packets, count);
    for (unsigned i = 0; i < count; i++) {
        struct packet *p = packets[i];
        struct sim_frame *frame = sides[number].queue[i];
        packet_reset(p);
        memcpy(p->data, frame->bytes, frame->len);
        p->len = (uint16_t)frame->len;
        if (sim_rx_partial) {
            p->flags = PACKET_CSUM_PARTIAL;
            p->csum_start = (uint16_t)(ETH_HEADER_BYTES + ip4_header_bytes(ip4_header(p)));
            p->csum_offset = 6;
        }
        if (sim_rx_partial && sim_rx_marks) {
            p->csum_start = sim_csum_start;
            p->csum_offset = sim_csum_offset;
        }
        // The classifier reads a whole header before it looks at the length.
        unsigned readable = ALIGN_UP(MAX(frame->len, 40u), 8u);
        ASAN_POISON_MEMORY_REGION(p->data + readable, PACKET_DATA_MAX - readable);
        free(frame);
    }
    sides[number].queued -= count;
    memmove(sides[number].queue, sides[number].queue + count,
            sides[number].queued * sizeof(sides[number].queue[0]));
    return count;
}

static unsigned tx_burst(struct port *port, unsigned queue, struct packet **packets, unsigned count)
{
    (void)queue;
    count = MIN(count, sim_tx_room);
    for (unsigned i = 0; i < count; i++) {
        struct sim_frame *frame = malloc(sizeof(*frame));
        assert_true(packets[i]->len <= SIM_FRAME_MAX);
        assert_false(packets[i]->flags & PACKET_CSUM_PARTIAL && !(port->features & PORT_TX_CSUM));
        frame->len = packets[i]->len;
        memcpy(frame->bytes, packets[i]->data, frame->len);
        assert_true(sides[port->number].sent < CAPTURE_MAX);
        sides[port->number].captured[sides[port->number].sent++] = frame;
    }
    packet_free_bulk(packets, count);
    return count;
}

static bool rx_arm(struct port *port, unsigned queue)
{
    (void)queue;
    return sides[port->number].queued != 0;
}

static int port_start_fake(struct port *port)
{
    (void)port;
    sim_starts++;
    return sim_start_result;
}

static void port_stop_fake(struct port *port)
{
    (void)port;
    sim_stops++;
}

static const struct port_ops fake_ops = {.start = port_start_fake,
                                         .stop = port_stop_fake,
                                         .rx_burst = rx_burst,
                                         .tx_burst = tx_burst,
                                         .rx_arm = rx_arm};

// ---- control ---------------------------------------------------------------------------------

void sim_receive(unsigned port, const void *frame, unsigned len)
{
    assert_true(sides[port].queued < QUEUE_MAX);
    struct sim_frame *copy = malloc(sizeof(*copy));
    copy->len = len;
    memcpy(copy->bytes, frame, len);
    sides[port].queue[sides[port].queued++] = copy;
    port_rx_ready(&sim_ports[port]);
}

void sim_run(void)
{
    while (pending) {
        unsigned nr = (unsigned)__builtin_ctz(pending);
        pending &= pending - 1;
        if (softirqs[nr])
            softirqs[nr]();
        sim_softirqs++;
    }
    assert_int_equal(egress_pending, 0);
    host_rcu_run();
}

void sim_pass(uint64_t ns)
{
    // In steps of at most a quarter of a second: timers re-arm themselves.
    while (ns) {
        uint64_t step = MIN(ns, NSEC_PER_SEC / 4);
        now_ns += step;
        ns -= step;
        softirq_raise(SOFTIRQ_TIMER);
        sim_run();
    }
}

unsigned sim_sent(unsigned port) { return sides[port].sent; }

const struct sim_frame *sim_frame(unsigned port, unsigned index)
{
    assert_true(index < sides[port].sent);
    return sides[port].captured[index];
}

void sim_clear(void)
{
    for (unsigned port = 0; port < SIM_PORTS; port++) {
        for (unsigned i = 0; i < sides[port].sent; i++)
            free(sides[port].captured[i]);
        sides[port].sent = 0;
    }
}

uint64_t sim_drops(unsigned port, enum drop_reason why)
{
    return sim_ports[port].counters.drops[why] - drops_before[port][why];
}

int sim_fresh(void **state)
{
    (void)state;
    sim_tx_room = UINT32_MAX;
    sim_rx_partial = sim_rx_marks = false;
    sim_on_sleep = NULL;
    neigh_flush(NULL);
    sim_pass(2 * NSEC_PER_SEC);
    sim_clear();
    for (unsigned i = 0; i < SIM_PORTS; i++)
        memcpy(drops_before[i], sim_ports[i].counters.drops, sizeof(drops_before[i]));
    return 0;
}

static int configure(void)
{
    int err = ip4_address_add(&sim_ports[0], ETH0_ADDR, 24);
    if (!err)
        err = ip4_address_add(&sim_ports[1], ETH1_ADDR, 24);
    if (!err)
        err = ip4_address_add(&sim_ports[2], ETH2_ADDR, 24);
    if (!err)
        err = route4_add(IP(198, 18, 0, 0), 15, ROUTE_STATIC, GATEWAY_ADDR);
    return err ? err : neigh_static_add(GATEWAY_ADDR, sim_gateway_mac);
}

int sim_start(void **state)
{
    for (unsigned i = 0; i < SIM_PORTS; i++) {
        struct port *port = &sim_ports[i];
        *port = (struct port){.ops = &fake_ops, .mac = {2, 0, 0, 1, 0, (uint8_t)i}, .queues = 1};
        port->mtu = i == 2 ? 600 : 1500;
        port->ring_max = 256;
        port->link_up = true;
        if (port_register(port))
            return -1;
    }
    if (timer_init() || net_init())
        return -1;
    for (unsigned i = 0; i < SIM_PORTS; i++)
        if (port_start(&sim_ports[i]))
            return -1;
    int err = configure();
    sim_run();
    sim_port_thread();
    return err ? err : sim_fresh(state);
}

// ---- frames ----------------------------------------------------------------------------------

struct ip4_header *sim_ip(const struct sim_frame *frame)
{
    return (struct ip4_header *)(frame->bytes + ETH_HEADER_BYTES);
}

void sim_ip_checksum(struct sim_packet *p)
{
    p->ip->checksum = (be16_t){0};
    p->ip->checksum = csum_finish(csum_add(p->ip, ip4_header_bytes(p->ip), 0));
}

static void fill(struct sim_packet *p, uint32_t dst, uint8_t protocol, unsigned l4_bytes)
{
    memset(p, 0, sizeof(*p));
    eth_write(p->frame.bytes, sim_ports[0].mac, sim_host_mac, ETH_TYPE_IP4);
    p->ip = sim_ip(&p->frame);
    p->l4 = (uint8_t *)(p->ip + 1);
    *p->ip = (struct ip4_header){.version_ihl = 0x45,
                                 .total_len = be16_make((uint16_t)(IP4_HEADER_BYTES + l4_bytes)),
                                 .id = be16_make(0x1234),
                                 .ttl = 64,
                                 .protocol = protocol,
                                 .src = be32_make(HOST0_ADDR),
                                 .dst = be32_make(dst)};
    sim_ip_checksum(p);
    p->frame.len = ETH_HEADER_BYTES + IP4_HEADER_BYTES + l4_bytes;
    for (unsigned i = 8; i < l4_bytes; i++)
        p->l4[i] = (uint8_t)(i * 7);
}

void sim_udp(struct sim_packet *p, uint32_t dst, unsigned payload)
{
    fill(p, dst, IP4_UDP, 8 + payload);
    store16(p->l4, be16_make(4000).raw);
    store16(p->l4 + 2, be16_make(5000).raw);
    store16(p->l4 + 4, be16_make((uint16_t)(8 + payload)).raw);
    uint64_t pseudo = csum_add(&p->ip->src, 8, 0) + be16_make(IP4_UDP).raw + load16(p->l4 + 4);
    store16(p->l4 + 6, csum_finish(csum_add(p->l4, 8 + payload, pseudo)).raw);
}

void sim_echo(struct sim_packet *p, uint32_t dst, unsigned payload)
{
    fill(p, dst, IP4_ICMP, 8 + payload);
    p->l4[0] = ICMP_ECHO;
    store32(p->l4 + 4, be32_make(0x00770001).raw);
    store16(p->l4 + 2, csum_finish(csum_add(p->l4, 8 + payload, 0)).raw);
}

void sim_options(struct sim_packet *p, const uint8_t *options, unsigned bytes)
{
    unsigned old = p->frame.len;
    memmove(p->l4 + bytes, p->l4, old - (unsigned)(p->l4 - p->frame.bytes));
    memcpy(p->l4, options, bytes);
    p->l4 += bytes;
    p->frame.len = old + bytes;
    p->ip->version_ihl = (uint8_t)(0x45 + bytes / 4);
    p->ip->total_len = be16_make((uint16_t)(be16_get(p->ip->total_len) + bytes));
    sim_ip_checksum(p);
}

void sim_arp(struct sim_frame *frame, unsigned operation, const uint8_t *sender_mac,
             uint32_t sender, uint32_t target, const uint8_t *frame_dst)
{
    static const uint8_t fixed[6] = {0, 1, 8, 0, 6, 4};
    memset(frame, 0, sizeof(*frame));
    eth_write(frame->bytes, frame_dst, sender_mac, ETH_TYPE_ARP);
    uint8_t *arp = frame->bytes + ETH_HEADER_BYTES;
    memcpy(arp, fixed, 6);
    store16(arp + 6, be16_make((uint16_t)operation).raw);
    memcpy(arp + 8, sender_mac, 6);
    store32(arp + 14, be32_make(sender).raw);
    store32(arp + 24, be32_make(target).raw);
    frame->len = 60;
}

void sim_deliver(unsigned port, const struct sim_packet *p)
{
    sim_receive(port, p->frame.bytes, p->frame.len);
    sim_run();
}

bool sim_ip_valid(const struct sim_frame *frame)
{
    const struct ip4_header *ip = sim_ip(frame);
    size_t room = frame->len - ETH_HEADER_BYTES, header = ip4_header_bytes(ip);
    return frame->len >= ETH_HEADER_BYTES + IP4_HEADER_BYTES && ip->version_ihl >> 4 == 4 &&
           header >= IP4_HEADER_BYTES && be16_get(ip->total_len) == room && header <= room &&
           csum_ok(ip, header);
}

const struct icmp_header *sim_expect_error(unsigned port, const struct sim_packet *about,
                                           uint32_t src, uint8_t type, uint8_t code)
{
    assert_int_equal(sim_sent(port), 1);
    const struct sim_frame *frame = sim_frame(port, 0);
    const struct ip4_header *ip = sim_ip(frame);
    const struct icmp_header *icmp = (const struct icmp_header *)(ip + 1);
    assert_true(sim_ip_valid(frame));
    assert_int_equal(be32_get(ip->src), src);
    assert_int_equal(be32_get(ip->dst), be32_get(about->ip->src));
    assert_int_equal(ip->protocol, IP4_ICMP);
    assert_int_equal(ip->ttl, 64);
    assert_int_equal(ip->tos, 0xc0);
    assert_int_equal(icmp->type, type);
    assert_int_equal(icmp->code, code);
    size_t bytes = be16_get(ip->total_len) - IP4_HEADER_BYTES;
    assert_true(csum_ok(icmp, bytes));
    size_t quoted = MIN(be16_get(about->ip->total_len), 548u);
    assert_int_equal(bytes, sizeof(*icmp) + quoted);
    // TTL and checksum may have changed on the way; the rest must be as it came.
    const uint8_t *quote = (const uint8_t *)(icmp + 1), *original = (const uint8_t *)about->ip;
    assert_memory_equal(quote, original, 8);
    assert_memory_equal(quote + 12, original + 12, quoted - 12);
    return icmp;
}

void sim_expect_silence(void)
{
    for (unsigned port = 0; port < SIM_PORTS; port++)
        assert_int_equal(sim_sent(port), 0);
}
