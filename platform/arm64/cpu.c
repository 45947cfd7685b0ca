// SPDX-License-Identifier: BSD-2-Clause
//
// CPU identity, idle, halt and cache maintenance of ARM64.

#include "core/lib/fmt.h"
#include "platform/arm64/internal.h"
#include "platform/platform.h"

void platform_cpu_idle(void)
{
    // A pending interrupt ends WFI even when masked (Arm ARM D1.6.2), so nothing is missed between
    // the caller's check and here. DSB: stores for other observers first.
    __asm__ volatile("dsb sy\n\twfi" ::: "memory");
}

void platform_halt(void)
{
    arch_irq_disable();
    for (;;)
        platform_cpu_idle();
}

static const struct {
    uint16_t part; // of implementer 0x41, Arm Ltd.: others are printed as numbers
    const char *name;
} parts[] = {
    {0xd03, "Cortex-A53"},  {0xd04, "Cortex-A35"},  {0xd05, "Cortex-A55"},  {0xd07, "Cortex-A57"},
    {0xd08, "Cortex-A72"},  {0xd0b, "Cortex-A76"},  {0xd0c, "Neoverse-N1"}, {0xd40, "Neoverse-V1"},
    {0xd47, "Cortex-A710"}, {0xd49, "Neoverse-N2"},
};

void platform_cpu_name(char *buf, size_t len)
{
    uint64_t midr = ARCH_READ_SYSREG(midr_el1);
    unsigned implementer = (midr >> 24) & 0xff, part = (midr >> 4) & 0xfff;
    const char *name = NULL;
    for (size_t i = 0; implementer == 0x41 && i < ARRAY_SIZE(parts); i++) {
        if (parts[i].part == part)
            name = parts[i].name;
    }
    unsigned variant = (midr >> 20) & 0xf, revision = midr & 0xf;
    if (name)
        fmt_snprint(buf, len, "%s r%up%u", name, variant, revision);
    else
        fmt_snprint(buf, len, "implementer 0x%02x part 0x%03x r%up%u", implementer, part, variant,
                    revision);
}

uint64_t platform_counter_hz(void) { return ARCH_READ_SYSREG(cntfrq_el0) & 0xffffffff; }

int platform_init(void) { return psci_init(); }

static uintptr_t dcache_line(void) { return 4UL << ((ARCH_READ_SYSREG(ctr_el0) >> 16) & 0xf); }

void platform_cache_clean(const void *mem, size_t bytes)
{
    uintptr_t line = dcache_line(), end = (uintptr_t)mem + bytes;
    for (uintptr_t p = ALIGN_DOWN((uintptr_t)mem, line); p < end; p += line)
        __asm__ volatile("dc cvac, %0" : : "r"(p) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}

void platform_cache_invalidate(const void *mem, size_t bytes)
{
    // Clean and invalidate: partial lines at the ends may hold a neighbour's data.
    uintptr_t line = dcache_line(), end = (uintptr_t)mem + bytes;
    for (uintptr_t p = ALIGN_DOWN((uintptr_t)mem, line); p < end; p += line)
        __asm__ volatile("dc civac, %0" : : "r"(p) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}
