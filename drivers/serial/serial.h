// SPDX-License-Identifier: BSD-2-Clause
//
// Serial ports. This part uses one, the console: the port of /chosen/stdout-path, else the first
// one that a driver knows. A chip's driver is a table of five functions; what all chips share
// (choice of the port, log console, input ring, waiting) is serial.c.
//
// Output is polled with a limit per character, so it works in any context; a port that does not
// take a character in time loses it. Input is interrupt-driven.

#pragma once

#include "core/lib/dt.h"
#include "core/lib/mmio.h"

// The chip's side. Speed and format of the line are left as firmware set them.
struct serial_driver {
    const char *compatible;
    // Output usable afterwards; interrupts masked. `node` says how the registers are laid out.
    int (*init)(mmio_t regs, const struct dt_node *node);
    bool (*put)(mmio_t regs, char c);        // waits for room, bounded; false: lost
    void (*rx_enable)(mmio_t regs, bool on); // the receive interrupt
    void (*rx_acknowledge)(mmio_t regs);     // at the start of the interrupt handler
    // Next received character (0 to 255), -EAGAIN when there is none. *overrun is set when the
    // chip dropped characters before this one.
    int (*rx_get)(mmio_t regs, bool *overrun);
};
// Two tables: serial_driver for the console's start before drivers are probed, dt_driver (at
// DRIVER_EARLY, calling serial_probe) for its interrupt.
#define SERIAL_DRIVER(id) static const struct serial_driver id TABLE_ENTRY(serial_driver)

// Finds the console's port and makes it the log's console. From boot.c as soon as dt_init() has
// run, before any allocator; a second call does nothing. -ENODEV no known port, -ENOMEM not mapped.
int serial_early_init(void);
// probe function of a chip's DT_DRIVER: starts the console's input; other ports are left alone.
int serial_probe(const struct dt_node *node);

// Takes up to len received characters; waits for the first until the monotonic deadline (0: none).
// Returns how many, 0 on time-out or without a console. Thread context.
size_t serial_read(char *buf, size_t len, uint64_t deadline_ns);

struct serial_stats {
    const char *name;     // node name, NULL without a console
    uint32_t rx_chars;    // counts round
    uint64_t rx_overruns; // times the chip lost characters
    uint64_t tx_lost;     // the port did not take them in time
};
void serial_get_stats(struct serial_stats *stats);
