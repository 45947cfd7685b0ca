// SPDX-License-Identifier: BSD-2-Clause
//
// See fake_virtio.h. The device keeps to VIRTIO 1.2, 2.7.7 and 2.7.10 in what it asks and signals.

#include "fake_virtio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADER sizeof(struct vnet_header)

// ---- Pool ------------------------------------------------------------------------------------

// Each packet is an allocation of its own, so that ASan sees the end of every buffer.
static struct packet **all, **stack;
static bool *is_free;
static size_t total, available;

void fake_pool_init(size_t packets)
{
    all = calloc(packets, sizeof(*all));
    stack = calloc(packets, sizeof(*stack));
    is_free = calloc(packets, sizeof(*is_free));
    total = available = packets;
    for (size_t i = 0; i < packets; i++) {
        void *mem = NULL;
        size_t bytes = sizeof(struct packet) + PACKET_BUFFER_BYTES;
        assert_int_equal(posix_memalign(&mem, CACHE_LINE, bytes), 0);
        memset(mem, 0xa5, bytes);
        all[i] = stack[i] = mem;
        stack[i]->bus_delta = 0;
        stack[i]->nexthop = (uint32_t)i; // its number here
        is_free[i] = true;
    }
}

void fake_pool_destroy(void)
{
    for (size_t i = 0; i < total; i++)
        free(all[i]);
    free(all);
    free(stack);
    free(is_free);
}

size_t fake_pool_total(void) { return total; }
size_t fake_pool_available(void) { return available; }

bool fake_is_owned(const struct packet *p)
{
    return p->nexthop < total && all[p->nexthop] == p && !is_free[p->nexthop];
}

unsigned packet_alloc_bulk(struct packet **out, unsigned count)
{
    count = (unsigned)MIN(count, available);
    for (unsigned i = 0; i < count; i++) {
        out[i] = stack[--available];
        is_free[out[i]->nexthop] = false;
    }
    return count;
}

void packet_free_bulk(struct packet **packets, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(fake_is_owned(packets[i]));
        is_free[packets[i]->nexthop] = true;
        stack[available++] = packets[i];
    }
}

// ---- Device ----------------------------------------------------------------------------------

void fake_attach(struct fake_queue *dev, struct vnet_queue *q, unsigned size, bool event_idx)
{
    *dev = (struct fake_queue){.q = q, .doorbell = FAKE_NO_DOORBELL};
    assert_int_equal(posix_memalign(&dev->mem, CACHE_LINE, virtqueue_bytes(size)), 0);
    q->vq.event_idx = event_idx;
    q->vq.number = 5;
    q->vq.doorbell = (mmio_t){(uintptr_t)&dev->doorbell};
    virtqueue_reset(&q->vq, dev->mem, size);
}

void fake_reset(struct fake_queue *dev)
{
    dev->next_avail = dev->used = 0;
    dev->held_count = 0;
    dev->shuffle = false;
    virtqueue_reset(&dev->q->vq, dev->mem, dev->q->vq.size);
}

void fake_detach(struct fake_queue *dev) { free(dev->mem); }

static uint16_t load(const void *p)
{
    return __atomic_load_n((const uint16_t *)p, __ATOMIC_SEQ_CST);
}
static void store(const void *p, uint16_t v)
{
    __atomic_store_n((uint16_t *)p, v, __ATOMIC_SEQ_CST);
}

static void count_doorbell(struct fake_queue *dev)
{
    if (dev->doorbell == FAKE_NO_DOORBELL)
        return;
    assert_int_equal(dev->doorbell, dev->q->vq.number);
    dev->notifications++;
    dev->doorbell = FAKE_NO_DOORBELL;
}

unsigned fake_available(struct fake_queue *dev)
{
    return (uint16_t)(load(&dev->q->vq.avail->idx) - dev->next_avail);
}

bool fake_want_notify(struct fake_queue *dev)
{
    store(dev->q->vq.avail_event, dev->next_avail);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return fake_available(dev) != 0;
}

// The descriptor of the next available buffer, whose id is stored; NULL without one.
static struct virtq_desc *take(struct fake_queue *dev, uint16_t *id)
{
    struct virtqueue *vq = &dev->q->vq;
    unsigned count = fake_available(dev);
    if (!count)
        return NULL;
    assert_true(count <= vq->size);
    *id = vq->avail->ring[dev->next_avail & (vq->size - 1)].raw;
    assert_true(*id < vq->size);
    dev->next_avail++;
    assert_int_equal(vq->desc[*id].flags.raw & ~VIRTQ_DESC_WRITE, 0);
    return &vq->desc[*id];
}

static void put_element(struct fake_queue *dev, uint16_t position, uint32_t id, uint32_t len)
{
    struct virtqueue *vq = &dev->q->vq;
    ((le64_t *)vq->used_ring)[position & (vq->size - 1)] = le64_make((uint64_t)len << 32 | id);
}

