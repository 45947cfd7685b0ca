// SPDX-License-Identifier: BSD-2-Clause
//
// Decodes synchronous exceptions and SErrors (Arm ARM D24.2.40, ESR_EL1) into struct fault, and
// gives FP/SIMD to a thread at its first use.

#include "core/lib/fmt.h"
#include "platform/arm64/internal.h"
#include "platform/common/thread.h"
#include "platform/platform.h"

enum {
    EC_UNKNOWN = 0x00,
    EC_FP = 0x07,
    EC_ILLEGAL_STATE = 0x0e,
    EC_SVE = 0x19,
    EC_FETCH = 0x21,
    EC_PC_ALIGNMENT = 0x22,
    EC_DATA = 0x25,
    EC_SP_ALIGNMENT = 0x26,
    EC_SERROR = 0x2f,
    EC_BRK = 0x3c,
};

#define ESR_EC(esr) (((esr) >> 26) & 0x3f)
#define ESR_FSC(esr) ((esr) & 0x3f)
#define ESR_WRITE (1u << 6)
#define ESR_FAR_INVALID (1u << 10)

#define FSC_TYPE(fsc) ((fsc) >> 2)
#define FSC_TYPE_TRANSLATION 1
#define FSC_TYPE_ACCESS_FLAG 2
#define FSC_TYPE_PERMISSION 3
#define FSC_ALIGNMENT 0x21

static const struct {
    uint8_t ec;
    enum fault_kind kind;
    const char *cause;
} causes[] = {
    {EC_UNKNOWN, FAULT_ILLEGAL, "undefined instruction"},
    {EC_FP, FAULT_ILLEGAL, "vector instruction outside a thread"},
    {EC_SVE, FAULT_ILLEGAL, "SVE instruction"},
    {EC_ILLEGAL_STATE, FAULT_ILLEGAL, "illegal execution state"},
    {EC_PC_ALIGNMENT, FAULT_FETCH, "misaligned program counter"},
    {EC_SP_ALIGNMENT, FAULT_STACK, "misaligned stack pointer"},
    {EC_BRK, FAULT_BREAKPOINT, "breakpoint instruction"},
    {EC_SERROR, FAULT_MACHINE, "SError: asynchronous error of the memory system"},
};

static const char *abort_cause(uint64_t esr, bool fetch)
{
    bool write = !fetch && (esr & ESR_WRITE);
    switch (FSC_TYPE(ESR_FSC(esr))) {
    case FSC_TYPE_TRANSLATION:
        return fetch ? "jump to an unmapped address"
                     : (write ? "write to an unmapped address" : "read of an unmapped address");
    case FSC_TYPE_PERMISSION:
        return fetch ? "execution of data" : (write ? "write to a read-only page" : "read refused");
    case FSC_TYPE_ACCESS_FLAG:
        return "access flag fault";
    }
    if (ESR_FSC(esr) == FSC_ALIGNMENT)
        return write ? "misaligned write" : "misaligned read";
    return fetch ? "external abort on fetch"
                 : (write ? "external abort on write" : "external abort on read");
}

static void describe_abort(struct fault *fault, uint64_t esr, bool fetch)
{
    fault->kind = fetch ? FAULT_FETCH : FAULT_DATA;
    fault->cause = abort_cause(esr, fetch);
    fault->has_address = !(esr & ESR_FAR_INVALID);
    fault->address = ARCH_READ_SYSREG(far_el1);
    if (ESR_FSC(esr) == FSC_ALIGNMENT)
        fault->kind = FAULT_ALIGNMENT;
}

static void describe(struct fault *fault, uint64_t esr, uintptr_t pc)
{
    *fault = (struct fault){
        .kind = FAULT_MACHINE, .cause = "unexpected exception", .pc = pc, .syndrome = esr};
    unsigned ec = ESR_EC(esr);
    if (ec == EC_DATA || ec == EC_FETCH)
        return describe_abort(fault, esr, ec == EC_FETCH);
    for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
        if (causes[i].ec == ec) {
            fault->kind = causes[i].kind;
            fault->cause = causes[i].cause;
        }
    }
}

void arm64_thread_fault(struct trap_frame *frame)
{
    uint64_t esr = ARCH_READ_SYSREG(esr_el1);
    if (ESR_EC(esr) == EC_FP && thread_fp_first_use())
        return;
    struct fault fault;
    describe(&fault, esr, frame->pc);
    fault_dispatch(frame, &fault);
}

void arm64_fatal_fault(struct trap_frame *frame)
{
    struct fault fault;
    describe(&fault, ARCH_READ_SYSREG(esr_el1), frame->pc);
    fault_dispatch(frame, &fault);
    platform_halt();
}

bool platform_format_frame(const struct trap_frame *frame, unsigned line, char *buf, size_t size)
{
    const uint64_t *x = frame->x;
    unsigned i = line * 4;
    if (i < 28)
        fmt_snprint(buf, size, "x%-2u %016llx  x%-2u %016llx  x%-2u %016llx  x%-2u %016llx", i,
                    (unsigned long long)x[i], i + 1, (unsigned long long)x[i + 1], i + 2,
                    (unsigned long long)x[i + 2], i + 3, (unsigned long long)x[i + 3]);
    else if (i == 28)
        fmt_snprint(buf, size, "x28 %016llx  x29 %016llx  x30 %016llx  sp  %016llx",
                    (unsigned long long)x[28], (unsigned long long)x[29], (unsigned long long)x[30],
                    (unsigned long long)frame->sp);
    else if (i == 32)
        fmt_snprint(buf, size, "pc  %016llx  pstate %08llx", (unsigned long long)frame->pc,
                    (unsigned long long)frame->pstate);
    return i <= 32;
}
