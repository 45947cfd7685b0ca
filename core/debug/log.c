// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel log (contract in log.h). Records stand in a byte ring at positions that only grow, so
// a reader's cursor tells by itself whether its record has been overwritten. The console is a
// reader like any other: whoever logs prints all lines that are due, so the order on the console is
// that of the ring, and lines from before the console came are printed when it comes.
//
// Two locks, each held with interrupts off for one line at most: the ring's and the console's
// (taken in the order console, ring). After log_panic() neither is taken any more: the owner may
// be the very code that failed.

#include "core/debug/log.h"

#include <string.h>

#include "core/lib/bootparam.h"
#include "core/lib/fmt.h"
#include "core/sync/spinlock.h"
#include "core/time/clock.h"

#define RING_BYTES KIB(16) // some 250 lines; a power of two
#define RECORD_ALIGN 16u   // sizeof(struct record), so that no header wraps

struct record {
    uint64_t time_ns;
    uint32_t sequence;
    uint16_t text_len; // no terminator
    uint8_t level, reserved;
};
_Static_assert(sizeof(struct record) == RECORD_ALIGN, "a header must not wrap");

static struct {
    struct spinlock lock; // protects the rest
    uint64_t head, tail;  // positions of the next and of the oldest record
    uint32_t next_sequence;
    char bytes[RING_BYTES] __attribute__((aligned(RECORD_ALIGN)));
} ring;

static struct {
    struct spinlock lock; // protects the rest and the device's order of characters
    struct log_console *device;
    uint64_t cursor; // first line not yet printed
} console;

// Written rarely and read without a lock: a line more or less around a change does not matter.
static enum log_level console_level = LOG_INFO;
static bool panicking;

// A lock that a failed owner can no longer hold up.
static irq_flags_t acquire(struct spinlock *lock)
{
    irq_flags_t flags = arch_irq_save();
    if (!panicking)
        spin_lock_raw(lock);
    return flags;
}

static void release(struct spinlock *lock, irq_flags_t flags)
{
    if (!panicking)
        spin_unlock_raw(lock);
    arch_irq_restore(flags);
}

// ---- The ring --------------------------------------------------------------------------------

// Records are multiples of their alignment long, so the next header is aligned too.
static size_t record_bytes(size_t text_len)
{
    return sizeof(struct record) + ALIGN_UP(text_len, (size_t)RECORD_ALIGN);
}

static struct record *record_at(uint64_t position)
{
    return (struct record *)(ring.bytes + position % RING_BYTES);
}

// Text may wrap: at most two pieces. Copies into the ring or out of it.
static void copy_text(uint64_t position, char *text, size_t len, bool in)
{
    while (len) {
        size_t offset = position % RING_BYTES;
        size_t piece = MIN(len, RING_BYTES - offset);
        memcpy(in ? ring.bytes + offset : text, in ? text : ring.bytes + offset, piece);
        position += piece;
        text += piece;
        len -= piece;
    }
}

// Ring lock held. head moves last: what lies between tail and head is whole at any moment, which
// is what a report after log_panic() relies on.
static void ring_append(enum log_level level, char *text, size_t len)
{
    size_t need = record_bytes(len);
    while (ring.head + need - ring.tail > RING_BYTES)
        ring.tail += record_bytes(record_at(ring.tail)->text_len);
    *record_at(ring.head) = (struct record){.time_ns = clock_monotonic_ns(),
                                            .sequence = ring.next_sequence++,
                                            .text_len = (uint16_t)len,
                                            .level = (uint8_t)level};
    copy_text(ring.head + sizeof(struct record), text, len, true);
    ring.head += need;
}

bool log_read(uint64_t *cursor, struct log_line *line)
{
    irq_flags_t flags = acquire(&ring.lock);
    if (*cursor < ring.tail)
        *cursor = ring.tail;
    bool found = *cursor < ring.head;
    if (found) {
        const struct record *record = record_at(*cursor);
        size_t len = MIN(record->text_len, sizeof(line->text) - 1);
        line->sequence = record->sequence;
        line->time_ns = record->time_ns;
        line->level = record->level;
        copy_text(*cursor + sizeof(*record), line->text, len, false);
        line->text[len] = '\0';
        *cursor += record_bytes(record->text_len);
    }
    release(&ring.lock, flags);
    return found;
}

