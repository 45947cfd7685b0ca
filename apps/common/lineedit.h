// SPDX-License-Identifier: BSD-2-Clause
//
// A line editor for a terminal at the end of a serial line: bytes in, echo out. It knows nothing
// of commands; completion and help are events for its owner. Understands the keys of a VT100 and
// the control characters of readline's Emacs mode. A line ends with \r, \n or \r\n.
//
// Lines longer than the terminal scroll sideways in one row, so nothing depends on how a terminal
// wraps. Not locked: one thread feeds an editor.

#pragma once

#include "apps/common/verb.h"

#define LINE_HISTORY 32
#define LINE_PROMPT_MAX 80
#define LINE_COLUMNS_DEFAULT 80

enum line_event {
    LINE_MORE,   // the key is dealt with
    LINE_DONE,   // text[0..len) is a whole line
    LINE_CANCEL, // Ctrl-C: the line is thrown away
    LINE_LEAVE,  // Ctrl-D on an empty line
    LINE_TAB,    // completion is wanted at the cursor
    LINE_HELP,   // '?': help is wanted at the cursor
};

struct line_editor {
    void (*write)(struct line_editor *editor, const char *text, size_t len);
    char text[LINE_TEXT_MAX]; // NUL-terminated
    size_t len, cursor;
    size_t columns; // of the terminal
    char prompt[LINE_PROMPT_MAX];
    uint8_t escape;                            // progress inside an escape sequence
    unsigned parameter;                        // of the sequence
    bool quote;                                // Ctrl-V: the next character is text
    bool after_cr;                             // swallow the \n of \r\n
    char history[LINE_HISTORY][LINE_TEXT_MAX]; // ring of past lines
    unsigned history_next, history_used;
    unsigned history_at;       // lines back from the newest; 0: the line being typed
    char typed[LINE_TEXT_MAX]; // that line while an older one is shown
};

void line_init(struct line_editor *editor,
               void (*write)(struct line_editor *editor, const char *text, size_t len));
// Starts an empty line behind the prompt (copied, cut to LINE_PROMPT_MAX - 1).
void line_begin(struct line_editor *editor, const char *prompt);
enum line_event line_feed(struct line_editor *editor, char c);
// Puts text in at the cursor, as if typed (what does not fit is left out).
void line_insert(struct line_editor *editor, const char *text, size_t len);
// Shows prompt and line again, after something else was written.
void line_redraw(struct line_editor *editor);
// Adds the line to the history, unless it is empty or the same as the last one.
void line_remember(struct line_editor *editor);
