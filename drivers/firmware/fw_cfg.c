// SPDX-License-Identifier: BSD-2-Clause
//
// QEMU fw_cfg over memory-mapped registers, by its DMA interface (QEMU docs/specs/fw_cfg.rst). All
// numbers on the wire are big-endian, except the feature word. The directory comes from outside:
// counts and lengths are checked, names need not end in NUL.

#include "drivers/firmware/fw_cfg.h"

#include <string.h>

#include "arch/barrier.h"
#include "core/debug/log.h"
#include "core/lib/mmio.h"
#include "core/sync/mutex.h"
#include "core/time/clock.h"
#include "drivers/driver.h"
#include "mm/dma.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define REG_DATA 0x00
#define REG_SELECTOR 0x08
#define REG_DMA 0x10
#define REG_BYTES 0x18

enum fw_cfg_key { KEY_SIGNATURE = 0x00, KEY_FEATURES = 0x01, KEY_DIRECTORY = 0x19 };

#define FEATURE_DMA 0x02u

#define CONTROL_ERROR 0x01u
#define CONTROL_READ 0x02u
#define CONTROL_SELECT 0x08u
#define CONTROL_KEY_SHIFT 16

#define NAME_BYTES 56
#define DIRECTORY_MAX 1024 // entries; QEMU has some dozens

// The device answers before the doorbell write returns; a host that takes longer than this for
// 1 MiB has lost it.
#define TRANSFER_LIMIT_US 1000000u
#define POLL_US 10u

struct dma_command {
    be32_t control;
    be32_t length;
    be64_t address;
};

struct directory_entry {
    be32_t bytes;
    be16_t key;
    be16_t reserved;
    char name[NAME_BYTES];
};
_Static_assert(sizeof(struct directory_entry) == 64, "the device's layout");

static struct {
    struct mutex lock; // protects the command and the device's selection
    bool present;
    mmio_t regs;
    struct dma_device dma;
    struct dma_command *command;
    paddr_t command_bus;
} fw_cfg = {.lock = MUTEX_INIT(fw_cfg.lock)};

// The device clears the word when it is done, or sets the error bit.
static uint32_t command_status(void)
{
    return be32_get(*(volatile be32_t *)&fw_cfg.command->control);
}

static int wait_done(void)
{
    for (unsigned us = 0; us < TRANSFER_LIMIT_US; us += POLL_US) {
        uint32_t status = command_status();
        if (status & CONTROL_ERROR)
            return -EIO;
        if (status == 0) {
            dma_rmb(); // the status before the data; the device wrote them in the other order
            return 0;
        }
        clock_delay_us(POLL_US);
    }
    fw_cfg.present = false; // the device may still write to that memory: never use it again
    log_err("fw_cfg: no answer");
    return -EIO;
}

// One command; the memory at `bus` is the device's until this returns.
static int transfer(uint32_t control, paddr_t bus, size_t len)
{
    fw_cfg.command->length = be32_make((uint32_t)len);
    fw_cfg.command->address = be64_make(bus);
    fw_cfg.command->control = be32_make(control);
    dma_wmb(); // the command before its doorbell
    mmio_write64(fw_cfg.regs, REG_DMA, be64_make(fw_cfg.command_bus).raw);
    return wait_done();
}

// Reads the first len bytes of an item; lock held.
static int read_item(uint32_t key, void *data, size_t len)
{
    if (len == 0)
        return 0;
    if (!fw_cfg.present)
        return -EIO;
    paddr_t bus = dma_map(&fw_cfg.dma, data, len, DMA_FROM_DEVICE);
    if (!bus)
        return -EIO;
    int err = transfer(key << CONTROL_KEY_SHIFT | CONTROL_SELECT | CONTROL_READ, bus, len);
    if (fw_cfg.present) // else the device may still write to a bounce buffer
        dma_unmap(&fw_cfg.dma, bus, len, DMA_FROM_DEVICE);
    return err;
}

// The item in fresh memory with a NUL behind it, of whole cache lines (mm/dma.h); lock held. Memory
// that a dead device may still write to is not given back.
static int read_fresh(uint32_t key, size_t len, void **out)
{
    char *data = kmalloc(ALIGN_UP(len + 1, CACHE_LINE), GFP_KERNEL);
    if (!data)
        return -ENOMEM;
    int err = read_item(key, data, len);
    if (err) {
        if (fw_cfg.present)
            kfree(data);
        return err;
    }
    data[len] = '\0';
    *out = data;
    return 0;
}

