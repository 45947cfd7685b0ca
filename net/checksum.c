// SPDX-License-Identifier: BSD-2-Clause
//
// Checksums over messages of any length, and the software half of transmit checksum offload
// (virtio 1.2 section 5.1.6.2.1 defines the partial checksum that packets carry).

#include "net/checksum.h"

uint64_t csum_add(const void *data, size_t len, uint64_t sum)
{
    const uint8_t *at = data;
    // 32-bit words in a 64-bit sum: carries gather in the upper half.
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t words = load64(at);
        sum += (words & 0xffffffff) + (words >> 32);
    }
    if (len >= 4) {
        sum += load32(at);
        at += 4;
        len -= 4;
    }
    if (len >= 2) {
        sum += load16(at);
        at += 2;
        len -= 2;
    }
    // On a little-endian machine the padded last word is the byte itself.
    return len ? sum + *at : sum;
}

void csum_finish_packet(struct packet *p)
{
    size_t start = p->csum_start, field = start + p->csum_offset;
    p->flags &= (uint16_t)~PACKET_CSUM_PARTIAL;
    if (!csum_marks_ok(p))
        return;
    be16_t sum = csum_finish(csum_add(p->data + start, p->len - start, 0));
    // RFC 768: a computed UDP checksum of zero is sent as all ones; for TCP both mean the same.
    store16(p->data + field, sum.raw ? sum.raw : 0xffff);
}
