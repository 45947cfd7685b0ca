// SPDX-License-Identifier: BSD-2-Clause
//
// The virtio-net data path. Each burst costs one index load and barrier, and per packet one used
// element, two loads and two stores; posting, notifying and reaping are done in batches. The loops
// run over a stretch of slots without a wrap and stop at the first element that is not the plain
// one; what is left of the burst is then taken one by one, with all checks.
//
// The device's answers are checked as virtqueue.h says, and its lengths here. Its claims about
// checksums come from other machines, so a wrong one costs the packet, not the device.

#include "drivers/net/virtio_net_queue.h"

#include "core/lib/bytes.h"
#include "core/time/clock.h"

#define HEADER sizeof(struct vnet_header)
// Slots that are posted or reaped at a time; less in a queue of fewer than twice as many slots.
#define BATCH 32
#define NUDGE_NS (10 * NSEC_PER_MSEC)

// The device broke the protocol: nothing it says counts until it was reset.
static __noinline void fail(struct vnet_queue *q, const char *why)
{
    q->live = false;
    q->port->counters.rx_errors++;
    port_need_reset(q->port, why);
}

// ---- Receive ---------------------------------------------------------------------------------

// Posted packets have their data at the headroom, so that the header is at a constant place.
static __always_inline struct vnet_header *posted_header(struct packet *p)
{
    return (struct vnet_header *)(packet_buffer(p) + PACKET_HEADROOM - HEADER);
}

// Flags and segmentation type, both zero in a plain frame.
static __always_inline uint16_t header_word(struct packet *p)
{
    uint16_t word;
    __builtin_memcpy(&word, __builtin_assume_aligned(posted_header(p), 2), sizeof(word));
    return word;
}

// len, and zero in the fields beside it: port, flags, csum_start.
static __always_inline void set_plain(struct packet *p, uint32_t len)
{
    uint64_t word = len;
    _Static_assert(offsetof(struct packet, csum_start) == offsetof(struct packet, len) + 6,
                   "one word of the packet");
    __builtin_memcpy(__builtin_assume_aligned((char *)p + offsetof(struct packet, len), 8), &word,
                     sizeof(word));
}

// 5.1.6.4: what the device says about the checksum. False: nonsense, or a frame of a kind that
// was not negotiated.
static __noinline bool take_offload(const struct vnet_queue *rx, struct packet *p)
{
    const struct vnet_header *header = posted_header(p);
    if (!rx->csum)
        return true; // to be ignored
    if (header->gso_type)
        return false;
    if (header->flags & VNET_HDR_NEEDS_CSUM) {
        p->csum_start = le16_get(header->csum_start);
        p->csum_offset = le16_get(header->csum_offset);
        // Never in the headers that the network layer relies on once it has looked at them.
        if (!packet_csum_inside(p))
            return false;
        p->flags |= PACKET_CSUM_PARTIAL;
    } else if (header->flags & VNET_HDR_DATA_VALID) {
        p->flags |= PACKET_CSUM_VALID;
    }
    return true;
}

// Takes the elements of slots [slot, end) in place; stops before the first that is out of order,
// too long or has no sensible header. Returns how many.
static __always_inline unsigned rx_run(struct vnet_queue *rx, struct packet **out, unsigned slot,
                                       unsigned end)
{
    const uint32_t frame_max = rx->frame_max;
    const le64_t *used = rx->vq.used_ring;
    size_t at = slot;
    for (; at != end; at++) {
        uint64_t elem = ring_load64(&used[at]);
        uint32_t len = (uint32_t)(elem >> 32) - (uint32_t)HEADER; // huge if shorter than that
        if (unlikely((uint32_t)elem != at) || unlikely(len > frame_max))
            break;
        struct packet *p = rx->slots[at];
        set_plain(p, len);
        if (unlikely(header_word(p)) && !take_offload(rx, p))
            break;
        *out++ = p;
    }
    return (unsigned)at - slot;
}

static __noinline unsigned rx_careful(struct vnet_queue *rx, struct packet **out, unsigned count)
{
    unsigned got = 0;
    while (count--) {
        uint32_t len;
        int slot = virtqueue_take(&rx->vq, &len);
        if (slot < 0) {
            fail(rx, "receive: a buffer came back that was not posted");
            break;
        }
        struct packet *p = rx->slots[slot];
        len -= (uint32_t)HEADER;
        if (len > rx->frame_max) {
            packet_free(p);
            fail(rx, "receive: a length that no buffer has");
            break;
        }
        set_plain(p, len);
        if (header_word(p) && !take_offload(rx, p)) {
            rx->port->counters.rx_errors++;
            packet_free(p);
            continue;
        }
        out[got++] = p;
    }
    return got;
}

