// SPDX-License-Identifier: BSD-2-Clause
//
// GICv3 (Arm IHI 0069): CPU interface in system registers, a redistributor per CPU, all lines in
// non-secure group 1.

#include "arch/cpu.h"
#include "mm/vmalloc.h"
#include "platform/arm64/gic.h"

#define GICD_CTLR_ARE_NS (1u << 4)
#define GICD_CTLR_GROUP1 (1u << 1)
#define GICD_CTLR_RWP (1u << 31)
#define GICD_IROUTER 0x6000

#define GICR_CTLR 0x0000
#define GICR_CTLR_RWP (1u << 3)
#define GICR_TYPER 0x0008
#define GICR_TYPER_LAST (1u << 4)
#define GICR_TYPER_VLPIS (1u << 1)
#define GICR_WAKER 0x0014
#define GICR_WAKER_PROCESSOR_SLEEP (1u << 1)
#define GICR_WAKER_CHILDREN_ASLEEP (1u << 2)
#define GICR_SGI_FRAME 0x10000
#define GICR_FRAME_BYTES 0x10000

// ICC_* by encoding: assemblers know the names only with a later architecture level.
#define ICC_PMR_EL1 S3_0_C4_C6_0
#define ICC_IAR1_EL1 S3_0_C12_C12_0
#define ICC_EOIR1_EL1 S3_0_C12_C12_1
#define ICC_BPR1_EL1 S3_0_C12_C12_3
#define ICC_CTLR_EL1 S3_0_C12_C12_4
#define ICC_SRE_EL1 S3_0_C12_C12_5
#define ICC_AP1R0_EL1 S3_0_C12_C9_0
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
#define READ_ICC(name) READ_ICC_(name)
#define READ_ICC_(name) ARCH_READ_SYSREG(name)
#define WRITE_ICC(name, value) WRITE_ICC_(name, value)
#define WRITE_ICC_(name, value) ARCH_WRITE_SYSREG(name, value)

static struct {
    mmio_t dist, redist; // redist: the boot CPU's
    struct irq_domain domain;
} gic;

// SGIs and PPIs live in the redistributor, at the distributor's offsets.
static mmio_t line_base(uint32_t hwirq)
{
    return hwirq < GIC_SPI_FIRST ? mmio_offset(gic.redist, GICR_SGI_FRAME) : gic.dist;
}

static void gicv3_mask(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain;
    mmio_write32(line_base(hwirq), GICD_ICENABLER + hwirq / 32 * 4, 1u << (hwirq % 32));
    // Until the write has taken effect the line may still be delivered.
    if (hwirq < GIC_SPI_FIRST)
        (void)gic_wait_clear(gic.redist, GICR_CTLR, GICR_CTLR_RWP);
    else
        (void)gic_wait_clear(gic.dist, GICD_CTLR, GICD_CTLR_RWP);
}

static void gicv3_unmask(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain;
    mmio_write32(line_base(hwirq), GICD_ISENABLER + hwirq / 32 * 4, 1u << (hwirq % 32));
}

static void gicv3_eoi(struct irq_domain *domain, uint32_t hwirq)
{
    (void)domain;
    WRITE_ICC(ICC_EOIR1_EL1, hwirq);
}

// Affinity of this CPU as IROUTER and GICR_TYPER want it: Aff3 in bits 39:32 and 63:56.
static uint64_t own_affinity(void)
{
    uint64_t mpidr = ARCH_READ_SYSREG(mpidr_el1);
    return (mpidr & 0xffffff) | (mpidr & 0xff00000000);
}

static int gicv3_set_trigger(struct irq_domain *domain, uint32_t hwirq, enum irq_trigger trigger)
{
    (void)domain;
    if (hwirq >= GIC_SPI_FIRST)
        mmio_write64(gic.dist, GICD_IROUTER + hwirq * 8, own_affinity());
    return gic_configure(line_base(hwirq), hwirq, trigger);
}

static const struct irq_chip gicv3_chip = {
    .name = "GICv3",
    .mask = gicv3_mask,
    .unmask = gicv3_unmask,
    .eoi = gicv3_eoi,
    .set_trigger = gicv3_set_trigger,
};

static void gicv3_handle(void)
{
    for (;;) {
        uint32_t hwirq = (uint32_t)READ_ICC(ICC_IAR1_EL1) & 0xffffff;
        if (hwirq >= GIC_SPECIAL_FIRST)
            return;
        // The acknowledge is seen before the handler reads the device (IHI 0069 4.1.1).
        __asm__ volatile("dsb sy\n\tisb" ::: "memory");
        irq_handle(&gic.domain, hwirq);
    }
}