// ---- The console -----------------------------------------------------------------------------

// Console lock held. "\n" goes out as "\r\n", unless the caller did that itself.
static void device_write(const char *text, size_t len)
{
    struct log_console *device = console.device;
    size_t start = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\n' || (i > 0 && text[i - 1] == '\r'))
            continue;
        device->write(device, text + start, i - start);
        device->write(device, "\r\n", 2);
        start = i + 1;
    }
    device->write(device, text + start, len - start);
}

int log_format(const struct log_line *line, char *buf, size_t size)
{
    uint64_t us = line->time_ns / NSEC_PER_USEC;
    return fmt_snprint(buf, size, "[%5llu.%06llu] %s", (unsigned long long)(us / 1000000),
                       (unsigned long long)(us % 1000000), line->text);
}

// Console lock held.
static void print_line(const struct log_line *line)
{
    char text[sizeof(line->text) + 32];
    int len = log_format(line, text, sizeof(text) - 1);
    len = MIN(len, (int)sizeof(text) - 2);
    text[len] = '\n';
    device_write(text, (size_t)len + 1);
}

// Prints what is due, one line at a time with interrupts back on in between.
static void console_flush(void)
{
    bool more = true;
    while (more) {
        struct log_line line;
        irq_flags_t flags = acquire(&console.lock);
        more = console.device && log_read(&console.cursor, &line);
        if (more && line.level <= console_level)
            print_line(&line);
        release(&console.lock, flags);
    }
}

void console_write(const char *text, size_t len)
{
    while (len) {
        // A line at a time, so that interrupts are not held off for longer.
        const char *newline = memchr(text, '\n', MIN(len, 160u));
        size_t piece = newline ? (size_t)(newline - text) + 1 : MIN(len, 160u);
        irq_flags_t flags = acquire(&console.lock);
        if (console.device)
            device_write(text, piece);
        release(&console.lock, flags);
        text += piece;
        len -= piece;
    }
}

void log_set_console(struct log_console *device)
{
    irq_flags_t flags = acquire(&console.lock);
    console.device = device;
    release(&console.lock, flags);
    console_flush();
}

// ---- Writing ---------------------------------------------------------------------------------

// One line without control characters: what a log line quotes may come from outside.
static size_t clean(char *text, size_t len)
{
    while (len && text[len - 1] == '\n')
        len--;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = text[i] == '\t' || text[i] == '\n' ? ' ' : '?';
    }
    return len;
}

void log_vwrite(enum log_level level, const char *fmt, va_list args)
{
    char text[sizeof(((struct log_line *)0)->text)];
    int wanted = fmt_vsnprint(text, sizeof(text), fmt, args);
    size_t len = clean(text, MIN((size_t)wanted, sizeof(text) - 1));
    irq_flags_t flags = acquire(&ring.lock);
    ring_append(level, text, len);
    release(&ring.lock, flags);
    if (level <= console_level)
        console_flush();
}

void log_write(enum log_level level, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_vwrite(level, fmt, args);
    va_end(args);
}

void log_set_level(enum log_level level)
{
    console_flush(); // what was held back so far stays so: the cursor moves past it
    console_level = level;
}
enum log_level log_get_level(void) { return console_level; }

void log_panic(void)
{
    panicking = true;
    if (console_level < LOG_ERR)
        console_level = LOG_ERR;
}

// As on Linux, loglevel=N prints the levels below N; emergencies always.
static int set_level(const char *value)
{
    uint64_t number;
    if (parse_u64(value, SIZE_MAX, &number) || number > LOG_DEBUG + 1)
        return -EINVAL;
    log_set_level(number ? (enum log_level)(number - 1) : LOG_EMERG);
    return 0;
}
BOOT_PARAM(loglevel_param, "loglevel", set_level);
