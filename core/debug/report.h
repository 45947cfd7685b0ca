// SPDX-License-Identifier: BSD-2-Clause
//
// What panic and fault reports share: entering the report once, its end, the call chain.

#pragma once

#include "core/debug/log.h"
#include "platform/platform.h"

// Interrupts off, log without locks. Returns if this is the first report; a failure inside a
// report comes back here and is cut short (one line, then panic_finish).
void report_begin(const char *what);
// Names the running thread and CPU.
void report_context(void);
// Does what `panic=` says.
_Noreturn void panic_finish(void);

// Logs the call chain from the cursor, symbolised, innermost first; bounded.
void backtrace_print(enum log_level level, struct unwind_cursor cursor);
