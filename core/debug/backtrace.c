// SPDX-License-Identifier: BSD-2-Clause
//
// Symbolised call chains. The platform follows the frame records, bounded by the stack that holds
// them; names come from the symbol table in the image. A damaged stack ends the chain: each
// address must lie in a known function, and the number of lines is limited.

#include "core/debug/panic.h"
#include "core/debug/report.h"
#include "core/debug/symbols.h"
#include "core/sched/thread.h"

#define FRAMES_MAX 32

// Interrupt and boot stacks are not in any table: for these, the chain may climb at most this far
// above the frame it started from.
#define UNKNOWN_STACK_BYTES KIB(16)

static void stack_bounds(uintptr_t sp, uintptr_t *low, uintptr_t *high)
{
    const struct thread *thread = thread_current();
    uintptr_t stack = thread ? (uintptr_t)thread->stack : 0;
    if (stack && sp - stack <= thread->stack_bytes) {
        *low = stack;
        *high = stack + thread->stack_bytes;
    } else {
        *low = sp;
        *high = sp <= UINTPTR_MAX - UNKNOWN_STACK_BYTES ? sp + UNKNOWN_STACK_BYTES : UINTPTR_MAX;
    }
}

static uintptr_t symbol_start(uintptr_t pc)
{
    size_t offset = 0;
    return symbol_lookup(pc, &offset) ? pc - offset : 0;
}

static bool print_entry(enum log_level level, unsigned number, uintptr_t pc)
{
    size_t offset = 0;
    const char *name = symbol_lookup(pc, &offset);
    if (name)
        log_write(level, "  #%-2u %016lx %s+0x%zx", number, (unsigned long)pc, name, offset);
    else
        log_write(level, "  #%-2u %016lx ?", number, (unsigned long)pc);
    return name != NULL;
}

static void print_return(enum log_level level, uintptr_t ra)
{
    size_t offset = 0;
    const char *name = symbol_lookup(ra, &offset);
    log_write(level, "   (link register: %016lx %s+0x%zx)", (unsigned long)ra, name, offset);
}

void backtrace_print(enum log_level level, struct unwind_cursor cursor)
{
    uintptr_t low, high;
    stack_bounds(cursor.sp, &low, &high);
    for (unsigned n = 0; n < FRAMES_MAX; n++) {
        // The first address may be wild (a jump to nowhere): its caller is still of interest.
        if (!print_entry(level, n, cursor.pc) && n > 0)
            return;
        uintptr_t ra = cursor.ra;
        cursor.function = symbol_start(cursor.pc);
        if (!platform_unwind_step(&cursor, low, high))
            return;
        // A function without a frame of its own is not in the chain: its caller is where the
        // register says, unless that is the next entry anyway.
        if (ra && ra != cursor.pc && symbol_lookup(ra, &(size_t){0}))
            print_return(level, ra);
    }
    log_write(level, "  (more than %u frames)", FRAMES_MAX);
}

void backtrace_here(void)
{
    struct unwind_cursor cursor;
    platform_unwind_here(&cursor);
    backtrace_print(LOG_WARNING, cursor);
}
