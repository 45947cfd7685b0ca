// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of core/debug/panic.h: a panic fails the test program.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/debug/panic.h"

void panic(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("panic: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

void backtrace_here(void) {}
