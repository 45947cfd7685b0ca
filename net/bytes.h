// SPDX-License-Identifier: BSD-2-Clause
//
// Loads and stores of any alignment, in the machine's own byte order. Frames put the IPv4 header
// on an odd half-word, so every field access of the network layer may be misaligned; a machine
// without such loads gets the compiler's substitute.

#pragma once

#include "core/lib/types.h"

#define BYTES_LOAD(bits)                                                    \
    static __always_inline uint##bits##_t load##bits(const void *from)      \
    {                                                                       \
        uint##bits##_t value;                                               \
        __builtin_memcpy(&value, from, sizeof(value));                      \
        return value;                                                       \
    }                                                                       \
    static __always_inline void store##bits(void *to, uint##bits##_t value) \
    {                                                                       \
        __builtin_memcpy(to, &value, sizeof(value));                        \
    }
BYTES_LOAD(16)
BYTES_LOAD(32)
BYTES_LOAD(64)
#undef BYTES_LOAD
