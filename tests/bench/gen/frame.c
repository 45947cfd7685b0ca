// SPDX-License-Identifier: BSD-2-Clause
//
// Builds and checks test frames (frame.h). A check builds the one right answer and compares all
// bytes with it; only when they differ does it look for the name of the fault.

#include "frame.h"

#include <arpa/inet.h>
#include <string.h>

#define FRAME_SPORT 40000
#define FRAME_DPORT 9
#define SEQ_BYTES 8
#define IP_OFFSET 14
#define IP_BYTES 20

const char *const frame_fault_names[FRAME_FAULTS] = {
    [FRAME_GOOD] = "good",
    [FRAME_BAD_LENGTH] = "length",
    [FRAME_BAD_MAC] = "mac",
    [FRAME_BAD_TTL] = "ttl",
    [FRAME_BAD_CHECKSUM] = "checksum",
    [FRAME_BAD_HEADER] = "header",
    [FRAME_BAD_PAYLOAD] = "payload",
};

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

uint16_t frame_checksum(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < len; i += 2)
        sum += get16(bytes + i);
    if (len & 1)
        sum += (uint32_t)bytes[len - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void build_ip(uint8_t *ip, size_t len, const struct route *route, uint64_t seq, uint8_t ttl)
{
    ip[0] = 0x45;
    ip[1] = 0;
    put16(ip + 2, (uint16_t)(len - IP_OFFSET));
    put16(ip + 4, (uint16_t)seq); // identification: differs, so that checksums differ
    put16(ip + 6, 0);
    ip[8] = ttl;
    ip[9] = IPPROTO_UDP;
    put16(ip + 10, 0);
    put32(ip + 12, route->src_ip);
    put32(ip + 16, route->dst_ips[seq % route->dst_count]);
    put16(ip + 10, frame_checksum(ip, IP_BYTES));
}

static void build(uint8_t *frame, size_t len, const struct route *route, uint64_t seq, uint8_t ttl)
{
    put16(frame + 12, 0x0800);
    build_ip(frame + IP_OFFSET, len, route, seq, ttl);
    put16(frame + FRAME_UDP, FRAME_SPORT);
    put16(frame + FRAME_UDP + 2, FRAME_DPORT);
    put16(frame + FRAME_UDP + 4, (uint16_t)(len - FRAME_UDP));
    put16(frame + FRAME_UDP + 6, 0); // no UDP checksum (RFC 768)
    put32(frame + FRAME_SEQ, (uint32_t)(seq >> 32));
    put32(frame + FRAME_SEQ + 4, (uint32_t)seq);
    for (size_t i = FRAME_SEQ + SEQ_BYTES; i < len; i++)
        frame[i] = (uint8_t)(seq * 31 + i * 7 + 1);
}

void frame_build(uint8_t *frame, size_t len, const struct route *route, uint64_t seq)
{
    memcpy(frame, route->dut_in_mac, MAC_LEN);
    memcpy(frame + MAC_LEN, route->src_mac, MAC_LEN);
    build(frame, len, route, seq, FRAME_TTL);
}

static enum frame_fault name_fault(const uint8_t *frame, size_t len, const uint8_t *right)
{
    if (memcmp(frame, right, IP_OFFSET))
        return FRAME_BAD_MAC;
    if (frame[IP_OFFSET + 8] != FRAME_TTL - 1)
        return FRAME_BAD_TTL;
    if (frame_checksum(frame + IP_OFFSET, IP_BYTES))
        return FRAME_BAD_CHECKSUM;
    if (memcmp(frame + IP_OFFSET, right + IP_OFFSET, IP_BYTES))
        return FRAME_BAD_HEADER;
    return memcmp(frame + FRAME_UDP, right + FRAME_UDP, len - FRAME_UDP) ? FRAME_BAD_PAYLOAD
                                                                         : FRAME_GOOD;
}

enum frame_fault frame_check(const uint8_t *frame, size_t got, size_t len,
                             const struct route *route, uint64_t *seq)
{
    uint8_t right[FRAME_MAX];

    if (got < FRAME_SEQ + SEQ_BYTES || get16(frame + 12) != 0x0800 ||
        get16(frame + FRAME_UDP) != FRAME_SPORT || get16(frame + FRAME_UDP + 2) != FRAME_DPORT)
        return FRAME_FOREIGN;
    *seq = 0;
    for (size_t i = 0; i < SEQ_BYTES; i++)
        *seq = *seq << 8 | frame[FRAME_SEQ + i];
    if (got != len)
        return FRAME_BAD_LENGTH;
    memcpy(right, route->dst_mac, MAC_LEN);
    memcpy(right + MAC_LEN, route->dut_out_mac, MAC_LEN);
    build(right, len, route, *seq, FRAME_TTL - 1);
    return memcmp(frame, right, len) ? name_fault(frame, len, right) : FRAME_GOOD;
}