// Posts `count` slots from `slot` on; their packets are in place. Length and flags of the
// descriptors never change (vnet_rx_start).
static __always_inline void rx_post(struct vnet_queue *rx, unsigned slot, unsigned count)
{
    struct virtq_desc *desc = &rx->vq.desc[slot];
    struct packet *const *slots = &rx->slots[slot];
    for (unsigned i = 0; i < count; i++) {
        struct packet *p = slots[i];
        p->data = packet_buffer(p) + PACKET_HEADROOM;
        desc[i].addr = le64_make(packet_bus(p) - HEADER);
    }
}

// The slots up to the end of the ring, then those from its start.
void vnet_rx_refill(struct vnet_queue *rx)
{
    unsigned free = virtqueue_free(&rx->vq), slot = virtqueue_slot(&rx->vq, rx->vq.avail_idx);
    unsigned first = MIN(free, rx->vq.size - slot), second = 0;
    unsigned got = packet_alloc_bulk(&rx->slots[slot], first);
    rx_post(rx, slot, got);
    if (got == first && got < free) {
        second = packet_alloc_bulk(rx->slots, free - first);
        rx_post(rx, 0, second);
    }
    if (likely(got + second))
        virtqueue_publish(&rx->vq, got + second);
    if (unlikely(virtqueue_posted(&rx->vq) < rx->batch))
        vnet_rx_starved(rx);
}

static __noinline unsigned rx_nothing(struct vnet_queue *rx, int pending)
{
    if (pending < 0)
        fail(rx, "receive: the used index counts buffers that were not posted");
    else
        vnet_rx_refill(rx); // the pool had none the last time
    return 0;
}

unsigned vnet_rx_burst(struct vnet_queue *rx, struct packet **packets, unsigned max)
{
    struct virtqueue *vq = &rx->vq;
    const uint16_t at = vq->used_idx;
    if (unlikely(!rx->live))
        return 0;
    int pending = virtqueue_pending(vq);
    if (unlikely(pending <= 0)) {
        bool refill = virtqueue_posted(vq) <= rx->low;
        return pending || refill ? rx_nothing(rx, pending) : 0;
    }
    unsigned count = MIN((unsigned)pending, max), got = 0, kept;
    if (likely(at == vq->done_idx)) {
        unsigned slot = virtqueue_slot(vq, at);
        unsigned first = MIN(count, vq->size - slot);
        got = rx_run(rx, packets, slot, slot + first);
        if (unlikely(got < count) && got == first)
            got += rx_run(rx, packets + got, 0, count - got);
        virtqueue_completed(vq, (uint16_t)(at + got));
    }
    kept = got;
    if (unlikely(got < count))
        kept += rx_careful(rx, packets + got, count - got);
    if (virtqueue_posted(vq) <= rx->low && rx->live) {
        virtqueue_disarm(vq);
        vnet_rx_refill(rx);
    }
    return kept;
}

bool vnet_rx_arm(struct vnet_queue *rx) { return rx->live && virtqueue_arm(&rx->vq); }

static void start(struct vnet_queue *q)
{
    unsigned half = q->vq.size / 2;
    q->batch = (uint16_t)MAX(MIN(half, BATCH), 1);
    q->low = (uint16_t)(q->vq.size - q->batch);
    q->live = true;
}

void vnet_rx_start(struct vnet_queue *rx, unsigned frame_max)
{
    rx->frame_max = frame_max;
    for (unsigned slot = 0; slot < rx->vq.size; slot++) {
        rx->vq.desc[slot].len = le32_make((uint32_t)(HEADER + frame_max));
        rx->vq.desc[slot].flags = le16_make(VIRTQ_DESC_WRITE);
    }
    start(rx);
    vnet_rx_refill(rx);
}

// ---- Transmit --------------------------------------------------------------------------------

// 5.1.6.2: the device finishes the checksum at csum_start + csum_offset. Since it was received the
// packet may have been trimmed: then there is nothing to finish.
static __noinline void give_offload(const struct vnet_queue *tx, const struct packet *p)
{
    struct vnet_header *header = (struct vnet_header *)(p->data - HEADER);
    if (!tx->csum || !packet_csum_inside(p))
        return;
    header->flags = VNET_HDR_NEEDS_CSUM;
    header->csum_start = le16_make(p->csum_start);
    header->csum_offset = le16_make(p->csum_offset);
}

