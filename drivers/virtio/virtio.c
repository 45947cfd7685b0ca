// SPDX-License-Identifier: BSD-2-Clause
//
// Operation of a virtio device through its common configuration structure (VIRTIO 1.2, 4.1.4.3):
// reset, feature negotiation (3.1.1, 2.2), queues. Every wait has a limit.

#include "drivers/virtio/virtio.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/lib/fmt.h"
#include "core/time/clock.h"

enum common_register {
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    CONFIG_VECTOR = 0x10,
    DEVICE_STATUS = 0x14,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
};

#define RESET_LIMIT_MS 500
#define RESET_STEP_US 100

int virtio_reset(struct virtio_device *vdev)
{
    vdev->features = 0;
    mmio_write8(vdev->common, DEVICE_STATUS, 0);
    // The device answers 0 when it has let go of everything (4.1.4.3.2).
    for (unsigned waited = 0; virtio_status(vdev); waited += RESET_STEP_US) {
        if (waited >= RESET_LIMIT_MS * 1000) {
            log_err("%s %s: no end to its reset", vdev->driver, vdev->pci->name);
            return -ETIMEDOUT;
        }
        clock_delay_us(RESET_STEP_US);
    }
    return 0;
}

uint8_t virtio_status(const struct virtio_device *vdev)
{
    return mmio_read8(vdev->common, DEVICE_STATUS);
}

// Status bits are only ever added; a reset alone takes them away (2.1.1).
static void add_status(struct virtio_device *vdev, uint8_t bits)
{
    mmio_write8(vdev->common, DEVICE_STATUS, virtio_status(vdev) | bits);
}

void virtio_acknowledge(struct virtio_device *vdev)
{
    add_status(vdev, VIRTIO_STATUS_ACKNOWLEDGE);
    add_status(vdev, VIRTIO_STATUS_DRIVER);
}

void virtio_driver_ok(struct virtio_device *vdev) { add_status(vdev, VIRTIO_STATUS_DRIVER_OK); }

uint64_t virtio_offered(const struct virtio_device *vdev)
{
    mmio_write32(vdev->common, DEVICE_FEATURE_SELECT, 0);
    uint64_t low = mmio_read32(vdev->common, DEVICE_FEATURE);
    mmio_write32(vdev->common, DEVICE_FEATURE_SELECT, 1);
    return (uint64_t)mmio_read32(vdev->common, DEVICE_FEATURE) << 32 | low;
}

// One line with the names of the offered features that have this refusal (NULL: those taken).
static void log_features(const struct virtio_device *vdev, const struct virtio_feature *table,
                         unsigned count, uint64_t offered, const char *refusal)
{
    char text[128] = "";
    int used = 0;
    for (unsigned i = 0; i < count && used < (int)sizeof(text); i++) {
        if ((offered >> table[i].bit & 1) && table[i].refusal == refusal)
            used += fmt_snprint(text + used, sizeof(text) - (size_t)used, " %s", table[i].name);
    }
    if (used && refusal)
        log_debug("%s %s: refused%s: %s", vdev->driver, vdev->pci->name, text, refusal);
    else if (used)
        log_debug("%s %s: accepted%s", vdev->driver, vdev->pci->name, text);
}

// Each reason of the table once, at its first appearance.
static void log_negotiation(const struct virtio_device *vdev, const struct virtio_feature *table,
                            unsigned count, uint64_t offered)
{
    uint64_t known = 0;
    log_features(vdev, table, count, vdev->features, NULL);
    for (unsigned i = 0; i < count; i++) {
        unsigned first = 0;
        while (table[first].refusal != table[i].refusal)
            first++;
        if (first == i && table[i].refusal)
            log_features(vdev, table, count, offered, table[i].refusal);
        known |= BIT64(table[i].bit);
    }
    if (offered & ~known)
        log_debug("%s %s: refused bits 0x%llx: unknown", vdev->driver, vdev->pci->name,
                  (unsigned long long)(offered & ~known));
}

// VERSION_1 is a must: without it the device would use the legacy layout of headers and registers.
int virtio_negotiate(struct virtio_device *vdev, const struct virtio_feature *table, unsigned count,
                     uint64_t except)
{
    uint64_t offered = virtio_offered(vdev), wanted = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!table[i].refusal)
            wanted |= BIT64(table[i].bit);
    }
    vdev->features = offered & wanted & ~except;
    log_negotiation(vdev, table, count, offered);
    if (!virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        log_err("%s %s: a device older than virtio 1.0", vdev->driver, vdev->pci->name);
        return -EIO;
    }
    // 6.1: without this its accesses are like the CPU's own, whatever the tree says of its bus.
    if (!virtio_has(vdev, VIRTIO_F_ACCESS_PLATFORM))
        vdev->pci->dma.coherent = true;
    mmio_write32(vdev->common, DRIVER_FEATURE_SELECT, 0);
    mmio_write32(vdev->common, DRIVER_FEATURE, (uint32_t)vdev->features);
    mmio_write32(vdev->common, DRIVER_FEATURE_SELECT, 1);
    mmio_write32(vdev->common, DRIVER_FEATURE, (uint32_t)(vdev->features >> 32));
    add_status(vdev, VIRTIO_STATUS_FEATURES_OK);
    // 3.1.1, step 6: the bit stays only if the device can live with the choice.
    if (virtio_status(vdev) & VIRTIO_STATUS_FEATURES_OK)
        return 0;
    log_err("%s %s: features 0x%llx not accepted by the device", vdev->driver, vdev->pci->name,
            (unsigned long long)vdev->features);
    return -EIO;
}

