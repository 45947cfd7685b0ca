// SPDX-License-Identifier: BSD-2-Clause
//
// virtio-net as a port (VIRTIO 1.2, 5.1): one queue pair, no control queue. The data path is
// virtio_net_queue.c; here are probe, start and stop, features, link and interrupts.
//
// Transmission causes no interrupts: sent packets are freed when more are sent, and before the CPU
// sleeps. A configuration interrupt tells of the link and of a device that wants to be reset. Both
// come as messages, each with a vector of its own if there are two, or else by the INTx pin.

#include <string.h>

#include "core/debug/log.h"
#include "core/irq/irq.h"
#include "core/irq/softirq.h"
#include "core/sync/rcu.h"
#include "core/time/clock.h"
#include "core/time/timer.h"
#include "drivers/net/virtio_net_queue.h"
#include "drivers/virtio/virtio.h"
#include "mm/slab.h"

enum net_config { // 5.1.4
    CONFIG_MAC = 0,
    CONFIG_STATUS = 6,
    CONFIG_MTU = 10,
};
#define STATUS_LINK_UP 1u

enum net_feature { // 5.1.3
    F_CSUM = 0,
    F_GUEST_CSUM = 1,
    F_MTU = 3,
    F_MAC = 5,
    F_STATUS = 16,
};

enum net_queue { QUEUE_RX, QUEUE_TX };

#define VECTORS_MAX 2 // the first is for the configuration, the last for the receive queue

#define MTU_DEFAULT 1500
#define MTU_MIN 68        // RFC 791, 3.2
#define FRAME_OVERHEAD 18 // Ethernet header and a VLAN tag
#define MTU_MAX (PACKET_DATA_MAX - FRAME_OVERHEAD)
#define STARVED_RETRY_NS (10 * NSEC_PER_MSEC)

static const char forwards[] = "whole packets only";
static const char no_control[] = "no control queue is used";
static const char one_buffer[] = "a frame fits one buffer and one descriptor";
static const char one_pair[] = "one queue pair";
static const char split_only[] = "split rings only";
static const char no_use[] = "of no use here";

static const struct virtio_feature features[] = {
    {F_CSUM, "csum", NULL},
    {F_GUEST_CSUM, "guest_csum", NULL},
    {2, "ctrl_guest_offloads", no_control},
    {F_MTU, "mtu", NULL},
    {F_MAC, "mac", NULL},
    {7, "guest_tso4", forwards},
    {8, "guest_tso6", forwards},
    {9, "guest_ecn", forwards},
    {10, "guest_ufo", forwards},
    {11, "host_tso4", forwards},
    {12, "host_tso6", forwards},
    {13, "host_ecn", forwards},
    {14, "host_ufo", forwards},
    {15, "mrg_rxbuf", one_buffer},
    {F_STATUS, "status", NULL},
    {17, "ctrl_vq", no_control},
    {18, "ctrl_rx", no_control},
    {19, "ctrl_vlan", no_control},
    {20, "ctrl_rx_extra", no_control},
    {21, "guest_announce", no_control},
    {22, "mq", one_pair},
    {23, "ctrl_mac_addr", no_control},
    {24, "notify_on_empty", no_use},
    {27, "any_layout", no_use},
    {VIRTIO_F_INDIRECT_DESC, "indirect_desc", one_buffer},
    {VIRTIO_F_EVENT_IDX, "event_idx", NULL},
    {VIRTIO_F_VERSION_1, "version_1", NULL},
    {VIRTIO_F_ACCESS_PLATFORM, "access_platform", NULL}, // addresses come from mm/dma.h
    {VIRTIO_F_RING_PACKED, "ring_packed", split_only},
    {VIRTIO_F_IN_ORDER, "in_order", no_use},           // order is noticed, not relied on
    {VIRTIO_F_ORDER_PLATFORM, "order_platform", NULL}, // the ring has full device barriers
    {VIRTIO_F_SR_IOV, "sr_iov", no_use},
    {VIRTIO_F_NOTIFICATION_DATA, "notification_data", no_use},
    {VIRTIO_F_RING_RESET, "ring_reset", no_use},
    {54, "guest_uso4", forwards},
    {55, "guest_uso6", forwards},
    {56, "host_uso", forwards},
    {57, "hash_report", no_use},
    {59, "guest_hdrlen", no_use},
    {60, "rss", one_pair},
    {62, "standby", no_use},
    {63, "speed_duplex", no_use},
};

