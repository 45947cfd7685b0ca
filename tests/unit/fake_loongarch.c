// SPDX-License-Identifier: BSD-2-Clause
//
// See fake_loongarch.h.

#include "fake_loongarch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "arch/mmio.h"
#include "mm/vmalloc.h"
#include "platform/loongson/loongarch64/arch/cpu.h"

#define VECTORS 256

static struct {
    uint64_t estat, ecfg;
    uint8_t ipmap[8], coremap[VECTORS];
    bool enable[VECTORS], coreisr[VECTORS], isr[VECTORS];
    uint64_t misc;
} cpu;

static struct {
    uint64_t up, irr, isr, mask, edge, polarity;
    uint8_t route[64], vector[64];
} pic;

uint64_t fake_tcfg, fake_now;
unsigned fake_timer_acks;

// ---- EIOINTC ---------------------------------------------------------------------------------

// HWI0 is line 2 of the CPU.
static void update_cpu(void)
{
    uint64_t lines = 0;
    for (unsigned v = 0; v < VECTORS; v++) {
        if (cpu.coreisr[v])
            lines |= (uint64_t)cpu.ipmap[v / 32] << 2;
    }
    cpu.estat = (cpu.estat & ~0x3fcULL) | lines;
}

static void set_vector(unsigned v, bool level)
{
    cpu.isr[v] = level;
    if (!level)
        cpu.coreisr[v] = false;
    else if (cpu.enable[v] && cpu.coremap[v] == 1)
        cpu.coreisr[v] = true;
    update_cpu();
}

static void write_enable(unsigned v, bool on)
{
    bool rises = on && !cpu.enable[v];
    cpu.enable[v] = on;
    if (!on)
        cpu.coreisr[v] = false;
    else if (rises && cpu.isr[v])
        cpu.coreisr[v] = true;
    update_cpu();
}

static bool *bits_at(uint32_t reg, unsigned *first)
{
    *first = (reg & 0x7f) * 8;
    switch (reg & ~0x7fu) {
    case 0x1600:
        return cpu.enable;
    case 0x1800:
        return cpu.coreisr;
    default:
        return NULL;
    }
}

uint64_t fake_iocsr_read(uint32_t reg, unsigned bytes)
{
    unsigned first;
    uint64_t value = 0;
    assert_true(reg % bytes == 0);
    const bool *bits = bits_at(reg, &first);
    if (reg == 0x420)
        return cpu.misc;
    assert_non_null(bits);
    for (unsigned i = 0; i < bytes * 8; i++)
        value |= (uint64_t)bits[first + i] << i;
    return value;
}

static void write_bits(uint32_t reg, unsigned first, unsigned count, uint64_t value)
{
    for (unsigned i = 0; i < count; i++) {
        if ((reg & ~0x7fu) == 0x1600)
            write_enable(first + i, value >> i & 1);
        else if (value >> i & 1)
            cpu.coreisr[first + i] = false;
    }
    update_cpu();
}

void fake_iocsr_write(uint32_t reg, unsigned bytes, uint64_t value)
{
    unsigned first;
    assert_true(reg % bytes == 0);
    if (reg == 0x420) {
        assert_int_equal(bytes, 8);
        cpu.misc = value;
    } else if (reg >= 0x14c0 && reg + bytes <= 0x14c8) {
        memcpy(&cpu.ipmap[reg - 0x14c0], &value, bytes);
    } else if (reg >= 0x1c00 && reg + bytes <= 0x1c00 + VECTORS) {
        memcpy(&cpu.coremap[reg - 0x1c00], &value, bytes);
    } else if (reg >= 0x1680 && reg + bytes <= 0x16a0) {
        assert_int_equal(value, 0); // bouncing is not used
    } else {
        assert_non_null(bits_at(reg, &first));
        write_bits(reg, first, bytes * 8, value);
    }
}

void fake_message(uint32_t data)
{
    assert_in_range(data, FAKE_PIC_LINES, VECTORS - 1); // a lower one ends some machines
    set_vector(data, true);
}

void fake_spurious(unsigned vector)
{
    cpu.coreisr[vector] = true;
    update_cpu();
}

bool fake_vector_is_enabled(unsigned vector) { return cpu.enable[vector]; }

// ---- PCH-PIC ---------------------------------------------------------------------------------

static void update_line(unsigned line, bool level)
{
    uint64_t bit = BIT64(line);
    if (level && (pic.irr & ~pic.mask & ~pic.isr & bit)) {
        pic.isr |= bit;
        set_vector(pic.vector[line], true);
    } else if (!level && (pic.isr & bit)) {
        pic.isr &= ~bit;
        set_vector(pic.vector[line], false);
    }
}

