// SPDX-License-Identifier: BSD-2-Clause
//
// The interrupt controller of the 7A bridge (Loongson 7A1000 Bridge User Manual, chapter Interrupt
// Controller): up to 64 lines, each of which sends a vector of its choice to the parent, the
// EIOINTC, when it becomes pending. Registers below 0x100 and from 0x300 on are words, those in
// between bytes.
//
// A level line sends its vector once, when it is raised or unmasked. If it is still up, or up
// again, when its handlers are through, another device shares it or the same one has more to say:
// masking and unmasking then sends the vector anew. An edge line is cleared before its handlers
// run. Some implementations look at one changed line a write only, so masks change one by one.

#include "core/irq/irq.h"
#include "core/irq/irqchip.h"
#include "core/sync/spinlock.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define PIC_ID_HIGH 0x04
#define PIC_ID_LAST_LINE(value) ((value) >> 16 & 0xff)
#define PIC_MASK 0x20
#define PIC_VECTOR_ENABLE 0x40 // sends vectors instead of driving pins
#define PIC_EDGE 0x60
#define PIC_CLEAR 0x80
#define PIC_AUTO0 0xc0 // rotation among output pins
#define PIC_AUTO1 0xe0
#define PIC_ROUTE 0x100  // byte a line
#define PIC_VECTOR 0x200 // byte a line
#define PIC_POLARITY 0x3e0
#define PIC_BYTES 0x400

#define ROUTE_FIRST_OUTPUT 1
#define LINES_MAX 64

struct pic_line {
    struct pic *pic;
    uint8_t number;
};

struct pic {
    mmio_t regs;
    struct spinlock lock; // protects the register pairs and the fields up to `connected`
    uint64_t edge;        // lines that are edge-triggered
    uint64_t enabled;     // lines that the core wants unmasked
    uint64_t masked;      // what PIC_MASK holds
    uint64_t connected;   // lines whose vector has our handler
    const struct dt_node *parent;
    uint32_t vector_first;
    struct irq_domain domain;
    struct pic_line lines[LINES_MAX];
};

// A line's bit in one of the registers that come in pairs, low and high. Lock held.
static void write_bit(const struct pic *pic, size_t reg, uint32_t line, bool set)
{
    size_t word = reg + line / 32 * 4;
    uint32_t old = mmio_read32(pic->regs, word), bit = 1u << line % 32;
    mmio_write32(pic->regs, word, set ? old | bit : old & ~bit);
}

// Lock held.
static void write_mask(struct pic *pic, uint32_t line, bool masked)
{
    pic->masked = masked ? pic->masked | BIT64(line) : pic->masked & ~BIT64(line);
    unsigned word = line / 32;
    mmio_write32(pic->regs, PIC_MASK + word * 4, (uint32_t)(pic->masked >> word * 32));
}

static void pic_mask(struct irq_domain *domain, uint32_t line)
{
    struct pic *pic = domain->data;
    irq_flags_t flags = spin_lock_irqsave(&pic->lock);
    pic->enabled &= ~BIT64(line);
    write_mask(pic, line, true);
    spin_unlock_irqrestore(&pic->lock, flags);
}

static void pic_unmask(struct irq_domain *domain, uint32_t line)
{
    struct pic *pic = domain->data;
    irq_flags_t flags = spin_lock_irqsave(&pic->lock);
    pic->enabled |= BIT64(line);
    write_mask(pic, line, false);
    spin_unlock_irqrestore(&pic->lock, flags);
}

// The line was masked by its vector's handler. A handler may have disabled it for good.
static void pic_eoi(struct irq_domain *domain, uint32_t line)
{
    struct pic *pic = domain->data;
    spin_lock_raw(&pic->lock);
    if (pic->enabled & ~pic->edge & BIT64(line))
        write_mask(pic, line, false);
    spin_unlock_raw(&pic->lock);
}

static int pic_set_trigger(struct irq_domain *domain, uint32_t line, enum irq_trigger trigger)
{
    struct pic *pic = domain->data;
    bool edge = trigger == IRQ_EDGE_RISING || trigger == IRQ_EDGE_FALLING;
    spin_lock_raw(&pic->lock);
    pic->edge = edge ? pic->edge | BIT64(line) : pic->edge & ~BIT64(line);
    write_bit(pic, PIC_EDGE, line, edge);
    write_bit(pic, PIC_POLARITY, line, trigger == IRQ_EDGE_FALLING || trigger == IRQ_LEVEL_LOW);
    spin_unlock_raw(&pic->lock);
    return 0;
}

// The parent's handler for a line's vector, which the parent has acknowledged.
static enum irq_result pic_vector_interrupt(void *arg)
{
    const struct pic_line *line = arg;
    struct pic *pic = line->pic;
    spin_lock_raw(&pic->lock);
    bool wanted = (pic->edge | pic->enabled) & BIT64(line->number); // not disabled meanwhile
    if (pic->edge & BIT64(line->number))
        mmio_write32(pic->regs, PIC_CLEAR + line->number / 32 * 4, 1u << line->number % 32);
    else
        write_mask(pic, line->number, true);
    spin_unlock_raw(&pic->lock);
    if (wanted)
        irq_handle(&pic->domain, line->number);
    return IRQ_HANDLED; // an unwanted line is the domain's own matter
}