// The frame, and so its header, may begin anywhere.
static __always_inline void clear_header(struct vnet_header *header)
{
    _Static_assert(HEADER == 12, "a word of eight and one of four");
    store64(header, 0);
    store32(&header->csum_offset, 0);
}

// Fills `count` slots from `slot` on. Flags of the descriptors stay 0.
static __always_inline void tx_run(struct vnet_queue *tx, struct packet **packets, unsigned slot,
                                   unsigned count)
{
    struct virtq_desc *desc = &tx->vq.desc[slot];
    struct packet **slots = &tx->slots[slot];
    for (unsigned i = 0; i < count; i++) {
        struct packet *p = packets[i];
        struct vnet_header *header = (struct vnet_header *)(p->data - HEADER);
        slots[i] = p;
        clear_header(header);
        if (unlikely(p->flags & PACKET_CSUM_PARTIAL))
            give_offload(tx, p);
        desc[i].addr = le64_make((uintptr_t)header + p->bus_delta);
        desc[i].len = le32_make((uint32_t)(p->len + HEADER));
    }
}

// Frees the packets of elements that are in order, up to `count` from `slot` on.
static __always_inline unsigned reap_run(struct vnet_queue *tx, unsigned slot, unsigned count)
{
    const le64_t *used = &tx->vq.used_ring[slot];
    unsigned done = 0;
    while (done < count && likely((uint32_t)ring_load64(&used[done]) == slot + done))
        done++;
    if (done)
        packet_free_bulk(&tx->slots[slot], done);
    return done;
}

static __noinline void reap_careful(struct vnet_queue *tx, unsigned count)
{
    while (count--) {
        uint32_t len; // nothing was written, so it means nothing
        int slot = virtqueue_take(&tx->vq, &len);
        if (slot < 0) {
            fail(tx, "transmit: a buffer came back that was not posted");
            return;
        }
        packet_free(tx->slots[slot]);
    }
}

// Interrupts are never wanted here: the event is moved along behind the index.
void vnet_tx_reap(struct vnet_queue *tx)
{
    int pending = virtqueue_pending(&tx->vq);
    if (unlikely(pending < 0))
        fail(tx, "transmit: the used index counts buffers that were not posted");
    if (pending <= 0)
        return;
    unsigned count = (unsigned)pending, done = 0;
    if (likely(virtqueue_in_order(&tx->vq))) {
        const uint16_t at = tx->vq.used_idx;
        unsigned slot = virtqueue_slot(&tx->vq, at);
        unsigned first = MIN(count, tx->vq.size - slot);
        done = reap_run(tx, slot, first);
        if (done == first && done < count)
            done += reap_run(tx, 0, count - done);
        virtqueue_completed(&tx->vq, (uint16_t)(at + done));
    }
    if (unlikely(done < count))
        reap_careful(tx, count - done);
    virtqueue_disarm(&tx->vq);
}

// The ring is full and the device returns nothing. It may have missed a notification; with the
// event index it would then never ask for another, since nothing more is published. One more costs
// little.
static __noinline void tx_nudge(struct vnet_queue *tx)
{
    uint64_t now = clock_monotonic_ns();
    if (now - tx->nudged_ns < NUDGE_NS)
        return;
    tx->nudged_ns = now;
    mmio_write16(tx->vq.doorbell, 0, tx->vq.number);
}

unsigned vnet_tx_burst(struct vnet_queue *tx, struct packet **packets, unsigned count)
{
    struct virtqueue *vq = &tx->vq;
    if (virtqueue_posted(vq) >= tx->batch && tx->live)
        vnet_tx_reap(tx);
    count = MIN(count, virtqueue_free(vq));
    if (unlikely(!tx->live || !count)) {
        if (tx->live)
            tx_nudge(tx);
        return 0;
    }
    unsigned slot = virtqueue_slot(vq, vq->avail_idx);
    unsigned first = MIN(count, vq->size - slot);
    tx_run(tx, packets, slot, first);
    if (unlikely(first < count))
        tx_run(tx, packets + first, 0, count - first);
    virtqueue_publish(vq, count);
    return count;
}

void vnet_tx_start(struct vnet_queue *tx) { start(tx); }

void vnet_queue_release(struct vnet_queue *q)
{
    q->live = false;
    for (uint16_t at = q->vq.done_idx; at != q->vq.avail_idx; at++) {
        if (virtqueue_is_outstanding(&q->vq, at))
            packet_free(q->slots[virtqueue_slot(&q->vq, at)]);
    }
    q->vq.avail_idx = q->vq.used_idx = q->vq.done_idx;
}