struct virtio_net {
    struct port port;
    struct vnet_queue rx, tx;
    struct virtio_device *vdev;
    struct timer starved; // runs while the receive queue waits for buffers
    struct virtio_net *next;
    unsigned most; // the MTU that buffers are made for; port.mtu may be less
    bool attached; // our handlers are on irqs[]; not before the first start
    int irqs[VECTORS_MAX];
};

static struct virtio_net *nets; // all, newest first; changed at boot only

static struct virtio_net *net_of(const struct port *port) { return port->driver; }

// ---- Interrupts and link ---------------------------------------------------------------------

static bool link_is_up(const struct virtio_net *net)
{
    return !virtio_has(net->vdev, F_STATUS) ||
           (virtio_config16(net->vdev, CONFIG_STATUS) & STATUS_LINK_UP);
}

static void config_changed(struct virtio_net *net)
{
    if (virtio_status(net->vdev) & VIRTIO_STATUS_NEEDS_RESET)
        port_need_reset(&net->port, "the device asks for it");
    else
        port_link_change(&net->port, link_is_up(net));
}

// The line may be shared, and is level-triggered: not reading the ISR would keep it up.
static enum irq_result vnet_interrupt(void *arg)
{
    struct virtio_net *net = arg;
    uint8_t reasons = virtio_isr(net->vdev);
    if (reasons & VIRTIO_ISR_QUEUE)
        port_rx_ready(&net->port);
    if ((reasons & VIRTIO_ISR_CONFIG) && net->rx.live)
        config_changed(net);
    return reasons ? IRQ_HANDLED : IRQ_NONE;
}

static enum irq_result vnet_config_message(void *arg)
{
    struct virtio_net *net = arg;
    if (net->rx.live)
        config_changed(net);
    return IRQ_HANDLED;
}

static enum irq_result vnet_queue_message(void *arg)
{
    struct virtio_net *net = arg;
    port_rx_ready(&net->port);
    return IRQ_HANDLED;
}

// One vector for both: which it was is not said (4.1.4.5 leaves the ISR to INTx).
static enum irq_result vnet_any_message(void *arg)
{
    vnet_queue_message(arg);
    return vnet_config_message(arg);
}

// By number of vectors.
static const irq_handler_t message_handlers[VECTORS_MAX + 1][VECTORS_MAX] = {
    [1] = {vnet_any_message},
    [2] = {vnet_config_message, vnet_queue_message},
};

static void detach_messages(struct virtio_net *net, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        irq_free(net->irqs[i], net);
    virtio_vectors_disable(net->vdev);
    net->attached = false;
}

static int attach_messages(struct virtio_net *net, unsigned count)
{
    int err = virtio_vectors_enable(net->vdev, count, net->irqs);
    if (err)
        return err;
    for (unsigned i = 0; i < count; i++) {
        err = irq_request(net->irqs[i], message_handlers[count][i], net, net->port.name);
        if (err) {
            detach_messages(net, i);
            return err;
        }
    }
    return 0;
}

static int attach_line(struct virtio_net *net)
{
    int irq = pci_irq(net->vdev->pci);
    int err = irq > 0 ? irq_request(irq, vnet_interrupt, net, net->port.name) : irq;
    if (err)
        log_err("%s: no interrupt (%d)", net->port.name, err);
    return err;
}

// Once, at the first start; a stopped device is reset and does not interrupt. As many vectors as
// can be had, `most` at most, or the pin.
static int attach_interrupts(struct virtio_net *net, unsigned most)
{
    int err = -ENOSPC;
    if (net->attached)
        return 0;
    for (unsigned count = most; count && err == -ENOSPC; count--)
        err = attach_messages(net, count);
    if (err)
        err = attach_line(net);
    net->attached = !err;
    return err;
}

