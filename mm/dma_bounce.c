// SPDX-License-Identifier: BSD-2-Clause
//
// Pools of slots of 2 KiB. A mapping takes a run of neighbouring slots; a bit per slot says whether
// it is free, and a run never crosses a word of bits, so that one is found in a few shifts a word.
// Each slot knows which memory it stands for: an address inside a mapping leads there directly. A
// device with a narrower reach than all pools gets a pool of its own; pools stay for good.

#include "mm/dma_bounce.h"

#include <stdatomic.h>
#include <string.h>

#include "core/debug/log.h"
#include "core/sync/spinlock.h"
#include "mm/cma.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "mm/slab.h"

#define SLOT_BYTES 2048UL
#define WORD_SLOTS 64
#define POOL_BYTES MIB(1) // or, when memory is scarce, less, by halves
#define POOL_BYTES_MIN (WORD_SLOTS * SLOT_BYTES)
#define POOL_WORDS (POOL_BYTES / POOL_BYTES_MIN)
#define POOLS_MAX 4

_Static_assert(DMA_BOUNCE_MAX <= WORD_SLOTS * SLOT_BYTES, "a run fits a word of bits");

struct slot {
    char *memory;  // what the slot's first byte stands for
    uint32_t left; // bytes of the mapping from there on; 0: the slot is free
    bool head;     // the mapping begins here
};

struct pool {
    paddr_t base;
    size_t bytes;
    struct slot *slots;
    uint64_t free[POOL_WORDS];
};

static struct pool pools[POOLS_MAX];
static _Atomic unsigned pool_count; // pools below it never move
static struct spinlock lock;        // free bits, and the numbers
static struct dma_stats numbers;

// ---- Pools ------------------------------------------------------------------------------------

static bool serves(const struct pool *pool, const struct dma_device *dev)
{
    return dma_reaches(dev, pool->base, pool->bytes);
}

// Contiguous memory at or below `last`: of the page allocator, or else of the contiguous area.
static void *pool_memory(size_t bytes, paddr_t last)
{
    void *mem = dma_page_alloc(page_order_for(bytes), GFP_KERNEL | GFP_ACCOUNT(dma), last);
    return mem ? mem : cma_alloc(bytes, bytes, last);
}

static void drop_memory(void *mem, size_t bytes)
{
    if (mem && !cma_free(mem, bytes))
        page_free(mem, page_order_for(bytes));
}

static int fill_pool(struct pool *pool, const struct dma_device *dev, paddr_t last)
{
    void *mem = NULL;
    size_t bytes = POOL_BYTES;
    for (; !mem && bytes >= POOL_BYTES_MIN; bytes /= 2) {
        mem = pool_memory(bytes, last);
        if (mem && !dma_reaches(dev, linear_pa(mem), bytes)) {
            drop_memory(mem, bytes);
            mem = NULL;
        }
    }
    bytes *= 2; // the loop has gone one step too far
    struct slot *slots = NULL;
    if (mem)
        slots = kcalloc(bytes / SLOT_BYTES, sizeof(*slots), GFP_KERNEL);
    if (!slots) {
        drop_memory(mem, bytes);
        return -ENOMEM;
    }
    *pool = (struct pool){.base = linear_pa(mem), .bytes = bytes, .slots = slots};
    for (size_t i = 0; i < bytes / POOL_BYTES_MIN; i++)
        pool->free[i] = UINT64_MAX;
    return 0;
}

// Publishes the pool; false when there are too many.
static bool add_pool(const struct pool *pool)
{
    irq_flags_t flags = spin_lock_irqsave(&lock);
    unsigned count = atomic_load_explicit(&pool_count, memory_order_relaxed);
    if (count < POOLS_MAX) {
        pools[count] = *pool;
        numbers.bounce_bytes += pool->bytes;
        // Release: the pool before its number. Partner: the load in find_pool and dma_bounce_map.
        atomic_store_explicit(&pool_count, count + 1, memory_order_release);
    }
    spin_unlock_irqrestore(&lock, flags);
    return count < POOLS_MAX;
}

int dma_bounce_prepare(const struct dma_device *dev, paddr_t last)
{
    struct pool pool;
    unsigned count = atomic_load_explicit(&pool_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        if (serves(&pools[i], dev))
            return 0;
    }
    if (count == POOLS_MAX || fill_pool(&pool, dev, last))
        return -ENOMEM;
    if (!add_pool(&pool)) {
        kfree(pool.slots);
        drop_memory(linear_va(pool.base), pool.bytes);
        return -ENOMEM;
    }
    log_info("dma: %zu KiB of bounce buffers at 0x%llx", pool.bytes / 1024,
             (unsigned long long)pool.base);
    return 0;
}

static struct pool *find_pool(paddr_t pa)
{
    unsigned count = atomic_load_explicit(&pool_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        if (pa - pools[i].base < pools[i].bytes)
            return &pools[i];
    }
    return NULL;
}

bool dma_bounce_holds(paddr_t pa) { return find_pool(pa) != NULL; }

// ---- Slots ------------------------------------------------------------------------------------

static unsigned slots_of(size_t bytes) { return (unsigned)DIV_ROUND_UP(bytes, SLOT_BYTES); }

