// SPDX-License-Identifier: BSD-2-Clause
//
// The line editor (contract in lineedit.h). Keys: ECMA-48 cursor sequences as VT100 and xterm send
// them. On output it needs of the terminal only \r, \b and "erase to end of line" (CSI K).

#include "apps/common/lineedit.h"

#include <string.h>

#define CTRL(c) ((c) & 0x1f)
#define DELETE 0x7f

enum escape_state { ESCAPE_NONE, ESCAPE_START, ESCAPE_CSI, ESCAPE_SS3 };

static void put(struct line_editor *editor, const char *text, size_t len)
{
    if (len)
        editor->write(editor, text, len);
}

static void put_char(struct line_editor *editor, char c) { put(editor, &c, 1); }

void line_init(struct line_editor *editor,
               void (*write)(struct line_editor *editor, const char *text, size_t len))
{
    memset(editor, 0, sizeof(*editor));
    editor->write = write;
    editor->columns = LINE_COLUMNS_DEFAULT;
}

// Columns for text behind the prompt; the last one stays free, or the terminal might wrap.
static size_t room(const struct line_editor *editor)
{
    size_t prompt = strlen(editor->prompt);
    return editor->columns > prompt + 10 ? editor->columns - prompt - 1 : 10;
}

// The part of the text around the cursor that fits, with the cursor in its place.
void line_redraw(struct line_editor *editor)
{
    size_t width = room(editor);
    size_t start = editor->cursor >= width ? editor->cursor - width + 1 : 0;
    size_t shown = MIN(editor->len - start, width);
    put_char(editor, '\r');
    put(editor, editor->prompt, strlen(editor->prompt));
    put(editor, editor->text + start, shown);
    put(editor, "\033[K", 3);
    for (size_t back = shown - (editor->cursor - start); back; back--)
        put_char(editor, '\b');
}

void line_begin(struct line_editor *editor, const char *prompt)
{
    size_t len = strnlen(prompt, LINE_PROMPT_MAX - 1);
    memcpy(editor->prompt, prompt, len);
    editor->prompt[len] = '\0';
    editor->text[0] = '\0';
    editor->len = editor->cursor = 0;
    editor->history_at = 0;
    put(editor, editor->prompt, len);
}

// ---- Changing the text -----------------------------------------------------------------------

void line_insert(struct line_editor *editor, const char *text, size_t len)
{
    size_t fits = MIN(len, LINE_TEXT_MAX - 1 - editor->len);
    if (fits < len)
        put_char(editor, '\a');
    bool at_end = editor->cursor == editor->len;
    memmove(editor->text + editor->cursor + fits, editor->text + editor->cursor,
            editor->len - editor->cursor + 1);
    memcpy(editor->text + editor->cursor, text, fits);
    editor->len += fits;
    editor->cursor += fits;
    if (at_end && editor->len < room(editor))
        put(editor, text, fits); // the common case costs one character on the line
    else if (fits)
        line_redraw(editor);
}

// Removes text[from..to) and leaves the cursor there.
static void erase(struct line_editor *editor, size_t from, size_t to)
{
    if (from == to)
        return;
    bool last = to == editor->len && from + 1 == to && editor->cursor == to && to < room(editor);
    memmove(editor->text + from, editor->text + to, editor->len - to + 1);
    editor->len -= to - from;
    editor->cursor = from;
    if (last)
        put(editor, "\b \b", 3); // the common case again
    else
        line_redraw(editor);
}

static void move_to(struct line_editor *editor, size_t cursor)
{
    editor->cursor = cursor;
    line_redraw(editor);
}

// Blanks before the cursor belong to the word that Ctrl-W removes.
static size_t word_start(const struct line_editor *editor)
{
    size_t at = editor->cursor;
    while (at && editor->text[at - 1] == ' ')
        at--;
    while (at && editor->text[at - 1] != ' ')
        at--;
    return at;
}

static void left(struct line_editor *editor)
{
    if (editor->cursor)
        move_to(editor, editor->cursor - 1);
}

static void right(struct line_editor *editor)
{
    if (editor->cursor < editor->len)
        move_to(editor, editor->cursor + 1);
}

static void erase_left(struct line_editor *editor)
{
    if (editor->cursor)
        erase(editor, editor->cursor - 1, editor->cursor);
}

static void erase_right(struct line_editor *editor)
{
    if (editor->cursor < editor->len)
        erase(editor, editor->cursor, editor->cursor + 1);
}

// ---- History ---------------------------------------------------------------------------------

// The line `back` lines ago; 1 is the newest.
static char *history_line(struct line_editor *editor, unsigned back)
{
    return editor->history[(editor->history_next + LINE_HISTORY - back) % LINE_HISTORY];
}

void line_remember(struct line_editor *editor)
{
    if (!editor->len ||
        (editor->history_used && strcmp(history_line(editor, 1), editor->text) == 0))
        return;
    memcpy(editor->history[editor->history_next], editor->text, editor->len + 1);
    editor->history_next = (editor->history_next + 1) % LINE_HISTORY;
    editor->history_used = MIN(editor->history_used + 1, (unsigned)LINE_HISTORY);
}

