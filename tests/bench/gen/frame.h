// SPDX-License-Identifier: BSD-2-Clause
//
// Test frames of the load generator: building them and checking what comes back.
//
// A frame is Ethernet II, IPv4 without options, UDP, then the frame's number and a pattern that
// depends on it. What a router must do to it is exact (RFC 1812 5.3.1, 4.2.2.9): both MAC
// addresses new, TTL one less, header checksum right, every other byte as it was.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define FRAME_MIN 60 // without the frame check sequence, which a dgram netdev does not carry
#define FRAME_MAX 1514
#define FRAME_TTL 64
#define FRAME_UDP 34 // offset of the UDP header
#define FRAME_SEQ 42 // offset of the frame's number, 8 bytes, network byte order
#define MAC_LEN 6

// The two sides of the router under test. IP addresses in host byte order.
struct route {
    uint8_t src_mac[MAC_LEN];    // ours, where frames go in
    uint8_t dut_in_mac[MAC_LEN]; // the router's there
    uint8_t dut_out_mac[MAC_LEN];
    uint8_t dst_mac[MAC_LEN]; // ours, where frames come out
    uint32_t src_ip;
    const uint32_t *dst_ips; // frame n goes to dst_ips[n % dst_count]
    size_t dst_count;
};

// What is wrong with a frame that came back; FRAME_FOREIGN: it is none of ours.
enum frame_fault {
    FRAME_GOOD,
    FRAME_BAD_LENGTH,
    FRAME_BAD_MAC,
    FRAME_BAD_TTL,
    FRAME_BAD_CHECKSUM,
    FRAME_BAD_HEADER,
    FRAME_BAD_PAYLOAD,
    FRAME_FAULTS,
    FRAME_FOREIGN = FRAME_FAULTS,
};

extern const char *const frame_fault_names[FRAME_FAULTS];

// Writes frame `seq` of `len` bytes (FRAME_MIN..FRAME_MAX) as it is sent to the router.
void frame_build(uint8_t *frame, size_t len, const struct route *route, uint64_t seq);

// Checks a received frame against what the router must make of a frame of `len` bytes; gives
// its number for all but FRAME_FOREIGN.
enum frame_fault frame_check(const uint8_t *frame, size_t got, size_t len,
                             const struct route *route, uint64_t *seq);

// Internet checksum (RFC 1071) of `len` bytes, as it is stored.
uint16_t frame_checksum(const uint8_t *bytes, size_t len);