int virtio_vectors_enable(struct virtio_device *vdev, unsigned count, int *irqs)
{
    int err = pci_msix_enable(vdev->pci, count, irqs);
    vdev->vectors = err ? 0 : count;
    return err;
}

void virtio_vectors_disable(struct virtio_device *vdev)
{
    pci_msix_disable(vdev->pci);
    vdev->vectors = 0;
}

// The register reads as the vector if the device has taken it, and as none if it could not.
static int set_vector(struct virtio_device *vdev, unsigned reg, unsigned vector)
{
    if (!vdev->vectors)
        return 0;
    mmio_write16(vdev->common, reg, (uint16_t)vector);
    return mmio_read16(vdev->common, reg) == vector ? 0 : -EBUSY;
}

int virtio_config_vector(struct virtio_device *vdev, unsigned vector)
{
    return set_vector(vdev, CONFIG_VECTOR, vector);
}

// 64-bit registers are written as two words (4.1.3.1).
static void write_address(const struct virtio_device *vdev, unsigned off, uint64_t value)
{
    mmio_write32(vdev->common, off, (uint32_t)value);
    mmio_write32(vdev->common, off + 4, (uint32_t)(value >> 32));
}

// The largest power of two that neither side minds; 0 when the queue does not exist.
static unsigned choose_size(unsigned device_size, unsigned max_size)
{
    unsigned limit = MIN(device_size, max_size), size = VIRTQUEUE_SIZE_MAX;
    while (size > limit)
        size >>= 1;
    return size;
}

// Kept over resets, since recovery should not depend on free memory.
static int provide_memory(struct virtio_device *vdev, struct virtqueue *vq, unsigned size)
{
    if (vq->mem && vq->size != size)
        virtio_queue_free(vq);
    if (!vq->mem) {
        vq->dma = &vdev->pci->dma;
        vq->mem = dma_alloc(vq->dma, virtqueue_bytes(size), &vq->bus);
    }
    return vq->mem ? 0 : -ENOMEM;
}

// 4.1.4.4: where a queue's notifications go.
static int find_doorbell(struct virtio_device *vdev, struct virtqueue *vq)
{
    uint64_t off = (uint64_t)mmio_read16(vdev->common, QUEUE_NOTIFY_OFF) * vdev->notify_multiplier;
    if (off + sizeof(uint16_t) > vdev->notify_len || !IS_ALIGNED(off, sizeof(uint16_t))) {
        log_err("%s %s: doorbell of queue %u is out of range", vdev->driver, vdev->pci->name,
                vq->number);
        return -EIO;
    }
    vq->doorbell = mmio_offset(vdev->notify, off);
    return 0;
}

// The size is written back even if it is the device's own: it may have been less once.
int virtio_queue_setup(struct virtio_device *vdev, unsigned number, struct virtqueue *vq,
                       unsigned max_size, unsigned vector)
{
    mmio_write16(vdev->common, QUEUE_SELECT, (uint16_t)number);
    unsigned size = choose_size(mmio_read16(vdev->common, QUEUE_SIZE), max_size);
    if (!size)
        return -ENOENT;
    int err = provide_memory(vdev, vq, size);
    if (err)
        return err;
    vq->number = (uint16_t)number;
    vq->event_idx = virtio_has(vdev, VIRTIO_F_EVENT_IDX);
    virtqueue_reset(vq, vq->mem, size);
    err = find_doorbell(vdev, vq);
    if (!err)
        err = set_vector(vdev, QUEUE_VECTOR, vector);
    if (err)
        return err;
    mmio_write16(vdev->common, QUEUE_SIZE, (uint16_t)size);
    write_address(vdev, QUEUE_DESC, vq->bus);
    write_address(vdev, QUEUE_DRIVER, vq->bus + virtqueue_avail_offset(size));
    write_address(vdev, QUEUE_DEVICE, vq->bus + virtqueue_used_offset(size));
    dma_wmb(); // ring memory before the device looks; partner: its first read after the enable
    mmio_write16(vdev->common, QUEUE_ENABLE, 1);
    return 0;
}

void virtio_queue_free(struct virtqueue *vq)
{
    if (vq->mem)
        dma_free(vq->dma, vq->mem, virtqueue_bytes(vq->size));
    vq->mem = NULL;
}

uint8_t virtio_config8(const struct virtio_device *vdev, unsigned off)
{
    return off < vdev->config_len ? mmio_read8(vdev->config, off) : 0;
}

uint16_t virtio_config16(const struct virtio_device *vdev, unsigned off)
{
    return off + 2 <= vdev->config_len ? mmio_read16(vdev->config, off) : 0;
}
