// SPDX-License-Identifier: BSD-2-Clause
//
// The line editor, key by key. What it sends goes to a small terminal, whose row must show what
// the editor believes it shows; so the tests hold for the user's screen, not just for the buffer.
//
// unit-sources: apps/common/lineedit.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/common/lineedit.h"

#define COLUMNS 80

// One row of a VT100 of 80 columns. Writing beyond the last column is a failure: the editor must
// never depend on wrapping.
static struct {
    char row[COLUMNS + 1];
    size_t cursor;
    unsigned bells, bytes, newlines;
    int escape;
} screen;

static void clear_row(size_t from)
{
    memset(screen.row + from, ' ', COLUMNS - from);
    screen.row[COLUMNS] = '\0';
}

static void screen_put(char c)
{
    screen.bytes++;
    if (screen.escape == 1) {
        assert_int_equal(c, '[');
        screen.escape = 2;
    } else if (screen.escape == 2) {
        assert_true(c == 'K' || c == 'H' || c == '2' || c == 'J');
        if (c == 'K')
            clear_row(screen.cursor);
        if (c == 'J')
            clear_row(0);
        screen.escape = c == '2' ? 2 : 0;
    } else if (c == '\033') {
        screen.escape = 1;
    } else if (c == '\r') {
        screen.cursor = 0;
    } else if (c == '\n') {
        screen.newlines++;
        clear_row(0);
    } else if (c == '\b') {
        assert_true(screen.cursor > 0);
        screen.cursor--;
    } else if (c == '\a') {
        screen.bells++;
    } else {
        assert_true(c >= ' ' && c <= '~');
        assert_true(screen.cursor < COLUMNS - 1);
        screen.row[screen.cursor++] = c;
    }
}

static void write_screen(struct line_editor *editor, const char *text, size_t len)
{
    (void)editor;
    for (size_t i = 0; i < len; i++)
        screen_put(text[i]);
}

static struct line_editor editor;

static int setup(void **state)
{
    (void)state;
    memset(&screen, 0, sizeof(screen));
    clear_row(0);
    line_init(&editor, write_screen);
    line_begin(&editor, "r1# ");
    return 0;
}

// The row without trailing blanks.
static const char *row(void)
{
    static char text[COLUMNS + 1];
    size_t len = COLUMNS;
    while (len && screen.row[len - 1] == ' ')
        len--;
    memcpy(text, screen.row, len);
    text[len] = '\0';
    return text;
}

static enum line_event feed(const char *keys)
{
    enum line_event event = LINE_MORE;
    for (; *keys; keys++)
        event = line_feed(&editor, *keys);
    return event;
}

#define UP "\033[A"
#define DOWN "\033[B"
#define RIGHT "\033[C"
#define LEFT "\033[D"

