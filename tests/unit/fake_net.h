// SPDX-License-Identifier: BSD-2-Clause
//
// A network layer for tests of the configuration: it keeps what it is told, refuses what the real
// one refuses (net/interface.h, net/neigh.h), and can be made to fail at any call.

#pragma once

#include <stddef.h>

// A machine with this many ports and CPUs, nothing configured, no failures.
void fake_net_reset(unsigned ports, unsigned cpus);
// After `successes` further changes every one fails, or just one if `once`. -1: none fails.
void fake_net_fail_after(long successes, int once);
long fake_net_changes(void); // calls that changed something (or failed by order) since the reset
// The whole state as text, for comparison; in order of arrival.
const char *fake_net_state(char *buf, size_t size);
