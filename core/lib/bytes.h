// SPDX-License-Identifier: BSD-2-Clause
//
// Loads and stores of any alignment, in the machine's own byte order. Frames put the IPv4 header
// on an odd half-word, so every field access of the network layer may be misaligned; a machine
// without such loads gets the compiler's substitute.
//
// They go through a packed member, not through a copy of bytes: for that, GCC takes a way over the
// stack on MIPS, three times as long.

#pragma once

#include "core/lib/types.h"

#define BYTES_LOAD(bits)                                                    \
    struct bytes##bits {                                                    \
        uint##bits##_t value;                                               \
    } __attribute__((packed, may_alias));                                   \
    static __always_inline uint##bits##_t load##bits(const void *from)      \
    {                                                                       \
        return ((const struct bytes##bits *)from)->value;                   \
    }                                                                       \
    static __always_inline void store##bits(void *to, uint##bits##_t value) \
    {                                                                       \
        ((struct bytes##bits *)to)->value = value;                          \
    }
BYTES_LOAD(16)
BYTES_LOAD(32)
BYTES_LOAD(64)
#undef BYTES_LOAD
