// SPDX-License-Identifier: BSD-2-Clause
//
// IPv4 options (RFC 791 section 3.1): checked as a whole before anything else is done with the
// packet, then record route and timestamp are filled in as RFC 1812 sections 5.3.13.4 and
// 5.3.13.5 demand of a router. All others that are well formed pass unchanged.

#include <string.h>

#include "core/time/clock.h"
#include "net/checksum.h"
#include "net/interface.h"
#include "net/ip4.h"

#define OPTIONS_MAX 40

enum option_type {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_RECORD = 7,
    OPTION_TIMESTAMP = 68,
    OPTION_LOOSE = 131,
    OPTION_STRICT = 137,
};
#define OPTION_COPY 0x80 // goes into every fragment

// Pointer of the first entry; entries start behind the option's fixed part.
#define RECORD_FIRST 4
#define TIMESTAMP_FIRST 5

enum timestamp_flag { STAMP_ONLY = 0, STAMP_ADDRESS = 1, STAMP_PRESPECIFIED = 3 };

// Length of the option at `at`, or 0 when it does not fit into `room`.
static size_t option_bytes(const uint8_t *at, size_t room)
{
    if (*at == OPTION_END || *at == OPTION_NOP)
        return 1;
    return room >= 2 && at[1] >= 2 && at[1] <= room ? at[1] : 0;
}

// The fixed part of the options that a router touches must be there and point into them.
static bool option_sane(const uint8_t *at, size_t bytes)
{
    if (*at == OPTION_RECORD)
        return bytes >= 3 && at[2] >= RECORD_FIRST;
    if (*at == OPTION_TIMESTAMP)
        return bytes >= 4 && at[2] >= TIMESTAMP_FIRST;
    return true;
}

enum ip4_options_result ip4_options_check(const struct ip4_header *ip, unsigned *pointer)
{
    const uint8_t *base = (const uint8_t *)ip;
    size_t end = ip4_header_bytes(ip);
    for (size_t at = IP4_HEADER_BYTES, bytes; at < end && base[at] != OPTION_END; at += bytes) {
        bytes = option_bytes(base + at, end - at);
        if (!bytes || !option_sane(base + at, bytes)) {
            // The octet at fault: the option's length, or its pointer.
            *pointer = (unsigned)(at + (bytes ? MIN(bytes - 1, 2u) : MIN(end - at - 1, 1u)));
            return IP4_OPTIONS_MALFORMED;
        }
        if (base[at] == OPTION_LOOSE || base[at] == OPTION_STRICT)
            return IP4_OPTIONS_SOURCE_ROUTE;
    }
    return IP4_OPTIONS_OK;
}

// Appends our address; a full list stays as it is (RFC 791).
static int record_route(uint8_t *option, uint32_t addr)
{
    unsigned len = option[1], pointer = option[2];
    if (pointer > len)
        return 0;
    if (pointer + 3 > len)
        return -ENOSPC;
    store32(option + pointer - 1, be32_make(addr).raw);
    option[2] = (uint8_t)(pointer + 4);
    return 0;
}

static uint32_t milliseconds_since_midnight(void)
{
    return (uint32_t)(clock_realtime_ns() / NSEC_PER_MSEC % 86400000u);
}

static int timestamp(uint8_t *option, uint32_t addr)
{
    unsigned len = option[1], pointer = option[2], flag = option[3] & 15;
    unsigned entry = flag == STAMP_ONLY ? 4 : 8;
    if (pointer > len) { // full: count the hop that could not enter itself
        if (option[3] >> 4 == 15)
            return -ENOSPC;
        option[3] += 0x10;
        return 0;
    }
    if (pointer + entry - 1 > len)
        return -ENOSPC;
    uint8_t *at = option + pointer - 1;
    if (flag == STAMP_PRESPECIFIED && !ip4_is_local(be32_get((be32_t){load32(at)})))
        return 0;
    if (flag == STAMP_ADDRESS)
        store32(at, be32_make(addr).raw);
    store32(at + entry - 4, be32_make(milliseconds_since_midnight()).raw);
    option[2] = (uint8_t)(pointer + entry);
    return 0;
}

int ip4_options_forward(struct ip4_header *ip, uint32_t egress_addr, unsigned *pointer)
{
    uint8_t *base = (uint8_t *)ip;
    size_t end = ip4_header_bytes(ip);
    int err = 0;
    for (size_t at = IP4_HEADER_BYTES, bytes; !err && at < end && base[at] != OPTION_END;
         at += bytes) {
        bytes = option_bytes(base + at, end - at);
        if (!bytes) { // cannot be: checked on input
            err = -EINVAL;
            break;
        }
        *pointer = (unsigned)at + 2;
        if (base[at] == OPTION_RECORD)
            err = record_route(base + at, egress_addr);
        else if (base[at] == OPTION_TIMESTAMP)
            err = timestamp(base + at, egress_addr);
    }
    // After an error too: options before the bad one may have changed, and the header is quoted.
    ip->checksum = (be16_t){0};
    ip->checksum = csum_finish(csum_add(ip, end, 0));
    return err;
}

size_t ip4_options_copied(const struct ip4_header *ip, uint8_t *out)
{
    const uint8_t *base = (const uint8_t *)ip;
    size_t end = ip4_header_bytes(ip), used = 0;
    for (size_t at = IP4_HEADER_BYTES, bytes; at < end && base[at] != OPTION_END; at += bytes) {
        bytes = option_bytes(base + at, end - at);
        if (!bytes)
            break;
        if (base[at] & OPTION_COPY) {
            memcpy(out + used, base + at, bytes);
            used += bytes;
        }
    }
    while (used % 4)
        out[used++] = OPTION_END;
    return used;
}
