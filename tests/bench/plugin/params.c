// SPDX-License-Identifier: BSD-2-Clause
//
// Reader of the plugin's parameter file (format: params.h), and look-ups in what it holds.
// Look-ups happen when code is translated, not when it runs, so that short lists are walked.

#include "params.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int pc_list_add(struct pc_list *list, uint64_t pc)
{
    uint64_t *grown = realloc(list->pc, (list->count + 1) * sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    grown[list->count++] = pc;
    list->pc = grown;
    return 0;
}

static int pc_list_find(const struct pc_list *list, uint64_t pc)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->pc[i] == pc)
            return (int)i;
    }
    return -ENOENT;
}

// Ranges come sorted (params_func relies on it); the capacity doubles at each power of two.
static int func_add(struct params *params, uint64_t start, uint64_t end)
{
    size_t count = params->func_count;

    if (end <= start || (count && params->funcs[count - 1].end > start))
        return -EINVAL;
    if ((count & (count - 1)) == 0) {
        size_t capacity = count ? count * 2 : 1;
        struct func_range *grown = realloc(params->funcs, capacity * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        params->funcs = grown;
    }
    params->funcs[params->func_count++] = (struct func_range){start, end};
    return 0;
}

// Items of one address.
static int read_pc_item(struct params *params, const char *word, uint64_t pc)
{
    const struct {
        const char *word;
        struct pc_list *list;
    } items[] = {
        {"entry", &params->entries},
        {"exit", &params->exits},
        {"idle", &params->idles},
        {"mark", &params->marks},
    };

    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        if (!strcmp(word, items[i].word))
            return pc_list_add(items[i].list, pc);
    }
    return -EINVAL;
}

// Items with a text: the counter file and the result register. -ENOENT: not one of them.
static int read_text_item(struct params *params, const char *word, const char *text,
                          uint64_t number)
{
    if (!strcmp(word, "shm")) {
        params->shm_path = strdup(text);
        return params->shm_path ? 0 : -ENOMEM;
    }
    if (!strcmp(word, "ret")) {
        snprintf(params->ret_name, sizeof(params->ret_name), "%.31s", text);
        params->ret_bits = (unsigned int)number;
        return number >= 1 && number <= 64 ? 0 : -EINVAL;
    }
    return -ENOENT;
}

static int read_line(struct params *params, const char *line)
{
    char word[16] = "";
    char text[3000] = "";
    char last[32] = "";
    int words = sscanf(line, "%15s %2999s %31s", word, text, last);
    uint64_t first = strtoull(text, NULL, 0);
    uint64_t second = strtoull(last, NULL, 0);
    int ret = read_text_item(params, word, text, second);

    if (words <= 0 || word[0] == '#')
        return 0;
    if (ret != -ENOENT)
        return ret;
    if (!strcmp(word, "exact"))
        params->exact = 1;
    else if (!strcmp(word, "hold"))
        params->hold_us = first;
    else if (!strcmp(word, "func"))
        return func_add(params, first, second);
    else
        return read_pc_item(params, word, first);
    return 0;
}

int params_read(struct params *params, const char *path)
{
    char line[3100];
    unsigned int number = 0;
    int ret = 0;
    FILE *file = fopen(path, "re");

    if (!file) {
        ret = -errno;
        fprintf(stderr, "bench plugin: %s: %s\n", path, strerror(errno));
        return ret;
    }
    while (!ret && fgets(line, sizeof(line), file)) {
        number++;
        ret = read_line(params, line);
    }
    fclose(file);
    if (!ret && !params->shm_path)
        ret = -EINVAL;
    if (ret)
        fprintf(stderr, "bench plugin: %s line %u: %s\n", path, number, strerror(-ret));
    return ret;
}

unsigned int params_kind(const struct params *params, uint64_t pc)
{
    unsigned int kind = 0;

    if (pc_list_find(&params->entries, pc) >= 0)
        kind |= PC_ENTRY;
    if (pc_list_find(&params->exits, pc) >= 0)
        kind |= PC_EXIT;
    if (pc_list_find(&params->idles, pc) >= 0)
        kind |= PC_IDLE;
    return kind;
}

int params_mark(const struct params *params, uint64_t pc)
{
    return pc_list_find(&params->marks, pc);
}

int params_func(const struct params *params, uint64_t pc)
{
    size_t low = 0;
    size_t high = params->func_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pc >= params->funcs[middle].end)
            low = middle + 1;
        else if (pc < params->funcs[middle].start)
            high = middle;
        else
            return (int)middle;
    }
    return -ENOENT;
}
