// SPDX-License-Identifier: BSD-2-Clause
//
// Reports what the platform's exception code found (struct fault in platform/platform.h), and ends
// as `panic=` says. Runs on the exception stack with interrupts off.

#include "core/debug/report.h"
#include "core/debug/symbols.h"

static const char *const kind_names[] = {
    [FAULT_DATA] = "data access",
    [FAULT_FETCH] = "instruction fetch",
    [FAULT_STACK] = "stack overflow",
    [FAULT_ALIGNMENT] = "misaligned access",
    [FAULT_ILLEGAL] = "illegal instruction",
    [FAULT_BREAKPOINT] = "breakpoint",
    [FAULT_MACHINE] = "machine error",
};

static void print_place(const struct fault *fault)
{
    size_t offset = 0;
    const char *name = symbol_lookup(fault->pc, &offset);
    log_write(LOG_EMERG, "  pc %016lx (%s+0x%zx), syndrome 0x%llx", (unsigned long)fault->pc,
              name ? name : "?", offset, (unsigned long long)fault->syndrome);
    if (fault->has_address)
        log_write(LOG_EMERG, "  address %016lx", (unsigned long)fault->address);
}

// The order is that of usefulness: if the report is cut short, the first lines matter most.
void fault_dispatch(struct trap_frame *frame, const struct fault *fault)
{
    report_begin("fault");
    unsigned kind = fault->kind;
    log_write(LOG_EMERG, "fault: %s: %s", kind < ARRAY_SIZE(kind_names) ? kind_names[kind] : "?",
              fault->cause);
    print_place(fault);
    report_context();
    platform_print_frame(frame);
    struct unwind_cursor cursor;
    platform_unwind_frame(&cursor, frame);
    log_write(LOG_EMERG, "call chain:");
    backtrace_print(LOG_EMERG, cursor);
    panic_finish();
}
