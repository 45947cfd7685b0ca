// SPDX-License-Identifier: BSD-2-Clause
//
// The constant timer of each core as clock event (LoongArch Reference Manual vol. 1, 7.6): counts
// down at the rate of the stable counter, one-shot, in steps of four. It keeps its interrupt up
// until told; its count means nothing after the expiry, so it is never read.
//
// The device tree has no node for it: it is line 11 of the CPU's interrupt controller, whose node
// stands for both.

#include "core/irq/irq.h"
#include "core/time/clockevent.h"
#include "platform/loongson/loongarch64/arch/cpu.h"

#define CSR_PRCFG1 0x21
#define PRCFG1_TIMER_BITS(value) (((value) >> 4 & 0xff) + 1) // width of the count
#define TCFG_ENABLE 1
#define TICLR_CLEAR 1
#define STEP 4 // the two low bits of the start value are 0
#define TIMER_LINE 11

static void timer_stop(void)
{
    ARCH_CSR_WRITE(CSR_TCFG, 0);
    ARCH_CSR_WRITE(CSR_TICLR, TICLR_CLEAR);
}

// Stopped first, so that an expiry which the old setting had still to report does not come as one
// of the new. The start value is rounded up, and counted from after `now`: never early.
static void timer_set(uint64_t when)
{
    timer_stop();
    uint64_t now = arch_counter();
    uint64_t counts = when > now ? ALIGN_UP(when - now, STEP) : STEP;
    ARCH_CSR_WRITE(CSR_TCFG, counts | TCFG_ENABLE);
}

static struct clockevent constant_timer = {
    .name = "LoongArch constant timer",
    .set = timer_set,
    .stop = timer_stop,
};

static enum irq_result timer_interrupt(void *arg)
{
    (void)arg;
    clockevent_fired();
    return IRQ_HANDLED;
}

static int timer_probe(const struct dt_node *node)
{
    unsigned bits = PRCFG1_TIMER_BITS(ARCH_CSR_READ(CSR_PRCFG1));
    int irq = irq_from_specifier(node, (const uint32_t[]){TIMER_LINE}, 1);
    if (irq < 0)
        return irq;
    // A start value of all ones, as far as there are such bits and the core's arithmetic goes.
    constant_timer.max_counts = (BIT64(MIN(bits, 62u)) - 1) & ~(uint64_t)(STEP - 1);
    timer_stop();
    clockevent_register(&constant_timer);
    return irq_request(irq, timer_interrupt, NULL, "timer");
}

TIMER_DRIVER(loongarch_timer, "loongson,cpu-interrupt-controller", timer_probe);