// ---- Data path -------------------------------------------------------------------------------

static unsigned rx_burst(struct port *port, unsigned queue, struct packet **packets, unsigned max)
{
    (void)queue;
    return vnet_rx_burst(&net_of(port)->rx, packets, max);
}

static unsigned tx_burst(struct port *port, unsigned queue, struct packet **packets, unsigned count)
{
    (void)queue;
    return vnet_tx_burst(&net_of(port)->tx, packets, count);
}

static bool rx_arm(struct port *port, unsigned queue)
{
    struct virtio_net *net = net_of(port);
    (void)queue;
    if (virtqueue_posted(&net->tx.vq) && net->tx.live)
        vnet_tx_reap(&net->tx); // the pool should not miss them while we sleep
    return vnet_rx_arm(&net->rx);
}

// What frees packets gives no notice, so ask again after a while.
void vnet_rx_starved(struct vnet_queue *rx)
{
    timer_start_in(&container_of(rx, struct virtio_net, rx)->starved, STARVED_RETRY_NS);
}

// All ports, since the packets may lie in another's transmit queue, sent but not reaped.
static void starved_again(struct timer *timer)
{
    (void)timer;
    for (struct virtio_net *net = nets; net; net = net->next)
        port_rx_ready(&net->port);
}

// ---- Start and stop --------------------------------------------------------------------------

// The MTU that the device advises, 0 when it does not or when no port could have it. The port
// starts with it (probe), a configuration may ask for less.
static unsigned offered_mtu(const struct virtio_net *net)
{
    if (!(virtio_offered(net->vdev) >> F_MTU & 1))
        return 0;
    unsigned mtu = virtio_config16(net->vdev, CONFIG_MTU);
    if (mtu >= MTU_MIN && mtu <= MTU_MAX)
        return mtu;
    log_warn("%s: MTU %u of the device is not usable, %u is used", net->port.name, mtu,
             MTU_DEFAULT);
    return 0;
}

// With INTx no vector is looked at.
static int set_up_queues(struct virtio_net *net)
{
    struct virtio_device *vdev = net->vdev;
    const unsigned ring = net->port.ring;
    int err = virtio_config_vector(vdev, 0);
    if (!err)
        err = virtio_queue_setup(vdev, QUEUE_RX, &net->rx.vq, ring, vdev->vectors - 1);
    if (!err)
        err = virtio_queue_setup(vdev, QUEUE_TX, &net->tx.vq, ring, VIRTIO_NO_VECTOR);
    return err;
}

// Buffers go in after DRIVER_OK, for notifying before it is forbidden (3.1.1). The device then
// drops what arrives in between, as it did before.
static void go_live(struct virtio_net *net)
{
    net->rx.csum = virtio_has(net->vdev, F_GUEST_CSUM);
    net->tx.csum = virtio_has(net->vdev, F_CSUM);
    net->port.features = (net->port.features & PORT_HOST_ONLY) | (net->tx.csum ? PORT_TX_CSUM : 0) |
                         (net->rx.csum ? 0 : PORT_RX_WHOLE);
    pci_enable(net->vdev->pci, PCI_COMMAND_MASTER);
    virtio_driver_ok(net->vdev);
    softirq_disable(); // the pool's rule
    vnet_tx_start(&net->tx);
    vnet_rx_start(&net->rx, MAX(net->most, MTU_DEFAULT) + FRAME_OVERHEAD);
    softirq_enable();
    // What the device said before the queues were live was not listened to. Interrupts off: one
    // that came between the reading and the storing would be overwritten by older news.
    irq_flags_t flags = arch_irq_save();
    config_changed(net);
    arch_irq_restore(flags);
}

// The bus is switched off after a reset whose end we have not seen, so that nothing is written
// into packets that have another owner by then.
static void silence(struct virtio_net *net)
{
    virtio_reset(net->vdev);
    pci_disable(net->vdev->pci, PCI_COMMAND_MASTER);
}

