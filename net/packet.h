// SPDX-License-Identifier: BSD-2-Clause
//
// Packets: one cache line of metadata, then a 2 KiB buffer with headroom. They come from per-CPU
// pools in large blocks and are handed over, not copied: whoever holds the pointer owns the packet
// until it passes it on (port_tx_burst, punt) or frees it.
//
// Context: softirq or with softirqs disabled (the pool of this CPU is not locked otherwise).

#pragma once

#include "mm/dma.h"
#include "mm/percpu.h"

#define PACKET_BUFFER_BYTES 2048
#define PACKET_HEADROOM 192 // device header (virtio 12), encapsulation, later lwIP's pbuf_custom
#define PACKET_DATA_MAX (PACKET_BUFFER_BYTES - PACKET_HEADROOM)

enum packet_flags {
    PACKET_CSUM_PARTIAL = 1, // the L4 checksum at csum_start+csum_offset covers the pseudo header
                             // only; transmit must finish it (hardware or software)
    PACKET_CSUM_VALID = 2,   // the device has verified the L4 checksum
    PACKET_LOCAL = 4,        // made by this machine, not forwarded
    PACKET_L2_BROADCAST = 8, // came in a broadcast or multicast frame
};

struct packet_pool;

struct packet {
    uint8_t *data;                    // first byte of the frame (Ethernet header on rx and tx)
    uint16_t len;                     // bytes from data
    uint16_t port;                    // ingress port number
    uint16_t flags;                   // enum packet_flags
    uint16_t csum_start, csum_offset; // from data, with PACKET_CSUM_PARTIAL
    uint16_t l3;                      // offset of the network header from data
    uint32_t dst;                     // scratch of the stages: destination in host order
    uint32_t nexthop;                 // scratch of the stages: FIB result
    uint64_t bus_delta;       // bus address of a byte of the buffer = its address + bus_delta
    struct packet *next;      // link of whoever owns the packet
    struct packet_pool *pool; // where it returns to
    uint32_t scratch[2];
} __cacheline_aligned;
_Static_assert(sizeof(struct packet) == CACHE_LINE, "one cache line of metadata");

static inline uint8_t *packet_buffer(struct packet *p) { return (uint8_t *)(p + 1); }
static inline uint64_t packet_bus(const struct packet *p)
{
    return (uintptr_t)p->data + p->bus_delta;
}
// An empty packet again: data at the headroom, no flags.
static inline void packet_reset(struct packet *p)
{
    p->data = packet_buffer(p) + PACKET_HEADROOM;
    p->len = 0;
    p->flags = 0;
}

#define PACKET_CSUM_START_MIN \
    34 // no L4 header begins before: Ethernet and the shortest IPv4 header

// True if the place of a partial checksum lies behind the shortest headers and inside the frame as
// it is now. The marks are another machine's word, and somebody will write there.
static inline bool packet_csum_inside(const struct packet *p)
{
    return p->csum_start >= PACKET_CSUM_START_MIN &&
           p->csum_start + (size_t)p->csum_offset + sizeof(uint16_t) <= p->len;
}

// Makes the pools: `packets` in total over the CPUs, or as many as memory gives, all of it at or
// below the physical address `reach`. -ENOMEM: there is none at all. Thread context, once (a
// second call forgets the packets of the first).
int packet_pool_init(size_t packets, paddr_t reach);

// Up to `count` packets of this CPU's pool into `out`; returns how many.
unsigned packet_alloc_bulk(struct packet **out, unsigned count);
static __always_inline struct packet *packet_alloc(void)
{
    struct packet *p;
    return packet_alloc_bulk(&p, 1) ? p : NULL;
}
void packet_free_bulk(struct packet **packets, unsigned count);
static inline void packet_free(struct packet *p) { packet_free_bulk(&p, 1); }

struct packet_pool_stats {
    size_t total, available;
    size_t least;       // the fewest that were ever available
    uint64_t exhausted; // allocations that got fewer than they asked for
};
void packet_pool_get_stats(struct packet_pool_stats *stats);