static uint64_t run_mask(unsigned count)
{
    return count == WORD_SLOTS ? UINT64_MAX : (1ULL << count) - 1;
}

// Where `count` neighbouring bits of the word are set; -1: nowhere.
static int find_run(uint64_t word, unsigned count)
{
    // A set bit stands for a run of `have`, from it upwards.
    for (unsigned have = 1; have < count && word;) {
        unsigned step = MIN(have, count - have);
        word &= word >> step;
        have += step;
    }
    return word ? __builtin_ctzll(word) : -1;
}

// The first slot of a run, which is the caller's; -1: none is free. Lock held.
static int take_run(struct pool *pool, unsigned count)
{
    for (unsigned i = 0; i < pool->bytes / POOL_BYTES_MIN; i++) {
        int at = find_run(pool->free[i], count);
        if (at < 0)
            continue;
        pool->free[i] &= ~(run_mask(count) << at);
        return (int)(i * WORD_SLOTS) + at;
    }
    return -1;
}

static int take_anywhere(const struct dma_device *dev, unsigned count, struct pool **pool)
{
    int first = -1;
    irq_flags_t flags = spin_lock_irqsave(&lock);
    unsigned pools_now = atomic_load_explicit(&pool_count, memory_order_relaxed);
    for (unsigned i = 0; i < pools_now && first < 0; i++) {
        *pool = &pools[i];
        if (serves(*pool, dev))
            first = take_run(*pool, count);
    }
    if (first < 0) {
        numbers.refused++;
    } else {
        numbers.bounced++;
        numbers.bounce_used += count * SLOT_BYTES;
        numbers.bounce_peak = MAX(numbers.bounce_peak, numbers.bounce_used);
    }
    spin_unlock_irqrestore(&lock, flags);
    return first;
}

static void put_run(struct pool *pool, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        pool->slots[i] = (struct slot){0};
    irq_flags_t flags = spin_lock_irqsave(&lock);
    pool->free[first / WORD_SLOTS] |= run_mask(count) << first % WORD_SLOTS;
    numbers.bounce_used -= count * SLOT_BYTES;
    spin_unlock_irqrestore(&lock, flags);
}

// ---- Mappings ---------------------------------------------------------------------------------

void *dma_bounce_map(const struct dma_device *dev, const void *mem, size_t bytes)
{
    struct pool *pool;
    if (!bytes)
        return NULL;
    // Too large a run is looked for in vain, and so counted.
    unsigned count = bytes <= DMA_BOUNCE_MAX ? slots_of(bytes) : WORD_SLOTS + 1;
    int first = take_anywhere(dev, count, &pool);
    if (first < 0)
        return NULL;
    for (unsigned i = 0; i < count; i++)
        pool->slots[(unsigned)first + i] = (struct slot){
            .memory = (char *)(uintptr_t)mem + i * SLOT_BYTES,
            .left = (uint32_t)(bytes - i * SLOT_BYTES),
            .head = i == 0,
        };
    void *buffer = linear_va(pool->base + (unsigned)first * SLOT_BYTES);
    // In every direction: what the device leaves alone must come back as it was.
    memcpy(buffer, mem, bytes);
    return buffer;
}

// The slot of an address, if [pa, pa+bytes) lies in one mapping; NULL, and a line, if not.
static struct slot *find_slot(struct pool *pool, paddr_t pa, size_t bytes)
{
    size_t offset = (size_t)(pa - pool->base) % SLOT_BYTES;
    struct slot *slot = &pool->slots[(pa - pool->base) / SLOT_BYTES];
    if (slot->left > offset && bytes && bytes <= slot->left - offset)
        return slot;
    log_err("dma: 0x%llx with 0x%zx bytes is no part of a mapping", (unsigned long long)pa, bytes);
    return NULL;
}

static void copy(const struct slot *slot, paddr_t pa, size_t bytes, bool to_device)
{
    char *memory = slot->memory + pa % SLOT_BYTES, *buffer = linear_va(pa);
    if (to_device)
        memcpy(buffer, memory, bytes);
    else
        memcpy(memory, buffer, bytes);
}

void dma_bounce_copy(paddr_t pa, size_t bytes, bool to_device)
{
    const struct slot *slot = find_slot(find_pool(pa), pa, bytes);
    if (slot)
        copy(slot, pa, bytes, to_device);
}

void dma_bounce_unmap(paddr_t pa, size_t bytes, bool written)
{
    struct pool *pool = find_pool(pa);
    struct slot *slot = find_slot(pool, pa, bytes);
    if (!slot)
        return;
    if (!slot->head || slot->left != bytes || pa % SLOT_BYTES) {
        log_err("dma: unmap of 0x%llx with 0x%zx bytes, which is a part of a mapping",
                (unsigned long long)pa, bytes);
        return;
    }
    if (written)
        copy(slot, pa, bytes, false);
    put_run(pool, (unsigned)(slot - pool->slots), slots_of(bytes));
}

void dma_get_stats(struct dma_stats *stats)
{
    irq_flags_t flags = spin_lock_irqsave(&lock);
    *stats = numbers;
    spin_unlock_irqrestore(&lock, flags);
}
