// SPDX-License-Identifier: BSD-2-Clause
//
// The prompt on the serial console: a thread that reads bytes, has the line editor make lines of
// them, and runs each in the session's mode. What is typed while a command runs is kept for the
// next line; Ctrl-C meanwhile asks the command to end.

#include "apps/common/command.h"
#include "apps/common/config.h"
#include "apps/common/lineedit.h"
#include "core/debug/log.h"
#include "core/lib/fmt.h"
#include "core/posix/console_file.h"
#include "core/sched/thread.h"
#include "core/time/clock.h"

#include <string.h>

#define CTRL_C 3
#define AHEAD_MAX 512 // bytes typed ahead

static struct {
    struct command_out out;
    struct line_editor editor;
    char ahead[AHEAD_MAX]; // input not yet fed to the editor
    size_t ahead_len, ahead_at;
} session;

// Output needs no lock of its own: console_write() keeps lines of the log and ours apart.
static void write_out(struct command_out *out, const char *text, size_t len)
{
    (void)out;
    console_write(text, len);
}

static void write_echo(struct line_editor *editor, const char *text, size_t len)
{
    (void)editor;
    console_write(text, len);
}

// Appends what comes until the deadline (0: none) to the input. False: nothing came.
static bool read_ahead(uint64_t deadline_ns)
{
    if (session.ahead_at) {
        session.ahead_len -= session.ahead_at;
        memmove(session.ahead, session.ahead + session.ahead_at, session.ahead_len);
        session.ahead_at = 0;
    }
    size_t n =
        console_read(session.ahead + session.ahead_len, AHEAD_MAX - session.ahead_len, deadline_ns);
    session.ahead_len += n;
    return n != 0;
}

// Throws away all up to a Ctrl-C; false if there is none.
static bool take_interrupt(void)
{
    const char *found =
        memchr(session.ahead + session.ahead_at, CTRL_C, session.ahead_len - session.ahead_at);
    if (!found)
        return false;
    session.ahead_at = (size_t)(found + 1 - session.ahead);
    console_write("^C\n", 3);
    return true;
}

// Runs in the console thread, called by a command through command_wait().
static bool wait_for_interrupt(struct command_out *out, uint64_t ns)
{
    (void)out;
    uint64_t deadline = clock_monotonic_ns() + ns;
    for (;;) {
        if (take_interrupt())
            return true;
        if (session.ahead_len - session.ahead_at == AHEAD_MAX)
            session.ahead_len = session.ahead_at = 0; // unread and no Ctrl-C in it: make room
        if (!read_ahead(deadline) || clock_monotonic_ns() >= deadline)
            return take_interrupt();
    }
}

// The host name may have changed with the last line, so it is asked for each time.
static void show_prompt(void)
{
    char host[CONFIG_HOSTNAME_MAX], prompt[LINE_PROMPT_MAX];
    config_running_hostname(host);
    const struct command_mode *mode = session.out.mode;
    fmt_snprint(prompt, sizeof(prompt), "%s%s# ", host, mode ? mode->prompt() : "");
    line_begin(&session.editor, prompt);
}

static void complete(void)
{
    struct line_editor *editor = &session.editor;
    char more[LINE_TEXT_MAX];
    size_t len = command_complete(&session.out, editor->text, editor->cursor, more, sizeof(more));
    if (len)
        line_insert(editor, more, len);
    else
        line_redraw(editor);
}

static void run_line(const char *line)
{
    command_line(&session.out, line);
    show_prompt();
}

static void handle(char c)
{
    struct line_editor *editor = &session.editor;
    switch (line_feed(editor, c)) {
    case LINE_DONE:
        line_remember(editor);
        run_line(editor->text);
        break;
    case LINE_CANCEL:
        show_prompt();
        break;
    case LINE_LEAVE:
        run_line(session.out.mode ? session.out.mode->leave : "");
        break;
    case LINE_TAB:
        complete();
        break;
    case LINE_HELP:
        command_help(&session.out, editor->text, editor->cursor);
        line_redraw(editor);
        break;
    default:
        break;
    }
}

static int console_thread(void *arg)
{
    (void)arg;
    show_prompt();
    while (session.ahead_at < session.ahead_len || read_ahead(0))
        handle(session.ahead[session.ahead_at++]);
    log_warn("console: no input device");
    return 0;
}

// A machine without a serial port keeps running; the thread ends at its first read.
int console_start(void)
{
    struct thread *thread;
    session.out = (struct command_out){.write = write_out, .wait = wait_for_interrupt};
    line_init(&session.editor, write_echo);
    return thread_create(&thread, console_thread, NULL,
                         &(struct thread_options){.name = "console", .detached = true});
}
