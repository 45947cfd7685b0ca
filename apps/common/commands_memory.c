// SPDX-License-Identifier: BSD-2-Clause
//
// `show memory`: one screen of what there is and who has it; `show memory zones` and `show memory
// caches` have the page and the object allocator's particulars. docs/memory.md explains the terms.

#include "apps/common/command.h"
#include "mm/account.h"
#include "mm/cma.h"
#include "mm/dma.h"
#include "mm/memblock.h"
#include "mm/page_alloc.h"
#include "mm/percpu.h"
#include "mm/reclaim.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "net/packet.h"

typedef unsigned long long ull_t;

static ull_t kib(uint64_t bytes) { return bytes >> 10; }
static ull_t pages_kib(uint64_t pages) { return pages << PAGE_SHIFT >> 10; }

// ---- show memory -----------------------------------------------------------------------------

// What was free in both zones at their worst, which need not have been at the same time.
static uint64_t least_free_pages(void)
{
    struct zone_stats zone;
    uint64_t pages = 0;
    for (unsigned i = 0; page_get_zone_stats(i, &zone); i++)
        pages += zone.least_free;
    return pages;
}

static void print_pages(struct command_out *out)
{
    struct page_stats pages;
    page_get_stats(&pages);
    command_print(out, "RAM       %10llu KiB, %llu KiB for pages, %llu KiB describe them\n",
                  kib(memblock_memory_bytes()), kib(pages.total_bytes),
                  kib(pages.descriptor_bytes));
    command_print(out, "free      %10llu KiB, %llu KiB of it never used; least %llu KiB\n",
                  kib(pages.free_bytes), kib(pages.extent_bytes), pages_kib(least_free_pages()));
    command_print(out, "refused   %10llu requests\n", (ull_t)pages.failures);
}

static void print_areas(struct command_out *out)
{
    struct vmalloc_stats areas;
    struct percpu_stats percpu;
    vmalloc_get_stats(&areas);
    percpu_get_stats(&percpu);
    command_print(out, "areas     %10llu KiB in %zu, peak %llu KiB; %llu KiB in %zu to be purged\n",
                  kib(areas.bytes), areas.areas, kib(areas.peak_bytes), kib(areas.lazy_bytes),
                  areas.lazy_areas);
    command_print(out, "stacks    %10llu KiB in %zu, part of the areas\n", kib(areas.stack_bytes),
                  areas.stacks);
    command_print(out, "per CPU   %10zu bytes, and %zu of %zu as asked for; CPUs: %u\n",
                  percpu.static_bytes, percpu.used_bytes, percpu.backed_bytes, percpu.cpus);
}

static void print_devices(struct command_out *out)
{
    struct packet_pool_stats pool;
    struct dma_stats dma;
    struct cma_stats area;
    packet_pool_get_stats(&pool);
    dma_get_stats(&dma);
    cma_get_stats(&area);
    command_print(out, "packets   %10zu, %zu available, least %zu; refused %llu times\n",
                  pool.total, pool.available, pool.least, (ull_t)pool.exhausted);
    if (area.bytes)
        command_print(out, "dma area  %10llu KiB at 0x%llx, %llu KiB used, peak %llu KiB\n",
                      kib(area.bytes), (ull_t)area.base, kib(area.used), kib(area.peak));
    if (dma.bounce_bytes)
        command_print(
            out, "bounce    %10llu KiB, %llu KiB used, peak %llu KiB; refused %llu times\n",
            kib(dma.bounce_bytes), kib(dma.bounce_used), kib(dma.bounce_peak), (ull_t)dma.refused);
}

static void print_reclaim(struct command_out *out)
{
    struct reclaim_stats stats;
    reclaim_get_stats(&stats);
    command_print(out, "reclaim   %10llu times by its thread, %llu by others; %llu objects\n",
                  (ull_t)stats.background, (ull_t)stats.direct, (ull_t)stats.freed);
}

// Accounts that never held anything are left out, unless they were refused it.
static void print_accounts(struct command_out *out)
{
    const struct mem_account *account;
    command_print(out, "%-12s %10s %10s %10s %8s\n", "Account", "KiB", "Peak", "Limit", "Refused");
    for (unsigned i = 0; (account = account_at(i)); i++) {
        if (!account->peak && !account->denied && !account->limit)
            continue;
        command_print(out, "%-12s %10llu %10llu ", account->name, kib(account->used),
                      kib(account->peak));
        if (account->limit)
            command_print(out, "%10llu %8llu\n", kib(account->limit), (ull_t)account->denied);
        else
            command_print(out, "%10s %8llu\n", "-", (ull_t)account->denied);
    }
}

