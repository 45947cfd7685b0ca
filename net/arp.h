// SPDX-License-Identifier: BSD-2-Clause
//
// ARP for IPv4 over Ethernet (RFC 826, RFC 5227): answers, learns, asks. Softirq context.

#pragma once

#include "net/port.h"

// A frame with the ARP type; consumed.
void arp_input(struct port *port, struct packet *p);
// Asks who has `target`: everybody, or only `mac` when it is known and to be confirmed.
void arp_request(struct port *port, uint32_t target, const uint8_t *mac);
// Tells the link our addresses on the port (RFC 5227 section 2.3).
void arp_announce(struct port *port);
