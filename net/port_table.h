// SPDX-License-Identifier: BSD-2-Clause
//
// The ports as an array, for the loops of the fast path that run at every wake-up.

#pragma once

#include "net/port.h"

extern struct port *port_table[PORT_MAX]; // in order of number, port_table_used of them
extern unsigned port_table_used;