void fake_pic_line(unsigned line, bool up)
{
    uint64_t bit = BIT64(line);
    bool rises = up && !(pic.up & bit);
    pic.up = up ? pic.up | bit : pic.up & ~bit;
    if (!(pic.edge & bit))
        pic.irr = up ? pic.irr | bit : pic.irr & ~bit;
    else if (rises)
        pic.irr |= bit;
    if (!(pic.edge & bit) || rises)
        update_line(line, up);
}

static void write_mask(unsigned shift, uint32_t value)
{
    uint64_t mask = (pic.mask & ~(0xffffffffULL << shift)) | (uint64_t)value << shift;
    uint64_t changed = mask ^ pic.mask;
    pic.mask = mask;
    assert_false(changed & (changed - 1)); // one by one
    if (changed)
        update_line((unsigned)__builtin_ctzll(changed), !(mask & changed));
}

static void clear_edges(unsigned shift, uint32_t value)
{
    uint64_t bits = (uint64_t)value << shift & pic.edge;
    pic.irr &= ~bits;
    for (unsigned line = 0; line < FAKE_PIC_LINES; line++) {
        if (bits >> line & 1)
            update_line(line, false);
    }
}

static void put_half(uint64_t *pair, unsigned shift, uint32_t value)
{
    *pair = (*pair & ~(0xffffffffULL << shift)) | (uint64_t)value << shift;
}

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes)
{
    size_t off = addr - FAKE_PIC;
    unsigned shift = off & 4 ? 32 : 0;
    assert_true(bytes == 4 && (off < 0x100 || (off >= 0x3a0 && off < 0x400)));
    switch (off & ~4UL) {
    case 0x00:
        return shift ? (FAKE_PIC_LINES - 1) << 16 | 1 : 0x07000000;
    case 0x20:
        return (uint32_t)(pic.mask >> shift);
    case 0x60:
        return (uint32_t)(pic.edge >> shift);
    case 0x3e0:
        return (uint32_t)(pic.polarity >> shift);
    default:
        return 0;
    }
}

void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value)
{
    size_t off = addr - FAKE_PIC;
    unsigned shift = off & 4 ? 32 : 0;
    if (off >= 0x100 && off < 0x300) {
        assert_true(bytes == 1 && (off & 0xff) < 64);
        (off < 0x200 ? pic.route : pic.vector)[off & 0xff] = (uint8_t)value;
        return;
    }
    assert_true(bytes == 4 && off < 0x400);
    switch (off & ~4UL) {
    case 0x20:
        write_mask(shift, (uint32_t)value);
        break;
    case 0x60:
        put_half(&pic.edge, shift, (uint32_t)value);
        break;
    case 0x80:
        clear_edges(shift, (uint32_t)value);
        break;
    case 0x3e0:
        put_half(&pic.polarity, shift, (uint32_t)value);
        break;
    default:
        assert_true(off == 0x40 || off == 0xc0 || off == 0xe0);
    }
}

bool fake_pic_is_masked(unsigned line) { return pic.mask >> line & 1; }

mmio_t ioremap(paddr_t base, uint64_t len)
{
    assert_true(base == FAKE_PIC && len == 0x400);
    return (mmio_t){base};
}
void iounmap(mmio_t base) { assert_true(mmio_valid(base)); }

// ---- CPU -------------------------------------------------------------------------------------

uint64_t fake_csr_read(unsigned csr)
{
    switch (csr) {
    case CSR_ESTAT:
        return cpu.estat;
    case CSR_ECFG:
        return cpu.ecfg;
    case 0x21: // PRCFG1: 48 bits of timer, 16 save registers
        return 0x72f0 | 15;
    default:
        fail_msg("CSR 0x%x is read", csr);
        return 0;
    }
}

void fake_csr_write(unsigned csr, uint64_t value)
{
    if (csr == CSR_ECFG) {
        assert_int_equal(value & ~0x71fffULL, 0);
        cpu.ecfg = value;
    } else if (csr == CSR_TCFG) {
        fake_tcfg = value;
    } else if (csr == CSR_TICLR) {
        assert_int_equal(value, 1);
        cpu.estat &= ~BIT64(FAKE_CPU_TIMER);
        fake_timer_acks++;
    } else {
        fail_msg("CSR 0x%x is written", csr);
    }
}

void fake_timer_expire(void)
{
    fake_tcfg &= ~1ULL;
    cpu.estat |= BIT64(FAKE_CPU_TIMER);
}

uint64_t arch_counter(void) { return fake_now; }

bool fake_cpu_interrupted(void) { return cpu.estat & cpu.ecfg & 0x1fff; }

void fake_loongarch_reset(void)
{
    memset(&cpu, 0, sizeof(cpu));
    memset(&pic, 0, sizeof(pic));
    pic.mask = UINT64_MAX;
    cpu.ecfg = 0x5a5; // whatever the loader left
    fake_tcfg = fake_now = 0;
    fake_timer_acks = 0;
}
