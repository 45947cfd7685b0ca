// SPDX-License-Identifier: BSD-2-Clause
//
// What serial ports share (contract in serial.h): choosing the console's port by the device tree
// (Devicetree Specification v0.4, section 3.6: stdout-path), the log's console on it, and received
// characters in a ring until a thread reads them.

#include "drivers/serial/serial.h"

#include "core/debug/log.h"
#include "core/irq/irq.h"
#include "core/posix/console_file.h"
#include "core/sync/spinlock.h"
#include "core/sync/wait.h"
#include "platform/platform.h"

TABLE_DECLARE(struct serial_driver, serial_driver);

#define RX_RING 1024u // characters; a power of two

static struct {
    const struct serial_driver *driver; // NULL until the port is found
    const struct dt_node *node;
    mmio_t regs;
    uint64_t tx_lost;
} port;

static struct {
    struct spinlock lock; // protects the rest against the interrupt handler
    unsigned head, tail;  // count up for ever; their difference is the fill
    bool paused;          // the ring was full: the chip's interrupt is masked
    uint64_t overruns;
    char ring[RX_RING];
} rx;

static struct wait_queue readers = WAIT_QUEUE_INIT(readers);

// ---- Output ----------------------------------------------------------------------------------

static void write_polled(struct log_console *console, const char *text, size_t len)
{
    (void)console;
    for (size_t i = 0; i < len; i++) {
        if (port.driver->put(port.regs, text[i]))
            continue;
        // A port that is stuck must not cost the limit for every further character.
        port.tx_lost += len - i;
        return;
    }
}

static struct log_console serial_console = {.name = "serial", .write = write_polled};

// ---- Finding the port ------------------------------------------------------------------------

static const struct serial_driver *driver_for(const struct dt_node *node)
{
    TABLE_FOREACH (struct serial_driver, driver, serial_driver) {
        if (dt_is_compatible(node, driver->compatible))
            return driver;
    }
    return NULL;
}

// Without stdout-path, or with one that names nothing we know.
static const struct dt_node *first_known_port(void)
{
    for (const struct dt_node *node = dt_next(NULL); node; node = dt_next(node)) {
        if (driver_for(node) && dt_is_available(node))
            return node;
    }
    return NULL;
}

static const struct dt_node *choose_port(void)
{
    const struct dt_node *chosen = dt_by_path("/chosen");
    const char *path = chosen ? dt_string(chosen, "stdout-path") : NULL;
    const struct dt_node *node = path ? dt_by_path(path) : NULL;
    return node && driver_for(node) ? node : first_known_port();
}

// The order matters at the end: output may start with port.driver, so all else is set before.
int serial_early_init(void)
{
    if (port.driver)
        return 0;
    const struct dt_node *node = choose_port();
    if (!node)
        return -ENODEV;
    paddr_t base;
    uint64_t len;
    int err = dt_reg(node, 0, &base, &len);
    if (err)
        return err;
    port.regs = platform_early_device(base);
    if (!mmio_valid(port.regs))
        return -ENOMEM;
    const struct serial_driver *driver = driver_for(node);
    err = driver->init(port.regs, node);
    if (err)
        return err;
    port.node = node;
    port.driver = driver;
    serial_console.name = node->name;
    log_set_console(&serial_console);
    return 0;
}

// ---- Input -----------------------------------------------------------------------------------

// rx.lock held. Moves characters from the chip to the ring. When the ring is full the rest stays in
// the chip and its interrupt is masked: the sender feels it (a virtual port stops, a real one that
// has flow control too), and what is lost all the same the chip reports as overrun. So a pasted
// configuration of any length arrives whole.
static unsigned rx_drain(void)
{
    unsigned before = rx.head;
    while (rx.head - rx.tail < RX_RING) {
        bool overrun = false;
        int c = port.driver->rx_get(port.regs, &overrun);
        if (c < 0)
            return rx.head - before;
        rx.overruns += overrun;
        rx.ring[rx.head++ % RX_RING] = (char)c;
    }
    rx.paused = true;
    port.driver->rx_enable(port.regs, false);
    return rx.head - before;
}

// Readers are woken once a burst, not once a character.
static enum irq_result rx_interrupt(void *arg)
{
    (void)arg;
    irq_flags_t flags = spin_lock_irqsave(&rx.lock);
    port.driver->rx_acknowledge(port.regs);
    unsigned taken = rx_drain();
    spin_unlock_irqrestore(&rx.lock, flags);
    if (!taken)
        return IRQ_NONE;
    wake_all(&readers);
    return IRQ_HANDLED;
}

// rx.lock held. What waits in the chip raises no interrupt any more, so it is fetched here.
static void rx_resume(void)
{
    rx.paused = false;
    port.driver->rx_enable(port.regs, true);
    rx_drain();
}

// Read without the lock: the taker looks again under it.
static bool rx_pending(void) { return *(volatile unsigned *)&rx.head != rx.tail; }

size_t serial_read(char *buf, size_t len, uint64_t deadline_ns)
{
    if (!port.driver || !len)
        return 0;
    size_t n = 0;
    while (n == 0) { // another reader may be faster after the wait
        if (wait_event_deadline(&readers, rx_pending(), deadline_ns))
            return 0;
        irq_flags_t flags = spin_lock_irqsave(&rx.lock);
        while (n < len && rx.tail != rx.head)
            buf[n++] = rx.ring[rx.tail++ % RX_RING];
        if (rx.paused && rx.head - rx.tail <= RX_RING / 2)
            rx_resume();
        spin_unlock_irqrestore(&rx.lock, flags);
    }
    return n;
}

int serial_probe(const struct dt_node *node)
{
    if (node != port.node)
        return 0;
    int irq = irq_from_dt(node, 0);
    if (irq < 0)
        return irq;
    int err = irq_request(irq, rx_interrupt, &port, node->name);
    if (err)
        return err;
    port.driver->rx_enable(port.regs, true);
    rx_interrupt(&port); // what came before now raises no interrupt
    console_set_input(serial_read);
    return 0;
}

void serial_get_stats(struct serial_stats *stats)
{
    irq_flags_t flags = spin_lock_irqsave(&rx.lock);
    *stats = (struct serial_stats){.name = port.node ? port.node->name : NULL,
                                   .rx_chars = rx.head,
                                   .rx_overruns = rx.overruns,
                                   .tx_lost = port.tx_lost};
    spin_unlock_irqrestore(&rx.lock, flags);
}
