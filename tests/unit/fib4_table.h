// SPDX-License-Identifier: BSD-2-Clause
//
// The reference table: 1,000,000 distinct IPv4 routes over 40,000 /16s from a seed; 60 % /24,
// 12 % /23, 12 % /22, 5 % /21, 5 % /20, 5.9 % /8 to /19, 0.1 % /25 to /32, next hops 1 to 256.
// The same seed gives the same table, in the same (random) order, on every machine.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define FIB4_TABLE_ROUTES 1000000u
#define FIB4_TABLE_BLOCKS 40000u // /16s with routes
#define FIB4_TABLE_NEXTHOPS 256u
#define FIB4_TABLE_SEED 0x51a1ceULL

struct fib4_table_route {
    uint32_t prefix; // host byte order
    uint16_t nexthop;
    uint8_t len;
};

// Fills routes[0..FIB4_TABLE_ROUTES).
void fib4_table_generate(struct fib4_table_route *routes, uint64_t seed);

// An address inside a route, evenly drawn; *state is the caller's random state.
uint32_t fib4_table_address(const struct fib4_table_route *route, uint64_t *state);

// The generator (splitmix64): next number of the sequence.
uint64_t fib4_table_random(uint64_t *state);
