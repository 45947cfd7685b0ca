// SPDX-License-Identifier: BSD-2-Clause
//
// Frames on their way out, gathered per port so that a turn hands each driver one burst. The fast
// loop appends to a port's array itself; everyone else uses egress_send(). Nothing leaves before
// egress_flush(): the fast path calls it after each burst, timers and threads when they are done.
//
// Context: softirq, or a thread with softirqs disabled.

#pragma once

#include "net/port.h"

#define EGRESS_ROOM (2 * BURST_MAX) // a burst always fits behind what egress_send leaves

struct egress {
    struct packet **tail; // next free entry
    uint64_t bytes;       // of the frames gathered
    struct port *port;
    struct packet *packets[EGRESS_ROOM];
    // The fast path's, while it works on a burst from the port (not on its stack: less to set up).
    struct packet *received[BURST_MAX], *odd;
};

// Some port may receive packets with partial checksums: those that leave are looked at.
extern bool egress_partial;

// Ports that have frames gathered, one bit each. Of the one CPU that forwards.
extern uint32_t egress_pending;

static inline bool port_usable(const struct port *port)
{
    return port->started && !port->reset_wanted &&
           atomic_load_explicit(&port->link_up, memory_order_relaxed);
}

// Takes a finished frame. A port without link drops it, counted.
void egress_send(struct port *port, struct packet *p);
// Hands all that was gathered to the drivers; what they do not take is dropped, counted.
void egress_flush_pending(void);
static inline void egress_flush(void)
{
    if (egress_pending)
        egress_flush_pending();
}
