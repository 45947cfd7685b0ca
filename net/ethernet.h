// SPDX-License-Identifier: BSD-2-Clause
//
// Ethernet II frames (RFC 894, IEEE 802.3 clause 3): the header and how to write one.

#pragma once

#include "core/lib/bytes.h"
#include "core/lib/types.h"

#define ETH_HEADER_BYTES 14
#define ETH_MAC_BYTES 6

#define ETH_TYPE_IP4 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_VLAN 0x8100    // IEEE 802.1Q
#define ETH_TYPE_SERVICE 0x88a8 // IEEE 802.1ad
#define ETH_TYPE_QINQ 0x9100    // pre-standard stacking

struct eth_header {
    uint8_t dst[6], src[6];
    be16_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct eth_header) == ETH_HEADER_BYTES, "frame layout");

static inline bool eth_is_group(const uint8_t *mac) { return mac[0] & 1; }

// A MAC address as a number: its bytes, lowest first, in the lower 48 bits.
static inline uint64_t eth_mac_word(const uint8_t *mac)
{
    return load32(mac) | (uint64_t)load16(mac + 4) << 32;
}

static inline void eth_copy_mac(uint8_t *to, const uint8_t *from)
{
    store32(to, load32(from));
    store16(to + 4, load16(from + 4));
}

static inline void eth_write(uint8_t *frame, const uint8_t *dst, const uint8_t *src, uint16_t type)
{
    struct eth_header *eth = (struct eth_header *)frame;
    eth_copy_mac(eth->dst, dst);
    eth_copy_mac(eth->src, src);
    eth->type = be16_make(type);
}
