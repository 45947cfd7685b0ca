// SPDX-License-Identifier: BSD-2-Clause
//
// Matching of words against a table of verbs (contract in verb.h). The verbs that fit the words
// so far all share the same full words, so the set is described by one of them and a length.

#include "apps/common/verb.h"

#include <string.h>

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

int words_split(struct words *words, const char *line, size_t len)
{
    if (len >= sizeof(words->text))
        return -E2BIG;
    memcpy(words->text, line, len);
    words->text[len] = '\0';
    words->argc = 0;
    for (size_t i = 0; i < len;) {
        while (i < len && is_blank(line[i]))
            words->text[i++] = '\0';
        if (i == len)
            break;
        words->offset[words->argc] = (uint16_t)i;
        words->argv[words->argc++] = words->text + i;
        while (i < len && !is_blank(line[i]))
            i++;
    }
    words->argv[words->argc] = NULL;
    return 0;
}

// The index-th verb of a table and those behind it; NULL past the end.
static const struct verb *verb_at(const struct verb_table *table, size_t index)
{
    for (; table; table = table->next) {
        if (index < table->count)
            return (const struct verb *)((const char *)table->first + index * table->stride);
        index -= table->count;
    }
    return NULL;
}

bool verb_is_of(const struct verb_table *table, const struct verb *verb)
{
    uintptr_t offset = (uintptr_t)verb - (uintptr_t)table->first;
    return offset < table->stride * table->count;
}

// The index-th word of a path and its length; NULL past the end.
static const char *path_word(const char *path, int index, size_t *len)
{
    while (index-- > 0) {
        path = strchr(path, ' ');
        if (!path)
            return NULL;
        path++;
    }
    const char *end = strchr(path, ' ');
    *len = end ? (size_t)(end - path) : strlen(path);
    return *len ? path : NULL;
}

enum fit { FIT_NONE, FIT_PREFIX, FIT_WHOLE };

// Case counts: all our words are in small letters, and names of ports and hosts are not ours.
static enum fit word_fit(const char *typed, const char *word, size_t word_len)
{
    size_t len = strlen(typed);
    if (len > word_len || strncmp(typed, word, len) != 0)
        return FIT_NONE;
    return len == word_len ? FIT_WHOLE : FIT_PREFIX;
}

// The verbs that begin with the first `words` words of model's path. No words: all verbs.
struct verb_set {
    const char *model;
    int words;
};

// Compares word by word, since the verbs of a set need not be neighbours in the table.
static bool set_has(const struct verb_set *set, const char *path)
{
    for (int i = 0; i < set->words; i++) {
        size_t len, model_len;
        const char *word = path_word(path, i, &len);
        const char *model = path_word(set->model, i, &model_len);
        if (!word || len != model_len || strncmp(word, model, len) != 0)
            return false;
    }
    return true;
}

// The verb whose path is exactly the set's words.
static const struct verb *set_exact(const struct verb_table *table, const struct verb_set *set)
{
    const struct verb *verb;
    size_t len;
    for (size_t i = 0; set->words && (verb = verb_at(table, i)); i++) {
        if (set_has(set, verb->path) && !path_word(verb->path, set->words, &len))
            return verb;
    }
    return NULL;
}

// Narrows the set by one more typed word. VERB_FOUND, VERB_UNKNOWN or VERB_AMBIGUOUS.
static enum verb_result set_narrow(const struct verb_table *table, struct verb_set *set,
                                   const char *typed)
{
    const char *found = NULL, *found_path = NULL;
    size_t found_len = 0;
    bool ambiguous = false;
    const struct verb *verb;
    for (size_t i = 0; (verb = verb_at(table, i)); i++) {
        const char *path = verb->path;
        size_t len = 0;
        const char *word = set_has(set, path) ? path_word(path, set->words, &len) : NULL;
        enum fit fit = word ? word_fit(typed, word, len) : FIT_NONE;
        if (fit == FIT_NONE)
            continue;
        if (fit == FIT_WHOLE) {
            *set = (struct verb_set){path, set->words + 1};
            return VERB_FOUND;
        }
        if (found && (len != found_len || strncmp(word, found, len) != 0))
            ambiguous = true;
        found = word;
        found_path = path;
        found_len = len;
    }
    if (ambiguous || !found)
        return ambiguous ? VERB_AMBIGUOUS : VERB_UNKNOWN;
    *set = (struct verb_set){found_path, set->words + 1};
    return VERB_FOUND;
}

// Takes as many words as lead somewhere. Those after the longest complete path are its arguments,
// even where they look like the beginning of a longer path that then fails.
enum verb_result verb_find(const struct verb_table *table, int argc, char *const *argv,
                           struct verb_match *match)
{
    struct verb_set set = {NULL, 0};
    enum verb_result result = VERB_INCOMPLETE;
    *match = (struct verb_match){NULL, 0, 0};
    for (int i = 0; i < argc; i++) {
        result = set_narrow(table, &set, argv[i]);
        match->at = i;
        if (result != VERB_FOUND)
            break;
        const struct verb *verb = set_exact(table, &set);
        if (verb) {
            match->verb = verb;
            match->words = i + 1;
        }
    }
    if (result == VERB_AMBIGUOUS)
        return VERB_AMBIGUOUS;
    if (!match->verb || (result == VERB_FOUND && match->words < argc))
        return result == VERB_UNKNOWN ? VERB_UNKNOWN : VERB_INCOMPLETE;
    match->at = match->words;
    return match->words < argc && !*match->verb->args ? VERB_EXTRA : VERB_FOUND;
}

// A total order, also over equal paths of two tables, so that a walk visits each verb once.
static int path_compare(const struct verb *a, const struct verb *b)
{
    int order = strcmp(a->path, b->path);
    return order ? order : (a > b) - (a < b);
}

// The rest of a verb's path after the set's words, if it is a candidate; NULL if not.
static const char *candidate_rest(const struct verb_set *set, const struct verb *verb,
                                  const char *partial)
{
    if (!set_has(set, verb->path))
        return NULL;
    size_t len;
    const char *rest = path_word(verb->path, set->words, &len);
    if (rest)
        return word_fit(partial, rest, len) == FIT_NONE ? NULL : rest;
    return set->words ? "" : NULL;
}

void verb_candidates(const struct verb_table *table, int argc, char *const *argv,
                     const char *partial, verb_visit_t visit, void *arg)
{
    struct verb_set set = {NULL, 0};
    struct verb_match match;
    for (int i = 0; i < argc; i++) {
        if (set_narrow(table, &set, argv[i]) == VERB_FOUND)
            continue;
        // Words past a path are arguments of the verb they belong to, if there is one.
        if (verb_find(table, argc, argv, &match) == VERB_FOUND)
            visit(match.verb, "", arg);
        return;
    }
    // Selection in order of paths: the tables are short and this runs at a key press.
    for (const struct verb *last = NULL;;) {
        const struct verb *verb, *next = NULL;
        for (size_t i = 0; (verb = verb_at(table, i)); i++) {
            if (candidate_rest(&set, verb, partial) && (!last || path_compare(verb, last) > 0) &&
                (!next || path_compare(verb, next) < 0))
                next = verb;
        }
        if (!next)
            return;
        visit(next, candidate_rest(&set, next, partial), arg);
        last = next;
    }
}