// From a device that was reset to one that has its queues, but not yet DRIVER_OK.
static int set_up_device(struct virtio_net *net)
{
    virtio_acknowledge(net->vdev);
    unsigned mtu = offered_mtu(net);
    net->most = mtu ? mtu : MTU_DEFAULT;
    net->port.mtu = (uint16_t)MIN(net->port.mtu, net->most);
    int err = virtio_negotiate(net->vdev, features, ARRAY_SIZE(features), mtu ? 0 : BIT64(F_MTU));
    if (!err && !net->port.dma->coherent) {
        // Packets change hands without maintenance.
        log_err("%s: its bus does not keep caches coherent, which is not supported",
                net->port.name);
        err = -ENOTSUP;
    }
    return err ? err : set_up_queues(net);
}

static int attach_and_set_up(struct virtio_net *net, unsigned vectors)
{
    int err = attach_interrupts(net, vectors);
    return err ? err : set_up_device(net);
}

static int start(struct port *port)
{
    struct virtio_net *net = net_of(port);
    int err = virtio_reset(net->vdev);
    if (err)
        return err;
    err = attach_and_set_up(net, VECTORS_MAX);
    // A device that offers vectors may have no room for them when it comes to it (4.1.5.1.2).
    while (err == -EBUSY && net->vdev->vectors) {
        unsigned vectors = net->vdev->vectors;
        log_warn("%s: the device refuses %u message interrupts", port->name, vectors);
        silence(net);
        detach_messages(net, vectors);
        err = attach_and_set_up(net, vectors - 1);
    }
    if (err)
        silence(net);
    else
        go_live(net);
    return err;
}

static void stop(struct port *port)
{
    struct virtio_net *net = net_of(port);
    net->rx.live = net->tx.live = false;
    synchronize_rcu(); // no burst that saw the queues live is still running
    timer_cancel(&net->starved);
    silence(net);
    softirq_disable();
    vnet_queue_release(&net->rx);
    vnet_queue_release(&net->tx);
    softirq_enable();
}

static const struct port_ops ops = {
    .start = start,
    .stop = stop,
    .rx_burst = rx_burst,
    .tx_burst = tx_burst,
    .rx_arm = rx_arm,
};

// ---- Probe -----------------------------------------------------------------------------------

static bool is_usable_mac(const uint8_t mac[6])
{
    return !(mac[0] & 1) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

// Without a usable address from the device: a locally administered one that differs by port.
static void read_mac(struct virtio_net *net)
{
    uint8_t *mac = net->port.mac;
    if (virtio_offered(net->vdev) >> F_MAC & 1) {
        for (unsigned i = 0; i < 6; i++)
            mac[i] = virtio_config8(net->vdev, CONFIG_MAC + i);
    }
    if (is_usable_mac(mac))
        return;
    log_warn("virtio-net %s: no usable MAC address from the device", net->vdev->pci->name);
    const uint8_t local[6] = {0x02, 0x76, 0x6e, 0x65, 0x74, (uint8_t)port_count()};
    memcpy(mac, local, sizeof(local));
}

// Nothing is negotiated here: the port may never be used.
static int probe(struct virtio_device *vdev)
{
    struct virtio_net *net = kcalloc(1, sizeof(*net), GFP_KERNEL);
    if (!net)
        return -ENOMEM;
    net->vdev = vdev;
    net->rx.port = net->tx.port = &net->port;
    timer_setup(&net->starved, starved_again);
    net->port.ops = &ops;
    net->port.driver = net;
    net->port.mtu = MTU_DEFAULT;
    net->port.queues = 1;
    net->port.ring_max = VNET_RING_MAX;
    net->port.dma = &vdev->pci->dma;
    net->port.model = "virtio-net";
    read_mac(net);
    int err = port_register(&net->port);
    if (err) {
        kfree(net);
        return err;
    }
    net->port.mtu = (uint16_t)(offered_mtu(net) ? offered_mtu(net) : MTU_DEFAULT);
    net->next = nets;
    nets = net;
    return 0;
}
VIRTIO_DRIVER(virtio_net_driver, .name = "virtio-net", .id = VIRTIO_ID_NET, .probe = probe);