// A name of exactly NAME_BYTES characters has no NUL.
static int find_in(const struct directory_entry *entries, size_t count, const char *name,
                   struct directory_entry *found)
{
    size_t wanted = strlen(name);
    for (size_t i = 0; i < count; i++) {
        size_t len = strnlen(entries[i].name, NAME_BYTES);
        if (len == wanted && memcmp(entries[i].name, name, len) == 0) {
            *found = entries[i];
            return 0;
        }
    }
    return -ENOENT;
}

// The directory item is a count and then the entries.
static int find_file(const char *name, struct directory_entry *found)
{
    void *data;
    int err = read_fresh(KEY_DIRECTORY, sizeof(be32_t), &data);
    if (err)
        return err;
    uint32_t count = be32_get(*(be32_t *)data);
    kfree(data);
    if (count > DIRECTORY_MAX)
        return -EIO;
    err = read_fresh(KEY_DIRECTORY, sizeof(be32_t) + count * sizeof(*found), &data);
    if (err)
        return err;
    err = find_in((struct directory_entry *)((char *)data + sizeof(be32_t)), count, name, found);
    kfree(data);
    return err;
}

// Lock held: the directory and the file are read with one selection after another.
static int read_file_locked(const char *name, void **data, size_t *len)
{
    struct directory_entry entry;
    int err = find_file(name, &entry);
    if (err)
        return err;
    uint32_t bytes = be32_get(entry.bytes);
    if (bytes > FW_CFG_FILE_MAX)
        return -EFBIG;
    err = read_fresh(be16_get(entry.key), bytes, data);
    if (!err)
        *len = bytes;
    return err;
}

int fw_cfg_read_file(const char *name, void **data, size_t *len)
{
    if (!fw_cfg.present)
        return -ENODEV;
    mutex_lock(&fw_cfg.lock);
    int err = read_file_locked(name, data, len);
    mutex_unlock(&fw_cfg.lock);
    return err;
}

// ---- Probe: signature and features by the plain registers --------------------------------------

// Selecting an item rewinds it; each read of the data register gives its next byte.
static uint32_t read_word(enum fw_cfg_key key)
{
    uint32_t word = 0;
    mmio_write16(fw_cfg.regs, REG_SELECTOR, be16_make((uint16_t)key).raw);
    for (int i = 0; i < 4; i++)
        word |= (uint32_t)mmio_read8(fw_cfg.regs, REG_DATA) << (8 * i);
    return word;
}

// A region without the device reads as zeros or ones.
static int check_device(void)
{
    static const char signature[4] = {'Q', 'E', 'M', 'U'};
    uint32_t word = read_word(KEY_SIGNATURE);
    if (memcmp(&word, signature, sizeof(word)) != 0 || !(read_word(KEY_FEATURES) & FEATURE_DMA))
        return -ENODEV;
    return 0;
}

static int fw_cfg_probe(const struct dt_node *node)
{
    paddr_t base;
    uint64_t len;
    if (fw_cfg.present)
        return -EEXIST;
    int err = dt_reg(node, 0, &base, &len);
    if (err)
        return err;
    if (len < REG_BYTES)
        return -EINVAL; // a device without the DMA register
    fw_cfg.regs = ioremap(base, len);
    if (!mmio_valid(fw_cfg.regs))
        return -ENOMEM;
    err = check_device();
    if (err)
        goto unmap;
    dma_from_tree(&fw_cfg.dma, node, dt_parent(node));
    err = dma_set_mask(&fw_cfg.dma, UINT64_MAX);
    if (err)
        goto unmap;
    fw_cfg.command = dma_alloc(&fw_cfg.dma, sizeof(*fw_cfg.command), &fw_cfg.command_bus);
    if (!fw_cfg.command) {
        err = -ENOMEM;
        goto unmap;
    }
    // Last: fw_cfg_read_file() looks at it without the lock.
    fw_cfg.present = true;
    return 0;
unmap:
    iounmap(fw_cfg.regs);
    return err;
}
DT_DRIVER(fw_cfg_driver, "qemu,fw-cfg-mmio", DRIVER_EARLY, fw_cfg_probe);
