// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel log: lines with level and time in a ring (for `show log`) and, up to the console
// level, on the console. Any context, interrupt and fault included; before a console exists lines
// wait in the ring and are printed when it registers.
//
// Formatting is core/lib/fmt.h's (no floating point).

#pragma once

#include <stdarg.h>

#include "core/lib/types.h"

enum log_level {
    LOG_EMERG,
    LOG_ALERT,
    LOG_CRIT,
    LOG_ERR,
    LOG_WARNING,
    LOG_NOTICE,
    LOG_INFO,
    LOG_DEBUG
};

// One line of at most 159 characters (the rest is cut); control characters are replaced, a newline
// at the end is dropped.
void log_write(enum log_level level, const char *fmt, ...) __printf_like(2, 3);
void log_vwrite(enum log_level level, const char *fmt, va_list args) __printf_like(2, 0);

#define log_err(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

// Console level: lines above it stay in the ring only. Default: LOG_INFO. `loglevel=N` follows
// Linux: the levels below N are printed, so 8 shows all and 4 only errors and worse.
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

// One line of the ring, oldest first: *cursor starts at 0 and is moved on; false at the end.
// Lines that were overwritten meanwhile are skipped. The text has no newline.
struct log_line {
    uint64_t sequence, time_ns;
    enum log_level level;
    char text[160];
};
bool log_read(uint64_t *cursor, struct log_line *line);
// The line as the console shows it, "[    0.001234] text"; returns like snprintf.
int log_format(const struct log_line *line, char *buf, size_t size);

// An output device for log lines and the console. `write` must work in any context, polled, with
// a limit on its waiting. Replays the ring once.
struct log_console {
    const char *name;
    void (*write)(struct log_console *console, const char *text, size_t len);
};
void log_set_console(struct log_console *console);
// Raw text to the console, not to the ring (prompt, command output). A "\n" without "\r" before it
// goes out as "\r\n". Log lines of others may come between two lines of it, not into one.
void console_write(const char *text, size_t len);

// From panic and fault reports only: from now on no lock is taken, so that a report gets out
// whatever the failed code held, and lines up to LOG_ERR are printed.
void log_panic(void);
