// SPDX-License-Identifier: BSD-2-Clause
//
// Words of a line and the verbs they may begin with. A verb is a path of words ("show ip route")
// in a table; each word may be shortened as long as it is unambiguous, and a whole word wins over
// longer ones that begin with it. The same matcher serves console commands and configuration
// lines, and answers what may follow for completion and help. No allocation, no state.

#pragma once

#include "core/lib/types.h"

#define LINE_TEXT_MAX 256 // bytes of a line, its terminator included
#define LINE_WORDS_MAX 128

struct verb {
    const char *path; // words separated by one blank
    const char *args; // what follows, for help; "" when nothing may
    const char *help; // one line
};

// A table of structures whose first member is a struct verb. `next` adds another table.
struct verb_table {
    const void *first;
    size_t stride, count;
    const struct verb_table *next;
};
// Is the verb of this very table (not of those behind it)?
bool verb_is_of(const struct verb_table *table, const struct verb *verb);

// A line split at blanks. `text` is the copy that argv points into; offset[i] is where word i
// starts in the original, for those who want the rest of the line as it was typed.
struct words {
    int argc;
    char *argv[LINE_WORDS_MAX + 1]; // NULL at the end
    uint16_t offset[LINE_WORDS_MAX];
    char text[LINE_TEXT_MAX];
};
// -E2BIG: longer than LINE_TEXT_MAX - 1.
int words_split(struct words *words, const char *line, size_t len);

enum verb_result {
    VERB_FOUND,
    VERB_UNKNOWN,    // word `at` fits nothing
    VERB_AMBIGUOUS,  // word `at` fits several
    VERB_INCOMPLETE, // more words must follow
    VERB_EXTRA,      // the verb takes nothing, but word `at` follows
};
struct verb_match {
    const struct verb *verb; // with VERB_FOUND and VERB_EXTRA
    int words;               // how many words its path took
    int at;
};
enum verb_result verb_find(const struct verb_table *table, int argc, char *const *argv,
                           struct verb_match *match);

// Visits each verb that the words argv[0..argc) can begin and whose next word begins with
// `partial` (may be ""), in order of their paths. `rest` is its path from that next word on; for a
// verb whose path is complete already it is "", and only its arguments follow.
typedef void (*verb_visit_t)(const struct verb *verb, const char *rest, void *arg);
void verb_candidates(const struct verb_table *table, int argc, char *const *argv,
                     const char *partial, verb_visit_t visit, void *arg);
