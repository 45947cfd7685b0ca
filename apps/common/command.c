// SPDX-License-Identifier: BSD-2-Clause
//
// Running command lines, and what a session asks about them: help and completion (contract in
// command.h). All of it works on the linker table console_command and on struct verb.

#include "apps/common/command.h"

#include <string.h>

#include "core/lib/fmt.h"
#include "core/sched/thread.h"
#include "net/port.h"

TABLE_DECLARE(struct command, console_command);

void command_print(struct command_out *out, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int len = fmt_vsnprint(text, sizeof(text), fmt, args);
    va_end(args);
    out->write(out, text, MIN((size_t)len, sizeof(text) - 1));
}

// A session without a user at its other end, such as a test, can only sleep.
bool command_wait(struct command_out *out, uint64_t ns)
{
    if (out->wait)
        return out->wait(out, ns);
    if (ns)
        thread_sleep_ns(ns);
    return false;
}

// The linker knows where the table ends, the compiler does not, so this cannot be a constant.
const struct verb_table *command_verbs(void)
{
    static struct verb_table table;
    table = (struct verb_table){
        __start_table_console_command, sizeof(struct command),
        (size_t)(__stop_table_console_command - __start_table_console_command), NULL};
    return &table;
}

void command_complain(struct command_out *out, enum verb_result result,
                      const struct verb_match *match, char *const *argv)
{
    switch (result) {
    case VERB_UNKNOWN:
        command_print(out, "unknown word '%s'\n", argv[match->at]);
        break;
    case VERB_AMBIGUOUS:
        command_print(out, "'%s' is ambiguous\n", argv[match->at]);
        break;
    case VERB_EXTRA:
        command_print(out, "unexpected '%s' after '%s'\n", argv[match->at], match->verb->path);
        break;
    default:
        command_print(out, "incomplete command ('?' shows what may follow)\n");
    }
}

// The words are cut in place and belong to this call: a handler may change its argv.
static int run_words(struct command_out *out, struct words *words)
{
    struct verb_match match;
    enum verb_result result = verb_find(command_verbs(), words->argc, words->argv, &match);
    if (result != VERB_FOUND) {
        command_complain(out, result, &match, words->argv);
        return -EINVAL;
    }
    const struct command *command = container_of(match.verb, struct command, verb);
    int err = command->run(out, words->argc - match.words, words->argv + match.words);
    if (err != COMMAND_USAGE)
        return err;
    command_print(out, "usage: %s %s\n", match.verb->path, match.verb->args);
    return -EINVAL;
}

int command_execute(struct command_out *out, const char *line)
{
    struct words words;
    int err = words_split(&words, line, strlen(line));
    if (err) {
        command_print(out, "line too long\n");
        return err;
    }
    if (!words.argc || words.argv[0][0] == '!' || words.argv[0][0] == '#')
        return 0; // comments come along with pasted text
    return run_words(out, &words);
}

void command_enter(struct command_out *out, const struct command_mode *mode) { out->mode = mode; }

void command_line(struct command_out *out, const char *line)
{
    if (out->mode)
        out->mode->line(out, line);
    else
        command_execute(out, line);
}

// ---- What may follow -------------------------------------------------------------------------

// The text before the cursor: whole words, and the one that the cursor is in ("" after a blank).
struct beginning {
    const struct verb_table *verbs;
    struct words words;
    int argc; // whole words that verbs are matched against
    char *const *argv;
    const char *partial;
};

static int begin(const struct command_out *out, const char *text, size_t len,
                 struct beginning *beginning)
{
    struct words *words = &beginning->words;
    int err = words_split(words, text, len);
    if (err)
        return err;
    bool inside = len && words->argc && text[len - 1] != ' ' && text[len - 1] != '\t';
    int whole = words->argc - inside, skip = 0;
    beginning->partial = inside ? words->argv[whole] : "";
    beginning->verbs = out->mode ? out->mode->verbs(whole, words->argv, &skip) : command_verbs();
    beginning->argc = whole - skip;
    beginning->argv = words->argv + skip;
    return 0;
}

