// SPDX-License-Identifier: BSD-2-Clause
//
// The command line: split in place into words, kernel options handed to the linker table
// boot_param, the rest kept for main(). No allocation and no log: it runs before both. What no
// subsystem took is listed for boot.c to report.

#include "core/lib/bootparam.h"

#include <string.h>

#define CMDLINE_MAX 2048
#define WORDS_MAX 64
#define REJECTED_MAX 16

TABLE_DECLARE(struct boot_param, boot_param);

// The build may name the application; a test image that does not is "app".
__attribute__((weak)) const char app_name[] = "app";

// The words of both parts point into the copy, which is never written again after parsing.
static char cmdline_copy[CMDLINE_MAX];
static char app_name_copy[32];
static char *app_argv[WORDS_MAX + 1] = {app_name_copy};
static int app_argc = 1;
static const char *rejected[REJECTED_MAX];
static unsigned rejected_count;

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Cuts the next word off *text, quotes removed in place; NULL at the end.
static char *next_word(char **text)
{
    char *in = *text;
    while (is_blank(*in))
        in++;
    if (!*in)
        return NULL;
    char *word = in, *out = in;
    bool quoted = false;
    for (; *in && (quoted || !is_blank(*in)); in++) {
        if (*in == '"')
            quoted = !quoted;
        else
            *out++ = *in;
    }
    *text = *in ? in + 1 : in;
    *out = '\0';
    return word;
}

// Every subsystem that declares the name gets the value; -ENOENT when there is none.
static int apply_option(const char *name, const char *value)
{
    int result = -ENOENT;
    TABLE_FOREACH (struct boot_param, param, boot_param) {
        if (strcmp(param->name, name) == 0)
            result = param->set(value);
    }
    return result;
}

static void take_option(char *word)
{
    char *equals = strchr(word, '=');
    if (equals)
        *equals = '\0';
    int err = apply_option(word, equals ? equals + 1 : "");
    if (equals)
        *equals = '='; // the word is shown as it was given
    if (err && rejected_count < REJECTED_MAX)
        rejected[rejected_count++] = word;
}

// argv's strings are writable by C's rules (C11 5.1.2.2.1), the name is in rodata: hence a copy.
static void set_app_name(void)
{
    size_t len = MIN(strlen(app_name), sizeof(app_name_copy) - 1);
    memcpy(app_name_copy, app_name, len);
    app_name_copy[len] = '\0';
}

static const char too_long[] = "all behind its 2047th character";

void bootparam_parse(const char *cmdline)
{
    size_t len = strnlen(cmdline, CMDLINE_MAX - 1);
    bool cut = cmdline[len] != '\0';
    while (cut && len && cmdline[len - 1] != ' ')
        len--; // half a word may mean something else than the whole
    memcpy(cmdline_copy, cmdline, len);
    cmdline_copy[len] = '\0';
    app_argc = 1;
    rejected_count = 0;
    if (cut)
        rejected[rejected_count++] = too_long;
    set_app_name();
    // Only the first "--" divides; further ones are the application's.
    bool for_app = false;
    char *text = cmdline_copy, *word;
    while ((word = next_word(&text)) != NULL) {
        if (for_app && app_argc < WORDS_MAX)
            app_argv[app_argc++] = word;
        else if (!for_app && strcmp(word, "--") == 0)
            for_app = true;
        else if (!for_app)
            take_option(word);
    }
    app_argv[app_argc] = NULL;
}

int bootparam_argc(void) { return app_argc; }
char **bootparam_argv(void) { return app_argv; }

const char *bootparam_rejected(unsigned index)
{
    return index < rejected_count ? rejected[index] : NULL;
}
