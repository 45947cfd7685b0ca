// SPDX-License-Identifier: BSD-2-Clause
//
// CPU identity, idle, halt and cache maintenance of LoongArch64 (LoongArch Reference Manual vol. 1,
// 2.2.10.5 CPUCFG; Loongson 3A5000 Reference Manual, configuration registers of the chip).

#include <string.h>

#include "arch/barrier.h"
#include "core/lib/fmt.h"
#include "platform/loongson/common/syscon_power.h"
#include "platform/loongson/loongarch64/internal.h"
#include "platform/platform.h"

#define CPUCFG_PRID 0
#define CPUCFG_FEATURES1 1
#define FEATURES1_IOCSR (1u << 3)
#define CPUCFG_FEATURES2 2
#define FEATURES2_STABLE_COUNTER (1u << 14)
#define CPUCFG_CRYSTAL_HZ 4
#define CPUCFG_COUNTER_RATIO 5 // multiplier, divisor: 16 bits each

#define IOCSR_VENDOR 0x10 // eight characters each
#define IOCSR_NAME 0x20

void platform_cpu_idle(void) { loongarch_idle(); }

void platform_halt(void)
{
    arch_irq_disable();
    ARCH_CSR_WRITE(CSR_ECFG, 0); // nothing shall end the wait
    for (;;)
        __asm__ volatile("idle 0" : : : "memory");
}

static const struct {
    uint8_t series; // PRID bits 15:8, of company 0x14, Loongson
    const char *name;
} cores[] = {{0xa0, "la264"}, {0xb0, "la364"}, {0xc0, "la464"}, {0xd0, "la664"}};

static const char *core_name(uint32_t prid)
{
    for (size_t i = 0; (prid >> 16 & 0xff) == 0x14 && i < ARRAY_SIZE(cores); i++) {
        if (cores[i].series == (prid >> 8 & 0xff))
            return cores[i].name;
    }
    return NULL;
}

// Eight characters of the chip's registers, which may be no text.
static void chip_text(uint32_t reg, char text[9])
{
    uint64_t word = 0;
    if (arch_cpucfg(CPUCFG_FEATURES1) & FEATURES1_IOCSR)
        word = arch_iocsr_read64(reg);
    memcpy(text, &word, sizeof(word));
    text[8] = '\0';
    for (char *c = text; *c; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

void platform_cpu_name(char *buf, size_t len)
{
    uint32_t prid = arch_cpucfg(CPUCFG_PRID);
    const char *core = core_name(prid);
    char vendor[9], chip[9];
    chip_text(IOCSR_VENDOR, vendor);
    chip_text(IOCSR_NAME, chip);
    if (core && vendor[0] && chip[0])
        fmt_snprint(buf, len, "%s-%s (%s)", vendor, chip, core);
    else
        fmt_snprint(buf, len, "LoongArch (%s, PRID 0x%06x)", core ? core : "unknown", prid);
}

uint64_t platform_counter_hz(void)
{
    uint32_t ratio = arch_cpucfg(CPUCFG_COUNTER_RATIO);
    uint64_t multiplier = ratio & 0xffff, divisor = ratio >> 16;
    if (!(arch_cpucfg(CPUCFG_FEATURES2) & FEATURES2_STABLE_COUNTER) || !divisor)
        return 0;
    return arch_cpucfg(CPUCFG_CRYSTAL_HZ) * multiplier / divisor;
}

int platform_init(void) { return syscon_power_init(); }

// All DMA of these machines snoops the caches, and no instruction writes one back by address from
// here; what remains is order.
void platform_cache_clean(const void *mem, size_t bytes)
{
    (void)mem, (void)bytes;
    dma_mb();
}

void platform_cache_invalidate(const void *mem, size_t bytes)
{
    (void)mem, (void)bytes;
    dma_mb();
}
