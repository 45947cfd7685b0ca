// SPDX-License-Identifier: BSD-2-Clause
//
// A split virtqueue (VIRTIO 1.2, 2.7) for buffers of one descriptor each; a request of several
// parts goes into an indirect table. It works on plain memory and one doorbell register, so it
// knows nothing of the transport.
//
// Slots. Descriptor i belongs to ring slot i for good: the available ring is written once, at
// reset, and never again. A device that completes buffers in order, as all common ones do, then
// returns slot after slot, and the owner keeps what it posted in an array by slot that it walks in
// step. Out-of-order completion is legal and handled by virtqueue_take(): a slot is posted again
// only when all before it are done.
//
// Positions are free-running 16-bit counters; slot = position & (size - 1):
//     done_idx <= used_idx <= avail_idx <= done_idx + size
//
// Trust. Only the used ring and avail_event are the device's. A used index that counts buffers
// never posted, and an id that is not outstanding, are errors (-EIO) after which the owner must
// reset the device; nothing else is derived from them.
//
// Context: one CPU at a time, the owner's matter.

#pragma once

#include "arch/barrier.h"
#include "core/lib/mmio.h"
#include "mm/dma.h"

#define VIRTQUEUE_SIZE_MAX 1024

#define VIRTQ_DESC_WRITE 2u // the device writes this buffer
#define VIRTQ_AVAIL_NO_INTERRUPT 1u
#define VIRTQ_USED_NO_NOTIFY 1u

struct virtq_desc {
    le64_t addr;
    le32_t len;
    le16_t flags, next;
};

struct virtq_avail {
    le16_t flags, idx;
    le16_t ring[]; // then used_event
};

// Then the elements, (le32 id, le32 len) each, and avail_event. An element is read as one aligned
// 64-bit word: the whole starts at an address of 4 modulo 8, which 2.7 allows.
struct virtq_used {
    le16_t flags, idx;
};

struct virtqueue {
    struct virtq_desc *desc;
    struct virtq_avail *avail;
    const struct virtq_used *used;
    const le64_t *used_ring;
    le16_t *used_event;        // ours: interrupt when the used index passes it
    const le16_t *avail_event; // the device's: notify when the available index passes it
    mmio_t doorbell;
    uint16_t size, number;                   // size is a power of two
    uint16_t avail_idx;                      // next position to post
    uint16_t used_idx;                       // next position of the used ring to read
    uint16_t done_idx;                       // all slots before this position are back
    bool event_idx;                          // VIRTIO_F_EVENT_IDX is negotiated
    uint64_t early[VIRTQUEUE_SIZE_MAX / 64]; // slots that came back before their turn

    const struct dma_device *dma; // of the transport: where `mem` came from
    void *mem;
    paddr_t bus;
};

// Bytes of ring memory for a size; where the parts that the device is told of start in it.
size_t virtqueue_bytes(unsigned size);
size_t virtqueue_avail_offset(unsigned size);
size_t virtqueue_used_offset(unsigned size);
// Lays an empty queue over `mem` (virtqueue_bytes(size) long, aligned to 64): nothing posted, no
// interrupts wanted. doorbell, number and event_idx are the caller's to set.
void virtqueue_reset(struct virtqueue *vq, void *mem, unsigned size);

// The next used element, whatever its order: stores the length that the device claims and returns
// the slot, which is the caller's again. -EIO: its id is not outstanding.
int virtqueue_take(struct virtqueue *vq, uint32_t *len);
// True if the slot of a position in [done_idx, avail_idx) is still the device's.
bool virtqueue_is_outstanding(const struct virtqueue *vq, uint16_t position);

// ---- Hot path --------------------------------------------------------------------------------

// Shared with the device: one access each, not merged or repeated by the compiler.
static inline uint16_t ring_load16(const le16_t *p)
{
    return le16_get((le16_t){*(const volatile uint16_t *)&p->raw});
}
static inline uint64_t ring_load64(const le64_t *p)
{
    return le64_get((le64_t){*(const volatile uint64_t *)&p->raw});
}
static inline void ring_store16(le16_t *p, uint16_t value)
{
    *(volatile uint16_t *)&p->raw = le16_make(value).raw;
}

// Used elements that wait; -EIO if the device claims more than it has.
static inline int virtqueue_pending(const struct virtqueue *vq)
{
    uint16_t count = (uint16_t)(ring_load16(&vq->used->idx) - vq->used_idx);
    if (count == 0)
        return 0;
    if (unlikely(count > (uint16_t)(vq->avail_idx - vq->used_idx)))
        return -EIO;
    dma_rmb(); // index before elements and buffers; partner: the device's barrier before its index
    return count;
}

// Nothing came back early, so the next element should be the next slot's.
static inline bool virtqueue_in_order(const struct virtqueue *vq)
{
    return vq->used_idx == vq->done_idx;
}
// Of a queue in order: the caller has read in place all elements before `position`, each with the
// id of its slot.
static inline void virtqueue_completed(struct virtqueue *vq, uint16_t position)
{
    vq->used_idx = position;
    vq->done_idx = position;
}

static inline unsigned virtqueue_slot(const struct virtqueue *vq, uint16_t position)
{
    return position & (vq->size - 1u);
}
// Posted and not yet back in order.
static inline unsigned virtqueue_posted(const struct virtqueue *vq)
{
    return (uint16_t)(vq->avail_idx - vq->done_idx);
}
// Slots that may be posted, from avail_idx on.
static inline unsigned virtqueue_free(const struct virtqueue *vq)
{
    return vq->size - virtqueue_posted(vq);
}

static inline bool virtqueue_wants_notify(const struct virtqueue *vq, uint16_t old, uint16_t new)
{
    if (!vq->event_idx)
        return !(ring_load16(&vq->used->flags) & VIRTQ_USED_NO_NOTIFY);
    // 2.7.10: the device wants to know when the index passes avail_event.
    uint16_t event = ring_load16(vq->avail_event);
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

// Hands the next `count` slots, whose descriptors are filled, to the device.
static inline void virtqueue_publish(struct virtqueue *vq, unsigned count)
{
    uint16_t old = vq->avail_idx, new = (uint16_t)(old + count);
    vq->avail_idx = new;
    dma_wmb(); // descriptors before index; partner: the device's read barrier after its index load
    ring_store16(&vq->avail->idx, new);
    // Index before event: a store before a load. Partner: the device's full barrier between its
    // avail_event store and its re-check of the index. With less, both may miss each other and
    // the queue stalls.
    dma_mb();
    if (virtqueue_wants_notify(vq, old, new))
        mmio_write16(vq->doorbell, 0, vq->number);
}

// No interrupts. With the event index: an event just behind is 65,535 elements away, and whoever
// processes elements calls this again long before.
static inline void virtqueue_disarm(struct virtqueue *vq)
{
    if (vq->event_idx)
        ring_store16(vq->used_event, (uint16_t)(vq->used_idx - 1));
    else
        ring_store16(&vq->avail->flags, VIRTQ_AVAIL_NO_INTERRUPT);
}

// Asks for an interrupt at the next used element. True: one is there already, nothing is armed.
static inline bool virtqueue_arm(struct virtqueue *vq)
{
    if (vq->event_idx)
        ring_store16(vq->used_event, vq->used_idx);
    else
        ring_store16(&vq->avail->flags, 0);
    // Event before the index re-check: a store before a load. Partner: the device's full barrier
    // between its used index store and its used_event load.
    dma_mb();
    if (likely(ring_load16(&vq->used->idx) == vq->used_idx))
        return false;
    virtqueue_disarm(vq);
    return true;
}