// One line of help: what is left to type, then what it does. A form too long for its column
// pushes the text to the right rather than losing its end.
static void list_verb(const struct verb *verb, const char *rest, void *arg)
{
    char form[80];
    const char *blank = *rest && *verb->args ? " " : "";
    const char *args = *rest || *verb->args ? verb->args : "<Enter>";
    fmt_snprint(form, sizeof(form), "%s%s%s", rest, blank, args);
    command_print(arg, "  %-34s %s\n", form, verb->help);
}

void command_help(struct command_out *out, const char *text, size_t len)
{
    struct beginning beginning;
    command_print(out, "\n");
    if (begin(out, text, len, &beginning) == 0)
        verb_candidates(beginning.verbs, beginning.argc, beginning.argv, beginning.partial,
                        list_verb, out);
}

// ---- Completion ------------------------------------------------------------------------------

struct completion {
    const struct beginning *beginning;
    char word[LINE_TEXT_MAX]; // what all candidates begin with
    size_t len;
    bool any, many;
};

// Narrows what all candidates share by one more of them. Several candidates that read the same are
// one (`show interfaces` and `show interfaces brief` both offer "interfaces").
static void consider(struct completion *completion, const char *word, size_t len)
{
    if (len >= sizeof(completion->word) ||
        strncmp(word, completion->beginning->partial,
                MIN(len, strlen(completion->beginning->partial))) != 0 ||
        len < strlen(completion->beginning->partial))
        return;
    size_t same = 0;
    while (same < len && same < completion->len && word[same] == completion->word[same])
        same++;
    if (!completion->any) {
        memcpy(completion->word, word, len);
        same = len;
    } else if (same != len || same != completion->len) {
        completion->many = true;
    }
    completion->any = true;
    completion->len = same;
}

// Argument number `index` of a verb's args: the names of ports for PORT, and literal words, which
// are those in small letters.
static void consider_args(struct completion *completion, const char *args, int index)
{
    for (; index > 0 && (args = strchr(args, ' ')); index--)
        args++;
    if (!args)
        return;
    if (strncmp(args, "PORT", 4) == 0 || strncmp(args, "[PORT", 5) == 0) {
        for (unsigned i = 0; i < port_count(); i++)
            consider(completion, port_get(i)->name, strlen(port_get(i)->name));
        return;
    }
    while (*args && *args != ' ') {
        size_t len = 0;
        while (args[len] >= 'a' && args[len] <= 'z')
            len++;
        bool whole = len && (!args[len] || strchr(" |]", args[len]));
        if (whole)
            consider(completion, args, len);
        while (args[len] && !strchr(" |[", args[len]))
            len++;
        args += len;
        if (*args == '|' || *args == '[')
            args++;
    }
}

// A verb offers its next word, or else the argument that is due after the words typed so far.
static void consider_verb(const struct verb *verb, const char *rest, void *arg)
{
    struct completion *completion = arg;
    const struct beginning *beginning = completion->beginning;
    if (*rest) {
        const char *end = strchr(rest, ' ');
        consider(completion, rest, end ? (size_t)(end - rest) : strlen(rest));
        return;
    }
    struct verb_match match;
    if (verb_find(beginning->verbs, beginning->argc, beginning->argv, &match) == VERB_FOUND)
        consider_args(completion, verb->args, beginning->argc - match.words);
}

size_t command_complete(struct command_out *out, const char *text, size_t len, char *buf,
                        size_t size)
{
    struct beginning beginning;
    struct completion completion = {.beginning = &beginning};
    if (begin(out, text, len, &beginning))
        return 0;
    verb_candidates(beginning.verbs, beginning.argc, beginning.argv, beginning.partial,
                    consider_verb, &completion);
    size_t have = strlen(beginning.partial);
    if (!completion.any)
        return 0;
    if (completion.many && completion.len == have) {
        command_help(out, text, len);
        return 0;
    }
    int added = fmt_snprint(buf, size, "%.*s%s", (int)(completion.len - have),
                            completion.word + have, completion.many ? "" : " ");
    return MIN((size_t)added, size - 1);
}
