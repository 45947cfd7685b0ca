// SPDX-License-Identifier: BSD-2-Clause
//
// Decodes synchronous exceptions (MIPS64 Architecture, volume III, 9.33 Cause, table of ExcCode)
// into struct fault, and gives FP to a thread at its first use.

#include "core/lib/fmt.h"
#include "platform/common/thread.h"
#include "platform/loongson/common/shootdown.h"
#include "platform/loongson/loongson3/internal.h"
#include "platform/platform.h"

enum {
    CODE_MODIFIED = 1,
    CODE_TLB_LOAD = 2, // or fetch
    CODE_TLB_STORE = 3,
    CODE_ADDRESS_LOAD = 4, // or fetch
    CODE_ADDRESS_STORE = 5,
    CODE_BUS_FETCH = 6,
    CODE_BUS_DATA = 7,
    CODE_SYSCALL = 8,
    CODE_BREAK = 9,
    CODE_RESERVED = 10,
    CODE_UNIT = 11,
    CODE_OVERFLOW = 12,
    CODE_TRAP = 13,
    CODE_FP = 15,
    CODE_READ_INHIBIT = 19,
    CODE_EXECUTE_INHIBIT = 20,
    CODE_WATCH = 23,
    CODE_MACHINE_CHECK = 24,
    CODE_CACHE = 30,
};

static const struct {
    uint8_t code;
    enum fault_kind kind;
    const char *cause;
} causes[] = {
    {CODE_MODIFIED, FAULT_DATA, "write to a read-only page"},
    {CODE_BUS_FETCH, FAULT_MACHINE, "external abort on fetch"},
    {CODE_BUS_DATA, FAULT_MACHINE, "external abort on read or write"},
    {CODE_SYSCALL, FAULT_ILLEGAL, "system call instruction"},
    {CODE_BREAK, FAULT_BREAKPOINT, "breakpoint instruction"},
    {CODE_RESERVED, FAULT_ILLEGAL, "reserved instruction"},
    {CODE_UNIT, FAULT_ILLEGAL, "coprocessor instruction"},
    {CODE_OVERFLOW, FAULT_ILLEGAL, "arithmetic overflow in an instruction"},
    {CODE_TRAP, FAULT_ILLEGAL, "trap instruction"},
    {CODE_FP, FAULT_ILLEGAL, "floating-point exception"},
    {CODE_READ_INHIBIT, FAULT_DATA, "read refused"},
    {CODE_EXECUTE_INHIBIT, FAULT_FETCH, "execution of data"},
    {CODE_WATCH, FAULT_BREAKPOINT, "watchpoint"},
    {CODE_MACHINE_CHECK, FAULT_MACHINE, "machine check: two entries of the TLB match"},
    {CODE_CACHE, FAULT_MACHINE, "cache error"},
};

// The instruction itself: EPC, or what is in the delay slot of the branch there.
static uintptr_t fault_pc(const struct trap_frame *frame)
{
    return frame->epc + (frame->cause & CAUSE_BD ? 4 : 0);
}

// A page that is mapped, and yet refused: XI, on CPUs that have no ExcCode for it.
static void describe_miss(struct fault *fault, bool write)
{
    bool fetch = !write && fault->address == fault->pc;
    fault->kind = fetch ? FAULT_FETCH : FAULT_DATA;
    if (fetch)
        fault->cause = loongson3_is_mapped(fault->address) ? "execution of data"
                                                           : "jump to an unmapped address";
    else
        fault->cause = write ? "write to an unmapped address" : "read of an unmapped address";
}

// No segment holds the address, or it is not a multiple of the operand's size.
static void describe_address_error(struct fault *fault, bool write)
{
    bool fetch = !write && fault->address == fault->pc;
    if (fetch && fault->address & 3) {
        fault->kind = FAULT_FETCH;
        fault->cause = "misaligned program counter";
    } else if (!fetch && fault->address & 7) {
        fault->kind = FAULT_ALIGNMENT;
        fault->cause = write ? "misaligned write" : "misaligned read";
    } else {
        describe_miss(fault, write);
    }
}

static void describe_by_table(struct fault *fault, unsigned code)
{
    for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
        if (causes[i].code == code) {
            fault->kind = causes[i].kind;
            fault->cause = causes[i].cause;
        }
    }
}

