// SPDX-License-Identifier: BSD-2-Clause
//
// The cold half of the split virtqueue: layout, reset, and completion in any order. See
// virtqueue.h; the layout is VIRTIO 1.2, 2.7, the order of parts ours.

#include "drivers/virtio/virtqueue.h"

#include <string.h>

size_t virtqueue_avail_offset(unsigned size) { return size * sizeof(struct virtq_desc); }

// On a cache line of its own, and such that its elements are aligned to their 8 bytes.
size_t virtqueue_used_offset(unsigned size)
{
    size_t avail_bytes = sizeof(struct virtq_avail) + (size + 1) * sizeof(le16_t);
    return ALIGN_UP(virtqueue_avail_offset(size) + avail_bytes, CACHE_LINE) + 4;
}

size_t virtqueue_bytes(unsigned size)
{
    return virtqueue_used_offset(size) + sizeof(struct virtq_used) + size * sizeof(le64_t) +
           sizeof(le16_t);
}

void virtqueue_reset(struct virtqueue *vq, void *mem, unsigned size)
{
    memset(mem, 0, virtqueue_bytes(size));
    memset(vq->early, 0, sizeof(vq->early));
    vq->desc = mem;
    vq->avail = (void *)((char *)mem + virtqueue_avail_offset(size));
    vq->used = (void *)((char *)mem + virtqueue_used_offset(size));
    vq->used_ring = (void *)((char *)vq->used + sizeof(struct virtq_used));
    vq->used_event = &vq->avail->ring[size];
    vq->avail_event = (void *)(vq->used_ring + size);
    vq->size = (uint16_t)size;
    vq->avail_idx = vq->used_idx = vq->done_idx = 0;
    for (unsigned slot = 0; slot < size; slot++)
        vq->avail->ring[slot] = le16_make((uint16_t)slot);
    // Both forms of "no interrupts", since event_idx may not be known yet.
    ring_store16(vq->used_event, UINT16_MAX);
    ring_store16(&vq->avail->flags, VIRTQ_AVAIL_NO_INTERRUPT);
}

static bool test_early(const struct virtqueue *vq, unsigned slot)
{
    return vq->early[slot / 64] >> (slot % 64) & 1;
}
static void flip_early(struct virtqueue *vq, unsigned slot)
{
    vq->early[slot / 64] ^= BIT64(slot % 64);
}

bool virtqueue_is_outstanding(const struct virtqueue *vq, uint16_t position)
{
    return !test_early(vq, virtqueue_slot(vq, position));
}

// An element that names a slot ahead of its turn marks it early; done_idx then moves over all that
// are back. A slot is outstanding if it lies between done_idx and avail_idx and is not marked.
int virtqueue_take(struct virtqueue *vq, uint32_t *len)
{
    uint64_t elem = ring_load64(&vq->used_ring[virtqueue_slot(vq, vq->used_idx)]);
    uint32_t id = (uint32_t)elem;
    *len = (uint32_t)(elem >> 32);
    if (id >= vq->size)
        return -EIO;
    unsigned ahead = virtqueue_slot(vq, (uint16_t)(id - vq->done_idx));
    if (ahead >= virtqueue_posted(vq) || test_early(vq, id))
        return -EIO;
    vq->used_idx++;
    flip_early(vq, id);
    while (test_early(vq, virtqueue_slot(vq, vq->done_idx))) {
        flip_early(vq, virtqueue_slot(vq, vq->done_idx));
        vq->done_idx++;
    }
    return (int)id;
}
