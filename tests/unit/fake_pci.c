// SPDX-License-Identifier: BSD-2-Clause
//
// See fake_pci.h.

#include "fake_pci.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "arch/mmio.h"
#include "mm/vmalloc.h"

#define MAP_BASE 0x100000000000UL // what ioremap() gives is this plus the physical address

static struct fake_function functions[FAKE_FUNCTIONS];
static unsigned used;
static struct {
    paddr_t base;
    uint8_t *mem;
    size_t len;
    uint64_t stuck;
} memory;
unsigned fake_pci_reads;
uint64_t fake_pci_noise;

mmio_t ioremap(paddr_t base, uint64_t len)
{
    assert_true(len > 0 && len <= 1ULL << ECAM_CHUNK_SHIFT);
    return (mmio_t){MAP_BASE + base};
}
void iounmap(mmio_t base) { assert_true(base.addr >= MAP_BASE); }

static void put(uint8_t *bytes, unsigned off, unsigned len, uint64_t value)
{
    for (unsigned i = 0; i < len; i++)
        bytes[off + i] = (uint8_t)(value >> (8 * i));
}

uint32_t fake_pci_get(const struct fake_function *f, unsigned off, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | f->config[off + i];
    return value;
}

void fake_pci_reset(void)
{
    memset(functions, 0, sizeof(functions));
    memset(&memory, 0, sizeof(memory));
    used = fake_pci_reads = 0;
    fake_pci_noise = 0;
}

struct fake_function *fake_pci_add(struct fake_function *parent, unsigned devfn, unsigned header,
                                   uint32_t id, uint32_t class_code)
{
    assert_true(used < FAKE_FUNCTIONS);
    struct fake_function *f = &functions[used++];
    f->parent = parent;
    f->devfn = (uint8_t)devfn;
    put(f->config, 0x00, 4, id);
    put(f->config, 0x08, 4, class_code << 8);
    put(f->config, 0x0e, 1, header);
    put(f->config, 0x3d, 1, 1); // INTA
    put(f->writable, 0x04, 2, 0x0407);
    if ((header & 0x7f) == 1) {
        put(f->writable, 0x18, 3, 0xffffff);
        put(f->writable, 0x20, 4, 0xfff0fff0);
    }
    return f;
}

struct fake_function *fake_pci_function(struct fake_function *parent, unsigned devfn)
{
    unsigned i = 0;
    while (functions[i].parent != parent || functions[i].devfn != devfn)
        assert_true(++i < used);
    return &functions[i];
}

void fake_pci_bar(struct fake_function *f, unsigned bar, uint64_t len, unsigned flags)
{
    unsigned bytes = (flags & 7) == 4 ? 8 : 4;
    put(f->writable, 0x10 + 4 * bar, bytes, ~(len - 1));
    put(f->config, 0x10 + 4 * bar, 4, flags);
}

void fake_pci_windows(struct fake_function *f, bool io, bool pref64)
{
    if (io)
        put(f->writable, 0x1c, 2, 0xf0f0);
    if (pref64) {
        put(f->writable, 0x24, 4, 0xfff0fff0);
        put(f->config, 0x24, 4, 0x00010001);
        put(f->writable, 0x28, 8, UINT64_MAX);
    }
}

void fake_pci_cap(struct fake_function *f, unsigned at, unsigned id, const void *body, size_t len)
{
    f->config[at] = (uint8_t)id;
    f->config[at + 1] = f->config[0x34];
    memcpy(&f->config[at + 2], body, len);
    f->config[0x34] = (uint8_t)at;
    f->config[0x06] |= 0x10;
}

void fake_pci_memory(paddr_t base, void *mem, size_t len, uint64_t stuck)
{
    memory.base = base;
    memory.mem = mem;
    memory.len = len;
    memory.stuck = stuck;
}

// The byte of register memory at an address; NULL for an address of configuration space.
static uint8_t *in_memory(uintptr_t addr, unsigned bytes)
{
    uint64_t offset = addr - MAP_BASE - memory.base;
    if (offset >= memory.len)
        return NULL;
    assert_true(offset + bytes <= memory.len && bytes == 4 && addr % bytes == 0);
    return memory.mem + offset;
}

static struct fake_function *find(unsigned bus, unsigned devfn)
{
    for (unsigned i = 0; i < used; i++) {
        struct fake_function *f = &functions[i];
        unsigned number = f->parent ? f->parent->config[0x19] : 0;
        if (f->devfn == devfn && number == bus && (!f->parent || number))
            return f;
    }
    return NULL;
}

// The function and register of an address; also checks that it is inside ECAM and aligned.
static struct fake_function *locate(uintptr_t addr, unsigned bytes, unsigned *off)
{
    uint64_t offset = addr - MAP_BASE - FAKE_ECAM;
    assert_true(offset + bytes <= FAKE_ECAM_BYTES && addr % bytes == 0);
    *off = offset & 0xfff;
    return find((unsigned)(offset >> 20), offset >> 12 & 0xff);
}

static uint64_t noise(void)
{
    fake_pci_noise = fake_pci_noise * 6364136223846793005ULL + 1442695040888963407ULL;
    return fake_pci_noise >> 31;
}

// Every second function exists, most of them devices and bridges, the last of a bus always.
static uint64_t read_noise(unsigned devfn, unsigned off)
{
    bool last = devfn == 0xf8;
    if (off == 0x00)
        return last || (noise() & 1) ? (noise() | 1) << 16 | 0x1234 : UINT64_MAX;
    if (off == 0x0e)
        return last ? 0 : noise() & (noise() & 3 ? 0x81 : 0xff);
    return noise();
}

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes)
{
    unsigned off;
    const uint8_t *mem = in_memory(addr, bytes);
    if (mem) {
        uint32_t value;
        memcpy(&value, mem, sizeof(value));
        return value;
    }
    struct fake_function *f = locate(addr, bytes, &off);
    fake_pci_reads++;
    if (fake_pci_noise)
        return read_noise(addr >> 12 & 0xff, off);
    if (!f)
        return UINT64_MAX;
    return off + bytes <= sizeof(f->config) ? fake_pci_get(f, off, bytes) : 0;
}

void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value)
{
    unsigned off;
    uint8_t *mem = in_memory(addr, bytes);
    if (mem) {
        size_t word = (size_t)(mem - memory.mem) / 4;
        if (word >= 64 || !(memory.stuck >> word & 1))
            put(mem, 0, bytes, value);
        return;
    }
    struct fake_function *f = locate(addr, bytes, &off);
    for (unsigned i = 0; f && i < bytes && off + i < sizeof(f->config); i++) {
        uint8_t mask = f->writable[off + i];
        f->config[off + i] =
            (uint8_t)((f->config[off + i] & ~mask) | ((uint8_t)(value >> (8 * i)) & mask));
    }
}
