// SPDX-License-Identifier: BSD-2-Clause
//
// The end of the line: report and then do as `panic=` says (`panic=N` reboot after N seconds,
// `panic=0` halt, `panic=-1` reboot at once, `panic=poweroff`; default: halt). For states in which
// going on would corrupt, never for foreign input or lack of memory.

#pragma once

#include "core/lib/types.h"

_Noreturn void panic(const char *fmt, ...) __printf_like(1, 2);

// Internal consistency of our own data; active in DEBUG builds only, no side effects inside.
#ifdef DEBUG
#define debug_assert(cond)                                                   \
    do {                                                                     \
        if (unlikely(!(cond)))                                               \
            panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond); \
    } while (0)
#else
#define debug_assert(cond) ((void)sizeof(!(cond)))
#endif

// Symbolised call chain of the caller to the log.
void backtrace_here(void);
