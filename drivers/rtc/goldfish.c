// SPDX-License-Identifier: BSD-2-Clause
//
// The goldfish real-time clock of virtual machines (Goldfish Virtual Hardware, "Goldfish RTC";
// Devicetree binding rtc/google,goldfish-rtc): read once, the counter keeps the time from there.

#include "core/debug/log.h"
#include "core/time/clock.h"
#include "drivers/driver.h"
#include "mm/vmalloc.h"

#define TIME_LOW 0x00 // of nanoseconds since 1970; latches the upper half
#define TIME_HIGH 0x04

static int goldfish_probe(const struct dt_node *node)
{
    paddr_t base;
    uint64_t len;
    int err = dt_reg(node, 0, &base, &len);
    if (err)
        return err;
    mmio_t regs = ioremap(base, len);
    if (!mmio_valid(regs))
        return -ENOMEM;
    uint64_t ns = mmio_read32(regs, TIME_LOW);
    ns |= (uint64_t)mmio_read32(regs, TIME_HIGH) << 32;
    iounmap(regs);
    clock_set_realtime(ns);
    log_debug("%s: %llu s since 1970", node->name, (unsigned long long)(ns / NSEC_PER_SEC));
    return 0;
}
DT_DRIVER(goldfish_driver, "google,goldfish-rtc", DRIVER_EARLY, goldfish_probe);
