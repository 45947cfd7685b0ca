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

static int read_polled(struct params *params, uint64_t start, uint64_t end)
{
    params->polled = (struct func_range){start, end};
    return end > start ? 0 : -EINVAL;
}

// Items of numbers.
static int read_number_item(struct params *params, const char *word, uint64_t first,
                            uint64_t second)
{
    if (!strcmp(word, "hold"))
        params->hold_us = first;
    else if (!strcmp(word, "result"))
        params->result = first;
    else if (!strcmp(word, "polled"))
        return read_polled(params, first, second);
    else if (!strcmp(word, "idle"))
        return pc_list_add(&params->idles, first);
    else if (!strcmp(word, "pause"))
        return pc_list_add(&params->pauses, first);
    else if (!strcmp(word, "mark"))
        return pc_list_add(&params->marks, first);
    else if (!strcmp(word, "func"))
        return func_add(params, first, second);
    else
        return -EINVAL;
    return 0;
}

static int read_line(struct params *params, const char *line)
{
    char word[16] = "";
    char text[3000] = "";
    char last[32] = "";
    int words = sscanf(line, "%15s %2999s %31s", word, text, last);

    if (words <= 0 || word[0] == '#')
        return 0;
    if (!strcmp(word, "shm")) {
        params->shm_path = strdup(text);
        return params->shm_path ? 0 : -ENOMEM;
    }
    if (!strcmp(word, "exact")) {
        params->exact = 1;
        return 0;
    }
    return read_number_item(params, word, strtoull(text, NULL, 0), strtoull(last, NULL, 0));
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

bool params_is_idle(const struct params *params, uint64_t pc)
{
    return pc_list_find(&params->idles, pc) >= 0;
}

bool params_is_pause(const struct params *params, uint64_t pc)
{
    return pc_list_find(&params->pauses, pc) >= 0;
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
