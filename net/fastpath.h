// SPDX-License-Identifier: BSD-2-Clause
//
// The fast path: bursts from the ports through classification, lookup and rewrite to the ports.
// On shared CPUs the network softirq runs it with a budget and the CPU sleeps in between; on
// isolated CPUs a thread calls it in a loop. Same code.

#pragma once

#include "net/port.h"

// What the last turn found. Measurements from outside, to which registers are out of sight, watch
// the store that fastpath_poll() makes to `taken` as it ends.
struct fastpath_turn {
    unsigned taken; // packets; the first member, where tests/bench looks for it
    bool again;     // a port was not drained, or has packets already again
};

extern struct fastpath_turn fastpath_turn;

// One turn over this CPU's queues: receives up to BURST_MAX packets from each, forwards them, and
// returns how many it took. Never inlined: measurements hook its entry.
unsigned fastpath_poll(void);
int fastpath_init(void); // registers the softirq; after port_init and the tables