static int show_memory(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    print_pages(out);
    print_areas(out);
    print_devices(out);
    print_reclaim(out);
    print_accounts(out);
    return 0;
}
CONSOLE_COMMAND(show_memory_command, "show memory", "", "use of memory, by account", show_memory);

// ---- show memory zones -----------------------------------------------------------------------

static void print_zone(struct command_out *out, const struct zone_stats *zone)
{
    command_print(out, "%-8s %9llu %9llu %9llu %7llu %7llu %7llu %8llu\n", zone->name,
                  pages_kib(zone->managed), pages_kib(zone->free), pages_kib(zone->least_free),
                  pages_kib(zone->min), pages_kib(zone->low), pages_kib(zone->high),
                  pages_kib(zone->lowmem_reserve));
}

static void print_blocks(struct command_out *out, const struct zone_stats *zone)
{
    command_print(out, "%-8s", zone->name);
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++)
        command_print(out, " %5zu", zone->free_blocks[order]);
    command_print(out, "\n");
}

static void print_block_sizes(struct command_out *out)
{
    command_print(out, "%-8s", "Blocks");
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++)
        command_print(out, " %4lluK", kib(PAGE_SIZE << order));
    command_print(out, "\n");
}

static void print_lists(struct command_out *out, const struct zone_stats *zone)
{
    command_print(out, "%-8s %9llu pages on the CPUs' lists, up to %llu a CPU, %llu at a time\n",
                  zone->name, (ull_t)zone->per_cpu, (ull_t)zone->pcp_high, (ull_t)zone->pcp_batch);
}

static void each_zone(struct command_out *out,
                      void (*print)(struct command_out *out, const struct zone_stats *zone))
{
    struct zone_stats zone;
    for (unsigned i = 0; page_get_zone_stats(i, &zone); i++) {
        if (zone.managed)
            print(out, &zone);
    }
}

static void print_shrinkers(struct command_out *out)
{
    const struct shrinker *shrinker;
    for (unsigned i = 0; (shrinker = shrinker_at(i)); i++)
        command_print(out, "shrinker %s: %llu objects freed\n", shrinker->name,
                      (ull_t)shrinker->freed);
}

static int show_zones(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    command_print(out, "%-8s %9s %9s %9s %7s %7s %7s %8s\n", "Zone KiB", "Managed", "Free", "Least",
                  "Min", "Low", "High", "Reserved");
    each_zone(out, print_zone);
    print_block_sizes(out);
    each_zone(out, print_blocks);
    each_zone(out, print_lists);
    print_shrinkers(out);
    return 0;
}
CONSOLE_COMMAND(show_zones_command, "show memory zones", "",
                "free pages, watermarks, blocks, lists, shrinkers", show_zones);

// ---- show memory caches ----------------------------------------------------------------------

static void print_cache(struct command_out *out, const struct slab_stats *cache)
{
    const struct mem_account *account = account_at(cache->account);
    command_print(out, "%-16.16s %-10.10s %6zu %6zu %6zu %6zu %6zu %5zu %8llu\n", cache->name,
                  account ? account->name : "?", cache->object_bytes, cache->objects_used,
                  cache->objects_peak, cache->objects_cached, cache->objects_total,
                  cache->slabs_full + cache->slabs_partial + cache->slabs_free,
                  pages_kib(cache->pages));
}

// Caches that hold no memory are left out.
static int show_caches(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    struct slab_stats cache;
    command_print(out, "%-16s %-10s %6s %6s %6s %6s %6s %5s %8s\n", "Cache", "Account", "Bytes",
                  "Used", "Peak", "Cached", "Room", "Slabs", "KiB");
    for (unsigned i = 0; slab_get_stats(i, &cache); i++) {
        if (cache.name && cache.pages)
            print_cache(out, &cache);
    }
    return 0;
}
CONSOLE_COMMAND(show_caches_command, "show memory caches", "", "objects of each size and account",
                show_caches);