// Moves the used index on and interrupts if the driver wants to know (2.7.7.2, 2.7.10).
static void advance(struct fake_queue *dev, uint16_t count)
{
    struct virtqueue *vq = &dev->q->vq;
    uint16_t old = dev->used, new = (uint16_t)(old + count);
    dev->used = new;
    store(&vq->used->idx, new);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    bool wanted = !(load(&vq->avail->flags) & VIRTQ_AVAIL_NO_INTERRUPT);
    if (vq->event_idx)
        wanted = (uint16_t)(new - load(vq->used_event) - 1) < (uint16_t)(new - old);
    dev->interrupts += wanted;
}

// Shuffled: in random order, and only when more than `keep` are held.
static void complete(struct fake_queue *dev, uint16_t id, uint32_t len)
{
    if (!dev->shuffle) {
        put_element(dev, dev->used, id, len);
        advance(dev, 1);
        return;
    }
    dev->lengths[id] = len;
    dev->held[dev->held_count++] = id;
    fake_hold(dev, 12);
}

void fake_hold(struct fake_queue *dev, unsigned keep)
{
    while (dev->held_count > keep) {
        unsigned pick = (unsigned)rand() % dev->held_count;
        uint16_t id = dev->held[pick];
        dev->held[pick] = dev->held[--dev->held_count];
        put_element(dev, dev->used, id, dev->lengths[id]);
        advance(dev, 1);
    }
}

static uint8_t pattern(unsigned len, unsigned i) { return (uint8_t)(len * 7 + i); }

bool fake_receive(struct fake_queue *dev, unsigned len, const struct vnet_header *header)
{
    uint16_t id;
    const struct virtq_desc *desc = take(dev, &id);
    if (!desc)
        return false;
    assert_int_equal(desc->flags.raw, VIRTQ_DESC_WRITE);
    assert_true(len + HEADER <= desc->len.raw);
    uint8_t *buffer = (uint8_t *)(uintptr_t)desc->addr.raw;
    memset(buffer, 0, HEADER);
    if (header)
        memcpy(buffer, header, HEADER);
    for (unsigned i = 0; i < len; i++)
        buffer[HEADER + i] = pattern(len, i);
    complete(dev, id, len + (uint32_t)HEADER);
    return true;
}

unsigned fake_transmit(struct fake_queue *dev, unsigned count)
{
    unsigned done = 0;
    uint16_t id;
    const struct virtq_desc *desc;
    count_doorbell(dev);
    while (done < count && (desc = take(dev, &id))) {
        const uint8_t *buffer = (const uint8_t *)(uintptr_t)desc->addr.raw;
        assert_int_equal(desc->flags.raw, 0);
        assert_true(desc->len.raw >= HEADER);
        memcpy(&dev->last_header, buffer, HEADER);
        dev->last_len = desc->len.raw - (unsigned)HEADER;
        for (unsigned i = 0; i < dev->last_len && !dev->any_content; i++)
            assert_int_equal(buffer[HEADER + i], pattern(dev->last_len, i));
        complete(dev, id, 0);
        dev->frames++;
        done++;
    }
    return done;
}

void fake_make_frame(struct packet *p, unsigned len)
{
    packet_reset(p);
    p->len = (uint16_t)len;
    for (unsigned i = 0; i < len; i++)
        p->data[i] = pattern(len, i);
}

void fake_check_frame(const struct packet *p)
{
    assert_true(fake_is_owned(p));
    for (unsigned i = 0; i < p->len; i++)
        assert_int_equal(p->data[i], pattern(p->len, i));
}

// ---- Lies ------------------------------------------------------------------------------------

void fake_poke(struct fake_queue *dev, int ahead, uint32_t id, uint32_t len)
{
    put_element(dev, (uint16_t)(dev->used + ahead), id, len);
}

void fake_step(struct fake_queue *dev, int step)
{
    dev->used = (uint16_t)(dev->used + step);
    store(&dev->q->vq.used->idx, dev->used);
}

static uint32_t any_length(void)
{
    static const uint32_t edges[] = {0, 11, 12, 13, 72, 1530, 1531, 0x7fffffff, 0xffffffff};
    return rand() & 1 ? edges[(unsigned)rand() % ARRAY_SIZE(edges)] : (uint32_t)rand();
}

void fake_scribble(struct fake_queue *dev)
{
    struct virtqueue *vq = &dev->q->vq;
    for (int i = rand() % 20; i > 0; i--)
        put_element(dev, (uint16_t)rand(), rand() & 1 ? (uint32_t)rand() % 300 : (uint32_t)rand(),
                    any_length());
    if (rand() & 1)
        store(vq->avail_event, (uint16_t)rand());
    fake_step(dev, rand() & 1 ? rand() % 40 : rand());
    dev->shuffle = false;
    // An honest continuation would run past what was posted.
    dev->next_avail = vq->avail->idx.raw;
}
