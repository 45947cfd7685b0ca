// SPDX-License-Identifier: BSD-2-Clause
//
// Decodes exceptions (LoongArch Reference Manual vol. 1, 7.4.6: ESTAT, table of Ecode) into struct
// fault, and gives floating point to a thread at its first use.

#include "core/lib/fmt.h"
#include "platform/common/thread.h"
#include "platform/loongson/loongarch64/internal.h"
#include "platform/platform.h"

#define ESTAT_ECODE(estat) (((estat) >> 16) & 0x3f)
#define ESTAT_ESUBCODE(estat) (((estat) >> 22) & 0x1ff)

#define ECODE_FPD 0xf
#define ANY 0xffff

static const struct {
    uint16_t ecode, esubcode;
    bool has_address;
    enum fault_kind kind;
    const char *cause;
} causes[] = {
    {0x1, ANY, true, FAULT_DATA, "read of an unmapped address"},
    {0x2, ANY, true, FAULT_DATA, "write to an unmapped address"},
    {0x3, ANY, true, FAULT_FETCH, "jump to an unmapped address"},
    {0x4, ANY, true, FAULT_DATA, "write to a read-only page"},
    {0x5, ANY, true, FAULT_DATA, "read refused"},
    {0x6, ANY, true, FAULT_FETCH, "execution of data"},
    {0x7, ANY, true, FAULT_DATA, "page of another privilege level"},
    {0x8, 0, true, FAULT_FETCH, "jump to an impossible address"},
    {0x8, 1, true, FAULT_DATA, "access to an impossible address"},
    {0x9, ANY, true, FAULT_ALIGNMENT, "misaligned access"},
    {0xa, ANY, true, FAULT_ILLEGAL, "bound check"},
    {0xb, ANY, false, FAULT_ILLEGAL, "system call instruction"},
    {0xc, ANY, false, FAULT_BREAKPOINT, "breakpoint instruction"},
    {0xd, ANY, false, FAULT_ILLEGAL, "undefined instruction"},
    {0xe, ANY, false, FAULT_ILLEGAL, "privileged instruction"},
    {ECODE_FPD, ANY, false, FAULT_ILLEGAL, "floating-point instruction outside a thread"},
    {0x10, ANY, false, FAULT_ILLEGAL, "128-bit vector instruction"},
    {0x11, ANY, false, FAULT_ILLEGAL, "256-bit vector instruction"},
    {0x12, ANY, false, FAULT_ILLEGAL, "floating-point exception"},
};

static void describe(struct fault *fault, uint64_t estat, uintptr_t pc)
{
    *fault = (struct fault){.kind = FAULT_MACHINE,
                            .cause = "unexpected exception",
                            .pc = pc,
                            .syndrome = estat,
                            .address = ARCH_CSR_READ(CSR_BADV)};
    for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
        if (causes[i].ecode != ESTAT_ECODE(estat) ||
            (causes[i].esubcode != ANY && causes[i].esubcode != ESTAT_ESUBCODE(estat)))
            continue;
        fault->kind = causes[i].kind;
        fault->cause = causes[i].cause;
        fault->has_address = causes[i].has_address;
    }
}

extern char irq_stack_guard[], irq_stack_top[], fault_stack_guard[], fault_stack_top[];

static bool in_stack(uintptr_t sp, const char *low, const char *top)
{
    return sp > (uintptr_t)low && sp <= (uintptr_t)top;
}

static bool of_thread(const struct trap_frame *frame)
{
    uintptr_t sp = frame->r[REG_SP];
    return !in_stack(sp, irq_stack_guard, irq_stack_top) &&
           !in_stack(sp, fault_stack_guard, fault_stack_top);
}

void loongarch_fault(struct trap_frame *frame)
{
    uint64_t estat = ARCH_CSR_READ(CSR_ESTAT);
    if (ESTAT_ECODE(estat) == ECODE_FPD && of_thread(frame) && thread_fp_first_use())
        return;
    struct fault fault;
    describe(&fault, estat, frame->pc);
    fault_dispatch(frame, &fault);
    platform_halt();
}

static const char register_names[32][3] = {
    "",   "ra", "tp", "sp", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3",
    "t4", "t5", "t6", "t7", "t8", "",   "fp", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8",
};

// Four a line, less the two registers that no frame has.
static const uint8_t shown[] = {1,  2,  3,  22, 4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14,
                                15, 16, 17, 18, 19, 20, 23, 24, 25, 26, 27, 28, 29, 30, 31};

bool platform_format_frame(const struct trap_frame *frame, unsigned line, char *buf, size_t size)
{
    const unsigned lines = DIV_ROUND_UP(sizeof(shown), 4);
    if (line > lines)
        return false;
    if (line == lines) {
        fmt_snprint(buf, size, "pc %016llx  prmd %llx", (unsigned long long)frame->pc,
                    (unsigned long long)frame->prmd);
        return true;
    }
    size_t at = 0;
    for (unsigned i = line * 4; i < MIN(line * 4 + 4, sizeof(shown)) && at < size; i++)
        at += (size_t)fmt_snprint(buf + at, size - at, "%s%s %016llx", i % 4 ? "  " : "",
                                  register_names[shown[i]], (unsigned long long)frame->r[shown[i]]);
    return true;
}
