// SPDX-License-Identifier: BSD-2-Clause
//
// The generic timer's virtual timer as clock event (Arm ARM D12): the one that a hypervisor gives
// to its guests, and with CNTVOFF_EL2 = 0 the same count elsewhere. One-shot by compare value, so
// never early; the condition is level: it is masked until the next arming.

#include "arch/cpu.h"
#include "core/irq/irq.h"
#include "core/time/clockevent.h"

#define CTL_ENABLE 1
#define DT_VIRTUAL_TIMER 2 // order of `interrupts`: secure, physical, virtual, hypervisor

static void timer_set(uint64_t when)
{
    ARCH_WRITE_SYSREG(cntv_cval_el0, when);
    ARCH_WRITE_SYSREG(cntv_ctl_el0, CTL_ENABLE);
}

static void timer_stop(void) { ARCH_WRITE_SYSREG(cntv_ctl_el0, 0); }

static const struct clockevent generic_timer = {
    .name = "arm64 virtual timer",
    .max_counts = UINT64_MAX,
    .set = timer_set,
    .stop = timer_stop,
};

static enum irq_result timer_interrupt(void *arg)
{
    (void)arg;
    timer_stop();
    // The write takes effect before the line is looked at again (Arm ARM D12.2.4).
    __asm__ volatile("isb" ::: "memory");
    clockevent_fired();
    return IRQ_HANDLED;
}

static int timer_probe(const struct dt_node *node)
{
    int irq = irq_from_dt(node, DT_VIRTUAL_TIMER);
    if (irq < 0)
        return irq;
    timer_stop();
    clockevent_register(&generic_timer);
    return irq_request(irq, timer_interrupt, NULL, "timer");
}

TIMER_DRIVER(arm64_timer_v8, "arm,armv8-timer", timer_probe);
TIMER_DRIVER(arm64_timer_v7, "arm,armv7-timer", timer_probe);
