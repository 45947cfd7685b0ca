// SPDX-License-Identifier: BSD-2-Clause
//
// One direction of a virtio-net port: a virtqueue and the packets that lie in it, slot by slot.
// The layout of frames in buffers is VIRTIO 1.2, 5.1.6: a header of 12 bytes, then the frame, in
// one descriptor; the header stands in the packet's headroom just below the frame.
//
// Context: softirq or softirqs disabled, one CPU at a time a queue. A queue that is not `live`
// takes and gives nothing.

#pragma once

#include "drivers/virtio/virtqueue.h"
#include "net/port.h"

#define VNET_RING_MAX 256

struct vnet_header {
    uint8_t flags, gso_type;
    le16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
_Static_assert(sizeof(struct vnet_header) == 12, "VIRTIO 1.2, 5.1.6");

#define VNET_HDR_NEEDS_CSUM 1u
#define VNET_HDR_DATA_VALID 2u

struct vnet_queue {
    struct virtqueue vq;
    struct port *port;
    uint32_t frame_max; // longest frame that a receive buffer holds
    uint16_t low;       // receive: with this many buffers posted or fewer, more are fetched
    uint16_t batch;     // transmit: with this many frames posted, sent ones are looked for
    uint64_t nudged_ns; // transmit: when a full queue was last notified once more
    bool live;
    bool csum; // checksum offload is negotiated in this direction
    struct packet *slots[VNET_RING_MAX];
};

// Makes a queue ready whose virtqueue was reset. frame_max: at most PACKET_DATA_MAX.
void vnet_rx_start(struct vnet_queue *rx, unsigned frame_max);
void vnet_tx_start(struct vnet_queue *tx);
// Returns the packets that lie in the queue to their pool; the device must be reset or off the bus.
void vnet_queue_release(struct vnet_queue *q);

// As in port_ops. A device that lies is counted (rx_errors) and port_need_reset() called; then the
// queue is not live any more.
unsigned vnet_rx_burst(struct vnet_queue *rx, struct packet **packets, unsigned max);
unsigned vnet_tx_burst(struct vnet_queue *tx, struct packet **packets, unsigned count);
bool vnet_rx_arm(struct vnet_queue *rx);
// Posts what buffers the pool gives into the free slots.
void vnet_rx_refill(struct vnet_queue *rx);
// Frees packets that the device has sent.
void vnet_tx_reap(struct vnet_queue *tx);

// The driver's, called when the pool had no buffer for a queue that runs dry: nothing will come
// in, so nothing will call for a refill either.
void vnet_rx_starved(struct vnet_queue *rx);
