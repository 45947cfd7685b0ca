// SPDX-License-Identifier: BSD-2-Clause
//
// Ports: the registry, starting and stopping, and the thread that follows up what drivers report
// from interrupts: a device to be reset, a link that came or went.
//
// A device that lies again right after its reset is given more and more time (RESET_DELAY_MIN to
// _MAX), so that it costs neither the CPU nor the log much.

#include "net/port.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/irq/softirq.h"
#include "core/lib/fmt.h"
#include "core/sync/rcu.h"
#include "core/sync/wait.h"
#include "core/time/clock.h"
#include "mm/slab.h"
#include "net/arp.h"
#include "net/egress.h"
#include "net/interface.h"
#include "net/neigh_table.h"
#include "net/port_table.h"

#define RESET_DELAY_MIN (10 * NSEC_PER_MSEC)
#define RESET_DELAY_MAX (10 * NSEC_PER_SEC)
#define RESET_CALM (30 * NSEC_PER_SEC) // this long without trouble: the back-off starts anew

struct port *port_table[PORT_MAX];
unsigned port_table_used;
static struct wait_queue work_queue = WAIT_QUEUE_INIT(work_queue);
static volatile bool work_due; // set by any context, cleared by the port thread

int port_register(struct port *port)
{
    if (port_table_used == PORT_MAX)
        return -ENOSPC;
    struct egress *egress = kmalloc(sizeof(*egress), GFP_KERNEL | GFP_ZERO);
    if (!egress)
        return -ENOMEM;
    egress->port = port;
    egress->tail = egress->packets;
    port->egress = egress;
    port->number = (uint16_t)port_table_used;
    port->ring = port->ring_max;
    port->mac_word = PORT_NO_IP4;
    if (!port->mtu)
        port->mtu = 1500;
    fmt_snprint(port->name, sizeof(port->name), "eth%u", port_table_used);
    port_table[port_table_used++] = port;
    log_info("%s: %s, MAC %pM", port->name, port->model ? port->model : "?", port->mac);
    return 0;
}

unsigned port_count(void) { return port_table_used; }
struct port *port_get(unsigned number)
{
    return number < port_table_used ? port_table[number] : NULL;
}

struct port *port_by_name(const char *name)
{
    for (unsigned i = 0; i < port_table_used; i++)
        if (strcmp(port_table[i]->name, name) == 0)
            return port_table[i];
    return NULL;
}

static void wake_port_thread(void)
{
    work_due = true;
    wake_all(&work_queue);
}

// Before packets of the port can be on their way.
static void note_partial(void)
{
    bool partial = false;
    for (unsigned i = 0; i < port_table_used; i++)
        partial |= port_table[i]->started && !(port_table[i]->features & PORT_RX_WHOLE);
    egress_partial = partial;
}

static int start_device(struct port *port)
{
    if (!port->ring)
        return -EIO; // it was said why
    bool wanted = port->reset_wanted;
    port->reset_wanted = false; // from its first buffer on the device may ask anew
    int err = port->ops->start(port);
    if (err) {
        port->reset_wanted = wanted;
        return err;
    }
    port->started = true;
    note_partial();
    interface_port_changed(port); // the driver may have learned its MAC only now
    port->link_changed = true;
    wake_port_thread();
    // Nothing is armed yet: the first turn does it.
    port_rx_ready(port);
    return 0;
}

// After it no turn of the fast path that saw the port as started is still running.
static void stop_device(struct port *port)
{
    softirq_disable();
    port->started = false;
    port->rx_pending = false;
    softirq_enable();
    synchronize_rcu();
    port->ops->stop(port);
}

int port_start(struct port *port)
{
    port->wanted = true;
    if (port->started)
        return 0;
    int err = start_device(port);
    if (err)
        log_err("%s: start failed (%d)", port->name, err);
    return err;
}

void port_stop(struct port *port)
{
    port->wanted = false;
    if (port->started)
        stop_device(port);
    port->reset_wanted = false;
}

void port_rx_ready(struct port *port)
{
    if (!port->started || port->reset_wanted)
        return;
    port->rx_pending = true;
    softirq_raise(SOFTIRQ_NET);
}

void port_link_change(struct port *port, bool up)
{
    if (atomic_exchange_explicit(&port->link_up, up, memory_order_relaxed) == up)
        return;
    log_notice("%s: link %s", port->name, up ? "up" : "down");
    port->link_changed = true;
    wake_port_thread();
}

void port_need_reset(struct port *port, const char *why)
{
    if (port->reset_wanted)
        return;
    port->reset_why = why;
    port->reset_wanted = true;
    port->rx_pending = false;
    wake_port_thread();
}

// ---- the port thread -------------------------------------------------------------------------

static void schedule_next(struct port *port, uint64_t now)
{
    bool calm = now > port->reset_at_ns + RESET_CALM;
    uint64_t delay = calm ? RESET_DELAY_MIN : port->reset_delay_ns * 2;
    port->reset_delay_ns = MIN(MAX(delay, RESET_DELAY_MIN), RESET_DELAY_MAX);
    port->reset_at_ns = now + port->reset_delay_ns;
}

// Stops and starts the device. Time until the next attempt is set first, so a start that fails or
// a device that lies at once comes back here no earlier.
static void recover(struct port *port, uint64_t now)
{
    schedule_next(port, now);
    mutex_lock(&net_config_lock);
    if (port->wanted && port->reset_wanted) {
        log_warn("%s: reset: %s", port->name, port->reset_why);
        if (port->started)
            stop_device(port);
        port->counters.resets++;
        int err = start_device(port);
        if (err)
            log_err("%s: start after reset failed (%d), trying again", port->name, err);
    }
    mutex_unlock(&net_config_lock);
}

static void follow_link(struct port *port)
{
    port->link_changed = false;
    bool up = atomic_load_explicit(&port->link_up, memory_order_relaxed);
    if (!up)
        neigh_port_down(port);
    if (up && port->started) {
        softirq_disable();
        arp_announce(port);
        egress_flush();
        softirq_enable();
    }
}

// Does what is due; returns when to come back, 0 for never.
static uint64_t port_work(void)
{
    uint64_t next = 0;
    for (unsigned i = 0; i < port_table_used; i++) {
        struct port *port = port_table[i];
        if (port->link_changed)
            follow_link(port);
        uint64_t now = clock_monotonic_ns();
        if (port->reset_wanted && now >= port->reset_at_ns)
            recover(port, now);
        if (port->reset_wanted && port->wanted && (!next || port->reset_at_ns < next))
            next = port->reset_at_ns;
    }
    return next;
}

static int port_thread(void *arg)
{
    (void)arg;
    for (uint64_t next = 0;;) {
        wait_event_deadline(&work_queue, work_due, next);
        work_due = false;
        next = port_work();
    }
    return 0;
}

int port_init(void)
{
    struct thread *thread;
    return thread_create(&thread, port_thread, NULL,
                         &(struct thread_options){.name = "ports", .detached = true});
}