// An old line is shown as a copy: editing it does not change the history, entering it adds to it.
static void show_history(struct line_editor *editor, unsigned back)
{
    if (back > editor->history_used)
        return;
    if (editor->history_at == 0)
        memcpy(editor->typed, editor->text, sizeof(editor->typed));
    editor->history_at = back;
    memcpy(editor->text, back ? history_line(editor, back) : editor->typed, LINE_TEXT_MAX);
    editor->len = strnlen(editor->text, LINE_TEXT_MAX - 1);
    move_to(editor, editor->len);
}

static void older(struct line_editor *editor) { show_history(editor, editor->history_at + 1); }

static void newer(struct line_editor *editor)
{
    if (editor->history_at)
        show_history(editor, editor->history_at - 1);
}

// ---- Keys ------------------------------------------------------------------------------------

// ESC [ letter or ESC O letter. Modifiers ("1;5") are read over: Ctrl-Left acts like Left.
static void final_letter(struct line_editor *editor, char c)
{
    switch (c) {
    case 'A':
        older(editor);
        break;
    case 'B':
        newer(editor);
        break;
    case 'C':
        right(editor);
        break;
    case 'D':
        left(editor);
        break;
    case 'H':
        move_to(editor, 0);
        break;
    case 'F':
        move_to(editor, editor->len);
        break;
    default:
        break;
    }
}

// ESC [ number ~, which is how most terminals send the keys of the block above the arrows.
static void final_tilde(struct line_editor *editor)
{
    switch (editor->parameter) {
    case 1:
    case 7:
        move_to(editor, 0);
        break;
    case 3:
        erase_right(editor);
        break;
    case 4:
    case 8:
        move_to(editor, editor->len);
        break;
    default:
        break;
    }
}

// One byte inside an escape sequence; unknown sequences are swallowed to their final byte.
static void feed_escape(struct line_editor *editor, char c)
{
    uint8_t state = editor->escape;
    editor->escape = ESCAPE_NONE;
    if (state == ESCAPE_START) {
        editor->parameter = 0;
        editor->escape = c == '[' ? ESCAPE_CSI : c == 'O' ? ESCAPE_SS3 : ESCAPE_NONE;
    } else if (state == ESCAPE_CSI && c >= '0' && c <= '9') {
        editor->parameter = MIN(editor->parameter * 10 + (unsigned)(c - '0'), 1000u);
        editor->escape = ESCAPE_CSI;
    } else if (state == ESCAPE_CSI && c >= ' ' && c < '@') {
        editor->escape = ESCAPE_CSI;
    } else if (state == ESCAPE_CSI && c == '~') {
        final_tilde(editor);
    } else {
        final_letter(editor, c);
    }
}

static enum line_event end_line(struct line_editor *editor, enum line_event event)
{
    put(editor, "\r\n", 2);
    return event;
}

static void feed_control(struct line_editor *editor, char c)
{
    switch (c) {
    case CTRL('a'):
        move_to(editor, 0);
        break;
    case CTRL('b'):
        left(editor);
        break;
    case CTRL('d'):
        erase_right(editor);
        break;
    case CTRL('e'):
        move_to(editor, editor->len);
        break;
    case CTRL('f'):
        right(editor);
        break;
    case CTRL('h'):
    case DELETE:
        erase_left(editor);
        break;
    case CTRL('k'):
        erase(editor, editor->cursor, editor->len);
        break;
    case CTRL('l'):
        put(editor, "\033[H\033[2J", 7);
        line_redraw(editor);
        break;
    case CTRL('n'):
        newer(editor);
        break;
    case CTRL('p'):
        older(editor);
        break;
    case CTRL('u'):
        erase(editor, 0, editor->cursor);
        break;
    case CTRL('v'):
        editor->quote = true;
        break;
    case CTRL('w'):
        erase(editor, word_start(editor), editor->cursor);
        break;
    case '\033':
        editor->escape = ESCAPE_START;
        break;
    default:
        break; // other control characters and bytes beyond ASCII mean nothing
    }
}

// The order matters: a byte that belongs to a sequence is no key, and a line end is one even in the
// middle of a sequence that a bad line has cut short.
enum line_event line_feed(struct line_editor *editor, char c)
{
    bool after_cr = editor->after_cr;
    bool quoted = editor->quote;
    editor->after_cr = c == '\r';
    editor->quote = false;
    if (editor->escape && c >= ' ') {
        feed_escape(editor, c);
        return LINE_MORE;
    }
    editor->escape = ESCAPE_NONE; // a control character ends a broken sequence
    if (c == '\n' && after_cr)
        return LINE_MORE;
    if (c == '\r' || c == '\n')
        return end_line(editor, LINE_DONE);
    if (c == CTRL('c')) {
        put(editor, "^C", 2);
        return end_line(editor, LINE_CANCEL);
    }
    if (c == CTRL('d') && !editor->len)
        return end_line(editor, LINE_LEAVE);
    if (c == '\t')
        return LINE_TAB;
    if (c == '?' && !quoted)
        return LINE_HELP;
    if (c >= ' ' && c < DELETE)
        line_insert(editor, &c, 1);
    else
        feed_control(editor, c);
    return LINE_MORE;
}
