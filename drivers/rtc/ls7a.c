// SPDX-License-Identifier: BSD-2-Clause
//
// The real-time clock of Loongson's 7A bridge (Loongson 7A1000 Bridge User Manual, chapter RTC):
// its "time of year" counter is read once, the CPU's counter keeps the time from there. The clock
// shows nothing until the control register lets it.

#include "core/debug/log.h"
#include "core/lib/calendar.h"
#include "core/time/clock.h"
#include "drivers/driver.h"
#include "mm/vmalloc.h"

#define TOY_READ0 0x2c // tenths, then fields as below
#define TOY_READ1 0x30 // years since 1900
#define RTC_CTRL 0x40
#define RTC_CTRL_OSCILLATOR (1u << 8)
#define RTC_CTRL_TOY (1u << 11)
#define RTC_CTRL_RTC (1u << 13)
#define RTC_BYTES 0x44

#define TOY_MONTH(value) ((value) >> 26 & 0x3f)
#define TOY_DAY(value) ((value) >> 21 & 0x1f)
#define TOY_HOUR(value) ((value) >> 16 & 0x1f)
#define TOY_MINUTE(value) ((value) >> 10 & 0x3f)
#define TOY_SECOND(value) ((value) >> 4 & 0x3f)

#define READ_TRIES 3

// The two words are of one moment if the year is the same before and after. -EAGAIN: it never was.
static int read_clock(mmio_t regs, struct calendar_time *time)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t year = mmio_read32(regs, TOY_READ1), toy = mmio_read32(regs, TOY_READ0);
        if (mmio_read32(regs, TOY_READ1) != year)
            continue;
        *time = (struct calendar_time){.year = 1900 + MIN(year, 10000),
                                       .month = TOY_MONTH(toy),
                                       .day = TOY_DAY(toy),
                                       .hour = TOY_HOUR(toy),
                                       .minute = TOY_MINUTE(toy),
                                       .second = TOY_SECOND(toy)};
        return 0;
    }
    return -EAGAIN;
}

static int ls7a_rtc_probe(const struct dt_node *node)
{
    paddr_t base;
    uint64_t len, seconds = 0;
    struct calendar_time time;
    int err = dt_reg(node, 0, &base, &len);
    if (err)
        return err;
    mmio_t regs = len >= RTC_BYTES ? ioremap(base, RTC_BYTES) : (mmio_t){0};
    if (!mmio_valid(regs))
        return -EINVAL;
    mmio_write32(regs, RTC_CTRL,
                 mmio_read32(regs, RTC_CTRL) | RTC_CTRL_OSCILLATOR | RTC_CTRL_TOY | RTC_CTRL_RTC);
    err = read_clock(regs, &time);
    iounmap(regs);
    if (!err)
        err = calendar_to_seconds(&time, &seconds);
    if (err)
        return err;
    clock_set_realtime(seconds * NSEC_PER_SEC);
    log_debug("%s: %llu s since 1970", node->name, (unsigned long long)seconds);
    return 0;
}
DT_DRIVER(ls7a_rtc_driver, "loongson,ls7a-rtc", DRIVER_EARLY, ls7a_rtc_probe);
