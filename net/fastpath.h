// SPDX-License-Identifier: BSD-2-Clause
//
// The fast path: bursts from the ports through classification, lookup and rewrite to the ports.
// On shared CPUs the network softirq runs it with a budget and the CPU sleeps in between; on
// isolated CPUs a thread calls it in a loop. Same code.

#pragma once

#include "net/port.h"

// One turn over this CPU's queues: receives up to BURST_MAX packets from each, forwards them, and
// returns how many it took. Never inlined: measurements hook its entry and exit.
unsigned fastpath_poll(void);
int fastpath_init(void); // registers the softirq; after port_init and the tables
