// SPDX-License-Identifier: BSD-2-Clause
//
// Boot-time memory map: two sorted tables of disjoint ranges, what is RAM and what of it is
// taken. Input is foreign (device tree), so every sum is checked. Boot CPU only, no locks.

#include "mm/memblock.h"

#include "arch/layout.h"
#include "mm/kasan.h"
#include "mm/linear.h"

struct table {
    unsigned count;
    struct memblock_range ranges[MEMBLOCK_MAX_RANGES];
};

static struct table memory, reserved;

static paddr_t range_end(const struct memblock_range *range) { return range->base + range->len; }

static void table_delete(struct table *table, unsigned from, unsigned to)
{
    for (unsigned i = to; i < table->count; i++)
        table->ranges[from + i - to] = table->ranges[i];
    table->count -= to - from;
}

static int table_insert(struct table *table, unsigned at, paddr_t base, uint64_t len)
{
    if (table->count == MEMBLOCK_MAX_RANGES)
        return -ENOSPC;
    for (unsigned i = table->count++; i > at; i--)
        table->ranges[i] = table->ranges[i - 1];
    table->ranges[at] = (struct memblock_range){base, len};
    return 0;
}

// Adds [base, end), merged with everything that it overlaps or touches.
static int table_add(struct table *table, paddr_t base, paddr_t end)
{
    unsigned first = 0;
    while (first < table->count && range_end(&table->ranges[first]) < base)
        first++;
    unsigned last = first;
    for (; last < table->count && table->ranges[last].base <= end; last++) {
        base = MIN(base, table->ranges[last].base);
        end = MAX(end, range_end(&table->ranges[last]));
    }
    if (first == last)
        return table_insert(table, first, base, end - base);
    table->ranges[first] = (struct memblock_range){base, end - base};
    table_delete(table, first + 1, last);
    return 0;
}

int memblock_add(paddr_t base, uint64_t len)
{
    paddr_t end;
    if (__builtin_add_overflow(base, len, &end) || base >= ARCH_LINEAR_BYTES)
        return -EINVAL;
    base = ALIGN_UP(base, PAGE_SIZE);
    // What the linear map has no room for can never be used.
    end = ALIGN_DOWN(MIN(end, ARCH_LINEAR_BYTES), PAGE_SIZE);
    return end > base ? table_add(&memory, base, end) : -EINVAL;
}

// Makes room for one more: the two neighbours with the smallest gap become one range, gap included.
static void table_join(struct table *table)
{
    unsigned best = 1;
    for (unsigned i = 1; i < table->count; i++) {
        uint64_t gap = table->ranges[i].base - range_end(&table->ranges[i - 1]);
        if (gap < table->ranges[best].base - range_end(&table->ranges[best - 1]))
            best = i;
    }
    table->ranges[best - 1].len = range_end(&table->ranges[best]) - table->ranges[best - 1].base;
    table_delete(table, best, best + 1);
}

int memblock_reserve(paddr_t base, uint64_t len)
{
    paddr_t end;
    if (!len || __builtin_add_overflow(base, len, &end) || end > ALIGN_DOWN(UINT64_MAX, PAGE_SIZE))
        return -EINVAL;
    base = ALIGN_DOWN(base, PAGE_SIZE);
    end = ALIGN_UP(end, PAGE_SIZE);
    kasan_unpoison(linear_va(base), end - base);
    int err = table_add(&reserved, base, end);
    if (err != -ENOSPC)
        return err;
    // Somebody is there: to forget him is not possible, to lose some memory is.
    table_join(&reserved);
    return table_add(&reserved, base, end);
}

// Cuts [base, end) out of every range that it touches.
static int table_cut(struct table *table, paddr_t base, paddr_t end)
{
    for (unsigned i = 0; i < table->count; i++) {
        struct memblock_range old = table->ranges[i];
        paddr_t old_end = range_end(&old);
        if (old.base >= end || old_end <= base)
            continue;
        if (old_end > end && old.base < base && table->count == MEMBLOCK_MAX_RANGES)
            return -ENOSPC; // a hole in this range alone: nothing was cut so far
        table_delete(table, i, i + 1);
        int err = 0;
        if (old_end > end)
            err = table_insert(table, i, end, old_end - end);
        if (!err && old.base < base)
            err = table_insert(table, i, old.base, base - old.base);
        if (err)
            return err;
        i -= old.base >= base && old_end <= end; // nothing of it is left: look at this place again
    }
    return 0;
}

int memblock_remove(paddr_t base, uint64_t len)
{
    paddr_t end;
    if (!len || __builtin_add_overflow(base, len, &end) || end > ALIGN_DOWN(UINT64_MAX, PAGE_SIZE))
        return -EINVAL;
    return table_cut(&memory, ALIGN_DOWN(base, PAGE_SIZE), ALIGN_UP(end, PAGE_SIZE));
}

