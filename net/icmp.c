// SPDX-License-Identifier: BSD-2-Clause
//
// ICMP. Errors follow RFC 1812 section 4.3: source is an address of the port the packet came in
// on, precedence 6 (4.3.2.5), as much of the packet as 576 bytes hold (4.3.2.3), and none of the
// cases of 4.3.2.7. Two token buckets limit them (4.3.2.8).

#include "net/icmp.h"

#include <string.h>

#include "core/time/clock.h"
#include "net/adjacency.h"
#include "net/checksum.h"
#include "net/interface.h"
#include "net/ip4.h"
#include "net/ratelimit.h"

#define ERROR_MAX 576 // bytes of the whole IP packet
#define ERROR_TOS 0xc0
#define TIMESTAMP 13 // first and last of the remaining queries
#define MASK_REPLY 18

static struct token_bucket total_bucket, port_bucket[PORT_MAX];

// Types that are asked or answered (RFC 792, 950, 1256). Everything else counts as an error.
static bool is_query(uint8_t type)
{
    return type == ICMP_ECHO || type == ICMP_ECHO_REPLY || type == 9 || type == 10 ||
           (type >= TIMESTAMP && type <= MASK_REPLY);
}

static bool is_directed_broadcast(uint32_t addr)
{
    return adjacency_get(fib4_lookup(&ip4_fib, addr))->kind == ADJ_BROADCAST;
}

// RFC 1812 section 4.3.2.7.
static bool error_allowed(const struct packet *p)
{
    const struct ip4_header *ip = ip4_header(p);
    uint32_t src = be32_get(ip->src), dst = be32_get(ip->dst);
    if (p->flags & (PACKET_L2_BROADCAST | PACKET_LOCAL))
        return false;
    if (be16_get(ip->fragment) & IP4_OFFSET_MASK)
        return false;
    if (ip4_is_multicast(dst) || dst == 0xffffffff || is_directed_broadcast(dst))
        return false;
    if (ip4_martian_source(src) || ip4_is_ours(src))
        return false;
    size_t header = ip4_header_bytes(ip);
    if (ip->protocol == IP4_ICMP)
        return be16_get(ip->total_len) > header && is_query(((const uint8_t *)ip)[header]);
    return true;
}

static bool rate_allowed(struct port *port)
{
    uint64_t now = clock_monotonic_ns();
    if (token_bucket_take(&port_bucket[port->number], ICMP_RATE_PORT, ICMP_BURST_PORT, now) &&
        token_bucket_take(&total_bucket, ICMP_RATE_TOTAL, ICMP_BURST_TOTAL, now))
        return true;
    port->counters.drops[DROP_ICMP_RATE]++;
    return false;
}

static void finish_message(struct icmp_header *icmp, size_t bytes)
{
    icmp->checksum = (be16_t){0};
    icmp->checksum = csum_finish(csum_add(icmp, bytes, 0));
}

static void send_error(struct port *port, struct packet *p, struct icmp_header header, uint32_t src)
{
    struct packet *error = packet_alloc();
    if (!error) {
        port->counters.drops[DROP_NO_BUFFER]++;
        return;
    }
    const struct ip4_header *about = ip4_header(p);
    size_t quoted = MIN(be16_get(about->total_len), ERROR_MAX - IP4_HEADER_BYTES - sizeof(header));
    packet_reset(error);
    struct icmp_header *icmp = (struct icmp_header *)(ip4_header(error) + 1);
    *icmp = header;
    memcpy(icmp + 1, about, quoted);
    finish_message(icmp, sizeof(header) + quoted);
    ip4_write_header(error, src, be32_get(about->src), IP4_ICMP, ERROR_TOS,
                     sizeof(header) + quoted);
    ip4_output(port, error);
}

void icmp_error(struct port *port, struct packet *p, enum icmp_type type, uint8_t code,
                uint32_t rest)
{
    if (!error_allowed(p))
        return;
    uint32_t src = ip4_source_for(port, be32_get(ip4_header(p)->src));
    if (!src || !rate_allowed(port))
        return;
    if (p->flags & PACKET_CSUM_PARTIAL)
        csum_finish_packet(p);
    send_error(port, p,
               (struct icmp_header){.type = (uint8_t)type, .code = code, .rest = be32_make(rest)},
               src);
}

// Turns the request into its reply in place: the payload stays, a new header without options goes
// in front of it (RFC 1812 section 4.3.3.6: from the address that was asked, same TOS).
static void echo_reply(struct port *port, struct packet *p, struct icmp_header *icmp, size_t bytes)
{
    struct ip4_header old = *ip4_header(p);
    icmp->type = ICMP_ECHO_REPLY;
    finish_message(icmp, bytes);
    p->data = (uint8_t *)icmp - IP4_HEADER_BYTES - ETH_HEADER_BYTES;
    ip4_write_header(p, be32_get(old.dst), be32_get(old.src), IP4_ICMP, old.tos, bytes);
    ip4_output(port, p);
}

static void report_answer(const struct ip4_header *from, uint8_t type, uint8_t code,
                          const struct icmp_header *echo)
{
    uint32_t rest = be32_get(echo->rest);
    ping_answer(be32_get(from->src), from->ttl, type, code, (uint16_t)(rest >> 16), (uint16_t)rest);
}

// An error whose quote is whole enough to tell whether it is about an echo request of ours.
static void error_received(const struct ip4_header *ip, const struct icmp_header *icmp,
                           size_t bytes)
{
    const struct ip4_header *about = (const struct ip4_header *)(icmp + 1);
    if (bytes < sizeof(*icmp) + IP4_HEADER_BYTES)
        return;
    size_t header = ip4_header_bytes(about);
    if (header < IP4_HEADER_BYTES || bytes < sizeof(*icmp) + header + sizeof(*icmp))
        return;
    const struct icmp_header *echo = (const struct icmp_header *)((const uint8_t *)about + header);
    if (about->protocol == IP4_ICMP && echo->type == ICMP_ECHO &&
        ip4_is_local(be32_get(about->src)))
        report_answer(ip, icmp->type, icmp->code, echo);
}

void icmp_input(struct port *port, struct packet *p)
{
    if (p->flags & PACKET_CSUM_PARTIAL)
        csum_finish_packet(p);
    const struct ip4_header *ip = ip4_header(p);
    size_t header = ip4_header_bytes(ip), bytes = be16_get(ip->total_len) - header;
    struct icmp_header *icmp = (struct icmp_header *)((uint8_t *)ip4_header(p) + header);
    if (bytes < sizeof(*icmp) || !csum_ok(icmp, bytes)) {
        port_drop(port, DROP_LOCAL_PROTO, p);
        return;
    }
    switch (icmp->type) {
    case ICMP_ECHO:
        echo_reply(port, p, icmp, bytes);
        return;
    case ICMP_ECHO_REPLY:
        report_answer(ip, icmp->type, icmp->code, icmp);
        break;
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER:
        error_received(ip, icmp, bytes);
        break;
    default:
        port->counters.drops[DROP_LOCAL_PROTO]++;
    }
    packet_free(p);
}
