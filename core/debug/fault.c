// SPDX-License-Identifier: BSD-2-Clause
//
// Reports what the platform's exception code found (struct fault in platform/platform.h), and ends
// as `panic=` says. Runs on the exception stack with interrupts off.

#include "core/debug/report.h"
#include "core/debug/symbols.h"
#include "core/sched/thread.h"
#include "mm/gfp.h"

static const char *const kind_names[] = {
    [FAULT_DATA] = "data access",
    [FAULT_FETCH] = "instruction fetch",
    [FAULT_STACK] = "bad stack",
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

static void print_registers(const struct trap_frame *frame)
{
    char text[128];
    for (unsigned line = 0; platform_format_frame(frame, line, text, sizeof(text)); line++)
        log_write(LOG_EMERG, "%s", text);
}

// A stack ends in an unmapped page; an access in there is an overflow.
static bool in_stack_guard(const struct fault *fault)
{
    const struct thread *thread = thread_current();
    uintptr_t stack = thread ? (uintptr_t)thread->stack : 0;
    return fault->kind == FAULT_DATA && fault->has_address && fault->address < stack &&
           stack - fault->address <= PAGE_SIZE;
}

static void print_cause(const struct fault *fault)
{
    unsigned kind = fault->kind;
    if (in_stack_guard(fault))
        log_write(LOG_EMERG, "fault: stack overflow");
    else
        log_write(LOG_EMERG, "fault: %s: %s",
                  kind < ARRAY_SIZE(kind_names) ? kind_names[kind] : "?", fault->cause);
}

// The order is that of usefulness: if the report is cut short, the first lines matter most.
void fault_dispatch(struct trap_frame *frame, const struct fault *fault)
{
    report_begin("fault");
    print_cause(fault);
    print_place(fault);
    report_context();
    print_registers(frame);
    struct unwind_cursor cursor;
    platform_unwind_frame(&cursor, frame);
    log_write(LOG_EMERG, "call chain:");
    backtrace_print(LOG_EMERG, cursor);
    panic_finish();
}