void memblock_limit(uint64_t bytes)
{
    uint64_t left = ALIGN_DOWN(bytes, PAGE_SIZE);
    unsigned keep = 0;
    for (; keep < memory.count && left; keep++) {
        memory.ranges[keep].len = MIN(memory.ranges[keep].len, left);
        left -= memory.ranges[keep].len;
    }
    memory.count = keep;
}

// The first reserved range that ends above `base`; NULL when none does.
static const struct memblock_range *next_reserved(paddr_t base)
{
    for (unsigned i = 0; i < reserved.count; i++) {
        if (range_end(&reserved.ranges[i]) > base)
            return &reserved.ranges[i];
    }
    return NULL;
}

// The part of `range` at or above *base that comes first and is not reserved.
static bool free_in(const struct memblock_range *range, paddr_t *base, uint64_t *len)
{
    paddr_t start = MAX(*base, range->base), end = range_end(range);
    while (start < end) {
        const struct memblock_range *taken = next_reserved(start);
        if (!taken || taken->base > start) {
            *base = start;
            *len = (taken ? MIN(end, taken->base) : end) - start;
            return true;
        }
        start = range_end(taken);
    }
    return false;
}

bool memblock_next_free(paddr_t *base, uint64_t *len)
{
    for (unsigned i = 0; i < memory.count; i++) {
        if (range_end(&memory.ranges[i]) > *base && free_in(&memory.ranges[i], base, len))
            return true;
    }
    return false;
}

bool memblock_next_memory(paddr_t *base, uint64_t *len)
{
    for (unsigned i = 0; i < memory.count; i++) {
        paddr_t start = MAX(*base, memory.ranges[i].base), end = range_end(&memory.ranges[i]);
        if (start < end) {
            *base = start;
            *len = end - start;
            return true;
        }
    }
    return false;
}

bool memblock_is_memory(paddr_t base, uint64_t len)
{
    for (unsigned i = 0; i < memory.count; i++) {
        const struct memblock_range *range = &memory.ranges[i];
        if (base >= range->base && base - range->base < range->len)
            return len <= range->len - (base - range->base);
    }
    return false;
}

bool memblock_is_free(paddr_t base, uint64_t len)
{
    paddr_t start = base;
    uint64_t bytes;
    return memblock_next_free(&start, &bytes) && start == base && len <= bytes;
}

paddr_t memblock_find(uint64_t bytes, uint64_t align, paddr_t low, paddr_t limit)
{
    paddr_t best = 0, base = low;
    uint64_t len;
    if (!bytes || bytes > ARCH_LINEAR_BYTES || !IS_POWER_OF_2(align))
        return 0;
    align = MAX(align, PAGE_SIZE);
    for (; memblock_next_free(&base, &len); base += len) {
        paddr_t start = MAX(base, PAGE_SIZE), end = MIN(base + len - 1, limit) + 1;
        if (start > limit || end <= start || end - start < bytes)
            continue;
        paddr_t high = ALIGN_DOWN(end - bytes, align);
        best = high >= start ? high : best;
    }
    return best;
}

// A place inside the free range [start, end), 0 if there is none. What is mapped early is one
// stretch around the image, so a free range is covered wholly, at its top or at its bottom.
static paddr_t place_in(paddr_t start, paddr_t end, size_t bytes, size_t align)
{
    paddr_t low = ALIGN_UP(MAX(start, PAGE_SIZE), align); // 0 means none, so page 0 is no answer
    if (low < start || end < low || end - low < bytes)
        return 0;
    paddr_t high = ALIGN_DOWN(end - bytes, align);
    if (linear_mapped(high, bytes))
        return high;
    return linear_mapped(low, bytes) ? low : 0;
}

paddr_t memblock_alloc(size_t bytes, size_t align)
{
    paddr_t best = 0, base = 0;
    uint64_t len;
    if (!bytes || bytes > ARCH_LINEAR_BYTES || !IS_POWER_OF_2(align))
        return 0;
    bytes = ALIGN_UP(bytes, PAGE_SIZE);
    align = MAX(align, PAGE_SIZE);
    for (; memblock_next_free(&base, &len); base += len) {
        paddr_t found = place_in(base, base + len, bytes, align);
        best = found ? found : best;
    }
    if (!best || memblock_reserve(best, bytes))
        return 0;
    return best;
}

static uint64_t table_bytes(const struct table *table)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < table->count; i++)
        sum += table->ranges[i].len;
    return sum;
}

uint64_t memblock_memory_bytes(void) { return table_bytes(&memory); }
uint64_t memblock_reserved_bytes(void) { return table_bytes(&reserved); }
