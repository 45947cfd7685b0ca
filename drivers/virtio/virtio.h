// SPDX-License-Identifier: BSD-2-Clause
//
// Virtio devices over PCI, modern interface (VIRTIO 1.2, chapters 3 and 4.1). A driver registers
// itself in the linker table virtio_driver; its probe gets a device that is mapped, reset and
// acknowledged, and does not master the bus. The order of calls is the specification's (3.1.1):
// virtio_reset, virtio_acknowledge, virtio_negotiate, virtio_queue_setup for each queue,
// virtio_driver_ok.
//
// Thread context, except virtio_isr, virtio_status and the configuration readers: any context.

#pragma once

#include "drivers/pci/pci.h"
#include "drivers/virtio/virtqueue.h"

#define VIRTIO_ID_NET 1

#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX 29
#define VIRTIO_F_VERSION_1 32
#define VIRTIO_F_ACCESS_PLATFORM 33
#define VIRTIO_F_RING_PACKED 34
#define VIRTIO_F_IN_ORDER 35
#define VIRTIO_F_ORDER_PLATFORM 36
#define VIRTIO_F_SR_IOV 37
#define VIRTIO_F_NOTIFICATION_DATA 38
#define VIRTIO_F_RING_RESET 40

#define VIRTIO_ISR_QUEUE 1u
#define VIRTIO_ISR_CONFIG 2u

#define VIRTIO_STATUS_ACKNOWLEDGE 1u
#define VIRTIO_STATUS_DRIVER 2u
#define VIRTIO_STATUS_DRIVER_OK 4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 64u

struct virtio_device {
    struct pci_device *pci;
    const char *driver; // name of the driver, for messages
    uint16_t id;        // VIRTIO_ID_*
    mmio_t common, isr, config, notify;
    uint32_t config_len, notify_len; // mapped bytes
    uint32_t notify_multiplier;
    uint64_t features; // negotiated
    unsigned vectors;  // message interrupts in use; 0: the INTx pin
};

struct virtio_driver {
    const char *name;
    uint16_t id;
    int (*probe)(struct virtio_device *vdev); // 0: the device is the driver's
};
#define VIRTIO_DRIVER(id, ...) \
    static const struct virtio_driver id TABLE_ENTRY(virtio_driver) = {__VA_ARGS__}

// What a driver knows of a feature bit: `refusal` is why it is not taken, NULL if it is.
struct virtio_feature {
    uint8_t bit;
    const char *name, *refusal;
};

// Resets and waits for it. -ETIMEDOUT: the device may still be using its memory; switch its bus
// mastering off before that is freed.
int virtio_reset(struct virtio_device *vdev);
// Tells the device that it has a driver; then what it offers and its configuration may be read.
void virtio_acknowledge(struct virtio_device *vdev);
uint64_t virtio_offered(const struct virtio_device *vdev);
// Takes those features of `table` that the device offers, have no refusal and
// are not in `except`, and logs at debug level what was taken and what not, and why. -EIO when the
// device lacks VERSION_1 or does not accept the choice.
int virtio_negotiate(struct virtio_device *vdev, const struct virtio_feature *table, unsigned count,
                     uint64_t except);
static inline bool virtio_has(const struct virtio_device *vdev, unsigned bit)
{
    return vdev->features >> bit & 1;
}
// Makes queue `number` ready, with the device's size or `max_size` if that is less, and `vector`
// for its interrupts. Memory of an earlier setup is used again. -ENOENT (the device has no such
// queue), -ENOMEM, -EIO, -EBUSY (see virtio_vectors_enable).
int virtio_queue_setup(struct virtio_device *vdev, unsigned number, struct virtqueue *vq,
                       unsigned max_size, unsigned vector);
// Gives the queue's memory back; the device must be reset or off the bus.
void virtio_queue_free(struct virtqueue *vq);
void virtio_driver_ok(struct virtio_device *vdev);

// ---- Interrupts --------------------------------------------------------------------------------
//
// Without further ado a device has its INTx pin: pci_irq() and virtio_isr(). With message
// interrupts each source, a queue or the change of configuration, has a vector, by number; several
// may share one. Vectors are set up anew after each reset. A device that cannot provide for one
// says so then (4.1.5.1.2): -EBUSY, and the driver goes on with fewer or with INTx.

#define VIRTIO_NO_VECTOR 0xffffu // this source does not interrupt

// `count` vectors from 0 on; irqs[i] is for irq_request(). Errors are those of pci_msix_enable(),
// and leave INTx in use.
int virtio_vectors_enable(struct virtio_device *vdev, unsigned count, int *irqs);
// Back to INTx. The device is reset and no handler is left on the irqs.
void virtio_vectors_disable(struct virtio_device *vdev);
// The vector for changes of the configuration; between reset and virtio_driver_ok(). Nothing
// happens where INTx is in use. 0, -EBUSY.
int virtio_config_vector(struct virtio_device *vdev, unsigned vector);

uint8_t virtio_status(const struct virtio_device *vdev);
// Reads the interrupt reasons, which also lowers the line (4.1.4.5). 0: not this device. INTx only.
static inline uint8_t virtio_isr(const struct virtio_device *vdev)
{
    return mmio_read8(vdev->isr, 0);
}

// Fields of the device's configuration; 0 where it is shorter than that.
uint8_t virtio_config8(const struct virtio_device *vdev, unsigned off);
uint16_t virtio_config16(const struct virtio_device *vdev, unsigned off);
