// SPDX-License-Identifier: BSD-2-Clause
//
// What is said of an access that must not be: its kind, the place in the code, the object that it
// lies in or next to and whose that is, the call chain, and the shadow around. Then the end, or,
// with `kasan=report`, the access is made all the same.

#include "core/debug/report.h"
#include "core/debug/symbols.h"
#include "core/lib/bootparam.h"
#include "core/lib/fmt.h"
#include "mm/kasan_shadow.h"

#include <string.h>

#define REPORTS_MAX 8 // that are printed
#define SHADOW_ROW 16 // granules a line
#define SHADOW_ROWS 2 // before and after the line of the address

static bool go_on;
static unsigned reports;

static int set_mode(const char *value)
{
    go_on = strcmp(value, "report") == 0;
    return go_on || strcmp(value, "panic") == 0 ? 0 : -EINVAL;
}
BOOT_PARAM(kasan_param, "kasan", set_mode);

static const struct kind {
    uint8_t code;
    const char *what, *where;
} kinds[] = {
    {KASAN_FREE_PAGE, "use after free", "a page that was freed"},
    {KASAN_PAGE_REDZONE, "out of bounds", "the rest of a last page"},
    {KASAN_NEVER_USED, "wild pointer", "memory that nobody has allocated"},
    {KASAN_SLAB_REDZONE, "out of bounds", "space between objects"},
    {KASAN_SLAB_FREE, "use after free", "an object that was freed"},
    {KASAN_GLOBAL_REDZONE, "global out of bounds", "space behind a global object"},
    {KASAN_VMALLOC_FREE, "use after free", "addresses of no area, or of a freed one"},
    {STACK_LEFT, "stack out of bounds", "space before a frame's variables"},
    {STACK_MIDDLE, "stack out of bounds", "space between a frame's variables"},
    {STACK_RIGHT, "stack out of bounds", "space behind a frame's variables"},
    {STACK_SCOPE, "stack use after scope", "a variable whose block has ended"},
};

// The code of a granule that may be touched in part stands in the next one.
static const struct kind *kind_of(uintptr_t bad)
{
    static const struct kind unknown = {0, "bad access", "memory marked in an unknown way"};
    uint8_t code = shadow_exists(bad) ? (uint8_t)*shadow_of(bad) : 0;
    if (code && code < GRANULE && shadow_exists(bad + GRANULE))
        code = (uint8_t)*shadow_of(bad + GRANULE);
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].code == code)
            return &kinds[i];
    }
    return &unknown;
}

static bool is_of_stack(const struct kind *kind)
{
    return kind->code == STACK_LEFT || kind->code == STACK_MIDDLE || kind->code == STACK_RIGHT ||
           kind->code == STACK_SCOPE;
}

// ---- Objects ---------------------------------------------------------------------------------

// "4 bytes behind", "byte 7 of" and so on.
static void say_place(const char *object, uintptr_t bad, uintptr_t start, size_t bytes)
{
    if (bad < start)
        log_write(LOG_EMERG, "  %lu byte%s before %s", (unsigned long)(start - bad),
                  start - bad == 1 ? "" : "s", object);
    else if (bad - start < bytes)
        log_write(LOG_EMERG, "  byte %lu of %s", (unsigned long)(bad - start), object);
    else
        log_write(LOG_EMERG, "  %lu bytes behind %s", (unsigned long)(bad - start - bytes), object);
}

static void say_who(const char *did, const void *caller)
{
    size_t offset = 0;
    const char *name = caller ? symbol_lookup((uintptr_t)caller, &offset) : NULL;
    if (name)
        log_write(LOG_EMERG, "    %-9s by %s+0x%zx", did, name, offset);
}

static bool say_slab_object(uintptr_t bad)
{
    struct slab_object object;
    char text[96];
    if (!slab_describe((const void *)bad, &object))
        return false;
    fmt_snprint(text, sizeof(text), "the object of %zu bytes at %p, cache %s", object.bytes,
                object.start, object.cache);
    say_place(text, bad, (uintptr_t)object.start, object.bytes);
    say_who("allocated", object.allocated);
    say_who("freed", object.freed);
    return true;
}

static bool say_global(uintptr_t bad)
{
    const struct kasan_global *global = kasan_global_near(bad);
    char text[128];
    if (!global)
        return false;
    fmt_snprint(text, sizeof(text), "the global \"%s\" of %zu bytes, %s", global->name,
                global->bytes, global->file);
    say_place(text, bad, (uintptr_t)global->start, global->bytes);
    return true;
}

// What the compilers write at the start of a frame that has marks.
struct frame_head {
    uint64_t magic;
    const char *variables; // count, and for each: offset, size, length of name, name[:line]
    uintptr_t function;
};
#define FRAME_MAGIC 0x41b58ab3
#define FRAME_BYTES_MAX KIB(16)

static const struct frame_head *frame_of(uintptr_t bad)
{
    uintptr_t at = ALIGN_DOWN(bad, GRANULE), limit = at - FRAME_BYTES_MAX;
    while (at > limit && shadow_exists(at) && (uint8_t)*shadow_of(at) != STACK_LEFT)
        at -= GRANULE;
    while (at > limit && shadow_exists(at - GRANULE) &&
           (uint8_t)*shadow_of(at - GRANULE) == STACK_LEFT)
        at -= GRANULE;
    const struct frame_head *head = (const struct frame_head *)at;
    bool whole = at > limit && head->magic == FRAME_MAGIC &&
                 (uintptr_t)head->variables - (uintptr_t)__image_start <
                     (uintptr_t)(__image_end - __image_start);
    return whole ? head : NULL;
}

