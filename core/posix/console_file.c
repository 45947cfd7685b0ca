// SPDX-License-Identifier: BSD-2-Clause
//
// Files 0, 1 and 2: the console (contract in console_file.h). Read returns what has come, as soon
// as something has; a carriage return, which is what a terminal's Enter sends, reads as a newline.

#include "core/posix/console_file.h"

#include <stdatomic.h>

#include "core/debug/log.h"
#include "core/posix/file.h"

// Set once by the driver, at a time when readers may be there already.
static _Atomic(console_read_fn) input;

void console_set_input(console_read_fn read) { atomic_store(&input, read); }

size_t console_read(char *buf, size_t len, uint64_t deadline_ns)
{
    console_read_fn read = atomic_load(&input);
    return read ? read(buf, len, deadline_ns) : 0;
}

static long file_read(struct file *file, void *buf, size_t len)
{
    (void)file;
    char *text = buf;
    size_t n = console_read(text, len, 0);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r')
            text[i] = '\n';
    }
    return (long)n;
}

static long file_write(struct file *file, const void *buf, size_t len)
{
    (void)file;
    console_write(buf, len);
    return (long)len;
}

static const struct file_ops console_ops = {
    .read = file_read,
    .write = file_write,
    .is_terminal = true,
};

int console_files_init(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        int got = file_install(&console_ops, NULL);
        if (got < 0)
            return got;
    }
    return 0;
}
