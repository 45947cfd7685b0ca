// SPDX-License-Identifier: BSD-2-Clause
//
// Generator of the reference table (fib4_table.h). Distinct prefixes come from a keyed
// permutation of all positions of a length (a four-round Feistel network that walks until the
// result is in range), so that no set of used prefixes is needed.

#include "fib4_table.h"

#include <stdbool.h>

// Routes of each length; like a full Internet table below /20.
static const uint32_t routes_of_len[33] = {
    [8] = 16,      [9] = 14,      [10] = 40,    [11] = 100,   [12] = 250,
    [13] = 500,    [14] = 1000,   [15] = 1800,  [16] = 9280,  [17] = 7500,
    [18] = 13500,  [19] = 25000,  [20] = 50000, [21] = 50000, [22] = 120000,
    [23] = 120000, [24] = 600000, [25] = 100,   [26] = 100,   [27] = 100,
    [28] = 100,    [29] = 100,    [30] = 100,   [31] = 100,   [32] = 300,
};

uint64_t fib4_table_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

static uint64_t mix(uint64_t value) { return fib4_table_random(&value); }

// The place of `index` in a permutation of 0..size-1 that `key` selects.
static uint32_t permute(uint32_t index, uint32_t size, uint64_t key)
{
    unsigned half = 1;
    while (half < 16 && (1ULL << 2 * half) < size)
        half++;
    uint32_t mask = (1u << half) - 1;
    do {
        uint32_t left = index >> half, right = index & mask;
        for (unsigned round = 0; round < 4; round++) {
            uint32_t next = left ^ ((uint32_t)mix(key + round + ((uint64_t)right << 8)) & mask);
            left = right;
            right = next;
        }
        index = left << half | right;
    } while (index >= size);
    return index;
}

// The n-th /16 of the table: unicast, neither 0/8 nor 127/8.
static uint32_t block(uint32_t n, uint64_t key)
{
    uint32_t place = permute(n, 222 * 256, key);
    uint32_t byte = 1 + place / 256;
    return (byte < 127 ? byte : byte + 1) << 24 | (place % 256) << 16;
}

// The n-th distinct prefix of /17 or longer.
static uint32_t long_prefix(uint32_t n, unsigned len, uint64_t seed)
{
    unsigned bits = len - 16;
    uint32_t place = permute(n, FIB4_TABLE_BLOCKS << bits, mix(seed + len));
    return block(place >> bits, seed) | (place & ((1u << bits) - 1)) << (32 - len);
}

// Shorter prefixes each contain a /16 of the table; `used` has a bit for each that was taken.
static uint32_t short_prefix(uint32_t *n, unsigned len, uint64_t seed, uint8_t *used)
{
    for (;; ++*n) {
        uint32_t index = permute(*n % FIB4_TABLE_BLOCKS, FIB4_TABLE_BLOCKS, mix(seed + len));
        uint32_t place = block(index, seed) >> (32 - len);
        if (!(used[place / 8] & 1u << place % 8)) {
            used[place / 8] |= (uint8_t)(1u << place % 8);
            return place << (32 - len);
        }
    }
}

static size_t generate_len(struct fib4_table_route *routes, unsigned len, uint64_t seed)
{
    uint8_t used[65536 / 8] = {0};
    uint32_t n = 0, count = routes_of_len[len];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t prefix = len > 16 ? long_prefix(i, len, seed) : short_prefix(&n, len, seed, used);
        routes[i] = (struct fib4_table_route){.prefix = prefix, .len = (uint8_t)len};
    }
    return count;
}

void fib4_table_generate(struct fib4_table_route *routes, uint64_t seed)
{
    size_t count = 0;
    for (unsigned len = 0; len <= 32; len++)
        count += generate_len(routes + count, len, seed);
    uint64_t state = mix(seed);
    for (size_t i = count; i > 0; i--) {
        size_t other = fib4_table_random(&state) % i;
        struct fib4_table_route route = routes[other];
        routes[other] = routes[i - 1];
        route.nexthop = (uint16_t)(1 + fib4_table_random(&state) % FIB4_TABLE_NEXTHOPS);
        routes[i - 1] = route;
    }
}

uint32_t fib4_table_address(const struct fib4_table_route *route, uint64_t *state)
{
    uint32_t host_mask = route->len == 0 ? UINT32_MAX : (uint32_t)((1ULL << (32 - route->len)) - 1);
    return route->prefix | ((uint32_t)fib4_table_random(state) & host_mask);
}