static void describe(struct fault *fault, const struct trap_frame *frame)
{
    unsigned code = CAUSE_CODE(frame->cause);
    *fault = (struct fault){.kind = FAULT_MACHINE,
                            .cause = "unexpected exception",
                            .pc = fault_pc(frame),
                            .address = frame->badvaddr,
                            .syndrome = (uint32_t)frame->cause};
    fault->has_address = (code >= CODE_MODIFIED && code <= CODE_ADDRESS_STORE) ||
                         code == CODE_READ_INHIBIT || code == CODE_EXECUTE_INHIBIT;
    if (code == CODE_TLB_LOAD || code == CODE_TLB_STORE)
        describe_miss(fault, code == CODE_TLB_STORE);
    else if (code == CODE_ADDRESS_LOAD || code == CODE_ADDRESS_STORE)
        describe_address_error(fault, code == CODE_ADDRESS_STORE);
    else
        describe_by_table(fault, code);
    if (code == CODE_UNIT && CAUSE_UNIT(frame->cause) == 1)
        fault->cause = "FP instruction outside a thread";
}

void loongson3_fault(struct trap_frame *frame)
{
    unsigned code = CAUSE_CODE(frame->cause);
    bool of_thread = !(frame->status & STATUS_CU0);
    if (of_thread && code == CODE_UNIT && CAUSE_UNIT(frame->cause) == 1 && thread_fp_first_use()) {
        frame->status |= STATUS_CU1;
        return;
    }
    struct fault fault;
    describe(&fault, frame);
    // The TLB has an invalid pair now, which nobody would drop if the pages are mapped later.
    if (fault.has_address)
        loongson_tlb_drop(fault.address, 1);
    fault_dispatch(frame, &fault);
    if (!of_thread)
        platform_halt();
}

// ---- Report ----------------------------------------------------------------------------------

#define SHOWN_R(n, text) {text, offsetof(struct trap_frame, r[n])}

static const struct {
    char name[4];
    uint16_t offset;
} shown[] = {
    SHOWN_R(1, "at"),
    SHOWN_R(2, "v0"),
    SHOWN_R(3, "v1"),
    SHOWN_R(4, "a0"),
    SHOWN_R(5, "a1"),
    SHOWN_R(6, "a2"),
    SHOWN_R(7, "a3"),
    SHOWN_R(8, "a4"),
    SHOWN_R(9, "a5"),
    SHOWN_R(10, "a6"),
    SHOWN_R(11, "a7"),
    SHOWN_R(12, "t0"),
    SHOWN_R(13, "t1"),
    SHOWN_R(14, "t2"),
    SHOWN_R(15, "t3"),
    SHOWN_R(16, "s0"),
    SHOWN_R(17, "s1"),
    SHOWN_R(18, "s2"),
    SHOWN_R(19, "s3"),
    SHOWN_R(20, "s4"),
    SHOWN_R(21, "s5"),
    SHOWN_R(22, "s6"),
    SHOWN_R(23, "s7"),
    SHOWN_R(24, "t8"),
    SHOWN_R(25, "t9"),
    SHOWN_R(28, "gp"),
    SHOWN_R(29, "sp"),
    SHOWN_R(30, "fp"),
    SHOWN_R(31, "ra"),
    {"hi", offsetof(struct trap_frame, hi)},
    {"lo", offsetof(struct trap_frame, lo)},
    {"epc", offsetof(struct trap_frame, epc)},
};
static_assert(ARRAY_SIZE(shown) % 4 == 0, "four to a line");

static unsigned long long shown_value(const struct trap_frame *frame, unsigned i)
{
    return *(const uint64_t *)((const char *)frame + shown[i].offset);
}

bool platform_format_frame(const struct trap_frame *frame, unsigned line, char *buf, size_t size)
{
    unsigned i = line * 4;
    if (i < ARRAY_SIZE(shown))
        fmt_snprint(buf, size, "%-3s %016llx  %-3s %016llx  %-3s %016llx  %-3s %016llx",
                    shown[i].name, shown_value(frame, i), shown[i + 1].name,
                    shown_value(frame, i + 1), shown[i + 2].name, shown_value(frame, i + 2),
                    shown[i + 3].name, shown_value(frame, i + 3));
    else if (i == ARRAY_SIZE(shown))
        fmt_snprint(buf, size, "status %08x  cause %08x  badvaddr %016llx", (unsigned)frame->status,
                    (unsigned)frame->cause, (unsigned long long)frame->badvaddr);
    return i <= ARRAY_SIZE(shown);
}
