// SPDX-License-Identifier: BSD-2-Clause
//
// ICMP (RFC 792, RFC 1812 section 4.3): errors about packets of others, echo for ourselves.
// Softirq context.

#pragma once

#include "net/port.h"

enum icmp_type {
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_REDIRECT = 5,
    ICMP_ECHO = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER = 12,
};
enum icmp_unreachable_code {
    ICMP_NET = 0,
    ICMP_HOST = 1,
    ICMP_PROTOCOL = 2,
    ICMP_PORT = 3,
    ICMP_FRAG_NEEDED = 4,
};
#define ICMP_REDIRECT_HOST 1

struct icmp_header {
    uint8_t type, code;
    be16_t checksum;
    be32_t rest; // identifier and sequence; unused and MTU; pointer; gateway
} __attribute__((packed));

// Limits on errors: sustained rate and burst, of the whole router and of each ingress port.
#define ICMP_RATE_TOTAL 1000
#define ICMP_BURST_TOTAL 200
#define ICMP_RATE_PORT 500
#define ICMP_BURST_PORT 100

// Sends an error about `p`, which came in on `port` and stays the caller's, if RFC 1812 section
// 4.3.2.7 allows one: not about ICMP errors, later fragments, broadcasts, or doubtful sources.
// `rest` is the third header word (host order): next-hop MTU, pointer << 24, or gateway.
void icmp_error(struct port *port, struct packet *p, enum icmp_type type, uint8_t code,
                uint32_t rest);
// An ICMP message for one of our addresses; consumed.
void icmp_input(struct port *port, struct packet *p);

// From ICMP input to the waiting ping (net/ping.c): the answer to echo `id`/`sequence`.
void ping_answer(uint32_t from, uint8_t ttl, uint8_t type, uint8_t code, uint16_t id,
                 uint16_t sequence);
