// SPDX-License-Identifier: BSD-2-Clause
//
// Network addresses as text, for configuration and console. IPv4 addresses are host-order
// integers. Parsers take the whole string: 0, or -EINVAL when it is not one; nothing is stored
// then. Formatters return the buffer they filled. No allocation; any context.

#pragma once

#include "core/lib/types.h"

#define IP4_TEXT_MAX 16     // "255.255.255.255"
#define PREFIX4_TEXT_MAX 19 // with "/32"
#define IP6_TEXT_MAX 40
#define MAC_TEXT_MAX 18

struct ip6_prefix {
    uint8_t addr[16];
    uint8_t len;
};

// Four decimal parts, no leading zeros (some would read them as octal).
int ip4_parse(const char *text, uint32_t *addr);
// A.B.C.D/L. Bits beyond L are kept: the caller decides whether they are allowed.
int ip4_parse_prefix(const char *text, uint32_t *addr, uint8_t *len);
// RFC 4291 section 2.2, the form with a dotted quad included, then "/L".
int ip6_parse_prefix(const char *text, struct ip6_prefix *prefix);
// Six pairs of hexadecimal digits with colons or hyphens between.
int mac_parse(const char *text, uint8_t mac[6]);

char *ip4_format(uint32_t addr, char buf[static IP4_TEXT_MAX]);
char *ip4_format_prefix(uint32_t addr, unsigned len, char buf[static PREFIX4_TEXT_MAX]);
char *ip6_format(const uint8_t addr[16], char buf[static IP6_TEXT_MAX]); // RFC 5952
char *mac_format(const uint8_t mac[6], char buf[static MAC_TEXT_MAX]);

static inline uint32_t prefix4_mask(unsigned len) { return len ? ~0u << (32 - len) : 0; }
static inline bool prefix4_same(uint32_t a, uint32_t b, unsigned len)
{
    return ((a ^ b) & prefix4_mask(len)) == 0;
}
// An address that a host may have: not 0/8, loopback, multicast, reserved or broadcast.
static inline bool addr4_is_unicast(uint32_t addr)
{
    uint32_t net = addr >> 24;
    return net != 0 && net != 127 && net < 224;
}
