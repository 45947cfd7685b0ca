// SPDX-License-Identifier: BSD-2-Clause
//
// The quarantine: freed objects are kept back, first in first out, so that whoever still uses one
// meets its poison and not the next owner. Bounded by bytes and by entries; the ring stands apart
// from the objects, which may be written through stale pointers at any time.

#include "core/sync/spinlock.h"
#include "mm/kasan_shadow.h"
#include "mm/linear.h"
#include "mm/memblock.h"
#include "mm/reclaim.h"

#define RAM_SHARE 32        // bytes kept are this part of RAM,
#define BYTES_MAX MIB(8)    // at most this
#define BYTES_PER_ENTRY 256 // what objects are taken to have on average

struct entry {
    struct slab_cache *cache;
    void *object;
    size_t bytes;
};

static struct {
    struct spinlock lock; // protects the rest
    struct entry *ring;
    size_t size, first, count; // entries
    size_t bytes, limit;
} quarantine;

static bool take_first(struct entry *out)
{
    if (!quarantine.count)
        return false;
    *out = quarantine.ring[quarantine.first];
    quarantine.first = (quarantine.first + 1) % quarantine.size;
    quarantine.count--;
    quarantine.bytes -= out->bytes;
    return true;
}

// Frees the oldest object while there is more than that; false when there is not.
static bool release_above(size_t bytes, size_t count)
{
    struct entry entry;
    irq_flags_t flags = spin_lock_irqsave(&quarantine.lock);
    bool over = quarantine.bytes > bytes || quarantine.count > count;
    bool taken = over && take_first(&entry);
    spin_unlock_irqrestore(&quarantine.lock, flags);
    if (taken)
        slab_free_now(entry.cache, entry.object);
    return taken;
}

bool kasan_quarantine(struct slab_cache *cache, void *object, size_t bytes)
{
    if (bytes > quarantine.limit / 4)
        return false;
    while (release_above(quarantine.limit - bytes, quarantine.size - 1)) {
    }
    irq_flags_t flags = spin_lock_irqsave(&quarantine.lock);
    bool room = quarantine.count < quarantine.size;
    if (room) {
        size_t last = (quarantine.first + quarantine.count++) % quarantine.size;
        quarantine.ring[last] = (struct entry){cache, object, bytes};
        quarantine.bytes += bytes;
    }
    spin_unlock_irqrestore(&quarantine.lock, flags);
    return room;
}

void kasan_drain(void)
{
    while (release_above(0, 0)) {
    }
}

// ---- When memory is short ----------------------------------------------------------------------

static size_t count_objects(struct shrinker *shrinker)
{
    (void)shrinker;
    return quarantine.count;
}

static size_t free_objects(struct shrinker *shrinker, size_t count)
{
    (void)shrinker;
    size_t freed = 0;
    while (freed < count && release_above(0, 0))
        freed++;
    return freed;
}

static struct shrinker shrinker = {
    .name = "kasan-quarantine", .count = count_objects, .scan = free_objects, .seeks = 1};

// Without a ring objects are freed at once.
void kasan_quarantine_init(uint64_t ram_bytes)
{
    size_t limit = MIN(ram_bytes / RAM_SHARE, BYTES_MAX);
    size_t entries = limit / BYTES_PER_ENTRY;
    paddr_t pa = memblock_alloc(ALIGN_UP(entries * sizeof(struct entry), PAGE_SIZE), PAGE_SIZE);
    if (!pa)
        return;
    quarantine.ring = linear_va(pa);
    quarantine.size = entries;
    quarantine.limit = limit;
    shrinker_register(&shrinker);
}
