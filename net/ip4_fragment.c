// SPDX-License-Identifier: BSD-2-Clause
//
// Fragmentation (RFC 791 section 3.2, RFC 1812 section 4.2.2.7): one too long packet becomes
// several, each with a header of its own. What comes in may be a fragment already: offsets count
// on, and the last piece keeps its more-fragments bit.

#include <string.h>

#include "net/adjacency.h"
#include "net/checksum.h"
#include "net/icmp.h"
#include "net/ip4.h"

struct plan {
    const struct ip4_header *original;
    const uint8_t *payload;
    size_t payload_bytes;
    size_t mtu;
    uint8_t options[40]; // of all fragments but the first
    size_t options_bytes;
};

static size_t header_bytes(const struct plan *plan, bool first)
{
    return first ? ip4_header_bytes(plan->original) : IP4_HEADER_BYTES + plan->options_bytes;
}

// Payload of the fragment at `at`: all but the last carry a multiple of 8.
static size_t piece_bytes(const struct plan *plan, size_t at)
{
    size_t room = plan->mtu - header_bytes(plan, at == 0), left = plan->payload_bytes - at;
    return left <= room ? left : ALIGN_DOWN(room, 8);
}

static void write_piece(const struct plan *plan, struct packet *piece, size_t at, size_t bytes)
{
    size_t header = header_bytes(plan, at == 0);
    struct ip4_header *ip = ip4_header(piece);
    memcpy(ip, plan->original, at == 0 ? header : IP4_HEADER_BYTES);
    if (at)
        memcpy(ip + 1, plan->options, plan->options_bytes);
    memcpy((uint8_t *)ip + header, plan->payload + at, bytes);

    unsigned fragment = be16_get(plan->original->fragment) + (unsigned)(at / 8);
    if (at + bytes < plan->payload_bytes)
        fragment |= IP4_MF;
    ip->version_ihl = (uint8_t)(0x40 | header / 4);
    ip->total_len = be16_make((uint16_t)(header + bytes));
    ip->fragment = be16_make((uint16_t)fragment);
    ip->checksum = (be16_t){0};
    ip->checksum = csum_finish(csum_add(ip, header, 0));
    piece->len = (uint16_t)(ETH_HEADER_BYTES + header + bytes);
}

// A packet for a piece, with what later stages know of the original.
static struct packet *piece_alloc(const struct packet *original)
{
    struct packet *piece = packet_alloc();
    if (!piece)
        return NULL;
    packet_reset(piece);
    piece->flags = original->flags;
    piece->port = original->port;
    piece->l3 = original->l3;
    piece->dst = original->dst;
    return piece;
}

static size_t count_pieces(const struct plan *plan)
{
    size_t count = 0;
    for (size_t at = 0; at < plan->payload_bytes; at += piece_bytes(plan, at))
        count++;
    return count;
}

// All pieces or none: a part of them would only cost the links.
static struct packet *make_pieces(const struct plan *plan, const struct packet *p)
{
    struct packet *first = NULL, **link = &first;
    size_t at = 0;
    for (size_t left = count_pieces(plan); left; left--) {
        struct packet *piece = piece_alloc(p);
        if (!piece)
            goto free_pieces;
        size_t bytes = piece_bytes(plan, at);
        write_piece(plan, piece, at, bytes);
        at += bytes;
        piece->next = NULL;
        *link = piece;
        link = &piece->next;
    }
    return first;

free_pieces:
    while (first) {
        struct packet *next = first->next;
        packet_free(first);
        first = next;
    }
    return NULL;
}

// A fragment whose end lies behind that of the longest datagram: the offsets of its pieces would
// begin anew at 0, in front of what a filter behind us has judged (RFC 1858, RFC 3128).
static bool ends_too_late(const struct ip4_header *ip)
{
    size_t payload = be16_get(ip->total_len) - ip4_header_bytes(ip);
    return (be16_get(ip->fragment) & IP4_OFFSET_MASK) * 8u + payload > IP4_BYTES_MAX;
}

void ip4_fragment(struct port *port, struct packet *p, const struct adjacency *adj)
{
    const struct ip4_header *ip = ip4_header(p);
    if (ends_too_late(ip)) {
        port_drop(port, DROP_IP_HEADER, p);
        return;
    }
    if (be16_get(ip->fragment) & IP4_DF) {
        icmp_error(port, p, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, adj->port->mtu);
        port_drop(port, DROP_DF, p);
        return;
    }
    if (p->flags & PACKET_CSUM_PARTIAL)
        csum_finish_packet(p);
    size_t header = ip4_header_bytes(ip);
    struct plan plan = {.original = ip,
                        .payload = (const uint8_t *)ip + header,
                        .payload_bytes = be16_get(ip->total_len) - header,
                        .mtu = MAX(adj->port->mtu, IP4_MTU_MIN)};
    plan.options_bytes = ip4_options_copied(ip, plan.options);
    struct packet *piece = make_pieces(&plan, p);
    if (!piece) {
        port_drop(port, DROP_FRAGMENT, p);
        return;
    }
    packet_free(p);
    while (piece) {
        struct packet *next = piece->next;
        ip4_transmit(port, piece, adj);
        piece = next;
    }
}
