// SPDX-License-Identifier: BSD-2-Clause
//
// `configure`: a copy of the running configuration is edited line by line, each line checked as it
// is entered, and nothing of it is in force until `commit` applies it whole. Lines that were
// refused make the next `commit` stop once, so that a pasted text with a mistake in it is not
// applied in part (docs/configuration.md).

#include <string.h>

#include "apps/common/command.h"
#include "apps/common/config.h"
#include "core/lib/fmt.h"

struct mode_verb {
    struct verb verb;
    void (*run)(struct command_out *out, const char *rest);
};

// The one editing session; a console is all there is in this version.
static struct {
    struct config *candidate; // NULL: nobody edits
    struct config_parser parser;
    bool changed;     // since the last commit
    unsigned refused; // lines since the last commit
} edit;

struct out_report {
    struct config_report report;
    struct command_out *out;
};

// What is typed has no line number; the line stands right above.
static void emit_to_out(struct config_report *report, enum config_severity severity, unsigned line,
                        const char *text)
{
    (void)line;
    struct command_out *out = container_of(report, struct out_report, report)->out;
    command_print(out, "%s: %s\n", severity == CONFIG_ERROR ? "error" : "warning", text);
}

// The running configuration owns nothing of the candidate, so leaving is freeing.
static void leave(struct command_out *out)
{
    config_free(edit.candidate);
    edit.candidate = NULL;
    command_enter(out, NULL);
}

// ---- Commands of the mode --------------------------------------------------------------------

// The candidate stays as it is, whatever becomes of the copy: after a refusal one goes on editing.
static void run_commit(struct command_out *out, const char *rest)
{
    (void)rest;
    if (edit.refused) {
        command_print(out,
                      "not applied: %u line%s refused; 'commit' again applies the rest, "
                      "'show' prints it\n",
                      edit.refused, edit.refused == 1 ? " was" : "s were");
        edit.refused = 0;
        return;
    }
    struct out_report report = {.report.emit = emit_to_out, .out = out};
    int err = config_finish(edit.candidate, &report.report);
    struct config *copy = err ? NULL : config_copy(edit.candidate);
    if (copy)
        err = config_apply(copy, &report.report);
    else if (!err)
        command_print(out, "error: out of memory\n");
    config_report_end(&report.report);
    if (!copy || err) {
        config_free(copy);
        command_print(out, "not applied: the running configuration is as it was\n");
        return;
    }
    edit.changed = false;
    command_print(out, "applied\n");
}

static void run_abort(struct command_out *out, const char *rest)
{
    (void)rest;
    leave(out);
}

static void print_line(void *arg, const char *line) { command_print(arg, "%s\n", line); }

static void run_do(struct command_out *out, const char *rest) { command_execute(out, rest); }

// With words behind it, it is the `show` of the normal prompt: to look at a table while editing,
// nobody should have to leave or to remember `do`.
static void run_show(struct command_out *out, const char *rest)
{
    char line[LINE_TEXT_MAX + sizeof("show ")];
    fmt_snprint(line, sizeof(line), "show %s", rest);
    if (*rest)
        run_do(out, line);
    else
        config_print(edit.candidate, print_line, out);
}

static const struct mode_verb verbs[] = {
    {{"commit", "", "apply the edited configuration as a whole"}, run_commit},
    {{"abort", "", "leave and forget what was not committed"}, run_abort},
    {{"show", "[WHAT]", "print the edited configuration, or what 'show' prints elsewhere"},
     run_show},
    {{"do", "COMMAND", "run a command of the normal prompt"}, run_do},
};

// ---- Lines -----------------------------------------------------------------------------------

static const struct verb_table *mode_verbs(void)
{
    static struct verb_table table = {verbs, sizeof(verbs[0]), ARRAY_SIZE(verbs), NULL};
    table.next = &config_verbs;
    return &table;
}

// What a line may be that begins with this word, and how many words to skip for that.
static const struct verb_table *line_verbs(const char *first, int *skip)
{
    *skip = strcmp(first, "no") == 0;
    return *skip ? &config_verbs : mode_verbs();
}

