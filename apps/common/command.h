// SPDX-License-Identifier: BSD-2-Clause
//
// Console commands: one linker table to which every subsystem's front end adds its own. A command
// is a path of words ("show ip route"), matched by unambiguous prefixes; `?` lists what may
// follow. Handlers print through struct command_out, so that the same command serves the console
// and, later, a TCP session.

#pragma once

#include "apps/common/verb.h"

// Where output goes and what the user may do meanwhile. Handlers use the functions below.
struct command_mode;
struct command_out {
    void (*write)(struct command_out *out, const char *text, size_t len);
    // Waits; true when the user asked to stop (Ctrl-C). NULL: nobody can ask.
    bool (*wait)(struct command_out *out, uint64_t ns);
    const struct command_mode *mode; // NULL: commands of the table; see command_enter()
};

// One piece of output, at most 511 characters; lines end with "\n".
void command_print(struct command_out *out, const char *fmt, ...) __printf_like(2, 3);
// For handlers that take long: sleeps for `ns` (0: only looks); true when they should end.
bool command_wait(struct command_out *out, uint64_t ns);

#define COMMAND_USAGE 1

struct command {
    struct verb verb;
    // argv: the words after the path, argv[argc] is NULL. 0, a negative errno after it has printed
    // the reason, or COMMAND_USAGE to have the command's form printed.
    int (*run)(struct command_out *out, int argc, char **argv);
};
#define CONSOLE_COMMAND(id, path_, args_, help_, run_)              \
    static const struct command id TABLE_ENTRY(console_command) = { \
        .verb = {.path = path_, .args = args_, .help = help_}, .run = run_}

// Runs one line as a command of the table, whatever the mode. Thread context. 0, -EINVAL (no such
// command or wrong arguments, said so), -E2BIG, or what the command returned.
int command_execute(struct command_out *out, const char *line);
const struct verb_table *command_verbs(void); // the whole table

// A mode takes over the lines of a session, as `configure` does.
struct command_mode {
    const char *(*prompt)(void); // what stands between host name and "# "
    void (*line)(struct command_out *out, const char *line);
    const char *leave; // the line that Ctrl-D on an empty line stands for
    // What a line that begins with these words is matched against, and how many words come
    // before that (`no`).
    const struct verb_table *(*verbs)(int argc, char *const *argv, int *skip);
};
void command_enter(struct command_out *out, const struct command_mode *mode); // NULL: back

// Says why verb_find() did not find the words.
void command_complain(struct command_out *out, enum verb_result result,
                      const struct verb_match *match, char *const *argv);

// The session's next line, in its mode.
void command_line(struct command_out *out, const char *line);
// Lists, on new lines, what may follow the text before the cursor.
void command_help(struct command_out *out, const char *text, size_t len);
// What can be added to the text at its end, into buf (NUL-terminated): the rest of the word and a
// blank, or as much as all candidates share; how long it is. 0 when there is nothing: if several
// candidates are left, they were listed.
size_t command_complete(struct command_out *out, const char *text, size_t len, char *buf,
                        size_t size);

// The interactive prompt on the serial console; a thread of its own. -ENOMEM.
int console_start(void);
