// SPDX-License-Identifier: BSD-2-Clause
//
// The Internet checksum (RFC 1071, RFC 1624). Sums are kept in the machine's byte order: the
// ones' complement sum of byte-swapped words is the byte-swapped sum (RFC 1071 section 2 B), so a
// folded value is stored as it is and wears the type be16_t.

#pragma once

#include "net/ethernet.h"
#include "net/packet.h"

// Adds `len` bytes to a running sum; an odd last byte counts as padded with zero, so only the last
// piece of a message may be odd. Never overflows for less than 2^32 bytes.
uint64_t csum_add(const void *data, size_t len, uint64_t sum);

// End-around carry down to 16 bits: 0 only for a sum of nothing but zeros.
static inline uint16_t csum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

// The value for a checksum field, computed over a message whose field is zero.
static inline be16_t csum_finish(uint64_t sum) { return (be16_t){(uint16_t)~csum_fold(sum)}; }

// True if a message, its checksum field included, sums to minus zero.
static inline bool csum_ok(const void *data, size_t len)
{
    return csum_fold(csum_add(data, len, 0)) == 0xffff;
}

// RFC 1624 eqn. 3: HC' = ~(~HC + ~m + m'), for one 16-bit word that changes.
static inline be16_t csum_replace16(be16_t checksum, be16_t from, be16_t to)
{
    uint32_t sum = (uint16_t)~checksum.raw + (uint32_t)(uint16_t)~from.raw + to.raw;
    return csum_finish(sum);
}

// Where the marks of an IPv4 packet with PACKET_CSUM_PARTIAL may point: behind its header and
// inside the frame, as both are now. Another machine chose them, and somebody will write there.
static inline bool csum_marks_ok(const struct packet *p)
{
    size_t header_end = ETH_HEADER_BYTES + (p->data[ETH_HEADER_BYTES] & 15u) * 4;
    return packet_csum_inside(p) && p->csum_start >= header_end;
}

// Finishes PACKET_CSUM_PARTIAL of an IPv4 packet in software: the field holds the sum of the
// pseudo header, the checksum over csum_start..end of frame replaces it. Clears the mark. Marks
// that csum_marks_ok() refuses are cleared without a write.
void csum_finish_packet(struct packet *p);