static void test_keys(void **state)
{
    static const struct {
        const char *keys, *text;
        size_t cursor;
    } cases[] = {
        {"show", "show", 4},
        {"shw" LEFT "o", "show", 3},
        {"shw\033ODo", "show", 3},       // cursor keys in application mode
        {"show\x02\x02\x06", "show", 3}, // Ctrl-B, Ctrl-B, Ctrl-F
        {"how\x01s", "show", 1},         // Ctrl-A
        {"how\033[Hs", "show", 1},       // Home, three ways
        {"how\033[1~s", "show", 1},
        {"how\033[7~s", "show", 1},
        {"sho\x01\x05w", "show", 4},   // Ctrl-E
        {"sho\x01\033[Fw", "show", 4}, // End
        {"sho\x01\033[4~w", "show", 4},
        {"sho\x01\033OFw", "show", 4},
        {"showx\x7f", "show", 4}, // Backspace, both codes
        {"showx\x08", "show", 4},
        {"\x7f\x7f", "", 0},
        {"shxow" LEFT LEFT "\x7f", "show", 2},
        {"xshow\x01\033[3~", "show", 0}, // Delete
        {"xshow\x01\x04", "show", 0},    // Ctrl-D with text
        {"show\033[3~", "show", 4},
        {"show ip route" LEFT LEFT "\x0b", "show ip rou", 11}, // Ctrl-K
        {"xx show\x01" RIGHT RIGHT RIGHT "\x15", "show", 0},   // Ctrl-U
        {"show ip  route\x17", "show ip  ", 9},                // Ctrl-W
        {"show ip  \x17", "show ", 5},
        {"show ip route" LEFT LEFT "\x17", "show ip te", 8},
        {"\x17", "", 0},
        {"show\x0c", "show", 4},       // Ctrl-L
        {LEFT "s" RIGHT "h", "sh", 2}, // nowhere to go
        {UP DOWN "s", "s", 1},         // no history
        {"a\033[1;5Cb", "ab", 2},      // modified keys act like plain ones
        {"a\033[15~b", "ab", 2},       // F5: swallowed
        {"a\033[99999999999~b", "ab", 2},
        {"a\033\033[Db", "ba", 1}, // a broken sequence costs itself only
        {"a\033[\x01"
         "b",
         "ba", 1}, // ended by Ctrl-A, which counts
        {"a\xc3\xa9"
         "b",
         "ab", 2},             // beyond ASCII: ignored
        {"a\x16?b", "a?b", 3}, // Ctrl-V quotes
        {"a\x10\x0e"
         "b",
         "ab", 2}, // Ctrl-P, Ctrl-N
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char shown[COLUMNS + 1];
        setup(state);
        assert_int_equal(feed(cases[i].keys), LINE_MORE);
        assert_string_equal(editor.text, cases[i].text);
        assert_int_equal(editor.len, strlen(cases[i].text));
        assert_int_equal(editor.cursor, cases[i].cursor);
        snprintf(shown, sizeof(shown), "r1# %s", cases[i].text);
        while (shown[strlen(shown) - 1] == ' ')
            shown[strlen(shown) - 1] = '\0';
        assert_string_equal(row(), shown);
        assert_int_equal(screen.cursor, 4 + cases[i].cursor);
    }
}

static void test_events(void **state)
{
    assert_int_equal(feed("show\t"), LINE_TAB);
    assert_int_equal(feed("?"), LINE_HELP);
    assert_string_equal(editor.text, "show");
    assert_int_equal(feed("\x03"), LINE_CANCEL);
    assert_int_equal(screen.newlines, 1);
    setup(state);
    assert_int_equal(feed("\x04"), LINE_LEAVE);
    setup(state);
    assert_int_equal(feed("x\x04"), LINE_MORE);
}

// \r, \n and \r\n end one line each; an empty line in between is one.
static void test_line_ends(void **state)
{
    (void)state;
    assert_int_equal(feed("a\r"), LINE_DONE);
    assert_int_equal(feed("\n"), LINE_MORE);
    assert_int_equal(feed("\n"), LINE_DONE);
    assert_int_equal(feed("\n"), LINE_DONE);
    assert_int_equal(feed("\r"), LINE_DONE);
    assert_int_equal(feed("\r"), LINE_DONE);
    line_begin(&editor, "# ");
    assert_int_equal(feed("b\n"), LINE_DONE);
    assert_string_equal(editor.text, "b");
}

static void enter(const char *line)
{
    assert_int_equal(feed(line), LINE_MORE);
    assert_int_equal(feed("\r"), LINE_DONE);
    line_remember(&editor);
    line_begin(&editor, "r1# ");
}

static void test_history(void **state)
{
    (void)state;
    enter("one");
    enter("two");
    enter("two");           // kept once
    line_remember(&editor); // empty: not kept
    feed("thr" UP);
    assert_string_equal(editor.text, "two");
    feed(UP);
    assert_string_equal(editor.text, "one");
    assert_string_equal(row(), "r1# one");
    feed(UP UP); // no further
    assert_string_equal(editor.text, "one");
    feed(DOWN);
    assert_string_equal(editor.text, "two");
    feed(DOWN);
    assert_string_equal(editor.text, "thr"); // what was being typed
    feed(DOWN "ee");
    assert_string_equal(editor.text, "three");
    // An old line can be edited and entered; the history keeps both.
    feed("\x15" UP UP "!");
    assert_int_equal(feed("\r"), LINE_DONE);
    assert_string_equal(editor.text, "one!");
    line_remember(&editor);
    line_begin(&editor, "r1# ");
    feed(UP UP UP);
    assert_string_equal(editor.text, "one");
}

static void test_history_limit(void **state)
{
    (void)state;
    char line[16];
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof(line), "line%d", i);
        enter(line);
    }
    for (int i = 0; i < 50; i++)
        feed(UP);
    assert_string_equal(editor.text, "line8"); // the oldest of 32
}

