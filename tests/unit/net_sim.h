// SPDX-License-Identifier: BSD-2-Clause
//
// The network layer on the host: ports whose other side is the test, a clock that the test moves,
// softirqs and timers that run when it says so. Packet buffers are poisoned for ASan while free
// and behind the received frame, so overreads and use after free stop the test; double frees and
// packets that do not come back are found by sim_check_pool().
//
// Topology after sim_start(): eth0 192.0.2.1/24, eth1 198.51.100.1/24, eth2 203.0.113.1/24 (MTU
// 600), eth3 without an address; 198.18.0.0/15 via 198.51.100.2, which has a static ARP entry.
//
// A program that uses it names its unit-sources and unit-ldflags (see test_fastpath.c).

#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/fastpath.h"
#include "net/icmp.h"
#include "net/interface.h"
#include "net/ip4.h"
#include "net/neigh.h"

#define SIM_PORTS 4
#define SIM_FRAME_MAX 1900
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

#define ETH0_ADDR IP(192, 0, 2, 1)
#define ETH1_ADDR IP(198, 51, 100, 1)
#define ETH2_ADDR IP(203, 0, 113, 1)
#define HOST0_ADDR IP(192, 0, 2, 10)     // on eth0; its MAC is sim_host_mac
#define GATEWAY_ADDR IP(198, 51, 100, 2) // on eth1
#define FAR_ADDR IP(198, 18, 5, 6)       // behind the gateway

struct sim_frame {
    unsigned len;
    uint8_t bytes[SIM_FRAME_MAX];
};

extern const uint8_t sim_host_mac[6], sim_gateway_mac[6], sim_broadcast[6];
extern struct port sim_ports[SIM_PORTS];
extern unsigned sim_tx_room; // frames a tx_burst takes; UINT_MAX: all
extern bool sim_rx_partial;  // received frames carry PACKET_CSUM_PARTIAL for UDP
extern bool sim_rx_marks;    // and these marks instead, which no driver vouches for
extern uint16_t sim_csum_start, sim_csum_offset;
extern unsigned sim_softirqs; // handler calls so far
extern int sim_start_result;  // what a port's start returns
extern unsigned sim_starts, sim_stops;
extern void (*sim_on_sleep)(void); // called when a thread would sleep; NULL: time passes

int sim_start(void **state);      // cmocka group setup
int sim_fresh(void **state);      // test setup: no dynamic neighbours, full buckets, empty queues
int sim_check_pool(void **state); // test teardown: every packet is back

void sim_receive(unsigned port, const void *frame, unsigned len); // queued until sim_run
void sim_run(void);                                               // softirqs until none is due
void sim_pass(uint64_t ns);                                       // time passes, timers fire
void sim_port_thread(void); // lets the port thread do what is due

unsigned sim_sent(unsigned port); // frames captured since sim_clear
const struct sim_frame *sim_frame(unsigned port, unsigned index);
void sim_clear(void);
uint64_t sim_drops(unsigned port, enum drop_reason why); // since sim_fresh

// ---- frames ----------------------------------------------------------------------------------

// A frame under construction; sim_udp() fills in good defaults, tests spoil them.
struct sim_packet {
    struct sim_frame frame;
    struct ip4_header *ip;
    uint8_t *l4;
};
// UDP from HOST0 to `dst` into eth0, `payload` bytes, TTL 64, all checksums right.
void sim_udp(struct sim_packet *p, uint32_t dst, unsigned payload);
// ICMP echo request likewise.
void sim_echo(struct sim_packet *p, uint32_t dst, unsigned payload);
// Makes room for `bytes` (a multiple of 4) of options and copies them there.
void sim_options(struct sim_packet *p, const uint8_t *options, unsigned bytes);
void sim_ip_checksum(struct sim_packet *p);
void sim_arp(struct sim_frame *frame, unsigned operation, const uint8_t *sender_mac,
             uint32_t sender, uint32_t target, const uint8_t *frame_dst);
// Receives it on a port and runs.
void sim_deliver(unsigned port, const struct sim_packet *p);
// Asserts: one frame on `port`, an ICMP error of this type and code about `about` from `src`.
const struct icmp_header *sim_expect_error(unsigned port, const struct sim_packet *about,
                                           uint32_t src, uint8_t type, uint8_t code);
void sim_expect_silence(void); // nothing was sent on any port
struct ip4_header *sim_ip(const struct sim_frame *frame);
bool sim_ip_valid(const struct sim_frame *frame); // lengths and checksum of an IPv4 frame
