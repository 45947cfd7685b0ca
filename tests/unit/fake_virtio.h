// SPDX-License-Identifier: BSD-2-Clause
//
// The other side of a virtio-net queue for unit tests: a device in memory, and a packet pool that
// knows who owns each packet. Violations by the driver fail the test.

#pragma once

#include "drivers/net/virtio_net_queue.h"

#define FAKE_NO_DOORBELL 0xffffu

struct fake_queue {
    struct vnet_queue *q;
    void *mem;
    _Atomic uint16_t doorbell;       // what the driver wrote last
    uint16_t next_avail, used;       // the device's positions
    uint16_t held[VNET_RING_MAX];    // taken, not given back yet (shuffle)
    uint32_t lengths[VNET_RING_MAX]; // of those, by id
    unsigned held_count;
    bool shuffle;     // completes in any order
    bool any_content; // frames are not checked
    _Atomic unsigned interrupts, notifications, frames;
    unsigned last_len;
    struct vnet_header last_header;
};

void fake_attach(struct fake_queue *dev, struct vnet_queue *q, unsigned size, bool event_idx);
void fake_reset(struct fake_queue *dev);
void fake_detach(struct fake_queue *dev);

// Buffers that the driver has posted and the device has not taken.
unsigned fake_available(struct fake_queue *dev);
// Delivers a frame (header NULL: all zero); false without a buffer. With `shuffle` it may come
// later.
bool fake_receive(struct fake_queue *dev, unsigned len, const struct vnet_header *header);
// Lets `keep` filled buffers wait and returns the others, in any order.
void fake_hold(struct fake_queue *dev, unsigned keep);
// Takes up to `count` frames from the driver and checks them; returns how many.
unsigned fake_transmit(struct fake_queue *dev, unsigned count);
// Asks for a notification at the next buffer; true if there is one already.
bool fake_want_notify(struct fake_queue *dev);

// Lies: an element at used index + ahead; the index moved by `step`; anything anywhere.
void fake_poke(struct fake_queue *dev, int ahead, uint32_t id, uint32_t len);
void fake_step(struct fake_queue *dev, int step);
void fake_scribble(struct fake_queue *dev);

void fake_make_frame(struct packet *p, unsigned len);
void fake_check_frame(const struct packet *p);

void fake_pool_init(size_t packets);
void fake_pool_destroy(void);
size_t fake_pool_total(void);
size_t fake_pool_available(void);
bool fake_is_owned(const struct packet *p); // one of the pool's, and not in it
