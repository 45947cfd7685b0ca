// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of core/debug/log.h: lines are formatted (so that ASan sees their arguments) and
// shown only if UNIT_LOG is set in the environment.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/debug/log.h"

void log_write(enum log_level level, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (getenv("UNIT_LOG"))
        fprintf(stderr, "<%d> %s\n", (int)level, text);
}

void log_set_level(enum log_level level) { (void)level; }
enum log_level log_get_level(void) { return LOG_DEBUG; }
void console_write(const char *text, size_t len) { fwrite(text, 1, len, stdout); }
