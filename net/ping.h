// SPDX-License-Identifier: BSD-2-Clause
//
// ICMP echo as a client (RFC 792), for the console's `ping`.

#pragma once

#include "core/lib/types.h"

struct ping_result {
    uint32_t from; // host order: who answered
    uint64_t rtt_ns;
    uint8_t ttl;
    uint8_t icmp_type, icmp_code; // 0/0 echo reply; else the error that came back
};

// Sends one echo request with `bytes` of payload (at most 1400) and waits for its answer. Thread
// context. -ETIMEDOUT, -ENETUNREACH (no route), -EADDRNOTAVAIL (no source address), -ENOMEM.
int ping4(uint32_t dst, uint16_t sequence, size_t bytes, uint64_t timeout_ns,
          struct ping_result *result);
