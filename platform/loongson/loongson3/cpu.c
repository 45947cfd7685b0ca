// SPDX-License-Identifier: BSD-2-Clause
//
// CPU identity, idle, halt and cache maintenance of Loongson-3.

#include "core/lib/fmt.h"
#include "platform/loongson/common/syscon_power.h"
#include "platform/loongson/loongson3/internal.h"
#include "platform/loongson/loongson3/timer.h"
#include "platform/platform.h"

void platform_cpu_idle(void)
{
    __asm__ volatile("sync" ::: "memory"); // stores for other observers first
    UNMAPPED(loongson3_idle)();
}

void platform_halt(void)
{
    // WAIT would not end with interrupts off, but nor must it: it stops the CPU all the same.
    arch_irq_disable();
    for (;;)
        __asm__ volatile("wait" ::: "memory");
}

static const struct {
    uint32_t prid, mask; // the mask leaves out a revision
    const char *name;
} parts[] = {
    {0x006305, 0xffffff, "Loongson-3A1000"}, {0x006306, 0xffffff, "Loongson-3B1000"},
    {0x006307, 0xffffff, "Loongson-3B1500"}, {0x006308, 0xfffffb, "Loongson-3A2000"},
    {0x006309, 0xfffffb, "Loongson-3A3000"}, {0x14c000, 0xffff00, "Loongson-3A4000"},
};

// Whether pages can be not executable: RIE and XIE in PageGrain stayed set (head.S).
static bool has_execute_protection(void) { return ARCH_READ_CP0_32(5, 1) >> 30 & 1; }

void platform_cpu_name(char *buf, size_t len)
{
    uint32_t prid = ARCH_READ_CP0_32(15, 0);
    const char *name = "MIPS64";
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if ((prid & parts[i].mask) == parts[i].prid)
            name = parts[i].name;
    }
    fmt_snprint(buf, len, "%s, PRId 0x%06x%s", name, prid,
                has_execute_protection() ? "" : ", no execute protection");
}

uint64_t platform_counter_hz(void) { return loongson3_timer_hz(); }

int platform_init(void)
{
    loongson3_timer_init();
    return syscon_power_init();
}

// Devices snoop the caches on all machines of this kind: order is all that is left to keep.
void platform_cache_clean(const void *mem, size_t bytes)
{
    (void)mem, (void)bytes;
    __asm__ volatile("sync" ::: "memory");
}

void platform_cache_invalidate(const void *mem, size_t bytes) { platform_cache_clean(mem, bytes); }
