// SPDX-License-Identifier: BSD-2-Clause
//
// Looks up function names in the table that build/symbols.py makes of the linked image: a header,
// the functions' offsets from the image's start in rising order, the place of every 16th name,
// and the names one after the other. Relies on nothing, so that it works while all else fails.

#include "core/debug/symbols.h"

#define SYMBOL_STRIDE 16

extern const struct {
    uint32_t count;
    uint32_t names_bytes;
    uint32_t words[]; // offsets, index of names, names
} symbol_table;
extern const char __image_start[], __text_start[], __text_end[];

// Number of functions that start at or below `offset`.
static size_t count_up_to(uint32_t offset)
{
    size_t low = 0, high = symbol_table.count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (symbol_table.words[middle] <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const char *name_of(size_t which)
{
    const uint32_t *index = symbol_table.words + symbol_table.count;
    const char *names = (const char *)(index + DIV_ROUND_UP(symbol_table.count, SYMBOL_STRIDE));
    const char *name = names + index[which / SYMBOL_STRIDE];

    for (size_t skip = which % SYMBOL_STRIDE; skip > 0; skip--) {
        while (*name != '\0')
            name++;
        name++;
    }
    return name;
}

const char *symbol_lookup(uintptr_t addr, size_t *offset)
{
    uint32_t from_start;
    size_t count;

    if (addr < (uintptr_t)__text_start || addr >= (uintptr_t)__text_end)
        return NULL;
    from_start = (uint32_t)(addr - (uintptr_t)__image_start);
    count = count_up_to(from_start);
    if (count == 0)
        return NULL;
    if (offset)
        *offset = from_start - symbol_table.words[count - 1];
    return name_of(count - 1);
}