// Only lines that are in use take a number and a handler of the parent.
static int pic_connect(struct irq_domain *domain, uint32_t line)
{
    struct pic *pic = domain->data;
    int irq = irq_from_specifier(pic->parent, (const uint32_t[]){pic->vector_first + line}, 1);
    if (irq < 0)
        return irq;
    irq_flags_t flags = spin_lock_irqsave(&pic->lock);
    bool connected = pic->connected & BIT64(line);
    pic->connected |= BIT64(line);
    spin_unlock_irqrestore(&pic->lock, flags);
    if (connected)
        return 0;
    int err = irq_request(irq, pic_vector_interrupt, &pic->lines[line], "PCH-PIC");
    if (!err)
        return 0;
    flags = spin_lock_irqsave(&pic->lock);
    pic->connected &= ~BIT64(line);
    spin_unlock_irqrestore(&pic->lock, flags);
    return err;
}

static const struct irq_chip pic_chip = {
    .name = "PCH-PIC",
    .mask = pic_mask,
    .unmask = pic_unmask,
    .eoi = pic_eoi,
    .set_trigger = pic_set_trigger,
};

// Devicetree binding loongson,pch-pic: line, then the trigger where there are two cells.
static int pic_translate(struct irq_domain *domain, const uint32_t *spec, unsigned cells,
                         uint32_t *line, enum irq_trigger *trigger)
{
    uint32_t flags = cells > 1 ? spec[1] & 0xf : 0;
    if (cells < 1 || spec[0] >= domain->hwirq_count || (flags && !IS_POWER_OF_2(flags)))
        return -EINVAL;
    *line = spec[0];
    *trigger = flags ? (enum irq_trigger)flags : IRQ_LEVEL_HIGH;
    return 0;
}

// Everything masked, nothing pending, each line with a vector of its own.
static void reset_lines(struct pic *pic)
{
    pic->masked = UINT64_MAX;
    unsigned lines = pic->domain.hwirq_count;
    for (unsigned word = 0; word < DIV_ROUND_UP(lines, 32); word++) {
        mmio_write32(pic->regs, PIC_MASK + word * 4, UINT32_MAX);
        mmio_write32(pic->regs, PIC_CLEAR + word * 4, UINT32_MAX);
        mmio_write32(pic->regs, PIC_AUTO0 + word * 4, 0);
        mmio_write32(pic->regs, PIC_AUTO1 + word * 4, 0);
        mmio_write32(pic->regs, PIC_VECTOR_ENABLE + word * 4, UINT32_MAX);
    }
    for (unsigned line = 0; line < lines; line++) {
        mmio_write8(pic->regs, PIC_ROUTE + line, ROUTE_FIRST_OUTPUT);
        mmio_write8(pic->regs, PIC_VECTOR + line, (uint8_t)(pic->vector_first + line));
    }
}

static int start(struct pic *pic, const struct dt_node *node)
{
    unsigned lines = PIC_ID_LAST_LINE(mmio_read32(pic->regs, PIC_ID_HIGH)) + 1;
    lines = MIN(lines, (unsigned)LINES_MAX);
    if (dt_u32(node, "loongson,pic-base-vec", &pic->vector_first) ||
        pic->vector_first > 256 - lines) // vectors are bytes
        return -EINVAL;
    pic->parent = dt_interrupt_parent(node);
    for (unsigned line = 0; line < lines; line++)
        pic->lines[line] = (struct pic_line){pic, (uint8_t)line};
    pic->domain = (struct irq_domain){.chip = &pic_chip,
                                      .node = node,
                                      .cells = 2,
                                      .hwirq_count = lines,
                                      .data = pic,
                                      .translate = pic_translate,
                                      .connect = pic_connect};
    reset_lines(pic);
    return irq_domain_add(&pic->domain);
}

static int pic_init(const struct dt_node *node)
{
    paddr_t base;
    uint64_t len;
    int err = dt_reg(node, 0, &base, &len);
    if (err)
        return err;
    struct pic *pic = kcalloc(1, sizeof(*pic), GFP_KERNEL);
    if (!pic)
        return -ENOMEM;
    pic->regs = len >= PIC_BYTES ? ioremap(base, PIC_BYTES) : (mmio_t){0};
    err = mmio_valid(pic->regs) ? start(pic, node) : -EINVAL;
    if (err && mmio_valid(pic->regs))
        iounmap(pic->regs);
    if (err)
        kfree(pic);
    return err;
}

IRQCHIP_DRIVER(pch_pic, "loongson,pch-pic-1.0", pic_init);