// Long lines scroll inside the row and end at the limit with a bell.
static void test_long_line(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LINE_TEXT_MAX + 10; i++)
        line_feed(&editor, (char)('a' + i % 26));
    assert_int_equal(editor.len, LINE_TEXT_MAX - 1);
    assert_true(screen.bells > 0);
    assert_int_equal(strncmp(screen.row, "r1# ", 4), 0);
    // The cursor stands behind the last character, which is shown.
    assert_int_equal(screen.row[screen.cursor - 1], editor.text[LINE_TEXT_MAX - 2]);
    feed("\x01");
    assert_int_equal(screen.cursor, 4);
    assert_int_equal(screen.row[4], 'a');
    for (unsigned i = 0; i < LINE_TEXT_MAX + 10; i++)
        feed(RIGHT);
    assert_int_equal(editor.cursor, LINE_TEXT_MAX - 1);
    for (unsigned i = 0; i < LINE_TEXT_MAX; i++)
        feed("\x7f");
    assert_string_equal(row(), "r1#");
}

static void test_long_prompt(void **state)
{
    (void)state;
    char prompt[200];
    memset(prompt, 'p', sizeof(prompt) - 1);
    prompt[sizeof(prompt) - 1] = '\0';
    memset(&screen, 0, sizeof(screen));
    editor.columns = 100; // the screen of this test does not matter here
    editor.write = write_screen;
    assert_true(LINE_PROMPT_MAX - 1 < COLUMNS);
    line_begin(&editor, prompt);
    assert_int_equal(strlen(editor.prompt), LINE_PROMPT_MAX - 1);
}

static void test_insert(void **state)
{
    (void)state;
    feed("sh ip" LEFT LEFT LEFT);
    line_insert(&editor, "ow", 2);
    assert_string_equal(editor.text, "show ip");
    assert_string_equal(row(), "r1# show ip");
    assert_int_equal(editor.cursor, 4);
}

// Typing at the end costs one byte on the line for each.
static void test_echo_is_cheap(void **state)
{
    (void)state;
    unsigned before = screen.bytes;
    feed("show interfaces");
    assert_int_equal(screen.bytes - before, 15);
    before = screen.bytes;
    feed("\x7f");
    assert_int_equal(screen.bytes - before, 3);
}

// Whatever comes, text, cursor and screen agree.
static void test_random_keys(void **state)
{
    (void)state;
    static const char *const keys[] = {UP,     DOWN,   LEFT,          RIGHT,   "\033[H", "\033[3~",
                                       "\x01", "\x05", "\x0b",        "\x15",  "\x17",   "\x0c",
                                       "\x7f", "\033", "[",           "word",  " ",      "\x16",
                                       "\xff", "\xc3", "a b c d e f", "\033O", "0",      "\033[1;"};
    uint64_t random = 1;
    for (int i = 0; i < 200000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned pick = (unsigned)(random >> 33) % (ARRAY_SIZE(keys) + 1);
        if (pick == ARRAY_SIZE(keys)) {
            line_remember(&editor);
            line_feed(&editor, '\n');
            line_begin(&editor, "\rr1# ");
            memcpy(editor.prompt, "r1# ", 5);
        } else {
            feed(keys[pick]);
        }
        assert_true(editor.len < LINE_TEXT_MAX && editor.cursor <= editor.len);
        assert_int_equal(strlen(editor.text), editor.len);
        if (editor.len < 70) {
            assert_int_equal(strncmp(screen.row + 4, editor.text, editor.len), 0);
            assert_int_equal(screen.cursor, 4 + editor.cursor);
            assert_int_equal(strspn(screen.row + 4 + editor.len, " "), COLUMNS - 4 - editor.len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_keys, setup),
        cmocka_unit_test_setup(test_events, setup),
        cmocka_unit_test_setup(test_line_ends, setup),
        cmocka_unit_test_setup(test_history, setup),
        cmocka_unit_test_setup(test_history_limit, setup),
        cmocka_unit_test_setup(test_long_line, setup),
        cmocka_unit_test_setup(test_long_prompt, setup),
        cmocka_unit_test_setup(test_insert, setup),
        cmocka_unit_test_setup(test_echo_is_cheap, setup),
        cmocka_unit_test_setup(test_random_keys, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