// `exit` leaves the block or, outside of one, the mode; `end` leaves the mode.
static void run_exit(struct command_out *out, bool end)
{
    if (edit.parser.block != CONFIG_NO_BLOCK && !end)
        edit.parser.block = CONFIG_NO_BLOCK;
    else if (edit.changed)
        command_print(out, "there are uncommitted changes: 'commit' or 'abort' first\n");
    else
        leave(out);
}

// A line that was accepted counts as a change, even if it said what was there already: asking once
// too often before leaving is better than losing a line.
static void run_config_line(struct command_out *out, const char *line)
{
    struct out_report report = {.report.emit = emit_to_out, .out = out};
    edit.parser.report = &report.report;
    int err = config_parse_line(&edit.parser, line, strlen(line));
    if (err == -ENOMEM)
        command_print(out, "error: out of memory\n");
    edit.parser.report = NULL;
    edit.refused += err != 0;
    edit.changed |= !err;
}

static void run_verb(struct command_out *out, const struct verb_match *match,
                     const struct words *words, const char *line)
{
    const struct verb *verb = match->verb;
    bool no = strcmp(words->argv[0], "no") == 0;
    if (verb_is_of(mode_verbs(), verb) && !no) {
        const char *rest = words->argc > match->words ? line + words->offset[match->words] : "";
        container_of(verb, struct mode_verb, verb)->run(out, rest);
    } else if (!no && (strcmp(verb->path, "exit") == 0 || strcmp(verb->path, "end") == 0)) {
        run_exit(out, verb->path[1] == 'n');
    } else {
        run_config_line(out, line);
    }
}

// The mode and the parser see the same words, but the mode matches first, against its own verbs and
// the configuration together: "sh" is ambiguous here, even though only one of them is a line.
static void mode_line(struct command_out *out, const char *line)
{
    struct words words;
    if (words_split(&words, line, strlen(line))) {
        command_print(out, "error: line too long\n");
        edit.refused++;
        return;
    }
    if (!words.argc || words.argv[0][0] == '!' || words.argv[0][0] == '#') {
        bool changed = edit.changed;
        run_config_line(out, line); // comments; `!` ends a block
        edit.changed = changed;
        return;
    }
    int skip;
    const struct verb_table *table = line_verbs(words.argv[0], &skip);
    struct verb_match match;
    enum verb_result result = verb_find(table, words.argc - skip, words.argv + skip, &match);
    if (result == VERB_FOUND) {
        run_verb(out, &match, &words, line);
        return;
    }
    command_print(out, "error: ");
    command_complain(out, result, &match, words.argv + skip);
    edit.refused++;
}

static const char *mode_prompt(void)
{
    return edit.parser.block == CONFIG_NO_BLOCK ? "(config)" : "(config-if)";
}

static const struct verb_table *mode_help(int argc, char *const *argv, int *skip)
{
    *skip = argc && strcmp(argv[0], "do") == 0;
    if (*skip || (argc && strcmp(argv[0], "show") == 0))
        return command_verbs();
    return line_verbs(argc ? argv[0] : "", skip);
}

static const struct command_mode config_mode = {
    .prompt = mode_prompt, .line = mode_line, .leave = "exit", .verbs = mode_help};

static int configure(struct command_out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (edit.candidate) {
        command_print(out, "somebody is configuring already\n");
        return -EBUSY;
    }
    edit.candidate = config_copy_running();
    if (!edit.candidate) {
        command_print(out, "out of memory\n");
        return -ENOMEM;
    }
    edit.parser = (struct config_parser){
        .config = edit.candidate, .block = CONFIG_NO_BLOCK, .interactive = true};
    edit.changed = false;
    edit.refused = 0;
    command_enter(out, &config_mode);
    return 0;
}
CONSOLE_COMMAND(configure_command, "configure", "", "edit the configuration", configure);
CONSOLE_COMMAND(configure_terminal_command, "configure terminal", "", "the same", configure);

static int show_running(struct command_out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    // Of a copy: a slow terminal must not hold up changes.
    struct config *config = config_copy_running();
    if (!config) {
        command_print(out, "out of memory\n");
        return -ENOMEM;
    }
    config_print(config, print_line, out);
    config_free(config);
    return 0;
}
CONSOLE_COMMAND(show_running_command, "show running-config", "", "configuration in force",
                show_running);