// Walks one region of redistributors for this CPU's; each says whether it is the last.
static bool find_in_region(mmio_t region, uint64_t bytes, uint64_t affinity)
{
    uint32_t want = (uint32_t)((affinity >> 32) << 24 | (affinity & 0xffffff));
    for (uint64_t at = 0; at + 2 * GICR_FRAME_BYTES <= bytes;) {
        mmio_t frame = mmio_offset(region, at);
        uint64_t type = mmio_read64(frame, GICR_TYPER);
        if (type >> 32 == want) {
            gic.redist = frame;
            return true;
        }
        if (type & GICR_TYPER_LAST)
            return false;
        at += (type & GICR_TYPER_VLPIS ? 4 : 2) * GICR_FRAME_BYTES;
    }
    return false;
}

static int find_redistributor(const struct dt_node *node)
{
    uint32_t regions = 1;
    dt_u32(node, "#redistributor-regions", &regions);
    for (uint32_t i = 0; i < regions && i < 64; i++) {
        paddr_t base;
        uint64_t len;
        if (dt_reg(node, 1 + i, &base, &len))
            return -ENODEV;
        mmio_t region = ioremap(base, len);
        if (!mmio_valid(region))
            return -ENOMEM;
        if (find_in_region(region, len, own_affinity()))
            return 0;
        iounmap(region);
    }
    return -ENODEV;
}

static int wake_redistributor(void)
{
    uint32_t waker = mmio_read32(gic.redist, GICR_WAKER);
    mmio_write32(gic.redist, GICR_WAKER, waker & ~GICR_WAKER_PROCESSOR_SLEEP);
    int err = gic_wait_clear(gic.redist, GICR_WAKER, GICR_WAKER_CHILDREN_ASLEEP);
    if (err)
        return err;
    gic_reset_lines(mmio_offset(gic.redist, GICR_SGI_FRAME), 0, 32, ~0u);
    return gic_wait_clear(gic.redist, GICR_CTLR, GICR_CTLR_RWP);
}

static int start_cpu_interface(void)
{
    WRITE_ICC(ICC_SRE_EL1, READ_ICC(ICC_SRE_EL1) | 1);
    __asm__ volatile("isb" ::: "memory");
    if (!(READ_ICC(ICC_SRE_EL1) & 1))
        return -ENODEV;          // a hypervisor keeps the registers from us
    WRITE_ICC(ICC_AP1R0_EL1, 0); // a priority left active by firmware would block all others
    __asm__ volatile("isb" ::: "memory");
    WRITE_ICC(ICC_PMR_EL1, 0xff);
    WRITE_ICC(ICC_BPR1_EL1, 0);
    WRITE_ICC(ICC_CTLR_EL1, 0); // one EOI write drops priority and deactivates
    WRITE_ICC(ICC_IGRPEN1_EL1, 1);
    __asm__ volatile("isb" ::: "memory");
    return 0;
}

static int start_distributor(unsigned lines)
{
    mmio_write32(gic.dist, GICD_CTLR, 0);
    int err = gic_wait_clear(gic.dist, GICD_CTLR, GICD_CTLR_RWP);
    if (err)
        return err;
    gic_reset_lines(gic.dist, GIC_SPI_FIRST, lines - GIC_SPI_FIRST, ~0u);
    mmio_write32(gic.dist, GICD_CTLR, GICD_CTLR_ARE_NS | GICD_CTLR_GROUP1);
    return gic_wait_clear(gic.dist, GICD_CTLR, GICD_CTLR_RWP);
}

static int gicv3_init(const struct dt_node *node)
{
    if (gic.domain.node)
        return -EBUSY; // one of its kind
    paddr_t base;
    uint64_t len;
    int err = dt_reg(node, 0, &base, &len);
    if (err)
        return err;
    gic.dist = ioremap(base, len);
    if (!mmio_valid(gic.dist))
        return -ENOMEM;
    unsigned lines = gic_line_count(gic.dist);
    if ((err = start_distributor(lines)) || (err = find_redistributor(node)) ||
        (err = wake_redistributor()) || (err = start_cpu_interface()))
        return err;
    gic.domain = (struct irq_domain){.chip = &gicv3_chip,
                                     .node = node,
                                     .cells = 3,
                                     .hwirq_count = lines,
                                     .translate = gic_translate};
    irq_set_root(gicv3_handle);
    return irq_domain_add(&gic.domain);
}

IRQCHIP_DRIVER(gicv3, "arm,gic-v3", gicv3_init);
