// SPDX-License-Identifier: BSD-2-Clause
//
// IPv4 (RFC 791, RFC 1812) inside the network layer: the header, the tables by which packets are
// judged, and the way out of the fast path. Everything here runs in softirq context (or in a
// thread with softirqs disabled, followed by egress_flush()) and consumes the packet it is given,
// unless it says otherwise.

#pragma once

#include "core/lib/bytes.h"
#include "net/ethernet.h"
#include "net/fib4.h"
#include "net/port.h"

#define IP4_HEADER_BYTES 20
#define IP4_BYTES_MAX 65535
#define IP4_MTU_MIN 68 // RFC 791: every link carries it
#define IP4_TTL_DEFAULT 64

#define IP4_DF 0x4000
#define IP4_MF 0x2000
#define IP4_OFFSET_MASK 0x1fff // in units of 8 bytes

enum ip4_protocol { IP4_ICMP = 1, IP4_TCP = 6, IP4_UDP = 17 };

struct ip4_header {
    uint8_t version_ihl, tos;
    be16_t total_len, id, fragment;
    uint8_t ttl, protocol;
    be16_t checksum;
    be32_t src, dst;
} __attribute__((packed));
_Static_assert(sizeof(struct ip4_header) == IP4_HEADER_BYTES, "header layout");

static inline struct ip4_header *ip4_header(const struct packet *p)
{
    return (struct ip4_header *)(p->data + ETH_HEADER_BYTES);
}
static inline size_t ip4_header_bytes(const struct ip4_header *ip)
{
    return (size_t)(ip->version_ihl & 15) * 4;
}
static inline uint32_t ip4_mask(unsigned len) { return len ? ~0u << (32 - len) : 0; }
static inline bool ip4_in_subnet(uint32_t addr, uint32_t subnet, unsigned len)
{
    return ((addr ^ subnet) & ip4_mask(len)) == 0;
}

// TTL minus one and its effect on the checksum in one word: `word` is TTL, protocol and checksum
// as loaded from the header. With m' = m - 1, RFC 1624 eqn. 3 is HC' = HC + 1 with an end-around
// carry that never yields 0xffff: 0xfffe becomes 0x0000, and 0xffff (some senders' zero) 0x0001.
static __always_inline uint32_t ip4_ttl_step(uint32_t word)
{
    // TTL - 1 (no borrow: TTL > 0) and checksum + 1, or + 2 with the carry.
    return word + (unlikely(word >= 0xfffe0000) ? 0x1ffff : 0xffff);
}
#define IP4_TTL_WORD 8 // offset of that word in the header

// What the first octet and a hash of an address say before any table is read. One load each;
// anything but zero sends the packet to the careful path, which decides.
struct ip4_filter {
    uint16_t own[256];          // by ip4_own_hash: how many of what ip4_is_ours() knows
    uint8_t src[256], dst[256]; // by first octet: martian, multicast, or to be looked at
};
extern struct ip4_filter ip4_filter;

// Hash of an address in network byte order as loaded.
static __always_inline unsigned ip4_own_hash(uint32_t raw) { return raw * 0x9e37u >> 24; }

extern struct fib4 ip4_fib;

bool ip4_martian_source(uint32_t addr);      // RFC 1812 section 5.3.7; host order
bool ip4_martian_destination(uint32_t addr); // multicast and limited broadcast are not martian
static inline bool ip4_is_multicast(uint32_t addr) { return addr >> 28 == 0xe; }

// The careful path for a frame that the fast classifier did not like. True: it is a plain IPv4
// packet after all, trimmed, with p->dst set, still the caller's. False: it has been dealt with.
bool ip4_input_careful(struct port *port, struct packet *p);
// A frame with a valid Ethernet header and the IPv4 type. Same answer.
bool ip4_receive(struct port *port, struct packet *p);

struct adjacency;
// Forwards a checked packet along `adj` in all but the common case: whatever the kind, TTL,
// options, size. The TTL is still the received one.
void ip4_forward(struct port *port, struct packet *p, const struct adjacency *adj);
// Packets of our own with a complete header: looks up the destination and sends. Errors are
// counted on `port`.
void ip4_output(struct port *port, struct packet *p);
// Sends along a resolved or resolvable adjacency; fragments when the packet is too long for the
// port and may be (`port` is where a refusal is counted and reported).
void ip4_transmit(struct port *port, struct packet *p, const struct adjacency *adj);
// Cuts into fragments and transmits them (RFC 791 section 3.2).
void ip4_fragment(struct port *port, struct packet *p, const struct adjacency *adj);
// A packet for one of our addresses: ICMP, or "nobody listens". The host stack takes over here.
void local_deliver(struct port *port, struct packet *p);

// Fills a header of ours in front of `payload_bytes` that follow it; checksum included.
void ip4_write_header(struct packet *p, uint32_t src, uint32_t dst, uint8_t protocol, uint8_t tos,
                      size_t payload_bytes);

// ---- options (net/ip4_options.c) -------------------------------------------------------------

enum ip4_options_result { IP4_OPTIONS_OK, IP4_OPTIONS_SOURCE_ROUTE, IP4_OPTIONS_MALFORMED };
// Checks the options of a header that is whole in memory. *pointer: offending octet in it.
enum ip4_options_result ip4_options_check(const struct ip4_header *ip, unsigned *pointer);
// Record route and timestamp of a forwarded packet (RFC 1812 sections 5.3.13.4, .5): enters
// `egress_addr`, then makes the header checksum anew, in case of an error too. -ENOSPC with
// *pointer set: a field has room for a part of an entry only, or the overflow count is full.
int ip4_options_forward(struct ip4_header *ip, uint32_t egress_addr, unsigned *pointer);
// Builds the options of a non-first fragment (those with the copy bit) at `out` of 40 bytes;
// returns their length, padded to 4.
size_t ip4_options_copied(const struct ip4_header *ip, uint8_t *out);

void ip4_init(void);
