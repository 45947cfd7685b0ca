// SPDX-License-Identifier: BSD-2-Clause
//
// Configuration text, line by line: comments, blocks, `no`, and the search for the rule that a
// line follows (grammar in docs/configuration.md). Time is linear in the length of the text. The
// text is foreign: any bytes, any length.

#include <string.h>

#include "apps/common/config_rules.h"
#include "core/lib/fmt.h"

int config_wrong(struct config_line *line, const char *fmt, ...)
{
    char text[200];
    va_list args;
    va_start(args, fmt);
    fmt_vsnprint(text, sizeof(text), fmt, args);
    va_end(args);
    config_complain(line->parser->report, CONFIG_ERROR, line->parser->line, "%s", text);
    return -EINVAL;
}

// Why no rule was found; argv is without `no`.
static int complain_match(struct config_line *line, enum verb_result result,
                          const struct verb_match *match, char *const *argv)
{
    switch (result) {
    case VERB_UNKNOWN:
        if (match->at == 0)
            return config_wrong(line, "unknown command '%.40s'", argv[0]);
        return config_wrong(line, "unknown word '%.40s' after '%.40s'", argv[match->at],
                            argv[match->at - 1]);
    case VERB_AMBIGUOUS:
        return config_wrong(line, "'%.40s' is ambiguous", argv[match->at]);
    case VERB_EXTRA:
        return config_wrong(line, "unexpected '%.40s' after '%s'", argv[match->at],
                            match->verb->path);
    default:
        return config_wrong(line, "incomplete command");
    }
}

// What a handler may rely on: the form exists, the block is right, the number of words fits.
static int check_form(struct config_line *line, const struct config_rule *rule)
{
    const struct verb *verb = &rule->verb;
    struct config_parser *parser = line->parser;
    if (line->no && rule->no_min_args < 0)
        return config_wrong(line, "'%s' has no 'no' form", verb->path);
    if (line->no && !parser->interactive && !rule->no_in_text)
        return config_wrong(line, "'no %s' is for configure mode; leave the line out here",
                            verb->path);
    if (rule->block && parser->block == CONFIG_NO_BLOCK)
        return config_wrong(line, "'%s' belongs into an 'interface' block", verb->path);
    int least = line->no ? rule->no_min_args : rule->min_args;
    if (line->argc < least || (rule->max_args != CONFIG_ANY_ARGS && line->argc > rule->max_args))
        return config_wrong(line, "expected '%s%s%s%s'", line->no ? "no " : "", verb->path,
                            *verb->args ? " " : "", verb->args);
    return 0;
}

static int run_rule(struct config_line *line, const struct config_rule *rule)
{
    int err = check_form(line, rule);
    if (err)
        return err;
    // A line that is not of the block's kind ends the block, as in vtysh.
    int block = line->parser->block;
    if (!rule->block)
        line->parser->block = CONFIG_NO_BLOCK;
    err = rule->set(line);
    if (err == -ENOSPC)
        err = config_wrong(line, "too many '%s' lines", rule->verb.path);
    if (err && line->parser->interactive)
        line->parser->block = block; // a mistyped line does not throw the user out
    return err;
}

// From here on a line has at least one word.
static int parse_words(struct config_parser *parser, struct words *words, const char *text)
{
    struct config_line line = {.parser = parser};
    line.no = strcmp(words->argv[0], "no") == 0;
    char *const *argv = words->argv + line.no;
    struct verb_match match;
    enum verb_result result = verb_find(&config_verbs, words->argc - line.no, argv, &match);
    if (result != VERB_FOUND)
        return complain_match(&line, result, &match, argv);
    line.argc = words->argc - line.no - match.words;
    line.argv = argv + match.words;
    line.rest = line.argc ? text + words->offset[line.no + match.words] : "";
    return run_rule(&line, container_of(match.verb, struct config_rule, verb));
}

// The first byte that is neither printable ASCII nor a blank; -1 without one.
static int strange_byte(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((text[i] < ' ' && text[i] != '\t') || text[i] > '~')
            return (uint8_t)text[i];
    }
    return -1;
}

// Comments end here, before any check: they may be long and say what they like in any encoding.
int config_parse_line(struct config_parser *parser, const char *text, size_t len)
{
    struct config_line line = {.parser = parser};
    while (len && (text[len - 1] == '\r' || text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    while (len && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    if (!len || *text == '#')
        return 0;
    if (*text == '!') {
        parser->block = CONFIG_NO_BLOCK;
        return 0;
    }
    if (len >= LINE_TEXT_MAX)
        return config_wrong(&line, "line longer than %d characters", LINE_TEXT_MAX - 1);
    int strange = strange_byte(text, len);
    if (strange >= 0)
        return config_wrong(&line, "byte 0x%02x is not printable ASCII", (unsigned)strange);
    char copy[LINE_TEXT_MAX];
    memcpy(copy, text, len);
    copy[len] = '\0';
    struct words words;
    words_split(&words, copy, len);
    return parse_words(parser, &words, copy);
}

// Every line, whatever the ones before it were. Only -ENOMEM ends it early.
static int parse_lines(struct config_parser *parser, const char *text, size_t len)
{
    while (len) {
        const char *end = memchr(text, '\n', len);
        size_t line_len = end ? (size_t)(end - text) : len;
        parser->line++;
        if (config_parse_line(parser, text, line_len) == -ENOMEM)
            return -ENOMEM;
        line_len += end != NULL;
        text += line_len;
        len -= line_len;
    }
    return 0;
}

static int parse_text(struct config *config, const char *text, size_t len,
                      struct config_report *report)
{
    if (len > CONFIG_TEXT_MAX) {
        config_complain(report, CONFIG_ERROR, 0, "text of %zu bytes is longer than %zu", len,
                        (size_t)CONFIG_TEXT_MAX);
        return -E2BIG;
    }
    struct config_parser parser = {.config = config, .report = report, .block = CONFIG_NO_BLOCK};
    int err = parse_lines(&parser, text, len);
    if (err)
        return err;
    config_finish(config, report);
    return report->count[CONFIG_ERROR] ? -EINVAL : 0;
}

// The checks of the whole run even after wrong lines, so that one look at the report is enough to
// repair a text.
struct config *config_parse(const char *text, size_t len, struct config_report *report, int *err)
{
    struct config *config = config_new();
    *err = config ? parse_text(config, text, len, report) : -ENOMEM;
    if (*err == -ENOMEM)
        config_complain(report, CONFIG_ERROR, 0, "out of memory");
    config_report_end(report);
    if (!*err)
        return config;
    config_free(config);
    return NULL;
}
