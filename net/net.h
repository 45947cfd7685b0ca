// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up of the network layer, for boot.c: packet pools, tables, fast path. Drivers have
// registered their ports before it; ports are started by the application.

#pragma once

int net_init(void); // -ENOMEM names what it could not have
