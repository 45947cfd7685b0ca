// SPDX-License-Identifier: BSD-2-Clause
//
// ARM PrimeCell real-time clock PL031 (TRM ARM DDI 0224, chapter 3): read once, the counter
// keeps the time from there.

#include "core/debug/log.h"
#include "core/time/clock.h"
#include "drivers/driver.h"
#include "mm/vmalloc.h"

#define RTC_DR 0x00 // seconds since 1970

static int pl031_probe(const struct dt_node *node)
{
    paddr_t base;
    uint64_t len;
    int err = dt_reg(node, 0, &base, &len);
    if (err)
        return err;
    mmio_t regs = ioremap(base, len);
    if (!mmio_valid(regs))
        return -ENOMEM;
    uint32_t seconds = mmio_read32(regs, RTC_DR);
    iounmap(regs);
    clock_set_realtime(seconds * NSEC_PER_SEC);
    log_debug("%s: %u s since 1970", node->name, seconds);
    return 0;
}
DT_DRIVER(pl031_driver, "arm,pl031", DRIVER_EARLY, pl031_probe);