static unsigned long next_number(const char **text)
{
    unsigned long value = 0;
    for (; **text >= '0' && **text <= '9'; ++*text)
        value = value * 10 + (unsigned long)(**text - '0');
    *text += **text == ' ';
    return value;
}

static bool say_variable(uintptr_t bad)
{
    const struct frame_head *head = frame_of(bad);
    if (!head)
        return false;
    const char *text = head->variables, *best_name = "";
    unsigned long offset = bad - (uintptr_t)head, best_offset = 0, best_bytes = 0, best_len = 0;
    unsigned long best = ~0UL;
    for (unsigned long count = next_number(&text); count; count--) {
        unsigned long start = next_number(&text), bytes = next_number(&text);
        unsigned long len = next_number(&text);
        unsigned long away = offset < start           ? start - offset
                             : offset - start < bytes ? 0
                                                      : offset - start - bytes + 1;
        if (away < best)
            best = away, best_offset = start, best_bytes = bytes, best_name = text, best_len = len;
        text += len;
        text += *text == ' ';
    }
    char line[112];
    const char *function = symbol_lookup(head->function, NULL);
    const char *colon = memchr(best_name, ':', best_len);
    fmt_snprint(line, sizeof(line), "the variable \"%.*s\" of %lu bytes in %s",
                colon ? (int)(colon - best_name) : (int)best_len, best_name, best_bytes,
                function ? function : "?");
    say_place(line, bad, (uintptr_t)head + best_offset, best_bytes);
    return true;
}

// Pages and areas: nobody keeps their size, but the shadow knows where they end.
static void say_neighbour(uintptr_t bad)
{
    uintptr_t at = ALIGN_DOWN(bad, GRANULE), limit = at - MIB(1);
    while (at > limit && shadow_exists(at) && *shadow_of(at) < 0)
        at -= GRANULE;
    if (at <= limit || !shadow_exists(at))
        return;
    uintptr_t end = at + (*shadow_of(at) ? (uint8_t)*shadow_of(at) : GRANULE);
    while (at > limit && shadow_exists(at - GRANULE) && *shadow_of(at - GRANULE) == 0)
        at -= GRANULE;
    if (bad - end < PAGE_SIZE)
        log_write(LOG_EMERG, "  %lu bytes behind what may be touched, %p to %p",
                  (unsigned long)(bad - end), (void *)at, (void *)end);
}

static void say_object(uintptr_t bad, const struct kind *kind)
{
    if (kind->code == KASAN_NEVER_USED)
        return; // without a page descriptor, even
    bool known = is_of_stack(kind)                    ? say_variable(bad)
                 : kind->code == KASAN_GLOBAL_REDZONE ? say_global(bad)
                                                      : say_slab_object(bad);
    if (!known)
        say_neighbour(bad);
}

// ---- The report ------------------------------------------------------------------------------

static void say_chain(uintptr_t pc)
{
    struct unwind_cursor cursor;
    platform_unwind_here(&cursor);
    // Without our own functions: from the one that made the access.
    for (unsigned i = 0; i < 8 && cursor.pc + 8 - pc > 8; i++) {
        size_t offset = 0;
        cursor.function = symbol_lookup(cursor.pc, &offset) ? cursor.pc - offset : 0;
        if (!platform_unwind_step(&cursor, cursor.sp, cursor.sp + KIB(16)))
            break;
    }
    log_write(LOG_EMERG, "call chain:");
    backtrace_print(LOG_EMERG, cursor);
}

static void say_shadow(uintptr_t bad)
{
    const uintptr_t row_bytes = SHADOW_ROW * GRANULE, line_of_bad = ALIGN_DOWN(bad, row_bytes);
    log_write(LOG_EMERG, "shadow, a byte for each 8:");
    for (uintptr_t row = line_of_bad - SHADOW_ROWS * row_bytes;
         row <= line_of_bad + SHADOW_ROWS * row_bytes; row += row_bytes) {
        char text[SHADOW_ROW * 3 + 2] = "";
        size_t len = 0;
        for (uintptr_t at = row; at < row + row_bytes && shadow_exists(at); at += GRANULE) {
            char mark = at == ALIGN_DOWN(bad, GRANULE) ? '>' : ' ';
            len += (size_t)fmt_snprint(text + len, sizeof(text) - len, "%c%02x", mark,
                                       (uint8_t)*shadow_of(at));
        }
        log_write(LOG_EMERG, "  %016lx %s", (unsigned long)row, text);
    }
}

static void say_all(uintptr_t addr, size_t bytes, bool write, uintptr_t bad, const void *pc)
{
    const struct kind *kind = kind_of(bad);
    size_t offset = 0;
    const char *name = symbol_lookup((uintptr_t)pc, &offset);
    log_write(LOG_EMERG, "kasan: %s: %s of %zu byte%s at %016lx, %s", kind->what,
              write ? "write" : "read", bytes, bytes == 1 ? "" : "s", (unsigned long)addr,
              kind->where);
    log_write(LOG_EMERG, "  pc %016lx (%s+0x%zx)", (unsigned long)pc, name ? name : "?", offset);
    report_context();
    say_object(bad, kind);
    say_chain((uintptr_t)pc);
    say_shadow(bad);
}

void kasan_report(uintptr_t addr, size_t bytes, bool write, uintptr_t bad, const void *pc)
{
    if (!go_on) {
        report_begin("kasan");
        kasan_stop();
        say_all(addr, bytes, write, bad, pc);
        panic_finish();
    }
    irq_flags_t flags = arch_irq_save();
    kasan_active = false; // what prints the report is checked code
    if (reports++ < REPORTS_MAX)
        say_all(addr, bytes, write, bad, pc);
    kasan_active = true;
    arch_irq_restore(flags);
}
