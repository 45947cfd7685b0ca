// SPDX-License-Identifier: BSD-2-Clause
//
// Between addresses (net/interface.c) and routes (net/route4.c): what one asks of the other.
// Thread context, net_config_lock held, unless stated.

#pragma once

#include "net/interface.h"

// Iterates over all addresses of all ports, from *cursor 0; NULL at the end.
const struct ip4_address *ip4_address_next(unsigned *cursor, struct port **port);

// Brings the routes that an address stands for in line with the lists of addresses, after it came
// or went. -ENOMEM, -ENOSPC: when it came; the caller takes it back and calls again.
int route4_address_changed(struct port *port, const struct ip4_address *address);

// Before an address goes: memory for the routes that will lose their gateway. -ENOMEM.
int route4_gateways_prepare(const struct port *port, const struct ip4_address *address);
// After the lists changed: routes whose gateway is on no connected subnet any more become
// inactive, those whose gateway is now become active.
void route4_gateways_changed(void);
