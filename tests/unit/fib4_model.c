// SPDX-License-Identifier: BSD-2-Clause
//
// Open addressing, never shrunk: a deleted route keeps its place with next hop 0.

#include "fib4_model.h"

#include <stdlib.h>

struct entry {
    uint32_t prefix, nexthop;
    uint8_t len;
    bool used;
};

struct model {
    size_t mask, count;
    unsigned of_len[33]; // routes ever set, so that unused lengths are skipped
    struct entry entries[];
};

struct model *model_create(size_t max_routes)
{
    size_t size = 64;
    while (size < 2 * max_routes)
        size *= 2;
    struct model *model = calloc(1, sizeof(*model) + size * sizeof(struct entry));
    if (!model)
        abort();
    model->mask = size - 1;
    return model;
}

void model_destroy(struct model *model) { free(model); }

static size_t find(const struct model *model, uint32_t prefix, unsigned len)
{
    uint64_t hash = ((uint64_t)prefix << 6 | len) * 0x9e3779b97f4a7c15ULL;
    size_t i = (size_t)(hash >> 20) & model->mask;
    while (model->entries[i].used &&
           (model->entries[i].prefix != prefix || model->entries[i].len != len))
        i = (i + 1) & model->mask;
    return i;
}

void model_set(struct model *model, uint32_t prefix, unsigned len, uint32_t nexthop)
{
    struct entry *e = &model->entries[find(model, prefix, len)];
    if (!e->used)
        model->of_len[len]++;
    model->count += (nexthop != 0) - (size_t)(e->used && e->nexthop != 0);
    *e = (struct entry){prefix, nexthop, (uint8_t)len, true};
}

uint32_t model_get(const struct model *model, uint32_t prefix, unsigned len)
{
    return model->entries[find(model, prefix, len)].nexthop;
}

uint32_t model_lookup(const struct model *model, uint32_t dst)
{
    for (unsigned len = 33; len-- > 0;) {
        uint32_t nexthop = model->of_len[len] ? model_get(model, dst & model_mask(len), len) : 0;
        if (nexthop)
            return nexthop;
    }
    return 0;
}

size_t model_count(const struct model *model) { return model->count; }
