// SPDX-License-Identifier: BSD-2-Clause
//
// The extended I/O interrupt controller of Loongson 3A5000 and later (3A5000 Processor Reference
// Manual, 11.2): 256 vectors, raised by messages from the bridge's controller (pch_pic.c) and from
// devices (pch_msi.c), gathered in one line of the CPU. Registers are in IOCSR space at fixed
// places, 32 or 64 bits wide; that of the pending vectors shows the reading core its own.
//
// A vector that is written back as 1 is done with: what comes afterwards is a new interrupt. So
// that is done before the handlers run. A vector may turn up with no reason, for instance when it
// is enabled anew after messages have come: handlers must stand that.

#include "core/irq/irq.h"
#include "core/irq/irqchip.h"
#include "platform/loongson/loongarch64/arch/cpu.h"

#define VECTORS 256
#define WORD_BITS 64

#define EIOINTC_IPMAP 0x14c0   // byte for 32 vectors: one of four output lines, one-hot
#define EIOINTC_ENABLE 0x1600  // bit a vector, as the two that follow
#define EIOINTC_BOUNCE 0x1680  // may be passed round the cores of COREMAP
#define EIOINTC_COREISR 0x1800 // pending for this core; write 1 to clear
#define EIOINTC_COREMAP 0x1c00 // byte a vector: cores it may go to, one-hot
#define IOCSR_MISC 0x420
#define MISC_EIOINTC_ENABLE BIT64(48)

#define CPU_LINE_FIRST 2 // output 0 is this line of the CPU
#define CPU_LINES 4
#define REPEAT_BYTE(byte) ((byte) * 0x0101010101010101ULL)

static struct irq_domain domain;
static unsigned words_used; // pending words with a vector that somebody has mapped

static uint32_t enable_register(uint32_t vector) { return EIOINTC_ENABLE + vector / 32 * 4; }

static void eiointc_mask(struct irq_domain *d, uint32_t vector)
{
    (void)d;
    uint32_t reg = enable_register(vector);
    arch_iocsr_write32(reg, arch_iocsr_read32(reg) & ~(1u << vector % 32));
}

static void eiointc_unmask(struct irq_domain *d, uint32_t vector)
{
    (void)d;
    uint32_t reg = enable_register(vector);
    arch_iocsr_write32(reg, arch_iocsr_read32(reg) | 1u << vector % 32);
}

static void eiointc_eoi(struct irq_domain *d, uint32_t vector) { (void)d, (void)vector; }

// Vectors are messages, so there is but one kind. The first look at one comes from here.
static int eiointc_set_trigger(struct irq_domain *d, uint32_t vector, enum irq_trigger trigger)
{
    (void)d;
    if (trigger != IRQ_EDGE_RISING)
        return -EINVAL;
    words_used = MAX(words_used, vector / WORD_BITS + 1);
    return 0;
}

static const struct irq_chip eiointc_chip = {
    .name = "EIOINTC",
    .mask = eiointc_mask,
    .unmask = eiointc_unmask,
    .eoi = eiointc_eoi,
    .set_trigger = eiointc_set_trigger,
};

static int eiointc_translate(struct irq_domain *d, const uint32_t *spec, unsigned cells,
                             uint32_t *vector, enum irq_trigger *trigger)
{
    if (cells < 1 || spec[0] >= d->hwirq_count)
        return -EINVAL;
    *vector = spec[0];
    *trigger = IRQ_EDGE_RISING;
    return 0;
}

static void handle_word(unsigned word, uint64_t pending)
{
    for (; pending; pending &= pending - 1)
        irq_handle(&domain, word * WORD_BITS + (uint32_t)__builtin_ctzl(pending));
}

static enum irq_result eiointc_interrupt(void *arg)
{
    enum irq_result result = IRQ_NONE;
    (void)arg;
    for (unsigned word = 0; word < words_used; word++) {
        uint32_t reg = EIOINTC_COREISR + word * 8;
        uint64_t pending = arch_iocsr_read64(reg);
        if (!pending)
            continue;
        arch_iocsr_write64(reg, pending);
        (void)arch_iocsr_read64(reg); // done before the handlers look at what the devices wrote
        handle_word(word, pending);
        result = IRQ_HANDLED;
    }
    return result;
}

// All vectors off, clear, and routed to one line of the boot CPU, which is core 0.
static void reset_routes(unsigned output)
{
    arch_iocsr_write64(IOCSR_MISC, arch_iocsr_read64(IOCSR_MISC) | MISC_EIOINTC_ENABLE);
    for (uint32_t at = 0; at < VECTORS / 8; at += 8) {
        arch_iocsr_write64(EIOINTC_ENABLE + at, 0);
        arch_iocsr_write64(EIOINTC_BOUNCE + at, 0);
        arch_iocsr_write64(EIOINTC_COREISR + at, UINT64_MAX);
    }
    arch_iocsr_write64(EIOINTC_IPMAP, REPEAT_BYTE(1ULL << output));
    for (uint32_t at = 0; at < VECTORS; at += 8)
        arch_iocsr_write64(EIOINTC_COREMAP + at, REPEAT_BYTE(1ULL));
}

static int eiointc_init(const struct dt_node *node)
{
    struct irq_stats parent;
    int irq = irq_from_dt(node, 0);
    if (irq < 0)
        return irq;
    if (!irq_get_stats(irq, &parent) || parent.hwirq < CPU_LINE_FIRST ||
        parent.hwirq >= CPU_LINE_FIRST + CPU_LINES)
        return -EINVAL;
    if (domain.node && domain.node != node)
        return -EBUSY; // one of its kind
    reset_routes(parent.hwirq - CPU_LINE_FIRST);
    domain = (struct irq_domain){.chip = &eiointc_chip,
                                 .node = node,
                                 .cells = 1,
                                 .hwirq_count = VECTORS,
                                 .translate = eiointc_translate};
    int err = irq_request(irq, eiointc_interrupt, NULL, "EIOINTC"); // all vectors are off
    if (!err && (err = irq_domain_add(&domain)))
        irq_free(irq, NULL);
    return err;
}

IRQCHIP_DRIVER(eiointc, "loongson,ls2k2000-eiointc", eiointc_init);
