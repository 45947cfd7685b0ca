// SPDX-License-Identifier: BSD-2-Clause
//
// How many packets there are, and how many of them each port may hold (docs/ports.md).

#pragma once

// Makes the packet pool for the ports that are registered, and sets their rings' size. Thread
// context, once, before the first port is started. -ENOMEM: not a packet.
int pool_init(void);
